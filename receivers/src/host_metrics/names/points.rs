//! [`Points`]: where the rows of a table put their points.

use spindle_pipeline::otlp::attributes::NewValue;
use spindle_pipeline::otlp::build::{MetricsBuilder, PointAttribute, PointValue};

use super::Strategy;
use super::publish::PlannedRow;

/// The most attributes a metric has.
pub const MOST_ATTRIBUTES: usize = 5;

/// What changes how values are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Load averages are divided by the number of CPUs.
    pub load_per_cpu: bool,
}

/// Takes the points of one metric. Attributes that are not wanted are left out, and points that are the
/// same without them become one.
pub struct Points<'a> {
    builder: &'a mut MetricsBuilder,
    planned: &'a PlannedRow,
    options: Options,
    merged: Vec<Merged>,
}

/// Points that became one.
struct Merged {
    attributes: Vec<String>,
    value: PointValue,
    count: u32,
}

impl<'a> Points<'a> {
    pub(super) fn new(builder: &'a mut MetricsBuilder, planned: &'a PlannedRow, options: Options) -> Self {
        Self { builder, planned, options, merged: Vec::new() }
    }

    /// What changes how values are made.
    pub fn options(&self) -> Options {
        self.options
    }

    /// Whether points are merged over this attribute and no other, in the way that is usual for the
    /// metric. A row that knows the merged points itself adds them by [`Self::add_merged`].
    pub fn merges_only(&self, attribute: usize) -> bool {
        self.planned.strategy == self.planned.row.default_strategy()
            && (0..self.planned.row.attributes.len())
                .all(|index| self.planned.keeps(index) == (index != attribute))
    }

    /// Adds a point that is merged already; `attributes` are the values of those that are kept.
    pub fn add_merged<V: Into<PointValue>>(&mut self, value: Option<V>, attributes: &[&str]) {
        if let Some(value) = value {
            self.put(value.into(), attributes);
        }
    }

    /// Adds a point; `attributes` are the values in the order of the row's attributes. A value that is
    /// not available is no point.
    pub fn add<V: Into<PointValue>>(&mut self, value: Option<V>, attributes: &[&str]) {
        let Some(value) = value.map(Into::into) else { return };
        if !self.planned.merges {
            self.put(value, attributes);
            return;
        }
        let kept = || {
            let values = attributes.iter().enumerate();
            values.filter(|(index, _)| self.planned.keeps(*index)).map(|(_, value)| *value)
        };
        let same =
            self.merged.iter_mut().find(|merged| merged.attributes.iter().map(String::as_str).eq(kept()));
        if let Some(merged) = same {
            merged.value = combine(self.planned.strategy, merged.value, value);
            merged.count += 1;
        } else {
            let attributes = kept().map(str::to_owned).collect();
            self.merged.push(Merged { attributes, value, count: 1 });
        }
    }

    /// Writes the points that were held back to be merged.
    pub(super) fn finish(mut self) {
        for merged in std::mem::take(&mut self.merged) {
            let value = match (self.planned.strategy, merged.value) {
                (Strategy::Avg, PointValue::Int(sum)) => PointValue::Int(sum / i64::from(merged.count)),
                (Strategy::Avg, PointValue::Double(sum)) => PointValue::Double(sum / f64::from(merged.count)),
                (_, value) => value,
            };
            let mut values = [""; MOST_ATTRIBUTES];
            for (slot, text) in values.iter_mut().zip(&merged.attributes) {
                *slot = text;
            }
            self.put(value, &values[..merged.attributes.len()]);
        }
    }

    /// Writes a point with the values of the attributes that are kept, in order.
    fn put(&mut self, value: PointValue, attributes: &[&str]) {
        let row = self.planned.row;
        let mut pairs: [PointAttribute<'_>; MOST_ATTRIBUTES] =
            [const { ("", NewValue::String("")) }; MOST_ATTRIBUTES];
        let keys = row.attributes.iter().enumerate().filter(|(index, _)| self.planned.keeps(*index));
        let mut count = 0;
        for ((pair, (_, attribute)), value) in pairs.iter_mut().zip(keys).zip(attributes) {
            *pair = (attribute.key, NewValue::String(value));
            count += 1;
        }
        self.builder.point(&row.metric, value, &pairs[..count]);
    }
}

fn combine(strategy: Strategy, held: PointValue, value: PointValue) -> PointValue {
    match (held, value) {
        (PointValue::Int(held), PointValue::Int(value)) => PointValue::Int(match strategy {
            Strategy::Sum | Strategy::Avg => held.saturating_add(value),
            Strategy::Min => held.min(value),
            Strategy::Max => held.max(value),
        }),
        (held, value) => {
            let (held, value) = (double(held), double(value));
            PointValue::Double(match strategy {
                Strategy::Sum | Strategy::Avg => held + value,
                Strategy::Min => held.min(value),
                Strategy::Max => held.max(value),
            })
        }
    }
}

fn double(value: PointValue) -> f64 {
    match value {
        PointValue::Int(value) => value as f64,
        PointValue::Double(value) => value,
    }
}
