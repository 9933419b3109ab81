//! The W3C `tracestate` of a span, and the entry `ot` in it that sampling uses: `ot=rv:<14 hex>;th:<hex>`.
//!
//! What cannot be read is passed over and makes the state broken; what was read before stays, because
//! that is what the Collector writes again when such a span is kept by its priority.

use super::threshold::{Randomness, Threshold};

const LONGEST: usize = 1024;
const LONGEST_KEY: usize = 256;
const LONGEST_TENANT: usize = 241;
const LONGEST_SYSTEM: usize = 14;
const LONGEST_OT: usize = 256;
/// The Collector stops at the 32nd entry, one before the specification's limit.
const MOST_ENTRIES: usize = 32;

/// What a `tracestate` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TraceState<'a> {
    /// Something in it could not be read.
    pub(super) is_broken: bool,
    ot: Ot<'a>,
    /// The other entries.
    others: Vec<(&'a str, &'a str)>,
}

/// The entry `ot`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ot<'a> {
    randomness: Option<&'a str>,
    threshold: Option<(&'a str, Threshold)>,
    others: Vec<(&'a str, &'a str)>,
}

impl<'a> TraceState<'a> {
    /// Reads a header's value; the empty text is the empty state.
    pub(super) fn read(text: &'a str) -> Self {
        let mut state = Self::default();
        if text.is_empty() {
            return state;
        }
        if text.len() > LONGEST || !text.split(',').map(trim).all(|entry| entry.is_empty() || is_entry(entry))
        {
            state.is_broken = true;
            return state;
        }
        // A comma at the end starts no entry.
        for (index, entry) in text.strip_suffix(',').unwrap_or(text).split(',').map(trim).enumerate() {
            if index + 1 >= MOST_ENTRIES {
                state.is_broken = true;
                break;
            }
            let Some((key, value)) = entry.split_once('=') else { continue };
            if is_too_long(key) {
                state.is_broken = true;
            } else if key == "ot" {
                let (ot, is_whole) = Ot::read(value);
                state.ot = ot;
                state.is_broken |= !is_whole;
            } else {
                state.others.push((key, value));
            }
        }
        state
    }

    pub(super) fn has_randomness(&self) -> bool {
        self.ot.randomness.is_some()
    }

    pub(super) fn threshold(&self) -> Option<Threshold> {
        self.ot.threshold.map(|(_, threshold)| threshold)
    }

    /// The header's value with this randomness, if one is given, and this threshold. A greater threshold
    /// that is there already stays: the probability of a span never rises.
    pub(super) fn write(&self, randomness: Option<&str>, threshold: Threshold, digits: &str) -> String {
        let threshold = match self.ot.threshold {
            Some((text, old)) if old > threshold => text,
            _ => digits,
        };
        let mut out = String::with_capacity(48);
        out.push_str("ot=");
        if let Some(randomness) = randomness.or(self.ot.randomness) {
            out.extend(["rv:", randomness, ";"]);
        }
        out.extend(["th:", threshold]);
        for (key, value) in &self.ot.others {
            out.extend([";", key, ":", value]);
        }
        for (key, value) in &self.others {
            out.extend([",", key, "=", value]);
        }
        out
    }
}

impl<'a> Ot<'a> {
    /// What the entry says, and whether all of it could be read.
    fn read(text: &'a str) -> (Self, bool) {
        let mut ot = Self::default();
        let is_key = |key: &str| {
            key.starts_with(|first: char| first.is_ascii_lowercase())
                && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let is_value = |value: &str| {
            value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        let is_member =
            |member: &str| member.split_once(':').is_some_and(|(key, value)| is_key(key) && is_value(value));
        if text.len() > LONGEST_OT || !text.split(';').all(is_member) {
            return (ot, false);
        }
        let mut is_whole = true;
        for (key, value) in text.split(';').filter_map(|member| member.split_once(':')) {
            match key {
                "rv" => {
                    ot.randomness = Randomness::from_hex(value).map(|_| value);
                    is_whole &= ot.randomness.is_some();
                }
                "th" => {
                    ot.threshold = Threshold::from_hex(value).map(|threshold| (value, threshold));
                    is_whole &= ot.threshold.is_some();
                }
                _ => ot.others.push((key, value)),
            }
        }
        (ot, is_whole)
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_too_long(key: &str) -> bool {
    key.len() > LONGEST_KEY
        || key
            .split_once('@')
            .is_some_and(|(tenant, system)| tenant.len() > LONGEST_TENANT || system.len() > LONGEST_SYSTEM)
}

fn is_entry(entry: &str) -> bool {
    entry.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value))
}

/// `key` or `tenant@system`. Lengths are looked at later.
fn is_key(key: &str) -> bool {
    let is_letter = |first: char| first.is_ascii_lowercase();
    let is_rest = |text: &str| {
        text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'*' | b'/')
        })
    };
    match key.split_once('@') {
        Some((tenant, system)) => {
            tenant.starts_with(|first: char| is_letter(first) || first.is_ascii_digit())
                && system.starts_with(is_letter)
                && is_rest(tenant)
                && is_rest(system)
        }
        None => key.starts_with(is_letter) && is_rest(key),
    }
}

/// Printable ASCII without `,` and `=`, at most 256, no blank at the end.
fn is_value(value: &str) -> bool {
    let is_printable = |byte: u8| matches!(byte, 0x20..=0x7e) && byte != b',' && byte != b'=';
    !value.is_empty() && value.len() <= 256 && !value.ends_with(' ') && value.bytes().all(is_printable)
}
