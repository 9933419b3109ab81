//! The two ends: a sink that answers everything, and the pass-through to compare with.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use harness::grpc::{self, Raw};
use http::uri::PathAndQuery;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use spindle_pipeline::Signal;
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

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
            let path = PathAndQuery::from_static(grpc::path(Signal::Traces));
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
