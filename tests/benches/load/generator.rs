//! The load: connections with requests in flight, as fast as answers come or at a given rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use http::{Method, Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 4;
const IN_FLIGHT: usize = 8;

/// What a load found.
pub struct Load {
    /// Spans sent a second.
    pub rate: f64,
    /// How long answers took, ascending.
    pub latencies: Vec<Duration>,
    /// Answers other than "ok".
    pub refused: usize,
}

impl Load {
    /// The latency that a share of the answers kept.
    pub fn percentile(&self, share: f64) -> Duration {
        let index = ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len() - 1);
        self.latencies[index]
    }
}

/// Sends `requests` requests of `spans` spans; with `pace` one each `pace`, otherwise as fast as answers
/// come.
pub async fn send(address: &str, spans: usize, requests: usize, pace: Option<Duration>) -> Load {
    let message = framed(&spindle_pipeline::testing::spans::request(spans));
    let sent = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut workers = Vec::new();
    for _ in 0..CONNECTIONS {
        let connection = connect(address).await;
        for _ in 0..IN_FLIGHT {
            let worker = worker(
                connection.clone(),
                address.to_owned(),
                message.clone(),
                Arc::clone(&sent),
                requests,
                start,
                pace,
            );
            workers.push(tokio::spawn(worker));
        }
    }
    let (mut latencies, mut refused) = (Vec::with_capacity(requests), 0);
    for worker in workers {
        let (own, own_refused) = worker.await.unwrap();
        latencies.extend(own);
        refused += own_refused;
    }
    latencies.sort_unstable();
    Load { rate: (requests * spans) as f64 / start.elapsed().as_secs_f64(), latencies, refused }
}

async fn worker(
    mut connection: SendRequest<Full<Bytes>>,
    address: String,
    message: Bytes,
    sent: Arc<AtomicUsize>,
    requests: usize,
    start: Instant,
    pace: Option<Duration>,
) -> (Vec<Duration>, usize) {
    let (mut latencies, mut refused) = (Vec::new(), 0);
    loop {
        let index = sent.fetch_add(1, Ordering::Relaxed);
        if index >= requests {
            return (latencies, refused);
        }
        if let Some(pace) = pace {
            tokio::time::sleep_until((start + pace * u32::try_from(index).unwrap()).into()).await;
        }
        let begun = Instant::now();
        let request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(format!("http://{address}{}", harness::grpc::path(spindle_pipeline::Signal::Traces)))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(message.clone()))
            .unwrap();
        connection.ready().await.unwrap();
        let response = connection.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap();
        let status = body
            .trailers()
            .and_then(|trailers| trailers.get("grpc-status"))
            .or(parts.headers.get("grpc-status"));
        refused += usize::from(status.is_none_or(|status| status != "0"));
        latencies.push(begun.elapsed());
    }
}

async fn connect(address: &str) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (sender, driver) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(driver);
    sender
}

fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap());
    framed.put_slice(message);
    framed.freeze()
}
