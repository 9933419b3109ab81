//! Attributes that must be there.

use std::borrow::Cow;

use spindle_pipeline::otlp::attributes::{Any, AnyValue, Attribute};

use super::config::AttributeConfig;
use super::strings::{MatchType, Strings};
use crate::support::problem::Problem;
use crate::support::value::ConfigValue;

/// An attribute that must be there.
#[derive(Debug)]
pub(super) struct AttributeMatch {
    key: String,
    expected: Expected,
}

#[derive(Debug)]
enum Expected {
    Anything,
    Text(Strings),
    /// The bytes of an `AnyValue`.
    Value(Vec<u8>),
}

impl AttributeMatch {
    /// `part` is where it is written. `match_type` is asked only when there is a value to compare.
    pub(super) fn new(
        config: &AttributeConfig,
        part: &str,
        match_type: impl FnOnce() -> Result<MatchType, Problem>,
    ) -> Result<Self, Problem> {
        if config.key.is_empty() {
            return Err(Problem::new(part, "can't have empty key in the list of attributes"));
        }
        let expected = match &config.value {
            None => Expected::Anything,
            Some(value) => expected(&config.key, value, match_type()?, &format!("{part}::value"))?,
        };
        Ok(Self { key: config.key.clone(), expected })
    }

    fn matches(&self, value: AnyValue<'_>) -> bool {
        match &self.expected {
            Expected::Anything => true,
            Expected::Text(strings) => scalar_text(value).is_some_and(|text| strings.matches(&text)),
            Expected::Value(expected) => is_same(AnyValue(expected), value),
        }
    }
}

fn expected(
    attribute: &str,
    value: &ConfigValue,
    match_type: MatchType,
    part: &str,
) -> Result<Expected, Problem> {
    match (match_type, value) {
        (MatchType::Strict, value) => Ok(Expected::Value(value.to_bytes())),
        (MatchType::Regexp, ConfigValue::String(text)) => {
            Strings::new(match_type, std::slice::from_ref(text), part).map(Expected::Text)
        }
        (MatchType::Regexp, other) => {
            let found = other.type_name();
            let message = format!("match_type=regexp for {attribute:?} only supports Str, but found {found}");
            Err(Problem::new(part, message))
        }
    }
}

/// Whether all that is wanted is among the attributes; of a key that is there twice the first counts.
pub(super) fn all_match<'a>(
    wanted: &[AttributeMatch],
    attributes: impl Iterator<Item = Attribute<'a>> + Clone,
) -> bool {
    wanted.iter().all(|wanted| {
        let found = attributes.clone().find(|attribute| attribute.key == wanted.key);
        found.is_some_and(|attribute| wanted.matches(attribute.value))
    })
}

/// The text of a value for regular expressions; lists, maps and bytes have none.
fn scalar_text(value: AnyValue<'_>) -> Option<Cow<'_, str>> {
    Some(match value.get() {
        Any::String(text) => text.into(),
        Any::Bool(value) => if value { "true" } else { "false" }.into(),
        Any::Int(value) => value.to_string().into(),
        // Without an exponent, whatever the size.
        Any::Double(f64::INFINITY) => "+Inf".into(),
        Any::Double(f64::NEG_INFINITY) => "-Inf".into(),
        Any::Double(value) => value.to_string().into(),
        Any::Empty | Any::Bytes(_) | Any::Array(_) | Any::Map(_) => return None,
    })
}

/// The same type and the same value; maps in any order.
#[allow(clippy::float_cmp)]
fn is_same(one: AnyValue<'_>, other: AnyValue<'_>) -> bool {
    match (one.get(), other.get()) {
        (Any::Array(_), Any::Array(_)) => {
            one.items().count() == other.items().count()
                && one.items().zip(other.items()).all(|(one, other)| is_same(one, other))
        }
        (Any::Map(_), Any::Map(_)) => {
            let (one, other) = (sorted(one), sorted(other));
            one.len() == other.len()
                && one
                    .iter()
                    .zip(&other)
                    .all(|(one, other)| one.key == other.key && is_same(one.value, other.value))
        }
        (one, other) => one == other,
    }
}

fn sorted(map: AnyValue<'_>) -> Vec<Attribute<'_>> {
    let mut entries: Vec<Attribute<'_>> = map.entries().collect();
    entries.sort_by_key(|entry| entry.key);
    entries
}
