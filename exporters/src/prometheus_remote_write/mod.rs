//! The `prometheus_remote_write` exporter: metrics to Prometheus and what understands its remote write 1.0.
//!
//! What it guarantees:
//!
//! * **Order.** Batches are exported one after the other. Each series has its place in one of several
//!   shards, whose requests follow one another, each repeated until it is answered. So the samples of a
//!   series arrive in the order in which they came, and none is on its way twice.
//! * **Nothing is lost silently, nothing delivered is sent again.** A data point is delivered with all its
//!   samples, or counted in `otelcol_dropped_items` with a reason. [`Exporter::export`] is `Ok` as soon as the
//!   server has answered one request of the batch for good, and what could not be delivered is then counted
//!   here. Only when not a single request was answered before the time for repetitions was over is it an
//!   error: then all of the batch may be sent again by whoever holds it. The one thing that can arrive
//!   twice is a request whose answer was lost.
//! * **Requests that backends accept.** Labels are sorted, each once, none empty; no two samples of a series
//!   have the same time; names fit the legacy character set. At most 2,000 samples and
//!   `max_batch_size_bytes` a request.
//! * **Bounds.** What is held while a batch is translated is bounded, as are the running totals
//!   of delta points.
//!
//! The future of an export may be dropped at any await: requests that are on their way are cut off, their
//! outcome is unknown, and nothing here is left half done.

mod config;
pub(crate) mod deliver;
mod drops;
mod generations;
mod naming;
mod request;
mod table;
mod totals;
mod translate;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use spindle_config::ComponentId;
use spindle_config::types::{Duration, Optional};
use spindle_pipeline::component::{
    BuildContext, Exported, Exporter, ExporterFactory, Factory, Stability, wait_deadline,
};
use spindle_pipeline::error::{BuildError, Code, ExportError};
use spindle_pipeline::export::{
    BatchConfig, ExportSettings, PartitionConfig, QueueConfig, RetryConfig, Sizer,
};
use spindle_pipeline::telemetry::{Metric, Telemetry};
use spindle_pipeline::{Batch, Signal, SignalSet};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use config::PROTOCOL_HEADERS;
pub use config::{ClientKeys, Config};
pub use naming::MetricNamer;
pub use request::{Cursor, Limits, WriteRequest};
pub use translate::{Pattern, Promote, Settings, Translator};

use crate::support::headers::user_agent;
use crate::support::http::{HttpClient, Target, context_of};
use deliver::{Buffers, Client, Delivery, Outcome, Post};
use drops::Reason;

/// The most samples of a request, as Prometheus' own sender has it.
pub const MOST_SAMPLES: usize = 2_000;
/// How long samples wait for a request to be filled.
const FLUSH: Duration = Duration::from_secs(5);
/// Batches above this are translated beside the event loop.
const LARGE: usize = 256 << 10;
/// The header that says which protocol this is.
const VERSION_HEADER: &str = "x-prometheus-remote-write-version";

/// The type `prometheus_remote_write`.
pub struct PrometheusRemoteWrite;

impl Factory for PrometheusRemoteWrite {
    type Config = Config;
    const TYPE: &'static str = "prometheus_remote_write";
    const ALIASES: &'static [&'static str] = &["prometheusremotewrite"];
    const SIGNALS: SignalSet = SignalSet::METRICS;
    const STABILITY: Stability = Stability::Beta;
}

impl ExporterFactory for PrometheusRemoteWrite {
    /// A queue that hands over one batch at a time, so that they are exported in order. Repeating is the
    /// exporter's own business: what comes back from it is final.
    fn settings(config: &Config) -> ExportSettings {
        let queue = &config.remote_write_queue;
        let queue_size = u64::try_from(queue.queue_size).unwrap_or(0);
        let batch = BatchConfig {
            flush_timeout: FLUSH,
            // A small queue must not wait to be full.
            min_size: (queue_size / 2).clamp(1, MOST_SAMPLES as u64),
            sizer: Some(Sizer::Items),
            partition: PartitionConfig { metadata_keys: config.include_metadata_keys.clone() },
            ..BatchConfig::default()
        };
        ExportSettings {
            timeout: Duration::ZERO,
            retry: RetryConfig {
                enabled: config.retry_on_failure.enabled,
                initial_interval: Duration::from_secs(1),
                // Less than any wait: no time is left.
                max_elapsed_time: Duration::from_millis(1),
                ..RetryConfig::default()
            },
            queue: queue.enabled.then(|| QueueConfig {
                num_consumers: 1,
                queue_size,
                batch: Optional::Present(batch),
                ..QueueConfig::default()
            }),
        }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Arc<dyn Exporter>, BuildError> {
        let keys = config.client();
        let target = Target::parse(&config.client_key("endpoint"), &keys.endpoint)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(HeaderName::from_static(VERSION_HEADER), HeaderValue::from_static("0.1.0"));
        if let Ok(agent) = HeaderValue::try_from(user_agent(context)) {
            headers.insert(USER_AGENT, agent);
        }
        if let Some(authorization) = target.authorization.filter(|_| !keys.has_header(AUTHORIZATION.as_str()))
        {
            headers.insert(AUTHORIZATION, authorization);
        }
        let labels = vec![("exporter".into(), context.id.to_string().into())];
        let delivery = Delivery {
            exporter: context.id.clone(),
            client: HttpClient::new(&keys.shared(), &PROTOCOL_HEADERS, context)
                .map_err(|error| BuildError { key: config.client_key(&error.key), ..error })?,
            uri: target.uri,
            headers,
            timeout: keys.timeout.get(),
            retry: config.retry_on_failure.settings(),
            limits: config.limits(),
            shards: config.shards(),
            status: context.status.clone(),
            retries: context.telemetry.counter(Metric::ExporterRetries, labels),
            hurry: CancellationToken::new(),
        };
        Ok(Arc::new(RemoteWrite::new(delivery, &config, context)))
    }
}

struct RemoteWrite<P> {
    state: Arc<Mutex<State>>,
    delivery: Delivery<P>,
    metadata_keys: Vec<(String, HeaderName)>,
    give_up: Reason,
    id: ComponentId,
    telemetry: Telemetry,
}

/// What one export has at a time.
struct State {
    translator: Translator,
    buffers: Vec<Buffers>,
}

impl<P: Post> RemoteWrite<P> {
    fn new(delivery: Delivery<P>, config: &Config, context: &BuildContext) -> Self {
        let translator = Translator::new(config.settings(), context.runs.clone());
        let keys = config.include_metadata_keys.iter();
        Self {
            state: Arc::new(Mutex::new(State { translator, buffers: Vec::new() })),
            give_up: if delivery.retry.enabled { Reason::RetriesExhausted } else { Reason::RetryDisabled },
            delivery,
            metadata_keys: keys
                .filter_map(|key| Some((key.clone(), HeaderName::try_from(key.to_ascii_lowercase()).ok()?)))
                .collect(),
            id: context.id.clone(),
            telemetry: context.telemetry.clone(),
        }
    }

    /// Waits until the exports that came before are done.
    async fn turn(&self, batch: &Batch) -> Result<OwnedMutexGuard<State>, ExportError> {
        let turn = Arc::clone(&self.state).lock_owned();
        tokio::time::timeout_at(wait_deadline(batch), turn).await.map_err(|_elapsed| {
            ExportError::new(Code::Unavailable, "the batches before this one are not delivered yet")
        })
    }

    /// The client's metadata that goes on as headers.
    fn metadata_headers(&self, batch: &Batch) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(context) = batch.context() else { return headers };
        for (key, name) in &self.metadata_keys {
            for value in context.values(key) {
                if let Ok(value) = HeaderValue::try_from(value) {
                    headers.append(name.clone(), value);
                }
            }
        }
        headers
    }

    /// Counts what is gone, and says what became of the batch.
    fn settle(&self, state: &mut State, outcome: Outcome) -> Result<Exported, ExportError> {
        if let Some(failure) = outcome.failure.filter(|_| !outcome.is_answered) {
            // Nothing was taken: the batch as a whole goes back, and is counted by whoever drops it.
            state.translator.forget_target_times();
            state.translator.release();
            return Err(failure);
        }
        let mut dropped_items = 0;
        for (reason, count) in state.translator.drops.by_reason(self.give_up) {
            let component = format_args!("exporter/{}", self.id);
            self.telemetry.dropped(component, Signal::Metrics, reason.name()).inc_by(count);
            dropped_items += count;
        }
        state.translator.release();
        Ok(Exported { dropped_items, ..Exported::default() })
    }
}

/// Whom a batch is from, as the back end will see it.
fn origin(headers: &HeaderMap) -> Vec<u8> {
    headers
        .iter()
        .flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes(), &[0]])
        .flatten()
        .copied()
        .collect()
}

/// Translates the next part of a batch, beside the event loop if it is large.
async fn translate(
    mut state: OwnedMutexGuard<State>,
    bytes: Bytes,
    from: usize,
) -> Result<(OwnedMutexGuard<State>, Option<usize>), ExportError> {
    if bytes.len() <= LARGE {
        let next = state.translator.translate(&bytes, from);
        return Ok((state, next));
    }
    let work = tokio::task::spawn_blocking(move || {
        let next = state.translator.translate(&bytes, from);
        (state, next)
    });
    work.await.map_err(|failure| match failure.try_into_panic() {
        // The export stage catches it and says whose it is.
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(failure) => ExportError::new(Code::Unavailable, failure.to_string()),
    })
}

#[async_trait]
impl<P: Post> Exporter for RemoteWrite<P> {
    async fn export(&self, batch: &Batch) -> Result<Exported, ExportError> {
        let mut state = self.turn(batch).await?;
        let client = Client { headers: self.metadata_headers(batch), extensions: context_of(batch) };
        let bytes = batch.bytes();
        state.translator.begin(&origin(&client.headers));
        let mut outcome = Outcome::default();
        let mut from = Some(0);
        while let Some(position) = from {
            (state, from) = translate(state, bytes.clone(), position).await?;
            let State { translator, buffers } = &mut *state;
            let Translator { table, drops, .. } = translator;
            outcome = outcome.and(self.delivery.send(table, buffers, &client, drops).await);
        }
        if outcome.failure.is_none() {
            let State { translator, buffers } = &mut *state;
            self.delivery.send_metadata(&translator.metadata, buffers, &client).await;
        }
        state.buffers.iter_mut().for_each(Buffers::release);
        self.settle(&mut state, outcome)
    }

    fn hurry(&self) {
        self.delivery.hurry.cancel();
    }
}
