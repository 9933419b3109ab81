//! What is read from a log record, and what is written on it.

use std::borrow::Cow;

use spindle_pipeline::otlp::attribute_list::AttributeList;
use spindle_pipeline::otlp::attributes::{Any, AnyValue, NewValue, to_text};
use spindle_pipeline::otlp::splice::Splice;
use spindle_pipeline::otlp::view::Part;

use super::config::Config;
use super::rule::{Earlier, Evidence, Mark, Rule};
use super::spans::trace_randomness;
use super::threshold::{Randomness, Threshold};

const TRACE_ID: u32 = 9;
const ATTRIBUTES: u32 = 6;
const THRESHOLD_KEY: &str = "sampling.threshold";
const RANDOMNESS_KEY: &str = "sampling.randomness";

/// Where a log record's randomness and priority come from.
#[derive(Clone, Debug)]
pub(super) struct LogSource {
    takes_trace_id: bool,
    from_attribute: String,
    priority: String,
    precision: i32,
}

/// What sampling needs of a log record.
#[derive(Clone, Debug)]
pub(super) struct SampledLog<'a> {
    record: Part<'a>,
    threshold: Option<Threshold>,
    pub(super) evidence: Evidence,
    /// The randomness comes from `from_attribute`.
    pub(super) is_by_attribute: bool,
}

impl LogSource {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            takes_trace_id: config.attribute_source == "traceID",
            from_attribute: config.from_attribute.clone(),
            priority: config.sampling_priority.clone(),
            precision: config.sampling_precision as i32,
        }
    }

    pub(super) fn read<'a>(&self, record: Part<'a>, rule: &Rule) -> SampledLog<'a> {
        let mut found = Found::default();
        for attribute in record.attributes(ATTRIBUTES) {
            found.note(self, attribute.key, attribute.value);
        }
        let threshold = found.text(THRESHOLD_KEY);
        let randomness = found.text(RANDOMNESS_KEY);
        let parsed_threshold = threshold.map(Threshold::from_hex);
        let parsed_randomness = randomness.map(Randomness::from_hex);
        let earlier = if parsed_threshold == Some(None) || parsed_randomness == Some(None) {
            Earlier::Broken
        } else if threshold.is_some() || randomness.is_some() {
            Earlier::Sampled
        } else {
            Earlier::Nothing
        };
        let of_trace = if self.takes_trace_id {
            record.value(TRACE_ID).and_then(|id| trace_randomness(id.bytes(), rule))
        } else {
            None
        };
        let of_attribute = || found.source.and_then(|value| attribute_randomness(value, rule));
        let randomness = of_trace.or_else(of_attribute);
        let priority = found.priority.and_then(|value| self.priority(value));
        SampledLog {
            record,
            threshold: parsed_threshold.flatten(),
            is_by_attribute: of_trace.is_none() && randomness.is_some(),
            evidence: Evidence { randomness, earlier, priority },
        }
    }

    /// A number is the record's own percentage. 0, and what is not from 2^-56 to 1, asks for nothing: the
    /// Collector's README says otherwise about 0 and above 100, its code does this.
    fn priority(&self, value: AnyValue<'_>) -> Option<Threshold> {
        let percentage = match value.get() {
            Any::Double(value) => value,
            Any::Int(value) => value as f64,
            _ => return None,
        };
        Threshold::of_probability(percentage / 100.0, self.precision)
    }
}

/// Hashes the bytes, or the text, of a value; an empty one is no randomness.
fn attribute_randomness(value: AnyValue<'_>, rule: &Rule) -> Option<Randomness> {
    let data: Cow<'_, [u8]> = match value.get() {
        Any::Bytes(bytes) => bytes.into(),
        _ => match to_text(value) {
            Cow::Borrowed(text) => text.as_bytes().into(),
            Cow::Owned(text) => text.into_bytes().into(),
        },
    };
    if data.is_empty() { None } else { rule.randomness(&data) }
}

/// The attributes that sampling looks at; of a key that is there twice the first counts.
#[derive(Default)]
struct Found<'a> {
    threshold: Option<AnyValue<'a>>,
    randomness: Option<AnyValue<'a>>,
    source: Option<AnyValue<'a>>,
    priority: Option<AnyValue<'a>>,
}

impl<'a> Found<'a> {
    fn note(&mut self, source: &LogSource, key: &str, value: AnyValue<'a>) {
        match key {
            THRESHOLD_KEY => _ = self.threshold.get_or_insert(value),
            RANDOMNESS_KEY => _ = self.randomness.get_or_insert(value),
            _ => {}
        }
        // The same attribute may be several of these.
        if !source.from_attribute.is_empty() && key == source.from_attribute {
            self.source.get_or_insert(value);
        }
        if !source.priority.is_empty() && key == source.priority {
            self.priority.get_or_insert(value);
        }
    }

    /// The text of one of the two attributes; empty text, or another type, is nothing.
    fn text(&self, key: &str) -> Option<&'a str> {
        let value = if key == THRESHOLD_KEY { self.threshold } else { self.randomness };
        value.and_then(AnyValue::as_str).filter(|text| !text.is_empty())
    }
}

impl<'a> SampledLog<'a> {
    /// Writes randomness and threshold into the record's attributes. A record without randomness gets
    /// none, and a greater threshold that is there already stays.
    pub(super) fn mark(
        &self,
        splice: &mut Splice<'a>,
        list: &mut AttributeList<'a>,
        mark: &Mark,
        threshold: &str,
    ) {
        let randomness = if self.evidence.randomness.is_some() { mark.randomness } else { None };
        splice.edit_attributes(self.record, ATTRIBUTES, list, |list| {
            if let Some(randomness) = randomness {
                list.put(RANDOMNESS_KEY, NewValue::String(&randomness.to_hex()).to_bytes().into());
            }
            if self.threshold.is_none_or(|old| old <= mark.threshold) {
                list.put(THRESHOLD_KEY, NewValue::String(threshold).to_bytes().into());
            }
        });
    }
}
