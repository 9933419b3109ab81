//! How answers of back ends are read, for fuzzing. Behind the feature `test-util`; no part of the agent.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Uri};
use spindle_pipeline::component::Exported;
use spindle_pipeline::error::ExportError;

use crate::prometheus_remote_write::deliver::{self, Answer};
use crate::support::http::Target;
use crate::{otlp_http, support};

/// An answer to OTLP over HTTP.
pub fn otlp_http(response: &Response<Bytes>) -> Result<Exported, ExportError> {
    otlp_http::read(
        &Target { uri: Uri::from_static("http://backend/v1/traces"), authorization: None },
        response,
    )
}

/// The message of an answer to OTLP over gRPC, by the headers and the body of the answer.
pub fn otlp_grpc(headers: &HeaderMap, body: &[u8]) -> Result<Bytes, ExportError> {
    support::grpc::unpack(headers, body)
}

/// What remote write makes of an answer.
#[derive(Debug)]
pub enum RemoteWrite {
    /// Delivered.
    Taken,
    /// To be sent again, not before this time.
    NotNow(ExportError, Option<Duration>),
    /// Dropped, with the text that is logged.
    Refused(StatusCode, String),
}

/// An answer to remote write.
pub fn remote_write(response: &Response<Bytes>) -> RemoteWrite {
    match deliver::read(response) {
        Answer::Taken => RemoteWrite::Taken,
        Answer::NotNow(error, wait) => RemoteWrite::NotNow(error, wait),
        Answer::Refused(status, text) => RemoteWrite::Refused(status, text),
    }
}
