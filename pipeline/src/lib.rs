//! The shared core: the data model, the component contract, the graph, delivery, self-telemetry.
//!
//! No component and no YAML key of one is known here. Read in this order: [`batch`] (what flows),
//! [`component`] (who handles it and what they promise), [`graph`] (how they are joined), [`export`]
//! (what surrounds every exporter).

pub mod auth;
pub mod batch;
pub mod component;
pub mod error;
pub mod export;
pub mod graph;
pub mod net;
pub mod otlp;
pub mod panics;
pub mod pattern;
pub mod run;
pub mod signal;
pub mod status;
pub mod storage;
pub mod telemetry;
#[cfg(any(test, feature = "test-util"))]
#[allow(clippy::panic)]
pub mod testing;

pub use batch::{Batch, Decoded, RequestContext};
pub use signal::{Signal, SignalSet};
