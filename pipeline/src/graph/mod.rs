//! From sections to running pipelines.
//!
//! [`Plan`] checks what the configuration says about components and pipelines, without opening anything.
//! [`Graph::build`] makes the components, last first, and joins them; [`Graph::start`] lets the receivers
//! in; [`Graph::stop`] ends everything in the order of the data, so that each stage can still hand on
//! what it holds.
//!
//! The graph counts on every edge and catches panics at every component, so that components need not.

mod authenticators;
mod build;
mod collector_types;
mod edge;
mod fan_out;
mod plan;
mod running;

#[cfg(test)]
mod tests;

pub use build::Graph;
pub use edge::ReceiverEdge;
pub use fan_out::FanOut;
pub use plan::{Plan, PlannedListener};
