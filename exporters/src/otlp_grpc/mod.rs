//! The `otlp_grpc` exporter: OTLP over gRPC, for Jaeger, Collectors and everything that takes OTLP.
//!
//! One attempt per call; queue, retry and timeout are around it. What the back end answers is read by
//! the one table: bad data is never repeated as it is, `RESOURCE_EXHAUSTED` only when the answer says when; what
//! is called too large or bad is sent in parts. A partial success is a success, counted and logged.

mod config;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use http::header::{CONTENT_TYPE, HeaderValue, TE, USER_AGENT};
use http::{HeaderMap, Uri};
use spindle_pipeline::component::{BuildContext, Exported, Exporter, ExporterFactory, Factory, Stability};
use spindle_pipeline::error::{BuildError, Code, ExportError};
use spindle_pipeline::export::ExportSettings;
use spindle_pipeline::net::{grpc, tls};
use spindle_pipeline::{Batch, Signal, SignalSet};

pub use config::Config;
use config::{Endpoint, PROTOCOL_HEADERS};

use crate::support::auth::Signer;
use crate::support::compression::BodyCompression;
use crate::support::grpc::GrpcClient;
use crate::support::target::TlsTarget;
use crate::support::{answer, headers};

/// The type `otlp_grpc`.
pub struct OtlpGrpc;

impl Factory for OtlpGrpc {
    type Config = Config;
    const TYPE: &'static str = "otlp_grpc";
    const ALIASES: &'static [&'static str] = &["otlp"];
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Beta;
}

impl ExporterFactory for OtlpGrpc {
    fn settings(config: &Config) -> ExportSettings {
        ExportSettings {
            timeout: config.timeout,
            retry: config.retry_on_failure.clone(),
            queue: config.sending_queue.clone().into_option(),
        }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Arc<dyn Exporter>, BuildError> {
        let endpoint =
            Endpoint::parse(&config.endpoint).map_err(|message| BuildError::new("endpoint", message))?;
        let tls = if endpoint.uses_tls(&config.tls) { Some(tls_target(&config, &endpoint)?) } else { None };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let authority =
            if config.authority.is_empty() { endpoint.authority() } else { config.authority.clone() };
        let uris = [Signal::Traces, Signal::Metrics, Signal::Logs].map(|signal| {
            Uri::builder()
                .scheme(scheme)
                .authority(authority.as_str())
                .path_and_query(grpc::path(signal))
                .build()
        });
        let [traces, metrics, logs] = uris;
        let invalid = |error: http::Error| BuildError::new("endpoint", error.to_string());
        Ok(Arc::new(OtlpGrpcExporter {
            uris: [traces.map_err(invalid)?, metrics.map_err(invalid)?, logs.map_err(invalid)?],
            headers: headers(&config, context)?,
            signer: Signer::new(config.auth.as_ref(), &PROTOCOL_HEADERS, context)?,
            compression: config.body_compression(),
            client: GrpcClient::new(endpoint.host, tls, config.balances(), config.pings()),
        }))
    }
}

fn tls_target(config: &Config, endpoint: &Endpoint) -> Result<TlsTarget, BuildError> {
    let mut client = tls::client(&config.tls, "tls")?;
    client.alpn_protocols = vec![b"h2".to_vec()];
    let name = match config.tls.server_name_override.as_str() {
        "" => endpoint.host.name().map_or("localhost", |(host, _)| host),
        name => name,
    };
    TlsTarget::new(client, name).map_err(|message| BuildError::new("tls::server_name_override", message))
}

/// The headers of every call.
fn headers(config: &Config, context: &BuildContext) -> Result<HeaderMap, BuildError> {
    let mut headers = headers::from_keys(&config.headers, &PROTOCOL_HEADERS)?;
    encode_binary(&mut headers);
    let agent =
        if config.user_agent.is_empty() { headers::user_agent(context) } else { config.user_agent.clone() };
    let agent = HeaderValue::try_from(agent)
        .map_err(|_| BuildError::new("user_agent", "this value cannot stand in a header"))?;
    headers.insert(USER_AGENT, agent);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    let compression = config.body_compression();
    if !compression.is_none() {
        headers.insert("grpc-encoding", HeaderValue::from_static(compression.encoding.name()));
    }
    if !config.timeout.is_zero() {
        let milliseconds = config.timeout.get().as_millis().min(99_999_999);
        if let Ok(timeout) = HeaderValue::try_from(format!("{milliseconds}m")) {
            headers.insert("grpc-timeout", timeout);
        }
    }
    Ok(headers)
}

/// Metadata whose name ends in `-bin` goes over the wire in base64.
fn encode_binary(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if name.as_str().ends_with("-bin") {
            let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(value.as_bytes());
            // Base64 is ASCII, which every header may hold.
            if let Ok(mut encoded) = HeaderValue::try_from(encoded) {
                encoded.set_sensitive(true);
                *value = encoded;
            }
        }
    }
}

struct OtlpGrpcExporter {
    uris: [Uri; 3],
    headers: HeaderMap,
    signer: Signer,
    compression: BodyCompression,
    client: GrpcClient,
}

#[async_trait]
impl Exporter for OtlpGrpcExporter {
    async fn export(&self, batch: &Batch) -> Result<Exported, ExportError> {
        let message = self.compression.apply(batch.bytes()).await?;
        let uri = self.uris[batch.signal().index()].clone();
        let is_compressed = !self.compression.is_none();
        let mut headers = self.headers.clone();
        self.signer.sign(&mut headers, batch.context().map(Arc::as_ref))?;
        let response = self.client.call(uri, headers, is_compressed, message).await?;
        answer::partial_success(&response)
            .map_err(|error| ExportError::new(Code::Internal, error.to_string()))
    }
}
