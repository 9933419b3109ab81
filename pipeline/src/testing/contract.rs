//! The shared contract checks: what every component must do, whatever else it does.
//!
//! Each panics with the clause that is broken. The clauses are those of [`crate::component`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

use super::arbitrary::{self, Options};
use super::sink::Sink;
use super::{config_with_problems, spans};
use crate::batch::Batch;
use crate::component::{Consumer, Exporter, Factory, Processor, Transform};
use crate::error::ConsumeError;
use crate::otlp::{attributes, view, walk};
use crate::signal::Signal;

/// Every type: a name in snake case, keys that are known, a null body that means the defaults.
pub fn factory<F: Factory>() {
    let is_snake = F::TYPE.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    assert!(is_snake, "{} is not in snake case", F::TYPE);
    assert!(!F::ALIASES.contains(&F::TYPE), "{} is its own alias", F::TYPE);
    let (_, problems) = config_with_problems::<F>("{no_such_key_at_all: 1}");
    assert!(
        problems.iter().any(|problem| problem.contains("has invalid keys: no_such_key_at_all")),
        "{} accepts unknown keys: {problems:?}",
        F::TYPE
    );
    let (_, null_problems) = config_with_problems::<F>("~");
    let (_, empty_problems) = config_with_problems::<F>("{}");
    assert_eq!(null_problems, empty_problems, "{}: a null body is not an empty one", F::TYPE);
}

/// A transform leaves well-formed, canonical bytes with the number of items it says, for any request,
/// and makes no items.
pub fn transform(transform: &dyn Transform, signal: Signal) {
    for seed in 0..300 {
        let options = Options { unknown_fields: seed % 2 == 0, ..Options::default() };
        let request = arbitrary::request(signal, seed, options);
        let batch = Batch::receive(signal, request).unwrap_or_else(|error| panic!("{error}"));
        let before = batch.items();
        if let Ok(Some(after)) = transform.transform(batch) {
            let walked = walk(signal, &after.bytes()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert!(walked.is_canonical, "seed {seed}: not canonical");
            assert_eq!(walked.items, after.items(), "seed {seed}: wrong count");
            assert!(after.items() <= before, "seed {seed}: items were made");
        }
    }
}

/// A processor with state: everything it accepted arrives once, whatever the next stage answers in
/// between; data called bad is dropped, nothing else; nothing is accepted after the stop.
pub async fn processor<P: Processor + ?Sized>(make: impl Fn(Arc<dyn Consumer>) -> Arc<P>) {
    accepts_and_delivers(&make).await;
    survives_transient_refusals(&make).await;
    passes_over_bad_data(&make).await;
    survives_dropped_calls(&make).await;
    stops_while_busy(&make).await;
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn spans(first: u64, count: usize) -> Batch {
    Batch::receive(Signal::Traces, spans::request_with(count, first))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// How often each span was taken, by the request id it carries.
fn deliveries(sink: &Sink) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for batch in sink.taken() {
        let bytes = batch.bytes();
        for span in view::resource_groups(&bytes).flat_map(view::scope_groups).flat_map(view::records) {
            let id = span.attributes(9).get("gen_ai.request.id").map(attributes::to_text).unwrap_or_default();
            *counts.entry(id.into_owned()).or_insert(0) += 1;
        }
    }
    counts
}

fn assert_each_once(sink: &Sink, accepted: usize, clause: &str) {
    let counts = deliveries(sink);
    assert!(counts.values().all(|count| *count == 1), "{clause}: delivered more than once: {counts:?}");
    assert_eq!(counts.len(), accepted, "{clause}: accepted and delivered differ");
}

async fn accepts_and_delivers<P: Processor + ?Sized>(make: &impl Fn(Arc<dyn Consumer>) -> Arc<P>) {
    let sink = Sink::new();
    let processor = make(sink.clone());
    for index in 0..20 {
        processor.consume(spans(index * 10, 10)).await.unwrap_or_else(|error| panic!("success: {error}"));
    }
    processor.stop(soon()).await;
    assert_each_once(&sink, 200, "success");
    let refusal = processor.consume(spans(0, 1)).await;
    assert!(refusal.is_err(), "data was accepted after the stop");
    processor.stop(soon()).await;
}

async fn survives_transient_refusals<P: Processor + ?Sized>(make: &impl Fn(Arc<dyn Consumer>) -> Arc<P>) {
    let sink = Sink::new();
    let calls = AtomicUsize::new(0);
    sink.answer_with(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0..3 => Err(ConsumeError::unavailable("not yet")),
        _ => Ok(()),
    });
    let processor = make(sink.clone());
    let mut accepted = 0;
    for index in 0..5 {
        if processor.consume(spans(index * 10, 10)).await.is_ok() {
            accepted += 10;
        }
    }
    processor.stop(soon()).await;
    assert_each_once(&sink, accepted, "transient refusals");
}

async fn passes_over_bad_data<P: Processor + ?Sized>(make: &impl Fn(Arc<dyn Consumer>) -> Arc<P>) {
    let sink = Sink::new();
    sink.answer_with(|_| Err(ConsumeError::invalid("bad")));
    let processor = make(sink.clone());
    // Whether the caller hears of it depends on the processor; it must not try for ever.
    let _ = processor.consume(spans(0, 10)).await;
    let stopped = tokio::time::timeout(Duration::from_secs(10), processor.stop(soon())).await;
    assert!(stopped.is_ok(), "bad data keeps the processor from stopping");
    assert_eq!(sink.items(), 0);
}

async fn survives_dropped_calls<P: Processor + ?Sized>(make: &impl Fn(Arc<dyn Consumer>) -> Arc<P>) {
    let sink = Sink::new();
    sink.delay_by(Duration::from_millis(20));
    let processor = make(sink.clone());
    for index in 0..10 {
        // The client hangs up at once: the outcome is unknown, and must not be two deliveries.
        let _ =
            tokio::time::timeout(Duration::from_millis(1), processor.consume(spans(index * 10, 10))).await;
    }
    processor.consume(spans(1000, 10)).await.unwrap_or_else(|error| panic!("after dropped calls: {error}"));
    processor.stop(soon()).await;
    let counts = deliveries(&sink);
    assert!(counts.values().all(|count| *count == 1), "a dropped call was delivered twice: {counts:?}");
    assert!(counts.len() >= 10, "what was accepted after dropped calls is missing");
}

async fn stops_while_busy<P: Processor + ?Sized>(make: &impl Fn(Arc<dyn Consumer>) -> Arc<P>) {
    let sink = Sink::new();
    let processor = make(sink.clone());
    let accepted = Arc::new(AtomicUsize::new(0));
    let mut callers = Vec::new();
    for caller in 0..4u64 {
        let consumer = CallOnly(Arc::clone(&processor));
        let accepted = Arc::clone(&accepted);
        callers.push(async move {
            for index in 0..200 {
                if consumer.0.consume(spans(caller * 1_000_000 + index * 5, 5)).await.is_err() {
                    break;
                }
                accepted.fetch_add(5, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
    }
    let calling = futures_util::future::join_all(callers);
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        processor.stop(soon()).await;
    };
    tokio::join!(calling, stopping);
    assert_each_once(&sink, accepted.load(Ordering::Relaxed), "stop while busy");
}

struct CallOnly<P: ?Sized>(Arc<P>);

/// An exporter answers for any request, and can be stopped twice.
pub async fn exporter(exporter: &dyn Exporter, signals: crate::SignalSet) {
    for signal in signals.iter() {
        for seed in 0..20 {
            let request = arbitrary::request(signal, seed, Options::default());
            let batch = Batch::receive(signal, request).unwrap_or_else(|error| panic!("{error}"));
            let attempt = tokio::time::timeout(Duration::from_secs(10), exporter.export(&batch)).await;
            assert!(attempt.is_ok(), "{signal}, seed {seed}: an attempt takes longer than ten seconds");
        }
    }
    exporter.stop().await;
    exporter.stop().await;
}
