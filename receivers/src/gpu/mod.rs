//! GPUs: what is read of them, by whatever library, and under which names it goes out.
//!
//! * [`reading`]: one reading of all GPUs, in the units of the driver, with a bit for each value that was
//!   there. A value that a device does not have is absent, never 0.
//! * [`names`]: the static tables that give readings names, units and scales. One reading can go out under
//!   several conventions; there is one so far, OpenTelemetry's `hw.*`.
//! * [`publish`]: a reading and a table make a batch.
//! * [`nvml`]: the receiver that reads through NVIDIA's management library.

pub mod names;
pub mod nvml;
pub mod publish;
pub mod reading;
