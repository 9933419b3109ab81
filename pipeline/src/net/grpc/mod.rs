//! gRPC on raw bytes: message framing and status details, for both sides of a call.
//!
//! Messages are never decoded here, so a unary call is five bytes in front of a body and a status in the
//! trailers. Status codes, percent-encoding of messages and the mapping of broken connections are
//! tonic's.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use tonic::Status;

use super::text::shown;
use crate::error::{Code, ConsumeError, ExportError, Retry, says_too_large};
use crate::signal::Signal;

/// Length of the frame in front of each message: a compression flag and a length.
pub const FRAME: usize = 5;

/// The paths of the OTLP services.
pub const fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

/// The frame of a message.
pub fn frame(compressed: bool, length: usize) -> [u8; FRAME] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [u8::from(compressed), a, b, c, d]
}

/// A framed message: whether it is compressed, and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed<'a> {
    /// By what `grpc-encoding` says.
    pub is_compressed: bool,
    /// The message.
    pub message: &'a [u8],
}

/// Takes the one message out of the body of a unary call.
pub fn unframe(body: &[u8]) -> Result<Framed<'_>, &'static str> {
    let Some((&[flag, a, b, c, d], message)) = body.split_first_chunk::<FRAME>() else {
        return Err(if body.is_empty() { "missing request message" } else { "truncated message frame" });
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    match message.len() {
        found if found < length => Err("truncated message"),
        found if found > length => Err("more than one message in a unary call"),
        _ if flag > 1 => Err("invalid compression flag"),
        _ => Ok(Framed { is_compressed: flag == 1, message }),
    }
}

/// How long a body will be, by the frame it starts with.
pub fn announced_length(start: &[u8]) -> Option<usize> {
    let (&[_, a, b, c, d], _) = start.split_first_chunk::<FRAME>()?;
    Some(u32::from_be_bytes([a, b, c, d]) as usize + FRAME)
}

/// `google.rpc.Status`, the body of an OTLP/HTTP error as well.
#[derive(Clone, PartialEq, Message)]
pub struct RpcStatus {
    /// The gRPC code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// The message.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Typed details.
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<RpcAny>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub struct RpcAny {
    /// The type of the value.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The serialized value.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RpcRetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<RpcDuration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct RpcDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

const RETRY_INFO_TYPE: &str = "type.googleapis.com/google.rpc.RetryInfo";
const STATUS_DETAILS: &str = "grpc-status-details-bin";
/// Where the Python SDK looks for it, instead of in the status details.
const RETRY_INFO_TRAILER: HeaderName = HeaderName::from_static("google.rpc.retryinfo-bin");

impl RpcRetryInfo {
    fn new(delay: Duration) -> Self {
        let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX);
        Self { retry_delay: Some(RpcDuration { seconds, nanos: delay.subsec_nanos() as i32 }) }
    }

    fn delay(&self) -> Option<Duration> {
        let delay = self.retry_delay.as_ref()?;
        Some(Duration::new(u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?))
    }
}

/// An error as `google.rpc.Status`, with the time to wait if there is one.
pub fn rpc_status(error: &ConsumeError) -> RpcStatus {
    let details = match error.retry() {
        Retry::After(delay) => vec![RpcAny {
            type_url: RETRY_INFO_TYPE.to_owned(),
            value: RpcRetryInfo::new(delay).encode_to_vec(),
        }],
        Retry::Never | Retry::Now => Vec::new(),
    };
    RpcStatus { code: error.code().grpc(), message: error.message().to_owned(), details }
}

/// The trailers of a call that failed: the status, and the time to wait in both places where clients
/// look for it.
pub fn error_trailers(error: &ConsumeError) -> HeaderMap {
    let details = match error.retry() {
        Retry::After(_) => rpc_status(error).encode_to_vec().into(),
        Retry::Never | Retry::Now => Bytes::new(),
    };
    let status = Status::with_details(error.code().grpc().into(), error.message(), details);
    let mut trailers = HeaderMap::with_capacity(4);
    if status.add_header(&mut trailers).is_err() {
        trailers.insert("grpc-status", HeaderValue::from(error.code().grpc()));
    }
    if let Retry::After(delay) = error.retry() {
        let value =
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(RpcRetryInfo::new(delay).encode_to_vec());
        if let Ok(value) = HeaderValue::from_str(&value) {
            trailers.insert(RETRY_INFO_TRAILER, value);
        }
    }
    trailers
}

/// The outcome of a call by its trailers, or by its headers when there is nothing else.
pub fn outcome(headers: &HeaderMap) -> Result<(), ExportError> {
    match Status::from_header_map(&with_readable_details(headers)) {
        Some(status) if status.code() == tonic::Code::Ok => Ok(()),
        Some(status) => Err(export_error(&status)),
        None => Err(ExportError::new(Code::Unknown, "the server sent no grpc-status")),
    }
}

/// The same without status details that are no base64: tonic panics on those.
fn with_readable_details(headers: &HeaderMap) -> Cow<'_, HeaderMap> {
    // As tonic reads it.
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let base64 = GeneralPurpose::new(&alphabet::STANDARD, padding);
    let is_readable = |details: &HeaderValue| base64.decode(details.as_bytes()).is_ok();
    if headers.get(STATUS_DETAILS).is_none_or(is_readable) {
        return Cow::Borrowed(headers);
    }
    let mut headers = headers.clone();
    headers.remove(STATUS_DETAILS);
    Cow::Owned(headers)
}

/// A failed status as an export error: retried by its code, and not before the server's wish. "Too large" is
/// told by its text, unless the server names a time after which it would take the request.
pub fn export_error(status: &Status) -> ExportError {
    let code = Code::from_grpc(status.code() as i32);
    let text = format!("rpc error: code = {} desc = {}", code_name(code), shown(status.message().as_bytes()));
    let delay = retry_delay(status.details());
    if delay.is_none() && code.may_mean_too_large() && says_too_large(status.message()) {
        return ExportError::too_large(text);
    }
    let error = ExportError::new(code, text);
    let is_retried = code == Code::ResourceExhausted || error.retry().is_possible();
    match delay {
        Some(delay) if is_retried => error.retry_after(delay),
        _ => error,
    }
}

fn retry_delay(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let info = status.details.iter().find(|detail| detail.type_url == RETRY_INFO_TYPE)?;
    RpcRetryInfo::decode(info.value.as_slice()).ok()?.delay()
}

/// The name of a code as Go prints it, which is what users search for.
fn code_name(code: Code) -> String {
    match code {
        Code::Ok => "OK".to_owned(),
        Code::Cancelled => "Canceled".to_owned(),
        other => format!("{other:?}"),
    }
}

/// `grpc-timeout`: a number of at most eight digits and a unit.
pub fn parse_timeout(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}
