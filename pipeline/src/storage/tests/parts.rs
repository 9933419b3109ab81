use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use crate::batch::{Batch, RequestContext};
use crate::signal::Signal;
use crate::storage::cursor::Cursor;
use crate::storage::done::DoneSet;
use crate::storage::payload::{PayloadError, decode, encode};

fn stored(batch: &Batch) -> Bytes {
    let payload = encode(batch);
    [payload.head, payload.body].concat().into()
}

/// The bytes that go in come out, with their signal, their items and where they came from.
#[test]
fn a_batch_is_stored_as_it_is() {
    let contexts = [
        None,
        Some(RequestContext::default()),
        Some(RequestContext {
            metadata: vec![("tenant".into(), "a".into()), ("x".into(), "ü".repeat(99))],
            peer: Some("[fe80::1]:80".parse().expect("an address")),
            deadline: None,
        }),
    ];
    for context in contexts {
        for signal in Signal::ALL {
            let batch = Batch::from_parts(signal, Bytes::from_static(b"request"), 7);
            let batch = batch.with_context(context.clone().map(Arc::new));
            let read = decode(&stored(&batch), 7).expect("a batch");
            assert_eq!((read.signal(), read.items(), read.bytes()), (signal, 7, batch.bytes()));
            assert_eq!(read.context(), batch.context());
        }
    }
}

/// What was not written by this version is an error and names what is wrong.
#[test]
fn what_is_no_batch_is_refused() {
    let cases: [(&[u8], PayloadError); 7] = [
        (b"\x01\x01\x00", PayloadError::Malformed("head")),
        (b"\x02\x01\x00\x00", PayloadError::Version(2)),
        (b"\x01\x04\x00\x00", PayloadError::Malformed("signal")),
        (b"\x01\x01\x02\x00", PayloadError::Malformed("flags")),
        (b"\x01\x01\x01\x00\xff\xff\xff\xff", PayloadError::Malformed("metadata")),
        (b"\x01\x01\x01\x00\x01\x00\x00\x00\x01\x00\x00\x00\xff", PayloadError::Malformed("metadata")),
        (b"\x01\x01\x03\x00\x00\x00\x00\x00\x01\x00\x00\x00x", PayloadError::Malformed("peer")),
    ];
    for (bytes, expected) in cases {
        assert_eq!(decode(&Bytes::from_static(bytes), 1).err(), Some(expected), "{bytes:?}");
    }
}

proptest! {
    /// Nothing in a file makes the decoders panic.
    #[test]
    fn decoders_take_any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..80), is_near in any::<bool>()) {
        if is_near {
            let near = [1, 1, 3, 0];
            bytes.splice(..0, near);
        }
        let _ = Cursor::decode(&bytes);
        let _ = decode(&bytes.into(), 1);
    }

    /// The ranges say the same as a plain list of what is done, and the cursor keeps them.
    #[test]
    fn ranges_of_done_are_a_set(marks in prop::collection::vec((1_u64..60, 0_u64..6), 0..40)) {
        let mut done = DoneSet::below(1);
        let mut plain = std::collections::BTreeSet::new();
        for (first, more) in marks {
            done.mark(first, first + more);
            plain.extend(first..=first + more);
        }
        for sequence in 1..80 {
            prop_assert_eq!(done.contains(sequence), plain.contains(&sequence), "{}", sequence);
        }
        prop_assert_eq!(done.lowest(), (1..99).find(|sequence| !plain.contains(sequence)).unwrap_or(0));
        prop_assert_eq!(done.end(), plain.last().map_or(1, |last| last + 1));
        let cursor = Cursor { done, next_sequence: 77, next_segment: 5 };
        prop_assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    }
}
