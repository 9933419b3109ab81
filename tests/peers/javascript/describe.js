"use strict";
// What the SDK's own objects say, in the shape of OTLP/JSON, without the SDK's exporters.

function value(given) {
  if (typeof given === "string") return { stringValue: given };
  if (typeof given === "boolean") return { boolValue: given };
  // This SDK sends a whole number as an integer.
  if (Number.isInteger(given)) return { intValue: String(BigInt(given)) };
  if (typeof given === "number") return { doubleValue: Number.isFinite(given) ? given : String(given) };
  if (given instanceof Uint8Array) return { bytesValue: Buffer.from(given).toString("base64") };
  if (Array.isArray(given)) return { arrayValue: { values: given.map(value) } };
  return given == null ? {} : { kvlistValue: { values: attributes(given) } };
}

function attributes(given) {
  return Object.entries(given ?? {}).map(([key, item]) => ({ key, value: value(item) }));
}

const time = ([seconds, nanoseconds]) => String(BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds));

/** The trace flags, whether it is known that the context came from elsewhere, and whether it did. */
const flags = (traceFlags, isRemote) => (traceFlags & 0xff) | 0x100 | (isRemote ? 0x200 : 0);

function span(given) {
  const context = given.spanContext();
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    parentSpanId: given.parentSpanContext?.spanId ?? "",
    traceState: context.traceState?.serialize() ?? "",
    flags: flags(context.traceFlags, given.parentSpanContext?.isRemote),
    name: given.name,
    kind: given.kind + 1,
    startTimeUnixNano: time(given.startTime),
    endTimeUnixNano: time(given.endTime),
    attributes: attributes(given.attributes),
    droppedAttributesCount: given.droppedAttributesCount,
    events: given.events.map((event) => ({
      name: event.name,
      timeUnixNano: time(event.time),
      attributes: attributes(event.attributes),
      droppedAttributesCount: event.droppedAttributesCount ?? 0,
    })),
    droppedEventsCount: given.droppedEventsCount,
    links: given.links.map((link) => ({
      traceId: link.context.traceId,
      spanId: link.context.spanId,
      traceState: link.context.traceState?.serialize() ?? "",
      attributes: attributes(link.attributes),
      droppedAttributesCount: link.droppedAttributesCount ?? 0,
      flags: flags(link.context.traceFlags, link.context.isRemote),
    })),
    droppedLinksCount: given.droppedLinksCount,
    status: { code: given.status.code, message: given.status.message ?? "" },
  };
}

/** A span in a resource group of its own. */
function resourceSpans(given) {
  const scope = given.instrumentationScope;
  return {
    resource: { attributes: attributes(given.resource.attributes) },
    schemaUrl: given.resource.schemaUrl ?? "",
    scopeSpans: [
      {
        scope: { name: scope.name, version: scope.version ?? "", attributes: attributes(scope.attributes) },
        schemaUrl: scope.schemaUrl ?? "",
        spans: [span(given)],
      },
    ],
  };
}

module.exports = { resourceSpans };
