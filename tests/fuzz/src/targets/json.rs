//! OTLP/JSON to protobuf and back.
//!
//! Every input is read as a request of each signal. Accepted text is JSON to `serde_json` too, passes the
//! walk as protobuf, and says the same after another round.

use fastrand::Rng;
use serde::de::IgnoredAny;
use spindle_pipeline::otlp::{json, walk};
use spindle_pipeline::testing::arbitrary::{self, Options};
use spindle_pipeline::{Decoded, Signal};

use crate::{PATIENCE, Target, about, kind};

/// See the module.
pub const TARGET: Target =
    Target { name: "json", check, longest: 32 << 10, words: WORDS, patience: PATIENCE, fresh: Some(fresh) };

const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud83d\\ude00",
    b"\\ud83d",
    b"null",
    b"true",
    b"-0",
    b"1e3",
    b"2.0",
    b"\"NaN\"",
    b"\"-Infinity\"",
    b"{}",
    b"[]",
    b"\"\":",
    b"\"attributes\":[{\"key\":\"k\",\"value\":{\"stringValue\":\"v\"}}]",
    b"\"kvlistValue\":{\"values\":[",
    b"\"arrayValue\":{\"values\":[{",
    b"\"bytesValue\":\"AA-_\"",
    b"\"intValue\":\"1\"",
    b"\"doubleValue\":",
    b"\"trace_id\":\"00000000000000000000000000000001\"",
    b"\"kind\":\"SPAN_KIND_SERVER\"",
    b"\"x\":{\"y\":[1,{}]},",
    b"\xef\xbb\xbf",
    b"\xc3\xa4",
    b"\xed\xa0\x80",
];

fn fresh(rng: &mut Rng) -> Vec<u8> {
    let signal = Signal::ALL[rng.usize(..3)];
    let options = Options { most_records: rng.usize(1..4), ..Options::default() };
    let mut text = Vec::new();
    json::to_json(signal, &arbitrary::request(signal, rng.u64(..), options), &mut text);
    text
}

fn check(input: &[u8]) -> u64 {
    kind(Signal::ALL.map(|signal| one(signal, input)))
}

fn one(signal: Signal, input: &[u8]) -> u64 {
    let request = match json::to_protobuf(signal, input) {
        Ok(request) => request,
        Err(error) => {
            assert!(error.at <= input.len(), "{error} is behind the end");
            // The path holds positions in lists; its field names are what makes a kind.
            let field = error.path.rsplit('.').next().unwrap_or("").split('[').next().unwrap_or("");
            return kind((error.message.get(..12), field));
        }
    };
    // A byte order mark in front is passed over, which JSON allows and serde_json does not do.
    let text = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(text) {
        // It gives up at 128 levels of anything; the walk's limit is on messages.
        assert!(error.to_string().contains("recursion limit"), "accepted what is no JSON: {error}");
    }
    let decoded = well_formed(signal, &request);
    let mut text = Vec::new();
    json::to_json(signal, &request, &mut text);
    let again = match json::to_protobuf(signal, &text) {
        Ok(again) => again,
        Err(error) => panic!("refused its own output: {error}: {}", String::from_utf8_lossy(&text)),
    };
    let back = well_formed(signal, &again);
    // JSON has one NaN, and to protobuf every NaN is the same number.
    let is_same = back.encode() == decoded.encode() || format!("{back:?}") == format!("{decoded:?}");
    assert!(is_same, "changed on the way: {decoded:?} became {back:?}");
    let mut text_again = Vec::new();
    json::to_json(signal, &again, &mut text_again);
    assert!(text == text_again, "the second text differs: {}", String::from_utf8_lossy(&text_again));
    kind((about(decoded.items()), about(request.len())))
}

fn well_formed(signal: Signal, request: &[u8]) -> Decoded {
    let walked = walk(signal, request).unwrap_or_else(|error| panic!("the output is {error}"));
    assert!(walked.is_canonical, "the output is not canonical");
    let decoded = Decoded::read(signal, request).expect("prost reads it");
    assert_eq!(walked.items, decoded.items(), "items");
    decoded
}
