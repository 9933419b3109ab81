//! A back end for Prometheus' remote write that keeps what it gets, and answers as the test wants it.
//!
//! * A request is noted when it has arrived and marked once it was answered with success.
//! * [`RemoteWrite::kill`] ends every connection and the listener at once; [`RemoteWrite::restart`] comes
//!   back on the same port and remembers everything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::{ports, wait};

/// A sample: milliseconds since 1970, and the value.
pub type Sample = (i64, f64);
/// The labels of a series, as they were sent.
pub type Labels = Vec<(String, String)>;

/// What to answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Taken.
    Ok,
    /// A status, and how many seconds to wait.
    Refuse(u16, Option<u64>),
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Received {
    /// All headers.
    pub headers: HeaderMap,
    /// The message as it was compressed.
    pub body: Bytes,
    /// Each series with its samples; those of native histograms are left out.
    pub series: Vec<(Labels, Vec<Sample>)>,
    /// When it had arrived.
    pub arrived: Instant,
    /// It was answered with success.
    pub is_accepted: bool,
    /// The other requests that were here without an answer when it came.
    pub beside: Vec<usize>,
    is_answered: bool,
}

/// The back end.
pub struct RemoteWrite {
    port: u16,
    state: Arc<State>,
    door: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    received: Mutex<Vec<Received>>,
    script: Mutex<VecDeque<Reply>>,
    delay: Mutex<Duration>,
}

impl RemoteWrite {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let mut server = Self { port: ports::free(), state: Arc::default(), door: None };
        server.restart().await;
        server
    }

    /// Where it takes requests.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/write", self.port)
    }

    /// The next answers; success when they are used up.
    pub fn answer(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.script.lock().unwrap().extend(replies);
    }

    /// Waits this long before each answer.
    pub fn be_slow(&self, delay: Duration) {
        *self.state.delay.lock().unwrap() = delay;
    }

    /// Ends at once; requests that are not answered yet never are.
    pub fn kill(&mut self) {
        if let Some(door) = self.door.take() {
            door.abort();
        }
        for request in self.state.received.lock().unwrap().iter_mut() {
            request.is_answered = true;
        }
    }

    /// Listens again on its port after [`Self::kill`].
    pub async fn restart(&mut self) {
        let listener = wait::until("the port of the remote write back end", || {
            TcpListener::bind(("127.0.0.1", self.port))
        })
        .await;
        self.door = Some(tokio::spawn(serve(listener, Arc::clone(&self.state))));
    }

    /// Every request that has arrived, in the order of arrival, whatever was answered.
    pub fn arrived(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// Waits until so many requests have arrived.
    pub async fn wait_for_arrivals(&self, count: usize) {
        wait::until(&format!("{count} arrivals at the remote write back end"), || async {
            let found = self.state.received.lock().unwrap().len();
            if found >= count { Ok(()) } else { Err(found) }
        })
        .await;
    }

    /// The samples of each series of a name, in the order in which they were taken; those of a request that
    /// was refused are not among them.
    pub fn samples(&self, name: &str) -> BTreeMap<Labels, Vec<Sample>> {
        of_name(name, self.arrived().into_iter().filter(|request| request.is_accepted))
    }

    /// The same of every request that has arrived, whatever was answered.
    pub fn arrived_samples(&self, name: &str) -> BTreeMap<Labels, Vec<Sample>> {
        of_name(name, self.arrived().into_iter())
    }
}

fn of_name(name: &str, requests: impl Iterator<Item = Received>) -> BTreeMap<Labels, Vec<Sample>> {
    let mut samples: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    for (labels, sent) in requests.flat_map(|request| request.series) {
        if labels.iter().any(|(label, value)| label == "__name__" && value == name) {
            samples.entry(labels).or_default().extend(sent);
        }
    }
    samples
}

impl Drop for RemoteWrite {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(Arc::clone(&state), request));
        let builder = hyper::server::conn::http1::Builder::new();
        // A client that goes away ends its connection; nobody needs to hear of it.
        connections.spawn(async move { drop(builder.serve_connection(TokioIo::new(stream), service).await) });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let (index, reply) = state.note(parts.headers, body);
    let delay = *state.delay.lock().unwrap();
    tokio::time::sleep(delay).await;
    let mut received = state.received.lock().unwrap();
    received[index].is_answered = true;
    received[index].is_accepted = matches!(reply, Reply::Ok);
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = match reply {
        Reply::Ok => http::StatusCode::NO_CONTENT,
        Reply::Refuse(status, seconds) => {
            if let Some(seconds) = seconds {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            http::StatusCode::from_u16(status).unwrap()
        }
    };
    Ok(response)
}

impl State {
    /// Answers are given in the order of arrival.
    fn note(&self, headers: HeaderMap, body: Bytes) -> (usize, Reply) {
        let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let message = WriteRequest::decode(message.as_slice()).unwrap();
        let series = message.timeseries.into_iter().map(TimeSeries::into_plain).collect();
        let mut received = self.received.lock().unwrap();
        let unanswered = received.iter().enumerate().filter(|(_, request)| !request.is_answered);
        let beside = unanswered.map(|(index, _)| index).collect();
        let arrived = Instant::now();
        received.push(Received {
            headers,
            body,
            series,
            arrived,
            is_accepted: false,
            beside,
            is_answered: false,
        });
        (received.len() - 1, self.script.lock().unwrap().pop_front().unwrap_or(Reply::Ok))
    }
}

/// `prometheus.WriteRequest` as far as it is looked at.
#[derive(Clone, PartialEq, prost::Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<SampleMessage>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct SampleMessage {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

impl TimeSeries {
    fn into_plain(self) -> (Labels, Vec<Sample>) {
        let labels = self.labels.into_iter().map(|label| (label.name, label.value)).collect();
        (labels, self.samples.into_iter().map(|sample| (sample.timestamp, sample.value)).collect())
    }
}
