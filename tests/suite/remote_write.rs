//! Metrics that were acknowledged reach Prometheus, each series in its order, whatever Prometheus answers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use harness::agent::{Agent, AgentBuilder};
use harness::client::Http;
use harness::prometheus::Prometheus;
use harness::remote_write::{Labels, Received, RemoteWrite, Reply, Sample};
use http::{Method, Request, StatusCode};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Oneof;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum,
};
use prost::Message;
use tokio::task::JoinSet;

/// Series of each sender: so many counters, and as many histograms.
const SERIES: usize = 20;
/// The buckets make many samples of few points, so that a batch is several requests.
const BOUNDS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];
/// Small load, so that tests can run beside each other.
const PAUSE: Duration = Duration::from_millis(25);

fn agent(url: &str, processors: &str) -> AgentBuilder {
    Agent::with(&format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: 127.0.0.1:$http}}}}}}}}
processors: {{batch: {{timeout: 50ms}}}}
exporters:
  prometheus_remote_write:
    endpoint: {url}
    retry_on_failure: {{initial_interval: 50ms, max_interval: 200ms, max_elapsed_time: 0}}
service: {{pipelines: {{metrics: {{receivers: [otlp], processors: [{processors}], exporters: [prometheus_remote_write]}}}}}}
"
    ))
}

/// Senders of metrics. The value of each point is the number of the request it came in, from 1 on.
struct Senders {
    is_stopped: Arc<AtomicBool>,
    tasks: JoinSet<usize>,
}

impl Senders {
    fn start(agent: &Agent, count: usize) -> Self {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for sender in 0..count {
            let url = format!("{}/v1/metrics", agent.url("http"));
            let is_stopped = Arc::clone(&is_stopped);
            tasks.spawn(async move {
                let http = Http::new();
                let mut acknowledged = 0;
                while !is_stopped.load(Ordering::Relaxed) {
                    send(&http, &url, request(sender, acknowledged as u64 + 1)).await;
                    acknowledged += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                acknowledged
            });
        }
        Self { is_stopped, tasks }
    }

    /// Lets each finish its request; how many each of them was acknowledged, fewest first.
    async fn finish(self) -> Vec<usize> {
        self.is_stopped.store(true, Ordering::Relaxed);
        let mut counts = self.tasks.join_all().await;
        counts.sort_unstable();
        counts
    }
}

/// Sends until it is acknowledged, the same each time, as an SDK does.
async fn send(http: &Http, url: &str, body: Bytes) {
    loop {
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header("content-type", "application/x-protobuf")
            .body(body.clone())
            .unwrap();
        let status = http.send(request).await.unwrap().status();
        if status == StatusCode::OK {
            return;
        }
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "an answer that is no answer to this");
        tokio::time::sleep(PAUSE).await;
    }
}

fn request(sender: usize, number: u64) -> Bytes {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let attributes = |series: usize| {
        let text = |key: &str, value: usize| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(Oneof::StringValue(value.to_string())) }),
            ..KeyValue::default()
        };
        vec![text("sender", sender), text("series", series)]
    };
    let temporality = AggregationTemporality::Cumulative.into();
    let counters = (0..SERIES).map(|series| NumberDataPoint {
        attributes: attributes(series),
        time_unix_nano: time,
        value: Some(Number::AsInt(number as i64)),
        ..NumberDataPoint::default()
    });
    let histograms = (0..SERIES).map(|series| HistogramDataPoint {
        attributes: attributes(series),
        time_unix_nano: time,
        count: number,
        sum: Some(number as f64),
        bucket_counts: [&[number][..], &[0; BOUNDS.len()]].concat(),
        explicit_bounds: BOUNDS.to_vec(),
        ..HistogramDataPoint::default()
    });
    let sum =
        Sum { data_points: counters.collect(), aggregation_temporality: temporality, is_monotonic: true };
    let histogram = Histogram { data_points: histograms.collect(), aggregation_temporality: temporality };
    let metric = |name: &str, data| Metric { name: name.to_owned(), data: Some(data), ..Metric::default() };
    let metrics = vec![metric("requests", Data::Sum(sum)), metric("latency", Data::Histogram(histogram))];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec().into()
}

/// Each sender's series have every number up to the last acknowledged one, once, in order, at growing
/// times.
fn assert_complete(series: &BTreeMap<Labels, Vec<Sample>>, acknowledged: &[usize]) {
    assert_eq!(series.len(), acknowledged.len() * SERIES);
    let mut counts = Vec::new();
    for (labels, samples) in series {
        let values: Vec<usize> = samples.iter().map(|(_, value)| *value as usize).collect();
        let expected: Vec<usize> = (1..=values.len()).collect();
        assert_eq!(values, expected, "{labels:?}");
        assert!(samples.windows(2).all(|pair| pair[0].0 < pair[1].0), "{labels:?}: {samples:?}");
        counts.push(values.len());
    }
    counts.sort_unstable();
    let expected: Vec<usize> =
        acknowledged.iter().flat_map(|count| std::iter::repeat_n(*count, SERIES)).collect();
    assert_eq!(counts, expected, "samples of each series");
}

/// 429 with a time to wait, 500, a connection that breaks, slowly: everything that was acknowledged is
/// there once, each series in its order, and a series is never in two requests at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_out_of_order_whatever_prometheus_answers() {
    let mut back_end = RemoteWrite::start().await;
    let agent = agent(&back_end.url(), "batch").start().await;
    let senders = Senders::start(&agent, 4);
    back_end.be_slow(Duration::from_millis(30));
    back_end.answer([Reply::Ok, Reply::Refuse(500, None), Reply::Ok, Reply::Refuse(429, Some(1))]);
    back_end.wait_for_arrivals(10).await;
    let mixed = [Reply::Refuse(503, None), Reply::Ok, Reply::Refuse(429, None), Reply::Refuse(502, None)];
    back_end.answer(mixed.iter().cycle().take(40).cloned());
    back_end.wait_for_arrivals(60).await;
    back_end.kill();
    agent.wait_for_metric("otelcol_exporter_retries", &[], 30.0).await;
    back_end.restart().await;
    let before = back_end.arrived().len();
    back_end.wait_for_arrivals(before + 20).await;
    let acknowledged = senders.finish().await;
    assert_eq!(agent.count("otelcol_dropped_items", &[]).await, 0);
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");

    for name in ["requests_total", "latency_count", "latency_sum"] {
        assert_complete(&back_end.samples(name), &acknowledged);
    }
    let arrived = back_end.arrived();
    assert!(arrived.iter().any(|request| !request.beside.is_empty()), "shards run side by side");
    assert_apart(&arrived);
    assert_waited(&arrived);
}

/// No series is in two requests that are on their way at once.
fn assert_apart(arrived: &[Received]) {
    let series = |request: &Received| -> HashSet<Labels> {
        request.series.iter().map(|(labels, _)| labels.clone()).collect()
    };
    for request in arrived {
        let own = series(request);
        for other in &request.beside {
            let shared = own.intersection(&series(&arrived[*other])).count();
            assert_eq!(shared, 0, "series in two requests at once");
        }
    }
}

/// The request that was told to wait a second did, and said that it came again.
fn assert_waited(arrived: &[Received]) {
    let mut first: HashMap<&Bytes, &Received> = HashMap::new();
    let mut longest = Duration::ZERO;
    for request in arrived {
        let attempt = request.headers.get("retry-attempt");
        match first.get(&request.body) {
            // Its first attempt, or the first that found the back end alive.
            None => {}
            Some(before) => {
                assert!(attempt.is_some(), "a repetition says so");
                longest = longest.max(request.arrived.duration_since(before.arrived));
            }
        }
        first.insert(&request.body, request);
    }
    assert!(longest >= Duration::from_secs(1), "the longest wait was {longest:?}");
}

/// A back end that answers after the exporter's patience has ended gets requests again: with the same
/// samples, which it knows, and still before any later ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_that_is_too_slow_gets_the_same_samples_again() {
    let back_end = RemoteWrite::start().await;
    back_end.be_slow(Duration::from_millis(600));
    let timeout = "--set=exporters.prometheus_remote_write.timeout=200ms";
    let agent = agent(&back_end.url(), "batch").argument(timeout).start().await;
    let senders = Senders::start(&agent, 2);
    agent.wait_for_metric("otelcol_exporter_retries", &[], 5.0).await;
    back_end.be_slow(Duration::ZERO);
    let before = back_end.arrived().len();
    back_end.wait_for_arrivals(before + 10).await;
    let acknowledged = senders.finish().await;
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
    for name in ["requests_total", "latency_count"] {
        let mut series = back_end.arrived_samples(name);
        let sent: usize = series.values().map(Vec::len).sum();
        series.values_mut().for_each(leave_repetitions_out);
        assert!(series.values().map(Vec::len).sum::<usize>() < sent, "something came again");
        assert_complete(&series, &acknowledged);
    }
}

/// What a Prometheus makes of samples that come again. Another value at the same time would stay, and be
/// seen.
fn leave_repetitions_out(samples: &mut Vec<Sample>) {
    let mut seen = Vec::new();
    samples.retain(|sample| {
        let is_new = !seen.contains(sample);
        seen.push(*sample);
        is_new
    });
}

/// A request that Prometheus refuses for good is dropped and counted, with what the log says of it; those
/// behind it are sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_prometheus_refuses_for_good_is_counted() {
    let back_end = RemoteWrite::start().await;
    back_end.answer([Reply::Refuse(400, None)]);
    let agent = agent(&back_end.url(), "").start().await;
    let senders = Senders::start(&agent, 1);
    back_end.wait_for_arrivals(1).await;
    let acknowledged = senders.finish().await[0];
    agent.process.wait_for_line("The remote write endpoint refused a request").await;
    // It is counted when the whole batch is settled.
    agent.wait_for_metric("otelcol_dropped_items", &["reason=\"rejected\""], 1.0).await;
    let rejected = agent.count("otelcol_dropped_items", &["reason=\"rejected\""]).await;
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
    let arrived = back_end.arrived();
    let refused = &arrived[0];
    assert!(arrived.len() > 1 && arrived[1..].iter().all(|request| request.is_accepted));
    assert!(rejected > 0 && rejected <= (acknowledged * 2 * SERIES) as u64, "{rejected}");
    let points: HashSet<(String, String, String, i64)> = refused
        .series
        .iter()
        .flat_map(|(labels, samples)| {
            let label = |name: &str| labels.iter().find(|(label, _)| label == name).unwrap().1.clone();
            let family = label("__name__").split('_').next().unwrap().to_owned();
            let (sender, series) = (label("sender"), label("series"));
            samples.iter().map(move |(time, _)| (family.clone(), sender.clone(), series.clone(), *time))
        })
        .collect();
    assert_eq!(rejected, points.len() as u64, "data points that had a sample in the refused request");
}

/// A real Prometheus is killed under load and comes back: every sample that was acknowledged is in it, in
/// order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prometheus_that_is_down_for_a_while_misses_nothing() {
    let mut prometheus = Prometheus::start().await;
    let agent = agent(&prometheus.write_url(), "batch").start().await;
    let senders = Senders::start(&agent, 2);
    prometheus.wait_for("requests_total > 10").await;
    prometheus.kill().await;
    agent.wait_for_metric("otelcol_exporter_retries", &[], 30.0).await;
    let prometheus = prometheus.restart().await;
    prometheus.wait_for("increase(requests_total[5s]) > 1").await;
    let acknowledged = senders.finish().await;
    assert_eq!(agent.count("otelcol_dropped_items", &[]).await, 0);
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
    for name in ["requests_total", "latency_count"] {
        let found = prometheus.samples(name).await.unwrap();
        let series = found.into_iter().map(|(labels, samples)| {
            let milliseconds = |seconds: f64| (seconds * 1000.0).round() as i64;
            let samples = samples.iter().map(|(time, value)| (milliseconds(*time), value.parse().unwrap()));
            (labels.into_iter().collect(), samples.collect())
        });
        assert_complete(&series.collect(), &acknowledged);
    }
}
