//! Go's durations: `1m30s`, `200ms`, `1.5h`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A span of time that is not negative, written as Go writes it: numbers with a unit (`ns`, `us`, `µs`,
/// `ms`, `s`, `m`, `h`), one after the other. `0` needs no unit; a bare number is an error, because the
/// Collector reads it as nanoseconds and nobody means that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(std::time::Duration);

impl Duration {
    /// Nothing.
    pub const ZERO: Self = Self(std::time::Duration::ZERO);

    /// From whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// From milliseconds.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(std::time::Duration::from_millis(milliseconds))
    }

    /// As the standard library's type.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }

    /// Nothing, which many keys take as "no limit".
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Reads Go's notation.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("invalid duration \"{text}\" (write it like 200ms, 5s or 1m30s)");
        if text == "0" {
            return Ok(Self::ZERO);
        }
        if text.starts_with('-') {
            return Err(format!("the duration \"{text}\" must not be negative"));
        }
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut nanoseconds = 0f64;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
            let tail = &rest[digits..];
            let unit = &tail[..tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len())];
            if unit.is_empty() {
                return Err(format!(
                    "missing unit in duration \"{text}\" (write it like 200ms, 5s or 1m30s)"
                ));
            }
            nanoseconds += number * unit_nanoseconds(unit).ok_or_else(invalid)?;
            rest = &tail[unit.len()..];
        }
        if nanoseconds > i64::MAX as f64 {
            return Err(format!("the duration \"{text}\" is longer than 292 years"));
        }
        Ok(Self(std::time::Duration::from_nanos(nanoseconds.round() as u64)))
    }
}

fn unit_nanoseconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => return None,
    })
}

impl fmt::Display for Duration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a duration such as 200ms, 5s or 1m30s")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        Duration::parse(text).map_err(E::custom)
    }
}
