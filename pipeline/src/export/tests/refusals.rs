//! A back end that refuses a request for what is in it, or for its size.

use std::collections::BTreeSet;

use prost::Message;

use super::super::delivery::{HOPELESS, HOPELESS_AGAIN, MOST_FOR_ITEMS, MOST_FOR_SIZE};
use super::*;
use crate::error::Blame;
use crate::otlp::view::{records, resource_groups, scope_groups};
use crate::testing::arbitrary::{self, Options};

type Verdict = dyn Fn(&Seen) -> Result<Exported, ExportError> + Send + Sync;

/// An exporter whose answer depends on what it is given.
struct Judge {
    verdict: Box<Verdict>,
    attempts: AtomicUsize,
    taken: Mutex<Vec<u64>>,
    items: AtomicUsize,
}

/// What is asked of it.
struct Seen {
    /// Counted from 0.
    attempt: usize,
    /// The numbers of the spans.
    ids: Vec<u64>,
    items: usize,
}

impl Judge {
    fn by(verdict: impl Fn(&Seen) -> Result<Exported, ExportError> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            verdict: Box::new(verdict),
            attempts: AtomicUsize::new(0),
            taken: Mutex::default(),
            items: AtomicUsize::new(0),
        })
    }

    fn calls_bad(bad: impl IntoIterator<Item = u64>) -> Arc<Self> {
        let bad: BTreeSet<u64> = bad.into_iter().collect();
        Self::by(move |seen| if seen.ids.iter().any(|id| bad.contains(id)) { invalid() } else { fine() })
    }

    fn takes_at_most(items: usize) -> Arc<Self> {
        Self::by(move |seen| if seen.items > items { too_large() } else { fine() })
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }

    fn taken(&self) -> Vec<u64> {
        let mut taken = self.taken.lock().expect("unpoisoned").clone();
        taken.sort_unstable();
        taken
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one answer among others")]
fn fine() -> Result<Exported, ExportError> {
    Ok(Exported::default())
}

fn too_large() -> Result<Exported, ExportError> {
    Err(ExportError::too_large("received message larger than max"))
}

#[async_trait]
impl Exporter for Judge {
    async fn export(&self, batch: &Batch) -> Result<Exported, ExportError> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        // An attempt takes time, so that a test can look between two.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let ids = if batch.signal() == Signal::Traces { ids(&batch.bytes()) } else { Vec::new() };
        let seen = Seen { attempt, ids, items: batch.items() };
        let answer = (self.verdict)(&seen);
        if answer.is_ok() {
            self.taken.lock().expect("unpoisoned").extend(&seen.ids);
            self.items.fetch_add(seen.items, Ordering::Relaxed);
        }
        answer
    }
}

/// Spans are numbered from 1.
fn ids(request: &[u8]) -> Vec<u64> {
    let spans = resource_groups(request).flat_map(scope_groups).flat_map(records);
    spans
        .filter_map(|span| {
            let id = span.value(2)?.bytes().try_into().ok()?;
            Some(u64::from_be_bytes(id))
        })
        .collect()
}

fn all_but(count: u64, missing: &[u64]) -> Vec<u64> {
    (1..=count).filter(|id| !missing.contains(id)).collect()
}

fn queued() -> ExportSettings {
    settings(Some(QueueConfig { num_consumers: 1, ..QueueConfig::default() }))
}

fn waited_for() -> ExportSettings {
    settings(Some(QueueConfig { num_consumers: 1, wait_for_result: true, ..QueueConfig::default() }))
}

const LONG: Duration = Duration::from_hours(1);

/// Too large is cut until it fits, and everything arrives.
#[tokio::test(start_paused = true)]
async fn what_is_too_large_arrives_in_parts() {
    for (items, most) in [(2, 1), (100, 99), (100, 30), (101, 1)] {
        let exporter = Judge::takes_at_most(most);
        let stage = Stage::start(&exporter, &queued());
        stage.send(items).await.expect("taken");
        stage.stop_within(LONG).await;
        assert_eq!(exporter.taken(), all_but(items as u64, &[]), "{items} items, {most} at once");
        assert_eq!(stage.count(Metric::exporter_sent), items as u64);
        assert_eq!((stage.count(Metric::exporter_send_failed), stage.dropped("shutdown")), (0, 0));
        assert_eq!((stage.queue_size(), stage.in_flight()), (0, 0));
    }
}

/// Cutting works alike for the three signals.
#[tokio::test(start_paused = true)]
async fn every_signal_is_cut() {
    for signal in Signal::ALL {
        for seed in 0..50 {
            let request = arbitrary::request(signal, seed, Options::default());
            let batch = Batch::receive(signal, request).expect("well formed");
            let (items, exporter) = (batch.items(), Judge::takes_at_most(1));
            let context = context("otlp_grpc");
            let stage = ExportStage::start(
                Arc::clone(&exporter) as Arc<dyn Exporter>,
                &settings(None),
                signal,
                &context,
            );
            if items > 0 {
                stage.consume(batch).await.expect("delivered");
            }
            assert_eq!(exporter.items.load(Ordering::Relaxed), items, "{signal} {seed}");
        }
    }
}

/// A single item that is too large goes alone; its neighbours arrive.
#[tokio::test(start_paused = true)]
async fn an_item_that_is_too_large_is_dropped_alone() {
    let exporter = Judge::by(|seen| if seen.ids.contains(&17) { too_large() } else { fine() });
    let stage = Stage::start(&exporter, &queued());
    stage.send(50).await.expect("taken");
    stage.stop_within(LONG).await;
    assert_eq!(exporter.taken(), all_but(50, &[17]));
    assert_eq!((stage.dropped("too_large"), stage.dropped("rejected")), (1, 0));
    assert_eq!((stage.count(Metric::exporter_sent), stage.count(Metric::exporter_send_failed)), (49, 1));
}

/// A back end to which everything is too large costs a bounded number of requests, and every item is counted.
#[tokio::test(start_paused = true)]
async fn cutting_is_bounded() {
    let exporter = Judge::takes_at_most(0);
    let stage = Stage::start(&exporter, &queued());
    stage.send(2000).await.expect("taken");
    stage.stop_within(LONG).await;
    assert_eq!(exporter.attempts(), 1 + MOST_FOR_SIZE);
    assert_eq!(stage.dropped("too_large"), 2000);
}

/// What cannot be cut, because most of it stands around the items, is dropped whole instead of being sent in
/// vain for ever.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_cut_is_dropped_whole() {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    let mut request = ExportTraceServiceRequest::decode(spans::request(4)).expect("decodes");
    request.resource_spans[0].schema_url = "x".repeat(crate::otlp::split::MOST_REPEATED + 1);
    let exporter = Judge::takes_at_most(0);
    let stage = Stage::start(&exporter, &queued());
    let batch = Batch::receive(Signal::Traces, request.encode_to_vec().into()).expect("well formed");
    stage.stage.consume(batch).await.expect("taken");
    stage.stop_within(LONG).await;
    assert_eq!((exporter.attempts(), stage.dropped("too_large")), (1, 4));
}

/// Exactly the bad items are lost, wherever they stand, at about two requests for each halving.
#[tokio::test(start_paused = true)]
async fn only_the_bad_items_are_lost() {
    for bad in [&[1][..], &[100], &[37], &[1, 2], &[1, 100], &[50, 51, 52]] {
        let exporter = Judge::calls_bad(bad.iter().copied());
        let stage = Stage::start(&exporter, &queued());
        stage.send(100).await.expect("taken");
        stage.stop_within(LONG).await;
        assert_eq!(exporter.taken(), all_but(100, bad), "{bad:?}");
        let (lost, attempts) = (bad.len(), exporter.attempts());
        assert_eq!(
            (stage.dropped("rejected"), stage.count(Metric::exporter_sent)),
            (lost as u64, 100 - lost as u64)
        );
        assert!(attempts <= 1 + 2 * 7 * lost, "{attempts} requests to find {bad:?}");
        assert_eq!((stage.queue_size(), stage.in_flight(), stage.dropped("shutdown")), (0, 0, 0));
    }
}

/// Whatever is bad: each item is delivered or counted, good ones are lost only when the bound is met, and the
/// bound holds.
#[tokio::test(start_paused = true)]
async fn every_item_is_accounted_for() {
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..200 {
        let count = random.u64(1..300);
        let share = random.f64().powi(4);
        let bad: BTreeSet<u64> = (1..=count).filter(|_| random.f64() < share).collect();
        let exporter = Judge::calls_bad(bad.iter().copied());
        let stage = Stage::start(&exporter, &queued());
        stage.send(count as usize).await.expect("taken");
        stage.stop_within(LONG).await;
        let (taken, attempts) = (exporter.taken(), exporter.attempts());
        let dropped = stage.dropped("rejected");
        assert_eq!(taken.len() as u64 + dropped, count);
        assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), taken.len(), "nothing arrives twice");
        assert!(attempts <= 1 + MOST_FOR_ITEMS, "{attempts} requests");
        let met_a_bound = attempts == 1 + MOST_FOR_ITEMS || taken.is_empty() && attempts >= HOPELESS;
        assert!(met_a_bound || dropped == bad.len() as u64, "{dropped} dropped, {} bad", bad.len());
    }
}

/// A back end that calls everything bad is soon believed, and sooner the next time, until it takes something.
#[tokio::test(start_paused = true)]
async fn a_back_end_that_calls_everything_bad_is_believed() {
    let exporter = Judge::by(|seen| if seen.ids == [1] { fine() } else { invalid() });
    let stage = Stage::start(&exporter, &queued());
    let mut attempts = 0;
    for (items, expected) in
        [(500, HOPELESS), (500, HOPELESS_AGAIN), (500, HOPELESS_AGAIN), (1, 1), (500, HOPELESS)]
    {
        stage.send(items).await.expect("taken");
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(exporter.attempts() - attempts, expected);
        attempts = exporter.attempts();
    }
    assert_eq!((stage.dropped("rejected"), stage.count(Metric::exporter_sent)), (2000, 1));
}

/// Refusals that say nothing about the data are not answered with more requests.
#[tokio::test(start_paused = true)]
async fn other_refusals_are_not_taken_apart() {
    let mut refusals = 0;
    for number in 1..=16 {
        let code = Code::from_grpc(number);
        let is_final = !ExportError::new(code, "no").retry().is_possible();
        if !is_final || code.blame() != Blame::Nothing {
            continue;
        }
        refusals += 1;
        let exporter = Judge::by(move |_| Err(ExportError::new(code, "no")));
        let stage = Stage::start(&exporter, &queued());
        stage.send(100).await.expect("taken");
        stage.stop_within(LONG).await;
        assert_eq!((exporter.attempts(), stage.dropped("rejected")), (1, 100), "{code:?}");
    }
    assert_eq!(refusals, 9);
}

/// Too large and bad at once: cut first, searched then.
#[tokio::test(start_paused = true)]
async fn large_and_bad_are_told_apart() {
    let exporter = Judge::by(|seen| match seen {
        Seen { items: 21.., .. } => too_large(),
        Seen { ids, .. } if ids.contains(&33) => invalid(),
        _ => fine(),
    });
    let stage = Stage::start(&exporter, &queued());
    stage.send(100).await.expect("taken");
    stage.stop_within(LONG).await;
    assert_eq!(exporter.taken(), all_but(100, &[33]));
    assert_eq!((stage.dropped("rejected"), stage.dropped("too_large")), (1, 0));
}

/// Each part has its own retries: a back end that is down between two parts costs nothing.
#[tokio::test(start_paused = true)]
async fn parts_are_repeated_like_requests() {
    let exporter = Judge::by(|seen| match seen.attempt {
        0 => too_large(),
        1..=4 | 6..=9 => unavailable(),
        _ => fine(),
    });
    let stage = Stage::start(&exporter, &queued());
    stage.send(10).await.expect("taken");
    tokio::time::sleep(LONG).await;
    assert_eq!(exporter.taken(), all_but(10, &[]));
    assert_eq!(exporter.attempts(), 11);
}

/// A part whose retries end is lost alone.
#[tokio::test(start_paused = true)]
async fn a_part_without_retries_left_is_lost_alone() {
    let exporter = Judge::by(|seen| match seen.ids.as_slice() {
        ids if ids.len() > 5 => too_large(),
        ids if ids.contains(&1) => unavailable(),
        _ => fine(),
    });
    let stage = Stage::start(&exporter, &queued());
    stage.send(10).await.expect("taken");
    tokio::time::sleep(LONG).await;
    assert_eq!(exporter.taken(), [6, 7, 8, 9, 10]);
    assert_eq!((stage.dropped("retries_exhausted"), stage.dropped("too_large")), (5, 0));
}

/// The caller that waits hears "ok" when the rest was delivered, as in a partial success; it hears the refusal
/// when nothing was, or when something is left that was not refused for itself. Dropped is what nobody holds.
#[tokio::test(start_paused = true)]
async fn the_caller_hears_what_became_of_the_whole() {
    type Case = (&'static str, Arc<Judge>, Result<(), Retry>, u64, u64);
    let judge = |refused: fn(&Seen) -> bool, answer: fn() -> Result<Exported, ExportError>| {
        Judge::by(move |seen| match seen {
            Seen { items: 6.., .. } => too_large(),
            seen if refused(seen) => answer(),
            _ => fine(),
        })
    };
    let cases = || -> [Case; 6] {
        [
            ("all in parts", Judge::takes_at_most(3), Ok(()), 0, 10),
            ("one is bad", Judge::calls_bad([3]), Ok(()), 1, 9),
            ("all are bad", Judge::calls_bad(1..=10), Err(Retry::Never), 0, 0),
            ("all are too large", Judge::takes_at_most(0), Err(Retry::Never), 0, 0),
            ("a part is forbidden", judge(|seen| seen.ids.contains(&9), forbidden), Err(Retry::Never), 0, 5),
            ("a part is for later", judge(|seen| seen.ids.contains(&9), unavailable), Err(Retry::Now), 0, 5),
        ]
    };
    for settings in [waited_for(), settings(None)] {
        for (name, exporter, expected, dropped, sent) in cases() {
            let stage = Stage::start(&exporter, &settings);
            let answer = stage.send(10).await;
            assert_eq!(answer.map_err(|error| error.retry()), expected, "{name}");
            let gone =
                stage.dropped("rejected") + stage.dropped("too_large") + stage.dropped("retries_exhausted");
            assert_eq!((gone, stage.count(Metric::exporter_sent)), (dropped, sent), "{name}");
            assert_eq!(stage.count(Metric::exporter_send_failed), 10 - sent, "{name}");
            assert_eq!(stage.in_flight(), 0);
        }
    }
}

/// While parts are on their way the queue holds the room of the whole; at the deadline only what was not
/// delivered counts as lost, joined requests included.
#[tokio::test(start_paused = true)]
async fn a_stop_between_two_parts_counts_exactly() {
    for queue in [QueueConfig { num_consumers: 1, ..QueueConfig::default() }, batching(10, 0, &[])] {
        let queue = QueueConfig { sizer: Sizer::Items, ..queue };
        let exporter = Judge::by(|seen| match seen.ids.as_slice() {
            ids if ids.len() > 3 => too_large(),
            ids if ids.contains(&9) => invalid(),
            _ => fine(),
        });
        let stage = Stage::start(&exporter, &settings(Some(queue)));
        let first = Batch::receive(Signal::Traces, spans::request_with(6, 0)).expect("well formed");
        let second = Batch::receive(Signal::Traces, spans::request_with(4, 6)).expect("well formed");
        stage.stage.consume(first).await.expect("taken");
        stage.stage.consume(second).await.expect("taken");
        tokio::time::sleep(Duration::from_millis(25)).await;
        assert_eq!(stage.queue_size(), 10);
        stage.stop_within(Duration::from_millis(10)).await;
        let (sent, lost) = (stage.count(Metric::exporter_sent), stage.dropped("shutdown"));
        assert!(sent > 0 && lost > 0, "{sent} sent, {lost} lost");
        assert_eq!(sent + lost + stage.dropped("rejected"), 10);
        assert_eq!(exporter.taken().len() as u64, sent);
        assert_eq!((stage.queue_size(), stage.in_flight()), (0, 0));
    }
}
