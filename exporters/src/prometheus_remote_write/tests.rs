use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration as StdDuration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use spindle_pipeline::RequestContext;
use spindle_pipeline::component::{ComponentConfig, Consumer};
use spindle_pipeline::export::ExportStage;
use spindle_pipeline::run::Runs;
use spindle_pipeline::testing::{config, context, contract};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;
use crate::support::testing::from_tenant;
use testing::{gauge, point, prompb, request, sum, text};

/// What a back end does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reaction {
    Take,
    Answer(u16),
    AnswerAfter(u16, &'static str),
    /// Takes it, but only after a while.
    TakeSlowly,
    /// Closes the connection without reading what it means.
    Reset,
    /// Takes it, and closes the connection before it says so.
    TakeAndReset,
}

type Script = Box<dyn FnMut(usize, &prompb::WriteRequest) -> Reaction + Send>;

/// A back end on a socket of its own.
struct BackEnd {
    address: SocketAddr,
    state: Arc<StdMutex<Received>>,
}

#[derive(Default)]
struct Received {
    script: Option<Script>,
    /// All requests, and what was done with them.
    requests: Vec<(prompb::WriteRequest, Reaction)>,
    headers: Vec<HeaderMap>,
    /// The series that are being answered for.
    in_flight: BTreeMap<String, usize>,
    was_parallel: bool,
}

impl BackEnd {
    async fn start(script: impl FnMut(usize, &prompb::WriteRequest) -> Reaction + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("has an address");
        let state =
            Arc::new(StdMutex::new(Received { script: Some(Box::new(script)), ..Received::default() }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| respond(Arc::clone(&state), request));
                // A reset ends the connection with an error.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, state }
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn yaml(&self, rest: &str) -> String {
        format!("{{endpoint: 'http://{}/api/v1/write'{rest}}}", self.address)
    }

    /// The samples that were taken, by series, in the order in which they came. A request whose answer was
    /// lost comes once more, as it was; that is passed over.
    fn taken(&self) -> BTreeMap<String, Vec<(i64, f64)>> {
        let mut taken: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
        let mut unheard: Vec<&prompb::WriteRequest> = Vec::new();
        let received = self.received();
        for (request, reaction) in &received.requests {
            let is_taken = matches!(reaction, Reaction::Take | Reaction::TakeSlowly | Reaction::TakeAndReset);
            let again = unheard.iter().position(|other| *other == request);
            if let (Some(again), true) = (again, *reaction != Reaction::TakeAndReset && is_taken) {
                unheard.remove(again);
            }
            if again.is_some() || !is_taken {
                continue;
            }
            if *reaction == Reaction::TakeAndReset {
                unheard.push(request);
            }
            for series in &request.timeseries {
                let samples = series.samples.iter().map(|sample| (sample.timestamp, sample.value));
                taken.entry(id(series)).or_default().extend(samples);
            }
        }
        taken
    }

    async fn wait_until(&self, condition: impl Fn(&Received) -> bool) {
        let deadline = Instant::now() + StdDuration::from_secs(10);
        while !condition(&self.received()) {
            assert!(Instant::now() < deadline, "waited in vain");
            tokio::time::sleep(StdDuration::from_millis(2)).await;
        }
    }
}

fn id(series: &prompb::TimeSeries) -> String {
    series.labels.iter().fold(String::new(), |id, label| id + &label.name + "=" + &label.value + ";")
}

async fn respond(
    state: Arc<StdMutex<Received>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let headers = request.headers().clone();
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let body = snap::raw::Decoder::new().decompress_vec(&body).expect("one block of snappy");
    let message = prompb::WriteRequest::decode(body.as_slice()).expect("well formed");
    let ids: Vec<String> = message.timeseries.iter().map(id).collect();
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let reaction = {
        let mut received = lock();
        for id in &ids {
            let count = received.in_flight.entry(id.clone()).or_insert(0);
            *count += 1;
            received.was_parallel |= received.in_flight[id] > 1;
        }
        let number = received.requests.len();
        let reaction = received.script.as_mut().map_or(Reaction::Take, |script| script(number, &message));
        received.requests.push((message, reaction));
        received.headers.push(headers);
        reaction
    };
    if reaction == Reaction::TakeSlowly {
        tokio::time::sleep(StdDuration::from_millis(30)).await;
    }
    {
        let mut received = lock();
        for id in ids {
            *received.in_flight.entry(id).or_insert(1) -= 1;
        }
    }
    let answer = |status: u16| {
        let mut response = Response::new(Full::new(Bytes::from_static(b"because of the script")));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        response
    };
    match reaction {
        Reaction::Take | Reaction::TakeSlowly => Ok(answer(204)),
        Reaction::Answer(status) => Ok(answer(status)),
        Reaction::AnswerAfter(status, after) => {
            let mut response = answer(status);
            response.headers_mut().insert("retry-after", HeaderValue::from_static(after));
            Ok(response)
        }
        Reaction::Reset | Reaction::TakeAndReset => Err(io::Error::other("reset")),
    }
}

fn batch(request: &ExportMetricsServiceRequest) -> Batch {
    Batch::receive(Signal::Metrics, request.encode_to_vec().into()).expect("well formed")
}

/// A batch of `series` gauges at one time.
fn gauges(time: u64, series: usize) -> Batch {
    let points = (0..series).map(|id| point(time, time as f64, vec![text("id", &id.to_string())])).collect();
    batch(&request(vec![], vec![gauge("g", points)]))
}

struct Setup {
    context: BuildContext,
    exporter: Arc<dyn Exporter>,
    settings: ExportSettings,
}

fn setup(yaml: &str) -> Setup {
    let config = config::<PrometheusRemoteWrite>(yaml);
    let context = context("prometheus_remote_write");
    let settings = PrometheusRemoteWrite::settings(&config);
    let exporter = PrometheusRemoteWrite::build(config, &context).expect("builds");
    Setup { context, exporter, settings }
}

impl Setup {
    fn stage(&self) -> ExportStage {
        ExportStage::start(Arc::clone(&self.exporter), &self.settings, Signal::Metrics, &self.context)
    }

    fn dropped(&self, reason: &'static str) -> u64 {
        self.context.telemetry.dropped("exporter/prometheus_remote_write", Signal::Metrics, reason).get()
    }

    fn counted(&self, metric: Metric) -> u64 {
        let labels = vec![("exporter".into(), "prometheus_remote_write".into())];
        self.context.telemetry.counter(metric, labels).get()
    }
}

fn soon() -> Instant {
    Instant::now() + StdDuration::from_secs(20)
}

const QUICK: &str = ", retry_on_failure: {initial_interval: 1ms, max_interval: 5ms}";

/// The clauses that every component keeps.
#[tokio::test]
async fn keeps_the_contract() {
    contract::factory::<PrometheusRemoteWrite>();
    let back_end = BackEnd::start(|_, _| Reaction::Take).await;
    let setup = setup(&back_end.yaml(""));
    contract::exporter(&*setup.exporter, PrometheusRemoteWrite::SIGNALS).await;
}

/// The words of remote write 1.0, and what the configuration and the client add to them.
#[tokio::test]
async fn requests_carry_the_headers_of_the_protocol() {
    let back_end =
        BackEnd::start(|number, _| if number == 0 { Reaction::Answer(503) } else { Reaction::Take }).await;
    let yaml = format!(
        "{{endpoint: 'http://us%20er:p%40ss@{}/api/v1/write?x=y', headers: {{X-Scope-OrgID: t, User-Agent: mine, Content-Type: text/plain, Content-Encoding: gzip}}, include_metadata_keys: [x-tenant]{QUICK}}}",
        back_end.address
    );
    let (config, _) = spindle_pipeline::testing::config_with_problems::<PrometheusRemoteWrite>(&yaml);
    let exporter = PrometheusRemoteWrite::build(config, &context("prometheus_remote_write")).expect("builds");
    let metadata = vec![("x-tenant".to_owned(), "a".to_owned()), ("x-tenant".to_owned(), "b".to_owned())];
    let context = RequestContext { metadata, ..RequestContext::default() };
    let batch = gauges(1, 1).with_context(Some(Arc::new(context)));
    exporter.export(&batch).await.expect("delivered");
    let received = back_end.received();
    let headers = &received.headers[1];
    let text = |name: &str| -> Vec<&str> {
        headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect()
    };
    assert_eq!(text("content-encoding"), ["snappy"]);
    assert_eq!(text("content-type"), ["application/x-protobuf"]);
    assert_eq!(text("x-prometheus-remote-write-version"), ["0.1.0"]);
    assert!(text("user-agent")[0].starts_with("spindle/"), "{:?}", text("user-agent"));
    assert_eq!(text("x-scope-orgid"), ["t"]);
    assert_eq!(text("authorization"), ["Basic dXMgZXI6cEBzcw=="]);
    assert_eq!(text("x-tenant"), ["a", "b"]);
    assert_eq!(text("retry-attempt"), ["1"]);
    assert!(received.headers[0].get("retry-attempt").is_none());
}

/// Refused, slow, broken, overloaded: what can arrive arrives, in order, and twice only where the answer was
/// lost. What was refused is counted point by point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_back_end_loses_nothing_and_mixes_nothing_up() {
    for seed in 0..6 {
        let mut random = fastrand_like(seed);
        let back_end = BackEnd::start(move |_, _| match random() % 16 {
            0 => Reaction::Answer(500),
            1 => Reaction::Answer(429),
            2 => Reaction::AnswerAfter(429, "0"),
            3 => Reaction::AnswerAfter(503, "Thu, 01 Jan 1970 00:00:00 GMT"),
            4 | 5 => Reaction::TakeSlowly,
            6 => Reaction::Reset,
            7 => Reaction::TakeAndReset,
            8 => Reaction::Answer(400),
            _ => Reaction::Take,
        })
        .await;
        let setup = setup(&back_end.yaml(&format!(", max_batch_size_bytes: 2000{QUICK}")));
        let stage = setup.stage();
        let (batches, series) = (40u64, 60usize);
        for time in 1..=batches {
            stage.consume(gauges(time, series)).await.expect("room in the queue");
        }
        stage.stop(soon()).await;
        check_delivery(&back_end, &setup, batches, series);
    }
}

/// A random sequence that is the same for the same seed.
fn fastrand_like(seed: u64) -> impl FnMut() -> u64 + Send {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

fn check_delivery(back_end: &BackEnd, setup: &Setup, batches: u64, series: usize) {
    let taken = back_end.taken();
    let received = back_end.received();
    assert!(!received.was_parallel, "a series was on its way twice");
    for samples in taken.values() {
        assert!(samples.windows(2).all(|pair| pair[0].0 < pair[1].0), "out of order or twice: {samples:?}");
    }
    let refused: BTreeSet<(String, i64)> = received
        .requests
        .iter()
        .filter(|(_, reaction)| *reaction == Reaction::Answer(400))
        .flat_map(|(request, _)| &request.timeseries)
        .flat_map(|series| series.samples.iter().map(|sample| (id(series), sample.timestamp)))
        .collect();
    let arrived: BTreeSet<(String, i64)> =
        taken.iter().flat_map(|(id, samples)| samples.iter().map(|(time, _)| (id.clone(), *time))).collect();
    // A request whose answer was lost may be refused when it comes again.
    assert_eq!(arrived.union(&refused).count() as u64, batches * series as u64);
    assert_eq!(setup.dropped("rejected"), refused.len() as u64);
    assert_eq!(
        setup.counted(Metric::ExporterSentMetricPoints),
        batches * series as u64 - refused.len() as u64
    );
    for reason in ["retries_exhausted", "retry_disabled", "partial_success", "shutdown", "duplicate_sample"] {
        assert_eq!(setup.dropped(reason), 0, "{reason}");
    }
}

/// Samples wait for company, but no longer than until the stop.
#[tokio::test]
async fn the_stop_sends_what_waits() {
    let back_end = BackEnd::start(|_, _| Reaction::Take).await;
    let setup = setup(&back_end.yaml(""));
    let stage = setup.stage();
    for time in 1..=3 {
        stage.consume(gauges(time, 2)).await.expect("room in the queue");
    }
    stage.stop(soon()).await;
    assert_eq!(back_end.received().requests.len(), 1, "in one request");
    let times: Vec<Vec<i64>> =
        back_end.taken().values().map(|samples| samples.iter().map(|sample| sample.0).collect()).collect();
    assert_eq!(times, [[1000, 2000, 3000], [1000, 2000, 3000]]);
}

/// Waiting for company is no congestion: small requests are answered at once however many there are.
#[tokio::test]
async fn small_requests_are_not_slowed_down_while_they_wait() {
    let back_end = BackEnd::start(|_, _| Reaction::Take).await;
    let setup = setup(&back_end.yaml(""));
    let stage = setup.stage();
    let start = Instant::now();
    for time in 1..=300 {
        stage.consume(gauges(time, 1)).await.expect("room in the queue");
    }
    assert!(start.elapsed() < StdDuration::from_secs(4), "{:?}", start.elapsed());
    stage.stop(soon()).await;
    assert_eq!(back_end.taken().values().map(Vec::len).sum::<usize>(), 300);
}

/// A back-off of a minute does not cost what is held: the stop cuts it short.
#[tokio::test]
async fn the_stop_does_not_wait_for_the_back_off() {
    let back_end =
        BackEnd::start(|number, _| if number < 2 { Reaction::Answer(503) } else { Reaction::Take }).await;
    let yaml = ", retry_on_failure: {initial_interval: 60s, max_interval: 60s, max_elapsed_time: 0}";
    let setup = setup(&back_end.yaml(&format!("{yaml}, remote_write_queue: {{queue_size: 2}}")));
    let stage = setup.stage();
    stage.consume(gauges(1, 2)).await.expect("room in the queue");
    back_end.wait_until(|received| received.requests.len() == 1).await;
    stage.stop(soon()).await;
    assert_eq!(back_end.taken().len(), 2);
    assert_eq!(setup.counted(Metric::ExporterRetries), 2);
}

/// Without any answer before the time is over, the batch as a whole is given up and counted, once.
#[tokio::test]
async fn what_cannot_be_delivered_in_time_is_counted() {
    let back_end = BackEnd::start(|_, _| Reaction::Answer(503)).await;
    let yaml = ", retry_on_failure: {initial_interval: 1ms, max_interval: 2ms, max_elapsed_time: 500ms}";
    let setup = setup(&back_end.yaml(yaml));
    let stage = setup.stage();
    let nameless = gauge("", vec![point(1, 1.0, vec![])]);
    let good = gauge("g", vec![point(1, 1.0, vec![]), point(2, 1.0, vec![])]);
    stage.consume(batch(&request(vec![], vec![nameless, good]))).await.expect("room in the queue");
    stage.stop(soon()).await;
    assert!(back_end.received().requests.len() > 2);
    assert_eq!(setup.dropped("retries_exhausted"), 3);
    assert_eq!(setup.dropped("invalid_name"), 0, "counted with the batch");
    assert_eq!(setup.counted(Metric::ExporterSendFailedMetricPoints), 3);
    assert_eq!(setup.counted(Metric::ExporterSentMetricPoints), 0);
}

/// A batch of which a part was delivered does not go back: the rest is counted here.
#[tokio::test]
async fn what_was_delivered_in_part_is_not_sent_again() {
    let is_first =
        |request: &prompb::WriteRequest| request.timeseries.iter().any(|series| id(series).contains("id=0;"));
    let back_end = BackEnd::start(
        move |_, request| if is_first(request) { Reaction::Take } else { Reaction::Answer(500) },
    )
    .await;
    let yaml =
        ", max_batch_size_bytes: 1, retry_on_failure: {enabled: false}, remote_write_queue: {enabled: false}";
    let setup = setup(&back_end.yaml(yaml));
    assert_eq!(setup.settings.queue, None);
    let outcome = setup.exporter.export(&gauges(1, 5)).await;
    assert_eq!(outcome.map(|exported| (exported.rejected_items, exported.dropped_items)), Ok((0, 4)));
    assert_eq!(setup.dropped("retry_disabled"), 4);
    assert_eq!(back_end.received().requests.len(), 5);
}

/// Without a queue the caller hears that nothing was taken, may send the same again, and nothing is
/// counted twice by that, deltas least of all.
#[tokio::test]
async fn what_was_not_taken_may_be_sent_again() {
    let back_end =
        BackEnd::start(|number, _| if number == 0 { Reaction::Answer(503) } else { Reaction::Take }).await;
    let setup =
        setup(&back_end.yaml(", retry_on_failure: {enabled: false}, remote_write_queue: {enabled: false}"));
    let resource = vec![text("service.name", "s"), text("host.name", "h")];
    let batch = batch(&request(resource, vec![sum("delta", 1, true, vec![point(1, 5.0, vec![])])]));
    let error = setup.exporter.export(&batch).await.expect_err("the back end is down");
    assert!(error.retry().is_possible());
    let exported = setup.exporter.export(&batch).await.expect("delivered");
    assert_eq!(exported, Exported::default());
    let values: Vec<Vec<(i64, f64)>> = back_end.taken().into_values().collect();
    assert_eq!(values, [vec![(1000, 5.0)], vec![(1000, 1.0)]], "the delta once, and target_info");
}

/// Exports that come at once are done one after the other, whole.
#[tokio::test]
async fn concurrent_exports_do_not_mix() {
    let back_end = BackEnd::start(|_, _| Reaction::TakeSlowly).await;
    let setup = setup(&back_end.yaml(", remote_write_queue: {enabled: false}"));
    let exports = (1..=5).map(|time| {
        let exporter = Arc::clone(&setup.exporter);
        async move { exporter.export(&gauges(time, 20)).await.expect("delivered") }
    });
    futures_util::future::join_all(exports).await;
    assert!(!back_end.received().was_parallel);
    let taken = back_end.taken();
    assert_eq!(taken.len(), 20);
    assert!(taken.values().all(|samples| samples.len() == 5 && samples.is_sorted_by_key(|sample| sample.0)));
}

/// An export that is dropped on its way leaves the exporter whole.
#[tokio::test]
async fn dropped_exports_leave_nothing_half_done() {
    let back_end =
        BackEnd::start(|number, _| if number < 10 { Reaction::TakeSlowly } else { Reaction::Take }).await;
    let setup = setup(&back_end.yaml(""));
    for time in 1..=10 {
        let batch = gauges(time, 3);
        let export = setup.exporter.export(&batch);
        let _ = tokio::time::timeout(StdDuration::from_millis(time % 4), export).await;
    }
    let exported = setup.exporter.export(&gauges(11, 3)).await.expect("delivered");
    assert_eq!(exported, Exported::default());
    let taken = back_end.taken();
    assert!(taken.values().all(|samples| samples.last() == Some(&(11_000, 11.0))), "{taken:?}");
    assert!(taken.values().all(|samples| samples.windows(2).all(|pair| pair[0].0 < pair[1].0)));
}

/// Large batches are translated beside the event loop, with the same result.
#[tokio::test]
async fn large_batches_arrive_as_well() {
    let back_end = BackEnd::start(|_, _| Reaction::Take).await;
    let setup = setup(&back_end.yaml(", send_metadata: true"));
    let batch = gauges(1, 20_000);
    assert!(batch.byte_size() > LARGE);
    setup.exporter.export(&batch).await.expect("delivered");
    assert_eq!(back_end.taken().len(), 20_000);
    let received = back_end.received();
    let samples = |request: &prompb::WriteRequest| request.timeseries.len();
    assert!(received.requests.iter().all(|(request, _)| samples(request) <= MOST_SAMPLES));
    let metadata: Vec<&prompb::MetricMetadata> =
        received.requests.iter().flat_map(|(request, _)| &request.metadata).collect();
    assert_eq!(metadata.len(), 1);
}

/// The run's label reaches the back end from the place that knows runs.
#[tokio::test]
async fn the_run_of_the_process_is_a_label() {
    let back_end = BackEnd::start(|_, _| Reaction::Take).await;
    let run = spindle_pipeline::run::Run {
        label: "container_run".to_owned(),
        id: "r-1".to_owned(),
        is_overriding: false,
    };
    let context =
        BuildContext { runs: Runs::of_this_process(Some(Arc::new(run))), ..context("prometheusremotewrite") };
    let exporter =
        PrometheusRemoteWrite::build(config::<PrometheusRemoteWrite>(&back_end.yaml("")), &context);
    exporter.expect("builds").export(&gauges(1, 1)).await.expect("delivered");
    let taken = back_end.taken();
    assert!(taken.keys().all(|id| id.contains("container_run=r-1;")), "{taken:?}");
}

/// The authenticator has the last word on each attempt, but for what belongs to the protocol, and knows whose
/// data goes out; wherever the keys of the client stand.
#[tokio::test]
async fn requests_are_signed_by_the_authenticator() {
    for (place, key) in [("", "auth::authenticator"), ("http: ", "http::auth::authenticator")] {
        let back_end = BackEnd::start(|_, _| Reaction::Take).await;
        let address = back_end.address;
        let keys = format!("{{endpoint: 'http://u:p@{address}/w', auth: {{authenticator: test_auth}}}}");
        let yaml = if place.is_empty() { keys } else { format!("{{{place}{keys}}}") };
        let config = config::<PrometheusRemoteWrite>(&yaml);
        assert_eq!(config.authenticators()[0].key, key);
        let built = PrometheusRemoteWrite::build(config, &context("prometheus_remote_write"));
        let batch = from_tenant(&gauges(1, 1), "blue");
        built.expect("builds").export(&batch).await.expect("delivered");
        let headers = back_end.received().headers[0].clone();
        let protocol = ("content-type", "application/x-protobuf");
        for (name, value) in [("authorization", "signed"), ("x-tenant", "blue"), protocol] {
            assert_eq!(headers[name], value, "{key}");
        }
    }
}
