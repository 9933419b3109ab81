//! The OpenTelemetry SDKs, unmodified, as applications use them.
//!
//! Each client sends the same twice: through the agent, and to a back end that keeps what it gets. What
//! comes out of the agent is compared with what the SDK itself put on the wire, and what Jaeger answers
//! with both.

use harness::agent::Agent;
use harness::capture::Capture;
use harness::differ::assert_all_same;
use harness::jaeger::Jaeger;
use harness::plain::{self, PlainSpan};
use harness::script::Script;
use harness::wait;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Oneof;
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use serde_json::Value;
use spindle_pipeline::Signal;
use tokio::task::JoinSet;

const LABEL: &str = "container_run";
const RUN: &str = "container-run-20260102T030405Z-0123abcd";

/// A client and how it talks.
#[derive(Clone, Copy, Debug)]
struct Client {
    language: &'static str,
    protocol: &'static str,
    compression: &'static str,
}

const PYTHON: [Client; 6] = [
    Client { language: "python", protocol: "grpc", compression: "none" },
    Client { language: "python", protocol: "grpc", compression: "gzip" },
    Client { language: "python", protocol: "grpc", compression: "deflate" },
    Client { language: "python", protocol: "http", compression: "none" },
    Client { language: "python", protocol: "http", compression: "gzip" },
    Client { language: "python", protocol: "http", compression: "deflate" },
];
const JAVASCRIPT: [Client; 6] = [
    Client { language: "javascript", protocol: "grpc", compression: "none" },
    Client { language: "javascript", protocol: "grpc", compression: "gzip" },
    Client { language: "javascript", protocol: "http/protobuf", compression: "none" },
    Client { language: "javascript", protocol: "http/protobuf", compression: "gzip" },
    Client { language: "javascript", protocol: "http/json", compression: "none" },
    Client { language: "javascript", protocol: "http/json", compression: "gzip" },
];

impl Client {
    fn service(self) -> String {
        format!("{}-{}-{}", self.language, self.protocol, self.compression)
    }

    fn is_json(self) -> bool {
        self.protocol == "http/json"
    }

    /// Runs it to its end; gives what it says it has sent.
    async fn run(self, agent: &str, direct: &str) -> Value {
        let script = match self.language {
            "python" => Script::python("client.py"),
            _ => Script::javascript("client.js"),
        };
        script
            .option("endpoint", agent)
            .option("protocol", self.protocol)
            .option("compression", self.compression)
            .option("direct", direct)
            .run_json()
            .await
    }

    fn port(self) -> &'static str {
        if self.protocol == "grpc" { "grpc" } else { "http" }
    }
}

/// What Python's SDK sends is what arrives, by both protocols and every compression it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_the_python_sdk_sends_arrives() {
    everything_arrives(&PYTHON).await;
}

/// The same for JavaScript's, whose bodies are chunked and whose JSON has numbers for 64-bit integers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_the_javascript_sdk_sends_arrives() {
    everything_arrives(&JAVASCRIPT).await;
}

async fn everything_arrives(clients: &[Client]) {
    let (jaeger, back_end, direct) = (Jaeger::start().await, Capture::start().await, Capture::start().await);
    let agent = Agent::with(&format!(
        "run: {{id: {RUN}}}
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:$grpc}}, http: {{endpoint: 127.0.0.1:$http}}}}}}}}
processors: {{batch: {{timeout: 50ms}}}}
exporters:
  otlp_grpc/jaeger: {{endpoint: {jaeger}, tls: {{insecure: true}}}}
  otlp_grpc/capture: {{endpoint: {capture}, tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [batch], exporters: [otlp_grpc/jaeger, otlp_grpc/capture]}}
    metrics: {{receivers: [otlp], processors: [batch], exporters: [otlp_grpc/capture]}}
    logs: {{receivers: [otlp], processors: [batch], exporters: [otlp_grpc/capture]}}
",
        jaeger = jaeger.grpc(),
        capture = back_end.grpc(),
    ))
    .start()
    .await;
    let mut running = JoinSet::new();
    for client in clients.iter().copied() {
        let (url, direct) = (agent.url(client.port()), format!("http://{}", direct.grpc()));
        running.spawn(async move { (client, client.run(&url, &direct).await) });
    }
    while let Some(ended) = running.join_next().await {
        let (client, told) = ended.unwrap();
        let sent = of_service(&direct, client);
        let said = plain::of_json(told["resourceSpans"].as_array().unwrap());
        assert_all_same(
            &format!("{client:?}: what the SDK sent and what its objects say"),
            &sent.plain_spans(),
            &said,
        );
        assert_eq!(sent.log_records() as u64, told["logRecords"], "{client:?}");
        assert_eq!(sent.metrics.len(), 1, "{client:?}");

        let mut arrived = wait::until(&format!("everything of {client:?}"), || async {
            let arrived = of_service(&back_end, client);
            let is_all = arrived.sizes() == sent.sizes();
            if is_all { Ok(arrived) } else { Err((arrived.sizes(), sent.sizes())) }
        })
        .await;
        arrived.take_the_run_off(client);
        assert_all_same(&format!("{client:?}: spans behind the agent"), &arrived.spans, &sent.spans);
        assert_all_same(&format!("{client:?}: log records behind the agent"), &arrived.logs, &sent.logs);
        assert_all_same(&format!("{client:?}: metrics behind the agent"), &arrived.metrics, &sent.metrics);
        compare_with_jaeger(&jaeger, client, &sent.plain_spans()).await;
    }
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
}

/// Without the run section the agent adds nothing, and without a processor not one byte changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_run_the_bytes_are_the_clients_own() {
    let (back_end, direct) = (Capture::start().await, Capture::start().await);
    let agent = Agent::with(&format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:$grpc}}, http: {{endpoint: 127.0.0.1:$http}}}}}}}}
exporters: {{otlp_grpc: {{endpoint: {}, tls: {{insecure: true}}}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_grpc]}}
    metrics: {{receivers: [otlp], exporters: [otlp_grpc]}}
    logs: {{receivers: [otlp], exporters: [otlp_grpc]}}
",
        back_end.grpc()
    ))
    .start()
    .await;
    let (protobuf, json): (Vec<Client>, Vec<Client>) =
        [PYTHON[1], PYTHON[3], JAVASCRIPT[0], JAVASCRIPT[3], JAVASCRIPT[4]]
            .into_iter()
            .partition(|client| !client.is_json());
    let mut running = JoinSet::new();
    for client in protobuf.into_iter().chain(json.iter().copied()) {
        let (url, direct) = (agent.url(client.port()), format!("http://{}", direct.grpc()));
        running.spawn(async move { client.run(&url, &direct).await });
    }
    running.join_all().await;
    for signal in Signal::ALL {
        let sent = direct.taken(signal);
        let mut arrived: Vec<_> = back_end
            .wait_for_requests(signal, sent.len())
            .await
            .into_iter()
            .map(|request| request.body)
            .collect();
        assert_eq!(arrived.len(), sent.len(), "{signal}");
        let mut changed = 0;
        for request in sent {
            match arrived.iter().position(|body| *body == request.body) {
                Some(same) => drop(arrived.swap_remove(same)),
                None => changed += 1,
            }
        }
        // JSON became protobuf; what it says is compared in the tests above.
        assert_eq!((changed, arrived.len()), (json.len(), json.len()), "{signal}");
    }
}

/// What of one service is at a capturing back end.
#[derive(Clone, Debug, Default)]
struct OfService {
    spans: Vec<ResourceSpans>,
    metrics: Vec<ResourceMetrics>,
    logs: Vec<ResourceLogs>,
}

fn of_service(capture: &Capture, client: Client) -> OfService {
    let service = client.service();
    let is_ours = |resource: Option<&Resource>| service_name(resource) == Some(service.as_str());
    let spans = capture.traces().into_iter().flat_map(|request| request.resource_spans);
    let metrics = capture.metrics().into_iter().flat_map(|request| request.resource_metrics);
    let logs = capture.logs().into_iter().flat_map(|request| request.resource_logs);
    OfService {
        spans: spans.filter(|group| is_ours(group.resource.as_ref())).collect(),
        metrics: metrics.filter(|group| is_ours(group.resource.as_ref())).collect(),
        logs: logs.filter(|group| is_ours(group.resource.as_ref())).collect(),
    }
}

fn service_name(resource: Option<&Resource>) -> Option<&str> {
    text_of(&resource?.attributes, "service.name")
}

fn text_of<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let pair = attributes.iter().find(|pair| pair.key == key)?;
    match pair.value.as_ref()?.value.as_ref()? {
        Oneof::StringValue(text) => Some(text),
        _ => None,
    }
}

impl OfService {
    fn sizes(&self) -> (usize, usize, usize) {
        (self.spans.len(), self.metrics.len(), self.logs.len())
    }

    fn log_records(&self) -> usize {
        self.logs.iter().flat_map(|group| &group.scope_logs).map(|scope| scope.log_records.len()).sum()
    }

    fn plain_spans(&self) -> Vec<PlainSpan> {
        let resource_spans = self.spans.clone();
        plain::of_request(&opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest {
            resource_spans,
        })
    }

    /// Every resource carries the run, once; without it they are the client's own.
    fn take_the_run_off(&mut self, client: Client) {
        let spans = self.spans.iter_mut().map(|group| &mut group.resource);
        let metrics = self.metrics.iter_mut().map(|group| &mut group.resource);
        let logs = self.logs.iter_mut().map(|group| &mut group.resource);
        for resource in spans.chain(metrics).chain(logs) {
            let attributes = &mut resource.as_mut().unwrap().attributes;
            assert_eq!(text_of(attributes, LABEL), Some(RUN), "{client:?}");
            let before = attributes.len();
            attributes.retain(|pair| pair.key != LABEL);
            assert_eq!(attributes.len(), before - 1, "{client:?}: the run is there once");
        }
    }
}

async fn compare_with_jaeger(jaeger: &Jaeger, client: Client, sent: &[PlainSpan]) {
    let mut trace_ids: Vec<&str> = sent.iter().map(|span| span.trace_id.as_str()).collect();
    trace_ids.dedup();
    for trace_id in trace_ids {
        let of_trace = sent.iter().filter(|span| span.trace_id == trace_id);
        let expected: Vec<PlainSpan> = of_trace.map(kept_by_jaeger).collect();
        let groups = jaeger.wait_for_trace(trace_id, expected.len()).await;
        let mut stored = plain::of_json(&groups);
        for span in &mut stored {
            let label = (LABEL.to_owned(), plain::PlainValue::Text(RUN.to_owned()));
            assert!(span.resource.contains(&label), "{client:?}: {:?}", span.resource);
            span.resource.retain(|pair| *pair != label);
        }
        assert_all_same(&format!("{client:?}: spans in Jaeger"), &stored, &expected);
    }
}

/// What Jaeger's memory storage keeps of a span.
fn kept_by_jaeger(span: &PlainSpan) -> PlainSpan {
    PlainSpan { resource_schema: String::new(), scope_schema: String::new(), ..span.clone() }
}
