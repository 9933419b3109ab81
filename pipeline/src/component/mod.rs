//! The component contract: who handles batches, and what they promise.
//!
//! Handing a batch over is one awaited call, [`Consumer::consume`], which is back-pressure, error and
//! acknowledgement in one line:
//!
//! 1. `Ok(())`: responsibility is taken. The data is delivered, or stored as the configured queue
//!    promises. Data dropped on purpose (a filter, a sampler) is `Ok`, and counted.
//! 2. `Err`: not taken. [`crate::error::Retry`] says whether and when to send again. Bad data is never
//!    retried; full, unavailable and stopping are retryable.
//! 3. A dropped future: the outcome is unknown. The callee stays consistent and may still deliver; the
//!    caller must not acknowledge. (A client that hangs up drops its handler.)
//! 4. Calls come concurrently; nothing is said about their order.
//! 5. Nobody waits without a bound: the context's deadline, else [`MAX_WAIT`].
//! 6. OTLP partial success is `Ok`, counted and logged, never retried.
//!
//! A component gets everything it needs through its context and keeps nothing global, so a test builds
//! one in a line.

mod context;
mod factory;
mod registry;

use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use async_trait::async_trait;

use crate::auth::Offered;
use crate::batch::Batch;
use crate::error::{ConsumeError, ExportError, RunError};

pub use context::{BUILD, BuildContext, BuildInfo, ExtensionContext, Outputs, ReceiverContext};
pub use factory::{
    BuiltProcessor, ComponentConfig, ExporterFactory, ExtensionFactory, Factory, JoinProcessor, Listener,
    OutputFile, ProcessorFactory, ReceiverFactory, Stability,
};
pub use registry::{
    Kind, LoadedExporter, LoadedExtension, LoadedProcessor, LoadedReceiver, Registry, TypeInfo,
};

/// The longest anybody waits for room when the caller gave no deadline.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// Takes batches.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// Takes responsibility for a batch, or says why not. See the module's contract.
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError>;
}

/// A processor without state between batches: a plain function. Neighbours are fused into one stage.
pub trait Transform: Send + Sync + 'static {
    /// The batch that goes on; `None` when all of it was dropped on purpose.
    fn transform(&self, batch: Batch) -> Result<Option<Batch>, ConsumeError>;

    /// Why items that go in and do not come out are gone, as the metric of dropped items names it.
    fn drop_reason(&self) -> &'static str {
        "filtered"
    }
}

/// A processor that holds data between calls, or a connector: whatever has outputs of its own.
#[async_trait]
pub trait Processor: Consumer {
    /// Hands on what is held. Nothing is consumed afterwards. What cannot be handed on before the
    /// deadline is counted and logged by the processor.
    async fn stop(&self, deadline: Instant);
}

/// Sends batches out of the process, one attempt per call. Queue, retry and timeout are around it.
#[async_trait]
pub trait Exporter: Send + Sync + 'static {
    /// Makes one attempt. May be dropped at any await when the timeout passes.
    async fn export(&self, batch: &Batch) -> Result<Exported, ExportError>;

    /// The process is stopping: an exporter that waits between attempts of its own makes these waits short
    /// from now on ([`crate::export::HURRIED_WAIT`]). What is held is still exported.
    fn hurry(&self) {}

    /// Flushes what is buffered, for exporters that write files. Nothing is exported afterwards.
    async fn stop(&self) {}
}

/// An attempt that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Items that the back end refused in an otherwise successful answer (partial success).
    pub rejected_items: u64,
    /// Items that the exporter itself gave up and has counted with their reasons, for exporters that cut a
    /// batch into requests with a fate of their own. They count as neither sent nor rejected.
    pub dropped_items: u64,
    /// What the back end said.
    pub message: String,
}

/// Brings data into the pipelines. Sockets are bound when it is built, so that a taken port is an error
/// before anything starts.
#[async_trait]
pub trait Receiver: Send + 'static {
    /// Runs until the context's drain token is cancelled, then answers what is in flight and returns.
    async fn run(self: Box<Self>, context: ReceiverContext) -> Result<(), RunError>;
}

/// Something beside the pipelines: health checks, status pages, authenticators.
#[async_trait]
pub trait Extension: Send + 'static {
    /// What it offers to receivers and exporters, as [`ExtensionFactory::roles`] has said. They use it from
    /// before [`Self::run`] is called until the process ends.
    fn authenticators(&self) -> Offered {
        Offered::default()
    }

    /// Runs until the context's drain token is cancelled.
    async fn run(self: Box<Self>, context: ExtensionContext) -> Result<(), RunError>;
}

/// When to give up waiting on behalf of a batch.
pub fn wait_deadline(batch: &Batch) -> Instant {
    let bound = Instant::now() + MAX_WAIT;
    batch.context().and_then(|context| context.deadline).map_or(bound, |deadline| deadline.min(bound))
}

/// A consumer behind an `Arc` is a consumer.
#[async_trait]
impl<C: Consumer + ?Sized> Consumer for Arc<C> {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        (**self).consume(batch).await
    }
}
