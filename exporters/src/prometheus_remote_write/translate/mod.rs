//! OTLP metrics to the series of a [`Table`], by Prometheus' rules, straight from the wire.
//!
//! What it guarantees:
//!
//! * Each data point either has all its samples in the table or is counted in [`Drops`] with a reason; a
//!   bad point never takes others with it.
//! * The same input gives the same samples however it is cut into batches. What has to be remembered from
//!   one batch to the next is bounded: running totals of delta points ([`crate::prometheus_remote_write::totals`])
//!   and the last time of each `target_info`.
//! * The table stays within [`MOST_BYTES`], whatever the input: [`Translator::translate`] stops between two
//!   points when it is full, and goes on there when it is called again.

mod exemplar;
mod exponential;
mod histogram;
mod number;
mod resource;
mod scratch;
mod settings;
mod summary;
mod target;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use hashbrown::HashSet;
use spindle_pipeline::otlp::attributes::to_text;
use spindle_pipeline::otlp::view::{Part, data_points, metric_data, records, resource_groups, scope_groups};
use spindle_pipeline::run::Runs;

use super::drops::{Drops, Reason};
use super::naming::{MetricKind, unit_name};
use super::request::{Cursor, Limits, Metadata, WriteRequest};
use super::table::{Attribute, Context, Hashes, Name, PointLabels, Table};
use super::totals::{Interval, Totals};
use resource::{ResourceContext, ScopeContext};
use scratch::Scratch;
pub use settings::{Pattern, Promote, Settings};
use target::{TargetTimes, Targets};

/// About what a table holds at most, in bytes. A batch of the usual size needs a tenth of it.
const MOST_BYTES: usize = 32 << 20;

/// The longest labels of a series, in bytes. Prometheus takes more than any person can read; this keeps a
/// peer from having its longest attribute copied for each of its points.
const MOST_LABEL_BYTES: usize = 64 << 10;

/// The most buckets of a histogram and quantiles of a summary. Each becomes a series, which takes more than
/// it took on the wire.
const MOST_PARTS: usize = 10_000;

/// The value that says that a series has ended; a NaN of its own.
const STALE: u64 = 0x7ff0_0000_0000_0002;
/// `DataPointFlags.NO_RECORDED_VALUE_MASK`.
const NO_RECORDED_VALUE: u64 = 1;

/// Fields of `Metric`.
mod metric_field {
    pub(super) const NAME: u32 = 1;
    pub(super) const DESCRIPTION: u32 = 2;
    pub(super) const UNIT: u32 = 3;
    pub(super) const METADATA: u32 = 12;
}

/// Which of its five kinds the data of a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    Gauge,
    Sum { is_monotonic: bool },
    Histogram,
    Exponential,
    Summary,
}

impl Data {
    /// What the data of a metric is, and its temporality. One pass, for there may be many points.
    fn of(data: Part<'_>) -> (Self, u64) {
        let (mut temporality, mut is_monotonic) = (0, false);
        for field in data.fields() {
            match field.number {
                2 => temporality = field.value.number(),
                3 => is_monotonic = field.value.number() != 0,
                _ => {}
            }
        }
        let kind = match data.number {
            5 => Self::Gauge,
            7 => Self::Sum { is_monotonic },
            9 => Self::Histogram,
            10 => Self::Exponential,
            _ => Self::Summary,
        };
        (kind, if kind.has_temporality() { temporality } else { CUMULATIVE })
    }

    fn naming(self) -> MetricKind {
        match self {
            Self::Gauge => MetricKind::Gauge,
            Self::Sum { is_monotonic: true } => MetricKind::Counter,
            _ => MetricKind::Other,
        }
    }

    fn has_temporality(self) -> bool {
        matches!(self, Self::Sum { .. } | Self::Histogram | Self::Exponential)
    }
}

/// `AggregationTemporality`.
const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;

/// What the points of a metric have in common.
struct Metric {
    data: Data,
    is_delta: bool,
    /// What a delta metric is known by, from the resource to the unit.
    identity: u128,
    plain: Name,
    sum: Name,
    count: Name,
    bucket: Name,
}

/// Turns batches into series. Keeps its buffers, and what must be known from earlier batches.
pub struct Translator {
    settings: Settings,
    runs: Runs,
    hashes: Hashes,
    /// Whom the batch is from.
    origin: [u64; 2],
    totals: Totals,
    target_times: TargetTimes,
    /// The series of the batch, or of a part of it.
    pub(super) table: Table,
    /// The points of the batch that have no samples.
    pub(super) drops: Drops,
    /// The metric families of the batch, if they are wanted.
    pub(super) metadata: Vec<Metadata>,
    families: HashSet<String, foldhash::fast::RandomState>,
}

impl Translator {
    /// A translator that has seen nothing yet.
    pub fn new(settings: Settings, runs: Runs) -> Self {
        Self {
            settings,
            runs,
            hashes: Hashes::default(),
            origin: [0; 2],
            totals: Totals::default(),
            target_times: TargetTimes::default(),
            table: Table::default(),
            drops: Drops::default(),
            metadata: Vec::new(),
            families: HashSet::default(),
        }
    }

    /// Forgets the batch before. `origin` says whom the next one is from: what different origins send goes to
    /// different places and is never added up.
    pub fn begin(&mut self, origin: &[u8]) {
        self.origin = self.hashes.of(origin);
        self.drops.clear();
        self.metadata.clear();
        self.families.clear();
    }

    /// Translates the points of a request from position `from` on into the table, which is emptied first.
    /// Returns where to go on when the table was full before the end. `request` is canonical.
    pub fn translate(&mut self, request: &[u8], from: usize) -> Option<usize> {
        self.table.clear();
        let mut walk = Walk::new(self, from);
        let outcome = walk.request(request);
        let next = walk.next;
        walk.target_info();
        self.table.finish();
        for point in self.table.replaced_points() {
            self.drops.replaced.insert(point);
        }
        outcome.is_break().then_some(next)
    }

    /// Writes the next request of a shard from what was translated last. False when nothing is left.
    pub fn write_request(&self, cursor: &mut Cursor, limits: Limits, request: &mut WriteRequest) -> bool {
        self.table.write_request(cursor, limits, request)
    }

    /// The batch is done: gives back what was needed beyond the usual.
    pub fn release(&mut self) {
        self.table.release();
        self.metadata = Vec::new();
        self.families.clear();
        self.families.shrink_to(0);
    }

    /// The batch was not taken and will be sent again: `target_info` is due again too.
    pub fn forget_target_times(&mut self) {
        self.target_times = TargetTimes::default();
    }
}

/// One way through a request.
struct Walk<'a, 't> {
    to: &'t mut Translator,
    scratch: Scratch<'a>,
    targets: Targets<'a>,
    /// Points before this position were translated earlier.
    from: usize,
    /// The position of the next point.
    next: usize,
}

impl<'a, 't> Walk<'a, 't> {
    fn new(to: &'t mut Translator, from: usize) -> Self {
        Self { to, scratch: Scratch::default(), targets: Targets::default(), from, next: 0 }
    }

    fn request(&mut self, request: &'a [u8]) -> ControlFlow<()> {
        for group in resource_groups(request) {
            let resource = ResourceContext::read(group, self.to, &mut self.scratch);
            for scope in scope_groups(group) {
                let scope_context = resource.with_scope(scope, self.to);
                for metric in records(scope) {
                    self.metric(&resource, &scope_context, metric)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn metric(
        &mut self,
        resource: &ResourceContext<'a>,
        scope: &ScopeContext,
        part: Part<'a>,
    ) -> ControlFlow<()> {
        let Some(data) = metric_data(part) else { return ControlFlow::Continue(()) };
        if self.next < self.from {
            let end = self.next + data_points(data).count();
            if end <= self.from {
                self.next = end;
                return ControlFlow::Continue(());
            }
        }
        let metric = self.describe(scope, part, data);
        for point in data_points(data) {
            let has_begun = self.next > self.from;
            if has_begun && self.to.table.size() >= MOST_BYTES {
                return ControlFlow::Break(());
            }
            let index = self.next;
            self.next += 1;
            if index < self.from {
                continue;
            }
            let outcome = match (&metric, &scope.labels) {
                (Ok(metric), Some(labels)) => self.point(metric, resource, labels, point, index as u32),
                (Ok(_), None) => Err(Reason::LabelsTooLong),
                (Err(reason), _) => Err(*reason),
            };
            if let Err(reason) = outcome {
                self.to.drops.count(reason);
            }
        }
        ControlFlow::Continue(())
    }

    /// What all points of a metric need; a reason when none of them can be translated.
    fn describe(&mut self, scope: &ScopeContext, part: Part<'a>, data: Part<'a>) -> Result<Metric, Reason> {
        let (kind, temporality) = Data::of(data);
        if !matches!(temporality, DELTA | CUMULATIVE) {
            return Err(Reason::InvalidTemporality);
        }
        let unit = part.text(metric_field::UNIT);
        let name = self.to.settings.namer.name(part.text(metric_field::NAME), unit, kind.naming());
        let name = name.ok_or(Reason::InvalidName)?;
        let is_delta = temporality == DELTA;
        let identity = if is_delta { self.identity(scope, part, data.number) } else { 0 };
        if self.to.settings.metadata && !self.to.families.contains(name.as_str()) {
            self.to.metadata.push(describe_family(part, kind, &name, unit));
            self.to.families.insert(name.clone());
        }
        let table = &mut self.to.table;
        let plain = table.name(&name, "");
        let has_parts = matches!(kind, Data::Histogram | Data::Summary);
        let mut named = |suffix: &str| if has_parts { table.name(&name, suffix) } else { plain };
        let (sum, count, bucket) = (named("_sum"), named("_count"), named("_bucket"));
        Ok(Metric { data: kind, is_delta, identity, plain, sum, count, bucket })
    }

    fn identity(&self, scope: &ScopeContext, metric: Part<'a>, data: u32) -> u128 {
        let hashes = &self.to.hashes;
        let [origin, resource, scope] = scope.identity;
        let name = hashes.of(metric.text(metric_field::NAME).as_bytes());
        let unit = hashes.of(metric.text(metric_field::UNIT).as_bytes());
        hashes.combined([origin, resource, scope, name, unit, hashes.of(&data.to_le_bytes())])
    }

    fn point(
        &mut self,
        metric: &Metric,
        resource: &ResourceContext<'a>,
        context: &Context,
        point: Part<'a>,
        index: u32,
    ) -> Result<(), Reason> {
        self.scratch.begin_point();
        let time = match metric.data {
            Data::Gauge | Data::Sum { .. } => self.number(metric, context, point, index),
            Data::Histogram => self.histogram(metric, context, point, index),
            Data::Exponential => self.exponential(metric, context, point, index),
            Data::Summary => self.summary(metric, context, point, index),
        }?;
        self.targets.note(resource, time);
        Ok(())
    }

    /// A point's time in milliseconds. A point without one belongs nowhere.
    fn time(nanoseconds: u64) -> Result<i64, Reason> {
        if nanoseconds == 0 { Err(Reason::NoTimestamp) } else { Ok((nanoseconds / 1_000_000) as i64) }
    }

    /// Whether the attributes in the scratch can be labels; brings them into order.
    fn check_labels(&mut self, context: &Context) -> Result<(), Reason> {
        if self.scratch.has_invalid_label {
            return Err(Reason::InvalidLabel);
        }
        self.scratch.sort_attributes();
        let length: usize = self.scratch.attributes.iter().map(Attribute::length).sum();
        if length + context.length() > MOST_LABEL_BYTES {
            return Err(Reason::LabelsTooLong);
        }
        Ok(())
    }

    /// The labels of the point whose attributes are in the scratch and were checked.
    fn labels(&mut self, context: &Context) -> PointLabels {
        self.to.table.point_labels(context, &self.scratch.attributes, self.scratch.texts())
    }

    /// What a delta point is known by: its metric and its attributes, in whatever order.
    fn point_identity(&self, metric: &Metric) -> u128 {
        let hashes = &self.to.hashes;
        let mut sum = [0u64; 2];
        for attribute in self.scratch.attributes.iter().filter(|attribute| !attribute.is_of_resource) {
            let value = attribute.value(self.scratch.texts());
            let lanes = hashes.of_pair(attribute.key, value);
            sum = [sum[0].wrapping_add(lanes[0]), sum[1].wrapping_add(lanes[1])];
        }
        hashes.combined([[metric.identity as u64, (metric.identity >> 64) as u64], sum])
    }

    /// When a delta point started and ended, and what it said.
    fn interval(&self, start: u64, time: u64, point: Part<'_>) -> Interval {
        Interval { start, time, content: self.to.hashes.of(point.bytes())[0] }
    }
}

/// What the back end may know about a metric family. Scraped metrics say in `prometheus.type` what OTLP
/// has no type for.
fn describe_family(part: Part<'_>, data: Data, name: &str, unit: &str) -> Metadata {
    const UNKNOWN: u64 = 0;
    const COUNTER: u64 = 1;
    const GAUGE: u64 = 2;
    const HISTOGRAM: u64 = 3;
    const SUMMARY: u64 = 5;
    const INFO: u64 = 6;
    const STATESET: u64 = 7;
    let scraped = part.attributes(metric_field::METADATA).get("prometheus.type").map(to_text);
    let kind = match (data, scraped.as_deref()) {
        (Data::Gauge, Some("unknown")) => UNKNOWN,
        (Data::Sum { is_monotonic: true }, _) => COUNTER,
        (Data::Sum { .. }, Some("info")) => INFO,
        (Data::Sum { .. }, Some("stateset")) => STATESET,
        (Data::Gauge | Data::Sum { .. }, _) => GAUGE,
        (Data::Histogram | Data::Exponential, _) => HISTOGRAM,
        (Data::Summary, _) => SUMMARY,
    };
    let help = part.text(metric_field::DESCRIPTION).to_owned();
    Metadata { kind, name: name.to_owned(), help, unit: unit_name(unit) }
}
