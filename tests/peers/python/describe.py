"""What the SDK's own objects say, in the shape of OTLP/JSON, without the SDK's exporters."""

import base64
import math


def value(given):
    if given is None:
        return {}
    if isinstance(given, bool):
        return {"boolValue": given}
    if isinstance(given, str):
        return {"stringValue": given}
    if isinstance(given, int):
        return {"intValue": str(given)}
    if isinstance(given, float):
        return {"doubleValue": given if math.isfinite(given) else special(given)}
    if isinstance(given, bytes):
        return {"bytesValue": base64.b64encode(given).decode()}
    if hasattr(given, "items"):
        return {"kvlistValue": {"values": attributes(given)}}
    return {"arrayValue": {"values": [value(item) for item in given]}}


def special(number):
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def attributes(given):
    return [{"key": key, "value": value(item)} for key, item in (given or {}).items()]


def flags(context):
    """What the SDK sends as flags: whether it knows that a context came from elsewhere, and whether it did."""
    return 256 | (512 if context is not None and context.is_remote else 0)


def event(given):
    return {
        "name": given.name,
        "timeUnixNano": str(given.timestamp),
        "attributes": attributes(given.attributes),
        "droppedAttributesCount": given.dropped_attributes,
    }


def link(given):
    # This SDK sends no tracestate with links.
    return {
        "traceId": f"{given.context.trace_id:032x}",
        "spanId": f"{given.context.span_id:016x}",
        "attributes": attributes(given.attributes),
        "droppedAttributesCount": given.dropped_attributes,
        "flags": flags(given.context),
    }


def span(given):
    context = given.get_span_context()
    return {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "parentSpanId": f"{given.parent.span_id:016x}" if given.parent else "",
        "traceState": context.trace_state.to_header(),
        "flags": flags(given.parent),
        "name": given.name,
        "kind": given.kind.value + 1,
        "startTimeUnixNano": str(given.start_time),
        "endTimeUnixNano": str(given.end_time),
        "attributes": attributes(given.attributes),
        "droppedAttributesCount": given.dropped_attributes,
        "events": [event(item) for item in given.events],
        "droppedEventsCount": given.dropped_events,
        "links": [link(item) for item in given.links],
        "droppedLinksCount": given.dropped_links,
        "status": {"code": given.status.status_code.value, "message": given.status.description or ""},
    }


def resource_spans(given):
    """A span in a resource group of its own."""
    scope = given.instrumentation_scope
    return {
        "resource": {"attributes": attributes(given.resource.attributes)},
        "schemaUrl": given.resource.schema_url,
        "scopeSpans": [
            {
                "scope": {
                    "name": scope.name,
                    "version": scope.version or "",
                    "attributes": attributes(scope.attributes),
                },
                "schemaUrl": scope.schema_url or "",
                "spans": [span(given)],
            }
        ],
    }
