//! What tests of several crates share. Behind the feature `test-util`; no part of the agent.

pub mod arbitrary;
pub mod spans;
