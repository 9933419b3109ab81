//! What is legal and what is not, case by case, and the requests of known clients.

use super::*;

/// A request of one span with these fields.
fn span(fields: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#)
}

/// A request of a gauge with one data point with these fields.
fn point(fields: &str) -> String {
    metric(&format!(r#""gauge":{{"dataPoints":[{{{fields}}}]}}"#))
}

/// A request of a metric with these fields.
fn metric(fields: &str) -> String {
    format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{{fields}}}]}}]}}]}}"#)
}

/// A request of one log record whose body is this `AnyValue`.
fn body(value: &str) -> String {
    log(&format!(r#""body":{value}"#))
}

/// A request of one log record with these fields.
fn log(fields: &str) -> String {
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{{fields}}}]}}]}}]}}"#)
}

/// Each pair spells one request in two ways, the second in the specification's own.
fn same(signal: Signal, pairs: impl IntoIterator<Item = (String, String)>) {
    for (spelled, plain) in pairs {
        let expected = read(signal, &plain);
        assert!(expected.is_ok(), "{plain}: {expected:?}");
        assert_eq!(read(signal, &spelled), expected, "{spelled}");
    }
}

/// Each text is refused with this message, at the byte where `¶` stands in it.
fn refused(signal: Signal, path: &str, cases: impl IntoIterator<Item = (String, &'static str)>) {
    for (marked, message) in cases {
        let at = marked.find('¶').expect("a mark");
        let json = marked.replacen('¶', "", 1);
        assert_eq!(read(signal, &json), Err(format!("{path}{message} (byte {at})")), "{json}");
    }
}

/// Clients leave out, null and empty what they have no value for, and not one of them loses a request.
#[test]
fn nothing_is_needed_and_null_is_unset() {
    let empty = "{}".to_owned();
    let requests = [
        "{}",
        "\u{feff} \r\n\t{ } \n",
        r#"{"resourceSpans":null}"#,
        r#"{"resourceSpans":[]}"#,
        r#"{"resource_spans":[ ]}"#,
        r#"{"resourceMetrics":[{"anything":1}],"partialSuccess":{}}"#,
    ];
    same(Signal::Traces, requests.map(|request| (request.to_owned(), empty.clone())));
    let spans = [
        r#""attributes":null,"startTimeUnixNano":null,"parentSpanId":null,"kind":null,"status":null,"flags":null"#,
        r#""attributes":[],"startTimeUnixNano":0,"parentSpanId":"","kind":0,"links":[],"name":"","flags":"0""#,
        r#""traceId":"","spanId":"","droppedEventsCount":0,"endTimeUnixNano":"0""#,
    ];
    same(Signal::Traces, spans.map(|fields| (span(fields), span(""))));
    same(
        Signal::Logs,
        [
            (body("{}"), body(r#"{"stringValue":null,"intValue":null}"#)),
            (body(r#"{"arrayValue":{}}"#), body(r#"{"arrayValue":{"values":[]}}"#)),
            (body(r#"{"kvlistValue":{"values":null}}"#), body(r#"{"kvlistValue":{}}"#)),
            (
                body(r#"{"kvlistValue":{"values":[{}]}}"#),
                body(r#"{"kvlistValue":{"values":[{"key":"","value":null}]}}"#),
            ),
        ],
    );
    same(
        Signal::Metrics,
        [
            (point(r#""timeUnixNano":null,"asInt":1,"flags":null"#), point(r#""asInt":"1""#)),
            (point(r#""asDouble":null,"asInt":1,"exemplars":null"#), point(r#""asInt":"1""#)),
            (
                point(r#""attributes":[{"value":{"intValue":1}}]"#),
                point(r#""attributes":[{"key":"","value":{"intValue":1}}]"#),
            ),
        ],
    );
    let entity = r#"{"resourceLogs":[{"resource":{"entityRefs":[{"type":"host","idKeys":[""]}]}}]}"#;
    assert!(read(Signal::Logs, entity).is_ok());
}

/// What has presence is there even at its default: a status, an empty text, a zero.
#[test]
fn presence_survives_defaults() {
    let pairs = [
        (Signal::Traces, span(r#""status":{}"#), span("")),
        (Signal::Logs, body("{}"), log("")),
        (Signal::Logs, body(r#"{"stringValue":""}"#), body("{}")),
        (Signal::Logs, body(r#"{"boolValue":false}"#), body("{}")),
        (Signal::Logs, body(r#"{"intValue":"0"}"#), body("{}")),
        (Signal::Logs, body(r#"{"bytesValue":""}"#), body("{}")),
        (Signal::Logs, body(r#"{"arrayValue":{}}"#), body("{}")),
        (Signal::Metrics, point(r#""asDouble":0"#), point("")),
        (Signal::Metrics, point(r#""asInt":"0""#), point(r#""asDouble":0.0"#)),
        (Signal::Metrics, metric(r#""gauge":{}"#), metric("")),
    ];
    for (signal, with, without) in pairs {
        assert_ne!(read(signal, &with), read(signal, &without), "{with}");
        let request = to_protobuf(signal, with.as_bytes()).expect("legal");
        assert_eq!(read(signal, &text_of(signal, &request)), read(signal, &with), "{with}");
    }
}

/// Names may be written as in the proto files, and what nobody knows is skipped whatever it holds.
#[test]
fn names_in_either_case_and_unknown_ones() {
    let plain = span(
        r#""traceId":"0102030405060708090a0b0c0d0e0f10","droppedAttributesCount":7,"startTimeUnixNano":"5""#,
    );
    let proto = r#"{"resource_spans":[{"scope_spans":[{"spans":[{"start_time_unix_nano":5,
        "trace_id":"0102030405060708090A0B0C0D0E0F10","dropped_attributes_count":7}]}]}]}"#;
    let unknown = span(
        r#""deprecated":{"traceId":1,"a":[{},[],null,"\ud800",-0.1E+7]},"traceId":"0102030405060708090a0b0c0d0e0f10",
        "instrumentationLibrary":[null],"droppedAttributesCount":7,"":"","TraceId":3,"start_timeUnixNano":true,
        "_":1,"start_time_unix_nano_":1,"startTimeUnixNano":"5","x":1e999"#,
    );
    let escaped = span(
        r#""\u0074raceId":"0102030405060708090a0b0c0d0e0f10","dropped\u005fattributes_count":7,"startTimeUnixNano":"5""#,
    );
    same(Signal::Traces, [(proto.to_owned(), plain.clone()), (unknown, plain.clone()), (escaped, plain)]);
}

/// Whole numbers are exact however they are written, in quotes or not, up to the ends of their range.
#[test]
fn whole_numbers_in_every_spelling() {
    let times = [
        ("18446744073709551615", "18446744073709551615"),
        ("1844674407370955161.5e1", "18446744073709551615"),
        ("1544712660300000001", "1544712660300000001"),
        ("9007199254740993", "9007199254740993"),
        ("1e3", "1000"),
        ("1.5E+1", "15"),
        ("100e-2", "1"),
        ("2.0", "2"),
        ("0.0e999999999999999999999", "0"),
        ("-0", "0"),
        ("0.00000000000000000000000000000000000000001e41", "1"),
    ];
    same(
        Signal::Traces,
        times.iter().flat_map(|(spelled, plain)| {
            let plain = span(&format!(r#""startTimeUnixNano":"{plain}""#));
            [(*spelled).to_owned(), format!("\"{spelled}\"")]
                .map(|spelled| (span(&format!(r#""startTimeUnixNano":{spelled}"#)), plain.clone()))
        }),
    );
    let ints = [
        ("-9223372036854775808", r#""-9223372036854775808""#),
        ("9223372036854775807", r#""9223372036854775807""#),
        ("-92233720368547758.08e2", r#""-9223372036854775808""#),
        (r#""+7""#, r#""7""#),
        (r#""007""#, r#""7""#),
        ("-1.0", r#""-1""#),
    ];
    same(
        Signal::Logs,
        ints.map(|(spelled, plain)| {
            (body(&format!(r#"{{"intValue":{spelled}}}"#)), body(&format!(r#"{{"intValue":{plain}}}"#)))
        }),
    );
    same(
        Signal::Metrics,
        [
            (point(r#""asInt":-5"#), point(r#""asInt":"-5""#)),
            (point(r#""flags":"1""#), point(r#""flags":1"#)),
            (
                metric(r#""histogram":{"dataPoints":[{"bucketCounts":[1,"2",3e0],"count":"6"}]}"#),
                metric(r#""histogram":{"dataPoints":[{"bucketCounts":["1","2","3"],"count":6}]}"#),
            ),
            (
                metric(
                    r#""exponentialHistogram":{"dataPoints":[{"scale":"-3","positive":{"offset":-1.0}}]}"#,
                ),
                metric(r#""exponentialHistogram":{"dataPoints":[{"scale":-3,"positive":{"offset":"-1"}}]}"#),
            ),
        ],
    );
}

/// Doubles are numbers or texts, and those that JSON has no number for arrive too.
#[test]
fn doubles_in_every_spelling() {
    let doubles: [(&str, f64); 15] = [
        ("0", 0.0),
        ("-0.0", -0.0),
        ("5", 5.0),
        ("\"3.5\"", 3.5),
        ("1e-400", 0.0),
        ("0.1", 0.1),
        ("1.7976931348623157e308", f64::MAX),
        ("5e-324", 5e-324),
        ("18446744073709551615", 18_446_744_073_709_551_615.0),
        ("\"NaN\"", f64::NAN),
        ("\"Infinity\"", f64::INFINITY),
        ("\"-Infinity\"", f64::NEG_INFINITY),
        // As Go's strconv, and so the Collector, takes them.
        ("\"+Inf\"", f64::INFINITY),
        ("\"-inf\"", f64::NEG_INFINITY),
        ("\"nan\"", f64::NAN),
    ];
    for (spelled, double) in doubles {
        let json = point(&format!(r#""asDouble":{spelled}"#));
        let expected = gauge(|point| put_double(point, 4, double));
        assert_eq!(to_protobuf(Signal::Metrics, json.as_bytes()), Ok(expected), "{spelled}");
    }
    same(
        Signal::Logs,
        [
            (body(r#"{"doubleValue":"3.5"}"#), body(r#"{"doubleValue":3.5}"#)),
            (body(r#"{"doubleValue":"1e2"}"#), body(r#"{"doubleValue":100}"#)),
        ],
    );
    assert!(read(Signal::Logs, &body(r#"{"doubleValue":"NaN"}"#)).is_ok());
    let infinite = gauge(|point| put_double(point, 4, f64::NEG_INFINITY));
    assert!(text_of(Signal::Metrics, &infinite).contains(r#"{"asDouble":"-Infinity"}"#));
}

/// Enums come as numbers, as names and as numbers that nobody has named yet.
#[test]
fn enums_by_number_and_by_name() {
    same(
        Signal::Traces,
        [
            (span(r#""kind":"SPAN_KIND_SERVER""#), span(r#""kind":2"#)),
            (span(r#""kind":"SPAN_KIND_UNSPECIFIED""#), span("")),
            (span(r#""status":{"code":"STATUS_CODE_ERROR"}"#), span(r#""status":{"code":2.0}"#)),
        ],
    );
    same(
        Signal::Logs,
        [(log(r#""severityNumber":"SEVERITY_NUMBER_ERROR4""#), log(r#""severityNumber":20"#))],
    );
    same(
        Signal::Metrics,
        [(
            metric(r#""sum":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE"}"#),
            metric(r#""sum":{"aggregation_temporality":2}"#),
        )],
    );
    for kind in ["99", "-1"] {
        let json = span(&format!(r#""kind":{kind}"#));
        let request = to_protobuf(Signal::Traces, json.as_bytes()).expect("enums are open");
        assert_eq!(text_of(Signal::Traces, &request), json);
    }
}

/// Texts arrive as they were meant, whatever of them is escaped.
#[test]
fn strings_with_escapes_and_without() {
    same(
        Signal::Traces,
        [
            (span(r#""name":"\u65e5\u672C""#), span("\"name\":\"日本\"")),
            (span(r#""name":"\ud83d\ude00!""#), span("\"name\":\"😀!\"")),
            (span(r#""name":"\/\u0041\u00e9""#), span("\"name\":\"/Aé\"")),
            (span(r#""name":"\u0022\u005c\u0008\u000C\u007f""#), span("\"name\":\"\\\"\\\\\\b\\f\u{7f}\"")),
        ],
    );
    let name = "all \" \\ / \u{8} \u{c} \n \r \t \u{0} \u{1f} \u{7f} é 日 😀 \u{2028}";
    let request = wrapped(wrapped(name.into(), &[5]), &[2, 2, 1]);
    let text = text_of(Signal::Traces, &request);
    let expected = r#"all \" \\ / \u0008 \u000c \n \r \t \u0000 \u001f "#;
    assert!(text.contains(expected), "{text}");
    assert_eq!(to_protobuf(Signal::Traces, text.as_bytes()), Ok(request));
}

/// Bytes come in the standard alphabet and in the one for URLs, padded or not, and leave in the first.
#[test]
fn bytes_in_either_alphabet() {
    let plain = body(r#"{"bytesValue":"+/+/+w=="}"#);
    for spelled in ["+/+/+w", "-_-_-w==", "-_-_-w", r"+\/+\/+w==", "+/+/+x=="] {
        same(Signal::Logs, [(body(&format!(r#"{{"bytesValue":"{spelled}"}}"#)), plain.clone())]);
    }
    let request = to_protobuf(Signal::Logs, plain.as_bytes()).expect("legal");
    assert_eq!(text_of(Signal::Logs, &request), plain);
}

/// Attributes are the same by the short cut and by the long way.
#[test]
fn attributes_by_the_short_cut_and_without() {
    let long = "x".repeat(200);
    let values = [
        r#"{"stringValue":"v"}"#,
        r#"{"stringValue":""}"#,
        r#"{"stringValue":"a\"b"}"#,
        r#"{"stringValue":"é"}"#,
        &format!(r#"{{"stringValue":"{long}"}}"#),
        &format!(r#"{{"stringValue":"{}"}}"#, &long[..59]),
        &format!(r#"{{"stringValue":"{}"}}"#, &long[..60]),
        r#"{"intValue":"-9223372036854775808"}"#,
        r#"{"intValue":"300"}"#,
        r#"{"intValue":"1e3"}"#,
        r#"{"intValue":42}"#,
        r#"{"boolValue":true}"#,
        r#"{"boolValue":false}"#,
        r#"{"doubleValue":0.5}"#,
        r#"{"bytesValue":"AAE="}"#,
        r#"{"arrayValue":{"values":[{"stringValue":"a"},{}]}}"#,
        r#"{"stringValue":"v","more":1}"#,
    ];
    let keys = ["k", "", "a longer key than the others, as keys go", &long, "ü"];
    for (key, value) in keys.iter().flat_map(|key| values.map(|value| (key, value))) {
        let short = span(&format!(r#""attributes":[{{"key":"{key}","value":{value}}}]"#));
        let long_way = span(&format!(r#""attributes":[ {{ "key":"{key}","value":{value}}}]"#));
        same(Signal::Traces, [(short, long_way)]);
    }
}

const SPAN: &str = "resourceSpans[0].scopeSpans[0].spans[0]";
const POINT: &str = "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[0]";
const METRIC: &str = "resourceMetrics[0].scopeMetrics[0].metrics[0]";
const BODY: &str = "resourceLogs[0].scopeLogs[0].logRecords[0].body";

/// Duplicates are refused: nothing says which value was meant, and the output has to be canonical.
#[test]
fn nothing_is_set_twice() {
    refused(
        Signal::Traces,
        SPAN,
        [
            (span(r#""name":"a","name":¶"a""#), ".name: is set twice"),
            (span(r#""name":"","name":¶"a""#), ".name: is set twice"),
            (span(r#""traceId":"","trace_id":¶"""#), ".traceId: is set twice"),
            (span(r#""status":{},"kind":1,"status": ¶{}"#), ".status: is set twice"),
            (span(r#""events":[],"events":¶[]"#), ".events: is set twice"),
        ],
    );
    refused(
        Signal::Metrics,
        METRIC,
        [
            (metric(r#""gauge":{},"sum":¶{}"#), ".sum: excludes `gauge`, which is set too"),
            (
                metric(r#""gauge":{"dataPoints":[{"asInt":1,"asDouble":¶1}]}"#),
                ".gauge.dataPoints[0].asDouble: excludes `asInt`, which is set too",
            ),
        ],
    );
    refused(
        Signal::Logs,
        BODY,
        [
            (
                body(r#"{"stringValue":"","intValue":¶1}"#),
                ".intValue: excludes `stringValue`, which is set too",
            ),
            (
                body(r#"{"arrayValue":{},"kvlistValue":¶{}}"#),
                ".kvlistValue: excludes `arrayValue`, which is set too",
            ),
        ],
    );
    same(Signal::Logs, [(body(r#"{"stringValue":null,"intValue":1}"#), body(r#"{"intValue":"1"}"#))]);
}

/// A value of the wrong kind is refused by the name of its field, which goes back to the client.
#[test]
fn wrong_values_are_named() {
    const SIGNED: &str = ".asInt: out of range, -9223372036854775808 to 9223372036854775807";
    const UNSIGNED: &str = ".startTimeUnixNano: out of range, 0 to 18446744073709551615";
    refused(
        Signal::Traces,
        SPAN,
        [
            (span(r#""traceId":¶"0102""#), ".traceId: expected 32 hex digits or none"),
            (
                span(r#""traceId":¶"0x02030405060708090a0b0c0d0e0f10""#),
                ".traceId: expected 32 hex digits or none",
            ),
            (span(r#""spanId":¶"010203040506070g""#), ".spanId: expected 16 hex digits or none"),
            (span(r#""parentSpanId":¶"AQIDBAUGBwg=""#), ".parentSpanId: expected 16 hex digits or none"),
            (span(r#""spanId":¶1"#), ".spanId: expected a string"),
            (span(r#""name":¶{}"#), ".name: expected a string"),
            (span(r#""startTimeUnixNano":¶-1"#), UNSIGNED),
            (span(r#""startTimeUnixNano":¶"18446744073709551616""#), UNSIGNED),
            (span(r#""startTimeUnixNano":¶1e20"#), UNSIGNED),
            (span(r#""startTimeUnixNano":¶1e999999999999999999999"#), UNSIGNED),
            (span(r#""startTimeUnixNano":¶1.5"#), ".startTimeUnixNano: expected a whole number"),
            (span(r#""startTimeUnixNano":¶"1e-1""#), ".startTimeUnixNano: expected a whole number"),
            (span(r#""startTimeUnixNano":¶"soon""#), ".startTimeUnixNano: expected a number"),
            (span(r#""startTimeUnixNano":¶"""#), ".startTimeUnixNano: expected a number"),
            (span(r#""startTimeUnixNano":¶"1.""#), ".startTimeUnixNano: expected a number"),
            (span(r#""startTimeUnixNano":¶"1e""#), ".startTimeUnixNano: expected a number"),
            (span(r#""startTimeUnixNano":¶"--1""#), ".startTimeUnixNano: expected a number"),
            (span(r#""startTimeUnixNano":¶" 1""#), ".startTimeUnixNano: expected a number"),
            (span(r#""startTimeUnixNano":¶true"#), ".startTimeUnixNano: expected a number"),
            (span(r#""flags":¶4294967296"#), ".flags: out of range, 0 to 4294967295"),
            (span(r#""kind":¶2147483648"#), ".kind: out of range, -2147483648 to 2147483647"),
            (span(r#""kind":¶"SERVER""#), ".kind: expected a number or a name such as SPAN_KIND_CONSUMER"),
            (span(r#""kind":¶"2""#), ".kind: expected a number or a name such as SPAN_KIND_CONSUMER"),
            (span(r#""attributes":¶{}"#), ".attributes: expected a list"),
            (span(r#""attributes":[{},¶null]"#), ".attributes[1]: expected an object"),
            (span(r#""attributes":[{"key":¶1}]"#), ".attributes[0].key: expected a string"),
            (span(r#""status":¶[]"#), ".status: expected an object"),
            (span(r#""name":¶nul"#), ".name: expected a string"),
        ],
    );
    refused(
        Signal::Metrics,
        POINT,
        [
            (point(r#""asDouble":¶true"#), ".asDouble: expected a number"),
            (point(r#""asDouble":¶"1,5""#), ".asDouble: expected a number"),
            (point(r#""asDouble":¶1e309"#), ".asDouble: out of range for a double"),
            (point(r#""asDouble":¶"-1e309""#), ".asDouble: out of range for a double"),
            (point(r#""asInt":¶9223372036854775808"#), SIGNED),
            (point(r#""asInt":¶"-9223372036854775809""#), SIGNED),
        ],
    );
    refused(
        Signal::Metrics,
        METRIC,
        [
            (
                metric(r#""histogram":{"dataPoints":[{"bucketCounts":["1",¶null]}]}"#),
                ".histogram.dataPoints[0].bucketCounts[1]: expected a number",
            ),
            (
                metric(r#""sum":{"dataPoints":[],"isMonotonic":¶"true"}"#),
                ".sum.isMonotonic: expected true or false",
            ),
        ],
    );
    refused(
        Signal::Logs,
        BODY,
        [
            (body(r#"{"bytesValue":¶"a$=="}"#), ".bytesValue: expected bytes in base64"),
            // An old official example has it so; its own deserializers refuse it too.
            (body(r#"{"kvlistValue":¶[{"key":"type"}]}"#), ".kvlistValue: expected an object"),
            (
                body(r#"{"arrayValue":{"values":[{},{"boolValue":¶0}]}}"#),
                ".arrayValue.values[1].boolValue: expected true or false",
            ),
        ],
    );
}

/// What is not JSON is refused at the byte where it stops being JSON, in unknown fields too.
#[test]
fn broken_json_is_located() {
    let requests = [
        ("¶", "expected an object"),
        ("\u{feff}¶", "expected an object"),
        (" ¶null", "expected an object"),
        ("¶[]", "expected an object"),
        ("{¶", "expected a field name"),
        ("{¶1:2}", "expected a field name"),
        ("{\"a\":1,¶}", "expected a field name"),
        ("{\"a\"¶}", "expected `:`"),
        ("{\"a\":¶}", "expected a value"),
        ("{\"a\":¶nul}", "expected a value"),
        ("{\"a\":¶+1}", "expected a value"),
        ("{\"a\":¶01}", "expected a value"),
        ("{\"a\":¶.5}", "expected a value"),
        ("{\"a\":¶1.}", "expected a value"),
        ("{\"a\":¶1e+}", "expected a value"),
        ("{\"a\":¶-}", "expected a value"),
        ("{\"a\":¶NaN}", "expected a value"),
        ("{\"a\":1¶x}", "expected `,` or `}`"),
        ("{\"a\":[1,¶]}", "expected a value"),
        ("{\"a\":[1¶}", "expected `,` or `]`"),
        ("{\"a\":{\"b\":{}¶", "expected `,` or `}`"),
        ("{\"a\":¶\"b}", "the string does not end"),
        ("{\"a\":\"¶\n\"}", "control character in a string"),
        ("{\"a\":\"0123456789¶\u{1f}\"}", "control character in a string"),
        ("{\"a\":\"¶\\x\"}", "invalid escape in a string"),
        ("{\"a\":\"¶\\u00g0\"}", "invalid escape in a string"),
        ("{}¶{}", "expected nothing more"),
        ("{} ¶\0", "expected nothing more"),
    ];
    refused(Signal::Logs, "", requests.map(|(json, message)| (json.to_owned(), message)));
    refused(
        Signal::Traces,
        SPAN,
        [
            (span(r#""name":"¶\ud800""#), ".name: half of a surrogate pair in a string"),
            (span(r#""name":"a¶\uDC00\uD800""#), ".name: half of a surrogate pair in a string"),
            (span(r#""name":"0123456789¶\uD83D\u0041""#), ".name: half of a surrogate pair in a string"),
            (span(r#""name":"a" ¶"kind":1"#), ": expected `,` or `}`"),
        ],
    );
    let mut invalid = span(r#""name":"0123456789?""#).into_bytes();
    let at = invalid.iter().position(|byte| *byte == b'?').expect("there is one");
    invalid[at] = 0xff;
    let error = to_protobuf(Signal::Traces, &invalid).expect_err("not UTF-8");
    assert_eq!(error.to_string(), format!("{SPAN}.name: invalid UTF-8 (byte {at})"));
}

/// Nesting ends where the walk's does, so that no text can exhaust the stack and none gets through that
/// an exporter's client would refuse; what is skipped is no deeper.
#[test]
fn nesting_is_bounded_where_the_walk_bounds_it() {
    for depth in 0..60 {
        let value = (0..depth)
            .fold("{}".to_owned(), |value, _| format!(r#"{{"arrayValue":{{"values":[{value}]}}}}"#));
        let protobuf = (0..depth).fold(Vec::new(), |value, _| wrapped(value, &[1, 5]));
        let protobuf = wrapped(protobuf, &[5, 2, 2, 1]);
        let expected = walk(Signal::Logs, &protobuf).map(|_| protobuf).map_err(|_| TOO_DEEP.into());
        let request = to_protobuf(Signal::Logs, body(&value).as_bytes()).map_err(|error| error.message);
        assert_eq!(request, expected, "depth {depth}");
    }
    for open in ["[", "{\"a\":", "{\"body\":", "{\"resourceLogs\":["] {
        let error = to_protobuf(Signal::Logs, format!("{{\"x\":{}", open.repeat(100_000)).as_bytes());
        assert_eq!(error.expect_err("too deep").message, TOO_DEEP);
    }
    let skipped = format!("{{\"x\":{}{}}}", "[".repeat(100), "]".repeat(100));
    assert!(read(Signal::Logs, &skipped).is_ok());
}

/// Messages whose length takes one byte, two or three are framed right, whatever came before.
#[test]
fn lengths_of_every_width() {
    let lengths = [0, 1, 100, 119, 120, 130, 127, 128, 5, 16_360, 16_380, 16_384, 1, 200, 17_000, 0];
    let events: Vec<String> = lengths.map(|length| format!(r#"{{"name":"{}"}}"#, "x".repeat(length))).into();
    let json = span(&format!(r#""events":[{}]"#, events.join(",")));
    let expected = lengths.iter().fold(Vec::new(), |mut span, length| {
        let event = if *length == 0 { Vec::new() } else { wrapped(vec![b'x'; *length], &[2]) };
        put_bytes(&mut span, 11, &event);
        span
    });
    assert_eq!(to_protobuf(Signal::Traces, json.as_bytes()), Ok(wrapped(expected, &[2, 2, 1])));
}

/// What is legal in protobuf and not in JSON is put in order: lists in one piece, one value of each, the
/// last; numbers of a list in one field or in several.
#[test]
fn protobuf_out_of_order_becomes_json_in_order() {
    let mut content = Vec::new();
    let key = |key: &str| wrapped(key.into(), &[1]);
    put_bytes(&mut content, 9, &key("a"));
    put_bytes(&mut content, 5, b"first");
    put_bytes(&mut content, 11, &[]);
    put_bytes(&mut content, 9, &key("b"));
    put_bytes(&mut content, 1000, b"unknown");
    put_bytes(&mut content, 5, b"last");
    put_bytes(&mut content, 9, &[key("c"), wrapped(b"x\x18\x05".to_vec(), &[1, 2])].concat());
    let expected = r#""name":"last","attributes":[{"key":"a"},{"key":"b"},{"key":"c","value":{"stringValue":"x\u0018\u0005"}}],"events":[{}]"#;
    assert_eq!(text_of(Signal::Traces, &wrapped(content, &[2, 2, 1])), span(expected));

    let mut value = wrapped(b"text".to_vec(), &[1]);
    value.extend_from_slice(&[0x18, 5]);
    let expected = body(r#"{"intValue":"5"}"#);
    assert_eq!(text_of(Signal::Logs, &wrapped(value, &[5, 2, 2, 1])), expected);

    let mut histogram = Vec::new();
    put_double(&mut histogram, 7, 0.5);
    put_bytes(&mut histogram, 7, &[]);
    put_bytes(&mut histogram, 7, &[1.5f64.to_le_bytes(), 2f64.to_le_bytes()].concat());
    put_bytes(&mut histogram, 6, &[]);
    let expected = metric(r#""histogram":{"dataPoints":[{"explicitBounds":[0.5,1.5,2.0]}]}"#);
    assert_eq!(text_of(Signal::Metrics, &wrapped(histogram, &[1, 9, 2, 2, 1])), expected);
}

/// One request of each signal in the form of the specification's examples, with every kind of value:
/// numbers in quotes and without, ids in upper case, white space.
#[test]
fn requests_like_the_official_examples() {
    let resource =
        r#""resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}"#;
    let scope = r#""scope": {"name": "shop.checkout", "version": "2.1.0", "attributes": [
        {"key": "scope.attribute", "value": {"stringValue": "of the scope"}}]}"#;
    let trace = format!(
        r#"{{
  "resourceSpans": [ {{ {resource}, "scopeSpans": [ {{ {scope},
      "spans": [
        {{
          "traceId": "6BF92F3577B34DA6A3CE929D0E0E4736", "spanId": "A0F067AA0BA902B7", "parentSpanId": "A0F067AA0BA902B6",
          "name": "It's a server span", "kind": 2,
          "startTimeUnixNano": 1720000000000000001, "endTimeUnixNano": "1720000001000000002",
          "attributes": [ {{ "key": "my.span.attr", "value": {{ "stringValue": "some value" }} }} ],
          "status": {{}}
        }}
      ] }} ] }} ]
}}"#
    );
    let metrics = format!(
        r#"{{"resourceMetrics": [{{ {resource}, "scopeMetrics": [{{ {scope}, "metrics": [
    {{"name": "sold", "unit": "1", "description": "`things` sold", "sum": {{"aggregationTemporality": 1, "isMonotonic": true,
      "dataPoints": [{{"asDouble": 5, "startTimeUnixNano": 1720000000300000000, "timeUnixNano": "1720000000300000001",
        "attributes": [{{"key": "kind", "value": {{"stringValue": "book"}}}}]}}]}}}},
    {{"name": "stock", "gauge": {{"dataPoints": [{{"asInt": "10", "timeUnixNano": 1720000000300000000}}]}}}},
    {{"name": "duration", "unit": "s", "histogram": {{"aggregationTemporality": 1, "dataPoints": [
      {{"timeUnixNano": 1720000000300000000, "count": 3, "sum": 3.5, "bucketCounts": [1, 1, 1], "explicitBounds": [1, 2.5],
        "min": 1, "max": 3, "exemplars": [{{"asDouble": 1.0, "traceId": "6BF92F3577B34DA6A3CE929D0E0E4736",
        "spanId": "A0F067AA0BA902B7"}}]}}]}}}},
    {{"name": "sizes", "exponentialHistogram": {{"aggregationTemporality": 2, "dataPoints": [
      {{"count": "3", "sum": 10, "scale": 1, "zeroCount": 1, "positive": {{"offset": -1, "bucketCounts": [0, 2]}}}}]}}}},
    {{"name": "old", "summary": {{"dataPoints": [{{"count": 1, "sum": 2, "quantileValues": [{{"quantile": 0.5, "value": 2}}]}}]}}}}
    ]}}]}}]}}"#
    );
    let logs = format!(
        r#"{{"resourceLogs": [{{ {resource}, "scopeLogs": [{{ {scope}, "logRecords": [{{
      "timeUnixNano": 1720000000300000000, "observedTimeUnixNano": "1720000000300000000", "severityNumber": 9,
      "severityText": "Information", "traceId": "6BF92F3577B34DA6A3CE929D0E0E4736", "spanId": "A0F067AA0BA902B7",
      "eventName": "browser.page_view", "body": {{"kvlistValue": {{"values": [
        {{"key": "url", "value": {{"stringValue": "https://example.com/?a=b"}}}}]}}}},
      "attributes": [
        {{"key": "boolean", "value": {{"boolValue": true}}}},
        {{"key": "int", "value": {{"intValue": 10}}}},
        {{"key": "double", "value": {{"doubleValue": 637.704}}}},
        {{"key": "bytes", "value": {{"bytesValue": "AAH/"}}}},
        {{"key": "array", "value": {{"arrayValue": {{"values": [{{"stringValue": "many"}}, {{"intValue": "-1"}}]}}}}}}
      ]}}]}}]}}]}}"#
    );
    for (signal, json) in [(Signal::Traces, trace), (Signal::Metrics, metrics), (Signal::Logs, logs)] {
        let ours = read(signal, &json).expect("accepted");
        assert_eq!(serde_read(signal, &json).expect("legal"), ours);
        assert!(ours.items() > 0);
        let request = to_protobuf(signal, json.as_bytes()).expect("accepted");
        assert_eq!(read(signal, &text_of(signal, &request)), Ok(ours));
    }
}

/// opentelemetry-js sends whole numbers bare even beyond 2^53, which doubles cannot hold, and empty lists.
#[test]
fn the_javascript_sdk_keeps_its_big_numbers() {
    let json = span(
        r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"GET","kind":3,
        "startTimeUnixNano":"1544712660000000001","attributes":[{"key":"big","value":{"intValue":9007199254740993}}],
        "droppedAttributesCount":0,"events":[],"droppedEventsCount":0,"status":{"code":0},
        "links":[{"attributes":[],"context":{"traceId":"x"},"droppedAttributesCount":0,"flags":257}],
        "droppedLinksCount":0,"flags":257"#,
    );
    let request = to_protobuf(Signal::Traces, json.as_bytes()).expect("accepted");
    let expected = r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"GET","kind":3,"startTimeUnixNano":"1544712660000000001","attributes":[{"key":"big","value":{"intValue":"9007199254740993"}}],"status":{},"links":[{"flags":257}],"flags":257"#;
    assert_eq!(text_of(Signal::Traces, &request), span(expected));
}
