use opentelemetry_proto::tonic::common::v1::{self as proto, any_value::Value};
use prost::Message;

use super::*;

fn encode(value: Value) -> Vec<u8> {
    proto::AnyValue { value: Some(value) }.encode_to_vec()
}

fn list(values: Vec<Value>) -> Value {
    let values = values.into_iter().map(|value| proto::AnyValue { value: Some(value) }).collect();
    Value::ArrayValue(proto::ArrayValue { values })
}

fn map(entries: Vec<(&str, Value)>) -> Value {
    let entry = |(key, value): (&str, Value)| proto::KeyValue {
        key: key.to_owned(),
        value: Some(proto::AnyValue { value: Some(value) }),
        ..proto::KeyValue::default()
    };
    Value::KvlistValue(proto::KeyValueList { values: entries.into_iter().map(entry).collect() })
}

/// Hashes, labels and logs are made of these texts; they are those of the Collector's `AsString`.
#[test]
fn texts_are_those_of_the_collector() {
    for (value, text) in [
        (Value::StringValue("a \"b\"".to_owned()), "a \"b\""),
        (Value::BoolValue(true), "true"),
        (Value::IntValue(-5), "-5"),
        (Value::DoubleValue(1.0), "1"),
        (Value::DoubleValue(1.5), "1.5"),
        (Value::DoubleValue(1e21), "1e+21"),
        (Value::DoubleValue(1.5e-7), "1.5e-7"),
        (Value::DoubleValue(123_456_789.0), "123456789"),
        (Value::BytesValue(b"ab".to_vec()), "YWI="),
        (list(vec![Value::IntValue(1), Value::StringValue("x\n".to_owned())]), "[1,\"x\\n\"]"),
        (map(vec![("b", Value::BoolValue(false)), ("a", list(vec![]))]), "{\"a\":[],\"b\":false}"),
    ] {
        assert_eq!(to_text(AnyValue(&encode(value))), text);
    }
    assert_eq!(to_text(AnyValue::EMPTY), "");
}

/// What is written is what prost writes, so a length can be said before the bytes.
#[test]
fn attributes_are_written_as_prost_writes_them() {
    let long = "x".repeat(300);
    for (new, value) in [
        (NewValue::String("v"), Value::StringValue("v".to_owned())),
        (NewValue::String(&long), Value::StringValue(long.clone())),
        (NewValue::Bool(true), Value::BoolValue(true)),
        (NewValue::Int(-1), Value::IntValue(-1)),
        (NewValue::Double(0.5), Value::DoubleValue(0.5)),
        (NewValue::Raw(&[0x10, 1]), Value::BoolValue(true)),
    ] {
        let mut written = Vec::new();
        put_attribute(&mut written, 9, "key", &new);
        assert_eq!(written.len(), attribute_length(9, "key", &new));
        let pair = proto::KeyValue {
            key: "key".to_owned(),
            value: Some(proto::AnyValue { value: Some(value) }),
            ..proto::KeyValue::default()
        };
        let mut expected = Vec::new();
        prost::encoding::message::encode(9, &pair, &mut expected);
        assert_eq!(written, expected);
    }
}

/// Lists and maps can be walked.
#[test]
fn lists_and_maps_can_be_walked() {
    let bytes = encode(list(vec![Value::IntValue(1), Value::IntValue(2)]));
    let items: Vec<Any<'_>> = AnyValue(&bytes).items().map(AnyValue::get).collect();
    assert_eq!(items, [Any::Int(1), Any::Int(2)]);
    let bytes = encode(map(vec![("k", Value::StringValue("v".to_owned()))]));
    let entries: Vec<(&str, Option<&str>)> =
        AnyValue(&bytes).entries().map(|entry| (entry.key, entry.value.as_str())).collect();
    assert_eq!(entries, [("k", Some("v"))]);
    assert_eq!(AnyValue(&bytes).items().count(), 0);
}
