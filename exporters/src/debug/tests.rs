mod layouts;
mod requests;

use std::sync::Mutex;
use std::time::Duration;

use spindle_pipeline::testing::arbitrary::{self, Options};
use spindle_pipeline::testing::{config, config_with_problems, context, contract};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::text::{Fixed, Id, Shortest, Time};
use super::*;
use crate::support::testing::spans;

fn exporter(yaml: &str) -> Arc<dyn Exporter> {
    Debug::build(config::<Debug>(yaml), &context("debug")).expect("builds")
}

/// The events of a test: target, message and fields.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Event>>>);

#[derive(Default)]
struct Event {
    target: String,
    message: String,
    fields: Vec<(String, String)>,
}

impl Events {
    /// Records what this thread says while the guard lives.
    fn record() -> (Self, tracing::subscriber::DefaultGuard) {
        let events = Self::default();
        let subscriber = tracing_subscriber::registry().with(events.clone());
        (events, tracing::subscriber::set_default(subscriber))
    }

    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Events {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target().starts_with("spindle_exporters") {
            let mut read = Event { target: event.metadata().target().to_owned(), ..Event::default() };
            event.record(&mut read);
            self.0.lock().expect("no panic").push(read);
        }
    }
}

impl Visit for Event {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            name => self.fields.push((name.to_owned(), text)),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name().to_owned(), value.to_owned()));
    }
}

/// The clauses that every exporter keeps, at every verbosity and on both ways out.
#[tokio::test]
async fn keeps_the_contract() {
    contract::factory::<Debug>();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out");
    for verbosity in ["basic", "normal", "detailed"] {
        contract::exporter(&*exporter(&format!("{{verbosity: {verbosity}}}")), SignalSet::ALL).await;
        let yaml = format!(
            "{{verbosity: {verbosity}, use_internal_logger: false, output_paths: [{}]}}",
            path.display()
        );
        contract::exporter(&*exporter(&yaml), SignalSet::ALL).await;
    }
}

/// `basic`: one event for each batch, with the Collector's message and fields.
#[tokio::test]
async fn basic_is_a_line_with_counts() {
    let (events, _guard) = Events::record();
    let exporter = exporter("{}");
    for batch in requests::all() {
        exporter.export(&batch).await.expect("taken");
    }
    let expected = [
        ("Traces", "traces", vec![("resource spans", "1"), ("spans", "2")]),
        ("Metrics", "metrics", vec![("resource metrics", "1"), ("metrics", "7"), ("data points", "6")]),
        ("Logs", "logs", vec![("resource logs", "1"), ("log records", "2")]),
    ];
    let found = events.take();
    assert_eq!(found.len(), expected.len());
    for (event, (message, signal, counts)) in found.iter().zip(expected) {
        assert_eq!(event.message, message);
        let mut fields = vec![("exporter", "debug"), ("otelcol.signal", signal)];
        fields.extend(counts);
        let read: Vec<(&str, &str)> =
            event.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, fields);
    }
}

/// The text of a batch is one event behind the counts, under the target by which the log knows it.
#[tokio::test]
async fn a_text_is_one_event() {
    let (events, _guard) = Events::record();
    for verbosity in ["normal", "detailed"] {
        exporter(&format!("{{verbosity: {verbosity}}}")).export(&spans(1)).await.expect("taken");
        let events = events.take();
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|event| event.target == "spindle_exporters::debug"));
        assert!(events[1].message.contains("llm_request"), "{}", events[1].message);
    }
}

/// Without the agent's log the same goes to files, as the Collector's own logger writes it.
#[tokio::test]
async fn output_paths_take_the_place_of_the_log() {
    let (events, _guard) = Events::record();
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let yaml = format!(
        "{{verbosity: normal, use_internal_logger: false, output_paths: [{}, \"file://{}\"]}}",
        one.display(),
        two.display()
    );
    let exporter = exporter(&yaml);
    for batch in requests::all() {
        exporter.export(&batch).await.expect("taken");
    }
    let text = std::fs::read_to_string(&one).expect("written");
    let start = "Traces\t{\"resource spans\": 1, \"spans\": 2}\nResourceTraces #0 [https://schema/1] service.name=sglang\n";
    assert!(text.starts_with(start), "{text}");
    for line in [
        "\n\nMetrics\t{\"resource metrics\": 1, \"metrics\": 7, \"data points\": 6}\n",
        "\n\nLogs\t{\"resource logs\": 1, \"log records\": 2}\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    assert_eq!(std::fs::read_to_string(&two).expect("written"), text);
    assert!(events.take().is_empty());
}

/// An output that cannot be written loses the text and not the data.
#[tokio::test]
async fn a_full_output_refuses_no_data() {
    let (events, _guard) = Events::record();
    let exporter = exporter("{use_internal_logger: false, output_paths: [/dev/full]}");
    exporter.export(&spans(1)).await.expect("taken all the same");
    let events = events.take();
    assert_eq!(events[0].message, "cannot write the debug output");
    assert_eq!(events[0].target, "spindle_exporters", "the log thins it as any warning");
}

/// A batch that is beyond the sample is passed over whole; each signal has its own count, each second anew.
#[tokio::test(start_paused = true)]
async fn batches_are_sampled_by_second_and_signal() {
    let (events, _guard) = Events::record();
    for (keys, expected) in [
        ("{}", 10),
        ("{sampling_initial: 3, sampling_thereafter: 0}", 3),
        ("{sampling_initial: 2, sampling_thereafter: 4}", 4),
        ("{sampling_initial: 0, sampling_thereafter: 5}", 2),
    ] {
        let exporter = exporter(keys);
        for _second in 0..2 {
            for _ in 0..10 {
                exporter.export(&spans(1)).await.expect("taken");
            }
            assert_eq!(events.take().len(), expected, "{keys}");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
}

/// Whatever a request holds, every record of it is shown, at every verbosity.
#[test]
fn every_record_is_shown() {
    for signal in Signal::ALL {
        for seed in 0..200 {
            let request = arbitrary::request(signal, seed, Options::default());
            let batch = Batch::receive(signal, request).expect("well formed");
            let detailed = render(Verbosity::Detailed, signal, &batch.bytes()).expect("a text");
            let titles: &[&str] = match signal {
                Signal::Traces => &["Span #"],
                Signal::Metrics => &[
                    "NumberDataPoints #",
                    "HistogramDataPoints #",
                    "ExponentialHistogramDataPoints #",
                    "SummaryDataPoints #",
                ],
                Signal::Logs => &["LogRecord #"],
            };
            let shown =
                detailed.lines().filter(|line| titles.iter().any(|title| line.starts_with(title))).count();
            assert_eq!(shown, batch.items(), "{signal}, seed {seed}");
            let normal = render(Verbosity::Normal, signal, &batch.bytes()).expect("a text");
            let shown = normal
                .lines()
                .filter(|line| !line.starts_with("Resource") && !line.starts_with("Scope"))
                .count();
            assert_eq!(shown, batch.items(), "{signal}, seed {seed}: {normal}");
        }
    }
}

/// A request whose text is much larger than itself ends at the bound and says so.
#[test]
fn texts_are_bounded() {
    let mut text = Text::with_limit(1000);
    for number in 0..1000 {
        text.line(format_args!("line {number}"));
    }
    let text = text.finish();
    assert!(text.len() < 1100, "{}", text.len());
    assert!(text.ends_with("... the rest is not shown\n"));
    let request = requests::many_buckets(1_000_000);
    let text = render(Verbosity::Detailed, Signal::Metrics, &request.bytes()).expect("a text");
    assert!(text.lines().count() < 11_000, "{}", text.lines().count());
}

/// A terminal shows what is there, and is not told what to do.
#[test]
fn control_characters_are_escaped() {
    let mut text = Text::new();
    text.line(format_args!("a\tb\x1b[2J\x07{}\u{9b}", "two\nlines"));
    assert_eq!(text.finish(), "a\tb\\u001b[2J\\u0007two\nlines\\u009b\n");
}

/// Numbers, ids and times read as Go prints them.
#[test]
fn values_read_as_go_prints_them() {
    for (value, fixed, shortest) in [
        (0.0, "0.000000", "0"),
        (-0.5, "-0.500000", "-0.5"),
        (123.456, "123.456000", "123.456"),
        (78.901_234_567, "78.901235", "78.901234567"),
        (999_999.0, "999999.000000", "999999"),
        (1e6, "1000000.000000", "1e+06"),
        (1_234_567.0, "1234567.000000", "1.234567e+06"),
        (1e-4, "0.000100", "0.0001"),
        (1.5e-5, "0.000015", "1.5e-05"),
        (1e20, "100000000000000000000.000000", "1e+20"),
        (f64::NAN, "NaN", "NaN"),
        (f64::INFINITY, "+Inf", "+Inf"),
        (f64::NEG_INFINITY, "-Inf", "-Inf"),
    ] {
        assert_eq!(
            (Fixed(value).to_string().as_str(), Shortest(value).to_string().as_str()),
            (fixed, shortest)
        );
    }
    for (nanoseconds, text) in [
        (0, "1970-01-01 00:00:00 +0000 UTC"),
        (1_581_452_772_000_000_321, "2020-02-11 20:26:12.000000321 +0000 UTC"),
        (1_581_452_772_500_000_000, "2020-02-11 20:26:12.5 +0000 UTC"),
        (u64::MAX, "1969-12-31 23:59:59.999999999 +0000 UTC"),
        (1 << 63, "1677-09-21 00:12:43.145224192 +0000 UTC"),
    ] {
        assert_eq!(Time(nanoseconds).to_string(), text);
    }
    assert_eq!(Id(&[1, 0xab]).to_string(), "01ab");
    assert_eq!(Id(&[0; 16]).to_string(), "");
    assert_eq!(Id(&[]).to_string(), "");
}

/// The texts are those of the Collector, which users search for.
#[test]
fn says_what_cannot_be() {
    let cases = [
        ("{verbosity: none}", "verbosity: verbosity level \"none\" is not supported"),
        (
            "{output_paths: [stderr]}",
            "output_paths: output_paths is not supported when use_internal_logger is true",
        ),
        (
            "{use_internal_logger: false, output_paths: []}",
            "output_paths: output_paths must not be empty when use_internal_logger is false",
        ),
        (
            "{use_internal_logger: false, output_paths: [stdout, \"\"]}",
            "output_paths: output_paths cannot contain empty values",
        ),
        (
            "{sending_queue: {num_consumers: 0}}",
            "sending_queue::num_consumers: `num_consumers` must be positive",
        ),
    ];
    for (yaml, problem) in cases {
        assert_eq!(config_with_problems::<Debug>(yaml).1, [problem], "{yaml}");
    }
    for fine in ["{verbosity: Detailed}", "{sending_queue: }", "{use_internal_logger: false}"] {
        assert!(config_with_problems::<Debug>(fine).1.is_empty(), "{fine}");
    }
    let yaml = "{use_internal_logger: false, output_paths: [/no/such/folder/out]}";
    let error = Debug::build(config::<Debug>(yaml), &context("debug")).err().expect("fails");
    assert_eq!(error.key, "output_paths");
    assert!(error.message.starts_with("cannot open /no/such/folder/out: "), "{}", error.message);
}

/// There is a queue only where it is written.
#[test]
fn the_queue_is_off_unless_it_is_written() {
    assert_eq!(Debug::settings(&config::<Debug>("{}")).queue, None);
    assert!(Debug::settings(&config::<Debug>("{sending_queue: {queue_size: 5}}")).queue.is_some());
    assert_eq!(Debug::settings(&config::<Debug>("{sending_queue: {enabled: false}}")).queue, None);
}
