//! What several extensions share.

pub mod credentials;
