//! A receiver's parts on a fake library, read by hand, with what it logs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fake_nvml::Fake;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AttributeValue;
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, metric, number_data_point};
use prost::Message;
use spindle_pipeline::Batch;
use spindle_pipeline::testing::config;
use tempfile::TempDir;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

use super::super::{Backoff, Config, Nvml, Source, SourceSettings, publisher};
use crate::gpu::publish::Publisher;
use crate::support::scrape::Source as _;

/// When the machine of the tests was started.
pub const BOOT: u64 = 1_000;

/// Tries again at the next reading.
pub const AT_ONCE: Backoff = Backoff { first: Duration::ZERO, longest: Duration::ZERO };

pub struct Rig {
    pub fake: Fake,
    pub source: Source,
    publisher: Publisher,
    log: Log,
    now: u64,
    _folder: TempDir,
}

impl Rig {
    /// A receiver with the default configuration on a machine that plays `script`.
    /// With every metric on.
    pub fn playing(script: &str) -> Self {
        Self::configured("{metrics: {hw.gpu.io: {enabled: true}}}", script)
    }

    pub fn configured(yaml: &str, script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fake = Fake::install(folder.path(), script).expect("the fake library is built");
        Self::new(&config::<Nvml>(yaml), fake, folder, AT_ONCE)
    }

    /// On a machine without the library; `fake` can put it there.
    pub fn without_library(backoff: Backoff) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fake = Fake::announce(folder.path());
        Self::new(&Config::default(), fake, folder, backoff)
    }

    fn new(config: &Config, fake: Fake, folder: TempDir, backoff: Backoff) -> Self {
        let publisher = publisher(config, BOOT);
        let source = Source::new(SourceSettings {
            id: "nvml".into(),
            library: Some(fake.library().into()),
            fields: publisher.fields(),
            selection: config.selection(),
            backoff,
        });
        Self { fake, source, publisher, log: Log::default(), now: BOOT, _folder: folder }
    }

    /// A reading; each is a second after the one before.
    pub fn read(&mut self) -> Page {
        let subscriber = Registry::default().with(self.log.clone());
        let reading = tracing::subscriber::with_default(subscriber, || self.source.read());
        self.now += 1_000_000_000;
        let published = self.publisher.publish(&reading, self.now);
        Page { points: published.batch.as_ref().map(points).unwrap_or_default(), errors: published.errors }
    }

    /// What was logged since the last question.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What came of a reading.
#[derive(Debug, PartialEq)]
pub struct Page {
    pub points: Vec<Point>,
    pub errors: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub name: String,
    pub unit: String,
    pub kind: &'static str,
    pub attributes: BTreeMap<String, String>,
    pub value: f64,
    pub is_whole: bool,
    pub since: u64,
    pub time: u64,
}

/// The attributes that say which GPU it is.
const IDENTITY: [&str; 8] = [
    "hw.id",
    "hw.name",
    "hw.parent",
    "hw.type",
    "hw.vendor",
    "hw.model",
    "hw.serial_number",
    "hw.driver_version",
];

impl Point {
    /// Name and the attributes that do not say which GPU it is.
    pub fn series(&self) -> String {
        let own = self.attributes.iter().filter(|(key, _)| !IDENTITY.contains(&key.as_str()));
        own.fold(self.name.clone(), |mut text, (_, value)| {
            let _ = write!(text, "/{value}");
            text
        })
    }

    pub fn gpu(&self) -> &str {
        self.attributes.get("hw.name").map_or("", String::as_str)
    }
}

impl Page {
    /// The value of a series of a GPU, `gpu0`.
    pub fn value(&self, gpu: &str, series: &str) -> Option<f64> {
        self.points
            .iter()
            .find(|point| point.gpu() == gpu && point.series() == series)
            .map(|point| point.value)
    }

    /// The series of a GPU, in their order.
    pub fn series(&self, gpu: &str) -> Vec<String> {
        self.points.iter().filter(|point| point.gpu() == gpu).map(Point::series).collect()
    }

    /// The GPUs, each once.
    pub fn gpus(&self) -> Vec<&str> {
        let mut gpus: Vec<&str> = self.points.iter().map(Point::gpu).collect();
        gpus.sort_unstable();
        gpus.dedup();
        gpus
    }
}

pub fn points(batch: &Batch) -> Vec<Point> {
    let request = ExportMetricsServiceRequest::decode(batch.bytes()).expect("well formed");
    let mut points = Vec::new();
    for metric in request
        .resource_metrics
        .iter()
        .flat_map(|group| &group.scope_metrics)
        .flat_map(|scope| &scope.metrics)
    {
        let (kind, numbers) = match metric.data.as_ref().expect("has data") {
            metric::Data::Gauge(gauge) => ("gauge", &gauge.data_points),
            metric::Data::Sum(sum) => {
                assert_eq!(sum.aggregation_temporality, 2, "cumulative");
                (if sum.is_monotonic { "counter" } else { "up-down counter" }, &sum.data_points)
            }
            other => panic!("{other:?}"),
        };
        points.extend(numbers.iter().map(|number| {
            let (value, is_whole) = match number.value.expect("has a value") {
                number_data_point::Value::AsDouble(value) => (value, false),
                number_data_point::Value::AsInt(value) => (value as f64, true),
            };
            let (name, unit) = (metric.name.clone(), metric.unit.clone());
            let (since, time) = (number.start_time_unix_nano, number.time_unix_nano);
            Point { name, unit, kind, attributes: attributes(number), value, is_whole, since, time }
        }));
    }
    assert_eq!(points.len(), batch.items(), "the batch says how many points it has");
    points
}

fn attributes(point: &NumberDataPoint) -> BTreeMap<String, String> {
    let texts = point.attributes.iter().map(|attribute| {
        let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
        let Some(AttributeValue::StringValue(text)) = value else { panic!("{attribute:?}") };
        (attribute.key.clone(), text.clone())
    });
    let map: BTreeMap<String, String> = texts.collect();
    assert_eq!(map.len(), point.attributes.len(), "no key twice");
    map
}

/// Keeps log lines as `LEVEL message key=value`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let mut line = Line(String::new(), String::new());
        event.record(&mut line);
        let text = format!("{} {}{}", event.metadata().level(), line.0, line.1);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

struct Line(String, String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            "receiver" => Ok(()),
            name => write!(self.1, " {name}={value:?}"),
        };
    }
}
