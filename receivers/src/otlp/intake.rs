//! Where both doors end: bytes of a known signal, walked once, into the pipelines.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use spindle_pipeline::auth::{Refusal, ServerAuthenticator};
use spindle_pipeline::component::{Consumer, ReceiverContext};
use spindle_pipeline::error::{Code, ConsumeError};
use spindle_pipeline::net::compression::{DecompressError, Encoding};
use spindle_pipeline::otlp::json;
use spindle_pipeline::telemetry::{Counter, Metric, Telemetry};
use spindle_pipeline::{Batch, RequestContext, Signal};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Work on bodies above this is done beside the event loop, so that one large request does not hold up
/// the small ones: a mebibyte takes a millisecond or more.
const LARGE: usize = 256 * 1024;

/// How long into the stop a request may still be on its way; what comes later is sent again elsewhere.
const ARRIVAL_GRACE: Duration = Duration::from_secs(2);

/// The pipelines behind one door.
pub(super) struct Intake {
    consumers: [Option<Arc<dyn Consumer>>; 3],
    failures: Counter,
    authenticator: Option<Arc<dyn ServerAuthenticator>>,
    receiver: String,
    drain: CancellationToken,
}

/// How a request's bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Protobuf,
    Json,
}

/// What is known about a request beside its bytes.
#[derive(Default)]
pub(super) struct About {
    pub(super) peer: Option<SocketAddr>,
    pub(super) deadline: Option<Instant>,
    pub(super) metadata: Vec<(String, String)>,
}

impl Intake {
    pub(super) fn new(
        context: &ReceiverContext,
        telemetry: &Telemetry,
        receiver: &str,
        transport: &'static str,
    ) -> Self {
        let labels = vec![
            ("receiver".into(), Cow::Owned(receiver.to_owned())),
            ("transport".into(), transport.into()),
            ("outcome".into(), "failure".into()),
        ];
        Self {
            consumers: Signal::ALL.map(|signal| context.outputs.get(signal, transport)),
            failures: telemetry.counter(Metric::ReceiverRequests, labels),
            authenticator: None,
            receiver: receiver.to_owned(),
            drain: context.drain.clone(),
        }
    }

    /// Lets in only what this authenticator lets in, if there is one.
    #[must_use]
    pub(super) fn behind(self, authenticator: Option<Arc<dyn ServerAuthenticator>>) -> Self {
        Self { authenticator, ..self }
    }

    /// Whether a request with these headers may go on; one that may not is counted as a failure.
    pub(super) async fn admit(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<(), Refusal> {
        let Some(authenticator) = &self.authenticator else { return Ok(()) };
        let judged = authenticator.authenticate(headers).await;
        judged.inspect_err(|refusal| self.failed(&refusal.error, &About { peer, ..About::default() }))
    }

    /// Waits for a request's body, but at the stop not for a peer that stalls.
    pub(super) async fn arrival<T>(&self, reading: impl Future<Output = T>) -> Result<T, ConsumeError> {
        let too_late = async {
            self.drain.cancelled().await;
            tokio::time::sleep(ARRIVAL_GRACE).await;
        };
        tokio::select! {
            biased;
            read = reading => Ok(read),
            () = too_late => Err(ConsumeError::stopping()),
        }
    }

    /// Whether a pipeline takes this signal.
    pub(super) fn takes(&self, signal: Signal) -> bool {
        self.consumers[signal.index()].is_some()
    }

    /// Counts a request that was bad in itself, and says so at the debug level: clients are many.
    pub(super) fn failed(&self, error: &ConsumeError, about: &About) {
        self.failures.inc();
        debug!(receiver = %self.receiver, peer = ?about.peer, error = %error, "bad request");
    }

    /// Decompresses, transcodes and walks a body, and hands it to the pipelines. `body` must own its
    /// allocation alone.
    pub(super) async fn take(
        &self,
        signal: Signal,
        format: Format,
        encoding: Encoding,
        body: Bytes,
        limit: usize,
        about: About,
    ) -> Result<(), ConsumeError> {
        let Some(consumer) = &self.consumers[signal.index()] else {
            let message = format!("no pipeline takes {signal}");
            return Err(ConsumeError::new(Code::Unimplemented, message));
        };
        let is_plain = encoding == Encoding::Identity && format == Format::Protobuf;
        let read = if body.len() > LARGE && !is_plain {
            tokio::task::spawn_blocking(move || read(signal, format, encoding, body, limit))
                .await
                .unwrap_or_else(|failure| Err(ConsumeError::permanent(failure.to_string())))
        } else {
            read(signal, format, encoding, body, limit)
        };
        let batch = match read {
            Ok(batch) => batch,
            Err(error) => {
                self.failed(&error, &about);
                return Err(error);
            }
        };
        if batch.items() == 0 {
            return Ok(());
        }
        consumer.consume(batch.with_context(Some(about.into_context()))).await
    }
}

impl About {
    fn into_context(self) -> Arc<RequestContext> {
        let Self { peer, deadline, metadata } = self;
        Arc::new(RequestContext { metadata, peer, deadline })
    }
}

fn read(
    signal: Signal,
    format: Format,
    encoding: Encoding,
    body: Bytes,
    limit: usize,
) -> Result<Batch, ConsumeError> {
    let body = match encoding {
        Encoding::Identity => body,
        _ => encoding.decompress(&body, limit).map_err(|error| refusal(&error))?.into(),
    };
    let protobuf = match format {
        Format::Protobuf => body,
        Format::Json => {
            json::to_protobuf(signal, &body).map_err(|error| ConsumeError::invalid(error.to_string()))?.into()
        }
    };
    Batch::receive(signal, protobuf).map_err(|error| ConsumeError::invalid(error.to_string()))
}

fn refusal(error: &DecompressError) -> ConsumeError {
    match error {
        DecompressError::TooLarge(_) => ConsumeError::too_large(error.to_string()),
        DecompressError::Corrupt(..) => ConsumeError::invalid(error.to_string()),
    }
}

/// The headers of a request as metadata: names in lower case, values that are text.
pub(super) fn metadata(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect()
}
