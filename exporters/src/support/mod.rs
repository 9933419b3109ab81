//! What several exporters share: the clients, the keys that describe them, and how answers are read.

pub mod answer;
pub mod auth;
pub mod compression;
pub mod grpc;
pub mod headers;
pub mod http;
#[cfg(test)]
mod round_trip;
pub mod target;
#[cfg(test)]
pub(crate) mod testing;
