"use strict";
// An application with the OpenTelemetry SDK for JavaScript, unmodified.
//
// It sends everything twice: to --endpoint by the protocol and compression under test, and to --direct, a
// back end that keeps what it gets, so that the test knows what the SDK itself puts on the wire. It prints
// its spans as OTLP/JSON, told from the SDK's own objects.

const { parseArgs } = require("node:util");
const { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, createTraceState, trace } = require("@opentelemetry/api");
const { SeverityNumber } = require("@opentelemetry/api-logs");
const { resourceFromAttributes, defaultResource } = require("@opentelemetry/resources");
const { BatchLogRecordProcessor, LoggerProvider } = require("@opentelemetry/sdk-logs");
const { MeterProvider, PeriodicExportingMetricReader, AggregationType } = require("@opentelemetry/sdk-metrics");
const { BatchSpanProcessor, NodeTracerProvider } = require("@opentelemetry/sdk-trace-node");
const { credentials } = require("@grpc/grpc-js");
const { resourceSpans } = require("./describe.js");

const { values: given } = parseArgs({
  options: {
    endpoint: { type: "string" },
    protocol: { type: "string" }, // grpc, http/protobuf or http/json
    compression: { type: "string" }, // none or gzip
    direct: { type: "string" },
  },
});

const SCHEMA = "https://opentelemetry.io/schemas/1.30.0";
const FOREVER_MS = 3_600_000;
// One of each type that this SDK takes, and what is easily lost on the way.
const EVERY_TYPE = {
  string: "Zürich, 東京 🦀",
  "string.empty": "",
  bool: false,
  int: 42,
  "int.zero": 0,
  "int.negative": -7,
  // Beyond what JSON promises for numbers; this SDK writes it as one.
  "int.beyond_safe": 2 ** 53 + 2,
  double: 0.1,
  // No whole number: this SDK makes an integer of 1.5e300, which no receiver can read.
  "double.small": 1.5e-300,
  "double.negative": -2.5,
  strings: ["a", "", "c"],
  bools: [true, false],
  ints: [1, 0, -(2 ** 53)],
  doubles: [0.5, -2.25],
  "array.empty": [],
};
const { "array.empty": _, ...OF_A_LOG } = EVERY_TYPE;
Object.assign(OF_A_LOG, { bytes: new Uint8Array([0, 255, 254]), map: { inner: { deep: [1, "two"] } } });

const PACKAGES = { grpc: "grpc", "http/protobuf": "proto", "http/json": "http" };
const CLASSES = { traces: ["trace", "OTLPTraceExporter"], metrics: ["metrics", "OTLPMetricExporter"], logs: ["logs", "OTLPLogExporter"] };

function exporter(signal, protocol, compression, url) {
  const [part, name] = CLASSES[signal];
  const Exporter = require(`@opentelemetry/exporter-${part}-otlp-${PACKAGES[protocol]}`)[name];
  if (protocol === "grpc") return new Exporter({ url, compression, credentials: credentials.createInsecure() });
  return new Exporter({ url: `${url}/v1/${signal}`, compression });
}

/** The exporter under test and the direct one. */
function exporters(signal) {
  return [
    exporter(signal, given.protocol, given.compression, given.endpoint),
    exporter(signal, "grpc", "none", given.direct),
  ];
}

function resource() {
  const own = resourceFromAttributes(
    { "service.name": `javascript-${given.protocol}-${given.compression}`, "deployment.environment": "", cluster: ["a", ""] },
    { schemaUrl: SCHEMA },
  );
  return defaultResource().merge(own);
}

const random = (bytes) => require("node:crypto").randomBytes(bytes).toString("hex");
const elsewhere = {
  // As SGLang makes them: the upper 64 bits are zero.
  traceId: "0".repeat(16) + random(8),
  spanId: random(8),
  isRemote: true,
  traceFlags: TraceFlags.SAMPLED,
  traceState: createTraceState("vendor=opaque:1,ot=th:8;rv:0123456789abcd"),
};

class Recorder {
  spans = [];
  onStart() {}
  onEnd(span) {
    this.spans.push(span);
  }
  async forceFlush() {}
  async shutdown() {}
}

async function sendSpans() {
  const recorder = new Recorder();
  const spanProcessors = exporters("traces").map((one) => new BatchSpanProcessor(one, { scheduledDelayMillis: FOREVER_MS }));
  const spanLimits = { attributeCountLimit: 64, eventCountLimit: 4, linkCountLimit: 4, attributePerEventCountLimit: 32, attributePerLinkCountLimit: 32 };
  const provider = new NodeTracerProvider({ resource: resource(), spanLimits, spanProcessors: [recorder, ...spanProcessors] });
  const tracer = provider.getTracer("app", "1.2.3", { schemaUrl: SCHEMA });
  const context = trace.setSpanContext(ROOT_CONTEXT, elsewhere);
  for (const kind of [SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER]) {
    tracer.startSpan(`of kind ${SpanKind[kind]}`, { kind, attributes: EVERY_TYPE }, context).end();
  }
  const link = { context: elsewhere, attributes: EVERY_TYPE };
  const fails = tracer.startSpan("fails", { kind: SpanKind.CLIENT, links: [link, link] }, context);
  fails.addEvent("everything", EVERY_TYPE, [1_700_000_000, 123_456_789]);
  fails.recordException(new RangeError("Zürich\nis far"));
  fails.setStatus({ code: SpanStatusCode.ERROR, message: "could not, really" });
  fails.end();
  const drops = tracer.startSpan("drops", {}, context);
  for (let number = 0; number < 70; number++) drops.setAttribute(`key.${number}`, number);
  for (let number = 0; number < 6; number++) {
    drops.addEvent(`event ${number}`);
    drops.addLink({ context: elsewhere });
  }
  drops.end();
  // A root of its own, with a child and a leading blank.
  const root = provider.getTracer("smg").startSpan(" Req a1b2c3d4", { root: true });
  tracer.startSpan("child", {}, trace.setSpan(ROOT_CONTEXT, root)).setStatus({ code: SpanStatusCode.OK }).end();
  root.end();
  tracer.startSpan("", {}, context).end();
  await provider.shutdown();
  return recorder.spans;
}

async function sendLogs() {
  const processors = exporters("logs").map((one) => new BatchLogRecordProcessor({ exporter: one, scheduledDelayMillis: FOREVER_MS }));
  const provider = new LoggerProvider({ resource: resource(), processors });
  const logger = provider.getLogger("app.logs", "2.0", { schemaUrl: SCHEMA });
  const context = trace.setSpanContext(ROOT_CONTEXT, elsewhere);
  const bodies = ["text, 東京", "", 7, 0.25, true, new Uint8Array([0, 255]), ["a", 1], { a: { b: [""] } }];
  bodies.forEach((body, number) => {
    logger.emit({
      timestamp: [1_700_000_000, number],
      observedTimestamp: [1_700_000_000, number + 1],
      context: number % 2 ? context : undefined,
      severityNumber: SeverityNumber.TRACE + number,
      severityText: number ? "WARNING" : undefined,
      body,
      attributes: number < 3 ? OF_A_LOG : undefined,
      eventName: number === 1 ? "gen_ai.request" : undefined,
    });
  });
  await provider.shutdown();
  return bodies.length;
}

/** Gives two exporters the same reading; each reader of its own would have times of its own. */
class Twice {
  #exporters;
  constructor(exporters) {
    this.#exporters = exporters;
  }
  export(metrics, done) {
    const one = (exporter) => new Promise((resolve) => exporter.export(metrics, resolve));
    Promise.all(this.#exporters.map(one)).then((results) => done(results.find((result) => result.code !== 0) ?? results[0]));
  }
  async forceFlush() {}
  async shutdown() {
    await Promise.all(this.#exporters.map((exporter) => exporter.shutdown()));
  }
}

async function sendMetrics() {
  const reader = new PeriodicExportingMetricReader({ exporter: new Twice(exporters("metrics")), exportIntervalMillis: FOREVER_MS, exportTimeoutMillis: 10_000 });
  const views = [{ instrumentName: "exponential", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }];
  const provider = new MeterProvider({ resource: resource(), readers: [reader], views });
  const meter = provider.getMeter("app.metrics", "3.1", { schemaUrl: SCHEMA });
  const counter = meter.createCounter("requests", { description: "Requests", unit: "1" });
  counter.add(3, { model: "a", empty: "" });
  counter.add(2 ** 53, { model: "b", streams: true });
  meter.createCounter("seconds", { unit: "s" }).add(0.25);
  meter.createUpDownCounter("running", { unit: "{requests}" }).add(-4, { rank: 0 });
  meter.createGauge("usage").record(0.5, { ratio: 0.75 });
  meter.createObservableGauge("temperature", { unit: "Cel" }).addCallback((result) => result.observe(71, { gpu: 0 }));
  for (const name of ["explicit", "exponential"]) {
    const histogram = meter.createHistogram(name, { unit: "ms", description: "Latency" });
    for (const latency of [0, 1.5, 12, 900, 1e6]) histogram.record(latency, { route: "/v1/chat" });
  }
  await provider.shutdown();
}

async function main() {
  const spans = await sendSpans();
  const logRecords = await sendLogs();
  await sendMetrics();
  process.stdout.write(JSON.stringify({ resourceSpans: spans.map(resourceSpans), logRecords }));
}

main();
