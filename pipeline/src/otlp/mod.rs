//! OTLP as bytes: everything the pipeline does to telemetry without building objects.
//!
//! * [`walk`](mod@walk) proves on receipt that a request is well formed and counts its items. Everything else in
//!   here works on bytes that passed it; on others it returns errors or nonsense, never panics.
//! * [`view`] reads, [`splice`] edits, [`split`] and [`concat`] cut and join. All of them copy ranges.
//! * [`json`] turns OTLP/JSON into these bytes and back by the same table ([`schema`]) as the walk.
//! * [`build`] writes requests for receivers that make their own data.
//!
//! That each of these equals decode, edit, encode with opentelemetry-proto's types is shown by property
//! tests beside them.

pub mod attributes;
pub mod build;
pub mod json;
pub mod schema;
pub mod splice;
pub mod split;
pub mod view;
pub mod walk;
pub mod wire;

pub use walk::{Malformed, walk};
