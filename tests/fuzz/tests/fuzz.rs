//! What CI runs of fuzzing: each target on its corpus and a little beyond, half of the time from a fixed
//! seed and half from a random one.

// A failure of what is around the checks ends the test.
#![allow(clippy::panic, clippy::expect_used)]

use std::time::{Duration, Instant};

use spindle_fuzz::engine::{self, Finding, Plan};
use spindle_fuzz::{PATIENCE, Target, corpus, kind, targets};

#[allow(clippy::print_stdout)]
fn fuzz(name: &str) {
    let target = targets::by_name(name).expect("the target exists");
    for seed in [1, fastrand::u64(..)] {
        let inputs = corpus::read(&corpus::folder(name)).expect("the corpus can be read");
        let plan = Plan { seed, time: Duration::from_millis(1200), output: corpus::output() };
        let report = engine::run(target, inputs, plan).unwrap_or_else(|finding| panic!("{finding}"));
        println!("{name}: seed {seed}, {} executions, {} kinds", report.executions, report.kinds);
    }
}

macro_rules! targets {
    ($($(#[$document:meta])* $name:ident)*) => {
        $($(#[$document])* #[test] fn $name() { fuzz(stringify!($name)); })*

        /// A target that CI forgets would be a promise that nobody keeps.
        #[test]
        fn every_target_is_run() {
            let run = [$(stringify!($name)),*];
            assert_eq!(targets::TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), run);
        }
    };
}

targets! {
    /// The walk agrees with prost, and edits of bytes with edits of objects.
    wire
    /// OTLP/JSON is refused or becomes a request that passes the walk and comes back the same.
    json
    /// Any text is a configuration or a report with true positions.
    config
    /// References expand within bounds.
    expansion
    /// No body decompresses beyond its limit.
    compression
    /// Nothing a back end answers does harm.
    answers
}

fn fails_on_a_pair(input: &[u8]) -> u64 {
    assert!(!input.windows(2).any(|pair| pair == b"{{"), "two braces");
    kind(input.contains(&b'{'))
}

fn never_hurries(input: &[u8]) -> u64 {
    let begun = Instant::now();
    let mut rounds = 0u64;
    while !input.is_empty() && begun.elapsed() < Duration::from_millis(100) {
        rounds = std::hint::black_box(rounds + 1);
    }
    0
}

static PLANTED: Target = Target {
    name: "planted",
    check: fails_on_a_pair,
    longest: 100,
    words: &[b"{"],
    patience: PATIENCE,
    fresh: None,
};
static SLOW: Target = Target {
    name: "slow",
    check: never_hurries,
    longest: 1,
    words: &[],
    patience: Duration::from_millis(2),
    fresh: None,
};

fn found(target: &'static Target) -> Finding {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = Plan { seed: 7, time: Duration::from_mins(1), output: folder.path().to_owned() };
    let error = engine::run(target, vec![b"a".to_vec()], plan).expect_err("the defect is found");
    let finding: Finding = error.downcast().expect("a finding");
    let input = std::fs::read(&finding.path).expect("the input is kept");
    assert!(target.name != "planted" || input.windows(2).any(|pair| pair == b"{{"));
    finding
}

/// An engine that finds nothing anywhere proves nothing: a planted defect is found, its input kept, and the
/// same seed finds it at the same execution.
#[test]
fn a_planted_defect_is_found_twice_at_the_same_place() {
    let (first, second) = (found(&PLANTED), found(&PLANTED));
    assert!(first.message.contains("two braces"), "{first}");
    assert_eq!(first.executions, second.executions);
}

/// Slowness is a finding too.
#[test]
fn an_input_that_takes_too_long_is_found() {
    assert!(found(&SLOW).message.contains("more than"));
}
