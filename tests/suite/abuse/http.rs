//! OTLP/HTTP, request by request.

use harness::raw;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
use prost::Message;
use spindle_pipeline::net::compression::Encoding;

use super::{HTTP_LIMIT, JSON, PROTOBUF, agent, good, lives};

/// A request and the status it deserves.
struct Case {
    what: &'static str,
    method: &'static str,
    path: &'static str,
    headers: Vec<String>,
    body: Vec<u8>,
    status: u16,
}

fn post(what: &'static str, headers: &[&str], body: impl Into<Vec<u8>>, status: u16) -> Case {
    let headers = headers.iter().map(|header| (*header).to_owned()).collect();
    Case { what, method: "POST", path: "/v1/traces", headers, body: body.into(), status }
}

/// Every request gets the status that a client can act on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_http_request_gets_its_status() {
    let (agent, back_end) = agent().await;
    for case in
        [well_formed(), malformed_protobuf(), malformed_json(), encodings(), misdirected(), too_large()]
            .concat()
    {
        let headers: Vec<&str> = case.headers.iter().map(String::as_str).collect();
        let request = raw::http_request(case.method, case.path, &headers, &case.body);
        let answer = raw::exchange(agent.port("http"), &request).await;
        let text = String::from_utf8_lossy(&answer[..answer.len().min(600)]).into_owned();
        assert_eq!(raw::http_status(&answer), Some(case.status), "{}: {text}", case.what);
    }
    lives(&agent).await;
    // The five good ones of the tables and the two of the check above, and nothing else.
    back_end.wait_for_spans(21).await;
    assert_eq!(back_end.span_ids().len(), 21);
}

impl Clone for Case {
    fn clone(&self) -> Self {
        Self { headers: self.headers.clone(), body: self.body.clone(), ..*self }
    }
}

fn well_formed() -> Vec<Case> {
    let chunked = [format!("{:x}\r\n", good().len()).as_bytes(), &good(), b"\r\n0\r\n\r\n"].concat();
    vec![
        post("good", &[PROTOBUF], good(), 200),
        post("nothing at all", &[PROTOBUF], "", 200),
        post("an empty object", &[JSON], "{}", 200),
        post("a charset", &["content-type: application/x-protobuf; charset=utf-8"], good(), 200),
        post("in chunks", &[PROTOBUF, "transfer-encoding: chunked"], chunked, 200),
        post("identity", &[PROTOBUF, "content-encoding: identity"], "", 200),
        post("unknown fields", &[PROTOBUF], [&good()[..], &[0xfa, 0x01, 0x00]].concat(), 200),
    ]
}

fn malformed_protobuf() -> Vec<Case> {
    let good = good();
    let with_span = |edit: &dyn Fn(&mut opentelemetry_proto::tonic::trace::v1::Span)| {
        let mut request = ExportTraceServiceRequest::decode(good.clone()).unwrap();
        edit(&mut request.resource_spans[0].scope_spans[0].spans[0]);
        request.encode_to_vec()
    };
    let nested = with_span(&|span| {
        let mut value = AnyValue { value: Some(Value::IntValue(1)) };
        for _ in 0..200 {
            value = AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![value] })) };
        }
        span.attributes[0].value = Some(value);
    });
    vec![
        post("garbage", &[PROTOBUF], "this is no protobuf", 400),
        post("truncated", &[PROTOBUF], &good[..good.len() - 1], 400),
        post("a wrong wire type", &[PROTOBUF], [0x08, 0x01], 400),
        post("an endless varint", &[PROTOBUF], [0xff; 16], 400),
        post("a length beyond everything", &[PROTOBUF], [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 400),
        post("an end without a start", &[PROTOBUF], [0x0c], 400),
        post("no UTF-8", &[PROTOBUF], replaced(&good, b"llm_request", b"llm\xffrequest"), 400),
        post("a short trace id", &[PROTOBUF], with_span(&|span| span.trace_id.truncate(15)), 400),
        post("a long span id", &[PROTOBUF], with_span(&|span| span.span_id.push(1)), 400),
        post("nested too deep", &[PROTOBUF], nested, 400),
        post("JSON that says it is protobuf", &[PROTOBUF], r#"{"resourceSpans":[]}"#, 400),
    ]
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

fn malformed_json() -> Vec<Case> {
    let deep = format!(r#"{{"resourceSpans":{}"#, "[".repeat(100_000));
    vec![
        post("half an object", &[JSON], r#"{"resourceSpans":[{"#, 400),
        post("no JSON", &[JSON], "resourceSpans", 400),
        post("nothing, as JSON", &[JSON], "", 400),
        post("a list", &[JSON], "[]", 400),
        post("protobuf that says it is JSON", &[JSON], good(), 400),
        post("no UTF-8 in JSON", &[JSON], b"{\"\xff\":1}", 400),
        post("a string for a list", &[JSON], r#"{"resourceSpans":"no"}"#, 400),
        post("an id that is no hex", &[JSON], with_json_span(r#""traceId":"xyz""#), 400),
        post("a number out of range", &[JSON], with_json_span(r#""kind":99999999999999999999"#), 400),
        post("an open string", &[JSON], with_json_span(r#""name":"open"#), 400),
        post("a hundred thousand brackets", &[JSON], deep, 400),
        post("two documents", &[JSON], "{}{}", 400),
    ]
}

fn with_json_span(member: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{member}}}]}}]}}]}}"#)
}

fn encodings() -> Vec<Case> {
    let gzip = Encoding::Gzip.compress(&good(), None).unwrap();
    let encoded = |what, name: &str, body: Vec<u8>, status| {
        post(what, &[PROTOBUF, &format!("content-encoding: {name}")], body, status)
    };
    vec![
        encoded("good in gzip", "gzip", gzip.clone(), 200),
        encoded("gzip that is none", "gzip", good().to_vec(), 400),
        encoded("half of a gzip", "gzip", gzip[..gzip.len() / 2].to_vec(), 400),
        encoded("a broken sum", "gzip", [&gzip[..gzip.len() - 8], &[0; 8]].concat(), 400),
        encoded("zstd that is none", "zstd", good().to_vec(), 400),
        encoded("deflate that is none", "deflate", b"\xff\xff\xff".to_vec(), 400),
        encoded("snappy that is none", "snappy", b"\xff\xff\xff\xff\xff\xff".to_vec(), 400),
        encoded("lz4 that is none", "lz4", good().to_vec(), 400),
        encoded("an encoding nobody knows", "br", good().to_vec(), 400),
        encoded("two encodings", "gzip, gzip", gzip, 400),
    ]
}

fn misdirected() -> Vec<Case> {
    let to = |what, method, path, status| Case { method, path, ..post(what, &[PROTOBUF], good(), status) };
    let long_path: &'static str = Box::leak(format!("/{}", "a".repeat(100_000)).into_boxed_str());
    let long_header = format!("x-long: {}", "a".repeat(1 << 20));
    vec![
        to("another path", "POST", "/v1/trace", 404),
        to("the root", "POST", "/", 404),
        to("a signal without a pipeline", "POST", "/v1/metrics", 404),
        to("another method", "PUT", "/v1/traces", 405),
        Case { method: "GET", ..post("a GET", &[], "", 405) },
        post("text", &["content-type: text/plain"], good(), 415),
        post("no content type", &[], good(), 415),
        post("a content type that is no text", &["content-type: \u{fffd}"], good(), 415),
        to("a path without end", "POST", long_path, 414),
        post("a header without end", &[PROTOBUF, &long_header], good(), 431),
        to("no method at all", "PO ST", "/v1/traces", 400),
    ]
}

fn too_large() -> Vec<Case> {
    let announced = format!("content-length: {}", HTTP_LIMIT + 1);
    let mut cases = vec![
        post("more than the limit", &[PROTOBUF], vec![0; HTTP_LIMIT + 1], 413),
        post("more than the limit, only announced", &[PROTOBUF, &announced], "", 413),
        post("more than the limit, in chunks", &[PROTOBUF, "transfer-encoding: chunked"], chunks(), 413),
    ];
    let zeros = vec![0; HTTP_LIMIT * 2];
    for encoding in Encoding::ALL.into_iter().filter(|encoding| *encoding != Encoding::Identity) {
        let bomb = encoding.compress(&zeros, None).unwrap();
        let header = format!("content-encoding: {}", encoding.name());
        cases.push(post("a bomb", &[PROTOBUF, &header], bomb.clone(), 413));
        cases.push(post("a bomb of JSON", &[JSON, &header], bomb, 413));
    }
    // Far more than the agent may use: the same again and again is a stream as good as another.
    let zeros = vec![0; 8 << 20];
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let gibibyte = encoding.compress(&zeros, None).unwrap().repeat(128);
        let header = format!("content-encoding: {}", encoding.name());
        cases.push(post("a bomb of a gibibyte", &[PROTOBUF, &header], gibibyte, 413));
    }
    cases
}

/// Twenty-one chunks of a mebibyte.
fn chunks() -> Vec<u8> {
    let chunk = [b"100000\r\n".as_slice(), &vec![0; 1 << 20], b"\r\n"].concat();
    [chunk.repeat(21), b"0\r\n\r\n".to_vec()].concat()
}
