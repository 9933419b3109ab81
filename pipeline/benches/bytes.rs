//! What the pipeline does to bytes, per request of 100 spans, with allocations counted.
//!
//! `cargo bench -p spindle-pipeline --features test-util`. Divide by 100 for the cost of a span of 8
//! attributes and one event.

use bytes::Bytes;
use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use spindle_pipeline::otlp::split::{Limits, concat, split};
use spindle_pipeline::otlp::{json, splice, walk};
use spindle_pipeline::testing::spans;
use spindle_pipeline::{Decoded, Signal};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SPANS: usize = 100;

fn main() {
    divan::main();
}

fn request() -> Bytes {
    spans::request(SPANS)
}

#[divan::bench]
fn walk_request(bencher: Bencher<'_, '_>) {
    let request = request();
    bencher.counter(ItemsCount::new(SPANS)).bench(|| walk(Signal::Traces, black_box(&request)));
}

#[divan::bench]
fn prost_decode_and_drop(bencher: Bencher<'_, '_>) {
    let request = request();
    bencher.counter(ItemsCount::new(SPANS)).bench(|| Decoded::read(Signal::Traces, black_box(&request)));
}

#[divan::bench]
fn stamp_run_label(bencher: Bencher<'_, '_>) {
    let request = request();
    bencher.counter(ItemsCount::new(SPANS)).bench(|| {
        splice::edit_resources(black_box(&request), |resource| resource.set("container_run", "run-1", false))
    });
}

#[divan::bench]
fn keep_one_in_ten(bencher: Bencher<'_, '_>) {
    let request = request();
    bencher.counter(ItemsCount::new(SPANS)).bench(|| {
        let mut index = 0;
        splice::retain(Signal::Traces, black_box(&request), |_| {
            index += 1;
            index % 10 == 0
        })
    });
}

#[divan::bench]
fn split_into_tens(bencher: Bencher<'_, '_>) {
    let request = request();
    let limits = Limits { items: 10, bytes: usize::MAX };
    bencher.counter(ItemsCount::new(SPANS)).bench(|| split(Signal::Traces, black_box(&request), limits));
}

#[divan::bench]
fn concat_ten(bencher: Bencher<'_, '_>) {
    let requests = vec![spans::request(SPANS / 10); 10];
    bencher.counter(ItemsCount::new(SPANS)).bench(|| concat(black_box(&requests)));
}

#[divan::bench]
fn json_to_protobuf(bencher: Bencher<'_, '_>) {
    let mut text = Vec::new();
    json::to_json(Signal::Traces, &request(), &mut text);
    bencher.counter(ItemsCount::new(SPANS)).bench(|| json::to_protobuf(Signal::Traces, black_box(&text)));
}

#[divan::bench]
fn protobuf_to_json(bencher: Bencher<'_, '_>) {
    let request = request();
    bencher.counter(ItemsCount::new(SPANS)).bench(|| {
        let mut text = Vec::new();
        json::to_json(Signal::Traces, black_box(&request), &mut text);
        text
    });
}
