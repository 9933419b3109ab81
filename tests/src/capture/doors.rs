//! The two protocols of the capturing back end, on hyper and tonic.

use std::convert::Infallible;
use std::future::Future;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use spindle_pipeline::Signal;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::codec::{CompressionEncoding, EnabledCompressionEncodings};
use tonic::{Code, Status};

use super::{Answer, Received, State};
use crate::grpc::{self, Raw};

const LARGEST: usize = 64 << 20;

/// Serves until it is aborted, and every connection with it.
pub(super) async fn open(listener: TcpListener, is_grpc: bool, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let state = Arc::clone(&state);
        connections.spawn(async move {
            if is_grpc { grpc(stream, state).await } else { http(stream, state).await }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// A client that goes away ends its connection; nobody needs to hear of it.
async fn grpc(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let collect = Collect {
            state: Arc::clone(&state),
            path: request.uri().path().to_owned(),
            headers: request.headers().clone(),
        };
        async move {
            let gzip = {
                let mut enabled = EnabledCompressionEncodings::default();
                enabled.enable(CompressionEncoding::Gzip);
                enabled
            };
            let mut grpc = tonic::server::Grpc::new(Raw)
                .apply_max_message_size_config(Some(LARGEST), None)
                .apply_compression_config(gzip, EnabledCompressionEncodings::default());
            Ok::<_, Infallible>(grpc.unary(collect, request.map(tonic::body::Body::new)).await)
        }
    });
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn http(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request: Request<Incoming>| answer_http(Arc::clone(&state), request));
    let builder = auto::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer_http(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let content_type = parts.headers.get(CONTENT_TYPE).cloned();
    let Some(signal) = Signal::ALL.into_iter().find(|signal| parts.uri.path() == http_path(*signal)) else {
        return Ok(response(404, Bytes::new()));
    };
    let body = decompressed(&parts.headers, body.collect().await?.to_bytes());
    let received = Received { signal, is_grpc: false, headers: parts.headers, body, is_accepted: false };
    let Some(answer) = state.handle(received).await else { std::future::pending().await };
    let mut response = match answer {
        Answer::Ok => response(200, Bytes::new()),
        Answer::Partial(rejected, message) => response(200, partial(rejected, message)),
        Answer::Refuse(code) => response(http_status(code), Bytes::new()),
        Answer::TooLarge => response(413, Bytes::new()),
    };
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    Ok(response)
}

fn http_path(signal: Signal) -> String {
    format!("/v1/{}", signal.name())
}

fn http_status(code: Code) -> u16 {
    match code {
        Code::Unavailable => 503,
        Code::ResourceExhausted => 429,
        Code::InvalidArgument => 400,
        Code::PermissionDenied => 403,
        _ => 500,
    }
}

fn decompressed(headers: &HeaderMap, body: Bytes) -> Bytes {
    match headers.get(CONTENT_ENCODING).map(|name| name.to_str().unwrap()) {
        None => body,
        Some("gzip") => {
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut text).unwrap();
            text.into()
        }
        Some(other) => panic!("the capturing back end does not read {other}"),
    }
}

fn response(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(body)).unwrap()
}

/// The responses of the three signals have one shape.
fn partial(rejected_spans: i64, error_message: String) -> Bytes {
    let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message });
    ExportTraceServiceResponse { partial_success }.encode_to_vec().into()
}

/// One call.
struct Collect {
    state: Arc<State>,
    path: String,
    headers: HeaderMap,
}

impl tonic::server::UnaryService<Bytes> for Collect {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (state, headers) = (Arc::clone(&self.state), self.headers.clone());
        let signal = Signal::ALL.into_iter().find(|signal| self.path == grpc::path(*signal));
        Box::pin(async move {
            let Some(signal) = signal else { return Err(Status::unimplemented("no such method")) };
            let body = request.into_inner();
            let received = Received { signal, is_grpc: true, headers, body, is_accepted: false };
            match state.handle(received).await {
                Some(Answer::Ok) => Ok(tonic::Response::new(Bytes::new())),
                Some(Answer::Partial(rejected, message)) => {
                    Ok(tonic::Response::new(partial(rejected, message)))
                }
                Some(Answer::Refuse(code)) => Err(Status::new(code, "as the test wants it")),
                Some(Answer::TooLarge) => {
                    Err(Status::resource_exhausted("grpc: received message larger than max (5 vs. 4)"))
                }
                None => std::future::pending().await,
            }
        })
    }
}
