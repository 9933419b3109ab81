//! Sending requests: in shards, each with retries of its own.
//!
//! The requests of a shard go out one after the other, the shards side by side. A series is in one shard,
//! so its samples arrive in order, and none is on its way twice. What becomes of a request:
//!
//! | answer | |
//! |---|---|
//! | 2xx | delivered |
//! | 5xx, 429, no answer in time, connection lost | sent again, after the back-off and not before `Retry-After` |
//! | anything else | refused: its samples are dropped and counted, the server's text is logged |
//!
//! When the time for repetitions is over, a request is given up, and each request behind it in the shard
//! gets one attempt, until one is answered: a back end that is gone does not hold a batch for ever.

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use spindle_config::ComponentId;
use spindle_pipeline::error::{Code, ExportError};
use spindle_pipeline::export::{Backoff, HURRIED_WAIT, RetryConfig};
use spindle_pipeline::status::{Status, StatusHandle};
use spindle_pipeline::telemetry::Counter;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::drops::Drops;
use super::request::{Cursor, Limits, Metadata, WriteRequest, write_metadata};
use super::table::{KEPT_BYTES, Table};
use crate::support::answer::refusal;
use crate::support::http::{HttpClient, retry_after};

/// How often a request was sent before, as Prometheus says it.
const RETRY_ATTEMPT: &str = "retry-attempt";

/// Makes one call.
pub(super) trait Post: Send + Sync + 'static {
    /// Makes it; an error when there was no answer.
    fn post(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Bytes>, ExportError>> + Send;
}

impl Post for HttpClient {
    async fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ExportError> {
        HttpClient::post(self, request).await
    }
}

/// Where requests go and how they are repeated.
pub(super) struct Delivery<P> {
    pub(super) exporter: ComponentId,
    pub(super) client: P,
    pub(super) uri: Uri,
    /// Headers of every request.
    pub(super) headers: HeaderMap,
    /// How long one attempt may take; zero is without a bound.
    pub(super) timeout: Duration,
    pub(super) retry: RetryConfig,
    pub(super) limits: Limits,
    /// How many requests are on their way at once.
    pub(super) shards: usize,
    pub(super) status: StatusHandle,
    pub(super) retries: Counter,
    /// The process is stopping.
    pub(super) hurry: CancellationToken,
}

/// Whose data goes out.
#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    /// The client's metadata that goes on as headers.
    pub(super) headers: HeaderMap,
    /// What the authenticator is told of the client ([`crate::support::http::context_of`]).
    pub(super) extensions: Extensions,
}

/// The buffers of a shard, kept from batch to batch.
pub(super) struct Buffers {
    request: WriteRequest,
    encoder: snap::raw::Encoder,
    compressed: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { request: WriteRequest::default(), encoder: snap::raw::Encoder::new(), compressed: Vec::new() }
    }
}

/// What became of a table.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// At least one request was answered for good.
    pub(super) is_answered: bool,
    /// Why a request was given up.
    pub(super) failure: Option<ExportError>,
}

impl Outcome {
    /// Of two parts of a batch.
    pub(super) fn and(self, other: Self) -> Self {
        Self { is_answered: self.is_answered || other.is_answered, failure: self.failure.or(other.failure) }
    }
}

/// What became of one shard.
#[derive(Default)]
struct ShardOutcome {
    outcome: Outcome,
    rejected: Vec<u32>,
    given_up: Vec<u32>,
}

/// What became of one request.
enum Fate {
    Delivered,
    Rejected,
    GivenUp(ExportError),
}

/// What a server means.
#[derive(Debug)]
pub(crate) enum Answer {
    Taken,
    NotNow(ExportError, Option<Duration>),
    Refused(StatusCode, String),
}

impl<P: Post> Delivery<P> {
    /// Sends all samples of a table. Data points that were not delivered are put down in `drops`.
    pub(super) async fn send(
        &self,
        table: &Table,
        buffers: &mut Vec<Buffers>,
        client: &Client,
        drops: &mut Drops,
    ) -> Outcome {
        // Batches follow one another, so each may use as many shards as it can fill.
        let shards = table.sample_count().div_ceil(self.limits.samples).clamp(1, self.shards);
        buffers.resize_with(shards.max(buffers.len()), Buffers::default);
        let sending = buffers
            .iter_mut()
            .take(shards)
            .enumerate()
            .map(|(shard, buffers)| self.shard(table, Cursor::new(shard, shards), buffers, client));
        let mut total = Outcome::default();
        for shard in join_all(sending).await {
            shard.rejected.into_iter().for_each(|point| drops.rejected.insert(point));
            shard.given_up.into_iter().for_each(|point| drops.given_up.insert(point));
            total = total.and(shard.outcome);
        }
        total
    }

    /// Sends what is known about metric families. It describes data and is none: what is refused is not
    /// counted.
    pub(super) async fn send_metadata(
        &self,
        mut entries: &[Metadata],
        buffers: &mut Vec<Buffers>,
        client: &Client,
    ) {
        buffers.resize_with(buffers.len().max(1), Buffers::default);
        let Some(buffers) = buffers.first_mut() else { return };
        while !entries.is_empty() {
            let written = write_metadata(entries, self.limits, &mut buffers.request);
            entries = &entries[written..];
            let Ok(body) = buffers.compress() else { return };
            if let Fate::GivenUp(_) = self.request(body, client, self.retry.enabled).await {
                return;
            }
        }
    }

    async fn shard(
        &self,
        table: &Table,
        mut cursor: Cursor,
        buffers: &mut Buffers,
        client: &Client,
    ) -> ShardOutcome {
        let mut shard = ShardOutcome::default();
        let mut may_retry = self.retry.enabled;
        while table.write_request(&mut cursor, self.limits, &mut buffers.request) {
            let fate = match buffers.compress() {
                Ok(body) => self.request(body, client, may_retry).await,
                Err(failure) => Fate::GivenUp(failure),
            };
            match fate {
                Fate::Delivered => shard.outcome.is_answered = true,
                Fate::Rejected => {
                    shard.outcome.is_answered = true;
                    shard.rejected.extend_from_slice(&buffers.request.points);
                }
                Fate::GivenUp(failure) => {
                    shard.given_up.extend_from_slice(&buffers.request.points);
                    shard.outcome.failure = Some(failure);
                    may_retry = false;
                    continue;
                }
            }
            may_retry = self.retry.enabled;
        }
        shard
    }

    /// Sends a request until it is answered for good or the time is over.
    async fn request(&self, body: Bytes, client: &Client, may_retry: bool) -> Fate {
        let mut backoff = Backoff::new(&self.retry);
        let mut attempt = 0u32;
        loop {
            let (failure, asked) = match self.attempt(&body, client, attempt).await {
                Answer::Taken => return Fate::Delivered,
                Answer::Refused(status, text) => {
                    error!(exporter = %self.exporter, status = status.as_u16(), error = %text, "The remote write endpoint refused a request. Dropping its samples.");
                    return Fate::Rejected;
                }
                Answer::NotNow(failure, asked) => (failure, asked),
            };
            let Some(wait) = backoff.next(asked).filter(|_| may_retry) else {
                return Fate::GivenUp(failure);
            };
            attempt += 1;
            self.retries.inc();
            self.status.report(Status::RecoverableError(failure.to_string()));
            info!(exporter = %self.exporter, error = %failure, interval = ?wait, "Exporting failed. Will retry the request after interval.");
            self.wait(wait).await;
        }
    }

    async fn attempt(&self, body: &Bytes, client: &Client, attempt: u32) -> Answer {
        let mut request = Request::new(body.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.extensions_mut() = client.extensions.clone();
        let mut all = client.headers.clone();
        all.extend(self.headers.clone());
        if attempt > 0 {
            all.insert(RETRY_ATTEMPT, HeaderValue::from(attempt));
        }
        *request.headers_mut() = all;
        let answer = self.client.post(request);
        let answer = if self.timeout.is_zero() {
            answer.await
        } else {
            tokio::time::timeout(self.timeout, answer).await.unwrap_or_else(|_elapsed| {
                let text = format!("request timed out after {:?}", self.timeout);
                Err(ExportError::new(Code::DeadlineExceeded, text))
            })
        };
        match answer {
            Ok(response) => read(&response),
            Err(failure) => Answer::NotNow(failure, None),
        }
    }

    async fn wait(&self, wait: Duration) {
        if self.hurry.is_cancelled() {
            tokio::time::sleep(wait.min(HURRIED_WAIT)).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.hurry.cancelled() => {}
        }
    }
}

impl Buffers {
    /// Gives back what was needed beyond the usual.
    pub(super) fn release(&mut self) {
        self.request.body.shrink_to(KEPT_BYTES);
        self.compressed.truncate(KEPT_BYTES);
        self.compressed.shrink_to(KEPT_BYTES);
    }

    /// The request as one block of Snappy.
    fn compress(&mut self) -> Result<Bytes, ExportError> {
        let body = &self.request.body;
        self.compressed.resize(snap::raw::max_compress_len(body.len()), 0);
        let length = self.encoder.compress(body, &mut self.compressed);
        let length = length.map_err(|error| ExportError::new(Code::Internal, error.to_string()))?;
        Ok(Bytes::copy_from_slice(&self.compressed[..length]))
    }
}

pub(crate) fn read(response: &Response<Bytes>) -> Answer {
    let status = response.status();
    if status.is_success() {
        return Answer::Taken;
    }
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let text = refusal(content_type.unwrap_or_default(), response.body());
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        let message = if text.is_empty() {
            format!("HTTP status {status}")
        } else {
            format!("HTTP status {status}: {text}")
        };
        return Answer::NotNow(ExportError::new(Code::Unavailable, message), retry_after(response.headers()));
    }
    Answer::Refused(status, text)
}
