//! Traces: real clients, through the agent, into a real Jaeger.

use harness::agent::Agent;
use harness::jaeger::{Jaeger, count_spans};
use harness::plain;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use spindle_pipeline::testing::spans;

/// A pipeline from OTLP through the batch processor to a Jaeger.
pub fn to_jaeger(jaeger: &Jaeger) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:$grpc}}, http: {{endpoint: 127.0.0.1:$http}}}}}}}}
processors: {{batch: {{timeout: 50ms}}}}
exporters: {{otlp_grpc: {{endpoint: {}, tls: {{insecure: true}}}}}}
service: {{pipelines: {{traces: {{receivers: [otlp], processors: [batch], exporters: [otlp_grpc]}}}}}}
",
        jaeger.grpc()
    )
}

/// The thinnest whole path: what goes in by gRPC is in Jaeger.
#[tokio::test]
async fn a_span_goes_through_the_agent_into_jaeger() {
    let jaeger = Jaeger::start().await;
    let agent = Agent::with(&to_jaeger(&jaeger)).start().await;
    let request = ExportTraceServiceRequest::decode(spans::request(3)).unwrap();
    let trace_id = &request.resource_spans[0].scope_spans[0].spans[0].trace_id.clone();
    let mut client = TraceServiceClient::connect(agent.url("grpc")).await.unwrap();
    let response = client.export(request).await.unwrap().into_inner();
    assert_eq!(response.partial_success, None);
    let hex = plain::hex(trace_id);
    let groups = jaeger.wait_for_trace(&hex, 1).await;
    assert_eq!(count_spans(&groups), 1);
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
}
