//! The `batch` processor: many small requests become few large ones.
//!
//! What it guarantees, and what not:
//!
//! * It answers on acceptance, as the Collector's does: what waits here at a crash is lost. (In front of
//!   a durable queue it will answer when the queue has the data; there is none yet.)
//! * What it has accepted it keeps. When the next stage refuses for now, the batch is held and offered
//!   again, while callers wait, and in the end are refused with a retryable error; the Collector's drops
//!   such a batch. Only data that the next stage calls bad is dropped, counted with its reason.
//! * It holds at most about two batches of each kind of metadata: memory is bounded.
//! * It never builds a request above 4 MiB, which is what receivers accept by default, whatever
//!   `send_batch_size` allows. A single request that is larger is cut; an item that is larger by itself
//!   goes alone.

mod config;
mod shard;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

use async_trait::async_trait;
use hashbrown::HashMap;
use spindle_pipeline::component::{
    BuildContext, BuiltProcessor, Consumer, Factory, Processor, ProcessorFactory, Stability,
};
use spindle_pipeline::error::{BuildError, Code, ConsumeError};
use spindle_pipeline::telemetry::{Gauge, Metric};
use spindle_pipeline::{Batch, RequestContext, Signal, SignalSet};

pub use config::Config;
use shard::{Shard, ShardSettings};

/// The type `batch`.
pub struct BatchProcessor;

impl Factory for BatchProcessor {
    type Config = Config;
    const TYPE: &'static str = "batch";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Beta;
}

impl ProcessorFactory for BatchProcessor {
    fn build(config: &Config, context: &BuildContext, signal: Signal) -> Result<BuiltProcessor, BuildError> {
        let (config, context) = (config.clone(), context.clone());
        Ok(BuiltProcessor::Stateful(Box::new(move |next| {
            Arc::new(Batcher::new(config, &context, signal, next))
        })))
    }
}

struct Batcher {
    config: Config,
    settings: Arc<ShardSettings>,
    shards: Mutex<Shards>,
    cardinality: Gauge,
}

/// The values of the metadata keys; what differs in them is batched apart.
type ShardKey = Vec<Vec<String>>;
type Shards = HashMap<ShardKey, Arc<Shard>, foldhash::fast::RandomState>;

impl Batcher {
    fn new(config: Config, context: &BuildContext, signal: Signal, next: Arc<dyn Consumer>) -> Self {
        let labels = vec![("processor".into(), context.id.to_string().into())];
        let cardinality = context.telemetry.gauge(Metric::ProcessorBatchMetadataCardinality, labels);
        let settings = Arc::new(ShardSettings::new(&config, context, signal, next));
        let shards = Mutex::new(HashMap::with_hasher(foldhash::fast::RandomState::default()));
        Self { config, settings, shards, cardinality }
    }

    fn shard(&self, batch: &Batch) -> Result<Arc<Shard>, ConsumeError> {
        let key = self.key(batch);
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shard) = shards.get(&key) {
            return Ok(Arc::clone(shard));
        }
        let limit = self.config.metadata_cardinality_limit;
        if limit > 0 && shards.len() >= limit {
            return Err(ConsumeError::new(Code::Internal, "too many batcher metadata-value combinations"));
        }
        let shard = Shard::start(Arc::clone(&self.settings), self.context(&key));
        shards.insert(key, Arc::clone(&shard));
        self.cardinality.set(shards.len() as i64);
        Ok(shard)
    }

    fn key(&self, batch: &Batch) -> ShardKey {
        let values = |key: &String| {
            batch
                .context()
                .map(|context| context.values(key).map(str::to_owned).collect())
                .unwrap_or_default()
        };
        self.config.metadata_keys.iter().map(values).collect()
    }

    /// A batch of many requests carries the metadata that they have in common.
    fn context(&self, key: &ShardKey) -> Option<Arc<RequestContext>> {
        if self.config.metadata_keys.is_empty() {
            return None;
        }
        let pairs = self.config.metadata_keys.iter().zip(key);
        let metadata = pairs
            .flat_map(|(name, values)| values.iter().map(|value| (name.to_ascii_lowercase(), value.clone())))
            .collect();
        Some(Arc::new(RequestContext { metadata, ..RequestContext::default() }))
    }
}

#[async_trait]
impl Consumer for Batcher {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        if self.config.timeout.is_zero() {
            return self.settings.pass_on(batch).await;
        }
        self.shard(&batch)?.add(batch).await
    }
}

#[async_trait]
impl Processor for Batcher {
    async fn stop(&self, deadline: Instant) {
        let shards: Vec<Arc<Shard>> =
            self.shards.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for shard in &shards {
            shard.close(deadline);
        }
        for shard in shards {
            shard.finish().await;
        }
    }
}
