//! The harness of the end-to-end tests: the built binary, real back ends and real clients, on free
//! loopback ports.
//!
//! Everything a test starts ends with it: processes are killed when their handle is dropped. Tests wait
//! for conditions ([`wait::until`]), never for time to pass. A peer that is missing is a failure that
//! says how to install it, never a skip.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

pub mod agent;
pub mod capture;
pub mod cli;
pub mod client;
pub mod differ;
pub mod golden;
pub mod grpc;
pub mod jaeger;
pub mod peers;
pub mod plain;
pub mod ports;
pub mod process;
pub mod prometheus;
pub mod raw;
pub mod remote_write;
pub mod script;
pub mod wait;
