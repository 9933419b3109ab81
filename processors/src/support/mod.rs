//! What several processors share.

pub mod actions;
#[cfg(test)]
pub(crate) mod goldens;
pub mod matching;
pub mod number;
pub mod problem;
pub mod value;
