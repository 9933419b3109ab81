//! The wire walk, and views, splices, cuts and joins of what it accepts. The oracle is prost.
//!
//! Every input is read as a request of each signal. What is edited, and how, is drawn from a hash of the
//! input, so that an input always does the same.

use bytes::Bytes;
use fastrand::Rng;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use prost::Message;
use spindle_pipeline::otlp::attribute_list::AttributeList;
use spindle_pipeline::otlp::attributes::{Attribute, NewValue};
use spindle_pipeline::otlp::split::{self, Limits};
use spindle_pipeline::otlp::walk::{Reason, Walked};
use spindle_pipeline::otlp::{splice, view, walk};
use spindle_pipeline::testing::arbitrary::{self, Options};
use spindle_pipeline::testing::oracle;
use spindle_pipeline::{Batch, Decoded, Signal};

use crate::{PATIENCE, Target, about, kind};

/// See the module.
pub const TARGET: Target =
    Target { name: "wire", check, longest: 16 << 10, words: WORDS, patience: PATIENCE, fresh: Some(fresh) };

/// Keys of fields and whole small messages.
const WORDS: &[&[u8]] = &[
    &[0x0a, 0],
    &[0x12, 0],
    &[0x0a, 2, 0x0a, 0],
    &[0x2a, 0],
    &[0x3a, 0],
    &[0x4a, 0],
    &[0x52, 0],
    &[0x5a, 0],
    b"\x0a\x0cservice.name",
    b"\x0a\x0cservice.name\x12\x03\x0a\x01v",
    &[0x0b, 0x0c],
    &[0x8a, 0x80, 0],
    &[0xf8, 0xff, 0xff, 0xff, 0x0f, 1],
    &[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    &[0x12, 1, 0x32],
    b"\xc3\xa4",
    &[0xed, 0xa0, 0x80],
];

fn fresh(rng: &mut Rng) -> Vec<u8> {
    let signal = Signal::ALL[rng.usize(..3)];
    let options =
        Options { unknown_fields: rng.bool(), unusual_encoding: rng.bool(), most_records: rng.usize(1..6) };
    arbitrary::request(signal, rng.u64(..), options).into()
}

fn check(input: &[u8]) -> u64 {
    kind(Signal::ALL.map(|signal| one(signal, input)))
}

fn one(signal: Signal, input: &[u8]) -> u64 {
    let decoded = Decoded::read(signal, input);
    let walked = match walk(signal, input) {
        Ok(walked) => walked,
        Err(error) => {
            let is_stricter = error.reason == Reason::IdLength;
            assert!(is_stricter || decoded.is_none(), "the walk refuses what prost accepts: {error}");
            assert!(error.at <= input.len(), "{error} is behind the end");
            return kind((error.reason as u8, error.message, error.field));
        }
    };
    let decoded = decoded.expect("prost accepts what the walk accepts");
    // Counting by the walk is exact where nothing is merged.
    assert!(!walked.is_canonical || walked.items == decoded.items(), "{} items", walked.items);
    let batch = Batch::receive(signal, Bytes::copy_from_slice(input)).expect("it passed the walk");
    assert_eq!(batch.items(), decoded.items(), "items of the batch");
    let request = batch.bytes();
    assert_same(&Decoded::read(signal, &request).expect("decodes"), &decoded, "the received batch");
    edits(signal, &request, &decoded);
    kind((about(walked.items), walked.is_canonical, about(input.len())))
}

/// Everything that is done with a canonical request.
fn edits(signal: Signal, request: &Bytes, decoded: &Decoded) {
    let seed = kind(request);
    resources(request, decoded);
    stamping(signal, request, decoded, seed);
    dropping(signal, request, decoded, seed);
    cutting(signal, request, decoded, seed);
    let joined = split::concat(&[request.clone(), request.clone()]);
    let Walked { items, is_canonical } = walk(signal, &joined).expect("a joined request is well formed");
    assert!(is_canonical && items == 2 * decoded.items(), "joining");
}

/// Views read the attributes that prost reads.
fn resources(request: &[u8], decoded: &Decoded) {
    let mut oracle = decoded.clone();
    let expected = oracle::resources(&mut oracle);
    let groups: Vec<_> = view::resource_groups(request).collect();
    assert_eq!(groups.len(), expected.len(), "groups");
    for (group, expected) in groups.into_iter().zip(expected) {
        let attributes: Vec<Attribute<'_>> = view::resource_attributes(group).collect();
        let expected = expected.take().unwrap_or_default().attributes;
        assert_eq!(attributes.len(), expected.len(), "attributes");
        for (attribute, expected) in attributes.iter().zip(expected) {
            assert_eq!(attribute.key, expected.key);
            let value = AnyValue::decode(attribute.value.0).expect("a value is well formed");
            assert_eq!(value.encode_to_vec(), expected.value.unwrap_or_default().encode_to_vec());
        }
    }
}

/// Setting a resource attribute.
fn stamping(signal: Signal, request: &Bytes, decoded: &Decoded, seed: u64) {
    let overwrite = seed & 1 == 0;
    let (key, value) = ("service.name", "v".repeat(1 << (seed >> 1 & 7)));
    let mut expected = decoded.clone();
    for resource in oracle::resources(&mut expected) {
        oracle::set_attribute(resource, key, &value, overwrite);
    }
    let edited = splice::edit_resources(request, |resource| resource.set(key, &value, overwrite));
    let edited = edited.unwrap_or_else(|| request.clone());
    assert!(walk(signal, &edited).expect("a stamped request is well formed").is_canonical, "stamping");
    assert_same(&Decoded::read(signal, &edited).expect("decodes"), &expected, "stamping");
}

/// Dropping items and editing the attributes of those that stay, in one pass.
fn dropping(signal: Signal, request: &Bytes, decoded: &Decoded, seed: u64) {
    let share = (seed >> 8) as u8 % 5;
    let keeper = || {
        let mut rng = Rng::with_seed(seed);
        move || rng.u8(..4) < share
    };
    let mut expected = decoded.clone();
    oracle::retain(&mut expected, keeper());
    for attributes in oracle::item_attributes(&mut expected) {
        put(attributes, "a", "edited");
    }
    let (mut keep, mut list) = (keeper(), AttributeList::default());
    let edited = NewValue::from("edited").to_bytes();
    let (left, dropped) = splice::edit_items(signal, request, |splice, item| {
        let stays = keep();
        if stays {
            splice.edit_attributes(item.item, item.attributes, &mut list, |list| {
                list.put("a", edited.clone().into());
            });
        }
        stays
    });
    assert_eq!(decoded.items() - dropped, expected.items(), "items that stay");
    match left {
        Some(left) => {
            let items = walk(signal, &left).expect("an edited request is well formed").items;
            assert_eq!(items, expected.items(), "items after an edit");
            assert_same(&Decoded::read(signal, &left).expect("decodes"), &expected, "dropping and editing");
        }
        None => assert_eq!(expected.items(), 0, "everything was dropped"),
    }
}

/// What putting an attribute means: of a key that is there more than once, the first counts.
fn put(attributes: &mut Vec<KeyValue>, key: &str, text: &str) {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) });
    let fresh = KeyValue { key: key.to_owned(), value, ..KeyValue::default() };
    match attributes.iter_mut().find(|attribute| attribute.key == key) {
        Some(present) if present.value == fresh.value => {}
        Some(present) => *present = fresh,
        None => attributes.push(fresh),
    }
}

/// Pieces keep their limits, and together hold every item with what is around it.
fn cutting(signal: Signal, request: &Bytes, decoded: &Decoded, seed: u64) {
    let limits = Limits { items: 1 + (seed >> 16) as usize % 7, bytes: usize::MAX };
    let mut items = Vec::new();
    let pieces = split::split(signal, request, limits);
    for piece in &pieces {
        let walked = walk(signal, &piece.bytes).expect("a piece is well formed");
        assert!(walked.is_canonical && walked.items == piece.items, "a piece of {} items", piece.items);
        assert!(piece.items <= limits.items, "{} items of {}", piece.items, limits.items);
        // Copying what is around each item is quadratic; enough of it is done on small requests.
        if decoded.items() <= 64 {
            items.extend(oracle::items_alone(&Decoded::read(signal, &piece.bytes).expect("decodes")));
        }
    }
    assert_eq!(pieces.iter().map(|piece| piece.items).sum::<usize>(), decoded.items(), "cutting");
    if decoded.items() <= 64 {
        let expected = oracle::items_alone(decoded);
        assert_eq!(items.len(), expected.len(), "items after a cut");
        for (item, expected) in items.iter().zip(&expected) {
            assert_same(item, expected, "an item after a cut");
        }
    }
}

/// Bytes compare doubles by their bits, as `==` would not.
fn assert_same(found: &Decoded, expected: &Decoded, what: &str) {
    assert!(found.encode() == expected.encode(), "{what}: found {found:?}, expected {expected:?}");
}
