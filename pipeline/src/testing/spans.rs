//! Spans as an inference server sends them, for benchmarks and load.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use prost::Message;

/// A request of `count` spans of one resource, about 540 bytes a span: 8 attributes, an event with 2.
pub fn request(count: usize) -> Bytes {
    request_with(count, 0)
}

/// The same with ids that count from `first`, so that requests differ.
pub fn request_with(count: usize, first: u64) -> Bytes {
    let resource = Resource {
        attributes: vec![text("service.name", "sglang"), text("host.name", "node-17.cluster.local")],
        ..Resource::default()
    };
    let scope = InstrumentationScope { name: "sglang server".to_owned(), ..InstrumentationScope::default() };
    let spans = (first..).take(count).map(span).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let group = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec().into()
}

fn span(index: u64) -> Span {
    let start = 1_700_000_000_000_000_000 + index * 1_000_000;
    Span {
        trace_id: [[0u8; 8], index.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()].concat(),
        span_id: (index + 1).to_be_bytes().to_vec(),
        parent_span_id: 1u64.to_be_bytes().to_vec(),
        name: "llm_request".to_owned(),
        kind: span::SpanKind::Server as i32,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 900_000_000,
        attributes: vec![
            text("gen_ai.request.id", &format!("chatcmpl-{index:032x}")),
            text("gen_ai.response.model", "meta-llama/Llama-3.1-70B-Instruct"),
            text("http.route", "/v1/chat/completions"),
            text("server.address", "node-17.cluster.local"),
            attribute("gen_ai.usage.prompt_tokens", Value::IntValue(1234)),
            attribute("gen_ai.usage.completion_tokens", Value::IntValue(321)),
            attribute("gen_ai.latency.e2e", Value::DoubleValue(0.9)),
            text("gen_ai.response.finish_reasons", "[\"stop\"]"),
        ],
        events: vec![span::Event {
            time_unix_nano: start + 100_000_000,
            name: "first_token".to_owned(),
            attributes: vec![text("phase", "prefill"), attribute("batch_size", Value::IntValue(17))],
            ..span::Event::default()
        }],
        status: Some(Status::default()),
        flags: 257,
        ..Span::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
