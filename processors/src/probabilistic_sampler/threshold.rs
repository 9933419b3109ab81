//! The two numbers of consistent probability sampling, 56 bits each, and how they are written.
//!
//! An item stays when its threshold is not above its randomness. Both are the OpenTelemetry
//! specification's (`tracestate-probability-sampling`), hex digits of at most 56 bits: a threshold
//! leaves trailing zeros out, a randomness has all 14 digits.

/// 2^56, one above the greatest randomness.
const RANGE: u64 = 1 << 56;
/// The smallest probability that has a threshold.
pub(super) const LEAST_PROBABILITY: f64 = 1.0 / RANGE as f64;
/// The number of hex digits of 56 bits.
const DIGITS: i32 = 14;

/// How many of 2^56 are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Threshold(pub(super) u64);

impl Threshold {
    /// Everything stays.
    pub(super) const ALWAYS: Self = Self(0);
    /// Nothing stays.
    pub(super) const NEVER: Self = Self(RANGE);

    /// Whether an item of this randomness stays.
    pub(super) fn keeps(self, randomness: Randomness) -> bool {
        self.0 <= randomness.0
    }

    /// Reads 1 to 14 hex digits; those that are left out at the end are zeros.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let missing = (DIGITS as usize).checked_sub(text.len())?;
        Some(Self(hex(text)? << (4 * missing)))
    }

    /// Writes it; [`Self::NEVER`] has no digits.
    pub(super) fn to_hex(self) -> String {
        match self {
            Self::ALWAYS => "0".to_owned(),
            Self::NEVER => String::new(),
            Self(value) => format!("{value:014x}").trim_end_matches('0').to_owned(),
        }
    }

    /// The threshold of a probability, rounded to `precision` hex digits; `None` beyond 2^-56 to 1.
    /// Probabilities near 0 and 1 get as many digits more as their threshold starts with `f` or `0`,
    /// so that the error relative to them stays small (pkg/sampling of collector-contrib).
    pub(super) fn of_probability(probability: f64, precision: i32) -> Option<Self> {
        if !(LEAST_PROBABILITY..=1.0).contains(&probability) {
            return None;
        }
        if probability >= 1.0 {
            return Some(Self::ALWAYS);
        }
        let extra = |fraction: f64| -exponent(fraction) / 4;
        let precision =
            (precision + extra(probability)).max(precision + extra(1.0 - probability)).min(DIGITS);
        let exact = RANGE - (probability * RANGE as f64).round() as u64;
        let unused_bits = 4 * (DIGITS - precision);
        if unused_bits == 0 {
            return Some(Self(exact));
        }
        Some(Self((exact + (1 << (unused_bits - 1))) >> unused_bits << unused_bits))
    }
}

/// The exponent that normalizes a number from 2^-56 to 1 to one from 0.5 up to 1, as C's `frexp`.
fn exponent(fraction: f64) -> i32 {
    // Such numbers are normal, so the biased exponent is at hand. 0 has the exponent 0.
    if fraction == 0.0 { 0 } else { (fraction.to_bits() >> 52 & 0x7ff) as i32 - 1022 }
}

/// What decides about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Randomness(u64);

impl Randomness {
    /// Stays at every probability; stands for a randomness that is missing.
    pub(super) const GREATEST: Self = Self(RANGE - 1);

    /// From 56 bits; higher ones are cut off.
    pub(super) const fn new(bits: u64) -> Self {
        Self(bits & (RANGE - 1))
    }

    /// Reads 14 hex digits.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        if text.len() == DIGITS as usize { hex(text).map(Self) } else { None }
    }

    /// Writes 14 hex digits.
    pub(super) fn to_hex(self) -> String {
        let mut text = const_hex::encode(self.0.to_be_bytes());
        text.drain(..2);
        text
    }
}

fn hex(text: &str) -> Option<u64> {
    // The standard library would read a sign as well.
    let is_hex = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_hex { u64::from_str_radix(text, 16).ok() } else { None }
}
