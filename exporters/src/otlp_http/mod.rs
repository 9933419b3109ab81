//! The `otlp_http` exporter: OTLP over HTTP, in protobuf or JSON, for everything that takes OTLP.
//!
//! One attempt per call; queue, retry and timeout are around it.
//!
//! * 429, 502, 503 and 504 are worth another attempt, as is everything that breaks below HTTP; 429 and 503 not
//!   before their `Retry-After`. Any other status outside 2xx is final for the request as it is; after
//!   413 and 400 it is sent in parts.
//! * A 2xx is a success, counted and logged as partial where its body says so. A body that is not what its
//!   content type says is final: the back end has the data, and repeating would double it.

mod config;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{HeaderMap, Request, Response};
use spindle_pipeline::component::{BuildContext, Exported, Exporter, ExporterFactory, Factory, Stability};
use spindle_pipeline::error::{BuildError, Code, ExportError};
use spindle_pipeline::export::ExportSettings;
use spindle_pipeline::net::text::shown as one_line;
use spindle_pipeline::otlp::json;
use spindle_pipeline::{Batch, Signal, SignalSet};

use config::PROTOCOL_HEADERS;
pub use config::{Config, PayloadEncoding};

use crate::support::answer;
use crate::support::compression::{BodyCompression, beside_the_loop};
use crate::support::http::{HttpClient, Target, answer_error, context_of, shown};

/// The type `otlp_http`.
pub struct OtlpHttp;

impl Factory for OtlpHttp {
    type Config = Config;
    const TYPE: &'static str = "otlp_http";
    const ALIASES: &'static [&'static str] = &["otlphttp"];
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Beta;
}

impl ExporterFactory for OtlpHttp {
    fn settings(config: &Config) -> ExportSettings {
        ExportSettings {
            timeout: config.timeout,
            retry: config.retry_on_failure.clone(),
            queue: config.sending_queue.clone().into_option(),
        }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Arc<dyn Exporter>, BuildError> {
        let mut targets = [None, None, None];
        for signal in context.signals.iter() {
            let url = config.url(signal).map_err(|message| BuildError::new("", message))?;
            targets[signal.index()] = Some(Target::parse("endpoint", &url)?);
        }
        let (compression, encoding) = (config.body_compression(), config.payload_encoding());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(encoding.content_type()));
        if !compression.is_none() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(compression.encoding.name()));
        }
        Ok(Arc::new(OtlpHttpExporter {
            targets,
            headers,
            is_authorized: config.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")),
            encoding,
            compression,
            client: HttpClient::new(&config.client(), &PROTOCOL_HEADERS, context)?,
        }))
    }
}

struct OtlpHttpExporter {
    targets: [Option<Target>; 3],
    headers: HeaderMap,
    /// The configured headers hold an authorization, which counts before the one of a URL.
    is_authorized: bool,
    encoding: PayloadEncoding,
    compression: BodyCompression,
    client: HttpClient,
}

impl OtlpHttpExporter {
    async fn body(&self, batch: &Batch) -> Result<Bytes, ExportError> {
        let (compression, signal, bytes) = (self.compression, batch.signal(), batch.bytes());
        match self.encoding {
            PayloadEncoding::Proto => compression.apply(bytes).await,
            PayloadEncoding::Json => {
                beside_the_loop(bytes.len(), move || compression.compress(to_json(signal, &bytes))).await?
            }
        }
    }
}

fn to_json(signal: Signal, request: &[u8]) -> Bytes {
    let mut text = Vec::new();
    json::to_json(signal, request, &mut text);
    text.into()
}

#[async_trait]
impl Exporter for OtlpHttpExporter {
    async fn export(&self, batch: &Batch) -> Result<Exported, ExportError> {
        let Some(target) = &self.targets[batch.signal().index()] else {
            let message = format!("no endpoint for {}", batch.signal());
            return Err(ExportError::new(Code::FailedPrecondition, message));
        };
        let mut request = Request::new(self.body(batch).await?);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = target.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(authorization) = target.authorization.as_ref().filter(|_| !self.is_authorized) {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        request.extensions_mut().extend(context_of(batch));
        let response = self.client.post(request).await?;
        read(target, &response)
    }
}

/// What an answer says.
pub(crate) fn read(target: &Target, response: &Response<Bytes>) -> Result<Exported, ExportError> {
    if response.status().is_success() { accepted(response) } else { Err(refused(target, response)) }
}

fn accepted(response: &Response<Bytes>) -> Result<Exported, ExportError> {
    let body = response.body();
    let exported = match answer::media_type(content_type(response)) {
        _ if body.is_empty() => Ok(Exported::default()),
        "application/x-protobuf" => answer::partial_success(body),
        "application/json" => answer::partial_success_json(body),
        _ => Ok(Exported::default()),
    };
    exported.map_err(|error| ExportError::new(Code::Internal, error.to_string()))
}

/// An answer outside 2xx, in the Collector's words.
fn refused(target: &Target, response: &Response<Bytes>) -> ExportError {
    let status = response.status();
    let mut text = format!(
        "error exporting items, request to {} responded with HTTP Status Code {}",
        shown(&target.uri),
        status.as_u16()
    );
    let message = answer::refusal(content_type(response), response.body());
    if !message.is_empty() {
        text.push_str(&format!(", Message={message}"));
    }
    if let Some(location) = response.headers().get(LOCATION).filter(|_| status.is_redirection()) {
        let location = one_line(location.as_bytes());
        text.push_str(&format!(" (redirects are not followed; this one leads to {location})"));
    }
    answer_error(status, response.headers(), text)
}

fn content_type(response: &Response<Bytes>) -> &str {
    response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
