use proptest::prelude::*;

use super::*;
use crate::batch::Decoded;
use crate::otlp::walk;
use crate::testing::arbitrary::{self, Options};
use crate::testing::oracle;

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![Just(Signal::Traces), Just(Signal::Metrics), Just(Signal::Logs)]
}

fn request(signal: Signal, seed: u64) -> Bytes {
    arbitrary::request(signal, seed, Options { unknown_fields: seed.is_multiple_of(2), ..Options::default() })
}

/// Every n-th item stays, by a counter that both sides run.
fn keeper(seed: u64) -> impl FnMut() -> bool {
    let mut rng = fastrand::Rng::with_seed(seed);
    let share = rng.u8(..5);
    move || rng.u8(..4) < share
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Dropping items on the wire gives what decode, drop, encode gives, and drops the groups that
    /// become empty and no other.
    #[test]
    fn retaining_equals_decode_retain_encode(signal in signal(), seed: u64) {
        let request = request(signal, seed);
        let before = walk(signal, &request).expect("well formed").items;
        let mut oracle = Decoded::read(signal, &request).expect("decodes");
        oracle::retain(&mut oracle, keeper(seed));
        let mut keep = keeper(seed);
        let (left, dropped) = retain(signal, &request, |_| keep());
        prop_assert_eq!(before - dropped, oracle.items());
        match left {
            Some(left) => {
                prop_assert_eq!(walk(signal, &left).expect("well formed").items, oracle.items());
                prop_assert_eq!(Decoded::read(signal, &left).expect("decodes"), oracle);
            }
            None => prop_assert!(oracle.encode().is_empty() || oracle.items() == 0),
        }
    }

    /// Keeping everything copies nothing.
    #[test]
    fn retaining_everything_is_the_same_bytes(signal in signal(), seed: u64) {
        let request = request(signal, seed);
        let (left, dropped) = retain(signal, &request, |_| true);
        let left = left.expect("nothing was dropped");
        prop_assert_eq!(dropped, 0);
        prop_assert_eq!(left.as_ptr(), request.as_ptr());
    }

    /// Stamping a resource attribute equals decode, edit, encode: where it is missing, where it is there
    /// once or more often, where there is no resource; with and without overwriting.
    #[test]
    fn setting_a_resource_attribute_equals_decode_edit_encode(signal in signal(), seed: u64, overwrite: bool, long: bool) {
        let request = request(signal, seed);
        let (key, value) = ("service.name", if long { "x".repeat(200) } else { "sglang".to_owned() });
        let mut oracle = Decoded::read(signal, &request).expect("decodes");
        for resource in oracle::resources(&mut oracle) {
            oracle::set_attribute(resource, key, &value, overwrite);
        }
        let edited = edit_resources(&request, |resource| resource.set(key, &value, overwrite)).unwrap_or(request);
        walk(signal, &edited).expect("well formed");
        prop_assert_eq!(Decoded::read(signal, &edited).expect("decodes"), oracle);
    }

    /// Setting what is there already leaves the bytes alone.
    #[test]
    fn setting_twice_edits_once(signal in signal(), seed: u64) {
        let request = request(signal, seed);
        let once = edit_resources(&request, |resource| resource.set("run", "r1", true)).unwrap_or(request);
        prop_assert!(edit_resources(&once, |resource| resource.set("run", "r1", true)).is_none());
        prop_assert!(edit_resources(&once, |resource| resource.set("run", "r2", false)).is_none());
    }
}
