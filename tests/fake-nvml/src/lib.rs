//! A stand-in for NVIDIA's `libnvidia-ml.so.1`, told by a script what to answer.
//!
//! It exports the functions of NVML that Spindle calls, with NVML's types, so that everything from
//! `dlopen` on is the code that runs on a GPU node. No GPU, driver or C compiler is needed. As an rlib it
//! holds what tests set it up with ([`Fake`], [`scripts`]).
//!
//! # Where the script is
//!
//! The file that the variable `FAKE_NVML_SCRIPT` names, else the file beside the loaded library whose
//! name is the library's with `.script` at the end. The second way lets many tests of one process each
//! play their own: a *copy* of the library is a library of its own. The script is read when NVML is
//! initialised, and again when the file is another one (by its inode, size or time; looked at once a
//! millisecond). One that cannot be read leaves the old one in force.
//!
//! # What a script says
//!
//! One `name = answers` a line; `#` starts a comment; of lines about the same thing the last counts.
//!
//! ```text
//! devices = 2                       # how many GPUs; default 1
//! driver = 580.159.03               # the driver's version
//! init = DRIVER_NOT_LOADED          # what nvmlInit_v2 returns
//! journal = on                      # write every call to <script>.journal: "<name> <device>"
//! *.name = NVIDIA H200              # all devices; {index} in a text is the device's number
//! *.uuid = GPU-00000000-0000-0000-0000-00000000000{index}
//! *.power = 421337 398211           # the first call, the second; the last answer stays
//! *.energy = 1000000 +2500          # starts there, and each call adds 2500
//! 1.power = NOT_SUPPORTED           # device 1: a return code by its name in nvml.h
//! 1.temperature.gpu = 44 UNKNOWN 45 # codes and values mix
//! 1.* = GPU_IS_LOST                 # every call about device 1
//! 0.power = HANG                    # the call returns when a later script gives it another answer
//! ```
//!
//! Names without a device: `init`, `shutdown`, `count`, `driver`. Names of a device, in the unit that NVML
//! has: `handle`, `name`, `uuid`, `serial`, `utilization.gpu`, `utilization.memory`,
//! `utilization.encoder`, `utilization.decoder` (percent), `memory.total`, `memory.used`, `memory.free`,
//! `memory.reserved` (bytes), `power` (mW), `energy` (mJ), `temperature.gpu`, `temperature.memory` (°C),
//! `clock.graphics`, `clock.sm`, `clock.memory`, `clock.video` (MHz), `pcie.replays`, `pcie.transmitted`,
//! `pcie.received` (bytes), `pcie.generation`, `pcie.width`, `ecc.corrected`, `ecc.uncorrected`. Numbers
//! that no line names are `NOT_SUPPORTED`. Of what is asked for by a field id, a number has 32 bits if it
//! fits in and else 64: to wrap, a script names the smaller number.
//! A line that cannot be understood makes `nvmlInit_v2` return `INVALID_ARGUMENT` and is told on stderr.

// The C interface of NVML is pointers and extern functions; this crate is never part of the agent.
#![allow(unsafe_code)]

mod answers;
mod exports;
mod folder;
mod player;
mod script;

#[cfg(test)]
mod tests;

pub use folder::{Fake, built_library};
pub use script::{code_named, code_names};

/// Scripts of machines, ready made. The files are in `tests/fake-nvml/scripts/`.
pub mod scripts {
    /// Eight H200 under load.
    pub const EIGHT_H200: &str = include_str!("../scripts/8xh200");
    /// Four H100, of which the third has fallen off the bus before the start.
    pub const H100_ONE_LOST: &str = include_str!("../scripts/h100-one-lost");
    /// An A100 whose ECC is switched off.
    pub const A100_NO_ECC: &str = include_str!("../scripts/a100-no-ecc");
    /// An A100 cut into MIG instances: no utilization of the whole.
    pub const A100_MIG: &str = include_str!("../scripts/a100-mig");
    /// A GeForce: no serial number, no ECC, no temperature of its memory.
    pub const GEFORCE: &str = include_str!("../scripts/geforce");
}
