//! Fuzzing: every decoder that reads what the process did not write is fed corpora, damaged corpora and
//! random requests, and what it says is compared with an oracle or with itself.
//!
//! A [`Target`] is a check that panics when a promise is broken. [`engine`] runs it for a time, from a
//! seed; [`mutate`] damages inputs; [`targets`] are the checks; `corpus/` holds an input per file. The same
//! seed, corpus and number of executions give the same inputs.
//!
//! Inputs are not chosen by code coverage, which needs an instrumented compiler. In its place each check
//! says what kind of thing became of the input (which refusal, in which field), and inputs that led to a
//! kind not seen before are damaged further.

// A check that does not hold ends in a panic, which the engine catches.
#![allow(clippy::panic, clippy::expect_used)]

pub mod corpus;
pub mod engine;
pub mod mutate;
pub mod targets;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use fastrand::Rng;

/// Something that reads input, and what must hold of it.
pub struct Target {
    /// What it is called, and the folder of its corpus.
    pub name: &'static str,
    /// Panics when a promise is broken. Returns the [`kind`] of what became of the input.
    pub check: fn(&[u8]) -> u64,
    /// The longest input, in bytes.
    pub longest: usize,
    /// Pieces of its language.
    pub words: &'static [&'static [u8]],
    /// How long an input may take beside the time for its length, on optimised code.
    pub patience: Duration,
    /// A well-formed input, if it has a generator.
    pub fresh: Option<fn(&mut Rng) -> Vec<u8>>,
}

impl Target {
    /// How long one input may take: something, and a time proportional to its length.
    pub fn patience(&self, length: usize) -> Duration {
        let slow = if cfg!(debug_assertions) { 20 } else { 1 };
        (self.patience + Duration::from_micros(6) * length as u32) * slow
    }
}

/// Several times what the slowest short input known takes on a busy machine: a hundred thousand values by
/// aliases.
pub const PATIENCE: Duration = Duration::from_millis(300);

/// What became of an input as one number: equal for equal values.
pub fn kind(outcome: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    outcome.hash(&mut hasher);
    hasher.finish()
}

/// A number that is equal for counts of about the same size.
pub fn about(count: usize) -> u32 {
    usize::BITS - count.leading_zeros()
}
