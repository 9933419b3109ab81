//! The `otlp_grpc` exporter: OTLP over gRPC, for Jaeger, Collectors and everything that takes OTLP.
//!
//! One attempt per call; queue, retry and timeout are around it. What the back end answers is read by
//! the one table: bad data is never repeated, `RESOURCE_EXHAUSTED` only when the answer says when. A
//! partial success is a success, counted and logged.

mod config;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, TE, USER_AGENT};
use http::{HeaderMap, Uri};
use spindle_pipeline::component::{BuildContext, Exported, Exporter, ExporterFactory, Factory, Stability};
use spindle_pipeline::error::{BuildError, Code, ExportError};
use spindle_pipeline::export::ExportSettings;
use spindle_pipeline::net::compression::Encoding;
use spindle_pipeline::net::{grpc, tls};
use spindle_pipeline::otlp::wire::Fields;
use spindle_pipeline::{Batch, Signal, SignalSet};

use config::Endpoint;
pub(crate) use config::check_compression;
pub use config::{Auth, CompressionParams, Config};

use crate::support::grpc::GrpcClient;
use crate::support::target::{Host, TlsTarget};

/// Compression of bodies above this is done beside the event loop.
const LARGE: usize = 64 * 1024;

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
            encoding: config.encoding(),
            level: config.compression_params.level,
            client: GrpcClient::new(endpoint.host, tls, config.balances(), config.pings()),
        }))
    }
}

fn tls_target(config: &Config, endpoint: &Endpoint) -> Result<TlsTarget, BuildError> {
    let mut client = tls::client(&config.tls, "tls")?;
    client.alpn_protocols = vec![b"h2".to_vec()];
    let name = match (config.tls.server_name_override.as_str(), &endpoint.host) {
        ("", Host::Tcp(host, _)) => host.clone(),
        ("", Host::Unix(_)) => "localhost".to_owned(),
        (name, _) => name.to_owned(),
    };
    TlsTarget::new(client, &name).map_err(|message| BuildError::new("tls::server_name_override", message))
}

/// The headers of every call. Those of the protocol cannot be configured.
fn headers(config: &Config, context: &BuildContext) -> Result<HeaderMap, BuildError> {
    let mut headers = HeaderMap::new();
    for (name, value) in config.headers.iter() {
        let key = format!("headers::{name}");
        let name = HeaderName::try_from(name.to_ascii_lowercase())
            .map_err(|_| BuildError::new(&key, format!("\"{name}\" cannot be a header's name")))?;
        let mut value = HeaderValue::try_from(value.expose())
            .map_err(|_| BuildError::new(&key, "this value cannot stand in a header"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let agent = match config.user_agent.as_str() {
        "" => format!(
            "{}/{} ({}/{})",
            context.build.name,
            context.build.version,
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
        agent => agent.to_owned(),
    };
    let agent = HeaderValue::try_from(agent)
        .map_err(|_| BuildError::new("user_agent", "this value cannot stand in a header"))?;
    headers.insert(USER_AGENT, agent);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    if config.encoding() != Encoding::Identity {
        headers.insert("grpc-encoding", HeaderValue::from_static(config.encoding().name()));
    }
    if !config.timeout.is_zero() {
        let milliseconds = config.timeout.get().as_millis().min(99_999_999);
        if let Ok(timeout) = HeaderValue::try_from(format!("{milliseconds}m")) {
            headers.insert("grpc-timeout", timeout);
        }
    }
    Ok(headers)
}

struct OtlpGrpcExporter {
    uris: [Uri; 3],
    headers: HeaderMap,
    encoding: Encoding,
    level: Option<i32>,
    client: GrpcClient,
}

impl OtlpGrpcExporter {
    async fn message(&self, batch: &Batch) -> Result<Bytes, ExportError> {
        let (encoding, level) = (self.encoding, self.level);
        let bytes = batch.bytes();
        if encoding == Encoding::Identity {
            return Ok(bytes);
        }
        let compressed = if bytes.len() > LARGE {
            tokio::task::spawn_blocking(move || encoding.compress(&bytes, level))
                .await
                .map_err(|failure| ExportError::new(Code::Internal, failure.to_string()))?
        } else {
            encoding.compress(&bytes, level)
        };
        compressed.map(Bytes::from).map_err(|error| ExportError::new(Code::Internal, error.to_string()))
    }
}

#[async_trait]
impl Exporter for OtlpGrpcExporter {
    async fn export(&self, batch: &Batch) -> Result<Exported, ExportError> {
        let message = self.message(batch).await?;
        let uri = self.uris[batch.signal().index()].clone();
        let is_compressed = self.encoding != Encoding::Identity;
        let response = self.client.call(uri, self.headers.clone(), is_compressed, message).await?;
        Ok(partial_success(&response))
    }
}

/// What an export response says beside "ok": field 1 holds the number of refused items and a message.
/// The three signals' responses have one shape.
pub(crate) fn partial_success(response: &[u8]) -> Exported {
    let mut exported = Exported::default();
    for partial in Fields::of(response).filter(|field| field.number == 1) {
        for field in Fields::of(partial.value.bytes()) {
            match field.number {
                1 => exported.rejected_items = u64::try_from(field.value.number() as i64).unwrap_or(0),
                2 => field.value.text().clone_into(&mut exported.message),
                _ => {}
            }
        }
    }
    exported
}
