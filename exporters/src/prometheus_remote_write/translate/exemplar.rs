//! Exemplars: `trace_id`, `span_id` and the attributes that the metric left out, as labels.

use spindle_pipeline::otlp::attributes::to_text;
use spindle_pipeline::otlp::view::Part;
use spindle_pipeline::otlp::wire::{put_double, put_varint_field};

use super::Walk;
use crate::prometheus_remote_write::naming::push_label_name;
use crate::prometheus_remote_write::table::put_label;

/// Fields of `Exemplar`.
const TIME: u32 = 2;
const AS_DOUBLE: u32 = 3;
const SPAN_ID: u32 = 4;
const TRACE_ID: u32 = 5;
const AS_INT: u32 = 6;
const FILTERED_ATTRIBUTES: u32 = 7;

/// What names and values may measure together, in characters, by OpenMetrics.
const MOST_CHARACTERS: usize = 128;

/// What is read of an exemplar.
#[derive(Default)]
struct Read {
    time: u64,
    value: Option<f64>,
    labels: Vec<(String, String)>,
    filtered: Vec<(String, String)>,
}

impl<'a> Walk<'a, '_> {
    /// Adds the exemplars of a point, each to the series that `series_of` names for its value.
    pub(super) fn exemplars(
        &mut self,
        point: Part<'a>,
        number: u32,
        point_time: i64,
        series_of: impl Fn(f64) -> u32,
    ) {
        for exemplar in point.children(number) {
            let read = Read::of(exemplar);
            let Some(value) = read.value else { continue };
            // An exemplar must have a time; the point's is near.
            let time = Self::time(read.time).unwrap_or(point_time);
            self.to.table.add_exemplar(series_of(value), time, |out| {
                for (name, value) in &read.labels() {
                    put_label(out, name, value);
                }
                put_double(out, 2, value);
                put_varint_field(out, 3, time as u64);
            });
        }
    }
}

impl Read {
    fn of(exemplar: Part<'_>) -> Self {
        let mut read = Self::default();
        for field in exemplar.fields() {
            match field.number {
                TIME => read.time = field.value.number(),
                AS_DOUBLE => read.value = Some(field.value.double()),
                AS_INT => read.value = Some(field.value.number() as i64 as f64),
                SPAN_ID => read.id("span_id", field.value.bytes()),
                TRACE_ID => read.id("trace_id", field.value.bytes()),
                _ => {}
            }
        }
        for attribute in exemplar.attributes(FILTERED_ATTRIBUTES) {
            let mut name = String::new();
            let value = to_text(attribute.value);
            if !value.is_empty() && push_label_name(&mut name, attribute.key) {
                read.filtered.push((name, value.into_owned()));
            }
        }
        read
    }

    fn id(&mut self, name: &str, id: &[u8]) {
        if id.iter().any(|byte| *byte != 0) {
            self.labels.push((name.to_owned(), const_hex::encode(id)));
        }
    }

    /// The labels, sorted and each once. Where all of them would be too long, the ids alone.
    fn labels(&self) -> Vec<(String, String)> {
        let mut labels = self.labels.clone();
        let all = self.labels.iter().chain(&self.filtered);
        let characters: usize = all.map(|(name, value)| name.chars().count() + value.chars().count()).sum();
        if characters <= MOST_CHARACTERS {
            labels.extend_from_slice(&self.filtered);
        }
        // Stable: of equal names the id stays, or the attribute that came first.
        labels.sort_by(|one, other| one.0.cmp(&other.0));
        labels.dedup_by(|later, earlier| later.0 == earlier.0);
        labels
    }
}
