//! What each action does to a list of attributes.

use std::borrow::Cow;

use regex::Regex;
use sha2::{Digest, Sha256};
use spindle_pipeline::otlp::attribute_list::AttributeList;
use spindle_pipeline::otlp::attributes::{Any, AnyValue, NewValue, to_text};

use super::{Action, Fill, Operation, Source, Target};
use crate::support::number::parse_float;

impl Action {
    pub(super) fn apply<'a>(&'a self, list: &mut AttributeList<'a>, from_context: Option<&'a [u8]>) {
        let key = self.key.as_str();
        match &self.operation {
            Operation::Set { fill, source, default } => {
                let position = list.find(key);
                let is_wanted = match fill {
                    Fill::Missing => position.is_none(),
                    Fill::Present => position.is_some(),
                    Fill::Always => true,
                };
                if !is_wanted {
                    return;
                }
                let Some(value) = source.value(list, from_context).or(default.as_deref().map(Cow::Borrowed))
                else {
                    return;
                };
                match position {
                    Some(position) => list.set(position, value),
                    None => list.push(key, value),
                }
            }
            Operation::Delete(pattern) => {
                if let Some(position) = list.find(key) {
                    list.remove(position);
                }
                if let Some(pattern) = pattern {
                    list.retain(|key| !pattern.is_match(key));
                }
            }
            Operation::Hash(pattern) => hash(list, key, pattern.as_ref()),
            Operation::Extract { pattern, names } => extract(list, key, pattern, names),
            Operation::Convert(target) => {
                let Some(position) = list.find(key) else { return };
                if let Some(value) = target.convert(list.value(position)) {
                    list.set(position, value.into());
                }
            }
        }
    }
}

impl Source {
    fn value<'a>(
        &'a self,
        list: &AttributeList<'a>,
        from_context: Option<&'a [u8]>,
    ) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Attribute(key) => list.find(key).map(|position| list.copy_value(position)),
            Self::Context(_) => from_context.map(Cow::Borrowed),
            Self::None => None,
        }
    }
}

fn hash(list: &mut AttributeList<'_>, key: &str, pattern: Option<&Regex>) {
    if let Some(position) = list.find(key) {
        list.set(position, hashed(list.value(position)).into());
    }
    let Some(pattern) = pattern else { return };
    for position in 0..list.len() {
        if pattern.is_match(list.key(position)) {
            list.set(position, hashed(list.value(position)).into());
        }
    }
}

/// SHA-256 in hex, as text: of text its bytes, of a boolean one byte, of a number eight bytes in little
/// endian. What has no hash becomes empty text.
fn hashed(value: AnyValue<'_>) -> Vec<u8> {
    let digest = match value.get() {
        Any::String(text) => Sha256::digest(text.as_bytes()),
        Any::Bool(value) => Sha256::digest([u8::from(value)]),
        Any::Int(value) => Sha256::digest(value.to_le_bytes()),
        Any::Double(value) => Sha256::digest(value.to_le_bytes()),
        Any::Empty | Any::Bytes(_) | Any::Array(_) | Any::Map(_) => {
            return NewValue::String("").to_bytes();
        }
    };
    NewValue::String(&const_hex::encode(digest)).to_bytes()
}

fn extract<'a>(list: &mut AttributeList<'a>, key: &str, pattern: &Regex, names: &'a [String]) {
    let Some(position) = list.find(key) else { return };
    let Some(text) = list.value(position).as_str() else { return };
    let Some(groups) = pattern.captures(text) else { return };
    // A group that took no part in the match is empty text.
    let value =
        |index: usize| NewValue::String(groups.get(index + 1).map_or("", |group| group.as_str())).to_bytes();
    let values: Vec<Vec<u8>> = (0..names.len()).map(value).collect();
    for (name, value) in names.iter().zip(values) {
        list.put(name, value.into());
    }
}

impl Target {
    /// The value in another type; `None` when it has that type or cannot be converted. A double that is
    /// too large for a whole number becomes the nearest one.
    fn convert(self, value: AnyValue<'_>) -> Option<Vec<u8>> {
        let converted = match (self, value.get()) {
            (Self::String, Any::String(_)) => return None,
            (Self::String, _) => return Some(NewValue::String(&to_text(value)).to_bytes()),
            (Self::Int, Any::Double(value)) => NewValue::Int(value as i64),
            (Self::Int, Any::Bool(value)) => NewValue::Int(i64::from(value)),
            (Self::Int, Any::String(text)) => NewValue::Int(text.parse().ok()?),
            (Self::Double, Any::Int(value)) => NewValue::Double(value as f64),
            (Self::Double, Any::Bool(value)) => NewValue::Double(f64::from(u8::from(value))),
            (Self::Double, Any::String(text)) => NewValue::Double(parse_float(text)?),
            // It is one already, or it is a list, a map, bytes or nothing.
            (Self::Int | Self::Double, _) => return None,
        };
        Some(converted.to_bytes())
    }
}
