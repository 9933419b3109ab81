//! Answers of back ends: OTLP over HTTP and gRPC, and remote write.
//!
//! An input is an answer as HTTP/1 writes it: a line with the status, lines of headers, an empty line, the
//! body. Each exporter reads it. What they say is bounded and one line; where prost understands a partial
//! success, the same was understood here.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use spindle_exporters::support::answer;
use spindle_exporters::support::http::retry_after;
use spindle_exporters::testing::{self, RemoteWrite};
use spindle_pipeline::component::Exported;
use spindle_pipeline::error::ExportError;
use spindle_pipeline::export::{Backoff, RetryConfig};
use spindle_pipeline::net::grpc;
use spindle_pipeline::net::text::MAX_TEXT;

use crate::{PATIENCE, Target, kind};

/// See the module.
pub const TARGET: Target =
    Target { name: "answers", check, longest: 16 << 10, words: WORDS, patience: PATIENCE, fresh: None };

const WORDS: &[&[u8]] = &[
    b"200\n",
    b"400\n",
    b"429\n",
    b"503\n",
    b"\n\n",
    b"content-type: application/x-protobuf\n",
    b"content-type: application/json\n",
    b"content-type: text/plain; charset=utf-8\n",
    b"retry-after: 120\n",
    b"retry-after: Sun, 06 Nov 2094 08:49:37 GMT\n",
    b"grpc-status: 8\n",
    b"grpc-status: 0\n",
    b"grpc-message: a%20b%0A%ff%\n",
    b"grpc-status-details-bin: CAgSAXgaNAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIICgYIBRCA\n",
    b"grpc-encoding: gzip\n",
    b"grpc-encoding: snappy\n",
    b"\0\0\0\0\0",
    b"\x01\0\0\0\x04",
    b"\x0a\x05\x08\x03\x12\x01x",
    b"{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"x\"}}",
    b"{\"code\":3,\"message\":\"x\"}",
    b"\\u0000",
    b"%F0%9F%98%80",
];

/// Longer than any text of ours around a text of a back end.
const LONGEST_TEXT: usize = 8 << 10;

fn check(input: &[u8]) -> u64 {
    let response = response(input);
    let (headers, body) = (response.headers(), response.body());
    if let Some(delay) = retry_after(headers) {
        assert!(delay <= Duration::from_hours(24), "waits {delay:?}");
    }
    let http = testing::otlp_http(&response);
    match &http {
        Ok(exported) => check_exported(exported),
        Err(error) => check_error(error),
    }
    let remote_write = match testing::remote_write(&response) {
        RemoteWrite::Taken => 0,
        RemoteWrite::NotNow(error, wait) => {
            check_error(&error);
            Backoff::new(&RetryConfig::default()).next(wait);
            1
        }
        RemoteWrite::Refused(_, text) => {
            check_text(&text);
            2
        }
    };
    let status = grpc::outcome(headers);
    if let Err(error) = &status {
        check_error(error);
    }
    let message = testing::otlp_grpc(headers, body);
    match &message {
        Ok(message) => check_partial_success(message),
        Err(error) => check_error(error),
    }
    check_partial_success(body);
    if let Ok(exported) = answer::partial_success_json(body) {
        check_exported(&exported);
    }
    let code = |error: &ExportError| (error.code(), error.retry().is_possible());
    let http = http.as_ref().map(|exported| exported.rejected_items > 0).map_err(code);
    let status = status.as_ref().map_err(code);
    kind(format!("{http:?} {remote_write} {status:?} {:?}", message.as_ref().map_err(code).is_ok()))
}

/// What prost understands is understood the same. What it refuses may be read leniently.
fn check_partial_success(message: &[u8]) {
    let read = answer::partial_success(message);
    if let Ok(exported) = &read {
        check_exported(exported);
    }
    let Ok(expected) = ExportTraceServiceResponse::decode(message) else { return };
    let exported = read.expect("prost reads it");
    let expected = expected.partial_success.unwrap_or_default();
    assert_eq!(exported.rejected_items, u64::try_from(expected.rejected_spans).unwrap_or(0), "refused items");
    let is_blank = |character: char| character.is_whitespace() || character.is_control();
    let is_empty = expected.error_message.chars().all(is_blank);
    assert!(!is_empty || exported.message.is_empty(), "{expected:?}");
    // What is long may be blank as far as it is shown.
    assert!(
        is_empty || !exported.message.is_empty() || expected.error_message.len() > MAX_TEXT,
        "{expected:?}"
    );
}

fn check_exported(exported: &Exported) {
    check_text(&exported.message);
}

fn check_error(error: &ExportError) {
    check_text(&error.to_string());
    if let spindle_pipeline::error::Retry::After(delay) = error.retry() {
        Backoff::new(&RetryConfig::default()).next(Some(delay));
    }
}

/// A text for the log: one line of bounded length.
fn check_text(text: &str) {
    assert!(text.len() <= LONGEST_TEXT, "a text of {} bytes", text.len());
    assert!(!text.contains(char::is_control), "a text with control characters: {text:?}");
}

/// The answer that an input is. What HTTP would not let through is left out.
fn response(input: &[u8]) -> Response<Bytes> {
    let mut lines = Lines { rest: input };
    let mut response = Response::new(Bytes::new());
    let status = lines.next().and_then(|line| StatusCode::from_bytes(line).ok());
    *response.status_mut() = status.unwrap_or(StatusCode::OK);
    let mut headers = HeaderMap::new();
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    *response.headers_mut() = headers;
    *response.body_mut() = Bytes::copy_from_slice(lines.rest);
    response
}

/// The lines of a head, and what is behind those that were taken.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some(line)
    }
}
