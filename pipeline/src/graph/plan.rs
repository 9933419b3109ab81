//! What the configuration says about components and pipelines, checked before anything is opened.

use std::collections::BTreeMap;
use std::path::{Component as Part, PathBuf};

use spindle_config::sections::Mention;
use spindle_config::types::ListenAddress;
use spindle_config::{
    Check, Component, ComponentId, Diagnostic, Diagnostics, Origin, Sections, nearest, quoted_list,
};

use super::{authenticators, collector_types};
use crate::component::{
    Kind, Listener, LoadedExporter, LoadedExtension, LoadedProcessor, LoadedReceiver, Registry,
};
use crate::signal::{Signal, SignalSet};

/// A checked configuration, ready to be built.
pub struct Plan {
    pub(super) receivers: BTreeMap<ComponentId, Planned<LoadedReceiver>>,
    pub(super) processors: BTreeMap<ComponentId, Planned<LoadedProcessor>>,
    pub(super) exporters: BTreeMap<ComponentId, Planned<LoadedExporter>>,
    pub(super) extensions: BTreeMap<ComponentId, Planned<LoadedExtension>>,
    pub(super) pipelines: Vec<PlannedPipeline>,
    pub(super) listeners: Vec<PlannedListener>,
}

/// A component and where it is written.
pub(super) struct Planned<T> {
    pub(super) loaded: T,
    pub(super) path: String,
    pub(super) origin: Origin,
}

pub(super) struct PlannedPipeline {
    pub(super) id: ComponentId,
    pub(super) signal: Signal,
    pub(super) receivers: Vec<ComponentId>,
    pub(super) processors: Vec<ComponentId>,
    pub(super) exporters: Vec<ComponentId>,
}

/// A socket that somebody will bind, and where the configuration says so.
#[derive(Clone, Debug)]
pub struct PlannedListener {
    /// The key path.
    pub path: String,
    /// Where it stands.
    pub origin: Option<Origin>,
    /// The address.
    pub address: ListenAddress,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
}

impl Plan {
    /// Reads and checks everything; problems go into `diagnostics`. `listeners` are sockets that the
    /// process binds beside those of the components.
    pub fn read(
        sections: &Sections<'_>,
        registry: &Registry,
        mut listeners: Vec<PlannedListener>,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut planner = Planner { sections, registry, diagnostics };
        let pipelines = planner.pipelines();
        planner.extensions();
        planner.unused();
        planner.connectors();
        let plan = Self {
            receivers: planner.load(Kind::Receiver, &sections.receivers, Registry::load_receiver),
            processors: planner.load(Kind::Processor, &sections.processors, Registry::load_processor),
            exporters: planner.load(
                Kind::Exporter,
                &sections.exporters,
                |registry, component, diagnostics| {
                    let signals =
                        signals_of(&pipelines, |pipeline| pipeline.exporters.contains(&component.id));
                    registry.load_exporter(component, signals, diagnostics)
                },
            ),
            extensions: planner.load(Kind::Extension, &sections.extensions, Registry::load_extension),
            pipelines,
            listeners: Vec::new(),
        };
        plan.check_signals(&sections.processors, diagnostics);
        plan.check_files(&sections.exporters, diagnostics);
        authenticators::check(&plan, sections, registry, diagnostics);
        let (used_receivers, used_exporters) = plan.used();
        for (id, planned) in plan.receivers.iter().filter(|(id, _)| used_receivers.contains(id)) {
            add_listeners(
                &mut listeners,
                find(&sections.receivers, id),
                &planned.path,
                &planned.loaded.listeners,
                diagnostics,
            );
        }
        for (id, planned) in plan.exporters.iter().filter(|(id, _)| used_exporters.contains(id)) {
            add_listeners(
                &mut listeners,
                find(&sections.exporters, id),
                &planned.path,
                &planned.loaded.listeners,
                diagnostics,
            );
        }
        let enabled: Vec<&ComponentId> =
            sections.enabled_extensions.iter().map(|mention| &mention.id).collect();
        for (id, planned) in plan.extensions.iter().filter(|(id, _)| enabled.contains(id)) {
            add_listeners(
                &mut listeners,
                find(&sections.extensions, id),
                &planned.path,
                &planned.loaded.listeners,
                diagnostics,
            );
        }
        let mut plan = plan.keep_enabled_extensions(&enabled);
        plan.listeners = listeners;
        plan
    }

    /// Every socket that will be bound, those given to [`Self::read`] included.
    pub fn listeners(&self) -> &[PlannedListener] {
        &self.listeners
    }

    /// Where the configuration speaks of the socket with this key path.
    pub fn listener_origin(&self, path: &str) -> Option<Origin> {
        self.listeners.iter().find(|listener| listener.path == path)?.origin
    }

    /// The receivers that some pipeline takes data from.
    pub fn receivers(&self) -> impl Iterator<Item = &ComponentId> {
        self.receivers
            .keys()
            .filter(|id| self.pipelines.iter().any(|pipeline| pipeline.receivers.contains(id)))
    }

    /// The signals that some pipeline handles.
    pub fn signals(&self) -> impl Iterator<Item = Signal> {
        Signal::ALL
            .into_iter()
            .filter(|signal| self.pipelines.iter().any(|pipeline| pipeline.signal == *signal))
    }

    /// What processors say about the signals of the pipelines that name them.
    fn check_signals(&self, components: &[Component<'_>], diagnostics: &mut Diagnostics) {
        for (id, planned) in &self.processors {
            let Some(component) = find(components, id) else { continue };
            let is_used = |signal: &Signal| {
                let mut pipelines = self.pipelines.iter().filter(|pipeline| pipeline.signal == *signal);
                pipelines.any(|pipeline| pipeline.processors.contains(id))
            };
            for signal in Signal::ALL.into_iter().filter(is_used) {
                let path = planned.path.clone();
                let mut check = Check::new(component.body, path, Some(component.origin), diagnostics);
                (planned.loaded.validate_for)(signal, &mut check);
            }
        }
    }

    /// Two exporters that write to one file would destroy what the other has written.
    fn check_files(&self, components: &[Component<'_>], diagnostics: &mut Diagnostics) {
        let (_, used) = self.used();
        let mut all: Vec<(PathBuf, String)> = Vec::new();
        for (id, planned) in self.exporters.iter().filter(|(id, _)| used.contains(id)) {
            for file in &planned.loaded.files {
                // `./a` is `a`.
                let plain: PathBuf = file.path.components().filter(|part| *part != Part::CurDir).collect();
                let rival = all.iter().find(|(path, _)| *path == plain);
                if let (Some((_, rival)), Some(component)) = (rival, find(components, id)) {
                    let message = format!("two exporters write to one file: it is also {rival}");
                    let problem = Diagnostic::error(message).help("give one of them another path");
                    let path = planned.path.clone();
                    Check::new(component.body, path, Some(component.origin), diagnostics)
                        .report(file.key, problem);
                }
                all.push((plain, format!("{}::{}", planned.path, file.key)));
            }
        }
    }

    fn used(&self) -> (Vec<&ComponentId>, Vec<&ComponentId>) {
        let receivers = self.pipelines.iter().flat_map(|pipeline| &pipeline.receivers).collect();
        let exporters = self.pipelines.iter().flat_map(|pipeline| &pipeline.exporters).collect();
        (receivers, exporters)
    }

    fn keep_enabled_extensions(mut self, enabled: &[&ComponentId]) -> Self {
        self.extensions.retain(|id, _| enabled.contains(&id));
        self
    }
}

/// The signals of the pipelines that are chosen.
pub(super) fn signals_of(
    pipelines: &[PlannedPipeline],
    takes: impl Fn(&PlannedPipeline) -> bool,
) -> SignalSet {
    pipelines
        .iter()
        .filter(|pipeline| takes(pipeline))
        .fold(SignalSet::default(), |signals, pipeline| signals.and(SignalSet::of(pipeline.signal)))
}

pub(super) fn find<'a>(components: &'a [Component<'a>], id: &ComponentId) -> Option<&'a Component<'a>> {
    components.iter().find(|component| component.id == *id)
}

/// Adds the sockets of one component and reports those that somebody else wants as well.
fn add_listeners(
    all: &mut Vec<PlannedListener>,
    component: Option<&Component<'_>>,
    path: &str,
    listeners: &[Listener],
    diagnostics: &mut Diagnostics,
) {
    for listener in listeners {
        let origin = component.map(|component| {
            let mut scratch = Diagnostics::default();
            Check::new(component.body, path, Some(component.origin), &mut scratch).origin(&listener.key)
        });
        let planned = PlannedListener {
            path: format!("{path}::{}", listener.key),
            origin,
            address: listener.address.clone(),
            protocol: listener.protocol,
        };
        let rival = all.iter().find(|other| {
            other.protocol == planned.protocol && other.address.conflicts_with(&planned.address)
        });
        if let Some(rival) = rival {
            let message = format!("two listeners on one address: {} is also {}", planned.address, rival.path);
            let mut diagnostic =
                Diagnostic::error(message).path(planned.path.clone()).help("give one of them another port");
            diagnostic.origin = planned.origin;
            diagnostics.push(diagnostic);
        }
        all.push(planned);
    }
}

/// "a" or "an".
fn article(kind: Kind) -> &'static str {
    if matches!(kind, Kind::Exporter | Kind::Extension) { "an" } else { "a" }
}

struct Planner<'p, 's> {
    sections: &'p Sections<'s>,
    registry: &'p Registry,
    diagnostics: &'p mut Diagnostics,
}

impl<'s> Planner<'_, 's> {
    fn load<T>(
        &mut self,
        kind: Kind,
        components: &[Component<'s>],
        load: impl Fn(&Registry, &Component<'_>, &mut Diagnostics) -> Option<T>,
    ) -> BTreeMap<ComponentId, Planned<T>> {
        let mut loaded = BTreeMap::new();
        for component in components {
            self.warn_of_old_name(kind, component);
            match load(self.registry, component, self.diagnostics) {
                Some(component_loaded) => {
                    let path = format!("{}::{}", kind.section(), component.id);
                    loaded.insert(
                        component.id.clone(),
                        Planned { loaded: component_loaded, path, origin: component.origin },
                    );
                }
                None => self.unknown_type(kind, component),
            }
        }
        loaded
    }

    fn warn_of_old_name(&mut self, kind: Kind, component: &Component<'_>) {
        let name = component.id.component_type();
        let Some(info) = self.registry.find(kind, name).filter(|info| info.name != name) else { return };
        let message = format!("\"{name}\" alias is deprecated; use \"{}\" instead", info.name);
        let path = format!("{}::{}", kind.section(), component.id);
        self.diagnostics.push(Diagnostic::warning(message).at(component.origin).path(path));
    }

    fn unknown_type(&mut self, kind: Kind, component: &Component<'_>) {
        let name = component.id.component_type();
        let valid = || self.registry.types().filter(move |info| info.kind == kind).map(|info| info.name);
        let message = format!("unknown type: \"{name}\" for id: \"{}\"", component.id);
        let mut diagnostic = Diagnostic::error(message).at(component.origin).path(kind.section());
        if collector_types::contains(kind, name) {
            diagnostic = diagnostic.note(format!(
                "the Collector has {} {kind} of this type; it is not built into this version of spindle yet",
                article(kind)
            ));
        } else if let Some(other) = self.other_kind(kind, name) {
            let section = other.section();
            diagnostic = diagnostic.help(format!("`{name}` belongs in the section `{section}`"));
        } else if let Some(name) = nearest(name, valid()) {
            diagnostic = diagnostic.help(format!("did you mean `{name}`?"));
        }
        let list = quoted_list(valid());
        diagnostic = diagnostic.note(if list.is_empty() {
            format!("there are no {} yet", kind.section())
        } else {
            format!("valid values: {list}")
        });
        self.diagnostics.push(diagnostic);
    }

    /// A kind that has a type of this name.
    fn other_kind(&self, kind: Kind, name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|other| *other != kind && self.registry.find(*other, name).is_some())
    }

    fn connectors(&mut self) {
        for component in &self.sections.connectors {
            self.unknown_type(Kind::Connector, component);
        }
    }

    fn pipelines(&mut self) -> Vec<PlannedPipeline> {
        let mut planned = Vec::new();
        for pipeline in &self.sections.pipelines {
            let path = format!("service::pipelines::{}", pipeline.id);
            let Some(signal) = self.signal(&pipeline.id, pipeline.origin) else { continue };
            for (list, what) in [(&pipeline.receivers, "receiver"), (&pipeline.exporters, "exporter")] {
                if list.is_empty() {
                    let message = format!("must have at least one {what}");
                    self.diagnostics.push(Diagnostic::error(message).at(pipeline.origin).path(&path));
                }
            }
            planned.push(PlannedPipeline {
                id: pipeline.id.clone(),
                signal,
                receivers: self.mentions(Kind::Receiver, &pipeline.receivers, signal, &path),
                processors: self.mentions(Kind::Processor, &pipeline.processors, signal, &path),
                exporters: self.mentions(Kind::Exporter, &pipeline.exporters, signal, &path),
            });
        }
        planned
    }

    fn signal(&mut self, id: &ComponentId, origin: Origin) -> Option<Signal> {
        let name = id.component_type();
        let signal = Signal::from_name(name);
        if signal.is_none() {
            let names = Signal::ALL.map(Signal::name);
            let mut diagnostic = Diagnostic::error(format!("unknown signal \"{name}\""))
                .at(origin)
                .path(format!("service::pipelines::{id}"))
                .note(format!("a pipeline's id starts with its signal: {}", quoted_list(names)));
            if let Some(near) = nearest(name, names) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
            self.diagnostics.push(diagnostic);
        }
        signal
    }

    fn mentions(&mut self, kind: Kind, mentions: &[Mention], signal: Signal, path: &str) -> Vec<ComponentId> {
        for mention in mentions {
            let is_connector =
                kind != Kind::Processor && find(&self.sections.connectors, &mention.id).is_some();
            if is_connector {
                continue;
            }
            if find(self.configured(kind), &mention.id).is_none() {
                self.undefined(kind, mention, path);
                continue;
            }
            let Some(info) = self.registry.find(kind, mention.id.component_type()) else { continue };
            if !info.signals.contains(signal) {
                let message = format!(
                    "{kind} \"{}\" for data type \"{signal}\": telemetry type is not supported",
                    mention.id
                );
                let handled: Vec<&str> = info.signals.iter().map(Signal::name).collect();
                let note = format!("`{}` handles {}", info.name, handled.join(", "));
                self.diagnostics.push(Diagnostic::error(message).at(mention.origin).path(path).note(note));
            }
        }
        mentions.iter().map(|mention| mention.id.clone()).collect()
    }

    fn configured(&self, kind: Kind) -> &[Component<'s>] {
        match kind {
            Kind::Receiver => &self.sections.receivers,
            Kind::Processor => &self.sections.processors,
            Kind::Exporter => &self.sections.exporters,
            Kind::Connector => &self.sections.connectors,
            Kind::Extension => &self.sections.extensions,
        }
    }

    fn undefined(&mut self, kind: Kind, mention: &Mention, path: &str) {
        let message = format!("references {kind} \"{}\" which is not configured", mention.id);
        let mut diagnostic = Diagnostic::error(message).at(mention.origin).path(path);
        let elsewhere = Kind::ALL
            .into_iter()
            .find(|other| *other != kind && find(self.configured(*other), &mention.id).is_some());
        let names = || self.configured(kind).iter().map(|component| component.id.as_str());
        if let Some(other) = elsewhere {
            diagnostic =
                diagnostic.help(format!("\"{}\" is configured as {} {other}", mention.id, article(other)));
        } else if let Some(name) = nearest(mention.id.as_str(), names()) {
            diagnostic = diagnostic.help(format!("did you mean `{name}`?"));
        } else if self.registry.find(kind, mention.id.component_type()).is_some() {
            diagnostic =
                diagnostic.help(format!("add `{}:` to the section `{}`", mention.id, kind.section()));
        }
        self.diagnostics.push(diagnostic);
    }

    fn extensions(&mut self) {
        let sections = self.sections;
        for mention in &sections.enabled_extensions {
            if find(&sections.extensions, &mention.id).is_none() {
                self.undefined(Kind::Extension, mention, "service::extensions");
            }
        }
    }

    /// What is written and does nothing.
    fn unused(&mut self) {
        let sections = self.sections;
        let used = |pick: fn(&spindle_config::Pipeline) -> &Vec<Mention>| -> Vec<&ComponentId> {
            sections.pipelines.iter().flat_map(pick).map(|mention| &mention.id).collect()
        };
        let lists = [
            (Kind::Receiver, &sections.receivers, used(|pipeline| &pipeline.receivers), "by any pipeline"),
            (Kind::Processor, &sections.processors, used(|pipeline| &pipeline.processors), "by any pipeline"),
            (Kind::Exporter, &sections.exporters, used(|pipeline| &pipeline.exporters), "by any pipeline"),
            (
                Kind::Extension,
                &sections.extensions,
                sections.enabled_extensions.iter().map(|mention| &mention.id).collect(),
                "in service::extensions",
            ),
        ];
        for (kind, components, used, by) in lists {
            for component in components.iter().filter(|component| !used.contains(&&component.id)) {
                let message = format!("{kind} \"{}\" is configured and not used {by}", component.id);
                let path = format!("{}::{}", kind.section(), component.id);
                self.diagnostics.push(Diagnostic::warning(message).at(component.origin).path(path));
            }
        }
    }
}
