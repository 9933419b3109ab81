//! A tree as YAML or JSON text, for `print-config` and the run folder.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::secret;
use crate::tree::{Node, Scalar, ScalarKind, Value};

/// A tree to be serialized, with or without its secrets.
#[derive(Clone, Copy, Debug)]
pub struct Printed<'a> {
    node: &'a Node,
    redact: bool,
    secret: bool,
}

impl<'a> Printed<'a> {
    /// Secrets are replaced by [`secret::REDACTED`].
    pub fn redacted(node: &'a Node) -> Self {
        Self { node, redact: true, secret: false }
    }

    /// Secrets are printed.
    pub fn unredacted(node: &'a Node) -> Self {
        Self { node, redact: false, secret: false }
    }

    /// The tree as YAML.
    pub fn to_yaml(self) -> Result<String, serde_yaml::Error> {
        serde_yaml::to_string(&self)
    }

    /// Whether a secret may be a string that YAML takes for something else, with the secret in its keys:
    /// what a reference led to, or `{hunter2}`.
    fn may_only_look_like_a_collection(self) -> bool {
        let is_from_elsewhere = self.node.references.iter().any(|reference| reference.text.is_some());
        let mut entries = self.node.as_mapping().into_iter().flatten();
        is_from_elsewhere || entries.any(|entry| entry.value.is_null())
    }

    fn serialize_scalar<S: Serializer>(self, scalar: &Scalar, serializer: S) -> Result<S::Ok, S::Error> {
        match scalar.kind {
            ScalarKind::Null => serializer.serialize_unit(),
            ScalarKind::Bool(value) => serializer.serialize_bool(value),
            _ if self.redact && self.secret => serializer.serialize_str(secret::REDACTED),
            ScalarKind::Int(value) => match u64::try_from(value) {
                Ok(value) => serializer.serialize_u64(value),
                Err(_) => serializer.serialize_i64(value as i64),
            },
            ScalarKind::Float(value) => serializer.serialize_f64(value),
            ScalarKind::String if self.redact => {
                // The string may be a part of a configuration itself, in a variable say.
                let text = secret::redact_by_look(&scalar.text);
                serializer.serialize_str(&secret::redact_urls(&text))
            }
            ScalarKind::String => serializer.serialize_str(&scalar.text),
        }
    }

    fn child(self, node: &'a Node, secret: bool) -> Self {
        Self { node, redact: self.redact, secret: self.secret || secret }
    }
}

impl Serialize for Printed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.node.value {
            _ if self.redact && self.secret && self.may_only_look_like_a_collection() => {
                serializer.serialize_str(secret::REDACTED)
            }
            Value::Sequence(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&self.child(item, false))?;
                }
                list.end()
            }
            Value::Mapping(mapping) => {
                let mut map = serializer.serialize_map(None)?;
                for entry in mapping {
                    let is_secret = secret::entry_is_secret(mapping, &entry.key);
                    map.serialize_entry(&entry.key, &self.child(&entry.value, is_secret))?;
                }
                map.end()
            }
            Value::Scalar(scalar) => self.serialize_scalar(scalar, serializer),
        }
    }
}

#[cfg(test)]
mod tests;
