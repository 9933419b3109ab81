//! The three kinds of telemetry.

use std::fmt;

/// Traces, metrics or logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records.
    Logs,
}

impl Signal {
    /// All of them, in the order they are listed everywhere.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// As a pipeline's id starts: `traces`, `metrics`, `logs`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    /// What one item is called in the Collector's metric names.
    pub const fn items_name(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Metrics => "metric_points",
            Self::Logs => "log_records",
        }
    }

    /// The signal of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.name() == name)
    }

    /// A position in arrays that hold one thing per signal.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Some of the signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalSet(u8);

impl SignalSet {
    /// All three.
    pub const ALL: Self = Self(0b111);
    /// Traces only.
    pub const TRACES: Self = Self::of(Signal::Traces);
    /// Metrics only.
    pub const METRICS: Self = Self::of(Signal::Metrics);
    /// Logs only.
    pub const LOGS: Self = Self::of(Signal::Logs);

    /// One of them.
    pub const fn of(signal: Signal) -> Self {
        Self(1 << signal as u8)
    }

    /// This set and another.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a signal is in it.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & (1 << signal as u8) != 0
    }

    /// Those in it, in order.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        Signal::ALL.into_iter().filter(move |signal| self.contains(*signal))
    }
}
