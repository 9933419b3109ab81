//! Nothing that was acknowledged is lost, whatever happens to the back end and to the agent's process, as
//! long as the process ends in peace.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::agent::{Agent, AgentBuilder};
use harness::capture::{Answer, Capture};
use harness::jaeger::{Jaeger, spans};
use harness::{client, ports, wait};
use rustix::process::Signal;
use serde_json::Value;
use tonic::Code;

use crate::load::{Load, SPANS};

/// One pipeline to a back end; `exporter` are more keys of the exporter.
fn agent(back_end: &str, processors: &str, exporter: &str) -> AgentBuilder {
    Agent::with(&format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:$grpc}}, http: {{endpoint: 127.0.0.1:$http}}}}}}}}
processors: {{batch: {{timeout: 50ms}}}}
exporters:
  otlp_grpc:
    endpoint: {back_end}
    tls: {{insecure: true}}
    retry_on_failure: {{initial_interval: 50ms, max_interval: 200ms, max_elapsed_time: 0}}
{exporter}
extensions: {{health_check: {{endpoint: 127.0.0.1:$health}}}}
service:
  extensions: [health_check]
  pipelines: {{traces: {{receivers: [otlp], processors: [{processors}], exporters: [otlp_grpc]}}}}
"
    ))
}

/// Jaeger is killed under load and is back 20 s later: everything that clients were acknowledged is in it.
/// It keeps its traces on disk, so what it took before counts as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jaeger_that_is_down_for_twenty_seconds_misses_nothing() {
    const OUTAGE: Duration = Duration::from_secs(20);
    let mut jaeger = Jaeger::start_on_disk().await;
    let agent = agent(&jaeger.grpc(), "batch", "").start().await;
    let load = Load::on(&agent).grpc(1).http(1);
    load.wait_for_acknowledged(50).await;
    jaeger.kill().await;
    let killed = Instant::now();
    let before = load.book().acknowledged.len();
    wait::until("the end of the outage", || async {
        if killed.elapsed() >= OUTAGE { Ok(()) } else { Err(killed.elapsed()) }
    })
    .await;
    assert!(load.book().acknowledged.len() > before + 100, "clients were served through the outage");
    let retries = agent.count("otelcol_exporter_retries", &[]).await;
    assert!(retries > 10, "{retries} retries while nobody listened");
    let jaeger = jaeger.restart().await;
    let book = load.finish().await;
    wait::until("all acknowledged spans in Jaeger", || async {
        let stored = stored(&jaeger).await;
        let missing = book.acknowledged.difference(&stored).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} of {}", book.acknowledged.len())) }
    })
    .await;
    assert_eq!(agent.count("otelcol_dropped_items", &[]).await, 0);
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
}

async fn stored(jaeger: &Jaeger) -> BTreeSet<u64> {
    let groups = jaeger.traces_of("sglang").await.unwrap_or_default();
    let ids = spans(&groups).map(|span| u64::from_str_radix(span["spanId"].as_str().unwrap(), 16).unwrap());
    ids.collect()
}

/// SIGTERM under load, with a slow back end and a filled queue: every acknowledged span arrives, the
/// process ends with 0 and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_loses_nothing() {
    for processors in ["", "batch"] {
        let back_end = Capture::start().await;
        back_end.be_slow(Duration::from_millis(100));
        let queue = "    sending_queue: {num_consumers: 2}";
        let mut agent = agent(&back_end.grpc(), processors, queue).start().await;
        let mut load = Load::on(&agent).grpc(4).http(4);
        load.wait_for_acknowledged(300).await;
        agent.process.signal(Signal::TERM);
        let status = agent.process.wait().await;
        let book = load.stop().await;
        let output = agent.process.output();
        assert_eq!(status.code(), Some(0), "{output}");
        for line in [
            "Received signal from OS",
            "Starting shutdown...",
            "the sending queue is drained",
            "Shutdown complete.",
        ] {
            assert!(output.contains(line), "{line} is not in\n{output}");
        }
        book.assert_delivered(&back_end.span_ids(), &BTreeSet::new());
    }
}

/// A second signal ends the process at once, with 1 and a word about what that means.
#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let back_end = Capture::start().await;
    back_end.hold();
    let mut agent = agent(&back_end.grpc(), "", "").start().await;
    let mut load = Load::on(&agent).grpc(1);
    load.wait_for_acknowledged(10).await;
    load.stop().await;
    agent.process.signal(Signal::TERM);
    agent.process.wait_for_line("Starting shutdown...").await;
    assert!(agent.process.is_running(), "it waits for the back end");
    let second = Instant::now();
    agent.process.signal(Signal::INT);
    let status = agent.process.wait().await;
    let output = agent.process.output();
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(second.elapsed() < Duration::from_secs(5), "{:?}", second.elapsed());
    assert!(output.contains("Received a second signal: stopping now, what is not sent is lost"), "{output}");
    assert!(output.contains("stopped before everything was sent"), "{output}");
}

/// What cannot be delivered before the shutdown deadline is counted and said, and the process ends.
#[tokio::test]
async fn a_back_end_that_never_answers_does_not_keep_it_from_ending() {
    let back_end = Capture::start().await;
    back_end.hold();
    let mut agent =
        agent(&back_end.grpc(), "", "").argument("--shutdown-timeout").argument("1s").start().await;
    let mut load = Load::on(&agent).grpc(1);
    load.wait_for_acknowledged(10).await;
    let book = load.stop().await;
    agent.process.signal(Signal::TERM);
    let status = agent.process.wait().await;
    let output = agent.process.output();
    assert_eq!(status.code(), Some(0), "{output}");
    let line =
        output.lines().find(|line| line.contains("Could not send everything before the shutdown deadline"));
    let line = line.unwrap_or_else(|| panic!("nothing is said of what was lost:\n{output}"));
    let fields: Value = serde_json::from_str(line.split('\t').nth(3).unwrap()).unwrap();
    let lost: usize = fields["dropped_items"].to_string().trim_matches('"').parse().unwrap();
    // The request that was given up may have been taken, too.
    let acknowledged = book.acknowledged.len();
    assert!(
        (acknowledged..=acknowledged + SPANS).contains(&lost),
        "{lost} lost, {acknowledged} acknowledged"
    );
}

/// The back end is killed with requests in its hands: they are sent again, and only they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_the_hands_of_a_killed_back_end_are_sent_again() {
    let mut back_end = Capture::start().await;
    let agent = agent(&back_end.grpc(), "", "    sending_queue: {num_consumers: 4}").start().await;
    let load = Load::on(&agent).grpc(2).http(2);
    load.wait_for_acknowledged(50).await;
    back_end.hold();
    let before = back_end.arrived().len();
    back_end.wait_for_arrivals(before + 4).await;
    back_end.kill();
    let unanswered = back_end.arrived().iter().filter(|request| !request.is_accepted).count();
    assert!(unanswered >= 4, "{unanswered} requests in its hands");
    let in_its_hands: BTreeSet<u64> = {
        let (arrived, taken) = (back_end.arrived_span_ids(), back_end.span_ids());
        arrived.into_iter().filter(|id| !taken.contains(id)).collect()
    };
    back_end.release();
    back_end.restart().await;
    load.wait_for_acknowledged(200).await;
    let book = load.finish().await;
    back_end.wait_for_spans(book.acknowledged.len()).await;
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
    book.assert_delivered(&back_end.span_ids(), &BTreeSet::new());
    let delivered: BTreeSet<u64> = back_end.span_ids().into_iter().collect();
    assert!(in_its_hands.is_subset(&delivered), "what it had in its hands was sent again");
}

/// A full queue refuses for now, over gRPC with UNAVAILABLE and over HTTP with 503, and takes the same
/// requests later; nobody is told "ok" for what is not kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_for_now_and_takes_it_later() {
    let back_end = Capture::start().await;
    back_end.hold();
    // The back end is held for longer than one attempt may take: attempts must not end meanwhile.
    let queue = "    timeout: 60s\n    sending_queue: {num_consumers: 1, queue_size: 3}";
    let agent = agent(&back_end.grpc(), "", queue).start().await;
    for transport in ["grpc", "http"] {
        back_end.hold();
        let load = match transport {
            "grpc" => Load::on(&agent).grpc(4),
            _ => Load::on(&agent).starting_at(1 << 32).http(4),
        };
        load.wait_for_refusals(10).await;
        assert!(load.book().acknowledged.len() <= 3 * SPANS, "{:?}", load.book());
        back_end.release();
        load.wait_for_acknowledged(20 * SPANS).await;
        let book = load.finish().await;
        wait::until("everything that was acknowledged", || async {
            let delivered: BTreeSet<u64> = back_end.span_ids().into_iter().collect();
            let missing = book.acknowledged.difference(&delivered).count();
            if missing == 0 { Ok(()) } else { Err(missing) }
        })
        .await;
        book.assert_delivered(&back_end.span_ids(), &BTreeSet::new());
        assert_eq!(book.unsure.len(), 0);
    }
    let refused = agent.count("otelcol_exporter_enqueue_failed_spans", &[]).await;
    assert!(refused >= 20 * SPANS as u64, "{refused} spans found no room");
    assert_eq!(refused, agent.count("otelcol_receiver_refused_spans", &[]).await);
    for transport in ["grpc", "http"] {
        let label = format!("transport=\"{transport}\"");
        let requests = agent.count("otelcol_receiver_requests", &[&label, "outcome=\"refused\""]).await;
        assert!(requests >= 10, "{requests} requests refused over {transport}");
    }
}

/// A back end that answers "not now" is asked again, one that answers "never" is not; what it refuses for
/// good is counted with its reason.
#[tokio::test]
async fn the_back_ends_answers_are_followed() {
    let back_end = Capture::start().await;
    let agent = agent(&back_end.grpc(), "", "    sending_queue: {num_consumers: 1}").start().await;
    back_end.answer([
        Answer::Refuse(Code::Unavailable),
        Answer::Refuse(Code::DataLoss),
        Answer::Refuse(Code::PermissionDenied),
        Answer::Partial(2, "two are too old".to_owned()),
    ]);
    let load = Load::on(&agent).grpc(1);
    load.wait_for_acknowledged(4 * SPANS).await;
    let book = load.finish().await;
    let requests = book.acknowledged.len() / SPANS;
    back_end.wait_for_arrivals(requests + 2).await;
    back_end.wait_for_spans((requests - 1) * SPANS).await;
    let dropped =
        async |reason: &str| agent.count("otelcol_dropped_items", &[&format!("reason=\"{reason}\"")]).await;
    assert_eq!((dropped("rejected").await, dropped("partial_success").await), (SPANS as u64, 2));
    assert_eq!(agent.count("otelcol_exporter_send_failed_spans", &[]).await, SPANS as u64);
    agent.wait_for_metric("otelcol_exporter_sent_spans", &[], ((requests - 1) * SPANS - 2) as f64).await;
    assert_eq!(agent.count("otelcol_exporter_retries", &[]).await, 2);
    agent.process.wait_for_line("two are too old").await;
}

/// An exporter to a port on which nobody listens: clients are served, both health pages answer 200, and
/// the status names the component and what is wrong with it.
#[tokio::test]
async fn an_exporter_without_a_back_end_is_told_by_the_status() {
    let nobody = format!("127.0.0.1:{}", ports::free());
    let agent = agent(&nobody, "batch", "").start().await;
    let mut load = Load::on(&agent).grpc(1).http(1);
    load.wait_for_acknowledged(10).await;
    load.stop().await;
    let status = wait::until("the error in the status", || async {
        let status = client::get_json(&format!("{}/status?verbose", agent.url("health"))).await.unwrap();
        if status["status"] == "StatusRecoverableError" { Ok(status) } else { Err(status) }
    })
    .await;
    assert_eq!(status["healthy"], true, "{status}");
    let pipeline = &status["components"]["pipeline:traces"]["components"];
    assert_eq!(pipeline["receiver:otlp"]["status"], "StatusOK", "{status}");
    assert_eq!(pipeline["processor:batch"]["status"], "StatusOK", "{status}");
    assert_eq!(pipeline["exporter:otlp_grpc"]["status"], "StatusRecoverableError", "{status}");
    let error = pipeline["exporter:otlp_grpc"]["error"].as_str().unwrap();
    assert!(error.contains(&nobody) && error.contains("onnection refused"), "{error}");
    let first_version = client::get_json(&agent.url("health")).await.unwrap();
    assert_eq!(first_version["status"], "Server available");
}
