use super::*;
use crate::testing::arbitrary::{self, Options};
use crate::testing::spans;

/// Passing through must not copy: the bytes that go on are the bytes that came.
#[test]
fn passing_through_never_copies() {
    let bytes = spans::request(3);
    let batch = Batch::receive(Signal::Traces, bytes.clone()).expect("well formed");
    let copy = batch.clone();
    assert_eq!(copy.bytes().as_ptr(), bytes.as_ptr());
    assert_eq!((copy.items(), copy.byte_size()), (3, bytes.len()));
}

/// Whoever changes objects gets a copy of his own when somebody else holds them.
#[test]
fn changing_a_shared_batch_leaves_the_other_alone() {
    let batch = Batch::receive(Signal::Traces, spans::request(3)).expect("well formed");
    let mut first = batch.clone();
    let Decoded::Traces(request) = first.decoded_mut() else { panic!("traces") };
    request.resource_spans[0].scope_spans[0].spans.truncate(1);
    first.recount();
    let mut second = first.clone();
    let Decoded::Traces(request) = second.decoded_mut() else { panic!("traces") };
    request.resource_spans.clear();
    second.recount();
    assert_eq!((batch.items(), first.items(), second.items()), (3, 1, 0));
    assert_eq!(Decoded::read(Signal::Traces, &first.bytes()).expect("decodes").items(), 1);
    assert_eq!(first.byte_size(), first.bytes().len());
}

/// Objects and bytes say the same, both ways.
#[test]
fn objects_and_bytes_are_the_same_request() {
    for signal in Signal::ALL {
        for seed in 0..50 {
            let options = Options { unknown_fields: false, ..Options::default() };
            let batch =
                Batch::receive(signal, arbitrary::request(signal, seed, options)).expect("well formed");
            let again = Batch::from_decoded((*batch.decoded()).clone());
            assert_eq!((again.signal(), again.items()), (signal, batch.items()));
            assert_eq!(again.decoded(), batch.decoded());
        }
    }
}

/// The values of a header are found in any case, all of them, in order.
#[test]
fn metadata_is_found_in_any_case() {
    let metadata =
        [("x-a", "1"), ("x-b", "2"), ("x-a", "3")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let context = RequestContext { metadata: metadata.to_vec(), ..RequestContext::default() };
    assert_eq!(context.values("X-A").collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(context.values("x-c").count(), 0);
}
