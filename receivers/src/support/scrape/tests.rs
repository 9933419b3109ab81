use std::sync::atomic::{AtomicU64, Ordering};

use spindle_pipeline::component::{Kind, Outputs};
use spindle_pipeline::otlp::build::{MetricInfo, MetricKind, MetricsBuilder};
use spindle_pipeline::status::StatusBoard;
use spindle_pipeline::testing::sink::Sink;
use tokio_util::sync::CancellationToken;

use super::*;

const COUNT: MetricInfo =
    MetricInfo { name: "readings", description: "", unit: "1", kind: MetricKind::Gauge };

/// The time that makes the source panic.
const PANIC: u64 = 13;

struct Counting {
    count: u64,
    takes: Arc<AtomicU64>,
}

impl Source for Counting {
    type Reading = u64;

    fn read(&mut self) -> u64 {
        self.count += 1;
        assert!(self.takes.load(Ordering::Relaxed) != PANIC, "a bug in the source");
        std::thread::sleep(Duration::from_millis(self.takes.load(Ordering::Relaxed)));
        self.count
    }
}

struct Harness {
    sink: Arc<Sink>,
    board: StatusBoard,
    telemetry: Telemetry,
    takes: Arc<AtomicU64>,
    drain: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), RunError>>,
}

fn start(interval: u64) -> Harness {
    let (sink, board, telemetry) = (Sink::new(), StatusBoard::default(), Telemetry::default());
    let (takes, drain) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
    let source = Counting { count: 0, takes: Arc::clone(&takes) };
    let settings = ScrapeSettings {
        id: "test".to_owned(),
        thread: "test",
        interval: Duration::from_millis(interval),
        initial_delay: Duration::ZERO,
        patience: Duration::from_millis(50),
    };
    let context = ReceiverContext {
        outputs: Outputs::none(),
        drain: drain.clone(),
        status: board.handle(Kind::Receiver, "test", &[]),
    };
    let (consumer, own) = (sink.clone(), telemetry.clone());
    let task = tokio::spawn(async move {
        let mut builder = MetricsBuilder::default();
        run(source, settings, context, consumer, &own, move |reading, now| {
            builder.begin(1, now);
            builder.resource(&[], "test", "1");
            builder.point(&COUNT, reading, &[]);
            Published { batch: builder.finish(), errors: 0 }
        })
        .await
    });
    Harness { sink, board, telemetry, takes, drain, task }
}

/// A reading arrives in the pipeline for each tick, and the drain ends it.
#[tokio::test]
async fn each_tick_is_a_reading() {
    let harness = start(5);
    harness.sink.wait_for_items(5).await;
    harness.drain.cancel();
    harness.task.await.expect("ends").expect("without an error");
}

/// A driver that hangs is told once, holds up nothing, and is forgiven when it comes back.
#[tokio::test]
async fn a_hanging_reading_is_told_and_recovers() {
    let harness = start(5);
    harness.sink.wait_for_items(1).await;
    harness.takes.store(300, Ordering::Relaxed);
    let is_hanging =
        |board: &StatusBoard| board.snapshot().values().any(|event| event.status.error().is_some());
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_hanging(&harness.board) {
        assert!(Instant::now() < deadline, "never noticed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    harness.takes.store(0, Ordering::Relaxed);
    let before = harness.sink.items();
    harness.sink.wait_for_items(before + 3).await;
    assert!(!is_hanging(&harness.board));
    let labels = vec![("receiver".into(), "test".into())];
    assert!(harness.telemetry.counter(Metric::ScraperSkippedReadings, labels).get() > 0);
}

/// A bug in a scraper is an error of that receiver, told at once, not a reading that never comes.
#[tokio::test]
async fn a_panicking_source_ends_its_receiver() {
    let harness = start(5);
    harness.sink.wait_for_items(1).await;
    harness.takes.store(PANIC, Ordering::Relaxed);
    let ended = tokio::time::timeout(Duration::from_secs(10), harness.task).await.expect("in time");
    assert_eq!(ended.expect("no panic here"), Err(RunError("the reading thread panicked".to_owned())));
}
