//! The built binary against real clients and real back ends. `tests/run.sh` prepares and runs it all.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod abuse;
mod auth;
mod broken_configs;
mod command_line;
mod delivery;
mod guides;
mod load;
mod memory;
mod metrics;
mod processing;
mod readme;
mod refusals;
mod remote_write;
mod runs;
mod samples;
mod sdks;
mod secrets;
mod self_telemetry;
mod service_manager;
mod tls;
mod traces;
mod without_config;
