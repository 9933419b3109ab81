mod refusals;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use spindle_config::types::{self, Optional};
use tokio::sync::Semaphore;

use super::*;
use crate::component::Exported;
use crate::error::{Code, ExportError, Retry};
use crate::testing::{context, spans};
use crate::{Batch, Signal};

/// An exporter that answers by a script and remembers what it took; beyond the script it takes all.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Result<Exported, ExportError>>>,
    taken: Mutex<Vec<Batch>>,
    attempts: AtomicUsize,
    /// Attempts wait for a permit of it, if there is one.
    gate: Option<Semaphore>,
}

impl Scripted {
    fn answering(answers: impl IntoIterator<Item = Result<Exported, ExportError>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    fn gated() -> Arc<Self> {
        Arc::new(Self { gate: Some(Semaphore::new(0)), ..Self::default() })
    }

    fn open(&self, permits: usize) {
        self.gate.as_ref().expect("gated").add_permits(permits);
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }

    fn sizes(&self) -> Vec<usize> {
        self.taken.lock().expect("unpoisoned").iter().map(Batch::items).collect()
    }
}

#[async_trait]
impl Exporter for Scripted {
    async fn export(&self, batch: &Batch) -> Result<Exported, ExportError> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        if let Some(gate) = &self.gate {
            gate.acquire().await.expect("open").forget();
        }
        let answer =
            self.answers.lock().expect("unpoisoned").pop_front().unwrap_or_else(|| Ok(Exported::default()));
        assert!(!matches!(&answer, Err(error) if error.to_string() == "panic"), "a bug in the exporter");
        if answer.is_ok() {
            self.taken.lock().expect("unpoisoned").push(batch.clone());
        }
        answer
    }
}

fn unavailable() -> Result<Exported, ExportError> {
    Err(ExportError::new(Code::Unavailable, "connection refused"))
}

fn invalid() -> Result<Exported, ExportError> {
    Err(ExportError::new(Code::InvalidArgument, "bad data"))
}

fn forbidden() -> Result<Exported, ExportError> {
    Err(ExportError::new(Code::PermissionDenied, "not you"))
}

fn batch(items: usize) -> Batch {
    Batch::receive(Signal::Traces, spans::request(items)).expect("well formed")
}

fn settings(queue: Option<QueueConfig>) -> ExportSettings {
    ExportSettings { timeout: types::Duration::from_secs(5), retry: RetryConfig::default(), queue }
}

struct Stage {
    stage: Arc<ExportStage>,
    context: BuildContext,
}

impl Stage {
    fn start<E: Exporter>(exporter: &Arc<E>, settings: &ExportSettings) -> Self {
        let context = context("otlp_grpc");
        let exporter = Arc::clone(exporter) as Arc<dyn Exporter>;
        let stage = Arc::new(ExportStage::start(exporter, settings, Signal::Traces, &context));
        Self { stage, context }
    }

    async fn send(&self, items: usize) -> Result<(), ConsumeError> {
        self.stage.consume(batch(items)).await
    }

    async fn send_as(&self, tenant: &str, items: usize) -> Result<(), ConsumeError> {
        let metadata = vec![("x-tenant".to_owned(), tenant.to_owned())];
        let about = crate::RequestContext { metadata, ..crate::RequestContext::default() };
        self.stage.consume(batch(items).with_context(Some(Arc::new(about)))).await
    }

    async fn stop_within(&self, time: Duration) {
        self.stage.stop(Instant::now() + time).await;
    }

    fn count(&self, metric: fn(Signal) -> Metric) -> u64 {
        let labels = vec![("exporter".into(), "otlp_grpc".into())];
        self.context.telemetry.counter(metric(Signal::Traces), labels).get()
    }

    fn dropped(&self, reason: &'static str) -> u64 {
        self.context.telemetry.dropped("exporter/otlp_grpc", Signal::Traces, reason).get()
    }

    fn in_flight(&self) -> i64 {
        let labels = vec![("exporter".into(), "otlp_grpc".into())];
        self.context.telemetry.gauge(Metric::ExporterInFlightRequests, labels).get()
    }

    fn queue_size(&self) -> i64 {
        let labels = vec![("exporter".into(), "otlp_grpc".into()), ("data_type".into(), "traces".into())];
        self.context.telemetry.gauge(Metric::ExporterQueueSize, labels).get()
    }
}

/// The plain case: what the queue took is delivered and counted as sent.
#[tokio::test(start_paused = true)]
async fn what_the_queue_takes_is_delivered() {
    let exporter = Scripted::answering([]);
    let stage = Stage::start(&exporter, &settings(Some(QueueConfig::default())));
    for _ in 0..5 {
        stage.send(3).await.expect("taken");
    }
    stage.stop_within(Duration::from_secs(5)).await;
    assert_eq!(exporter.sizes(), [3; 5]);
    assert_eq!(stage.count(Metric::exporter_sent), 15);
    assert_eq!(stage.queue_size(), 0);
}

/// A back end that is down for a while loses nothing: attempts are repeated with growing waits.
#[tokio::test(start_paused = true)]
async fn retryable_failures_are_repeated_until_they_succeed() {
    let exporter = Scripted::answering((0..4).map(|_| unavailable()));
    let stage = Stage::start(&exporter, &settings(Some(QueueConfig::default())));
    stage.send(2).await.expect("taken");
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!((exporter.attempts(), exporter.sizes()), (5, vec![2]));
    assert_eq!(stage.count(Metric::exporter_send_failed), 0);
}

/// What is refused for good is never repeated; it is gone, and a metric says why.
#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_dropped_with_its_reason() {
    let exporter = Scripted::answering([forbidden()]);
    let stage = Stage::start(&exporter, &settings(Some(QueueConfig::default())));
    stage.send(4).await.expect("taken");
    stage.send(1).await.expect("taken");
    stage.stop_within(Duration::from_secs(5)).await;
    assert_eq!(exporter.sizes(), [1]);
    assert_eq!((stage.count(Metric::exporter_send_failed), stage.dropped("rejected")), (4, 4));
}

/// Retries end at `max_elapsed_time`; what is given up then is counted.
#[tokio::test(start_paused = true)]
async fn retries_end_and_are_counted() {
    let exporter = Scripted::answering((0..1000).map(|_| unavailable()));
    let stage = Stage::start(&exporter, &settings(Some(QueueConfig::default())));
    stage.send(2).await.expect("taken");
    tokio::time::sleep(Duration::from_mins(6)).await;
    assert_eq!(stage.dropped("retries_exhausted"), 2);
    let attempts = exporter.attempts();
    assert!((10..40).contains(&attempts), "{attempts} attempts in five minutes");
}

/// A back end that says when to come again is not asked before that.
#[tokio::test(start_paused = true)]
async fn the_back_ends_wish_is_kept() {
    let throttled =
        Err(ExportError::new(Code::ResourceExhausted, "slow down").retry_after(Duration::from_secs(90)));
    let exporter = Scripted::answering([throttled]);
    let stage = Stage::start(&exporter, &settings(Some(QueueConfig::default())));
    stage.send(1).await.expect("taken");
    tokio::time::sleep(Duration::from_secs(89)).await;
    assert_eq!(exporter.attempts(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(exporter.sizes(), [1]);
}

/// Without a queue the caller gets the back end's own answer, after the retries.
#[tokio::test(start_paused = true)]
async fn without_a_queue_the_caller_gets_the_answer() {
    let exporter = Scripted::answering([unavailable(), invalid()]);
    let stage = Stage::start(&exporter, &settings(None));
    let error = stage.send(1).await.expect_err("bad");
    assert_eq!((error.code(), error.retry()), (Code::InvalidArgument, Retry::Never));
    assert_eq!(exporter.attempts(), 2);
    assert_eq!(stage.dropped("rejected"), 0, "the caller still has it");
    stage.send(1).await.expect("delivered");
}

/// `wait_for_result` makes `Ok` mean delivered.
#[tokio::test(start_paused = true)]
async fn wait_for_result_answers_when_the_back_end_has() {
    let exporter = Scripted::gated();
    let queue = QueueConfig { wait_for_result: true, ..QueueConfig::default() };
    let stage = Stage::start(&exporter, &settings(Some(queue)));
    let mut sending = Box::pin(stage.send(1));
    assert!(
        tokio::time::timeout(Duration::from_secs(1), &mut sending).await.is_err(),
        "nothing is delivered yet"
    );
    exporter.open(1);
    sending.await.expect("delivered");
    assert_eq!(exporter.sizes(), [1]);
}

/// A full queue refuses for now, with the Collector's words, and counts what it refused.
#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_for_now() {
    for (sizer, queue_size, first) in
        [(Sizer::Requests, 2, 2), (Sizer::Items, 20, 2), (Sizer::Bytes, 10_500, 2)]
    {
        let exporter = Scripted::gated();
        let queue = QueueConfig { num_consumers: 1, queue_size, sizer, ..QueueConfig::default() };
        let stage = Stage::start(&exporter, &settings(Some(queue)));
        for _ in 0..first {
            stage.send(10).await.expect("taken");
        }
        let error = stage.send(10).await.expect_err("full");
        assert_eq!(
            (error.message(), error.code()),
            ("sending queue is full", Code::Unavailable),
            "{sizer:?}"
        );
        assert_eq!(stage.count(Metric::exporter_enqueue_failed), 10);
        exporter.open(10);
        stage.stop_within(Duration::from_secs(5)).await;
        assert_eq!(exporter.sizes(), vec![10; first]);
    }
}

/// `block_on_overflow` waits for room instead, but not without a bound.
#[tokio::test(start_paused = true)]
async fn blocking_waits_for_room_within_the_callers_deadline() {
    let exporter = Scripted::gated();
    let queue =
        QueueConfig { num_consumers: 1, queue_size: 1, block_on_overflow: true, ..QueueConfig::default() };
    let stage = Stage::start(&exporter, &settings(Some(queue)));
    stage.send(1).await.expect("taken");
    let deadline = Instant::now() + Duration::from_secs(3);
    let impatient = crate::RequestContext { deadline: Some(deadline), ..crate::RequestContext::default() };
    let refused = stage.stage.consume(batch(2).with_context(Some(Arc::new(impatient)))).await;
    assert_eq!(refused.expect_err("no room in time").message(), "sending queue is full");
    let mut waiting = Box::pin(stage.send(3));
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut waiting).await.is_err());
    exporter.open(1);
    waiting.await.expect("room");
    exporter.open(1);
    stage.stop_within(Duration::from_secs(5)).await;
    assert_eq!(exporter.sizes(), [1, 3]);
}

/// A single request that can never fit is called bad, not "full for now".
#[tokio::test(start_paused = true)]
async fn a_request_larger_than_the_queue_is_never_retried() {
    let queue = QueueConfig { queue_size: 5, sizer: Sizer::Items, ..QueueConfig::default() };
    let stage = Stage::start(&Scripted::answering([]), &settings(Some(queue)));
    assert_eq!(stage.send(6).await.expect_err("too large").retry(), Retry::Never);
}

/// An attempt that hangs is given up after `timeout` and repeated.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_repeated() {
    let exporter = Scripted::gated();
    let stage = Stage::start(&exporter, &settings(Some(QueueConfig::default())));
    stage.send(1).await.expect("taken");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(exporter.attempts() >= 2);
    exporter.open(1);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(exporter.sizes(), [1]);
}

/// Partial success is success: what the back end refused is counted, nothing is sent again.
#[tokio::test(start_paused = true)]
async fn partial_success_is_counted_and_not_repeated() {
    let partial = Exported { rejected_items: 3, message: "too old".to_owned(), ..Exported::default() };
    let exporter = Scripted::answering([Ok(partial)]);
    let stage = Stage::start(&exporter, &settings(Some(QueueConfig::default())));
    stage.send(10).await.expect("taken");
    stage.stop_within(Duration::from_secs(5)).await;
    assert_eq!((stage.count(Metric::exporter_sent), stage.dropped("partial_success")), (7, 3));
    assert_eq!(exporter.attempts(), 1);
}

/// A bug in an exporter costs the batch it was working on, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_panicking_exporter_is_a_failure_of_that_batch() {
    let exporter = Scripted::answering([Err(ExportError::new(Code::Unavailable, "panic"))]);
    let stage =
        Stage::start(&exporter, &settings(Some(QueueConfig { num_consumers: 1, ..QueueConfig::default() })));
    stage.send(2).await.expect("taken");
    stage.send(1).await.expect("taken");
    stage.stop_within(Duration::from_secs(5)).await;
    assert_eq!((exporter.sizes(), stage.dropped("rejected")), (vec![1], 2));
}

/// Stopping ends the waits between attempts and tries until the deadline.
#[tokio::test(start_paused = true)]
async fn stopping_hurries_and_delivers() {
    let exporter = Scripted::answering((0..6).map(|_| unavailable()));
    let stage =
        Stage::start(&exporter, &settings(Some(QueueConfig { num_consumers: 1, ..QueueConfig::default() })));
    stage.send(1).await.expect("taken");
    stage.send(2).await.expect("taken");
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.stop_within(Duration::from_secs(5)).await;
    assert_eq!(exporter.sizes(), [1, 2]);
    assert_eq!(stage.send(1).await.expect_err("stopped").message(), "the agent is shutting down");
}

/// What could not be sent before the deadline is counted, what is in flight included.
#[tokio::test(start_paused = true)]
async fn what_is_lost_at_the_deadline_is_counted() {
    let exporter = Scripted::gated();
    let stage =
        Stage::start(&exporter, &settings(Some(QueueConfig { num_consumers: 1, ..QueueConfig::default() })));
    stage.send(2).await.expect("taken");
    stage.send(3).await.expect("taken");
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.stop_within(Duration::from_secs(1)).await;
    assert_eq!((stage.dropped("shutdown"), stage.queue_size()), (5, 0));
}

/// A client that hangs up while its request waits for room leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn a_dropped_call_leaves_the_queue_intact() {
    let exporter = Scripted::gated();
    let queue =
        QueueConfig { num_consumers: 1, queue_size: 1, block_on_overflow: true, ..QueueConfig::default() };
    let stage = Stage::start(&exporter, &settings(Some(queue)));
    stage.send(1).await.expect("taken");
    assert!(tokio::time::timeout(Duration::from_millis(10), stage.send(5)).await.is_err());
    exporter.open(9);
    stage.send(2).await.expect("room");
    stage.stop_within(Duration::from_secs(5)).await;
    assert_eq!(exporter.sizes(), [1, 2]);
}

/// When more comes in than goes out, senders are slowed down long before the queue is full.
#[tokio::test(start_paused = true)]
async fn answers_are_delayed_before_requests_are_refused() {
    let exporter = Scripted::gated();
    let stage = Stage::start(&exporter, &settings(Some(QueueConfig::default())));
    let start = Instant::now();
    for _ in 0..64 {
        stage.send(1).await.expect("taken");
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    for _ in 0..10 {
        stage.send(1).await.expect("taken");
    }
    assert_eq!(start.elapsed().as_millis() / 100, 10);
    exporter.open(1000);
    stage.stop_within(Duration::from_secs(5)).await;
}

/// A sender whose answer is being delayed when the stop begins is refused: the workers may be gone before it
/// is in the queue, and then "taken" would be untrue.
#[tokio::test(start_paused = true)]
async fn a_delayed_request_is_refused_once_the_queue_is_closed() {
    let exporter = Scripted::gated();
    let stage = Stage::start(&exporter, &settings(Some(QueueConfig::default())));
    for _ in 0..64 {
        stage.send(1).await.expect("taken");
    }
    exporter.open(1000);
    let delayed = stage.send(7);
    let stop = async {
        tokio::task::yield_now().await;
        stage.stop_within(Duration::from_secs(5)).await;
    };
    let (answer, ()) = tokio::join!(delayed, stop);
    assert_eq!(answer.expect_err("refused").message(), "the agent is shutting down");
    assert_eq!((exporter.sizes().len(), stage.dropped("shutdown"), stage.queue_size()), (64, 0, 0));
}

fn batching(min_size: u64, max_size: u64, keys: &[&str]) -> QueueConfig {
    let batch = BatchConfig {
        min_size,
        max_size,
        partition: PartitionConfig { metadata_keys: keys.iter().map(|key| (*key).to_owned()).collect() },
        ..BatchConfig::default()
    };
    QueueConfig { batch: Optional::Present(batch), ..QueueConfig::default() }
}

/// `batch` joins what is queued and keeps the sizes.
#[tokio::test(start_paused = true)]
async fn queued_requests_are_joined_and_cut() {
    let exporter = Scripted::answering([]);
    let stage = Stage::start(&exporter, &settings(Some(batching(100, 60, &[]))));
    for _ in 0..10 {
        stage.send(10).await.expect("taken");
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(exporter.sizes(), [60, 40]);
    stage.send(7).await.expect("taken");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(exporter.sizes(), [60, 40, 7], "the rest goes after flush_timeout");
    assert_eq!(stage.count(Metric::exporter_sent), 107);
}

/// The members of a joined request share its fate and learn of it.
#[tokio::test(start_paused = true)]
async fn members_of_a_joined_request_get_its_answer() {
    let exporter = Scripted::answering([forbidden()]);
    let queue = QueueConfig { wait_for_result: true, ..batching(20, 0, &[]) };
    let stage = Stage::start(&exporter, &settings(Some(queue)));
    let (first, second) = tokio::join!(stage.send(10), stage.send(10));
    assert_eq!(
        (first.expect_err("refused").message(), second.expect_err("refused").message()),
        ("not you", "not you")
    );
    assert_eq!(exporter.attempts(), 1);
}

/// Requests of different tenants are never joined.
#[tokio::test(start_paused = true)]
async fn partitions_are_kept_apart() {
    let exporter = Scripted::answering([]);
    let stage = Stage::start(&exporter, &settings(Some(batching(1000, 0, &["X-Tenant"]))));
    for tenant in ["a", "b", "a"] {
        stage.send_as(tenant, 1).await.expect("taken");
    }
    stage.stop_within(Duration::from_secs(5)).await;
    let mut sizes = exporter.sizes();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2]);
}

/// A tenant with little data waits for `flush_timeout`, not for the end of another one's flood.
#[tokio::test(start_paused = true)]
async fn a_flood_does_not_hold_up_what_is_due() {
    let exporter = Scripted::gated();
    let queue = QueueConfig { num_consumers: 1, ..batching(10, 0, &["x-tenant"]) };
    let stage = Stage::start(&exporter, &settings(Some(queue)));
    stage.send_as("small", 1).await.expect("taken");
    for _ in 0..9 {
        stage.send_as("large", 10).await.expect("taken");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    exporter.open(100);
    stage.stop_within(Duration::from_secs(5)).await;
    let sizes = exporter.sizes();
    assert_eq!(sizes.len(), 10);
    let place = sizes.iter().position(|size| *size == 1);
    assert!(place <= Some(2), "behind what was on its way: {sizes:?}");
}

/// The texts are those of the Collector, which users search for.
#[test]
fn says_what_cannot_be() {
    let problems = |yaml: &str| {
        let mut texts = spindle_config::SourceMap::default();
        let mut diagnostics = spindle_config::Diagnostics::default();
        let source = texts.add("test", yaml);
        let node = spindle_config::tree::parse(source, &texts, &mut diagnostics).expect("parses");
        let retry = node.get("retry_on_failure").map_or_else(RetryConfig::default, |node| {
            spindle_config::decode(node, "retry_on_failure", &mut diagnostics).expect("decodes")
        });
        let queue = node.get("sending_queue").map_or(Optional::Absent, |node| {
            spindle_config::decode(node, "sending_queue", &mut diagnostics).expect("decodes")
        });
        validate(&retry, &queue, &mut spindle_config::Check::new(&node, "", None, &mut diagnostics));
        diagnostics.iter().map(spindle_config::Diagnostic::one_line).collect::<Vec<_>>()
    };
    for (yaml, expected) in [
        (
            "sending_queue: {num_consumers: 0}",
            vec!["sending_queue::num_consumers: `num_consumers` must be positive"],
        ),
        ("sending_queue: {queue_size: 0}", vec!["sending_queue::queue_size: `queue_size` must be positive"]),
        ("sending_queue: {enabled: false, queue_size: 0}", vec![]),
        (
            "sending_queue: {sizer: items, queue_size: 10, batch: {min_size: 20}}",
            vec!["sending_queue::batch::min_size: `min_size` must be less than or equal to `queue_size`"],
        ),
        (
            "sending_queue: {batch: {min_size: 20, max_size: 10}}",
            vec![
                "sending_queue::batch::max_size: `max_size` (10) must be greater or equal to `min_size` (20)",
            ],
        ),
        (
            "sending_queue: {queue_size: 9000, batch: {sizer: requests}}",
            vec!["sending_queue::batch::sizer: `batch` supports only `items` or `bytes` sizer"],
        ),
        (
            "sending_queue: {batch: {partition: {metadata_keys: [a, A]}}}",
            vec![
                "sending_queue::batch::partition::metadata_keys::1: duplicate entry in metadata_keys: \"a\" (case-insensitive)",
            ],
        ),
        (
            "sending_queue: {storage: file_storage, wait_for_result: true}",
            vec![
                "sending_queue::wait_for_result: `wait_for_result` is not supported with a persistent queue configured with `storage`",
                "sending_queue::storage: a persistent queue (storage \"file_storage\") is not built into this version of spindle yet; remove `storage` to queue in memory",
            ],
        ),
        (
            "retry_on_failure: {max_elapsed_time: 1s}",
            vec![
                "retry_on_failure::max_elapsed_time: 'max_elapsed_time' must not be less than 'initial_interval'",
                "retry_on_failure::max_elapsed_time: 'max_elapsed_time' must not be less than 'max_interval'",
            ],
        ),
        ("retry_on_failure: {enabled: false, max_elapsed_time: 1s}", vec![]),
        (
            "retry_on_failure: {multiplier: .nan}",
            vec!["retry_on_failure::multiplier: 'multiplier' must be non-negative"],
        ),
        (
            "retry_on_failure: {randomization_factor: 2}",
            vec!["retry_on_failure::randomization_factor: 'randomization_factor' must be within [0, 1]"],
        ),
    ] {
        assert_eq!(problems(yaml), expected, "{yaml}");
    }
}
