//! The limits, and whether a look at the memory is above them.

use std::io;

use super::config::Config;
use super::memory::{Kernel, Usage};

const MIB: u64 = 1 << 20;

/// What is allowed, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// From here on data is refused: the limit without the spike.
    pub(super) soft: u64,
    /// The limit.
    pub(super) hard: u64,
    /// From here on data is refused by what the control group holds: its limit without the spike, which is
    /// made smaller in proportion where the configured limit is above the group's.
    pub(super) cgroup: Option<u64>,
}

/// What is above its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Above {
    /// What the process holds.
    Process,
    /// What its control group holds.
    Cgroup,
}

impl Above {
    /// As the log names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Cgroup => "cgroup",
        }
    }
}

impl Limits {
    /// `limit_mib` goes before `limit_percentage`; without a spike it is a fifth of the limit.
    pub(super) fn new(config: &Config, kernel: &Kernel) -> io::Result<Self> {
        let (hard, spike) = if config.limit_mib > 0 {
            (u64::from(config.limit_mib) * MIB, u64::from(config.spike_limit_mib) * MIB)
        } else {
            let total = kernel.total()?;
            let share = |percentage: u32| (u128::from(total) * u128::from(percentage) / 100) as u64;
            (share(config.limit_percentage), share(config.spike_limit_percentage))
        };
        let spike = if spike == 0 { hard / 5 } else { spike };
        let cgroup =
            kernel.cgroup.as_ref().map(|cgroup| cgroup.limit - spike_within(cgroup.limit, hard, spike));
        Ok(Self { soft: hard.saturating_sub(spike), hard, cgroup })
    }

    /// How much memory may be taken between two looks.
    pub(super) fn spike(&self) -> u64 {
        self.hard - self.soft
    }

    /// What is above its limit, if anything is.
    pub(super) fn above(&self, usage: Usage) -> Option<Above> {
        if usage.process >= self.soft {
            return Some(Above::Process);
        }
        let is_group_above = self.cgroup.zip(usage.cgroup).is_some_and(|(limit, used)| used >= limit);
        is_group_above.then_some(Above::Cgroup)
    }
}

/// The spike of a control group with this limit. A limit written for a larger machine must not leave the
/// group no room at all: everything would be refused for ever.
fn spike_within(limit: u64, hard: u64, spike: u64) -> u64 {
    if hard <= limit {
        return spike;
    }
    (u128::from(spike) * u128::from(limit) / u128::from(hard)) as u64
}

/// In MiB, for people.
pub(super) fn mebibytes(bytes: u64) -> u64 {
    bytes / MIB
}
