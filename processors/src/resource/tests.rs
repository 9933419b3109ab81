use spindle_pipeline::testing::{contract, spans};

use super::*;
use crate::support::goldens::{Goldens, build};

fn goldens() -> Goldens {
    Goldens::read(include_str!("testdata/collector.json"))
}

/// The clauses that every component keeps.
#[test]
fn keeps_the_contract() {
    contract::factory::<ResourceProcessor>();
    let yaml = "{attributes: [{key: run, value: r1, action: upsert}, {key: service.name, action: delete}]}";
    for signal in Signal::ALL {
        contract::transform(&*build::<ResourceProcessor>(yaml, signal), signal);
    }
}

/// Users bring their actions along: what comes out is what the Collector's own processor made of the same
/// request, recorded.
#[test]
fn does_what_the_collector_does() {
    goldens().check_cases::<ResourceProcessor>();
}

/// The texts are those of the Collector, which users search for.
#[test]
fn says_what_the_collector_says() {
    goldens().check_refusals::<ResourceProcessor>();
}

/// A request in which no action changes anything is not copied.
#[test]
fn passes_on_the_same_bytes_when_nothing_changes() {
    let yaml =
        "{attributes: [{key: service.name, value: sglang, action: upsert}, {key: none, action: delete}]}";
    let batch = Batch::receive(Signal::Traces, spans::request(2)).expect("well formed");
    let after = build::<ResourceProcessor>(yaml, Signal::Traces).transform(batch.clone());
    let after = after.expect("transforms").expect("drops nothing");
    assert_eq!(after.bytes().as_ptr(), batch.bytes().as_ptr());
}
