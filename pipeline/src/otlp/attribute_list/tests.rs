use opentelemetry_proto::tonic::common::v1::{AnyValue as OracleValue, KeyValue, any_value};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::batch::Decoded;
use crate::otlp::splice::{edit_items, edit_resources};
use crate::otlp::walk;
use crate::signal::Signal;
use crate::testing::arbitrary::{self, Options};
use crate::testing::oracle;
use crate::testing::spans;

/// Keys that random requests have, often twice in one list, and one that they have not.
const KEYS: [&str; 5] = ["", "service.name", "sglang", "a", "not.there"];

/// An edit that the list offers.
#[derive(Clone, Debug)]
enum Edit {
    Put(&'static str, i64),
    Copy(&'static str, &'static str),
    Remove(&'static str),
    RemoveAll(&'static str),
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&KEYS[..])
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        (key(), prop_oneof![Just(1i64), Just(i64::MIN)]).prop_map(|(key, value)| Edit::Put(key, value)),
        (key(), key()).prop_map(|(from, to)| Edit::Copy(from, to)),
        key().prop_map(Edit::Remove),
        key().prop_map(Edit::RemoveAll),
    ];
    prop::collection::vec(edit, 0..6)
}

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![Just(Signal::Traces), Just(Signal::Metrics), Just(Signal::Logs)]
}

fn int(value: i64) -> OracleValue {
    OracleValue { value: Some(any_value::Value::IntValue(value)) }
}

fn apply(edits: &[Edit], list: &mut AttributeList<'_>) {
    for edit in edits {
        match edit {
            Edit::Put(key, value) => list.put(key, int(*value).encode_to_vec().into()),
            Edit::Copy(from, to) => {
                if let Some(position) = list.find(from) {
                    list.put(to, list.copy_value(position));
                }
            }
            Edit::Remove(key) => {
                if let Some(position) = list.find(key) {
                    list.remove(position);
                }
            }
            Edit::RemoveAll(key) => list.retain(|other| other != *key),
        }
    }
}

/// The same on objects, as the Collector's map does it.
fn apply_to_objects(edits: &[Edit], attributes: &mut Vec<KeyValue>) {
    let find = |attributes: &[KeyValue], key: &str| attributes.iter().position(|other| other.key == key);
    let put = |attributes: &mut Vec<KeyValue>, key: &str, value: OracleValue| match find(attributes, key) {
        Some(position) if attributes[position].value.clone().unwrap_or_default() == value => {}
        Some(position) => attributes[position] = fresh(key, value),
        None => attributes.push(fresh(key, value)),
    };
    for edit in edits {
        match edit {
            Edit::Put(key, value) => put(attributes, key, int(*value)),
            Edit::Copy(from, to) => {
                if let Some(position) = find(attributes, from) {
                    let value = attributes[position].value.clone().unwrap_or_default();
                    put(attributes, to, value);
                }
            }
            Edit::Remove(key) => {
                if let Some(position) = find(attributes, key) {
                    attributes.swap_remove(position);
                }
            }
            Edit::RemoveAll(key) => attributes.retain(|attribute| attribute.key != *key),
        }
    }
}

fn fresh(key: &str, value: OracleValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Editing the attributes of items on the wire gives what decode, edit, encode gives, in the same
    /// order, for every kind of item.
    #[test]
    fn editing_items_equals_decode_edit_encode(signal in signal(), seed: u64, edits in edits()) {
        let options = Options { unknown_fields: seed.is_multiple_of(2), ..Options::default() };
        let request = arbitrary::request(signal, seed, options);
        let mut oracle = Decoded::read(signal, &request).expect("decodes");
        for attributes in oracle::item_attributes(&mut oracle) {
            apply_to_objects(&edits, attributes);
        }
        let mut list = AttributeList::default();
        let (edited, dropped) = edit_items(signal, &request, |splice, item| {
            splice.edit_attributes(item.item, item.attributes, &mut list, |list| apply(&edits, list));
            true
        });
        let edited = edited.expect("nothing was dropped");
        prop_assert_eq!(dropped, 0);
        walk(signal, &edited).expect("well formed");
        prop_assert_eq!(Decoded::read(signal, &edited).expect("decodes"), oracle);
    }

    /// The same for resources, which are made where they are missing and get something.
    #[test]
    fn editing_resources_equals_decode_edit_encode(signal in signal(), seed: u64, edits in edits()) {
        let options = Options { unknown_fields: seed.is_multiple_of(2), ..Options::default() };
        let request = arbitrary::request(signal, seed, options);
        let mut oracle = Decoded::read(signal, &request).expect("decodes");
        for resource in oracle::resources(&mut oracle) {
            let was_there = resource.is_some();
            let attributes = &mut resource.get_or_insert_default().attributes;
            apply_to_objects(&edits, attributes);
            if !was_there && attributes.is_empty() {
                *resource = None;
            }
        }
        let mut list = AttributeList::default();
        let edited =
            edit_resources(&request, |resource| resource.attributes(&mut list, |list| apply(&edits, list)))
                .unwrap_or(request);
        walk(signal, &edited).expect("well formed");
        prop_assert_eq!(Decoded::read(signal, &edited).expect("decodes"), oracle);
    }
}

/// Edits that change nothing leave the very same bytes.
#[test]
fn nothing_edited_is_the_same_bytes() {
    let request = spans::request(3);
    let tokens = int(1234).encode_to_vec();
    let mut list = AttributeList::default();
    let (edited, _) = edit_items(Signal::Traces, &request, |splice, item| {
        splice.edit_attributes(item.item, item.attributes, &mut list, |list| {
            list.put("gen_ai.usage.prompt_tokens", tokens.clone().into());
            list.retain(|key| key != "not.there");
        });
        true
    });
    assert_eq!(edited.expect("kept").as_ptr(), request.as_ptr());
}

/// What was put in and taken out again leaves the same bytes as well.
#[test]
fn an_edit_that_is_undone_is_no_edit() {
    let request = spans::request(1);
    let mut list = AttributeList::default();
    let (edited, _) = edit_items(Signal::Traces, &request, |splice, item| {
        splice.edit_attributes(item.item, item.attributes, &mut list, |list| {
            list.push("new", Cow::Borrowed(&[]));
            list.remove(list.len() - 1);
        });
        true
    });
    assert_eq!(edited.expect("kept").as_ptr(), request.as_ptr());
}
