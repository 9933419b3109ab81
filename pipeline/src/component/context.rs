//! Everything a component is given.

use std::sync::Arc;

use spindle_config::ComponentId;
use tokio_util::sync::CancellationToken;

use super::Consumer;
use crate::auth::Authenticators;
use crate::graph::ReceiverEdge;
use crate::run::Runs;
use crate::signal::{Signal, SignalSet};
use crate::status::{StatusBoard, StatusHandle};
use crate::telemetry::Telemetry;

/// What this program is called, for user agents and scopes.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo {
    /// The program's name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// This build.
pub const BUILD: BuildInfo = BuildInfo { name: "spindle", version: env!("CARGO_PKG_VERSION") };

/// What a component is built with.
#[derive(Clone)]
pub struct BuildContext {
    /// The component's id.
    pub id: ComponentId,
    /// What the pipelines that use it carry.
    pub signals: SignalSet,
    /// Counters and gauges.
    pub telemetry: Telemetry,
    /// Where it says how it is.
    pub status: StatusHandle,
    /// Which run something belongs to.
    pub runs: Runs,
    /// What extensions offer to receivers and exporters.
    pub authenticators: Authenticators,
    /// This build.
    pub build: BuildInfo,
}

/// The consumers of a receiver, one for each signal that a pipeline takes from it.
#[derive(Clone, Default)]
pub struct Outputs {
    consumers: [Option<Arc<dyn Consumer>>; 3],
    edge: Option<(Telemetry, ComponentId)>,
}

impl Outputs {
    /// No pipeline takes anything.
    pub fn none() -> Self {
        Self::default()
    }

    /// With a consumer for a signal.
    #[must_use]
    pub fn with(mut self, signal: Signal, consumer: Arc<dyn Consumer>) -> Self {
        self.consumers[signal.index()] = Some(consumer);
        self
    }

    /// With the counting of what a receiver hands over.
    #[must_use]
    pub fn counted(mut self, telemetry: Telemetry, receiver: ComponentId) -> Self {
        self.edge = Some((telemetry, receiver));
        self
    }

    /// The consumer of a signal for what comes in by `transport`, as metrics name it (`grpc`, `http`);
    /// `None` when no pipeline takes the signal. Make it once, not for each request.
    pub fn get(&self, signal: Signal, transport: &'static str) -> Option<Arc<dyn Consumer>> {
        let consumer = Arc::clone(self.consumers[signal.index()].as_ref()?);
        Some(match &self.edge {
            Some((telemetry, id)) => Arc::new(ReceiverEdge::new(consumer, telemetry, id, signal, transport)),
            None => consumer,
        })
    }
}

/// What a receiver runs with.
pub struct ReceiverContext {
    /// Where its data goes.
    pub outputs: Outputs,
    /// Cancelled when it should stop taking new data and finish what is in flight.
    pub drain: CancellationToken,
    /// Where it says how it is.
    pub status: StatusHandle,
}

/// What an extension runs with.
pub struct ExtensionContext {
    /// Cancelled when it should end.
    pub drain: CancellationToken,
    /// Where it says how it is.
    pub status: StatusHandle,
    /// How everything is.
    pub board: StatusBoard,
}
