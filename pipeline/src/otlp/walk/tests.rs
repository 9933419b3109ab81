use proptest::prelude::*;

use super::*;
use crate::batch::{Batch, Decoded};
use crate::otlp::wire::{put_bytes, put_varint};
use crate::testing::arbitrary::{self, Options};

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![Just(Signal::Traces), Just(Signal::Metrics), Just(Signal::Logs)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The walk refuses nothing that a client may rightfully send, and counts what prost counts.
    #[test]
    fn accepts_and_counts_every_well_formed_request(signal in signal(), seed: u64) {
        let request = arbitrary::request(signal, seed, Options::default());
        let walked = walk(signal, &request).expect("well formed");
        let decoded = Decoded::read(signal, &request).expect("prost reads it");
        prop_assert!(walked.is_canonical);
        prop_assert_eq!(walked.items, decoded.items());
    }

    /// Unusual but legal encodings are accepted, and what is written twice is merged as prost merges it.
    #[test]
    fn makes_unusual_encodings_canonical(signal in signal(), seed: u64) {
        let options = Options { unusual_encoding: true, ..Options::default() };
        let request = arbitrary::request(signal, seed, options);
        let decoded = Decoded::read(signal, &request).expect("prost reads it");
        let batch = Batch::receive(signal, request).expect("well formed");
        prop_assert_eq!(batch.items(), decoded.items());
        prop_assert!(walk(signal, &batch.bytes()).expect("well formed").is_canonical);
        prop_assert_eq!(&*batch.decoded(), &decoded);
    }

    /// On damaged bytes the walk and prost agree; the walk alone insists on the length of ids.
    #[test]
    fn agrees_with_prost_on_damaged_requests(signal in signal(), seed: u64, unusual: bool) {
        let options = Options { unusual_encoding: unusual, ..Options::default() };
        let request = arbitrary::damage(&arbitrary::request(signal, seed, options), seed ^ 1);
        let decoded = Decoded::read(signal, &request);
        match walk(signal, &request) {
            Ok(_) => prop_assert!(decoded.is_some(), "the walk accepts what prost refuses"),
            Err(error) if error.reason == Reason::IdLength => {}
            Err(error) => prop_assert!(decoded.is_none(), "the walk refuses what prost accepts: {error}"),
        }
    }

    /// No bytes at all make the walk panic.
    #[test]
    fn survives_any_bytes(signal in signal(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let accepted = walk(signal, &bytes).is_ok();
        if accepted {
            prop_assert!(Decoded::read(signal, &bytes).is_some());
        }
    }
}

/// `depth` levels of `AnyValue` lists around nothing, as the body of a log record.
fn nested_logs(depth: usize) -> Vec<u8> {
    let mut value = Vec::new();
    for _ in 0..depth {
        let mut list = Vec::new();
        put_bytes(&mut list, 1, &value);
        value.clear();
        put_bytes(&mut value, 5, &list);
    }
    [(5, 0), (2, 0), (2, 0), (1, 0)].iter().fold(value, |inner, (number, _)| {
        let mut outer = Vec::new();
        put_bytes(&mut outer, *number, &inner);
        outer
    })
}

/// Nesting is bounded at exactly prost's level, so no request can exhaust the stack.
#[test]
fn bounds_nesting_where_prost_does() {
    for depth in 0..60 {
        let request = nested_logs(depth);
        let walked = walk(Signal::Logs, &request);
        assert_eq!(walked.is_ok(), Decoded::read(Signal::Logs, &request).is_some(), "depth {depth}");
        if let Err(error) = walked {
            assert_eq!(error.reason, Reason::TooDeep);
        }
    }
    assert!(walk(Signal::Logs, &nested_logs(60)).is_err());
}

/// The short cut for text attributes respects the nesting limit too.
#[test]
fn bounds_nesting_of_attributes_in_maps() {
    for depth in 0..60 {
        let mut value = vec![0x0a, 1, b'v'];
        for _ in 0..depth {
            let mut attribute = Vec::new();
            put_bytes(&mut attribute, 1, b"k");
            put_bytes(&mut attribute, 2, &value);
            let mut map = Vec::new();
            put_bytes(&mut map, 1, &attribute);
            value.clear();
            put_bytes(&mut value, 6, &map);
        }
        let request = [5u32, 2, 2, 1].iter().fold(value, |inner, number| {
            let mut outer = Vec::new();
            put_bytes(&mut outer, *number, &inner);
            outer
        });
        let accepted = walk(Signal::Logs, &request).is_ok();
        assert_eq!(accepted, Decoded::read(Signal::Logs, &request).is_some(), "depth {depth}");
    }
}

/// A span with a given raw field.
fn span_with(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut span = Vec::new();
    write(&mut span);
    [2u32, 2, 1].iter().fold(span, |inner, number| {
        let mut outer = Vec::new();
        put_bytes(&mut outer, *number, &inner);
        outer
    })
}

/// The error says what is wrong, where, and in which field, because it goes back to the client.
#[test]
fn names_message_field_and_byte() {
    let cases: [(Vec<u8>, &str); 6] = [
        (
            span_with(|span| put_bytes(span, 5, &[b'a', 0xff])),
            "malformed protobuf at byte 8 in Span.name: invalid UTF-8",
        ),
        (
            span_with(|span| put_bytes(span, 1, &[1; 15])),
            "malformed protobuf at byte 8 in Span.traceId: a trace id has 16 bytes and a span id 8",
        ),
        (
            span_with(|span| put_varint(span, 5 << 3)),
            "malformed protobuf at byte 7 in Span.name: wrong wire type",
        ),
        (
            vec![0x0a, 5, 1],
            "malformed protobuf at byte 1 in ExportTraceServiceRequest.resourceSpans: ends within a field",
        ),
        (vec![0x07, 0], "malformed protobuf at byte 0 in ExportTraceServiceRequest: invalid field key"),
        (vec![0xff; 11], "malformed protobuf at byte 0 in ExportTraceServiceRequest: invalid varint"),
    ];
    for (request, message) in cases {
        assert_eq!(walk(Signal::Traces, &request).expect_err("malformed").to_string(), message);
    }
}

/// The table follows the crate's messages: a message of defaults and one of each field say so.
#[test]
fn ids_may_be_empty() {
    assert_eq!(
        walk(Signal::Traces, &span_with(|span| put_bytes(span, 1, &[]))).expect("well formed").items,
        1
    );
    assert_eq!(walk(Signal::Traces, &[]).expect("well formed").items, 0);
}
