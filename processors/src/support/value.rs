//! Values of attributes as they are written in the configuration.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use spindle_pipeline::otlp::attributes::{NewValue, put_attribute};
use spindle_pipeline::otlp::wire::put_bytes;

/// A value with the type it has in YAML: `123` is a whole number, `"123"` is text.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigValue {
    /// Nothing; only within lists and maps, elsewhere nothing means that no value is given.
    Empty,
    /// Text.
    String(String),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Double(f64),
    /// A list.
    List(Vec<ConfigValue>),
    /// Keys and values in the order they are written.
    Map(Vec<(String, ConfigValue)>),
}

impl ConfigValue {
    /// The bytes of its `AnyValue`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut content = Vec::new();
        match self {
            Self::Empty => return Vec::new(),
            Self::String(text) => return NewValue::String(text).to_bytes(),
            Self::Bool(value) => return NewValue::Bool(*value).to_bytes(),
            Self::Int(value) => return NewValue::Int(*value).to_bytes(),
            Self::Double(value) => return NewValue::Double(*value).to_bytes(),
            Self::List(items) => items.iter().for_each(|item| put_bytes(&mut content, 1, &item.to_bytes())),
            Self::Map(entries) => {
                for (key, value) in entries {
                    put_attribute(&mut content, 1, key, &NewValue::Raw(&value.to_bytes()));
                }
            }
        }
        let number = if matches!(self, Self::List(_)) { 5 } else { 6 };
        let mut out = Vec::with_capacity(content.len() + 4);
        put_bytes(&mut out, number, &content);
        out
    }

    /// What the Collector calls its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::String(_) => "Str",
            Self::Bool(_) => "Bool",
            Self::Int(_) => "Int",
            Self::Double(_) => "Double",
            Self::List(_) => "Slice",
            Self::Map(_) => "Map",
        }
    }
}

impl<'de> Deserialize<'de> for ConfigValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = ConfigValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Empty)
    }

    fn visit_bool<E>(self, value: bool) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Int(value))
    }

    /// Attributes have no unsigned numbers: what is too large wraps, as in the Collector.
    fn visit_u64<E>(self, value: u64) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Int(value.cast_signed()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Double(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ConfigValue, E> {
        Ok(ConfigValue::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ConfigValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(ConfigValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<ConfigValue, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(ConfigValue::Map(map))
    }
}
