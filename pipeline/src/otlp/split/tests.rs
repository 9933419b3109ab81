use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::batch::Decoded;
use crate::otlp::walk;
use crate::testing::arbitrary::{self, Options};
use crate::testing::oracle::items_alone;

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![Just(Signal::Traces), Just(Signal::Metrics), Just(Signal::Logs)]
}

fn request(signal: Signal, seed: u64) -> Bytes {
    arbitrary::request(signal, seed, Options { unknown_fields: seed.is_multiple_of(2), ..Options::default() })
}

/// Each item on its own with everything around it, which is the finest cut there is: two requests that
/// hold the same items under the same resource, scope and metric in the same order give the same list.
fn items_with_surroundings(signal: Signal, request: &[u8]) -> Vec<Decoded> {
    split(signal, request, Limits { items: 1, bytes: usize::MAX })
        .into_iter()
        .filter(|piece| piece.items == 1)
        .map(|piece| Decoded::read(signal, &piece.bytes).expect("decodes"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The finest cut holds each item with its own resource, scope and metric; empty groups that came
    /// before an item may stand beside it.
    #[test]
    fn the_finest_cut_equals_decode_split_encode(signal in signal(), seed: u64) {
        let request = request(signal, seed);
        let decoded = Decoded::read(signal, &request).expect("decodes");
        let cut = items_with_surroundings(signal, &request);
        let oracle = items_alone(&decoded);
        prop_assert_eq!(cut.len(), oracle.len());
        for (cut, oracle) in cut.iter().zip(&oracle) {
            prop_assert_eq!(&items_alone(cut), std::slice::from_ref(oracle));
        }
    }

    /// Every piece keeps the limit on items, all items are there in order, none twice.
    #[test]
    fn splitting_by_items_keeps_every_item(signal in signal(), seed: u64, most in 1usize..12) {
        let request = request(signal, seed);
        let total = walk(signal, &request).expect("well formed").items;
        let pieces = split(signal, &request, Limits { items: most, bytes: usize::MAX });
        prop_assert_eq!(pieces.iter().map(|piece| piece.items).sum::<usize>(), total);
        let mut parts = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            let walked = walk(signal, &piece.bytes).expect("well formed");
            prop_assert!(walked.is_canonical);
            prop_assert_eq!(walked.items, piece.items);
            prop_assert!(piece.items <= most);
            prop_assert!(piece.items == most || index + 1 == pieces.len(), "pieces are full but the last");
            parts.extend(items_alone(&Decoded::read(signal, &piece.bytes).expect("decodes")));
        }
        prop_assert_eq!(parts, items_alone(&Decoded::read(signal, &request).expect("decodes")));
    }

    /// Every piece keeps the limit on bytes unless one item alone breaks it.
    #[test]
    fn splitting_by_bytes_keeps_the_limit(signal in signal(), seed: u64, most in 100usize..2000) {
        let request = request(signal, seed);
        let pieces = split(signal, &request, Limits { items: usize::MAX, bytes: most });
        let mut parts = Vec::new();
        for piece in &pieces {
            let without_empty_groups = piece.items > 1;
            prop_assert!(piece.bytes.len() <= most || !without_empty_groups || has_empty_groups(signal, &request));
            parts.extend(items_alone(&Decoded::read(signal, &piece.bytes).expect("decodes")));
        }
        prop_assert_eq!(parts, items_alone(&Decoded::read(signal, &request).expect("decodes")));
    }

    /// Joining is what decoding one after the other into one object gives.
    #[test]
    fn concatenation_is_a_merge(signal in signal(), first: u64, second: u64) {
        let requests = [request(signal, first), request(signal, second)];
        let joined = concat(&requests);
        let items: usize = requests.iter().map(|request| walk(signal, request).expect("well formed").items).sum();
        prop_assert_eq!(walk(signal, &joined).expect("well formed").items, items);
        let parts: Vec<Decoded> = requests.iter().map(|request| Decoded::read(signal, request).expect("decodes")).collect();
        let oracle: Vec<Decoded> = parts.iter().flat_map(items_alone).collect();
        prop_assert_eq!(items_alone(&Decoded::read(signal, &joined).expect("decodes")), oracle);
    }

    /// Without a limit the one piece says what the request said.
    #[test]
    fn no_limit_is_one_equal_piece(signal in signal(), seed: u64) {
        let request = request(signal, seed);
        let pieces = split(signal, &request, Limits::NONE);
        if !request.is_empty() && resource_groups(&request).next().is_some() {
            prop_assert_eq!(pieces.len(), 1);
            prop_assert_eq!(Decoded::read(signal, &pieces[0].bytes), Decoded::read(signal, &request));
        }
    }
}

fn has_empty_groups(signal: Signal, request: &[u8]) -> bool {
    resource_groups(request).any(|group| {
        let scopes: Vec<_> = scope_groups(group).collect();
        scopes.is_empty()
            || scopes.iter().any(|scope| {
                let records: Vec<_> = records(*scope).collect();
                records.is_empty()
                    || signal == Signal::Metrics
                        && records.iter().any(|metric| {
                            metric_data(*metric).is_none_or(|data| data_points(data).next().is_none())
                        })
            })
    })
}

/// A few kilobytes, compressed, of one large resource and very many small spans must not become gigabytes.
#[test]
fn what_is_repeated_is_bounded() {
    let span = Span { name: "s".to_owned(), ..Span::default() };
    let service = KeyValue {
        key: "k".to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue("v".repeat(1 << 20))) }),
        ..KeyValue::default()
    };
    let resource = Resource { attributes: vec![service], ..Resource::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span; 100_000], ..ScopeSpans::default() }];
    let group = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    let request = ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec();
    for limits in [Limits { bytes: (1 << 20) + 1000, ..Limits::NONE }, Limits { items: 100, ..Limits::NONE }]
    {
        let pieces = split(Signal::Traces, &request, limits);
        assert_eq!(pieces.iter().map(|piece| piece.items).sum::<usize>(), 100_000);
        let bytes: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
        assert!(bytes <= 2 * request.len() + MOST_REPEATED, "{bytes} of {}", request.len());
        let strict = pieces.iter().filter(|piece| limits.hold(piece.items, piece.bytes.len())).count();
        assert!(strict >= 30, "the limits hold as long as they can: {strict} of {}", pieces.len());
    }
}
