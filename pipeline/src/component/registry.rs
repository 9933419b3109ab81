//! The types that exist, by kind; the one place where factories lose their types.
//!
//! Loading a component reads and checks its body and returns a closure that builds it, so everything
//! about the configuration is said before anything is opened.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use spindle_config::{Check, Component, Diagnostics, decode};

use super::factory::{
    BuiltProcessor, ComponentConfig, ExporterFactory, ExtensionFactory, Factory, Listener, OutputFile,
    ProcessorFactory, ReceiverFactory, Stability,
};
use super::{BuildContext, Exporter, Extension, Receiver};
use crate::auth::{AuthenticatorUse, Roles};
use crate::error::BuildError;
use crate::export::ExportSettings;
use crate::signal::{Signal, SignalSet};

/// The kinds of components, named as the sections of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Brings data in.
    Receiver,
    /// Works on data.
    Processor,
    /// Sends data out.
    Exporter,
    /// Joins pipelines.
    Connector,
    /// Beside the pipelines.
    Extension,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Receiver, Self::Processor, Self::Exporter, Self::Connector, Self::Extension];

    /// `receiver`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receiver => "receiver",
            Self::Processor => "processor",
            Self::Exporter => "exporter",
            Self::Connector => "connector",
            Self::Extension => "extension",
        }
    }

    /// `receivers`.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Receiver => "receivers",
            Self::Processor => "processors",
            Self::Exporter => "exporters",
            Self::Connector => "connectors",
            Self::Extension => "extensions",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What is known about a type.
#[derive(Clone, Copy, Debug)]
pub struct TypeInfo {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: &'static str,
    /// Older names.
    pub aliases: &'static [&'static str],
    /// The signals it handles.
    pub signals: SignalSet,
    /// How finished it is.
    pub stability: Stability,
}

impl TypeInfo {
    fn of<F: Factory>(kind: Kind) -> Self {
        Self { kind, name: F::TYPE, aliases: F::ALIASES, signals: F::SIGNALS, stability: F::STABILITY }
    }
}

type Build<T> = Box<dyn FnOnce(&BuildContext) -> Result<T, BuildError> + Send>;
type BuildProcessor = Box<dyn Fn(&BuildContext, Signal) -> Result<BuiltProcessor, BuildError> + Send>;

/// A receiver whose configuration is read and checked.
pub struct LoadedReceiver {
    /// What it will listen on.
    pub listeners: Vec<Listener>,
    /// The authenticators it asks for.
    pub authenticators: Vec<AuthenticatorUse>,
    /// Builds it.
    pub build: Build<Box<dyn Receiver>>,
}

type CheckForSignal = Box<dyn Fn(Signal, &mut Check<'_>) + Send>;

/// A processor whose configuration is read and checked.
pub struct LoadedProcessor {
    /// Checks what depends on the signal of a pipeline that names it.
    pub validate_for: CheckForSignal,
    /// Builds one for a pipeline.
    pub build: BuildProcessor,
}

/// An exporter whose configuration is read and checked.
pub struct LoadedExporter {
    /// What it will listen on.
    pub listeners: Vec<Listener>,
    /// What it will write.
    pub files: Vec<OutputFile>,
    /// The authenticators it asks for.
    pub authenticators: Vec<AuthenticatorUse>,
    /// Queue, retry and timeout.
    pub settings: ExportSettings,
    /// Builds it.
    pub build: Build<Arc<dyn Exporter>>,
}

/// An extension whose configuration is read and checked.
pub struct LoadedExtension {
    /// What it will listen on.
    pub listeners: Vec<Listener>,
    /// The authenticators it offers.
    pub roles: Roles,
    /// Builds it.
    pub build: Build<Box<dyn Extension>>,
}

type Load<T> = fn(&Component<'_>, &mut Diagnostics) -> T;
type LoadExporter = fn(&Component<'_>, SignalSet, &mut Diagnostics) -> LoadedExporter;

enum Entry {
    Receiver(Load<LoadedReceiver>),
    Processor(Load<LoadedProcessor>),
    Exporter(LoadExporter),
    Extension(Load<LoadedExtension>),
}

/// The types of this build.
#[derive(Default)]
pub struct Registry {
    types: BTreeMap<(Kind, &'static str), (TypeInfo, Entry)>,
}

impl Registry {
    /// Adds a type of receiver.
    pub fn receiver<F: ReceiverFactory>(&mut self) {
        self.add::<F>(Kind::Receiver, Entry::Receiver(load_receiver::<F>));
    }

    /// Adds a type of processor.
    pub fn processor<F: ProcessorFactory>(&mut self) {
        self.add::<F>(Kind::Processor, Entry::Processor(load_processor::<F>));
    }

    /// Adds a type of exporter.
    pub fn exporter<F: ExporterFactory>(&mut self) {
        self.add::<F>(Kind::Exporter, Entry::Exporter(load_exporter::<F>));
    }

    /// Adds a type of extension.
    pub fn extension<F: ExtensionFactory>(&mut self) {
        self.add::<F>(Kind::Extension, Entry::Extension(load_extension::<F>));
    }

    fn add<F: Factory>(&mut self, kind: Kind, entry: Entry) {
        self.types.insert((kind, F::TYPE), (TypeInfo::of::<F>(kind), entry));
    }

    /// All types in the order of kind and name.
    pub fn types(&self) -> impl Iterator<Item = &TypeInfo> {
        self.types.values().map(|(info, _)| info)
    }

    /// The type of a name, which may be an older one.
    pub fn find(&self, kind: Kind, name: &str) -> Option<&TypeInfo> {
        self.entry(kind, name).map(|(info, _)| info)
    }

    fn entry(&self, kind: Kind, name: &str) -> Option<&(TypeInfo, Entry)> {
        self.types
            .values()
            .find(|(info, _)| info.kind == kind && (info.name == name || info.aliases.contains(&name)))
    }

    /// Reads and checks the body of a receiver; `None` when there is no such type.
    pub fn load_receiver(
        &self,
        component: &Component<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<LoadedReceiver> {
        match self.entry(Kind::Receiver, component.id.component_type())? {
            (_, Entry::Receiver(load)) => Some(load(component, diagnostics)),
            _ => None,
        }
    }

    /// Reads and checks the body of a processor; `None` when there is no such type.
    pub fn load_processor(
        &self,
        component: &Component<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<LoadedProcessor> {
        match self.entry(Kind::Processor, component.id.component_type())? {
            (_, Entry::Processor(load)) => Some(load(component, diagnostics)),
            _ => None,
        }
    }

    /// Reads and checks the body of an exporter of pipelines of these signals; `None` when there is no such
    /// type.
    pub fn load_exporter(
        &self,
        component: &Component<'_>,
        signals: SignalSet,
        diagnostics: &mut Diagnostics,
    ) -> Option<LoadedExporter> {
        match self.entry(Kind::Exporter, component.id.component_type())? {
            (_, Entry::Exporter(load)) => Some(load(component, signals, diagnostics)),
            _ => None,
        }
    }

    /// Reads and checks the body of an extension; `None` when there is no such type.
    pub fn load_extension(
        &self,
        component: &Component<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<LoadedExtension> {
        match self.entry(Kind::Extension, component.id.component_type())? {
            (_, Entry::Extension(load)) => Some(load(component, diagnostics)),
            _ => None,
        }
    }
}

/// Reads a body into its config and checks it. What could not be read stands at its default, so that the
/// rest is checked all the same.
fn load<C: ComponentConfig>(kind: Kind, component: &Component<'_>, diagnostics: &mut Diagnostics) -> C {
    let path = format!("{}::{}", kind.section(), component.id);
    let config: C = decode(component.body, &path, diagnostics).unwrap_or_default();
    config.validate(&mut Check::new(component.body, path, Some(component.origin), diagnostics));
    config
}

fn load_receiver<F: ReceiverFactory>(
    component: &Component<'_>,
    diagnostics: &mut Diagnostics,
) -> LoadedReceiver {
    let config: F::Config = load(Kind::Receiver, component, diagnostics);
    LoadedReceiver {
        listeners: config.listeners(),
        authenticators: config.authenticators(),
        build: Box::new(move |context| F::build(config, context)),
    }
}

fn load_processor<F: ProcessorFactory>(
    component: &Component<'_>,
    diagnostics: &mut Diagnostics,
) -> LoadedProcessor {
    let config: Arc<F::Config> = Arc::new(load(Kind::Processor, component, diagnostics));
    let checked = Arc::clone(&config);
    LoadedProcessor {
        validate_for: Box::new(move |signal, check| checked.validate_for(signal, check)),
        build: Box::new(move |context, signal| F::build(&config, context, signal)),
    }
}

fn load_exporter<F: ExporterFactory>(
    component: &Component<'_>,
    signals: SignalSet,
    diagnostics: &mut Diagnostics,
) -> LoadedExporter {
    let config: F::Config = load(Kind::Exporter, component, diagnostics);
    for signal in F::SIGNALS.iter().filter(|signal| signals.contains(*signal)) {
        let path = format!("{}::{}", Kind::Exporter.section(), component.id);
        let mut check = Check::new(component.body, path, Some(component.origin), diagnostics);
        config.validate_for(signal, &mut check);
    }
    LoadedExporter {
        listeners: config.listeners(),
        files: config.files(),
        authenticators: config.authenticators(),
        settings: F::settings(&config),
        build: Box::new(move |context| F::build(config, context)),
    }
}

fn load_extension<F: ExtensionFactory>(
    component: &Component<'_>,
    diagnostics: &mut Diagnostics,
) -> LoadedExtension {
    let config: F::Config = load(Kind::Extension, component, diagnostics);
    LoadedExtension {
        listeners: config.listeners(),
        roles: F::roles(&config),
        build: Box::new(move |context| F::build(config, context)),
    }
}
