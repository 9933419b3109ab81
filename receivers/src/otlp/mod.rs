//! The `otlp` receiver: OTLP over gRPC and HTTP, protobuf and JSON, for traces, metrics and logs.
//!
//! What it guarantees:
//!
//! * The answer is the pipelines' answer. A client is told "ok" only when they have taken its data, and
//!   told to repeat exactly when repeating can help; gRPC and HTTP say the same by one table.
//! * What is not well formed is refused before it reaches a pipeline, with the byte that is wrong.
//! * What the authenticator of a door does not let in gets no further than its headers.
//! * Bodies are bounded, compressed and decompressed.
//!
//! Both doors end in `intake::Intake`; `grpc` and `http` are only its two protocols.

mod config;
mod cors;
mod grpc;
mod http;
mod intake;
mod reply;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use rustls::ServerConfig;
use spindle_pipeline::SignalSet;
use spindle_pipeline::auth::ServerAuthenticator;
use spindle_pipeline::component::{
    BuildContext, Factory, Kind, Receiver, ReceiverContext, ReceiverFactory, Stability,
};
use spindle_pipeline::error::{BuildError, RunError};
use spindle_pipeline::net::listen::{Bound, bind};
use spindle_pipeline::net::serve::{ServeOptions, serve};
use spindle_pipeline::net::tls;
use spindle_pipeline::panics::Panics;
use spindle_pipeline::telemetry::Telemetry;
use tracing::{info, warn};

use intake::Intake;

pub use config::{Config, GrpcConfig, HttpConfig};

/// The type `otlp`.
pub struct Otlp;

impl Factory for Otlp {
    type Config = Config;
    const TYPE: &'static str = "otlp";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Beta;
}

impl ReceiverFactory for Otlp {
    fn build(config: Config, context: &BuildContext) -> Result<Box<dyn Receiver>, BuildError> {
        let protocols = config.protocols;
        let grpc = protocols.grpc.into_option().map(|config| GrpcDoor::open(config, context)).transpose()?;
        let http = protocols.http.into_option().map(|config| HttpDoor::open(config, context)).transpose()?;
        Ok(Box::new(OtlpReceiver {
            id: context.id.to_string(),
            panics: Panics::of(&context.telemetry, Kind::Receiver, &context.id),
            telemetry: context.telemetry.clone(),
            grpc,
            http,
        }))
    }
}

struct OtlpReceiver {
    id: String,
    panics: Panics,
    telemetry: Telemetry,
    grpc: Option<GrpcDoor>,
    http: Option<HttpDoor>,
}

/// A bound socket and what is known about how to serve it.
struct Door<C> {
    bound: Bound,
    tls: Option<Arc<ServerConfig>>,
    options: ServeOptions,
    authenticator: Option<Arc<dyn ServerAuthenticator>>,
    config: C,
}

impl<C> Door<C> {
    /// One line in the log if strangers can come in, or listen in.
    fn warn_of_exposure(&self, receiver: &str) {
        let exposure = exposure(self.bound.tcp_address(), self.tls.is_some(), self.authenticator.is_some());
        if let Some(exposure) = exposure {
            warn!(%receiver, endpoint = %self.bound, "{exposure}");
        }
    }
}

/// What a listener that other machines reach lacks.
fn exposure(address: Option<SocketAddr>, has_tls: bool, has_authenticator: bool) -> Option<&'static str> {
    if address.is_none_or(|address| address.ip().is_loopback()) {
        return None;
    }
    match (has_tls, has_authenticator) {
        (false, false) => Some(
            "Other machines reach this address, and it has neither tls nor auth: whoever reaches it can send",
        ),
        (false, true) => Some(
            "Other machines reach this address, and it has auth without tls: credentials can be read on their way",
        ),
        (true, _) => None,
    }
}

type GrpcDoor = Door<GrpcConfig>;
type HttpDoor = Door<HttpConfig>;

impl GrpcDoor {
    fn open(config: GrpcConfig, context: &BuildContext) -> Result<Self, BuildError> {
        let key = "protocols::grpc";
        let tls =
            config.tls.as_ref().map(|tls| tls::server(tls, &[b"h2"], &format!("{key}::tls"))).transpose()?;
        let name = config.auth.as_ref().map(|auth| auth.authenticator.as_str());
        let authenticator = context.authenticators.server(&format!("{key}::"), name)?;
        let bound = bind(&config.address(), &format!("{key}::endpoint"))?;
        Ok(Self { bound, tls: tls.map(Arc::new), options: config.serve_options(), authenticator, config })
    }
}

impl HttpDoor {
    fn open(config: HttpConfig, context: &BuildContext) -> Result<Self, BuildError> {
        let key = "protocols::http";
        let alpn: &[&[u8]] = &[b"h2", b"http/1.1"];
        let tls =
            config.tls.as_ref().map(|tls| tls::server(tls, alpn, &format!("{key}::tls"))).transpose()?;
        let name = config.auth.as_ref().map(|auth| auth.authenticator.as_str());
        let authenticator = context.authenticators.server(&format!("{key}::"), name)?;
        let bound = bind(&config.address(), &format!("{key}::endpoint"))?;
        Ok(Self { bound, tls: tls.map(Arc::new), options: config.serve_options(), authenticator, config })
    }
}

#[async_trait]
impl Receiver for OtlpReceiver {
    async fn run(self: Box<Self>, context: ReceiverContext) -> Result<(), RunError> {
        let Self { id, panics, telemetry, grpc, http } = *self;
        let grpc = async {
            let Some(door) = grpc else { return Ok(()) };
            info!(receiver = %id, endpoint = %door.bound, "Starting GRPC server");
            door.warn_of_exposure(&id);
            let intake = Intake::new(&context, &telemetry, &id, "grpc").behind(door.authenticator);
            let service = grpc::GrpcService::new(&door.config, intake);
            let options = ServeOptions { panics: panics.clone(), ..door.options };
            serve(door.bound, door.tls, options, service, context.drain.clone()).await
        };
        let http = async {
            let Some(door) = http else { return Ok(()) };
            info!(receiver = %id, endpoint = %door.bound, "Starting HTTP server");
            door.warn_of_exposure(&id);
            let intake = Intake::new(&context, &telemetry, &id, "http").behind(door.authenticator);
            let service = http::HttpService::new(&door.config, intake);
            let options = ServeOptions { panics: panics.clone(), ..door.options };
            serve(door.bound, door.tls, options, service, context.drain.clone()).await
        };
        tokio::try_join!(grpc, http).map_err(|error| RunError(error.to_string()))?;
        Ok(())
    }
}
