//! A reading and a table of names make a batch.

use std::sync::Arc;

use spindle_pipeline::component::BUILD;
use spindle_pipeline::otlp::attributes::NewValue;
use spindle_pipeline::otlp::build::{MetricsBuilder, PointAttribute, PointValue, SharedAttributes};

use super::names::{Metric, Point, Profile, Value};
use super::reading::{Field, FieldSet, GpuReading, Identity, Reading, Values};
use crate::support::scrape::Published;

/// Makes batches of readings. What is the same in every batch is kept in its encoded form.
pub struct Publisher {
    profile: &'static Profile,
    metrics: Vec<&'static Metric>,
    scope: &'static str,
    boot: u64,
    builder: MetricsBuilder,
    /// Every GPU that was ever seen.
    gpus: Vec<Known>,
    /// Where the GPUs of the present reading stand in `gpus`.
    places: Vec<usize>,
}

/// What is known of a GPU from one reading to the next.
struct Known {
    identity: Arc<Identity>,
    /// The attributes of its points, in the order in which points go out.
    attributes: Vec<SharedAttributes>,
    /// Since when its counters count, in nanoseconds since 1970.
    since: [u64; Field::COUNT],
    /// The counters as they stood last.
    counters: Values,
    seen: u64,
}

impl Publisher {
    /// Publishes the metrics of `profile` that are enabled, as those of `scope`. Counters count since
    /// `boot`, in nanoseconds since 1970, until one goes back.
    pub fn new(
        profile: &'static Profile,
        scope: &'static str,
        boot: u64,
        is_enabled: impl Fn(&Metric) -> bool,
    ) -> Self {
        let metrics = profile.metrics.iter().filter(|metric| is_enabled(metric)).collect();
        let builder = MetricsBuilder::default();
        Self { profile, metrics, scope, boot, builder, gpus: Vec::new(), places: Vec::new() }
    }

    /// The fields that the enabled metrics are made of.
    pub fn fields(&self) -> FieldSet {
        let points = self.metrics.iter().flat_map(|metric| metric.points);
        points.fold(FieldSet::EMPTY, |fields, point| fields.union(point.value.fields()))
    }

    /// The batch of a reading that was made at `now`, in nanoseconds since 1970.
    pub fn publish(&mut self, reading: &Reading, now: u64) -> Published {
        self.places.clear();
        for gpu in &reading.gpus {
            let place = self.place(&gpu.identity);
            self.gpus[place].update(&gpu.values, now);
            self.places.push(place);
        }
        self.builder.begin(self.boot, now);
        self.builder.resource(&[], self.scope, BUILD.version);
        let mut first = 0;
        for metric in &self.metrics {
            for (gpu, place) in reading.gpus.iter().zip(&self.places) {
                put_points(&mut self.builder, metric, gpu, &self.gpus[*place], first);
            }
            first += metric.points.len();
        }
        Published { batch: self.builder.finish(), errors: reading.errors }
    }

    /// Where a GPU stands, with its attributes up to date.
    fn place(&mut self, identity: &Arc<Identity>) -> usize {
        if let Some(place) = self.gpus.iter().position(|known| Arc::ptr_eq(&known.identity, identity)) {
            return place;
        }
        let attributes = encode(self.profile, &self.metrics, identity);
        let same = self.gpus.iter_mut().enumerate().find(|(_, known)| known.identity.is_same_gpu(identity));
        if let Some((place, known)) = same {
            known.identity = Arc::clone(identity);
            known.attributes = attributes;
            return place;
        }
        self.gpus.push(Known {
            identity: Arc::clone(identity),
            attributes,
            since: [self.boot; Field::COUNT],
            counters: Values::default(),
            seen: self.boot,
        });
        self.gpus.len() - 1
    }
}

impl Known {
    /// A counter that stands lower than it did began anew some time after the last reading.
    fn update(&mut self, values: &Values, now: u64) {
        for field in Field::COUNTERS {
            let Some(count) = values.get(field) else { continue };
            if self.counters.get(field).is_some_and(|before| count < before) {
                self.since[field as usize] = self.seen;
            }
            self.counters.set(field, count);
        }
        if !values.is_empty() {
            self.seen = now;
        }
    }

    fn since(&self, value: Value) -> u64 {
        match value {
            Value::Plain(field) | Value::Times(field, _) | Value::Per(field, _) => self.since[field as usize],
            // No counters.
            Value::Ratio(..) | Value::Is(_) => self.since[0],
        }
    }
}

fn encode(profile: &Profile, metrics: &[&Metric], identity: &Identity) -> Vec<SharedAttributes> {
    let points = metrics.iter().flat_map(|metric| metric.points);
    points.map(|point| encode_point(profile, point, identity)).collect()
}

fn encode_point(profile: &Profile, point: &Point, identity: &Identity) -> SharedAttributes {
    let identifiers = profile.identity.iter();
    let texts: Vec<(&str, String)> = identifiers
        .filter_map(|(key, identifier)| Some((*key, identifier.text(identity, point.sensor)?)))
        .collect();
    let common = texts.iter().map(|(key, text)| (*key, NewValue::String(text)));
    let own = point.attributes.iter().map(|(key, text)| (*key, NewValue::String(text)));
    SharedAttributes::new(&common.chain(own).collect::<Vec<PointAttribute<'_>>>())
}

/// Adds a GPU's points of a metric; `first` is the place of the metric's first point among all.
fn put_points(builder: &mut MetricsBuilder, metric: &Metric, gpu: &GpuReading, known: &Known, first: usize) {
    for (point, attributes) in metric.points.iter().zip(known.attributes.iter().skip(first)) {
        if let Some(number) = number(point.value, gpu) {
            builder.count_since(known.since(point.value));
            builder.shared_point(&metric.info, number, attributes, &[]);
        }
    }
}

fn number(value: Value, gpu: &GpuReading) -> Option<PointValue> {
    let raw = |field| gpu.values.get(field);
    Some(match value {
        Value::Plain(field) => raw(field)?.into(),
        Value::Times(field, factor) => raw(field)?.saturating_mul(factor).into(),
        Value::Per(field, divisor) => (raw(field)? as f64 / divisor).into(),
        Value::Ratio(part, whole) => {
            (raw(part)? as f64 / raw(whole).filter(|whole| *whole > 0)? as f64).into()
        }
        Value::Is(health) => i64::from(gpu.health == health).into(),
    })
}
