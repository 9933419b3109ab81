//! A back end that keeps what it gets: OTLP over gRPC and HTTP, requests as raw bytes, answers as the test
//! wants them.
//!
//! * A request is noted when it has arrived and marked once it was answered with "ok".
//! * [`Capture::hold`] keeps answers back, [`Capture::answer`] scripts them, [`Capture::kill`] ends every
//!   connection and the listeners at once, as SIGKILL does; [`Capture::restart`] comes back on the same
//!   ports and remembers everything.
//! * [`Capture::judge_by`] answers by what a request holds.

mod doors;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use spindle_pipeline::Signal;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{ports, wait};

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Received {
    /// By its path.
    pub signal: Signal,
    /// Over gRPC, or else over HTTP.
    pub is_grpc: bool,
    /// All headers.
    pub headers: HeaderMap,
    /// The message, decompressed; protobuf unless `content-type` says JSON.
    pub body: Bytes,
    /// It was answered with "ok".
    pub is_accepted: bool,
}

/// What to answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Taken.
    Ok,
    /// Taken but for so many items.
    Partial(i64, String),
    /// Not taken: the gRPC code, and the HTTP status that goes with it.
    Refuse(tonic::Code),
    /// Not taken because of its size: 413, or what a gRPC server in Go says.
    TooLarge,
}

type Judge = Box<dyn Fn(&Received) -> Answer + Send + Sync>;

/// The back end.
pub struct Capture {
    grpc: u16,
    http: u16,
    state: Arc<State>,
    doors: Vec<JoinHandle<()>>,
}

struct State {
    received: Mutex<Vec<Received>>,
    script: Mutex<VecDeque<Answer>>,
    judge: Mutex<Option<Judge>>,
    delay: Mutex<Duration>,
    held: watch::Sender<bool>,
    /// Counts starts; an answer of an earlier start reaches nobody.
    generation: watch::Sender<u32>,
}

impl Capture {
    /// Starts one on free ports.
    pub async fn start() -> Self {
        let state = State {
            received: Mutex::default(),
            script: Mutex::default(),
            judge: Mutex::default(),
            delay: Mutex::default(),
            held: watch::Sender::new(false),
            generation: watch::Sender::new(0),
        };
        let mut capture =
            Self { grpc: ports::free(), http: ports::free(), state: Arc::new(state), doors: Vec::new() };
        capture.restart().await;
        capture
    }

    /// Where it takes OTLP/gRPC: `127.0.0.1:port`.
    pub fn grpc(&self) -> String {
        format!("127.0.0.1:{}", self.grpc)
    }

    /// Where it takes OTLP/HTTP: `http://127.0.0.1:port`.
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// The next answers; "ok" when they are used up.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.script.lock().unwrap().extend(answers);
    }

    /// Answers by what a request holds, from now on, where no answer is scripted.
    pub fn judge_by(&self, judge: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        *self.state.judge.lock().unwrap() = Some(Box::new(judge));
    }

    /// Waits this long before each answer.
    pub fn be_slow(&self, delay: Duration) {
        *self.state.delay.lock().unwrap() = delay;
    }

    /// Keeps answers back from now on.
    pub fn hold(&self) {
        self.state.held.send_replace(true);
    }

    /// Lets them go.
    pub fn release(&self) {
        self.state.held.send_replace(false);
    }

    /// Ends at once; requests that are not answered yet never are.
    pub fn kill(&mut self) {
        self.state.generation.send_modify(|generation| *generation += 1);
        for door in self.doors.drain(..) {
            door.abort();
        }
    }

    /// Listens again on its ports after [`Self::kill`].
    pub async fn restart(&mut self) {
        for (port, is_grpc) in [(self.grpc, true), (self.http, false)] {
            let listener =
                wait::until("a port of the capturing back end", || TcpListener::bind(("127.0.0.1", port)))
                    .await;
            self.doors.push(tokio::spawn(doors::open(listener, is_grpc, Arc::clone(&self.state))));
        }
    }

    /// Every request that has arrived, in the order of arrival, whatever was answered.
    pub fn arrived(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// The requests of a signal that it has taken.
    pub fn taken(&self, signal: Signal) -> Vec<Received> {
        let requests = self.arrived().into_iter();
        requests.filter(|request| request.is_accepted && request.signal == signal).collect()
    }

    /// The trace requests that it has taken, decoded.
    pub fn traces(&self) -> Vec<ExportTraceServiceRequest> {
        self.decoded(Signal::Traces)
    }

    /// The metric requests that it has taken, decoded.
    pub fn metrics(&self) -> Vec<ExportMetricsServiceRequest> {
        self.decoded(Signal::Metrics)
    }

    /// The log requests that it has taken, decoded.
    pub fn logs(&self) -> Vec<ExportLogsServiceRequest> {
        self.decoded(Signal::Logs)
    }

    fn decoded<M: Message + Default>(&self, signal: Signal) -> Vec<M> {
        self.taken(signal).into_iter().map(|request| M::decode(request.body).unwrap()).collect()
    }

    /// How many spans it has taken.
    pub fn span_count(&self) -> usize {
        let groups = self.traces().into_iter().flat_map(|request| request.resource_spans);
        groups.flat_map(|group| group.scope_spans).map(|scope| scope.spans.len()).sum()
    }

    /// The ids of the spans that it has taken, as numbers, repetitions included.
    pub fn span_ids(&self) -> Vec<u64> {
        span_ids(&self.traces())
    }

    /// The same for every span that has arrived, whatever was answered.
    pub fn arrived_span_ids(&self) -> Vec<u64> {
        let requests = self.arrived().into_iter().filter(|request| request.signal == Signal::Traces);
        let decoded: Vec<_> =
            requests.map(|request| ExportTraceServiceRequest::decode(request.body).unwrap()).collect();
        span_ids(&decoded)
    }

    /// Waits until it has taken so many spans.
    pub async fn wait_for_spans(&self, count: usize) {
        wait::until(&format!("{count} spans at the capturing back end"), || async {
            let found = self.span_count();
            if found >= count { Ok(()) } else { Err(found) }
        })
        .await;
    }

    /// Waits until so many requests of a signal were taken.
    pub async fn wait_for_requests(&self, signal: Signal, count: usize) -> Vec<Received> {
        wait::until(&format!("{count} requests at the capturing back end"), || async {
            let found = self.taken(signal);
            if found.len() >= count { Ok(found) } else { Err(found.len()) }
        })
        .await
    }

    /// Waits until so many requests have arrived, answered or not.
    pub async fn wait_for_arrivals(&self, count: usize) {
        wait::until(&format!("{count} arrivals at the capturing back end"), || async {
            let found = self.arrived().len();
            if found >= count { Ok(()) } else { Err(found) }
        })
        .await;
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The ids of all spans as numbers.
pub fn span_ids(requests: &[ExportTraceServiceRequest]) -> Vec<u64> {
    let groups = requests.iter().flat_map(|request| &request.resource_spans);
    let spans = groups.flat_map(|group| &group.scope_spans).flat_map(|scope| &scope.spans);
    spans.map(|span| u64::from_be_bytes(span.span_id.as_slice().try_into().unwrap())).collect()
}

impl State {
    /// Notes a request and says what to answer; `None` when there is nobody left to answer.
    async fn handle(&self, request: Received) -> Option<Answer> {
        let generation = *self.generation.borrow();
        let index = {
            let mut received = self.received.lock().unwrap();
            received.push(request);
            received.len() - 1
        };
        let delay = *self.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        let released = async { self.held.subscribe().wait_for(|held| !held).await.is_ok() };
        let mut generations = self.generation.subscribe();
        let ended = generations.wait_for(|current| *current != generation);
        tokio::select! {
            biased;
            _ = ended => return None,
            _ = released => {}
        }
        let scripted = self.script.lock().unwrap().pop_front();
        let mut received = self.received.lock().unwrap();
        let judged = || self.judge.lock().unwrap().as_ref().map(|judge| judge(&received[index]));
        let answer = scripted.or_else(judged).unwrap_or(Answer::Ok);
        received[index].is_accepted = matches!(answer, Answer::Ok | Answer::Partial(..));
        Some(answer)
    }
}
