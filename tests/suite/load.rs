//! Clients that keep sending numbered spans and remember what they were told about each.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use harness::agent::Agent;
use harness::client::Http;
use harness::wait;
use http::{Method, Request, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Oneof;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;
use spindle_pipeline::testing::spans;
use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

/// Spans in each request.
pub const SPANS: usize = 5;
/// The pause between two requests of a sender: small load, so that tests can run beside each other.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The agent has taken it.
    Acknowledged,
    /// The agent said: not now.
    Refused,
    /// Nobody knows: the connection broke.
    Unknown,
    /// The agent said: never. No test sends what deserves it.
    Rejected,
}

/// Senders that run until they are stopped. A request that is not acknowledged is sent again, as an SDK
/// does.
pub struct Load {
    shared: Arc<Shared>,
    grpc: String,
    http: String,
    senders: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    next: AtomicU64,
    /// More bytes of each span.
    ballast: AtomicUsize,
    is_stopped: AtomicBool,
    book: Mutex<Book>,
}

/// The ids of spans by what was said about them.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Taken by the agent.
    pub acknowledged: BTreeSet<u64>,
    /// At least one request with it broke, so the agent may have taken it more than once.
    pub unsure: BTreeSet<u64>,
    /// How many requests were refused for now.
    pub refusals: usize,
    /// Requests that were rejected for good.
    pub rejections: usize,
}

impl Load {
    /// Nothing is sent yet.
    pub fn on(agent: &Agent) -> Self {
        Self {
            shared: Arc::default(),
            grpc: agent.url("grpc"),
            http: agent.url("http"),
            senders: JoinSet::new(),
        }
    }

    /// Counts spans from here, so that two loads on one agent do not send the same.
    #[must_use]
    pub fn starting_at(self, first: u64) -> Self {
        self.shared.next.store(first, Ordering::Relaxed);
        self
    }

    /// Makes each span so many bytes longer, with bytes that do not compress.
    #[must_use]
    pub fn with_ballast(self, bytes: usize) -> Self {
        self.shared.ballast.store(bytes, Ordering::Relaxed);
        self
    }

    /// So many senders over gRPC.
    #[must_use]
    pub fn grpc(mut self, count: usize) -> Self {
        for _ in 0..count {
            let channel = Endpoint::from_shared(self.grpc.clone()).unwrap().connect_lazy();
            let sender = Sender {
                shared: Arc::clone(&self.shared),
                door: Door::Grpc(TraceServiceClient::new(channel)),
            };
            self.senders.spawn(sender.run());
        }
        self
    }

    /// So many senders over HTTP.
    #[must_use]
    pub fn http(mut self, count: usize) -> Self {
        for _ in 0..count {
            let door = Door::Http(Http::new(), format!("{}/v1/traces", self.http));
            self.senders.spawn(Sender { shared: Arc::clone(&self.shared), door }.run());
        }
        self
    }

    /// What is known so far.
    pub fn book(&self) -> Book {
        self.shared.book.lock().unwrap().clone()
    }

    /// Waits until so many spans were acknowledged, from now on or before.
    pub async fn wait_for_acknowledged(&self, count: usize) {
        wait::until(&format!("{count} acknowledged spans"), || async {
            let book = self.book();
            if book.acknowledged.len() >= count {
                Ok(())
            } else {
                Err((book.acknowledged.len(), book.refusals))
            }
        })
        .await;
    }

    /// Waits until so many requests were refused.
    pub async fn wait_for_refusals(&self, count: usize) {
        wait::until(&format!("{count} refusals"), || async {
            let found = self.book().refusals;
            if found >= count { Ok(()) } else { Err(found) }
        })
        .await;
    }

    /// Lets every sender finish the request it has, which may take repeating, and says what is known.
    pub async fn finish(mut self) -> Book {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        while let Some(ended) = self.senders.join_next().await {
            ended.unwrap();
        }
        self.book()
    }

    /// Stops where it is; requests on their way are given up, and nothing is known about them.
    pub async fn stop(&mut self) -> Book {
        self.senders.shutdown().await;
        self.book()
    }
}

/// Sends one request at a time.
struct Sender {
    shared: Arc<Shared>,
    door: Door,
}

enum Door {
    Grpc(TraceServiceClient<Channel>),
    Http(Http, String),
}

impl Sender {
    async fn run(mut self) {
        while !self.shared.is_stopped.load(Ordering::Relaxed) {
            let first = self.shared.next.fetch_add(SPANS as u64, Ordering::Relaxed);
            let request = request(first, self.shared.ballast.load(Ordering::Relaxed));
            // The span ids of the generator start at one.
            let ids = first + 1..first + 1 + SPANS as u64;
            loop {
                let outcome = self.door.send(request.clone()).await;
                self.shared.book.lock().unwrap().note(ids.clone(), outcome);
                tokio::time::sleep(PAUSE).await;
                if matches!(outcome, Outcome::Acknowledged | Outcome::Rejected) {
                    break;
                }
            }
        }
    }
}

/// A trace of now; back ends have no use for one of another year.
fn request(first: u64, ballast: usize) -> Bytes {
    let mut request = ExportTraceServiceRequest::decode(spans::request_with(SPANS, first)).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    for span in &mut request.resource_spans[0].scope_spans[0].spans {
        span.trace_id = u128::from(first + 1).to_be_bytes().to_vec();
        (span.start_time_unix_nano, span.end_time_unix_nano) = (now, now + 1_000_000);
        span.events.clear();
        if ballast > 0 {
            let bytes = std::iter::repeat_with(|| fastrand::u8(..)).take(ballast).collect();
            let value = Some(AnyValue { value: Some(Oneof::BytesValue(bytes)) });
            span.attributes.push(KeyValue { key: "ballast".to_owned(), value, ..KeyValue::default() });
        }
    }
    request.encode_to_vec().into()
}

impl Book {
    fn note(&mut self, ids: impl Iterator<Item = u64>, outcome: Outcome) {
        match outcome {
            Outcome::Acknowledged => self.acknowledged.extend(ids),
            Outcome::Refused => self.refusals += 1,
            Outcome::Unknown => self.unsure.extend(ids),
            Outcome::Rejected => self.rejections += 1,
        }
    }

    /// Nothing that was acknowledged is missing, and nothing arrived twice but what may have: what a
    /// client had to repeat without an answer, and `resent`, what the agent had to.
    pub fn assert_delivered(&self, delivered: &[u64], resent: &BTreeSet<u64>) {
        assert!(!self.acknowledged.is_empty(), "nothing was sent");
        assert_eq!(self.rejections, 0);
        let found: BTreeSet<u64> = delivered.iter().copied().collect();
        let lost: Vec<&u64> = self.acknowledged.difference(&found).collect();
        assert!(
            lost.is_empty(),
            "{} of {} acknowledged spans are lost: {lost:?}",
            lost.len(),
            self.acknowledged.len()
        );
        let mut seen = BTreeSet::new();
        let may_repeat = |id: &u64| self.unsure.contains(id) || resent.contains(id);
        let repeated: Vec<u64> =
            delivered.iter().copied().filter(|id| !seen.insert(*id) && !may_repeat(id)).collect();
        assert!(repeated.is_empty(), "delivered more than once for no reason: {repeated:?}");
    }
}

impl Door {
    async fn send(&mut self, request: Bytes) -> Outcome {
        match self {
            Self::Grpc(client) => {
                let request = ExportTraceServiceRequest::decode(request).unwrap();
                outcome_of(client.export(request).await.err())
            }
            Self::Http(client, url) => {
                let request = Request::builder()
                    .method(Method::POST)
                    .uri(url.as_str())
                    .header("content-type", "application/x-protobuf")
                    .body(request)
                    .unwrap();
                match client.send(request).await.map(|response| response.status()) {
                    Ok(StatusCode::OK) => Outcome::Acknowledged,
                    Ok(StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) => Outcome::Refused,
                    Ok(_) => Outcome::Rejected,
                    Err(_) => Outcome::Unknown,
                }
            }
        }
    }
}

/// An answer of the agent carries no source; a failure of the connection does.
fn outcome_of(status: Option<tonic::Status>) -> Outcome {
    use std::error::Error;
    match status {
        None => Outcome::Acknowledged,
        Some(status) if status.source().is_some() => Outcome::Unknown,
        Some(status) => match status.code() {
            Code::Unavailable | Code::ResourceExhausted => Outcome::Refused,
            Code::Unknown | Code::Cancelled | Code::Internal => Outcome::Unknown,
            _ => Outcome::Rejected,
        },
    }
}
