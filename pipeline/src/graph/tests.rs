use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use spindle_config::source::Source;
use spindle_config::{Check, Diagnostics, Document, Sections, Sources};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::*;
use crate::component::*;
use crate::error::{BuildError, ConsumeError, ExportError, RunError};
use crate::export::ExportSettings;
use crate::run::{Run, Runs};
use crate::status::StatusBoard;
use crate::telemetry::{Metric, Telemetry};
use crate::testing::spans;
use crate::{Batch, Signal, SignalSet};

/// Sends what a test gives it through a channel that the test finds by its id.
struct TestReceiver {
    requests: mpsc::UnboundedReceiver<(Batch, tokio::sync::oneshot::Sender<Result<(), ConsumeError>>)>,
}

type Requests = mpsc::UnboundedSender<(Batch, tokio::sync::oneshot::Sender<Result<(), ConsumeError>>)>;

/// Test components are found by their id: each test has ids of its own.
static RECEIVERS: std::sync::Mutex<Vec<(String, Requests)>> = std::sync::Mutex::new(Vec::new());
static EXPORTED: std::sync::Mutex<Vec<(String, Batch)>> = std::sync::Mutex::new(Vec::new());

#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TestConfig {
    /// What an exporter answers and what a processor does: ok, refuse, drop, panic, hang, `hang_at_stop`.
    behave: String,
    /// What a component says it listens on.
    listen: String,
    /// What an exporter says it writes.
    write: String,
    /// The signal in whose pipelines it cannot be.
    not_for: String,
    fail_to_build: bool,
}

impl ComponentConfig for TestConfig {
    fn listeners(&self) -> Vec<Listener> {
        let address =
            spindle_config::types::ListenAddress::parse(&self.listen, spindle_config::types::Transport::Tcp);
        let listener = |address| Listener { key: "listen".to_owned(), address, protocol: "tcp" };
        address.into_iter().map(listener).collect()
    }

    fn files(&self) -> Vec<OutputFile> {
        let is_given = !self.write.is_empty();
        is_given.then(|| OutputFile { key: "write", path: (&self.write).into() }).into_iter().collect()
    }

    fn validate_for(&self, signal: Signal, check: &mut Check<'_>) {
        if self.not_for == signal.name() {
            check.error("not_for", format!("not for {signal}"));
        }
    }
}

impl Factory for TestReceiver {
    type Config = TestConfig;
    const TYPE: &'static str = "test_in";
    const ALIASES: &'static [&'static str] = &["testin"];
    const SIGNALS: SignalSet = SignalSet::TRACES;
    const STABILITY: Stability = Stability::Development;
}

impl ReceiverFactory for TestReceiver {
    fn build(config: TestConfig, context: &BuildContext) -> Result<Box<dyn Receiver>, BuildError> {
        if config.fail_to_build {
            return Err(BuildError::new("listen", "the port is taken").help("take another"));
        }
        let (sender, requests) = mpsc::unbounded_channel();
        RECEIVERS.lock().expect("unpoisoned").push((context.id.to_string(), sender));
        Ok(Box::new(Self { requests }))
    }
}

#[async_trait]
impl Receiver for TestReceiver {
    async fn run(mut self: Box<Self>, context: ReceiverContext) -> Result<(), RunError> {
        let consumer = context.outputs.get(Signal::Traces, "test").expect("a pipeline takes traces");
        loop {
            tokio::select! {
                () = context.drain.cancelled() => return Ok(()),
                Some((batch, answer)) = self.requests.recv() => {
                    assert!(batch.items() != 13, "a bug in the receiver");
                    let _ = answer.send(consumer.consume(batch).await);
                }
            }
        }
    }
}

struct TestTransform(TestConfig);

impl Factory for TestTransform {
    type Config = TestConfig;
    const TYPE: &'static str = "test_transform";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Development;
}

impl ProcessorFactory for TestTransform {
    fn build(config: &TestConfig, _: &BuildContext, _: Signal) -> Result<BuiltProcessor, BuildError> {
        if config.behave == "hang_at_stop" {
            return Ok(BuiltProcessor::Stateful(Box::new(|next| Arc::new(Hanging(next)))));
        }
        Ok(BuiltProcessor::Transform(Arc::new(Self(config.clone()))))
    }
}

impl Transform for TestTransform {
    fn transform(&self, batch: Batch) -> Result<Option<Batch>, ConsumeError> {
        match self.0.behave.as_str() {
            "panic" => panic!("a bug in the processor"),
            "refuse" => Err(ConsumeError::unavailable("no")),
            "drop" => Ok(None),
            _ => Ok(Some(batch)),
        }
    }
}

/// A processor that never ends.
struct Hanging(Arc<dyn Consumer>);

#[async_trait]
impl Consumer for Hanging {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        self.0.consume(batch).await
    }
}

#[async_trait]
impl Processor for Hanging {
    async fn stop(&self, _: Instant) {
        std::future::pending::<()>().await;
    }
}

struct TestExporter(String, TestConfig, AtomicBool);

impl Factory for TestExporter {
    type Config = TestConfig;
    const TYPE: &'static str = "test_out";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Development;
}

impl ExporterFactory for TestExporter {
    fn settings(_: &TestConfig) -> ExportSettings {
        ExportSettings::direct()
    }

    fn build(config: TestConfig, context: &BuildContext) -> Result<Arc<dyn Exporter>, BuildError> {
        if config.fail_to_build {
            return Err(BuildError::new("", "no such file"));
        }
        Ok(Arc::new(Self(context.id.to_string(), config, AtomicBool::new(false))))
    }
}

#[async_trait]
impl Exporter for TestExporter {
    async fn export(&self, batch: &Batch) -> Result<Exported, ExportError> {
        assert!(!self.2.load(Ordering::Relaxed), "exported after the stop");
        match self.1.behave.as_str() {
            "refuse" => Err(ExportError::new(crate::error::Code::Unavailable, "down")),
            "hang" => std::future::pending().await,
            _ => {
                EXPORTED.lock().expect("unpoisoned").push((self.0.clone(), batch.clone()));
                Ok(Exported::default())
            }
        }
    }

    async fn stop(&self) {
        self.2.store(true, Ordering::Relaxed);
        if self.1.behave == "hang_at_stop" {
            std::future::pending::<()>().await;
        }
    }
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.receiver::<TestReceiver>();
    registry.processor::<TestTransform>();
    registry.exporter::<TestExporter>();
    registry
}

fn document(yaml: &str) -> Document {
    let mut sources = Sources::default();
    sources.add(Source::Yaml(yaml.to_owned()));
    spindle_config::load(&sources, &spindle_config::source::Process).0
}

fn plan(yaml: &str) -> (Plan, Vec<String>) {
    let document = document(yaml);
    let mut diagnostics = Diagnostics::default();
    let sections = Sections::read(&document, &mut diagnostics);
    let plan = Plan::read(&sections, &registry(), Vec::new(), &mut diagnostics);
    (plan, diagnostics.iter().map(spindle_config::Diagnostic::one_line).collect())
}

struct Running {
    graph: Graph,
    telemetry: Telemetry,
    board: StatusBoard,
}

impl Running {
    fn start(yaml: &str, runs: &Runs) -> Self {
        let (plan, problems) = plan(yaml);
        assert!(problems.is_empty(), "{problems:?}");
        let (telemetry, board) = (Telemetry::default(), StatusBoard::default());
        let mut graph =
            Graph::build(plan, &telemetry, &board, runs).unwrap_or_else(|problems| panic!("{problems:?}"));
        graph.start();
        Self { graph, telemetry, board }
    }

    async fn stop(self) {
        self.graph.stop(Instant::now() + Duration::from_secs(5)).await;
    }
}

fn batch(items: usize) -> Batch {
    Batch::receive(Signal::Traces, spans::request(items)).expect("well formed")
}

async fn send(receiver: &str, items: usize) -> Option<Result<(), ConsumeError>> {
    let requests = {
        let receivers = RECEIVERS.lock().expect("unpoisoned");
        receivers.iter().find(|(id, _)| id == receiver).expect("it was built").1.clone()
    };
    let (answer, answered) = tokio::sync::oneshot::channel();
    requests.send((batch(items), answer)).ok()?;
    answered.await.ok()
}

fn exported(id: &str) -> Vec<Batch> {
    let exported = EXPORTED.lock().expect("unpoisoned");
    exported.iter().filter(|(exporter, _)| exporter == id).map(|(_, batch)| batch.clone()).collect()
}

/// A batch goes through the processors in order to every exporter, and is counted on each edge.
#[tokio::test]
async fn batches_reach_every_exporter_and_are_counted() {
    let running = Running::start(
        "{receivers: {test_in/a: }, processors: {test_transform/a1: , test_transform/a2: },
          exporters: {test_out/a1: , test_out/a2: },
          service: {pipelines: {traces: {receivers: [test_in/a], processors: [test_transform/a1, test_transform/a2],
            exporters: [test_out/a1, test_out/a2]}}}}",
        &Runs::default(),
    );
    send("test_in/a", 3).await.expect("answered").expect("taken");
    assert_eq!(exported("test_out/a1")[0].bytes(), exported("test_out/a2")[0].bytes());
    let labels = vec![("receiver".into(), "test_in/a".into()), ("transport".into(), "test".into())];
    assert_eq!(running.telemetry.counter(Metric::ReceiverAcceptedSpans, labels).get(), 3);
    let labels =
        vec![("processor".into(), "test_transform/a2".into()), ("otel_signal".into(), "traces".into())];
    assert_eq!(running.telemetry.counter(Metric::ProcessorOutgoingItems, labels).get(), 3);
    running.stop().await;
}

/// One branch that fails keeps nobody from his copy; the sender hears of it and can repeat.
#[tokio::test]
async fn a_failing_branch_does_not_fail_the_other() {
    let running = Running::start(
        "{receivers: {test_in/b: }, exporters: {test_out/b1: {behave: refuse}, test_out/b2: },
          service: {pipelines: {
            traces/1: {receivers: [test_in/b], exporters: [test_out/b1]},
            traces/2: {receivers: [test_in/b], exporters: [test_out/b2]}}}}",
        &Runs::default(),
    );
    let refusal = send("test_in/b", 2).await.expect("answered").expect_err("one branch refuses");
    assert!(refusal.retry().is_possible());
    assert_eq!(exported("test_out/b2").len(), 1);
    let labels = vec![("receiver".into(), "test_in/b".into()), ("transport".into(), "test".into())];
    assert_eq!(running.telemetry.counter(Metric::ReceiverRefusedSpans, labels).get(), 2);
    running.stop().await;
}

/// A panic in a processor is an error to that sender, counted, and the pipeline takes the next batch.
#[tokio::test]
async fn a_panicking_processor_is_an_error_and_the_rest_runs_on() {
    let running = Running::start(
        "{receivers: {test_in/c: }, processors: {test_transform/c: {behave: panic}}, exporters: {test_out/c: },
          service: {pipelines: {traces: {receivers: [test_in/c], processors: [test_transform/c], exporters: [test_out/c]}}}}",
        &Runs::default(),
    );
    for _ in 0..2 {
        let error = send("test_in/c", 1).await.expect("answered").expect_err("panicked");
        assert_eq!(error.message(), "processor/test_transform/c panicked: a bug in the processor");
    }
    let labels = vec![("component".into(), "processor/test_transform/c".into())];
    assert_eq!(running.telemetry.counter(Metric::ComponentPanics, labels).get(), 2);
    running.stop().await;
}

/// A panic in a receiver ends that receiver, is told by the health check, and the other one runs on.
#[tokio::test]
async fn a_panicking_receiver_ends_alone() {
    let running = Running::start(
        "{receivers: {test_in/d1: , test_in/d2: }, exporters: {test_out/d: },
          service: {pipelines: {traces: {receivers: [test_in/d1, test_in/d2], exporters: [test_out/d]}}}}",
        &Runs::default(),
    );
    assert!(send("test_in/d1", 13).await.is_none(), "the receiver is gone");
    send("test_in/d2", 1).await.expect("answered").expect("taken");
    let states = running.board.snapshot();
    let state = |id: &str| states.iter().find(|(key, _)| key.id == id).expect("has a state").1.status.name();
    assert_eq!((state("test_in/d1"), state("test_in/d2")), ("StatusPermanentError", "StatusOK"));
    running.stop().await;
}

/// What a processor drops on purpose is "taken" to the sender and counted under its reason.
#[tokio::test]
async fn dropping_on_purpose_is_taken_and_counted() {
    let running = Running::start(
        "{receivers: {test_in/e: }, processors: {test_transform/e: {behave: drop}}, exporters: {test_out/e: },
          service: {pipelines: {traces: {receivers: [test_in/e], processors: [test_transform/e], exporters: [test_out/e]}}}}",
        &Runs::default(),
    );
    send("test_in/e", 4).await.expect("answered").expect("taken");
    assert!(exported("test_out/e").is_empty());
    assert_eq!(running.telemetry.dropped("processor/test_transform/e", Signal::Traces, "filtered").get(), 4);
    running.stop().await;
}

/// With a run, its label is on what every pipeline gets.
#[tokio::test]
async fn the_run_is_stamped_behind_the_receiver() {
    let run = Run { label: "container_run".to_owned(), id: "r1".to_owned(), is_overriding: false };
    let running = Running::start(
        "{receivers: {test_in/f: }, exporters: {test_out/f: },
          service: {pipelines: {traces: {receivers: [test_in/f], exporters: [test_out/f]}}}}",
        &Runs::of_this_process(Some(Arc::new(run))),
    );
    send("test_in/f", 1).await.expect("answered").expect("taken");
    let bytes = exported("test_out/f")[0].bytes();
    let group = crate::otlp::view::resource_groups(&bytes).next().expect("a group");
    let label =
        crate::otlp::view::resource_attributes(group).find(|attribute| attribute.key == "container_run");
    assert_eq!(label.expect("stamped").value.as_str(), Some("r1"));
    running.stop().await;
}

/// A receiver that waits for a hanging back end cannot hold up the stop beyond its deadline.
#[tokio::test(start_paused = true)]
async fn stopping_keeps_its_deadline() {
    let running = Running::start(
        "{receivers: {test_in/g: }, exporters: {test_out/g: {behave: hang}},
          service: {pipelines: {traces: {receivers: [test_in/g], exporters: [test_out/g]}}}}",
        &Runs::default(),
    );
    let sending = tokio::spawn(async { send("test_in/g", 1).await });
    tokio::task::yield_now().await;
    let start = Instant::now();
    running.stop().await;
    assert!(start.elapsed() <= Duration::from_secs(6), "{:?}", start.elapsed());
    assert!(sending.await.expect("ends").is_none(), "its sender gets no answer");
}

/// Everything that cannot be built is told at once, with the key it is about.
#[tokio::test]
async fn all_build_errors_are_told_with_their_keys() {
    let (plan, problems) = plan(
        "{receivers: {test_in/h: {fail_to_build: true}}, exporters: {test_out/h: {fail_to_build: true}},
          service: {pipelines: {traces: {receivers: [test_in/h], exporters: [test_out/h]}}}}",
    );
    assert!(problems.is_empty(), "{problems:?}");
    let problems = Graph::build(plan, &Telemetry::default(), &StatusBoard::default(), &Runs::default()).err();
    let lines: Vec<String> =
        problems.expect("fails").iter().map(spindle_config::Diagnostic::one_line).collect();
    assert_eq!(
        lines,
        ["exporters::test_out/h: no such file", "receivers::test_in/h::listen: the port is taken"]
    );
}

/// A port that is taken is told where its address is written, not where the component starts.
#[tokio::test]
async fn a_build_error_stands_at_its_address() {
    let yaml =
        "{receivers: {test_in/p: {fail_to_build: true, listen: \"127.0.0.1:1\"}}, exporters: {test_out/p: },
          service: {pipelines: {traces: {receivers: [test_in/p], exporters: [test_out/p]}}}}";
    let (plan, problems) = plan(yaml);
    assert!(problems.is_empty(), "{problems:?}");
    let problems = Graph::build(plan, &Telemetry::default(), &StatusBoard::default(), &Runs::default());
    let origin = problems.err().and_then(|problems| problems.iter().next()?.origin).expect("a position");
    assert_eq!(&yaml[origin.start as usize..origin.end as usize], "\"127.0.0.1:1\"");
}

/// A processor that does not keep its deadline is left behind, and there is time left for the exporters.
#[tokio::test(start_paused = true)]
async fn a_hanging_processor_cannot_hold_up_the_stop() {
    let running = Running::start(
        "{receivers: {test_in/r: }, processors: {test_transform/r: {behave: hang_at_stop}}, exporters: {test_out/r: },
          service: {pipelines: {traces: {receivers: [test_in/r], processors: [test_transform/r], exporters: [test_out/r]}}}}",
        &Runs::default(),
    );
    let start = Instant::now();
    running.stop().await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// An exporter whose disk hangs delays the end neither beyond the deadline nor for the other exporters.
#[tokio::test(start_paused = true)]
async fn a_hanging_exporter_cannot_hold_up_the_stop() {
    let running = Running::start(
        "{receivers: {test_in/q: }, exporters: {test_out/q1: {behave: hang_at_stop}, test_out/q2: {behave: hang_at_stop}, test_out/q3: },
          service: {pipelines: {traces: {receivers: [test_in/q], exporters: [test_out/q1, test_out/q2, test_out/q3]}}}}",
        &Runs::default(),
    );
    let (start, board) = (Instant::now(), running.board.clone());
    running.stop().await;
    assert_eq!(start.elapsed().as_secs(), 5);
    assert!(board.snapshot().values().all(|event| event.status == crate::status::Status::Stopped));
}

/// Semantic checks, with the Collector's texts where it has them.
#[test]
fn says_what_cannot_be() {
    let base = "receivers: {test_in: }, exporters: {test_out: }";
    for (yaml, expected) in [
        (
            format!("{{{base}, service: {{pipelines: {{traces: {{receivers: [test_inn], exporters: [test_out]}}}}}}}}"),
            vec![
                "service::pipelines::traces: references receiver \"test_inn\" which is not configured",
                "receivers::test_in: receiver \"test_in\" is configured and not used by any pipeline",
            ],
        ),
        (
            format!("{{{base}, service: {{pipelines: {{traces: {{receivers: [test_in], exporters: []}}}}}}}}"),
            vec![
                "service::pipelines::traces: must have at least one exporter",
                "exporters::test_out: exporter \"test_out\" is configured and not used by any pipeline",
            ],
        ),
        (
            format!("{{{base}, service: {{pipelines: {{logs: {{receivers: [test_in], exporters: [test_out]}}}}}}}}"),
            vec!["service::pipelines::logs: receiver \"test_in\" for data type \"logs\": telemetry type is not supported"],
        ),
        (
            format!("{{{base}, service: {{pipelines: {{trace: {{receivers: [test_in], exporters: [test_out]}}}}}}}}"),
            vec![
                "service::pipelines::trace: unknown signal \"trace\"",
            ],
        ),
        (
            "{receivers: {testin: }, exporters: {test_out: }, service: {pipelines: {traces: {receivers: [testin], exporters: [test_out]}}}}".to_owned(),
            vec!["receivers::testin: \"testin\" alias is deprecated; use \"test_in\" instead"],
        ),
        (
            "{receivers: {zipkin: }, exporters: {test_out: }, service: {pipelines: {traces: {receivers: [zipkin], exporters: [test_out]}}}}".to_owned(),
            vec!["receivers: unknown type: \"zipkin\" for id: \"zipkin\""],
        ),
        (
            format!("{{{base}, extensions: {{}}, service: {{extensions: [zpages], pipelines: {{traces: {{receivers: [test_in], exporters: [test_out]}}}}}}}}"),
            vec!["service::extensions: references extension \"zpages\" which is not configured"],
        ),
        (
            "{receivers: {test_in/1: {listen: \"0.0.0.0:4317\"}, test_in/2: {listen: \"localhost:4317\"}}, exporters: {test_out: },
              service: {pipelines: {traces: {receivers: [test_in/1, test_in/2], exporters: [test_out]}}}}".to_owned(),
            vec!["receivers::test_in/2::listen: two listeners on one address: localhost:4317 is also receivers::test_in/1::listen"],
        ),
        (
            "{receivers: {test_in: }, exporters: {test_out/1: {write: a/b}, test_out/2: {write: ./a/./b}, test_out/3: {write: /a/b}},
              service: {pipelines: {traces: {receivers: [test_in], exporters: [test_out/1, test_out/2, test_out/3]}}}}".to_owned(),
            vec!["exporters::test_out/2::write: two exporters write to one file: it is also exporters::test_out/1::write"],
        ),
        (
            "{receivers: {test_in: }, exporters: {test_out/1: {not_for: traces}, test_out/2: {not_for: logs}, test_out/3: {write: a}},
              service: {pipelines: {traces: {receivers: [test_in], exporters: [test_out/1, test_out/2]}, traces/2: {receivers: [test_in], exporters: [test_out/1, test_out/3]}}}}".to_owned(),
            vec!["exporters::test_out/1::not_for: not for traces"],
        ),
    ] {
        let (_, problems) = plan(&yaml);
        assert_eq!(problems, expected, "{yaml}");
    }
}

/// Help and notes point to the nearest name, the section it stands in, or what is not built yet.
#[test]
fn helps_with_what_was_probably_meant() {
    let document = document(
        "{receivers: {test_in: , jaeger: }, processors: {test_transform: }, exporters: {test_out: },
          service: {pipelines: {traces: {receivers: [test_transform], processors: [tset_transform], exporters: [test_out/x]}}}}",
    );
    let mut diagnostics = Diagnostics::default();
    let sections = Sections::read(&document, &mut diagnostics);
    Plan::read(&sections, &registry(), Vec::new(), &mut diagnostics);
    let all: Vec<String> =
        diagnostics.iter().flat_map(|item| item.help.iter().chain(&item.notes).cloned()).collect();
    for expected in [
        "\"test_transform\" is configured as a processor",
        "did you mean `test_transform`?",
        "the Collector has a receiver of this type; it is not built into this version of spindle yet",
    ] {
        assert!(all.iter().any(|text| text == expected), "{expected} in {all:?}");
    }
}
