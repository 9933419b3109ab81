use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message;
use spindle_pipeline::Decoded;
use spindle_pipeline::testing::arbitrary::{self, Options};
use spindle_pipeline::testing::{config, config_with_problems, context, contract, spans};

use super::*;
use crate::support::goldens::{Goldens, build};

fn goldens() -> Goldens {
    Goldens::read(include_str!("testdata/collector.json"))
}

/// The hash as its authors describe it, beside the one under test.
fn reference_keeps(percentage: f32, seed: u32, trace_id: &[u8]) -> bool {
    let mut hash: u64 = 2_166_136_261;
    for byte in seed.to_le_bytes().iter().chain(trace_id) {
        hash = ((hash ^ u64::from(*byte)) * 16_777_619) & 0xffff_ffff;
    }
    hash & 0x3fff < u64::from((percentage * 163.84f32) as u32)
}

/// A request of one span for each trace id, named by its position.
fn request(trace_ids: &[Vec<u8>]) -> Batch {
    let span = |(index, id): (usize, &Vec<u8>)| Span {
        trace_id: id.clone(),
        name: index.to_string(),
        ..Span::default()
    };
    let spans = trace_ids.iter().enumerate().map(span).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let bytes = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    Batch::receive(Signal::Traces, bytes.into()).expect("well formed")
}

fn spans_of(batch: Option<&Batch>) -> Vec<Span> {
    let Some(batch) = batch else { return Vec::new() };
    let request = ExportTraceServiceRequest::decode(batch.bytes()).expect("decodes");
    let scopes = request.resource_spans.into_iter().flat_map(|group| group.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// Which of the spans of [`request`] are there.
fn kept(batch: Option<&Batch>, count: usize) -> Vec<bool> {
    let mut kept = vec![false; count];
    for span in spans_of(batch) {
        kept[span.name.parse::<usize>().expect("a position")] = true;
    }
    kept
}

fn sampler(yaml: &str) -> (Sampler, BuildContext) {
    let context = context("probabilistic_sampler");
    (Sampler::new(&config::<ProbabilisticSampler>(yaml), &context, Signal::Traces), context)
}

/// The clauses that every component keeps.
#[test]
fn keeps_the_contract() {
    contract::factory::<ProbabilisticSampler>();
    for yaml in [
        "{sampling_percentage: 40, fail_closed: false}",
        "{sampling_percentage: 40, from_attribute: service.name, sampling_priority: a}",
        "{sampling_percentage: 0, fail_closed: false}",
    ] {
        for signal in [Signal::Traces, Signal::Logs] {
            contract::transform(&*build::<ProbabilisticSampler>(yaml, signal), signal);
        }
    }
}

/// Users' sampled sets must not move: what stays, and what is written on it, is what the Collector's own
/// processor did with the same request, recorded. Requests hold every kind of trace state, priority,
/// attribute source and earlier sampling.
#[test]
fn does_what_the_collector_does() {
    goldens().check_cases::<ProbabilisticSampler>();
}

/// The texts are those of the Collector, which users search for.
#[test]
fn says_what_the_collector_says() {
    goldens().check_refusals::<ProbabilisticSampler>();
}

/// Trace by trace, at many percentages and seeds, the same ones stay as in the Collector, and as the hash
/// says by an implementation of its own.
#[test]
fn keeps_the_traces_that_the_collector_keeps() {
    let decisions = goldens().decisions.expect("decisions are recorded");
    let trace_ids: Vec<Vec<u8>> =
        decisions.trace_ids.iter().map(|id| const_hex::decode(id).expect("hex")).collect();
    let batch = request(&trace_ids);
    assert_eq!(decisions.rows.len(), 36);
    for row in &decisions.rows {
        let after = build::<ProbabilisticSampler>(&row.config, Signal::Traces).transform(batch.clone());
        let ours = kept(after.expect("transforms").as_ref(), trace_ids.len());
        let theirs: Vec<bool> = row.kept.bytes().map(|mark| mark == b'1').collect();
        assert_eq!(ours, theirs, "{}", row.config);
        let config = config::<ProbabilisticSampler>(&row.config);
        let keeps = |id: &Vec<u8>| reference_keeps(config.sampling_percentage, config.hash_seed, id);
        assert_eq!(ours, trace_ids.iter().map(keeps).collect::<Vec<_>>(), "{}", row.config);
    }
}

/// The share that stays is the share that is asked for, and everything at 100 %.
#[test]
fn keeps_the_share_that_is_asked_for() {
    // The ids count from 1: sixteen zeros are no trace id.
    let batch = Batch::receive(Signal::Traces, spans::request_with(20_000, 1)).expect("well formed");
    for (percentage, least, most) in [("1", 120, 280), ("10", 1800, 2200), ("50", 9600, 10_400)] {
        let (sampler, _) = sampler(&format!("{{sampling_percentage: {percentage}}}"));
        let items = sampler.transform(batch.clone()).expect("transforms").map_or(0, |batch| batch.items());
        assert!((least..=most).contains(&items), "{percentage} %: {items} of 20000");
    }
    for percentage in ["100", "1000"] {
        let (sampler, _) = sampler(&format!("{{sampling_percentage: {percentage}}}"));
        assert_eq!(sampler.transform(batch.clone()).expect("transforms").expect("left").items(), 20_000);
    }
    let (nothing, _) = sampler("{sampling_percentage: 0}");
    assert!(nothing.transform(batch).expect("transforms").is_none());
}

/// Every decision is counted by what decided, and drops carry their reason.
#[test]
fn counts_decisions_by_policy() {
    let (sampler, context) = sampler("{sampling_percentage: 100}");
    let batch = request(&[vec![7; 16], vec![8; 16], vec![0; 16]]);
    assert_eq!(sampler.transform(batch).expect("transforms").expect("left").items(), 2);
    assert_eq!(sampler.drop_reason(), "sampled");
    let page = context.telemetry.render(spindle_pipeline::telemetry::Suffixes::default());
    for (policy, sampled, count) in
        [("trace_id_hash", true, 2), ("trace_id_hash", false, 0), ("missing_randomness", false, 1)]
    {
        let line = format!(
            "otelcol_processor_probabilistic_sampler_count_traces_sampled{{processor=\"probabilistic_sampler\",policy=\"{policy}\",sampled=\"{sampled}\"}} {count}\n"
        );
        assert!(page.contains(&line), "{line} is not in {page}");
    }
}

/// Somebody who samples behind a sampler in another mode loses data by default; that is said, once.
#[test]
fn warns_of_spans_that_were_sampled_before() {
    let (sampler, _) = sampler("{sampling_percentage: 50}");
    sampler.transform(request(&[vec![1; 16]])).expect("transforms");
    assert!(!sampler.has_warned.load(Ordering::Relaxed));
    let mut sampled = request(&[vec![1; 16]]);
    if let Decoded::Traces(request) = sampled.decoded_mut() {
        request.resource_spans[0].scope_spans[0].spans[0].trace_state = "ot=th:8".to_owned();
    }
    assert!(sampler.transform(sampled).expect("transforms").is_none());
    assert!(sampler.has_warned.load(Ordering::Relaxed));
}

/// Modes of the Collector that are not built are refused with that reason; others as the Collector does.
#[test]
fn says_which_modes_there_are() {
    for (yaml, problem) in [
        (
            "{sampling_percentage: 10, mode: proportional}",
            "mode: the mode \"proportional\" is not built into this version of spindle yet; \"hash_seed\" is",
        ),
        (
            "{sampling_percentage: 10, mode: equalizing}",
            "mode: the mode \"equalizing\" is not built into this version of spindle yet; \"hash_seed\" is",
        ),
        ("{sampling_percentage: 10, mode: random}", "mode: unsupported sampler mode \"random\""),
        ("{}", "sampling_percentage: sampling_percentage is not set, so that everything is dropped"),
        (
            "{sampling_percentage: 10, sampling_precision: -1}",
            "sampling_precision: invalid sampling precision: -1",
        ),
    ] {
        assert_eq!(config_with_problems::<ProbabilisticSampler>(yaml).1, [problem]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// On any request the spans that stay are those that stay by the reference, and the only thing that
    /// is changed in them is the trace state.
    #[test]
    fn sampling_equals_decode_filter_encode(seed: u64, hash_seed: u32, fail_closed: bool) {
        let options = Options { unknown_fields: seed.is_multiple_of(2), ..Options::default() };
        let bytes = arbitrary::request(Signal::Traces, seed, options);
        let batch = Batch::receive(Signal::Traces, bytes).expect("well formed");
        let oracle: Vec<Span> = spans_of(Some(&batch))
            .into_iter()
            .filter(|span| {
                // A random text is no trace state, unless it is empty.
                let is_decidable = !span.trace_id.is_empty() && span.trace_state.is_empty();
                if is_decidable { reference_keeps(60.0, hash_seed, &span.trace_id) } else { !fail_closed }
            })
            .collect();
        let yaml = format!("{{sampling_percentage: 60, hash_seed: {hash_seed}, fail_closed: {fail_closed}}}");
        let after = sampler(&yaml).0.transform(batch).expect("transforms");
        let mut ours = spans_of(after.as_ref());
        prop_assert_eq!(after.map_or(0, |batch| batch.items()), oracle.len());
        for (span, original) in ours.iter_mut().zip(&oracle) {
            let is_marked = original.trace_state.is_empty();
            prop_assert_eq!(span.trace_state.starts_with("ot=rv:"), is_marked);
            span.trace_state.clone_from(&original.trace_state);
        }
        prop_assert_eq!(ours, oracle);
    }
}
