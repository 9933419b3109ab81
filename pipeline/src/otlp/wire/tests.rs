use proptest::prelude::*;

use super::*;

proptest! {
    /// What is written is read again, in as many bytes as was said.
    #[test]
    fn varints_are_read_as_they_were_written(value: u64) {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, value);
        prop_assert_eq!(bytes.len(), varint_length(value));
        prop_assert_eq!(read_varint(&bytes, 0), Some((value, bytes.len())));
        prop_assert_eq!(bytes.len(), prost::encoding::encoded_len_varint(value));
    }

    /// The same varints are accepted as prost accepts, overlong and truncated ones included.
    #[test]
    fn varints_are_accepted_as_by_prost(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x80), Just(0xff)], 0..12)) {
        let mut rest = bytes.as_slice();
        let oracle = prost::encoding::decode_varint(&mut rest).ok().map(|value| (value, bytes.len() - rest.len()));
        prop_assert_eq!(read_varint(&bytes, 0), oracle);
    }

    /// No bytes make the reader of fields panic or go on for ever.
    #[test]
    fn fields_end_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut end = 0;
        for field in Fields::of(&bytes) {
            prop_assert!(field.start >= end && field.end > field.start && field.end <= bytes.len());
            end = field.end;
        }
    }
}

/// Every kind of field is found where it stands.
#[test]
fn fields_know_where_they_stand() {
    let mut bytes = Vec::new();
    put_varint_field(&mut bytes, 1, 300);
    put_fixed64(&mut bytes, 2, 7);
    put_fixed32(&mut bytes, 3, 8);
    put_bytes(&mut bytes, 1000, b"abc");
    put_double(&mut bytes, 5, 1.5);
    let fields: Vec<Field<'_>> = Fields::of(&bytes).collect();
    let values: Vec<Value<'_>> = fields.iter().map(|field| field.value).collect();
    assert_eq!(
        values,
        [
            Value::Varint(300),
            Value::Fixed64(7),
            Value::Fixed32(8),
            Value::Bytes(b"abc"),
            Value::Fixed64(1.5f64.to_bits())
        ]
    );
    assert_eq!(fields[3].number, 1000);
    assert_eq!(&bytes[fields[3].content..fields[3].end], b"abc");
    assert_eq!(fields[3].end - fields[3].start, field_length(1000, 3));
    assert_eq!(fields.last().map(|field| field.end), Some(bytes.len()));
    assert!((fields[4].value.double() - 1.5).abs() < f64::EPSILON);
}

/// Groups, which no OTLP message has, are passed over whole.
#[test]
fn groups_are_passed_over() {
    let mut bytes = Vec::new();
    put_varint(&mut bytes, u64::from(key(9, WireType::GroupStart)));
    put_bytes(&mut bytes, 1, b"inside");
    put_varint(&mut bytes, u64::from(key(9, WireType::GroupEnd)));
    put_varint_field(&mut bytes, 2, 5);
    let numbers: Vec<u32> = Fields::of(&bytes).map(|field| field.number).collect();
    assert_eq!(numbers, [9, 2]);
}

/// Senders may pack repeated numbers or not; readers see the same.
#[test]
fn repeated_numbers_are_read_packed_or_one_by_one() {
    let numbers = [1u64, 300, u64::MAX];
    let fixed: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut varints = Vec::new();
    for number in numbers {
        put_varint(&mut varints, number);
    }
    assert_eq!(Value::Bytes(&fixed).fixed64s().collect::<Vec<_>>(), numbers);
    assert_eq!(Value::Bytes(&varints).varints().collect::<Vec<_>>(), numbers);
    assert_eq!(Value::Fixed64(7).fixed64s().collect::<Vec<_>>(), [7]);
    assert_eq!(Value::Varint(7).varints().collect::<Vec<_>>(), [7]);
    assert_eq!(Value::Varint(7).fixed64s().count() + Value::Fixed64(7).varints().count(), 0);
}
