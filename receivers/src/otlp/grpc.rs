//! OTLP/gRPC: three unary methods on raw bytes.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::time::Instant;

use bytes::{Buf, Bytes};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::Service;
use spindle_pipeline::Signal;
use spindle_pipeline::error::{Code, ConsumeError};
use spindle_pipeline::net::body::{self, BodyError};
use spindle_pipeline::net::compression::Encoding;
use spindle_pipeline::net::grpc;
use spindle_pipeline::net::serve::Peer;

use super::config::GrpcConfig;
use super::intake::{About, Format, Intake, metadata};
use super::reply::{self, Reply};

/// Answers gRPC calls.
#[derive(Clone)]
pub(super) struct GrpcService(Arc<Inner>);

struct Inner {
    intake: Intake,
    max_message: usize,
    include_metadata: bool,
}

impl GrpcService {
    pub(super) fn new(config: &GrpcConfig, intake: Intake) -> Self {
        Self(Arc::new(Inner {
            intake,
            max_message: config.max_message(),
            include_metadata: config.include_metadata,
        }))
    }
}

impl Service<Request<Incoming>> for GrpcService {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Reply>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { Ok(inner.answer(request).await) })
    }
}

impl Inner {
    async fn answer(&self, request: Request<Incoming>) -> Response<Reply> {
        if let Some(refusal) = not_grpc(&request) {
            return refusal;
        }
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        if let Err(refusal) = self.intake.admit(request.headers(), peer).await {
            return reply::grpc_error(&refusal.error);
        }
        match self.export(request).await {
            Ok(()) => reply::grpc_ok(),
            Err(error) => reply::grpc_error(&error),
        }
    }

    async fn export(&self, request: Request<Incoming>) -> Result<(), ConsumeError> {
        let signal = self.method(request.uri().path())?;
        let (parts, incoming) = request.into_parts();
        let about = self.about(&parts.headers, parts.extensions.get::<Peer>());
        let (encoding, message) = match self.message(&parts.headers, incoming).await {
            Ok(read) => read,
            Err(error) => {
                self.intake.failed(&error, &about);
                return Err(error);
            }
        };
        self.intake.take(signal, Format::Protobuf, encoding, message, self.max_message, about).await
    }

    fn method(&self, path: &str) -> Result<Signal, ConsumeError> {
        let signal = Signal::ALL.into_iter().find(|signal| grpc::path(*signal) == path);
        match signal {
            Some(signal) if self.intake.takes(signal) => Ok(signal),
            Some(signal) => {
                let message =
                    format!("unknown service: no pipeline of this agent takes {signal} from this receiver");
                Err(ConsumeError::new(Code::Unimplemented, message))
            }
            None => Err(ConsumeError::new(Code::Unimplemented, format!("unknown method {path}"))),
        }
    }

    fn about(&self, headers: &HeaderMap, peer: Option<&Peer>) -> About {
        let timeout = headers.get("grpc-timeout").and_then(grpc::parse_timeout);
        About {
            peer: peer.map(|peer| peer.0),
            deadline: timeout.map(|timeout| Instant::now() + timeout),
            metadata: if self.include_metadata { metadata(headers) } else { Vec::new() },
        }
    }

    async fn message(
        &self,
        headers: &HeaderMap,
        incoming: Incoming,
    ) -> Result<(Encoding, Bytes), ConsumeError> {
        let limit = self.max_message + grpc::FRAME;
        let reading = body::read_announced(incoming, limit, grpc::announced_length);
        let body = self.intake.arrival(reading).await?.map_err(|error| match error {
            BodyError::TooLarge(_) => self.too_large(),
            BodyError::Broken(_) => ConsumeError::new(Code::Cancelled, error.to_string()),
        })?;
        let framed = grpc::unframe(&body).map_err(ConsumeError::invalid)?;
        let encoding = if framed.is_compressed { compression(headers)? } else { Encoding::Identity };
        let mut message = body;
        message.advance(grpc::FRAME);
        Ok((encoding, message))
    }

    fn too_large(&self) -> ConsumeError {
        let message = format!("grpc: received message larger than max ({} bytes)", self.max_message);
        ConsumeError::too_large(message)
    }
}

fn compression(headers: &HeaderMap) -> Result<Encoding, ConsumeError> {
    let name = headers.get("grpc-encoding").and_then(|value| value.to_str().ok()).unwrap_or("");
    match Encoding::from_name(name) {
        Some(Encoding::Identity) => {
            Err(ConsumeError::invalid("grpc: compressed flag set with identity or empty encoding"))
        }
        Some(encoding) => Ok(encoding),
        None => {
            let message = format!("grpc: Decompressor is not installed for grpc-encoding \"{name}\"");
            Err(ConsumeError::new(Code::Unimplemented, message))
        }
    }
}

/// The commonest mistake is OTLP/HTTP on this port; the answer says where to go.
fn not_grpc(request: &Request<Incoming>) -> Option<Response<Reply>> {
    if request.version() != Version::HTTP_2 {
        let hint =
            "this port speaks OTLP/gRPC over HTTP/2; OTLP/HTTP has a port of its own, by default 4318\n";
        return Some(reply::text(StatusCode::HTTP_VERSION_NOT_SUPPORTED, hint));
    }
    if request.method() != Method::POST {
        return Some(reply::text(StatusCode::METHOD_NOT_ALLOWED, "gRPC requests are POST\n"));
    }
    let content_type = request.headers().get(CONTENT_TYPE).map_or(&b""[..], http::HeaderValue::as_bytes);
    if !content_type.starts_with(b"application/grpc") {
        let hint = "this port speaks OTLP/gRPC (content-type application/grpc); OTLP/HTTP has a port of its own, by default 4318\n";
        return Some(reply::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, hint));
    }
    None
}
