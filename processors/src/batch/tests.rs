use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prost::Message;
use spindle_pipeline::RequestContext;
use spindle_pipeline::testing::sink::Sink;
use spindle_pipeline::testing::{config, config_with_problems, context, contract, spans};

use super::shard::MAX_REQUEST_BYTES;
use super::*;

fn batcher(yaml: &str, next: Arc<dyn Consumer>) -> Arc<Batcher> {
    Arc::new(Batcher::new(config::<BatchProcessor>(yaml), &context("batch"), Signal::Traces, next))
}

fn batch(first: u64, count: usize) -> Batch {
    Batch::receive(Signal::Traces, spans::request_with(count, first)).expect("well formed")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// The clauses that every component keeps.
#[tokio::test]
async fn keeps_the_contract() {
    contract::factory::<BatchProcessor>();
    contract::processor(|next| batcher("{send_batch_size: 35, timeout: 10ms}", next)).await;
}

/// Many small requests become one large one, in the order in which they came.
#[tokio::test]
async fn joins_requests_until_the_size_is_reached() {
    let sink = Sink::new();
    let batcher = batcher("{send_batch_size: 30, timeout: 1h}", sink.clone());
    for index in 0..3 {
        batcher.consume(batch(index * 10, 10)).await.expect("accepted");
    }
    sink.wait_for_items(30).await;
    assert_eq!(sink.taken().len(), 1);
    assert_eq!(sink.taken()[0].bytes(), concat(&[0, 10, 20]));
}

fn concat(firsts: &[u64]) -> bytes::Bytes {
    let requests: Vec<bytes::Bytes> = firsts.iter().map(|first| spans::request_with(10, *first)).collect();
    spindle_pipeline::otlp::split::concat(&requests)
}

/// A batch that never fills is sent when its first request is as old as the timeout, not later.
#[tokio::test(start_paused = true)]
async fn sends_a_small_batch_when_its_time_is_up() {
    let sink = Sink::new();
    let batcher = batcher("{timeout: 200ms}", sink.clone());
    batcher.consume(batch(0, 1)).await.expect("accepted");
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(sink.items(), 0);
    batcher.consume(batch(1, 1)).await.expect("accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(sink.items(), 2);
    assert_eq!(sink.taken().len(), 1);
}

/// `send_batch_max_size` bounds what is sent, also when one request alone is larger.
#[tokio::test]
async fn never_sends_more_items_than_the_maximum() {
    let sink = Sink::new();
    let batcher = batcher("{send_batch_size: 50, send_batch_max_size: 50, timeout: 10ms}", sink.clone());
    for (first, count) in [(0, 20), (100, 20), (200, 120), (400, 1)] {
        batcher.consume(batch(first, count)).await.expect("accepted");
    }
    batcher.stop(soon()).await;
    let sizes: Vec<usize> = sink.taken().iter().map(Batch::items).collect();
    assert!(sizes.iter().all(|size| *size <= 50), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 161);
}

/// Whatever the sizes say, no request is larger than what receivers accept by default.
#[tokio::test]
async fn never_builds_a_request_above_four_mebibytes() {
    let sink = Sink::new();
    let batcher = batcher("{send_batch_size: 1000000, timeout: 1h}", sink.clone());
    for index in 0..40 {
        batcher.consume(batch(index * 1000, 500)).await.expect("accepted");
    }
    batcher.consume(batch(1_000_000, 20_000)).await.expect("accepted");
    batcher.stop(soon()).await;
    assert!(sink.taken().iter().all(|batch| batch.byte_size() <= MAX_REQUEST_BYTES));
    assert_eq!(sink.items(), 40 * 500 + 20_000);
    assert!(sink.taken().len() < 10, "requests are joined as far as the limit allows");
}

/// What cannot be cut goes alone, so that a receiver that refuses it refuses nothing else.
#[tokio::test]
async fn an_item_above_the_limit_goes_alone() {
    let sink = Sink::new();
    let batcher = batcher("{timeout: 1h}", sink.clone());
    let large = Span { name: "x".repeat(MAX_REQUEST_BYTES), ..Span::default() };
    let spans = [Span::default(), large, Span::default()].to_vec();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let request =
        TracesData { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] };
    batcher.consume(batch(0, 5)).await.expect("accepted");
    let request = Batch::receive(Signal::Traces, request.encode_to_vec().into()).expect("well formed");
    batcher.consume(request).await.expect("accepted");
    batcher.stop(soon()).await;
    let mut too_large = sink.taken();
    too_large.retain(|batch| batch.byte_size() > MAX_REQUEST_BYTES);
    assert_eq!(too_large.iter().map(Batch::items).collect::<Vec<_>>(), [1]);
    assert_eq!(sink.items(), 5 + 3);
}

/// `timeout: 0` adds no waiting: the caller gets the next stage's own answer.
#[tokio::test]
async fn without_a_timeout_the_caller_gets_the_answer() {
    let sink = Sink::new();
    sink.answer_with(|_| Err(ConsumeError::unavailable("full")));
    let batcher = batcher("{timeout: 0, send_batch_max_size: 10, send_batch_size: 10}", sink.clone());
    assert_eq!(batcher.consume(batch(0, 5)).await.expect_err("refused").message(), "full");
    sink.take_everything();
    batcher.consume(batch(0, 25)).await.expect("accepted");
    assert_eq!(sink.taken().iter().map(Batch::items).collect::<Vec<_>>(), [10, 10, 5]);
}

/// While the next stage takes nothing, callers wait and are refused for now: memory is bounded, and what
/// was accepted still arrives.
#[tokio::test(start_paused = true)]
async fn holds_about_two_batches_and_refuses_the_rest_for_now() {
    let sink = Sink::new();
    sink.answer_with(|_| Err(ConsumeError::unavailable("down")));
    let batcher = batcher("{send_batch_size: 10, timeout: 10ms}", sink.clone());
    let mut accepted = 0;
    let error = loop {
        match batcher.consume(batch(accepted, 10)).await {
            Ok(()) => accepted += 10,
            Err(error) => break error,
        }
        assert!(accepted <= 30, "no bound");
    };
    assert!(error.retry().is_possible());
    sink.take_everything();
    sink.wait_for_items(accepted as usize).await;
    batcher.stop(soon()).await;
    assert_eq!(sink.items(), accepted as usize);
}

/// What could not be handed on before the shutdown deadline is counted under its reason.
#[tokio::test(start_paused = true)]
async fn counts_what_is_lost_at_the_shutdown() {
    let sink = Sink::new();
    sink.answer_with(|_| Err(ConsumeError::unavailable("down")));
    let context = context("batch");
    let batcher = Batcher::new(Config::default(), &context, Signal::Traces, sink.clone());
    batcher.consume(batch(0, 7)).await.expect("accepted");
    batcher.stop(Instant::now()).await;
    assert_eq!(context.telemetry.dropped("processor/batch", Signal::Traces, "shutdown").get(), 7);
}

/// A next stage that never answers, as an exporter without a queue through all its retries, holds up the stop
/// until the deadline and not beyond; what it was offered is counted.
#[tokio::test(start_paused = true)]
async fn stops_at_the_deadline_whatever_the_next_stage_does() {
    let sink = Sink::new();
    sink.delay_by(Duration::from_hours(1));
    let context = context("batch");
    let yaml = "{send_batch_size: 5, timeout: 10ms, metadata_keys: [x-tenant]}";
    let config = config::<BatchProcessor>(yaml);
    let batcher = Batcher::new(config, &context, Signal::Traces, sink.clone());
    for tenant in ["a", "b"] {
        let metadata = vec![("x-tenant".to_owned(), tenant.to_owned())];
        let about = Arc::new(RequestContext { metadata, ..RequestContext::default() });
        batcher.consume(batch(0, 7).with_context(Some(about))).await.expect("accepted");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    batcher.stop(start + Duration::from_secs(5)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(context.telemetry.dropped("processor/batch", Signal::Traces, "shutdown").get(), 14);
}

/// Requests of different tenants never share a batch, and the batch still says whose it is.
#[tokio::test]
async fn metadata_keys_keep_requests_apart() {
    let sink = Sink::new();
    let batcher =
        batcher("{timeout: 10ms, metadata_keys: [X-Tenant], metadata_cardinality_limit: 2}", sink.clone());
    let of_tenant = |tenant: &str, first: u64| {
        let metadata =
            vec![("x-tenant".to_owned(), tenant.to_owned()), ("other".to_owned(), first.to_string())];
        batch(first, 1).with_context(Some(Arc::new(RequestContext { metadata, ..RequestContext::default() })))
    };
    for (tenant, first) in [("a", 0), ("b", 1), ("a", 2)] {
        batcher.consume(of_tenant(tenant, first)).await.expect("accepted");
    }
    let error = batcher.consume(of_tenant("c", 3)).await.expect_err("a third combination");
    assert_eq!(error.message(), "too many batcher metadata-value combinations");
    batcher.stop(soon()).await;
    let mut tenants: Vec<(Vec<String>, usize)> = sink
        .taken()
        .iter()
        .map(|batch| {
            let context = batch.context().expect("has metadata");
            (context.values("X-TENANT").map(str::to_owned).collect(), batch.items())
        })
        .collect();
    tenants.sort();
    assert_eq!(tenants, [(vec!["a".to_owned()], 2), (vec!["b".to_owned()], 1)]);
    assert_eq!(sink.taken()[0].context().expect("has metadata").metadata.len(), 1);
}

/// The texts are those of the Collector, which users search for.
#[test]
fn says_what_cannot_be() {
    for (yaml, problem) in [
        (
            "{send_batch_size: 100, send_batch_max_size: 10}",
            "send_batch_max_size: send_batch_max_size must be greater or equal to send_batch_size",
        ),
        (
            "{metadata_keys: [a, A]}",
            "metadata_keys::1: duplicate entry in metadata_keys: \"a\" (case-insensitive)",
        ),
    ] {
        assert_eq!(config_with_problems::<BatchProcessor>(yaml).1, [problem]);
    }
}
