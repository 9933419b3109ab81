//! Spans in one shape, whoever tells of them: the client that made them, the bytes that were sent, the
//! back end that stored them. Two that are equal are equal in every field, order included.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Oneof;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, span};
use serde_json::Value;

/// A span with the resource and the scope it belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlainSpan {
    /// The attributes of the resource.
    pub resource: Attributes,
    /// Attributes that the resource has lost.
    pub resource_dropped: u32,
    /// The schema of the resource.
    pub resource_schema: String,
    /// Name and version of the scope.
    pub scope: (String, String),
    /// The attributes of the scope.
    pub scope_attributes: Attributes,
    /// The schema of the scope.
    pub scope_schema: String,
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// 16 hex digits, or empty.
    pub parent_span_id: String,
    /// W3C tracestate.
    pub trace_state: String,
    /// Trace flags and the bits that say whether the parent was remote.
    pub flags: u32,
    /// As it was given, blanks included.
    pub name: String,
    /// 1 internal to 5 consumer.
    pub kind: i64,
    /// Start and end in nanoseconds since 1970.
    pub times: (u64, u64),
    /// The attributes.
    pub attributes: Attributes,
    /// The events.
    pub events: Vec<PlainEvent>,
    /// The links.
    pub links: Vec<PlainLink>,
    /// Attributes, events and links that were dropped by the client.
    pub dropped: (u32, u32, u32),
    /// 0 unset, 1 ok, 2 error.
    pub status: (i64, String),
}

/// An event of a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlainEvent {
    /// Nanoseconds since 1970.
    pub time: u64,
    /// Its name.
    pub name: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// Attributes that were dropped by the client.
    pub dropped: u32,
}

/// A link of a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlainLink {
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// W3C tracestate.
    pub trace_state: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// Attributes that were dropped by the client.
    pub dropped: u32,
    /// As a span's.
    pub flags: u32,
}

/// Keys and values in their order.
pub type Attributes = Vec<(String, PlainValue)>;

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum PlainValue {
    /// Nothing at all.
    Unset,
    /// Text, which may be empty.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number by its bits, so that NaN equals itself and -0 differs from 0.
    Double(u64),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// A list.
    Array(Vec<PlainValue>),
    /// A map.
    Map(Attributes),
}

/// The spans of an export request, in the order of their ids.
pub fn of_request(request: &ExportTraceServiceRequest) -> Vec<PlainSpan> {
    let mut spans = Vec::new();
    for group in &request.resource_spans {
        for scope in &group.scope_spans {
            spans.extend(scope.spans.iter().map(|span| of_proto(group, scope, span)));
        }
    }
    sorted(spans)
}

/// The spans of some resource groups in OTLP/JSON, in the order of their ids.
pub fn of_json(groups: &[Value]) -> Vec<PlainSpan> {
    let mut spans = Vec::new();
    for group in groups {
        for scope in list(&group["scopeSpans"]) {
            spans.extend(list(&scope["spans"]).iter().map(|span| from_json(group, scope, span)));
        }
    }
    sorted(spans)
}

fn sorted(mut spans: Vec<PlainSpan>) -> Vec<PlainSpan> {
    spans.sort_by(|one, other| (&one.trace_id, &one.span_id).cmp(&(&other.trace_id, &other.span_id)));
    spans
}

/// Bytes as lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_proto(
    group: &ResourceSpans,
    scope: &ScopeSpans,
    span: &opentelemetry_proto::tonic::trace::v1::Span,
) -> PlainSpan {
    let resource = group.resource.clone().unwrap_or_default();
    let named = scope.scope.clone().unwrap_or_default();
    let status = span.status.clone().unwrap_or_default();
    PlainSpan {
        resource: attributes_of(&resource.attributes),
        resource_dropped: resource.dropped_attributes_count,
        resource_schema: group.schema_url.clone(),
        scope: (named.name, named.version),
        scope_attributes: attributes_of(&named.attributes),
        scope_schema: scope.schema_url.clone(),
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_span_id: hex(&span.parent_span_id),
        trace_state: span.trace_state.clone(),
        flags: span.flags,
        name: span.name.clone(),
        kind: span.kind.into(),
        times: (span.start_time_unix_nano, span.end_time_unix_nano),
        attributes: attributes_of(&span.attributes),
        events: span.events.iter().map(event_of).collect(),
        links: span.links.iter().map(link_of).collect(),
        dropped: (span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count),
        status: (status.code.into(), status.message),
    }
}

fn event_of(event: &span::Event) -> PlainEvent {
    PlainEvent {
        time: event.time_unix_nano,
        name: event.name.clone(),
        attributes: attributes_of(&event.attributes),
        dropped: event.dropped_attributes_count,
    }
}

fn link_of(link: &span::Link) -> PlainLink {
    PlainLink {
        trace_id: hex(&link.trace_id),
        span_id: hex(&link.span_id),
        trace_state: link.trace_state.clone(),
        attributes: attributes_of(&link.attributes),
        dropped: link.dropped_attributes_count,
        flags: link.flags,
    }
}

fn attributes_of(attributes: &[KeyValue]) -> Attributes {
    attributes.iter().map(|pair| (pair.key.clone(), value_of(pair.value.as_ref()))).collect()
}

fn value_of(value: Option<&AnyValue>) -> PlainValue {
    match value.and_then(|value| value.value.as_ref()) {
        None => PlainValue::Unset,
        Some(Oneof::StringValue(text)) => PlainValue::Text(text.clone()),
        Some(Oneof::BoolValue(truth)) => PlainValue::Bool(*truth),
        Some(Oneof::IntValue(number)) => PlainValue::Int(*number),
        Some(Oneof::DoubleValue(number)) => PlainValue::Double(number.to_bits()),
        Some(Oneof::BytesValue(bytes)) => PlainValue::Bytes(bytes.clone()),
        Some(Oneof::ArrayValue(array)) => {
            PlainValue::Array(array.values.iter().map(|value| value_of(Some(value))).collect())
        }
        Some(Oneof::KvlistValue(list)) => PlainValue::Map(attributes_of(&list.values)),
        Some(other) => panic!("a value that no client sends: {other:?}"),
    }
}

fn from_json(group: &Value, scope: &Value, span: &Value) -> PlainSpan {
    let (named, status) = (&scope["scope"], &span["status"]);
    let dropped = |name: &str| number(&span[name]) as u32;
    PlainSpan {
        resource: pairs(&group["resource"]["attributes"]),
        resource_dropped: number(&group["resource"]["droppedAttributesCount"]) as u32,
        resource_schema: text(&group["schemaUrl"]),
        scope: (text(&named["name"]), text(&named["version"])),
        scope_attributes: pairs(&named["attributes"]),
        scope_schema: text(&scope["schemaUrl"]),
        trace_id: text(&span["traceId"]),
        span_id: text(&span["spanId"]),
        parent_span_id: text(&span["parentSpanId"]),
        trace_state: text(&span["traceState"]),
        flags: number(&span["flags"]) as u32,
        name: text(&span["name"]),
        kind: number(&span["kind"]) as i64,
        times: (number(&span["startTimeUnixNano"]), number(&span["endTimeUnixNano"])),
        attributes: pairs(&span["attributes"]),
        events: list(&span["events"]).iter().map(event_from).collect(),
        links: list(&span["links"]).iter().map(link_from).collect(),
        dropped: (
            dropped("droppedAttributesCount"),
            dropped("droppedEventsCount"),
            dropped("droppedLinksCount"),
        ),
        status: (number(&status["code"]) as i64, text(&status["message"])),
    }
}

fn event_from(event: &Value) -> PlainEvent {
    PlainEvent {
        time: number(&event["timeUnixNano"]),
        name: text(&event["name"]),
        attributes: pairs(&event["attributes"]),
        dropped: number(&event["droppedAttributesCount"]) as u32,
    }
}

fn link_from(link: &Value) -> PlainLink {
    PlainLink {
        trace_id: text(&link["traceId"]),
        span_id: text(&link["spanId"]),
        trace_state: text(&link["traceState"]),
        attributes: pairs(&link["attributes"]),
        dropped: number(&link["droppedAttributesCount"]) as u32,
        flags: number(&link["flags"]) as u32,
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A number, or one in a string as OTLP/JSON writes those of 64 bits; zero when it is left out.
fn number(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::String(digits) => digits.parse().unwrap(),
        value => value.as_u64().unwrap_or_else(|| panic!("no number: {value}")),
    }
}

fn pairs(value: &Value) -> Attributes {
    list(value).iter().map(|pair| (text(&pair["key"]), value_from(&pair["value"]))).collect()
}

fn value_from(value: &Value) -> PlainValue {
    let Some((kind, value)) = value.as_object().and_then(|object| object.iter().next()) else {
        return PlainValue::Unset;
    };
    match kind.as_str() {
        "stringValue" => PlainValue::Text(text(value)),
        "boolValue" => PlainValue::Bool(value.as_bool().unwrap()),
        "intValue" => PlainValue::Int(integer(value)),
        "doubleValue" => PlainValue::Double(double(value).to_bits()),
        "bytesValue" => PlainValue::Bytes(STANDARD.decode(text(value)).unwrap()),
        "arrayValue" => PlainValue::Array(list(&value["values"]).iter().map(value_from).collect()),
        "kvlistValue" => PlainValue::Map(pairs(&value["values"])),
        other => panic!("a value that OTLP/JSON does not know: {other}"),
    }
}

fn integer(value: &Value) -> i64 {
    value.as_str().map_or_else(|| value.as_i64().unwrap(), |digits| digits.parse().unwrap())
}

fn double(value: &Value) -> f64 {
    match value.as_str() {
        Some("NaN") => f64::NAN,
        Some("Infinity") => f64::INFINITY,
        Some("-Infinity") => f64::NEG_INFINITY,
        Some(digits) => digits.parse().unwrap(),
        None => value.as_f64().unwrap(),
    }
}
