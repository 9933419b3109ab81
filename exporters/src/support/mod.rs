//! What several exporters share: the clients and the keys that describe them.

pub mod grpc;
pub mod http;
pub mod target;
