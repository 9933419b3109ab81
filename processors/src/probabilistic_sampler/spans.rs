//! What is read from a span, and what is written on it.

use std::ops::Range;

use spindle_pipeline::otlp::attributes::{Any, AnyValue};
use spindle_pipeline::otlp::splice::Splice;
use spindle_pipeline::otlp::view::Part;
use spindle_pipeline::otlp::wire::{Value, put_bytes};

use super::rule::{Earlier, Evidence, Mark, Rule};
use super::threshold::{Randomness, Threshold};
use super::trace_state::TraceState;
use crate::support::number::parse_float;

const TRACE_ID: u32 = 1;
const TRACE_STATE: u32 = 3;
const ATTRIBUTES: u32 = 9;
/// The attribute by which a client asks for a span to be kept or dropped (`OpenTracing`).
const PRIORITY: &str = "sampling.priority";

/// What sampling needs of a span.
#[derive(Clone, Debug)]
pub(super) struct SampledSpan<'a> {
    span: Part<'a>,
    state_text: &'a str,
    /// Where the field stands that holds it.
    state_at: Option<Range<usize>>,
    state: TraceState<'a>,
    pub(super) evidence: Evidence,
}

impl<'a> SampledSpan<'a> {
    pub(super) fn read(span: Part<'a>, rule: &Rule) -> Self {
        let mut trace_id: &[u8] = &[];
        let (mut state_text, mut state_at) = ("", None);
        for field in span.fields() {
            match (field.number, field.value) {
                (TRACE_ID, Value::Bytes(bytes)) => trace_id = bytes,
                (TRACE_STATE, value) => {
                    (state_text, state_at) = (value.text(), Some(field.start..field.end));
                }
                _ => {}
            }
        }
        let state = TraceState::read(state_text);
        let earlier = if state.is_broken {
            Earlier::Broken
        } else if state.has_randomness() || state.threshold().is_some() {
            Earlier::Sampled
        } else {
            Earlier::Nothing
        };
        let priority = span.attributes(ATTRIBUTES).get(PRIORITY).and_then(priority);
        let randomness = trace_randomness(trace_id, rule);
        Self { span, state_text, state_at, state, evidence: Evidence { randomness, earlier, priority } }
    }

    /// Writes randomness and threshold into the span's trace state.
    pub(super) fn mark(&self, splice: &mut Splice<'a>, mark: &Mark, threshold: &str) {
        let randomness = mark.randomness.map(Randomness::to_hex);
        let text = self.state.write(randomness.as_deref(), mark.threshold, threshold);
        if text == self.state_text {
            return;
        }
        splice.enter(self.span);
        let at = self.state_at.clone().unwrap_or(self.span.end..self.span.end);
        splice.replace(at, |out| put_bytes(out, TRACE_STATE, text.as_bytes()));
        splice.leave();
    }
}

/// The randomness of a trace id; `None` for one that is not there or all zeros.
pub(super) fn trace_randomness(trace_id: &[u8], rule: &Rule) -> Option<Randomness> {
    if trace_id.iter().all(|byte| *byte == 0) { None } else { rule.randomness(trace_id) }
}

/// A priority of 0 drops the span, one above 0 keeps it; text is read as a number, because formats on the
/// way lose types. Anything else asks for nothing.
fn priority(value: AnyValue<'_>) -> Option<Threshold> {
    let number = match value.get() {
        Any::Int(value) => value as f64,
        Any::Double(value) => value,
        Any::String(text) => parse_float(text)?,
        _ => return None,
    };
    if number == 0.0 {
        return Some(Threshold::NEVER);
    }
    (number > 0.0).then_some(Threshold::ALWAYS)
}
