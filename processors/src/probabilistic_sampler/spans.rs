//! What is read from a span, and what is written on it.

use std::ops::Range;

use spindle_pipeline::otlp::attributes::{Any, AnyValue, value_of};
use spindle_pipeline::otlp::splice::Splice;
use spindle_pipeline::otlp::view::Part;
use spindle_pipeline::otlp::wire::put_bytes;

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
    /// Where the field stands that holds it; at the end of the span if it is not there.
    state_at: Range<usize>,
    /// `None` for an empty text, which nearly all spans have.
    state: Option<TraceState<'a>>,
    pub(super) evidence: Evidence,
}

impl<'a> SampledSpan<'a> {
    pub(super) fn read(span: Part<'a>, rule: &Rule) -> Self {
        let mut trace_id: &[u8] = &[];
        let mut asked = None;
        let (mut state_text, mut state_at) = ("", span.end..span.end);
        for field in span.fields() {
            match field.number {
                TRACE_ID => trace_id = field.value.bytes(),
                TRACE_STATE => (state_text, state_at) = (field.value.text(), field.start..field.end),
                ATTRIBUTES if asked.is_none() => asked = value_of(field.value, PRIORITY),
                _ => {}
            }
        }
        let state = if state_text.is_empty() { None } else { Some(TraceState::read(state_text)) };
        let earlier = match &state {
            Some(state) if state.is_broken => Earlier::Broken,
            Some(state) if state.has_randomness() || state.threshold().is_some() => Earlier::Sampled,
            _ => Earlier::Nothing,
        };
        let randomness = trace_randomness(trace_id, rule);
        let evidence = Evidence { randomness, earlier, priority: asked.and_then(priority) };
        Self { span, state_text, state_at, state, evidence }
    }

    /// Writes randomness and threshold into the span's trace state.
    pub(super) fn mark(&self, splice: &mut Splice<'a>, mark: &Mark, threshold: &str) {
        let randomness = mark.randomness.map(Randomness::to_hex);
        let empty = TraceState::default();
        let state = self.state.as_ref().unwrap_or(&empty);
        let text = state.write(randomness.as_deref(), mark.threshold, threshold);
        if text == self.state_text {
            return;
        }
        splice.enter(self.span);
        splice.replace(self.state_at.clone(), |out| put_bytes(out, TRACE_STATE, text.as_bytes()));
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
