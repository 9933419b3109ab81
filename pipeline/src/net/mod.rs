//! What receivers, exporters and status pages share of the network: sockets, TLS, compression, serving.

pub mod body;
pub mod compression;
pub mod grpc;
pub mod listen;
pub mod serve;
pub mod text;
pub mod tls;
