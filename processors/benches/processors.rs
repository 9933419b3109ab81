//! What the processors without state do to a request of 100 spans of 8 attributes, with allocations
//! counted.
//!
//! `cargo bench -p spindle-processors`. Divide by 100 for the cost of a span.

use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use spindle_pipeline::component::{BuiltProcessor, ProcessorFactory, Transform};
use spindle_pipeline::testing::{config, context, spans};
use spindle_pipeline::{Batch, Signal};
use spindle_processors::attributes::AttributesProcessor;
use spindle_processors::memory_limiter::MemoryLimiter;
use spindle_processors::probabilistic_sampler::ProbabilisticSampler;
use spindle_processors::resource::ResourceProcessor;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SPANS: usize = 100;

fn main() {
    divan::main();
}

fn build<F: ProcessorFactory>(yaml: &str) -> Option<Arc<dyn Transform>> {
    match F::build(&config::<F>(yaml), &context(F::TYPE), Signal::Traces) {
        Ok(BuiltProcessor::Transform(transform)) => Some(transform),
        _ => None,
    }
}

fn run<F: ProcessorFactory>(bencher: Bencher<'_, '_>, yaml: &str) {
    let (Some(processor), request) = (build::<F>(yaml), spans::request_with(SPANS, 1)) else { return };
    let Ok(batch) = Batch::receive(Signal::Traces, request) else { return };
    bencher.counter(ItemsCount::new(SPANS)).bench(|| processor.transform(black_box(batch.clone())));
}

#[divan::bench]
fn resource_upsert(bencher: Bencher<'_, '_>) {
    let yaml = "{attributes: [{key: deployment.environment.name, value: production, action: upsert}]}";
    run::<ResourceProcessor>(bencher, yaml);
}

#[divan::bench]
fn resource_changes_nothing(bencher: Bencher<'_, '_>) {
    run::<ResourceProcessor>(bencher, "{attributes: [{key: service.name, value: sglang, action: upsert}]}");
}

#[divan::bench]
fn attributes_insert_and_delete(bencher: Bencher<'_, '_>) {
    let yaml = "{actions: [{key: deployment.environment.name, value: production, action: insert}, {key: http.route, action: delete}]}";
    run::<AttributesProcessor>(bencher, yaml);
}

#[divan::bench]
fn attributes_change_nothing(bencher: Bencher<'_, '_>) {
    run::<AttributesProcessor>(bencher, "{actions: [{key: http.route, value: none, action: insert}]}");
}

#[divan::bench]
fn attributes_chosen_by_pattern(bencher: Bencher<'_, '_>) {
    let yaml = "{include: {match_type: regexp, span_names: ['^llm_'], attributes: [{key: http.route, value: '^/v1/'}]}, actions: [{key: chosen, value: true, action: insert}]}";
    run::<AttributesProcessor>(bencher, yaml);
}

#[divan::bench]
fn attributes_hash_one(bencher: Bencher<'_, '_>) {
    run::<AttributesProcessor>(bencher, "{actions: [{key: gen_ai.request.id, action: hash}]}");
}

#[divan::bench]
fn sampler_10_percent(bencher: Bencher<'_, '_>) {
    run::<ProbabilisticSampler>(bencher, "{sampling_percentage: 10}");
}

#[divan::bench]
fn sampler_100_percent(bencher: Bencher<'_, '_>) {
    run::<ProbabilisticSampler>(bencher, "{sampling_percentage: 100}");
}

#[divan::bench]
fn memory_limiter_lets_pass(bencher: Bencher<'_, '_>) {
    run::<MemoryLimiter>(bencher, "{check_interval: 1s, limit_mib: 4000000}");
}
