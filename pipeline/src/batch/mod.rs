//! [`Batch`], the unit of data: one export request of one signal, cheap to clone.
//!
//! A batch holds the bytes it was received as until somebody needs more. Bytes in a batch have passed
//! the walk and are canonical, so everybody behind the receiver may read and splice them without
//! checking again. A payload owns its bytes alone: it is never a slice of a larger buffer, so what a
//! batch retains is what [`Batch::byte_size`] says.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::Instant;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use crate::otlp::split::{Limits, concat, split};
use crate::otlp::{Malformed, walk};
use crate::signal::Signal;

/// One request on its way through the pipelines.
#[derive(Clone, Debug)]
pub struct Batch {
    signal: Signal,
    payload: Payload,
    items: usize,
    context: Option<Arc<RequestContext>>,
}

#[derive(Clone, Debug)]
enum Payload {
    Encoded(Bytes),
    Decoded(Arc<Decoded>),
}

/// A request as objects, for what truly needs them.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// Spans.
    Traces(ExportTraceServiceRequest),
    /// Data points.
    Metrics(ExportMetricsServiceRequest),
    /// Log records.
    Logs(ExportLogsServiceRequest),
}

/// What is known about where a batch came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestContext {
    /// Headers or gRPC metadata, names in lower case, in order; only where `include_metadata` asks for
    /// them.
    pub metadata: Vec<(String, String)>,
    /// The client's address.
    pub peer: Option<SocketAddr>,
    /// When the client stops waiting.
    pub deadline: Option<Instant>,
}

impl RequestContext {
    /// The values of a header, whose name may be in any case.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.metadata
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl Batch {
    /// Takes what a client sent: walks it once and counts its items. Bytes that are not well formed are
    /// refused. `bytes` must not be a slice of a larger buffer.
    pub fn receive(signal: Signal, bytes: Bytes) -> Result<Self, Malformed> {
        let walked = walk(signal, &bytes)?;
        if walked.is_canonical {
            return Ok(Self::from_parts(signal, bytes, walked.items));
        }
        // Written twice means merged, and merging drops items here and there: write it anew and count.
        let bytes = Decoded::read(signal, &bytes).map_or(bytes, |decoded| decoded.encode());
        let items = walk(signal, &bytes)?.items;
        Ok(Self::from_parts(signal, bytes, items))
    }

    /// A batch of bytes that are known to be well formed and canonical, and of how many items they hold.
    pub fn from_parts(signal: Signal, bytes: Bytes, items: usize) -> Self {
        Self { signal, payload: Payload::Encoded(bytes), items, context: None }
    }

    /// A batch of objects.
    pub fn from_decoded(decoded: Decoded) -> Self {
        Self {
            signal: decoded.signal(),
            items: decoded.items(),
            payload: Payload::Decoded(Arc::new(decoded)),
            context: None,
        }
    }

    /// With where it came from.
    #[must_use]
    pub fn with_context(self, context: Option<Arc<RequestContext>>) -> Self {
        Self { context, ..self }
    }

    /// With other bytes in the place of these, from the same client.
    #[must_use]
    pub fn with_bytes(&self, bytes: Bytes, items: usize) -> Self {
        Self { signal: self.signal, payload: Payload::Encoded(bytes), items, context: self.context.clone() }
    }

    /// All of them as one, with the context of the first; nothing of nothing.
    pub fn joined(batches: &[Self]) -> Option<Self> {
        match batches {
            [] => None,
            [single] => Some(single.clone()),
            [first, ..] => {
                let bytes: Vec<Bytes> = batches.iter().map(Self::bytes).collect();
                Some(first.with_bytes(concat(&bytes), batches.iter().map(Self::items).sum()))
            }
        }
    }

    /// In pieces that the limits hold, in order; itself if they hold it whole.
    pub fn cut(&self, limits: Limits) -> Vec<Self> {
        if limits.hold(self.items, self.byte_size()) {
            return vec![self.clone()];
        }
        let pieces = split(self.signal, &self.bytes(), limits);
        pieces.into_iter().map(|piece| self.with_bytes(piece.bytes, piece.items)).collect()
    }

    /// What it is.
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// How many spans, data points or log records.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Where it came from, if that is known.
    pub fn context(&self) -> Option<&Arc<RequestContext>> {
        self.context.as_ref()
    }

    /// The request on the wire. Encodes only what was decoded.
    pub fn bytes(&self) -> Bytes {
        match &self.payload {
            Payload::Encoded(bytes) => bytes.clone(),
            Payload::Decoded(decoded) => decoded.encode(),
        }
    }

    /// How long the request is on the wire.
    pub fn byte_size(&self) -> usize {
        match &self.payload {
            Payload::Encoded(bytes) => bytes.len(),
            Payload::Decoded(decoded) => decoded.encoded_len(),
        }
    }

    /// The request as objects. Decodes on each call unless it is decoded already.
    pub fn decoded(&self) -> Arc<Decoded> {
        match &self.payload {
            Payload::Encoded(bytes) => {
                Arc::new(Decoded::read(self.signal, bytes).unwrap_or_else(|| Decoded::empty(self.signal)))
            }
            Payload::Decoded(decoded) => Arc::clone(decoded),
        }
    }

    /// The request as objects, to change: decoded on first use, copied if somebody else holds it.
    /// [`Batch::recount`] must follow when items were added or taken out.
    pub fn decoded_mut(&mut self) -> &mut Decoded {
        let mut decoded = self.decoded();
        // Drop our own share first, so that only somebody else's makes a copy.
        self.payload = Payload::Encoded(Bytes::new());
        Arc::make_mut(&mut decoded);
        self.payload = Payload::Decoded(decoded);
        match &mut self.payload {
            Payload::Decoded(decoded) => Arc::make_mut(decoded),
            Payload::Encoded(_) => unreachable!("set in the line above"),
        }
    }

    /// Counts the items again.
    pub fn recount(&mut self) {
        if let Payload::Decoded(decoded) = &self.payload {
            self.items = decoded.items();
        }
    }
}

impl Decoded {
    /// Decodes a request; `None` if prost refuses it, which the walk has ruled out for received bytes.
    pub fn read(signal: Signal, bytes: &[u8]) -> Option<Self> {
        Some(match signal {
            Signal::Traces => Self::Traces(ExportTraceServiceRequest::decode(bytes).ok()?),
            Signal::Metrics => Self::Metrics(ExportMetricsServiceRequest::decode(bytes).ok()?),
            Signal::Logs => Self::Logs(ExportLogsServiceRequest::decode(bytes).ok()?),
        })
    }

    fn empty(signal: Signal) -> Self {
        match signal {
            Signal::Traces => Self::Traces(ExportTraceServiceRequest::default()),
            Signal::Metrics => Self::Metrics(ExportMetricsServiceRequest::default()),
            Signal::Logs => Self::Logs(ExportLogsServiceRequest::default()),
        }
    }

    /// What it is.
    pub fn signal(&self) -> Signal {
        match self {
            Self::Traces(_) => Signal::Traces,
            Self::Metrics(_) => Signal::Metrics,
            Self::Logs(_) => Signal::Logs,
        }
    }

    /// The request on the wire.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Traces(request) => request.encode_to_vec(),
            Self::Metrics(request) => request.encode_to_vec(),
            Self::Logs(request) => request.encode_to_vec(),
        }
        .into()
    }

    fn encoded_len(&self) -> usize {
        match self {
            Self::Traces(request) => request.encoded_len(),
            Self::Metrics(request) => request.encoded_len(),
            Self::Logs(request) => request.encoded_len(),
        }
    }

    /// How many spans, data points or log records.
    pub fn items(&self) -> usize {
        match self {
            Self::Traces(request) => request
                .resource_spans
                .iter()
                .flat_map(|group| &group.scope_spans)
                .map(|scope| scope.spans.len())
                .sum(),
            Self::Logs(request) => request
                .resource_logs
                .iter()
                .flat_map(|group| &group.scope_logs)
                .map(|scope| scope.log_records.len())
                .sum(),
            Self::Metrics(request) => request
                .resource_metrics
                .iter()
                .flat_map(|group| &group.scope_metrics)
                .flat_map(|scope| &scope.metrics)
                .map(|metric| metric.data.as_ref().map_or(0, points))
                .sum(),
        }
    }
}

fn points(data: &opentelemetry_proto::tonic::metrics::v1::metric::Data) -> usize {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    match data {
        Data::Gauge(data) => data.data_points.len(),
        Data::Sum(data) => data.data_points.len(),
        Data::Histogram(data) => data.data_points.len(),
        Data::ExponentialHistogram(data) => data.data_points.len(),
        Data::Summary(data) => data.data_points.len(),
    }
}
