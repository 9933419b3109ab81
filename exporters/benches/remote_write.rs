//! What the `prometheus_remote_write` exporter does to a batch of 2,000 series of 8 labels, with allocations
//! counted.
//!
//! `cargo bench -p spindle-exporters --bench remote_write`. Divan divides by the number of series. The aim is
//! 200 ns a series for `write`, without Snappy.

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use spindle_exporters::prometheus_remote_write::{
    Cursor, Limits, MetricNamer, Settings, Translator, WriteRequest,
};
use spindle_pipeline::otlp::attributes::NewValue;
use spindle_pipeline::otlp::build::{MetricInfo, MetricKind, MetricsBuilder};
use spindle_pipeline::run::Runs;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SERIES: usize = 2_000;
const LIMITS: Limits = Limits { samples: 2_000, bytes: 3_000_000 };

fn main() {
    divan::main();
}

/// Gauges as an inference server has them: `__name__`, `job`, `instance` and five attributes.
fn request() -> bytes::Bytes {
    let mut builder = MetricsBuilder::default();
    builder.begin(1_700_000_000_000_000_000, 1_700_000_060_000_000_000);
    let resource =
        [("service.name", NewValue::from("sglang")), ("service.instance.id", "node-17:30000".into())];
    builder.resource(&resource, "", "");
    let info = MetricInfo {
        name: "sglang.request.latency",
        description: "How long requests take",
        unit: "s",
        kind: MetricKind::Gauge,
    };
    for index in 0..SERIES {
        let (rank, id) = ((index % 8).to_string(), format!("chatcmpl-{index:08}"));
        let attributes = [
            ("model.name", NewValue::from("meta-llama/Llama-3.1-70B-Instruct")),
            ("engine.type", "unified".into()),
            ("tp_rank", rank.as_str().into()),
            ("http.route", "/v1/chat/completions".into()),
            ("request.id", id.as_str().into()),
        ];
        builder.point(&info, index as f64, &attributes);
    }
    builder.finish().map(|batch| batch.bytes()).unwrap_or_default()
}

fn translator() -> Translator {
    let namer = MetricNamer::new("", true);
    let settings = Settings { namer, scope_info: true, target_info: true, ..Settings::default() };
    Translator::new(settings, Runs::default())
}

fn write(translator: &Translator, request: &mut WriteRequest) {
    let mut cursor = Cursor::new(0, 1);
    while translator.write_request(&mut cursor, LIMITS, request) {
        black_box(&request.body);
    }
}

/// From the table to the bytes of a request.
#[divan::bench]
fn write_request(bencher: Bencher<'_, '_>) {
    let (request, mut translator) = (request(), translator());
    translator.translate(&request, 0);
    let mut written = WriteRequest::default();
    bencher.counter(ItemsCount::new(SERIES)).bench_local(|| write(&translator, &mut written));
}

/// From OTLP to the table.
#[divan::bench]
fn translate(bencher: Bencher<'_, '_>) {
    let (request, mut translator) = (request(), translator());
    bencher.counter(ItemsCount::new(SERIES)).bench_local(|| translator.translate(black_box(&request), 0));
}

/// From OTLP to the bytes of a request.
#[divan::bench]
fn translate_and_write(bencher: Bencher<'_, '_>) {
    let (request, mut translator) = (request(), translator());
    let mut written = WriteRequest::default();
    bencher.counter(ItemsCount::new(SERIES)).bench_local(|| {
        translator.translate(black_box(&request), 0);
        write(&translator, &mut written);
    });
}

/// From the bytes of a request to the body.
#[divan::bench]
fn snappy(bencher: Bencher<'_, '_>) {
    let (request, mut translator) = (request(), translator());
    translator.translate(&request, 0);
    let mut written = WriteRequest::default();
    translator.write_request(&mut Cursor::new(0, 1), LIMITS, &mut written);
    let mut encoder = snap::raw::Encoder::new();
    let mut body = vec![0; snap::raw::max_compress_len(written.body.len())];
    bencher
        .counter(ItemsCount::new(SERIES))
        .bench_local(|| encoder.compress(black_box(&written.body), &mut body));
}
