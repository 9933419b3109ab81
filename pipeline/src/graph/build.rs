//! Making the components and joining them, last first.

use std::collections::BTreeMap;
use std::sync::Arc;

use spindle_config::{ComponentId, Diagnostics, Origin};

use super::edge::{
    OutgoingEdge, ProcessorCounters, ProcessorEdge, StampStage, TransformStage, TransformStep,
};
use super::fan_out::FanOut;
use super::plan::{Plan, Planned, PlannedListener, PlannedPipeline, signals_of};
use super::running::{RunningExtension, RunningReceiver};
use crate::auth::Authenticators;
use crate::component::{
    BUILD, BuildContext, BuiltProcessor, Consumer, Exporter, Kind, LoadedExporter, LoadedExtension,
    LoadedProcessor, LoadedReceiver, Outputs, Processor,
};
use crate::error::BuildError;
use crate::export::ExportStage;
use crate::run::{Runs, Stamp};
use crate::signal::{Signal, SignalSet};
use crate::status::{Status, StatusBoard, StatusHandle};
use crate::telemetry::Telemetry;

/// Built pipelines, and once started, running ones.
pub struct Graph {
    pub(super) telemetry: Telemetry,
    pub(super) board: StatusBoard,
    pub(super) receivers: Vec<RunningReceiver>,
    /// In the order of the data: front ones first.
    pub(super) processors: Vec<(StatusHandle, Arc<dyn Processor>)>,
    pub(super) stages: Vec<Arc<ExportStage>>,
    pub(super) exporters: Vec<(StatusHandle, Arc<dyn Exporter>)>,
    pub(super) extensions: Vec<RunningExtension>,
}

impl Graph {
    /// Builds everything; sockets are bound when it returns. Must be called within a runtime. Every
    /// component that cannot be built is reported, with the position of what it is about.
    pub fn build(
        plan: Plan,
        telemetry: &Telemetry,
        board: &StatusBoard,
        runs: &Runs,
    ) -> Result<Self, Diagnostics> {
        let graph = Self {
            telemetry: telemetry.clone(),
            board: board.clone(),
            receivers: Vec::new(),
            processors: Vec::new(),
            stages: Vec::new(),
            exporters: Vec::new(),
            extensions: Vec::new(),
        };
        let listeners = plan.listeners;
        let mut builder = Builder {
            graph,
            runs,
            listeners,
            authenticators: Authenticators::default(),
            stages: BTreeMap::new(),
            problems: Diagnostics::default(),
        };
        builder.extensions(plan.extensions);
        builder.exporters(plan.exporters, &plan.pipelines);
        let mut entries = Entries::new();
        for pipeline in &plan.pipelines {
            let entry = builder.pipeline(pipeline, &plan.processors);
            for receiver in &pipeline.receivers {
                entries.entry((receiver.clone(), pipeline.signal)).or_default().push(Arc::clone(&entry));
            }
        }
        builder.receivers(plan.receivers, &plan.pipelines, entries);
        if builder.problems.has_errors() { Err(builder.problems) } else { Ok(builder.graph) }
    }
}

/// The first stages of the pipelines that take a signal from a receiver.
type Entries = BTreeMap<(ComponentId, Signal), Vec<Arc<dyn Consumer>>>;

fn pipelines_of(pipelines: &[PlannedPipeline], takes: impl Fn(&PlannedPipeline) -> bool) -> Vec<String> {
    pipelines.iter().filter(|pipeline| takes(pipeline)).map(|pipeline| pipeline.id.to_string()).collect()
}

struct Builder<'a> {
    graph: Graph,
    runs: &'a Runs,
    listeners: Vec<PlannedListener>,
    authenticators: Authenticators,
    stages: BTreeMap<(ComponentId, Signal), Arc<dyn Consumer>>,
    problems: Diagnostics,
}

impl Builder<'_> {
    /// What was built; a failure is noted where it is written.
    fn built<T, L>(&mut self, result: Result<T, BuildError>, planned_at: &Planned<L>) -> Option<T> {
        self.built_at(result, &planned_at.path, planned_at.origin)
    }

    fn built_at<T>(&mut self, result: Result<T, BuildError>, path: &str, origin: Origin) -> Option<T> {
        match result {
            Ok(built) => Some(built),
            Err(error) => {
                let path =
                    if error.key.is_empty() { path.to_owned() } else { format!("{path}::{}", error.key) };
                // The commonest failure, a port that is taken, points at the address rather than the component.
                let listener = self.listeners.iter().find(|listener| listener.path == path);
                let origin = listener.and_then(|listener| listener.origin).unwrap_or(origin);
                self.problems.push(error.diagnostic(path).at(origin));
                None
            }
        }
    }

    fn context(
        &self,
        kind: Kind,
        id: &ComponentId,
        pipelines: &[String],
        signals: SignalSet,
    ) -> BuildContext {
        let status = self.graph.board.handle(kind, id.as_str(), pipelines);
        status.report(Status::Starting);
        BuildContext {
            id: id.clone(),
            signals,
            telemetry: self.graph.telemetry.clone(),
            status,
            runs: self.runs.clone(),
            authenticators: self.authenticators.clone(),
            build: BUILD,
        }
    }

    fn extensions(&mut self, planned: BTreeMap<ComponentId, Planned<LoadedExtension>>) {
        for (id, planned) in planned {
            let context = self.context(Kind::Extension, &id, &[], SignalSet::default());
            let result = (planned.loaded.build)(&context);
            if let Some(extension) = self.built_at(result, &planned.path, planned.origin) {
                self.authenticators.add(id.clone(), extension.authenticators());
                self.graph.extensions.push(RunningExtension::new(id, extension, context.status));
            }
        }
    }

    fn exporters(
        &mut self,
        planned: BTreeMap<ComponentId, Planned<LoadedExporter>>,
        pipelines: &[PlannedPipeline],
    ) {
        for (id, planned) in planned {
            let users = pipelines_of(pipelines, |pipeline| pipeline.exporters.contains(&id));
            if users.is_empty() {
                continue;
            }
            let signals = signals_of(pipelines, |pipeline| pipeline.exporters.contains(&id));
            let context = self.context(Kind::Exporter, &id, &users, signals);
            let result = (planned.loaded.build)(&context);
            let Some(exporter) = self.built_at(result, &planned.path, planned.origin) else { continue };
            for signal in signals.iter() {
                let settings = &planned.loaded.settings;
                let stage = ExportStage::start(Arc::clone(&exporter), settings, signal, &context);
                let stage = Arc::new(stage);
                self.stages.insert((id.clone(), signal), Arc::clone(&stage) as Arc<dyn Consumer>);
                self.graph.stages.push(stage);
            }
            self.graph.exporters.push((context.status, exporter));
        }
    }

    fn receivers(
        &mut self,
        planned: BTreeMap<ComponentId, Planned<LoadedReceiver>>,
        pipelines: &[PlannedPipeline],
        mut entries: Entries,
    ) {
        for (id, planned) in planned {
            let users = pipelines_of(pipelines, |pipeline| pipeline.receivers.contains(&id));
            if users.is_empty() {
                continue;
            }
            let outputs = self.outputs(&id, &mut entries);
            let signals = signals_of(pipelines, |pipeline| pipeline.receivers.contains(&id));
            let context = self.context(Kind::Receiver, &id, &users, signals);
            let result = (planned.loaded.build)(&context);
            if let Some(receiver) = self.built_at(result, &planned.path, planned.origin) {
                self.graph.receivers.push(RunningReceiver::new(id, receiver, outputs, context.status));
            }
        }
    }

    /// The first consumer of a pipeline.
    fn pipeline(
        &mut self,
        pipeline: &PlannedPipeline,
        processors: &BTreeMap<ComponentId, Planned<LoadedProcessor>>,
    ) -> Arc<dyn Consumer> {
        let stages: Vec<Arc<dyn Consumer>> = pipeline
            .exporters
            .iter()
            .filter_map(|id| self.stages.get(&(id.clone(), pipeline.signal)).cloned())
            .collect();
        let mut next = FanOut::of(stages);
        let mut steps: Vec<TransformStep> = Vec::new();
        let mut stateful = Vec::new();
        let pipeline_name = [pipeline.id.to_string()];
        for id in pipeline.processors.iter().rev() {
            let Some(planned) = processors.get(id) else { continue };
            let signals = SignalSet::of(pipeline.signal);
            let context = self.context(Kind::Processor, id, &pipeline_name, signals);
            let result = (planned.loaded.build)(&context, pipeline.signal);
            let Some(built) = self.built(result, planned) else { continue };
            let counters = ProcessorCounters::new(&self.graph.telemetry, id, pipeline.signal);
            match built {
                BuiltProcessor::Transform(transform) => {
                    let reason = transform.drop_reason();
                    let dropped =
                        self.graph.telemetry.dropped(format_args!("processor/{id}"), pipeline.signal, reason);
                    steps.push(TransformStep { transform, counters, dropped });
                }
                BuiltProcessor::Stateful(join) => {
                    let counters = Arc::new(counters);
                    let behind = fused(std::mem::take(&mut steps), next);
                    let outgoing = OutgoingEdge { counters: Arc::clone(&counters), next: behind };
                    let processor = join(Arc::new(outgoing));
                    stateful.push((context.status.clone(), Arc::clone(&processor)));
                    next = Arc::new(ProcessorEdge { counters, next: Arc::new(processor) });
                }
            }
            context.status.report(Status::Ok);
        }
        self.graph.processors.extend(stateful.into_iter().rev());
        fused(steps, next)
    }

    fn outputs(&self, id: &ComponentId, entries: &mut Entries) -> Outputs {
        let mut outputs = Outputs::none().counted(self.graph.telemetry.clone(), id.clone());
        for signal in Signal::ALL {
            let Some(pipelines) = entries.remove(&(id.clone(), signal)) else { continue };
            let next = FanOut::of(pipelines);
            let next = match Stamp::new(self.runs.clone()) {
                Some(stamp) => Arc::new(StampStage { stamp, next }),
                None => next,
            };
            outputs = outputs.with(signal, next);
        }
        outputs
    }
}

/// Neighbouring processors without state as one stage in front of `next`.
fn fused(mut steps: Vec<TransformStep>, next: Arc<dyn Consumer>) -> Arc<dyn Consumer> {
    if steps.is_empty() {
        return next;
    }
    steps.reverse();
    Arc::new(TransformStage { steps, next })
}
