use std::collections::BTreeMap;

use super::{Kind, Message, request};
use crate::otlp::wire::{Fields, Value};
use crate::signal::Signal;

/// A field of the proto files: its JSON name, its type by number, whether it is repeated, and the
/// message or enum it refers to.
#[derive(Debug, PartialEq)]
struct Described {
    name: String,
    kind: u64,
    is_repeated: bool,
    refers_to: String,
}

fn text(value: Value<'_>) -> String {
    value.text().to_owned()
}

/// The messages of the crate's descriptors (a `google.protobuf.FileDescriptorSet`), nested ones by their
/// own name, with their fields by number.
fn described() -> BTreeMap<String, BTreeMap<u64, Described>> {
    let mut messages = BTreeMap::new();
    for file in Fields::of(opentelemetry_proto::DESCRIPTORS).filter(|field| field.number == 1) {
        let is_profiles = Fields::of(file.value.bytes())
            .any(|field| field.number == 2 && field.value.text().contains("profiles"));
        for message in Fields::of(file.value.bytes()).filter(|field| field.number == 4 && !is_profiles) {
            add_message(&mut messages, message.value.bytes());
        }
    }
    messages
}

fn add_message(messages: &mut BTreeMap<String, BTreeMap<u64, Described>>, bytes: &[u8]) {
    let mut name = String::new();
    let mut fields = BTreeMap::new();
    for field in Fields::of(bytes) {
        match field.number {
            1 => name = text(field.value),
            2 => {
                let (number, described) = describe(field.value.bytes());
                fields.insert(number, described);
            }
            3 => add_message(messages, field.value.bytes()),
            _ => {}
        }
    }
    messages.insert(name, fields);
}

fn describe(bytes: &[u8]) -> (u64, Described) {
    let mut number = 0;
    let mut described =
        Described { name: String::new(), kind: 0, is_repeated: false, refers_to: String::new() };
    for field in Fields::of(bytes) {
        match field.number {
            3 => number = field.value.number(),
            4 => described.is_repeated = field.value.number() == 3,
            5 => described.kind = field.value.number(),
            6 => described.refers_to = text(field.value).rsplit('.').next().unwrap_or_default().to_owned(),
            10 => described.name = text(field.value),
            _ => {}
        }
    }
    (number, described)
}

/// The number of a kind in `google.protobuf.FieldDescriptorProto.Type`.
fn type_number(kind: Kind) -> u64 {
    match kind {
        Kind::Double => 1,
        Kind::Int64 => 3,
        Kind::Uint64 => 4,
        Kind::Int32 => 5,
        Kind::Fixed64 => 6,
        Kind::Fixed32 => 7,
        Kind::Bool => 8,
        Kind::String => 9,
        Kind::Message(_) => 11,
        Kind::Bytes | Kind::Id(_) => 12,
        Kind::Uint32 => 13,
        Kind::Enum(_) => 14,
        Kind::Sfixed64 => 16,
        Kind::Sint32 => 17,
    }
}

/// The table is the proto files': every message that a request can hold, every field, its number, JSON
/// name, type and repetition. A newer crate with a new field fails here and not in production.
#[test]
fn the_table_is_that_of_the_proto_files() {
    let described = described();
    let mut open: Vec<&'static Message> = Signal::ALL.into_iter().map(request).collect();
    let mut seen: Vec<&'static str> = Vec::new();
    while let Some(message) = open.pop() {
        if seen.contains(&message.name) {
            continue;
        }
        seen.push(message.name);
        let expected = described.get(message.name).unwrap_or_else(|| panic!("no message {}", message.name));
        let numbers: Vec<u64> = message.fields.iter().map(|field| u64::from(field.number)).collect();
        let expected_numbers: Vec<u64> = expected.keys().copied().collect();
        assert_eq!(numbers, expected_numbers, "{}", message.name);
        for field in message.fields {
            let expected = &expected[&u64::from(field.number)];
            assert_eq!(field.name, expected.name, "{}", message.name);
            assert_eq!(type_number(field.kind), expected.kind, "{}.{}", message.name, field.name);
            assert_eq!(field.repeated, expected.is_repeated, "{}.{}", message.name, field.name);
            if let Kind::Message(inner) = field.kind {
                assert_eq!(inner.name, expected.refers_to, "{}.{}", message.name, field.name);
                open.push(inner);
            }
        }
    }
    assert!(seen.len() > 25, "{seen:?}");
}
