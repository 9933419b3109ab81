//! What several processors share.

pub mod actions;
#[cfg(test)]
pub(crate) mod goldens;
pub mod matching;
pub mod number;
pub mod pattern;
pub mod problem;
pub mod value;
