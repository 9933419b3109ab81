use super::*;

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
