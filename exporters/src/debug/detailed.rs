//! `verbosity: detailed`: everything, in the layout of the Collector's `otlptext`.

use spindle_pipeline::Signal;
use spindle_pipeline::otlp::attributes::Attributes;
use spindle_pipeline::otlp::view::{Part, records, resource, resource_groups, scope_groups};

use super::fields::{any_value, bytes, child, severity, span_kind, status_code};
use super::metrics;
use super::text::{Id, Text, Time, Typed};

/// Writes a request.
pub(super) fn write(text: &mut Text, signal: Signal, request: &[u8]) {
    let (resource_title, scope_title, record_title) = match signal {
        Signal::Traces => ("ResourceSpans", "ScopeSpans", "Span"),
        Signal::Metrics => ("ResourceMetrics", "ScopeMetrics", "Metric"),
        Signal::Logs => ("ResourceLog", "ScopeLogs", "LogRecord"),
    };
    for (position, group) in resource_groups(request).enumerate() {
        text.line(format_args!("{resource_title} #{position}"));
        text.line(format_args!("Resource SchemaURL: {}", group.text(3)));
        if let Some(resource) = resource(group) {
            attributes(text, "", "Resource attributes", resource.attributes(1));
            entity_refs(text, resource);
        }
        for (position, scope_group) in scope_groups(group).enumerate() {
            text.line(format_args!("{scope_title} #{position}"));
            text.line(format_args!("{scope_title} SchemaURL: {}", scope_group.text(3)));
            scope(text, child(scope_group, 1));
            for (position, record) in records(scope_group).enumerate() {
                text.line(format_args!("{record_title} #{position}"));
                match signal {
                    Signal::Traces => span(text, record),
                    Signal::Metrics => metrics::metric(text, record),
                    Signal::Logs => log_record(text, record),
                }
                if text.is_full() {
                    return;
                }
            }
        }
    }
}

/// Attributes below a title, if there are any. `indent` stands before the title and each of them.
pub(super) fn attributes(text: &mut Text, indent: &str, title: &str, attributes: Attributes<'_>) {
    for (position, attribute) in attributes.enumerate() {
        if position == 0 {
            let arrow = if indent.is_empty() { "" } else { "-> " };
            text.line(format_args!("{indent}{arrow}{title}:"));
        }
        text.line(format_args!("{indent}     -> {}: {}", attribute.key, Typed(attribute.value)));
    }
}

/// The indent of what belongs to an event, a link or an exemplar.
pub(super) const NESTED: &str = "     ";

fn entity_refs(text: &mut Text, resource: Part<'_>) {
    for (position, entity) in resource.children(3).enumerate() {
        if position == 0 {
            text.line(format_args!("Resource entity refs:"));
        }
        text.line(format_args!("     -> Entity ref #{position}:"));
        text.line(format_args!("          -> Type: {}", entity.text(2)));
        if !entity.text(1).is_empty() {
            text.line(format_args!("          -> Schema URL: {}", entity.text(1)));
        }
        for (field, title) in [(3, "ID keys"), (4, "Description keys")] {
            for (position, key) in entity.children(field).enumerate() {
                if position == 0 {
                    text.line(format_args!("          -> {title}:"));
                }
                text.line(format_args!("               -> {}", String::from_utf8_lossy(key.bytes())));
            }
        }
    }
}

fn scope(text: &mut Text, scope: Option<Part<'_>>) {
    let (name, version) = scope.map_or(("", ""), |scope| (scope.text(1), scope.text(2)));
    text.line(format_args!("InstrumentationScope {name} {version}"));
    if let Some(scope) = scope {
        attributes(text, "", "InstrumentationScope attributes", scope.attributes(3));
    }
}

fn span(text: &mut Text, span: Part<'_>) {
    let status = child(span, 15);
    text.line(format_args!("    Trace ID       : {}", Id(bytes(span, 1))));
    text.line(format_args!("    Parent ID      : {}", Id(bytes(span, 4))));
    text.line(format_args!("    ID             : {}", Id(bytes(span, 2))));
    text.line(format_args!("    Name           : {}", span.text(5)));
    text.line(format_args!("    Kind           : {}", span_kind(span.number(6))));
    if !span.text(3).is_empty() {
        text.line(format_args!("    TraceState     : {}", span.text(3)));
    }
    text.line(format_args!("    Start time     : {}", Time(span.number(7))));
    text.line(format_args!("    End time       : {}", Time(span.number(8))));
    let code = status.map_or(0, |status| status.number(3));
    text.line(format_args!("    Status code    : {}", status_code(code)));
    text.line(format_args!("    Status message : {}", status.map_or("", |status| status.text(2))));
    text.line(format_args!("    DroppedAttributesCount: {}", span.number(10)));
    text.line(format_args!("    DroppedEventsCount: {}", span.number(12)));
    text.line(format_args!("    DroppedLinksCount: {}", span.number(14)));
    attributes(text, "", "Attributes", span.attributes(9));
    for (position, event) in span.children(11).enumerate() {
        if position == 0 {
            text.line(format_args!("Events:"));
        }
        text.line(format_args!("SpanEvent #{position}"));
        text.line(format_args!("     -> Name: {}", event.text(2)));
        text.line(format_args!("     -> Timestamp: {}", Time(event.number(1))));
        text.line(format_args!("     -> DroppedAttributesCount: {}", event.number(4)));
        attributes(text, NESTED, "Attributes:", event.attributes(3));
    }
    for (position, link) in span.children(13).enumerate() {
        if position == 0 {
            text.line(format_args!("Links:"));
        }
        text.line(format_args!("SpanLink #{position}"));
        text.line(format_args!("     -> Trace ID: {}", Id(bytes(link, 1))));
        text.line(format_args!("     -> ID: {}", Id(bytes(link, 2))));
        text.line(format_args!("     -> TraceState: {}", link.text(3)));
        text.line(format_args!("     -> DroppedAttributesCount: {}", link.number(5)));
        attributes(text, NESTED, "Attributes:", link.attributes(4));
    }
}

fn log_record(text: &mut Text, record: Part<'_>) {
    let number = record.number(2);
    text.line(format_args!("ObservedTimestamp: {}", Time(record.number(11))));
    text.line(format_args!("Timestamp: {}", Time(record.number(1))));
    text.line(format_args!("SeverityText: {}", record.text(3)));
    text.line(format_args!("SeverityNumber: {}({})", severity(number), number as i32));
    if !record.text(12).is_empty() {
        text.line(format_args!("EventName: {}", record.text(12)));
    }
    text.line(format_args!("Body: {}", Typed(any_value(record, 5))));
    attributes(text, "", "Attributes", record.attributes(6));
    text.line(format_args!("Trace ID: {}", Id(bytes(record, 9))));
    text.line(format_args!("Span ID: {}", Id(bytes(record, 10))));
    text.line(format_args!("Flags: {}", record.number(8)));
}
