//! Hosts made of files, and batches as text, for the tests of this folder.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value as AttributeValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint};
use spindle_pipeline::otlp::walk;
use spindle_pipeline::testing::config;
use spindle_pipeline::{Batch, Decoded, Signal};
use tempfile::TempDir;

use super::HostMetrics;
use super::names::Publisher;
use super::reading::UsageReading;
use super::source::{Ask, HostSource, Spare};
use crate::support::scrape::Source;

/// Every scraper, with what it does by itself.
pub const DEFAULTS: &str =
    "{cpu: , disk: , filesystem: , load: , memory: , network: , paging: , processes: , system: }";

/// A host's root directory that a test may change: a copy of one below `testdata`.
pub struct Host(TempDir);

impl Host {
    /// A copy of `testdata/<name>`.
    pub fn copy_of(name: &str) -> Self {
        let host = Self(tempfile::tempdir().expect("a directory"));
        copy(&testdata().join(name), host.path());
        host
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The text of a file.
    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path().join(file)).expect("a file")
    }

    /// Puts other text into a file, which stays the same file, as the kernel's do.
    pub fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    /// Replaces a part of a file, which must be there.
    pub fn replace(&self, file: &str, part: &str, by: &str) {
        let text = self.read(file);
        assert!(text.contains(part), "{part} is not in {file}");
        self.write(file, text.replace(part, by));
    }

    /// Takes a file away.
    pub fn remove(&self, file: &str) {
        std::fs::remove_file(self.path().join(file)).expect("removed");
    }

    /// A scraper of this host, with a YAML mapping of scrapers, whose mounts answer as [`usage`] says.
    pub fn scraper(&self, scrapers: &str) -> Scraper {
        self.scraper_asking(scrapers, Arc::new(usage), Duration::from_secs(10))
    }

    /// A scraper of this host whose mounts are asked by `ask` and may take `limit` each.
    pub fn scraper_asking(&self, scrapers: &str, ask: Ask, limit: Duration) -> Scraper {
        let yaml = format!("{{root_path: '{}', scrapers: {scrapers}}}", self.path().display());
        let config = config::<HostMetrics>(&yaml);
        let plan = config.plan();
        let mut settings = config.source("host_metrics", &plan).expect("filters that can be");
        settings.ask = ask;
        settings.mount_limit = limit;
        let (source, spare) = HostSource::new(&settings);
        Scraper { source, spare, publisher: Publisher::new(plan, config.options(), "1.2.3"), errors: 0 }
    }
}

/// Reads and publishes, without a clock or a pipeline.
pub struct Scraper {
    source: HostSource,
    spare: Spare,
    publisher: Publisher,
    /// What went wrong in the last reading.
    pub errors: usize,
}

impl Scraper {
    /// The batch of one reading, proven to be what a receiver of it would accept.
    pub fn batch(&mut self) -> Option<Batch> {
        let reading = self.source.read();
        self.errors = reading.errors;
        let batch = self.publisher.publish(&reading);
        self.spare.put(reading);
        if let Some(batch) = &batch {
            let walked = walk(Signal::Metrics, &batch.bytes()).expect("well formed");
            assert!(walked.is_canonical, "not canonical");
            assert_eq!(walked.items, batch.items());
        }
        batch
    }

    /// One reading as text; see [`render`].
    pub fn text(&mut self) -> String {
        self.batch().map_or_else(String::new, |batch| render(&batch))
    }

    /// The points of one metric in one reading, each as a line `{attributes} value`.
    pub fn points(&mut self, metric: &str) -> Vec<String> {
        points_of(&self.text(), metric)
    }
}

/// The points of one metric in a text of [`render`].
pub fn points_of(text: &str, metric: &str) -> Vec<String> {
    let heading = format!("  {metric} ");
    let lines = text.lines().skip_while(|line| !line.starts_with(&heading)).skip(1);
    lines.take_while(|line| line.starts_with("    ")).map(|line| line.trim().to_owned()).collect()
}

/// The names of the metrics in a text of [`render`].
pub fn metrics_of(text: &str) -> Vec<&str> {
    let headings = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("    "));
    headings.filter_map(|line| line.split_whitespace().next()).collect()
}

/// A batch as text: scopes, their metrics with unit, kind and type of value, their points. The times of
/// points are checked, not shown.
pub fn render(batch: &Batch) -> String {
    let decoded = batch.decoded();
    let Decoded::Metrics(request) = &*decoded else { panic!("metrics") };
    let mut text = String::new();
    for group in &request.resource_metrics {
        assert!(group.resource.as_ref().expect("a resource").attributes.is_empty());
        for scoped in &group.scope_metrics {
            let scope = scoped.scope.as_ref().expect("a scope");
            let _ = writeln!(text, "{} {}", scope.name, scope.version);
            for metric in &scoped.metrics {
                render_metric(&mut text, metric);
            }
        }
    }
    text
}

fn render_metric(text: &mut String, metric: &Metric) {
    assert!(!metric.description.is_empty(), "{} has no description", metric.name);
    let (kind, points) = match metric.data.as_ref().expect("data") {
        Data::Gauge(gauge) => ("gauge", &gauge.data_points),
        Data::Sum(sum) => {
            assert_eq!(sum.aggregation_temporality, 2, "{} is not cumulative", metric.name);
            (if sum.is_monotonic { "counter" } else { "up-down counter" }, &sum.data_points)
        }
        other => panic!("{other:?}"),
    };
    let value = match points[0].value.expect("a value") {
        Value::AsInt(_) => "int",
        Value::AsDouble(_) => "double",
    };
    let _ = writeln!(text, "  {} [{}] {kind}, {value}", metric.name, metric.unit);
    for point in points {
        let start = if kind == "gauge" { 0 } else { 1_790_000_000_000_000_000 };
        assert_eq!(point.start_time_unix_nano, start, "{} starts at another time", metric.name);
        assert!(point.time_unix_nano > start, "{} has no time", metric.name);
        render_point(text, point);
    }
}

fn render_point(text: &mut String, point: &NumberDataPoint) {
    let attributes: Vec<String> = point
        .attributes
        .iter()
        .map(|attribute| {
            let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
            let Some(AttributeValue::StringValue(value)) = value else { panic!("{value:?}") };
            format!("{}={value}", attribute.key)
        })
        .collect();
    let value = match point.value.expect("a value") {
        Value::AsInt(value) => value.to_string(),
        Value::AsDouble(value) => value.to_string(),
    };
    let _ = writeln!(text, "    {{{}}} {value}", attributes.join(", "));
}

/// What the log hears on this thread while `work` runs: levels and fields.
///
/// The log is that of the whole process, because tracing remembers for good that nobody listens when a
/// line is first reached on a thread without a log of its own.
pub fn log_of(work: impl FnOnce()) -> Vec<String> {
    static LOG: Once = Once::new();
    LOG.call_once(|| tracing::subscriber::set_global_default(ThreadLog).expect("the only log"));
    LINES.take();
    work();
    LINES.take()
}

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct ThreadLog;

impl tracing::Subscriber for ThreadLog {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = event.metadata().level().to_string();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            let _ = write!(line, " {field}={value:?}");
        });
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
    fn enter(&self, _: &tracing::Id) {}
    fn exit(&self, _: &tracing::Id) {}
}

/// Compares with `testdata/<name>`. With `UPDATE_GOLDENS` in the environment the file is written instead,
/// to be read before it is committed.
pub fn assert_golden(name: &str, text: &str) {
    let path = testdata().join(name);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, text).expect("written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{name} differs. Expected:\n{golden}\nFound:\n{text}");
}

/// A file system of 1,000 blocks of 4 KiB, 600 of them free, 50 of those for root only, with 100 inodes,
/// 90 of them free.
#[allow(clippy::unnecessary_wraps)]
pub fn usage(_: &[u8]) -> io::Result<UsageReading> {
    Ok(UsageReading {
        block_size: 4096,
        blocks: 1000,
        free: 600,
        available: 550,
        inodes: 100,
        free_inodes: 90,
    })
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host_metrics/testdata")
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("copied");
        }
    }
}
