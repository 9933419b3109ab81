//! The keys of the `memory_limiter` processor, with the Collector's names and defaults.

use serde::Deserialize;
use spindle_config::Check;
use spindle_config::types::Duration;
use spindle_pipeline::component::ComponentConfig;

/// The processor's keys.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The time between two looks at the memory. Required; `1s` suits most, shorter where load comes in
    /// bursts.
    pub check_interval: Duration,
    /// What the process should at most hold, in MiB. Goes before `limit_percentage`.
    pub limit_mib: u32,
    /// How much below the limit data is refused, in MiB. Default 0, a fifth of the limit.
    pub spike_limit_mib: u32,
    /// The limit as a percentage of the memory there is: the cgroup's limit, else the machine's memory.
    pub limit_percentage: u32,
    /// The spike as such a percentage. Default 0, a fifth of the limit.
    pub spike_limit_percentage: u32,
    /// Means nothing here: there is no garbage collector.
    pub min_gc_interval_when_soft_limited: Duration,
    /// Means nothing here.
    pub min_gc_interval_when_hard_limited: Duration,
    /// Means nothing here.
    pub max_gc_interval_when_soft_limited: Duration,
    /// Means nothing here.
    pub max_gc_interval_when_hard_limited: Duration,
}

/// The keys that are about a garbage collector.
const GC_KEYS: [&str; 4] = [
    "min_gc_interval_when_soft_limited",
    "min_gc_interval_when_hard_limited",
    "max_gc_interval_when_soft_limited",
    "max_gc_interval_when_hard_limited",
];

impl Default for Config {
    fn default() -> Self {
        Self {
            check_interval: Duration::ZERO,
            limit_mib: 0,
            spike_limit_mib: 0,
            limit_percentage: 0,
            spike_limit_percentage: 0,
            min_gc_interval_when_soft_limited: Duration::from_secs(10),
            min_gc_interval_when_hard_limited: Duration::ZERO,
            max_gc_interval_when_soft_limited: Duration::from_secs(30),
            max_gc_interval_when_hard_limited: Duration::from_secs(30),
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        if self.check_interval.is_zero() {
            check.error("check_interval", "'check_interval' must be greater than zero");
        }
        if self.limit_mib == 0 && self.limit_percentage == 0 {
            check.error("limit_mib", "'limit_mib' or 'limit_percentage' must be greater than zero");
        }
        for (key, percentage) in [
            ("limit_percentage", self.limit_percentage),
            ("spike_limit_percentage", self.spike_limit_percentage),
        ] {
            if percentage > 100 {
                check.error(key, "'limit_percentage' and 'spike_limit_percentage' must be greater than zero and less than or equal to hundred");
            }
        }
        if self.limit_mib > 0 && self.limit_mib <= self.spike_limit_mib {
            check.error("spike_limit_mib", "'spike_limit_mib' must be smaller than 'limit_mib'");
        }
        if self.limit_percentage > 0 && self.limit_percentage <= self.spike_limit_percentage {
            check.error(
                "spike_limit_percentage",
                "'spike_limit_percentage' must be smaller than 'limit_percentage'",
            );
        }
        self.validate_gc(check);
    }
}

impl Config {
    fn validate_gc(&self, check: &mut Check<'_>) {
        if self.min_gc_interval_when_soft_limited < self.min_gc_interval_when_hard_limited {
            check.error("min_gc_interval_when_soft_limited", "'min_gc_interval_when_soft_limited' should be larger than 'min_gc_interval_when_hard_limited'");
        }
        let written: Vec<&str> = GC_KEYS.into_iter().filter(|key| check.is_written(key)).collect();
        if let Some(first) = written.first() {
            let message =
                format!("there is no garbage collector here, so that {} means nothing", written.join(", "));
            check.warning(first, message);
        }
    }
}
