//! What the author of a component writes: a config struct and how to build from it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use spindle_config::Check;
use spindle_config::types::ListenAddress;

use super::{BuildContext, Consumer, Exporter, Extension, Processor, Receiver, Transform};
use crate::auth::{AuthenticatorUse, Roles};
use crate::error::BuildError;
use crate::export::ExportSettings;
use crate::signal::{Signal, SignalSet};

/// How finished a component is, in the Collector's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// Keys and behaviour may change.
    Development,
    /// Fit for limited use.
    Alpha,
    /// Fit for use; keys may still change.
    Beta,
    /// Keys and behaviour stay.
    Stable,
}

impl Stability {
    /// The Collector's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Development => "Development",
            Self::Alpha => "Alpha",
            Self::Beta => "Beta",
            Self::Stable => "Stable",
        }
    }
}

/// A socket that a component will listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The key its address stands at, below the component's body.
    pub key: String,
    /// The address.
    pub address: ListenAddress,
    /// `tcp` or `udp`; a port can be bound once for each.
    pub protocol: &'static str,
}

/// A file that a component will write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// The key its path stands at, below the component's body.
    pub key: &'static str,
    /// The path as it is configured.
    pub path: PathBuf,
}

/// The keys of a component. Derive `Deserialize` with `#[serde(default, deny_unknown_fields)]`.
pub trait ComponentConfig: DeserializeOwned + Default + Send + Sync + 'static {
    /// Reports values that cannot be.
    fn validate(&self, check: &mut Check<'_>) {
        let _ = check;
    }

    /// Reports values that cannot be in a pipeline of `signal`. Processors and exporters are asked once for
    /// each signal whose pipelines name them.
    fn validate_for(&self, signal: Signal, check: &mut Check<'_>) {
        let _ = (signal, check);
    }

    /// The sockets it will bind, so that two components that want one are told before the start.
    fn listeners(&self) -> Vec<Listener> {
        Vec::new()
    }

    /// The files it will write and shares with nobody. Exporters that want the same one are told before the
    /// start.
    fn files(&self) -> Vec<OutputFile> {
        Vec::new()
    }

    /// The extensions that it asks for authenticators.
    fn authenticators(&self) -> Vec<AuthenticatorUse> {
        Vec::new()
    }
}

/// What all kinds of factories say about a type.
pub trait Factory: 'static {
    /// Its keys.
    type Config: ComponentConfig;
    /// Its name in the configuration.
    const TYPE: &'static str;
    /// Older names, which are accepted with a warning.
    const ALIASES: &'static [&'static str] = &[];
    /// The signals it handles.
    const SIGNALS: SignalSet;
    /// How finished it is.
    const STABILITY: Stability;
}

/// Makes receivers.
pub trait ReceiverFactory: Factory {
    /// Builds one, sockets bound.
    fn build(config: Self::Config, context: &BuildContext) -> Result<Box<dyn Receiver>, BuildError>;
}

/// Joins a processor with state to what stands behind it.
pub type JoinProcessor = Box<dyn FnOnce(Arc<dyn Consumer>) -> Arc<dyn Processor> + Send>;

/// A processor of either shape.
pub enum BuiltProcessor {
    /// Without state.
    Transform(Arc<dyn Transform>),
    /// With state; it gets the next consumer when the pipeline is joined.
    Stateful(JoinProcessor),
}

/// Makes processors, one for each pipeline that names it.
pub trait ProcessorFactory: Factory {
    /// Builds one for a pipeline of `signal`.
    fn build(
        config: &Self::Config,
        context: &BuildContext,
        signal: Signal,
    ) -> Result<BuiltProcessor, BuildError>;
}

/// Makes exporters, one for all pipelines that name it.
pub trait ExporterFactory: Factory {
    /// Queue, retry and timeout as the keys say.
    fn settings(config: &Self::Config) -> ExportSettings;

    /// Builds one. Connections are made on first use, not here.
    fn build(config: Self::Config, context: &BuildContext) -> Result<Arc<dyn Exporter>, BuildError>;
}

/// Makes extensions.
pub trait ExtensionFactory: Factory {
    /// The sides of a request that it authenticates with this configuration; neither, unless it says so.
    fn roles(config: &Self::Config) -> Roles {
        let _ = config;
        Roles::default()
    }

    /// Builds one, sockets bound.
    fn build(config: Self::Config, context: &BuildContext) -> Result<Box<dyn Extension>, BuildError>;
}
