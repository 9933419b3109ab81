mod cases;
mod spelling;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::batch::Decoded;
use crate::otlp::schema::{self, Kind, Message};
use crate::otlp::walk;
use crate::otlp::wire::{put_bytes, put_double};
use crate::testing::arbitrary;

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![Just(Signal::Traces), Just(Signal::Metrics), Just(Signal::Logs)]
}

fn text_of(signal: Signal, request: &[u8]) -> String {
    let mut text = Vec::new();
    to_json(signal, request, &mut text);
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// Reads a text, checks what every caller relies on, and decodes the result.
fn read(signal: Signal, json: &str) -> Result<Decoded, String> {
    let request = to_protobuf(signal, json.as_bytes()).map_err(|error| error.to_string())?;
    let walked = walk(signal, &request).expect("the output passes the walk");
    assert!(walked.is_canonical, "the output is canonical: {json}");
    let decoded = Decoded::read(signal, &request).expect("prost reads it");
    assert_eq!(walked.items, decoded.items());
    Ok(decoded)
}

fn plain_options() -> arbitrary::Options {
    arbitrary::Options { unknown_fields: false, ..arbitrary::Options::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Nothing is lost or changed on the way to JSON and back, to the bit.
    #[test]
    fn json_and_back_is_the_same_request(signal in signal(), seed: u64) {
        let request = arbitrary::request(signal, seed, plain_options());
        let text = text_of(signal, &request);
        let back = read(signal, &text).expect("own output is accepted");
        let original = Decoded::read(signal, &request).expect("prost reads it");
        // Bytes compare doubles by their bits.
        prop_assert_eq!(back.encode(), original.encode(), "{}", text);
    }

    /// Unknown fields, unpacked numbers and values written twice come out as prost understands them, and
    /// as JSON that says each thing once.
    #[test]
    fn unusual_encodings_are_written_as_prost_reads_them(signal in signal(), seed: u64) {
        let options = arbitrary::Options { unusual_encoding: true, ..arbitrary::Options::default() };
        let request = arbitrary::request(signal, seed, options);
        let is_canonical = walk(signal, &request).expect("well formed").is_canonical;
        let text = text_of(signal, &request);
        let back = read(signal, &text).expect("own output is accepted");
        if is_canonical {
            let original = Decoded::read(signal, &request).expect("prost reads it");
            prop_assert_eq!(back.encode(), original.encode(), "{}", text);
        }
    }

    /// All legal spellings of a request are the same request.
    #[test]
    fn every_legal_spelling_is_understood(signal in signal(), seed: u64) {
        let request = arbitrary::request(signal, seed, plain_options());
        let value = serde_json::from_str(&text_of(signal, &request)).expect("output is JSON");
        let text = spelling::request(signal, &value, seed ^ 1);
        let read = read(signal, &text).map(|decoded| decoded.encode());
        let original = Decoded::read(signal, &request).expect("prost reads it");
        prop_assert_eq!(read, Ok(original.encode()), "{}", text);
    }

    /// opentelemetry-proto's own JSON agrees in both directions wherever it is right.
    #[test]
    fn agrees_with_the_serde_of_opentelemetry_proto(signal in signal(), seed: u64) {
        let request = arbitrary::request(signal, seed, plain_options());
        let mut value: Value = serde_json::from_str(&text_of(signal, &request)).expect("output is JSON");
        avoid_holes_of_serde(schema::request(signal), &mut value);
        let text = value.to_string();
        let ours = read(signal, &text).expect("still legal");
        let theirs = serde_read(signal, &text).map_err(|error| error.to_string());
        prop_assert_eq!(theirs.as_ref(), Ok(&ours), "{}", text);
        prop_assert_eq!(read(signal, &serde_text(&ours)), Ok(ours));
    }

    /// Damaged JSON is refused or read as something well formed; it never panics.
    #[test]
    fn survives_damaged_json(signal in signal(), seed: u64) {
        let request = arbitrary::request(signal, seed, plain_options());
        let damaged = arbitrary::damage(text_of(signal, &request).as_bytes(), seed ^ 1);
        survives(signal, &damaged);
    }

    /// No text of JSON's own characters and OTLP's own words makes it panic.
    #[test]
    fn survives_any_tokens(signal in signal(), seed: u64) {
        const TOKENS: [&str; 32] = [
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "d83d", "null", "true", "1", "-", ".", "e9", "0",
            " ", "\u{0}", "é", "\"resourceSpans\":[", "\"scopeSpans\":[", "\"spans\":[", "\"resourceLogs\":[",
            "\"resourceMetrics\":[", "{\"key\":\"k\",\"value\":{\"stringValue\":\"", "\"}}", "\"traceId\":\"",
            "\"attributes\":[", "\"kind\":", "\"startTimeUnixNano\":\"", "\"x\":",
        ];
        let mut rng = fastrand::Rng::with_seed(seed);
        let text: String = (0..rng.usize(..40)).map(|_| TOKENS[rng.usize(..TOKENS.len())]).collect();
        survives(signal, text.as_bytes());
        survives(signal, format!("{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{{text}").as_bytes());
    }

    /// No bytes at all make it panic.
    #[test]
    fn survives_any_bytes(signal in signal(), bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        survives(signal, &bytes);
    }

    /// Bytes that passed no walk may come out as nonsense, but without a panic.
    #[test]
    fn writing_survives_damaged_protobuf(signal in signal(), seed: u64) {
        let request = arbitrary::request(signal, seed, arbitrary::Options::default());
        to_json(signal, &arbitrary::damage(&request, seed ^ 1), &mut Vec::new());
    }

    /// Every double survives as the shortest text that means it.
    #[test]
    fn doubles_are_exact(bits: u64) {
        let double = f64::from_bits(bits);
        let text = text_of(Signal::Metrics, &gauge(|point| put_double(point, 4, double)));
        let back = to_protobuf(Signal::Metrics, text.as_bytes()).expect("own output is accepted");
        // JSON has one NaN.
        let expected = if double.is_nan() { f64::NAN } else { double };
        prop_assert_eq!(back, gauge(|point| put_double(point, 4, expected)));
    }
}

fn survives(signal: Signal, json: &[u8]) {
    if let Ok(request) = to_protobuf(signal, json) {
        assert!(walk(signal, &request).expect("the output passes the walk").is_canonical);
    }
}

/// Messages around messages, from the inside out.
fn wrapped(inner: Vec<u8>, numbers: &[u32]) -> Vec<u8> {
    numbers.iter().fold(inner, |inner, number| {
        let mut outer = Vec::new();
        put_bytes(&mut outer, *number, &inner);
        outer
    })
}

/// A request of a gauge with one point with these fields.
fn gauge(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut point = Vec::new();
    write(&mut point);
    wrapped(point, &[1, 5, 2, 2, 1])
}

/// What opentelemetry-proto's serde makes of a text.
fn serde_read(signal: Signal, text: &str) -> Result<Decoded, serde_json::Error> {
    Ok(match signal {
        Signal::Traces => Decoded::Traces(serde_json::from_str(text)?),
        Signal::Metrics => Decoded::Metrics(serde_json::from_str(text)?),
        Signal::Logs => Decoded::Logs(serde_json::from_str(text)?),
    })
}

fn serde_text(decoded: &Decoded) -> String {
    match decoded {
        Decoded::Traces(request) => serde_json::to_string(request),
        Decoded::Metrics(request) => serde_json::to_string(request),
        Decoded::Logs(request) => serde_json::to_string(request),
    }
    .expect("serde writes every request")
}

/// opentelemetry-proto's serde refuses an attribute without a key, an entity without a schema URL and a
/// list without values, and drops numbers that are infinite. Tests of those stand in [`cases`].
fn avoid_holes_of_serde(message: &'static Message, value: &mut Value) {
    let Some(fields) = value.as_object_mut() else { return };
    let needed: &[(&str, Value)] = match message.name {
        "ArrayValue" | "KeyValueList" => &[("values", Value::Array(Vec::new()))],
        "KeyValue" => &[("key", Value::String(String::new()))],
        "EntityRef" => &[
            ("schemaUrl", Value::String(String::new())),
            ("type", Value::String(String::new())),
            ("idKeys", Value::Array(Vec::new())),
            ("descriptionKeys", Value::Array(Vec::new())),
        ],
        _ => &[],
    };
    for (name, value) in needed {
        fields.entry(*name).or_insert_with(|| value.clone());
    }
    fields.remove("stringValueStrindex");
    for field in message.fields {
        for value in fields.get_mut(field.name).into_iter().flat_map(as_elements) {
            match field.kind {
                Kind::Message(inner) => avoid_holes_of_serde(inner, value),
                Kind::Double if value.is_string() => *value = Value::from(1.5),
                _ => {}
            }
        }
    }
}

fn as_elements(value: &mut Value) -> &mut [Value] {
    if value.is_array() {
        value.as_array_mut().map_or(&mut [], Vec::as_mut_slice)
    } else {
        std::slice::from_mut(value)
    }
}
