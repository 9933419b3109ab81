//! OTLP's messages as one table: field numbers, JSON names, types.
//!
//! The walk and the JSON transcoder are driven by it, so the two cannot disagree about a field. It
//! follows opentelemetry-proto 1.10; a test compares it with the descriptors of the crate.

use crate::signal::Signal;

/// A message type.
#[derive(Debug)]
pub struct Message {
    /// Its name in the proto files, without the package.
    pub name: &'static str,
    /// Its fields, by number.
    pub fields: &'static [Field],
    /// Field number -> position in `fields` + 1; numbers of OTLP end at 16.
    index: [u8; 17],
    /// It is what is counted: a span, a data point, a log record.
    pub is_item: bool,
    /// The fields of which only one may be set, as a bit set of their numbers. OTLP's messages have one
    /// such group at most.
    oneof: u32,
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    /// Its number.
    pub number: u8,
    /// Its name in JSON.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// It may stand there more than once; in JSON a list.
    pub repeated: bool,
    /// It has presence: a zero value that is written counts (`optional`, or part of a oneof).
    pub explicit: bool,
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// UTF-8 text.
    String,
    /// Bytes, base64 in JSON.
    Bytes,
    /// A trace or span id: hex in JSON; this many bytes, or none.
    Id(u8),
    /// A varint, true or false.
    Bool,
    /// A varint of 32 bits with a sign.
    Int32,
    /// A varint of 32 bits.
    Uint32,
    /// A varint of 64 bits with a sign.
    Int64,
    /// A varint of 64 bits.
    Uint64,
    /// A zigzag varint of 32 bits.
    Sint32,
    /// Four bytes.
    Fixed32,
    /// Eight bytes.
    Fixed64,
    /// Eight bytes with a sign.
    Sfixed64,
    /// Eight bytes, IEEE 754.
    Double,
    /// A varint; names are accepted in JSON.
    Enum(&'static [(&'static str, i32)]),
    /// A message.
    Message(&'static Message),
}

impl Message {
    const fn new(name: &'static str, fields: &'static [Field]) -> Self {
        let mut index = [0u8; 17];
        let mut position = 0;
        while position < fields.len() {
            index[fields[position].number as usize] = position as u8 + 1;
            position += 1;
        }
        Self { name, fields, index, is_item: false, oneof: 0 }
    }

    const fn item(name: &'static str, fields: &'static [Field]) -> Self {
        Self { is_item: true, ..Self::new(name, fields) }
    }

    const fn with_oneof(self, oneof: u32) -> Self {
        Self { oneof, ..self }
    }

    /// The fields that exclude a field, itself included, as a bit set of numbers.
    #[inline]
    pub const fn rivals(&self, number: u8) -> u32 {
        let own = 1 << number;
        if self.oneof & own == 0 { own } else { self.oneof }
    }

    /// The field of a number.
    #[inline]
    pub fn field(&self, number: u32) -> Option<&'static Field> {
        let position = *self.index.get(number as usize)?;
        self.fields.get(usize::from(position).wrapping_sub(1))
    }
}

const fn one(number: u8, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: false, explicit: false }
}

const fn many(number: u8, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: true, explicit: false }
}

/// A field with presence.
const fn set(number: u8, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: false, explicit: true }
}

use Kind::{
    Bool, Bytes, Double, Fixed32, Fixed64, Id, Int32, Int64, Sfixed64, Sint32, String, Uint32, Uint64,
};

/// The export request of a signal, which is where every walk starts.
pub const fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &TRACES_REQUEST,
        Signal::Metrics => &METRICS_REQUEST,
        Signal::Logs => &LOGS_REQUEST,
    }
}

static TRACES_REQUEST: Message =
    Message::new("ExportTraceServiceRequest", &[many(1, "resourceSpans", Kind::Message(&RESOURCE_SPANS))]);
static METRICS_REQUEST: Message = Message::new(
    "ExportMetricsServiceRequest",
    &[many(1, "resourceMetrics", Kind::Message(&RESOURCE_METRICS))],
);
static LOGS_REQUEST: Message =
    Message::new("ExportLogsServiceRequest", &[many(1, "resourceLogs", Kind::Message(&RESOURCE_LOGS))]);

static RESOURCE_SPANS: Message = Message::new(
    "ResourceSpans",
    &[
        set(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scopeSpans", Kind::Message(&SCOPE_SPANS)),
        one(3, "schemaUrl", String),
    ],
);
static RESOURCE_METRICS: Message = Message::new(
    "ResourceMetrics",
    &[
        set(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scopeMetrics", Kind::Message(&SCOPE_METRICS)),
        one(3, "schemaUrl", String),
    ],
);
static RESOURCE_LOGS: Message = Message::new(
    "ResourceLogs",
    &[
        set(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scopeLogs", Kind::Message(&SCOPE_LOGS)),
        one(3, "schemaUrl", String),
    ],
);
static SCOPE_SPANS: Message = Message::new(
    "ScopeSpans",
    &[
        set(1, "scope", Kind::Message(&SCOPE)),
        many(2, "spans", Kind::Message(&SPAN)),
        one(3, "schemaUrl", String),
    ],
);
static SCOPE_METRICS: Message = Message::new(
    "ScopeMetrics",
    &[
        set(1, "scope", Kind::Message(&SCOPE)),
        many(2, "metrics", Kind::Message(&METRIC)),
        one(3, "schemaUrl", String),
    ],
);
static SCOPE_LOGS: Message = Message::new(
    "ScopeLogs",
    &[
        set(1, "scope", Kind::Message(&SCOPE)),
        many(2, "logRecords", Kind::Message(&LOG_RECORD)),
        one(3, "schemaUrl", String),
    ],
);

/// A resource: what the telemetry is about.
pub static RESOURCE: Message = Message::new(
    "Resource",
    &[
        many(1, "attributes", Kind::Message(&KEY_VALUE)),
        one(2, "droppedAttributesCount", Uint32),
        many(3, "entityRefs", Kind::Message(&ENTITY_REF)),
    ],
);
static ENTITY_REF: Message = Message::new(
    "EntityRef",
    &[
        one(1, "schemaUrl", String),
        one(2, "type", String),
        many(3, "idKeys", String),
        many(4, "descriptionKeys", String),
    ],
);
/// An instrumentation scope: the library that made the telemetry.
pub static SCOPE: Message = Message::new(
    "InstrumentationScope",
    &[
        one(1, "name", String),
        one(2, "version", String),
        many(3, "attributes", Kind::Message(&KEY_VALUE)),
        one(4, "droppedAttributesCount", Uint32),
    ],
);
/// An attribute.
pub static KEY_VALUE: Message = Message::new(
    "KeyValue",
    &[one(1, "key", String), set(2, "value", Kind::Message(&ANY_VALUE)), one(3, "keyStrindex", Int32)],
);
/// An attribute's value.
pub static ANY_VALUE: Message = Message::new(
    "AnyValue",
    &[
        set(1, "stringValue", String),
        set(2, "boolValue", Bool),
        set(3, "intValue", Int64),
        set(4, "doubleValue", Double),
        set(5, "arrayValue", Kind::Message(&ARRAY_VALUE)),
        set(6, "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
        set(7, "bytesValue", Bytes),
        set(8, "stringValueStrindex", Int32),
    ],
)
.with_oneof(0b1_1111_1110);
static ARRAY_VALUE: Message = Message::new("ArrayValue", &[many(1, "values", Kind::Message(&ANY_VALUE))]);
static KEY_VALUE_LIST: Message =
    Message::new("KeyValueList", &[many(1, "values", Kind::Message(&KEY_VALUE))]);

/// A span.
pub static SPAN: Message = Message::item(
    "Span",
    &[
        one(1, "traceId", Id(16)),
        one(2, "spanId", Id(8)),
        one(3, "traceState", String),
        one(4, "parentSpanId", Id(8)),
        one(5, "name", String),
        one(6, "kind", Kind::Enum(SPAN_KIND)),
        one(7, "startTimeUnixNano", Fixed64),
        one(8, "endTimeUnixNano", Fixed64),
        many(9, "attributes", Kind::Message(&KEY_VALUE)),
        one(10, "droppedAttributesCount", Uint32),
        many(11, "events", Kind::Message(&SPAN_EVENT)),
        one(12, "droppedEventsCount", Uint32),
        many(13, "links", Kind::Message(&SPAN_LINK)),
        one(14, "droppedLinksCount", Uint32),
        set(15, "status", Kind::Message(&STATUS)),
        one(16, "flags", Fixed32),
    ],
);
static SPAN_EVENT: Message = Message::new(
    "Event",
    &[
        one(1, "timeUnixNano", Fixed64),
        one(2, "name", String),
        many(3, "attributes", Kind::Message(&KEY_VALUE)),
        one(4, "droppedAttributesCount", Uint32),
    ],
);
static SPAN_LINK: Message = Message::new(
    "Link",
    &[
        one(1, "traceId", Id(16)),
        one(2, "spanId", Id(8)),
        one(3, "traceState", String),
        many(4, "attributes", Kind::Message(&KEY_VALUE)),
        one(5, "droppedAttributesCount", Uint32),
        one(6, "flags", Fixed32),
    ],
);
static STATUS: Message =
    Message::new("Status", &[one(2, "message", String), one(3, "code", Kind::Enum(STATUS_CODE))]);

/// A metric.
pub static METRIC: Message = Message::new(
    "Metric",
    &[
        one(1, "name", String),
        one(2, "description", String),
        one(3, "unit", String),
        set(5, "gauge", Kind::Message(&GAUGE)),
        set(7, "sum", Kind::Message(&SUM)),
        set(9, "histogram", Kind::Message(&HISTOGRAM)),
        set(10, "exponentialHistogram", Kind::Message(&EXPONENTIAL_HISTOGRAM)),
        set(11, "summary", Kind::Message(&SUMMARY)),
        many(12, "metadata", Kind::Message(&KEY_VALUE)),
    ],
)
.with_oneof(1 << 5 | 1 << 7 | 1 << 9 | 1 << 10 | 1 << 11);
static GAUGE: Message = Message::new("Gauge", &[many(1, "dataPoints", Kind::Message(&NUMBER_POINT))]);
static SUM: Message = Message::new(
    "Sum",
    &[
        many(1, "dataPoints", Kind::Message(&NUMBER_POINT)),
        one(2, "aggregationTemporality", Kind::Enum(TEMPORALITY)),
        one(3, "isMonotonic", Bool),
    ],
);
static HISTOGRAM: Message = Message::new(
    "Histogram",
    &[
        many(1, "dataPoints", Kind::Message(&HISTOGRAM_POINT)),
        one(2, "aggregationTemporality", Kind::Enum(TEMPORALITY)),
    ],
);
static EXPONENTIAL_HISTOGRAM: Message = Message::new(
    "ExponentialHistogram",
    &[
        many(1, "dataPoints", Kind::Message(&EXPONENTIAL_POINT)),
        one(2, "aggregationTemporality", Kind::Enum(TEMPORALITY)),
    ],
);
static SUMMARY: Message = Message::new("Summary", &[many(1, "dataPoints", Kind::Message(&SUMMARY_POINT))]);

static NUMBER_POINT: Message = Message::item(
    "NumberDataPoint",
    &[
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        set(4, "asDouble", Double),
        many(5, "exemplars", Kind::Message(&EXEMPLAR)),
        set(6, "asInt", Sfixed64),
        many(7, "attributes", Kind::Message(&KEY_VALUE)),
        one(8, "flags", Uint32),
    ],
)
.with_oneof(1 << 4 | 1 << 6);
static HISTOGRAM_POINT: Message = Message::item(
    "HistogramDataPoint",
    &[
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        set(5, "sum", Double),
        many(6, "bucketCounts", Fixed64),
        many(7, "explicitBounds", Double),
        many(8, "exemplars", Kind::Message(&EXEMPLAR)),
        many(9, "attributes", Kind::Message(&KEY_VALUE)),
        one(10, "flags", Uint32),
        set(11, "min", Double),
        set(12, "max", Double),
    ],
);
static EXPONENTIAL_POINT: Message = Message::item(
    "ExponentialHistogramDataPoint",
    &[
        many(1, "attributes", Kind::Message(&KEY_VALUE)),
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        set(5, "sum", Double),
        one(6, "scale", Sint32),
        one(7, "zeroCount", Fixed64),
        set(8, "positive", Kind::Message(&BUCKETS)),
        set(9, "negative", Kind::Message(&BUCKETS)),
        one(10, "flags", Uint32),
        many(11, "exemplars", Kind::Message(&EXEMPLAR)),
        set(12, "min", Double),
        set(13, "max", Double),
        one(14, "zeroThreshold", Double),
    ],
);
static BUCKETS: Message =
    Message::new("Buckets", &[one(1, "offset", Sint32), many(2, "bucketCounts", Uint64)]);
static SUMMARY_POINT: Message = Message::item(
    "SummaryDataPoint",
    &[
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        one(5, "sum", Double),
        many(6, "quantileValues", Kind::Message(&VALUE_AT_QUANTILE)),
        many(7, "attributes", Kind::Message(&KEY_VALUE)),
        one(8, "flags", Uint32),
    ],
);
static VALUE_AT_QUANTILE: Message =
    Message::new("ValueAtQuantile", &[one(1, "quantile", Double), one(2, "value", Double)]);
static EXEMPLAR: Message = Message::new(
    "Exemplar",
    &[
        one(2, "timeUnixNano", Fixed64),
        set(3, "asDouble", Double),
        one(4, "spanId", Id(8)),
        one(5, "traceId", Id(16)),
        set(6, "asInt", Sfixed64),
        many(7, "filteredAttributes", Kind::Message(&KEY_VALUE)),
    ],
)
.with_oneof(1 << 3 | 1 << 6);

/// A log record.
pub static LOG_RECORD: Message = Message::item(
    "LogRecord",
    &[
        one(1, "timeUnixNano", Fixed64),
        one(2, "severityNumber", Kind::Enum(SEVERITY)),
        one(3, "severityText", String),
        set(5, "body", Kind::Message(&ANY_VALUE)),
        many(6, "attributes", Kind::Message(&KEY_VALUE)),
        one(7, "droppedAttributesCount", Uint32),
        one(8, "flags", Fixed32),
        one(9, "traceId", Id(16)),
        one(10, "spanId", Id(8)),
        one(11, "observedTimeUnixNano", Fixed64),
        one(12, "eventName", String),
    ],
);

const SPAN_KIND: &[(&str, i32)] = &[
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
];
const STATUS_CODE: &[(&str, i32)] =
    &[("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)];
const TEMPORALITY: &[(&str, i32)] = &[
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];
const SEVERITY: &[(&str, i32)] = &[
    ("SEVERITY_NUMBER_UNSPECIFIED", 0),
    ("SEVERITY_NUMBER_TRACE", 1),
    ("SEVERITY_NUMBER_TRACE2", 2),
    ("SEVERITY_NUMBER_TRACE3", 3),
    ("SEVERITY_NUMBER_TRACE4", 4),
    ("SEVERITY_NUMBER_DEBUG", 5),
    ("SEVERITY_NUMBER_DEBUG2", 6),
    ("SEVERITY_NUMBER_DEBUG3", 7),
    ("SEVERITY_NUMBER_DEBUG4", 8),
    ("SEVERITY_NUMBER_INFO", 9),
    ("SEVERITY_NUMBER_INFO2", 10),
    ("SEVERITY_NUMBER_INFO3", 11),
    ("SEVERITY_NUMBER_INFO4", 12),
    ("SEVERITY_NUMBER_WARN", 13),
    ("SEVERITY_NUMBER_WARN2", 14),
    ("SEVERITY_NUMBER_WARN3", 15),
    ("SEVERITY_NUMBER_WARN4", 16),
    ("SEVERITY_NUMBER_ERROR", 17),
    ("SEVERITY_NUMBER_ERROR2", 18),
    ("SEVERITY_NUMBER_ERROR3", 19),
    ("SEVERITY_NUMBER_ERROR4", 20),
    ("SEVERITY_NUMBER_FATAL", 21),
    ("SEVERITY_NUMBER_FATAL2", 22),
    ("SEVERITY_NUMBER_FATAL3", 23),
    ("SEVERITY_NUMBER_FATAL4", 24),
];

#[cfg(test)]
mod tests;
