//! The whole receiver, with its thread and its timer.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fake_nvml::Fake;
use fake_nvml::scripts::EIGHT_H200;
use spindle_pipeline::Batch;
use spindle_pipeline::Signal;
use spindle_pipeline::component::{Kind, Outputs, Receiver, ReceiverContext};
use spindle_pipeline::error::RunError;
use spindle_pipeline::status::StatusBoard;
use spindle_pipeline::telemetry::{Metric, Telemetry};
use spindle_pipeline::testing::config;
use spindle_pipeline::testing::sink::Sink;
use tokio_util::sync::CancellationToken;

use super::super::{Nvml, NvmlReceiver};
use super::rig::{AT_ONCE, points};

/// Nothing here takes that long.
const LONG: Duration = Duration::from_mins(1);

struct Running {
    sink: Arc<Sink>,
    board: StatusBoard,
    telemetry: Telemetry,
    drain: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), RunError>>,
}

fn start(library: &Path, patience: Duration) -> Running {
    let yaml =
        format!("{{collection_interval: 5ms, initial_delay: 0, library_path: '{}'}}", library.display());
    let telemetry = Telemetry::default();
    let receiver = Box::new(NvmlReceiver {
        config: config::<Nvml>(&yaml),
        id: "nvml".to_owned(),
        telemetry: telemetry.clone(),
        backoff: AT_ONCE,
        patience,
    });
    let (sink, board, drain) = (Sink::new(), StatusBoard::default(), CancellationToken::new());
    let context = ReceiverContext {
        outputs: Outputs::none().with(Signal::Metrics, sink.clone()),
        drain: drain.clone(),
        status: board.handle(Kind::Receiver, "nvml", &[]),
    };
    let task = tokio::spawn(receiver.run(context));
    Running { sink, board, telemetry, drain, task }
}

impl Running {
    fn error(&self) -> Option<String> {
        self.board.snapshot().values().find_map(|event| event.status.error().map(str::to_owned))
    }

    async fn stop(self) {
        self.drain.cancel();
        self.task.await.expect("ends").expect("without an error");
    }
}

async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn series(batch: &Batch, name: &str) -> usize {
    points(batch).iter().filter(|point| point.name == name).count()
}

/// Readings arrive in the pipeline at every interval, and the drain ends it.
#[tokio::test]
async fn readings_arrive() {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::install(folder.path(), EIGHT_H200).expect("installed");
    let running = start(fake.library(), LONG);
    running.sink.wait_until(|sink| sink.taken().len() >= 3).await;
    assert_eq!(series(&running.sink.taken()[0], "hw.power"), 8);
    assert_eq!(running.error(), None);
    running.stop().await;
}

/// Without a GPU the receiver runs, is well, sends nothing, and finds what is installed later.
#[tokio::test]
async fn without_a_gpu_it_waits_for_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::announce(folder.path());
    let running = start(fake.library(), LONG);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!running.task.is_finished());
    assert_eq!((running.sink.items(), running.error()), (0, None));
    fake.play(EIGHT_H200).expect("written");
    fake.put_library(&[]).expect("written");
    running.sink.wait_for_items(8).await;
    running.stop().await;
}

/// A call that hangs in the driver holds up the thread and nothing else; it is told, and forgiven when it
/// comes back. The drain does not wait for it.
#[tokio::test]
async fn a_hanging_driver_holds_up_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::install(folder.path(), EIGHT_H200).expect("installed");
    let running = start(fake.library(), Duration::from_millis(50));
    running.sink.wait_for_items(1).await;
    let hanging = format!("{EIGHT_H200}\n2.power = HANG");
    fake.play(&hanging).expect("written");
    until(|| running.error().is_some_and(|error| error.starts_with("a reading has not come back for"))).await;
    let labels = vec![("receiver".into(), "nvml".into())];
    assert!(running.telemetry.counter(Metric::ScraperSkippedReadings, labels).get() > 0);

    fake.play(EIGHT_H200).expect("written");
    until(|| running.error().is_none()).await;
    let before = running.sink.taken().len();
    running.sink.wait_until(|sink| sink.taken().len() > before + 1).await;

    fake.play(&hanging).expect("written");
    until(|| running.error().is_some()).await;
    let stopping = tokio::time::timeout(Duration::from_secs(10), running.stop()).await;
    assert!(stopping.is_ok(), "the drain waits for the driver");
    // Lets the thread go.
    fake.play(EIGHT_H200).expect("written");
}

/// No pipeline wants metrics: nothing is loaded, and the drain ends it.
#[tokio::test]
async fn without_a_pipeline_it_reads_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::install(folder.path(), &format!("{EIGHT_H200}\njournal = on")).expect("installed");
    let drain = CancellationToken::new();
    let receiver = Box::new(NvmlReceiver {
        config: config::<Nvml>(&format!(
            "{{initial_delay: 0, library_path: '{}'}}",
            fake.library().display()
        )),
        id: "nvml".to_owned(),
        telemetry: Telemetry::default(),
        backoff: AT_ONCE,
        patience: LONG,
    });
    let status = StatusBoard::default().handle(Kind::Receiver, "nvml", &[]);
    let context = ReceiverContext { outputs: Outputs::none(), drain: drain.clone(), status };
    let task = tokio::spawn(receiver.run(context));
    tokio::time::sleep(Duration::from_millis(20)).await;
    drain.cancel();
    task.await.expect("ends").expect("without an error");
    assert!(fake.calls().is_empty());
}
