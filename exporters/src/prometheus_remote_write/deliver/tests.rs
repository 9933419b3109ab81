use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prost::Message;
use spindle_config::types;
use spindle_pipeline::run::Runs;
use spindle_pipeline::testing::context;
use tokio::time::Instant;

use super::*;
use crate::prometheus_remote_write::drops::Reason;
use crate::prometheus_remote_write::naming::MetricNamer;
use crate::prometheus_remote_write::testing::{gauge, point, prompb, request, text, translated};
use crate::prometheus_remote_write::translate::{Settings, Translator};

/// What a server does with one call.
#[derive(Clone, Copy)]
enum Reply {
    Status(u16),
    After(u16, &'static str),
    NoConnection,
    Silence,
}

/// A server that answers by a list, and takes everything when the list is over.
struct Server {
    start: Instant,
    replies: Mutex<VecDeque<Reply>>,
    calls: Mutex<Vec<Call>>,
}

/// A call: when it came, what it said about earlier attempts, and the series it brought.
#[derive(Clone, Debug, PartialEq)]
struct Call {
    at: Duration,
    attempt: Option<String>,
    ids: Vec<String>,
}

impl Server {
    fn new(replies: &[Reply]) -> Arc<Self> {
        let replies = Mutex::new(replies.iter().copied().collect());
        Arc::new(Self { start: Instant::now(), replies, calls: Mutex::default() })
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn times(&self) -> Vec<u64> {
        self.calls().iter().map(|call| call.at.as_millis() as u64).collect()
    }
}

impl Post for Arc<Server> {
    async fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ExportError> {
        let attempt = request.headers().get(RETRY_ATTEMPT);
        let attempt = attempt.map(|value| value.to_str().expect("text").to_owned());
        let body = snap::raw::Decoder::new().decompress_vec(request.body()).expect("snappy");
        let message = prompb::WriteRequest::decode(body.as_slice()).expect("well formed");
        let id = |series: &prompb::TimeSeries| series.labels.last().expect("has labels").value.clone();
        let ids = message.timeseries.iter().map(id).collect();
        self.calls().push(Call { at: self.start.elapsed(), attempt, ids });
        let reply = self.replies.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let answer = |status: u16| {
            let mut response = Response::new(Bytes::from_static(b"because"));
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            response
        };
        match reply.unwrap_or(Reply::Status(204)) {
            Reply::Status(status) => Ok(answer(status)),
            Reply::After(status, after) => {
                let mut response = answer(status);
                response.headers_mut().insert("retry-after", HeaderValue::from_static(after));
                Ok(response)
            }
            Reply::NoConnection => Err(ExportError::new(Code::Unavailable, "connection refused")),
            Reply::Silence => std::future::pending().await,
        }
    }
}

fn delivery(server: &Arc<Server>) -> Delivery<Arc<Server>> {
    let context = context("prometheus_remote_write");
    Delivery {
        exporter: context.id.clone(),
        client: Arc::clone(server),
        uri: Uri::from_static("http://h/api/v1/write"),
        headers: HeaderMap::new(),
        timeout: Duration::from_secs(5),
        retry: RetryConfig {
            initial_interval: types::Duration::from_millis(50),
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_elapsed_time: types::Duration::from_secs(60),
            ..RetryConfig::default()
        },
        limits: Limits { samples: 1, bytes: usize::MAX },
        shards: 1,
        status: context.status.clone(),
        retries: Counter::default(),
        hurry: CancellationToken::new(),
    }
}

/// A table of so many series of one sample, and the translator that holds it.
fn translator(series: usize) -> Translator {
    let settings = Settings { namer: MetricNamer::new("", true), ..Settings::default() };
    let mut translator = Translator::new(settings, Runs::default());
    let points = (0..series).map(|id| point(1, 0.0, vec![text("id", &id.to_string())])).collect();
    let _ = translated(&mut translator, &request(vec![], vec![gauge("g", points)]));
    translator
}

async fn send(delivery: &Delivery<Arc<Server>>, series: usize) -> (Outcome, Vec<(&'static str, u64)>) {
    let translator = translator(series);
    let mut drops = Drops::default();
    let outcome = delivery.send(&translator.table, &mut Vec::new(), &Client::default(), &mut drops).await;
    let counts = drops.by_reason(Reason::RetriesExhausted);
    (outcome, counts.into_iter().map(|(reason, count)| (reason.name(), count)).collect())
}

/// Failures that may pass are repeated after the back-off, and the server is told how often.
#[tokio::test(start_paused = true)]
async fn requests_are_repeated_with_a_growing_back_off() {
    let replies = [Reply::Status(500), Reply::NoConnection, Reply::Status(503), Reply::Status(429)];
    let server = Server::new(&replies);
    let (outcome, drops) = send(&delivery(&server), 1).await;
    assert!(outcome.is_answered && outcome.failure.is_none() && drops.is_empty());
    assert_eq!(server.times(), [0, 50, 150, 350, 750]);
    let attempts: Vec<Option<String>> = server.calls().iter().map(|call| call.attempt.clone()).collect();
    assert_eq!(attempts, [None, Some("1".into()), Some("2".into()), Some("3".into()), Some("4".into())]);
}

/// A server that says when is not asked before, in seconds or as a date, with 429 and 5xx alike.
#[tokio::test(start_paused = true)]
async fn retry_after_is_a_minimum() {
    let server = Server::new(&[
        Reply::After(429, "7"),
        Reply::After(503, "3"),
        Reply::After(429, "soon"),
        Reply::After(503, "Thu, 01 Jan 1970 00:00:00 GMT"),
    ]);
    let (outcome, _) = send(&delivery(&server), 1).await;
    assert!(outcome.is_answered);
    assert_eq!(server.times(), [0, 7_000, 10_000, 10_200, 10_600]);
}

/// A server that accepts the connection and says nothing counts as one that is down.
#[tokio::test(start_paused = true)]
async fn an_attempt_takes_no_longer_than_its_timeout() {
    let server = Server::new(&[Reply::Silence, Reply::Silence]);
    let (outcome, _) = send(&delivery(&server), 1).await;
    assert!(outcome.is_answered);
    assert_eq!(server.times(), [0, 5_050, 10_150]);
}

/// What the server refuses is dropped, and only that: the requests behind it go on at once.
#[tokio::test(start_paused = true)]
async fn refused_requests_do_not_hold_up_the_others() {
    for status in [400, 401, 404, 409, 413, 415, 301, 304] {
        let server = Server::new(&[Reply::Status(204), Reply::Status(status), Reply::Status(200)]);
        let (outcome, drops) = send(&delivery(&server), 4).await;
        assert!(outcome.is_answered && outcome.failure.is_none());
        assert_eq!(drops, [("rejected", 1)], "{status}");
        assert_eq!(server.times(), [0, 0, 0, 0]);
    }
}

/// When the time is over the request is given up; those behind it get one attempt each until the server
/// is back, and then all they need.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_does_not_hold_a_batch_for_ever() {
    let mut delivery = delivery(&Server::new(&[]));
    delivery.retry.max_elapsed_time = types::Duration::from_secs(1);
    // Attempts at 0, 50, 150, 350, 750; the next would be at 1550.
    let mut replies = vec![Reply::Status(500); 5];
    replies.extend([Reply::Status(500), Reply::NoConnection, Reply::Status(200), Reply::Status(500)]);
    let server = Server::new(&replies);
    delivery.client = Arc::clone(&server);
    let (outcome, drops) = send(&delivery, 5).await;
    assert!(outcome.is_answered);
    assert_eq!(outcome.failure.map(|failure| failure.to_string()).as_deref(), Some("connection refused"));
    assert_eq!(drops, [("retries_exhausted", 3)]);
    assert_eq!(server.times(), [0, 50, 150, 350, 750, 750, 750, 750, 750, 800]);
    let mut sent: Vec<Vec<String>> = server.calls().iter().map(|call| call.ids.clone()).collect();
    sent.dedup();
    assert_eq!(sent.len(), 5, "each request is finished before the next one starts");
}

/// Nothing was answered: whoever holds the batch may send all of it again.
#[tokio::test(start_paused = true)]
async fn without_any_answer_the_batch_is_given_back() {
    let server = Server::new(&[Reply::Status(503); 3]);
    let mut delivery = delivery(&server);
    delivery.retry.enabled = false;
    let (outcome, drops) = send(&delivery, 3).await;
    assert!(!outcome.is_answered);
    let failure = outcome.failure.expect("failed");
    assert!(failure.retry().is_possible());
    assert_eq!(failure.to_string(), "HTTP status 503 Service Unavailable: because");
    assert_eq!((server.times(), drops), (vec![0, 0, 0], vec![("retries_exhausted", 3)]));
}

/// A long back-off does not cost what is held at the stop.
#[tokio::test(start_paused = true)]
async fn waits_are_short_once_the_process_is_stopping() {
    let server = Server::new(&[Reply::After(503, "40"), Reply::After(503, "40"), Reply::Status(500)]);
    let delivery = delivery(&server);
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        delivery.hurry.cancel();
    };
    let ((outcome, _), ()) = tokio::join!(send(&delivery, 1), stopping);
    assert!(outcome.is_answered);
    assert_eq!(server.times(), [0, 1_000, 1_200, 1_400]);
}

/// Shards are used as far as a batch fills them; one that waits for the server holds up itself only.
#[tokio::test(start_paused = true)]
async fn shards_do_not_wait_for_each_other() {
    let server = Server::new(&[]);
    let four = Limits { samples: 4, bytes: usize::MAX };
    let delivery = Delivery { shards: 3, limits: four, ..delivery(&server) };
    assert!(send(&delivery, 4).await.0.is_answered);
    assert_eq!(server.calls().len(), 1, "four samples fill one request");
    let server = Server::new(&[Reply::Silence]);
    let delivery = Delivery { client: Arc::clone(&server), ..delivery };
    let (outcome, drops) = send(&delivery, 90).await;
    assert!(outcome.is_answered && drops.is_empty());
    let calls = server.calls().clone();
    assert!(calls.iter().all(|call| call.ids.len() <= 4));
    let (early, late): (Vec<&Call>, Vec<&Call>) = calls.iter().partition(|call| call.at.is_zero());
    let ids = |calls: &[&Call]| -> std::collections::BTreeSet<String> {
        calls.iter().flat_map(|call| call.ids.clone()).collect()
    };
    // The first call was not answered: what it brought comes again, and behind it the rest of its shard.
    assert_eq!(late[0].ids, early[0].ids);
    assert!(ids(&early[1..]).is_disjoint(&ids(&late)));
    assert!(ids(&early[1..]).len() > 30 && ids(&late).len() > 10, "two shards, and one");
    assert_eq!(ids(&early).union(&ids(&late)).count(), 90);
}

/// Metadata is repeated like data, and given up when the time is over.
#[tokio::test(start_paused = true)]
async fn metadata_is_sent_and_not_counted() {
    let entry =
        |name: &str| Metadata { kind: 1, name: name.to_owned(), help: String::new(), unit: String::new() };
    let entries = [entry("a"), entry("b"), entry("c")];
    let server = Server::new(&[Reply::Status(500), Reply::Status(400)]);
    delivery(&server).send_metadata(&entries, &mut Vec::new(), &Client::default()).await;
    assert_eq!(server.times(), [0, 50, 50, 50]);
}
