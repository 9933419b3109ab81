//! The two ends: a sink that answers everything, and the pass-through to compare with.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

const PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Larger than tonic's 8 KiB, so that messages do not grow in steps.
const BUFFER: usize = 64 * 1024;

/// tonic with messages that stay bytes.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER, BUFFER)
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = input.remaining();
        Ok(Some(input.copy_to_bytes(length)))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER, BUFFER)
    }
}

/// Passes a message on, or answers it when there is nobody to pass it on to.
#[derive(Clone)]
struct Forward(Option<Channel>);

impl tonic::server::UnaryService<Bytes> for Forward {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let channel = self.0.clone();
        Box::pin(async move {
            let Some(channel) = channel else { return Ok(Response::new(Bytes::new())) };
            let mut client = tonic::client::Grpc::new(channel);
            client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let path = PathAndQuery::from_static(PATH);
            let response = client.unary(Request::new(request.into_inner()), path, Raw).await?;
            Ok(Response::new(response.into_inner()))
        })
    }
}

/// Answers everything, counts nothing.
pub fn sink() {
    serve(None);
}

/// Forwards everything to the sink and waits for its answer.
pub fn pass_through(sink: &str) {
    serve(Some(sink.to_owned()));
}

/// Serves on a free port and says which on stdout.
#[tokio::main]
async fn serve(upstream: Option<String>) {
    let channel = match upstream {
        None => None,
        Some(address) => {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap().tcp_nodelay(true);
            Some(endpoint.connect().await.unwrap())
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let channel = channel.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let forward = Forward(channel.clone());
                async move {
                    let mut grpc =
                        tonic::server::Grpc::new(Raw).apply_max_message_size_config(Some(64 << 20), None);
                    Ok::<_, Infallible>(grpc.unary(forward, request.map(tonic::body::Body::new)).await)
                }
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            // A client that goes away ends its connection; nobody needs to hear of it.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
