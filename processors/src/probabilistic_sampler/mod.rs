//! The `probabilistic_sampler` processor: keeps a share of traces or log records.
//!
//! What it guarantees, and what not:
//!
//! * In the mode `hash_seed`, the only one there is yet, it keeps exactly what the Collector's 0.155
//!   keeps with the same keys, item by item, and writes on it what the Collector writes: randomness and
//!   threshold, in a span's trace state (`ot=rv:...;th:...`) and in a log record's attributes
//!   (`sampling.randomness`, `sampling.threshold`). Recorded decisions of the real one are a test.
//! * All spans of a trace share their fate, in every agent with the same seed, because the hash of the
//!   trace id decides. Spans with `sampling.priority` are the exception.
//! * An item that carries such information already, because somebody sampled it before in another mode,
//!   cannot be decided about: it is dropped, or with `fail_closed: false` kept as it is. The first such
//!   item is a line in the log.
//! * What is dropped is counted, and groups that become empty go with it. What stays is copied as it is.

mod config;
mod hash;
mod logs;
mod rule;
mod spans;
mod threshold;
mod trace_state;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use spindle_pipeline::component::{
    BuildContext, BuiltProcessor, Factory, ProcessorFactory, Stability, Transform,
};
use spindle_pipeline::error::{BuildError, ConsumeError};
use spindle_pipeline::otlp::attribute_list::AttributeList;
use spindle_pipeline::otlp::splice::edit_items;
use spindle_pipeline::telemetry::{Counter, Metric, Telemetry};
use spindle_pipeline::{Batch, Signal, SignalSet};
use tracing::warn;

pub use config::Config;
use logs::LogSource;
use rule::{Decision, Earlier, Policy, Rule};
use spans::SampledSpan;
use threshold::Threshold;

/// The type `probabilistic_sampler`.
pub struct ProbabilisticSampler;

impl Factory for ProbabilisticSampler {
    type Config = Config;
    const TYPE: &'static str = "probabilistic_sampler";
    const SIGNALS: SignalSet = SignalSet::TRACES.and(SignalSet::LOGS);
    const STABILITY: Stability = Stability::Beta;
}

impl ProcessorFactory for ProbabilisticSampler {
    fn build(config: &Config, context: &BuildContext, signal: Signal) -> Result<BuiltProcessor, BuildError> {
        Ok(BuiltProcessor::Transform(Arc::new(Sampler::new(config, context, signal))))
    }
}

struct Sampler {
    rule: Rule,
    /// The digits of the threshold that most items get.
    digits: (Threshold, String),
    logs: LogSource,
    counters: Counters,
    id: String,
    has_warned: AtomicBool,
}

impl Sampler {
    fn new(config: &Config, context: &BuildContext, signal: Signal) -> Self {
        let regular = hash::threshold(config.sampling_percentage).unwrap_or(Threshold::NEVER);
        Self {
            rule: Rule::new(config.sampling_percentage, config.hash_seed, config.fail_closed),
            digits: (regular, regular.to_hex()),
            logs: LogSource::new(config),
            counters: Counters::new(&context.telemetry, &context.id.to_string(), signal, config),
            id: context.id.to_string(),
            has_warned: AtomicBool::new(false),
        }
    }

    fn sample_spans(&self, batch: &Batch, tally: &mut Tally) -> Option<Batch> {
        let request = batch.bytes();
        let (left, dropped) = edit_items(Signal::Traces, &request, |splice, item| {
            let span = SampledSpan::read(item.item, &self.rule);
            let decision = self.decide(&span.evidence, false, tally);
            if let (true, Some(mark)) = (decision.is_kept, &decision.mark) {
                self.with_digits(mark.threshold, |digits| span.mark(splice, mark, digits));
            }
            decision.is_kept
        });
        left.map(|bytes| batch.with_bytes(bytes, batch.items() - dropped))
    }

    fn sample_logs(&self, batch: &Batch, tally: &mut Tally) -> Option<Batch> {
        let request = batch.bytes();
        let mut list = AttributeList::default();
        let (left, dropped) = edit_items(Signal::Logs, &request, |splice, item| {
            let record = self.logs.read(item.item, &self.rule);
            let decision = self.decide(&record.evidence, record.is_by_attribute, tally);
            if let (true, Some(mark)) = (decision.is_kept, &decision.mark) {
                self.with_digits(mark.threshold, |digits| record.mark(splice, &mut list, mark, digits));
            }
            decision.is_kept
        });
        left.map(|bytes| batch.with_bytes(bytes, batch.items() - dropped))
    }

    fn decide(&self, evidence: &rule::Evidence, is_by_attribute: bool, tally: &mut Tally) -> Decision {
        let decision = self.rule.decide(evidence);
        if evidence.earlier == Earlier::Sampled && decision.policy == Policy::Hash {
            self.warn_once(decision.is_kept);
        }
        tally.count(decision.policy, is_by_attribute, decision.is_kept);
        decision
    }

    fn with_digits(&self, threshold: Threshold, write: impl FnOnce(&str)) {
        let (regular, digits) = &self.digits;
        if threshold == *regular { write(digits) } else { write(&threshold.to_hex()) }
    }

    fn warn_once(&self, is_kept: bool) {
        if self.has_warned.swap(true, Ordering::Relaxed) {
            return;
        }
        let fate = if is_kept { "kept as they are" } else { "dropped, because fail_closed is true" };
        warn!(processor = %self.id, fate, "items carry sampling information (rv or th) of an earlier sampler, which the mode hash_seed cannot use");
    }
}

impl Transform for Sampler {
    fn transform(&self, batch: Batch) -> Result<Option<Batch>, ConsumeError> {
        let mut tally = Tally::default();
        let left = match batch.signal() {
            Signal::Traces => self.sample_spans(&batch, &mut tally),
            Signal::Logs => self.sample_logs(&batch, &mut tally),
            Signal::Metrics => return Ok(Some(batch)),
        };
        self.counters.add(&tally);
        Ok(left)
    }

    fn drop_reason(&self) -> &'static str {
        "sampled"
    }
}

/// What decided, in the order of [`Counters`].
const POLICIES: usize = 4;

/// Decisions about one batch: by policy, dropped and kept.
#[derive(Debug, Default)]
struct Tally([[u64; 2]; POLICIES]);

impl Tally {
    fn count(&mut self, policy: Policy, is_by_attribute: bool, is_kept: bool) {
        let policy = match policy {
            Policy::Hash if is_by_attribute => 1,
            Policy::Hash => 0,
            Policy::Missing => 2,
            Policy::Priority => 3,
        };
        self.0[policy][usize::from(is_kept)] += 1;
    }
}

struct Counters([[Counter; 2]; POLICIES]);

impl Counters {
    fn new(telemetry: &Telemetry, id: &str, signal: Signal, config: &Config) -> Self {
        let metric = if signal == Signal::Logs {
            Metric::ProcessorProbabilisticSamplerCountLogsSampled
        } else {
            Metric::ProcessorProbabilisticSamplerCountTracesSampled
        };
        let policies = ["trace_id_hash", &config.from_attribute, "missing_randomness", "sampling_priority"];
        Self(policies.map(|policy| {
            ["false", "true"].map(|sampled| {
                if policy.is_empty() {
                    return Counter::default();
                }
                let labels = vec![
                    ("processor".into(), id.to_owned().into()),
                    ("policy".into(), policy.to_owned().into()),
                    ("sampled".into(), sampled.into()),
                ];
                telemetry.counter(metric, labels)
            })
        }))
    }

    fn add(&self, tally: &Tally) {
        for (counters, counts) in self.0.iter().flatten().zip(tally.0.iter().flatten()) {
            if *counts > 0 {
                counters.inc_by(*counts);
            }
        }
    }
}
