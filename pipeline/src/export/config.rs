//! The keys `timeout`, `retry_on_failure` and `sending_queue`, which every exporter has.

use serde::Deserialize;
use spindle_config::Check;
use spindle_config::types::{Duration, Optional};

/// What surrounds an exporter, as its keys say.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportSettings {
    /// How long one attempt may take; zero is without a bound.
    pub timeout: Duration,
    /// Whether and how failed attempts are repeated.
    pub retry: RetryConfig,
    /// The queue; `None` makes the caller wait for the back end.
    pub queue: Option<QueueConfig>,
}

impl ExportSettings {
    /// No queue and no repetition, for exporters that write locally or do their own.
    pub fn direct() -> Self {
        Self {
            timeout: Duration::ZERO,
            retry: RetryConfig { enabled: false, ..RetryConfig::default() },
            queue: None,
        }
    }
}

/// `retry_on_failure`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Repeat failed attempts. Default true.
    pub enabled: bool,
    /// The wait behind the first failure. Default 5s.
    pub initial_interval: Duration,
    /// How much each wait may differ from its interval, as a share of it, 0 to 1. Default 0.5.
    pub randomization_factor: f64,
    /// What each interval is multiplied by for the next. Default 1.5.
    pub multiplier: f64,
    /// The longest interval. Default 30s.
    pub max_interval: Duration,
    /// How long to repeat at all; zero is for ever. Default 300s.
    pub max_elapsed_time: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            randomization_factor: 0.5,
            multiplier: 1.5,
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::from_secs(300),
        }
    }
}

impl RetryConfig {
    /// What cannot be; `check` stands on the block.
    pub fn validate(&self, check: &mut Check<'_>) {
        if !self.enabled {
            return;
        }
        if !(0.0..=1.0).contains(&self.randomization_factor) {
            check.error("randomization_factor", "'randomization_factor' must be within [0, 1]");
        }
        if self.multiplier < 0.0 || self.multiplier.is_nan() {
            check.error("multiplier", "'multiplier' must be non-negative");
        }
        if !self.max_elapsed_time.is_zero() {
            if self.max_elapsed_time < self.initial_interval {
                check
                    .error("max_elapsed_time", "'max_elapsed_time' must not be less than 'initial_interval'");
            }
            if self.max_elapsed_time < self.max_interval {
                check.error("max_elapsed_time", "'max_elapsed_time' must not be less than 'max_interval'");
            }
        }
    }
}

/// What a size counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sizer {
    /// Requests.
    #[default]
    Requests,
    /// Spans, data points, log records.
    Items,
    /// Bytes on the wire before compression.
    Bytes,
}

impl Sizer {
    /// What a batch measures.
    pub fn size(self, batch: &crate::Batch) -> usize {
        match self {
            Self::Requests => 1,
            Self::Items => batch.items(),
            Self::Bytes => batch.byte_size(),
        }
    }
}

/// `sending_queue`, without its `enabled`, which [`Optional`] reads.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// How many requests are on their way at once. Default 10.
    pub num_consumers: u32,
    /// How much the queue holds, in the unit of the sizer, what is on its way included. Default 1000.
    pub queue_size: u64,
    /// What sizes count. Default requests.
    pub sizer: Sizer,
    /// Wait for room instead of refusing. Default false.
    pub block_on_overflow: bool,
    /// Answer when the back end has, with what became of the whole. Default false.
    pub wait_for_result: bool,
    /// The storage extension that keeps the queue on disk. Not built yet.
    pub storage: Option<String>,
    /// Join requests to larger ones. Off unless written.
    pub batch: Optional<BatchConfig>,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            num_consumers: 10,
            queue_size: 1000,
            sizer: Sizer::Requests,
            block_on_overflow: false,
            wait_for_result: false,
            storage: None,
            batch: Optional::Absent,
        }
    }
}

/// `sending_queue::batch`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// The longest that data waits to be joined. Default 200ms.
    pub flush_timeout: Duration,
    /// Send as soon as this much is there. Default 8192.
    pub min_size: u64,
    /// Cut requests above this; zero is without a limit. Default 0.
    pub max_size: u64,
    /// What the two sizes count. Default: the queue's sizer if that is written, else items.
    pub sizer: Option<Sizer>,
    /// What is kept apart.
    pub partition: PartitionConfig,
}

/// `sending_queue::batch::partition`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PartitionConfig {
    /// Requests whose values of these metadata keys differ are not joined.
    pub metadata_keys: Vec<String>,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            flush_timeout: Duration::from_millis(200),
            min_size: 8192,
            max_size: 0,
            sizer: None,
            partition: PartitionConfig::default(),
        }
    }
}

impl BatchConfig {
    /// What the sizes count.
    pub fn sizer(&self, queue: Sizer) -> Sizer {
        let inherited = if queue == Sizer::Requests { Sizer::Items } else { queue };
        self.sizer.unwrap_or(inherited)
    }
}

impl QueueConfig {
    /// What cannot be; `check` stands on the block.
    pub fn validate(&self, check: &mut Check<'_>) {
        if self.num_consumers == 0 {
            check.error("num_consumers", "`num_consumers` must be positive");
        }
        if self.queue_size == 0 {
            check.error("queue_size", "`queue_size` must be positive");
        }
        if self.queue_size > MAX_QUEUE_SIZE {
            check.error("queue_size", format!("`queue_size` must be at most {MAX_QUEUE_SIZE}"));
        }
        if self.num_consumers > MAX_CONSUMERS {
            check.error("num_consumers", format!("`num_consumers` must be at most {MAX_CONSUMERS}"));
        }
        if let Some(storage) = &self.storage {
            if self.wait_for_result {
                check.error(
                    "wait_for_result",
                    "`wait_for_result` is not supported with a persistent queue configured with `storage`",
                );
            }
            check.error(
                "storage",
                format!("a persistent queue (storage \"{storage}\") is not built into this version of spindle yet; remove `storage` to queue in memory"),
            );
        }
        if let Some(batch) = self.batch.as_ref() {
            self.validate_batch(batch, &mut check.below("batch"));
        }
    }

    fn validate_batch(&self, batch: &BatchConfig, check: &mut Check<'_>) {
        let sizer = batch.sizer(self.sizer);
        if sizer == Sizer::Requests {
            check.error("sizer", "`batch` supports only `items` or `bytes` sizer");
        }
        if batch.flush_timeout.is_zero() {
            check.error("flush_timeout", "`flush_timeout` must be positive");
        }
        if sizer == self.sizer && batch.min_size > self.queue_size {
            check.error("min_size", "`min_size` must be less than or equal to `queue_size`");
        }
        if batch.max_size != 0 && batch.max_size < batch.min_size {
            check.error(
                "max_size",
                format!(
                    "`max_size` ({}) must be greater or equal to `min_size` ({})",
                    batch.max_size, batch.min_size
                ),
            );
        }
        check.distinct("partition::metadata_keys", &batch.partition.metadata_keys);
    }
}

/// More than fits any machine's memory; also what one acquisition of room can ask for.
const MAX_QUEUE_SIZE: u64 = u32::MAX as u64;
/// Each is a task that may hold a request.
const MAX_CONSUMERS: u32 = 10_000;

/// Checks the three blocks of an exporter's configuration, `check` standing on the exporter.
pub fn validate(retry: &RetryConfig, queue: &Optional<QueueConfig>, check: &mut Check<'_>) {
    retry.validate(&mut check.below("retry_on_failure"));
    if let Some(queue) = queue.as_ref() {
        queue.validate(&mut check.below("sending_queue"));
    }
}
