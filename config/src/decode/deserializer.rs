//! The serde side of [`decode`](super::decode): a node as a `Deserializer`.

use std::cell::RefCell;
use std::collections::HashMap;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::{Place, address};
use super::{DecodeError, with_references};
use crate::tree::{Entry, Mapping, Node, Scalar, ScalarKind, Value};
use crate::{Diagnostic, Diagnostics, nearest, quoted_list};

/// The newtype name by which [`crate::types::Optional`] asks for its `enabled` key.
pub(crate) const OPTIONAL: &str = "$spindle::Optional";

/// What all deserializers of one `decode` share.
#[derive(Default)]
pub(super) struct Context {
    /// Addresses of nodes, and whether an error was reported for each.
    masked: RefCell<HashMap<usize, bool>>,
    diagnostics: RefCell<Diagnostics>,
}

impl Context {
    /// Takes a node out of the next round; false when it was out already.
    pub(super) fn mask(&self, place: &Place, reported: bool) -> bool {
        self.masked.borrow_mut().insert(place.address, reported).is_none()
    }

    /// Whether an error says that a key of `node` is missing which was taken out after an error of its own.
    fn is_masked_field(&self, error: &DecodeError, node: &Node) -> bool {
        let field = error.missing_field().and_then(|field| node.get(field));
        field.is_some_and(|value| self.masked.borrow().get(&address(value)) == Some(&true))
    }

    pub(super) fn report(&self, diagnostic: Diagnostic) {
        self.diagnostics.borrow_mut().push(diagnostic);
    }

    /// Reports a value that could not be read.
    pub(super) fn report_unreadable(&self, diagnostic: Diagnostic) {
        self.mark_unreadable(diagnostic.path.clone());
        self.report(diagnostic);
    }

    fn mark_unreadable(&self, path: String) {
        self.diagnostics.borrow_mut().mark_unreadable(path);
    }

    pub(super) fn into_diagnostics(self) -> Diagnostics {
        self.diagnostics.into_inner()
    }

    fn is_masked(&self, node: &Node) -> bool {
        self.masked.borrow().contains_key(&address(node))
    }

    fn visible<'a>(&self, mapping: &'a Mapping) -> Vec<&'a Entry> {
        mapping.iter().filter(|entry| !self.is_masked(&entry.value)).collect()
    }
}

/// The way from the root to a node, put into words only when an error needs it.
pub(super) enum Path<'a> {
    Root(&'a str),
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn render(&self) -> String {
        match self {
            Self::Root(text) => (*text).to_owned(),
            Self::Key(parent, key) => match parent.render() {
                parent if parent.is_empty() => (*key).to_owned(),
                parent => format!("{parent}::{key}"),
            },
            Self::Index(parent, index) => format!("{}[{index}]", parent.render()),
        }
    }
}

/// A node of the tree (`'de`) on the way that led to it (`'p`).
pub(super) struct Deserializer<'de, 'p> {
    node: &'de Node,
    path: &'p Path<'p>,
    context: &'p Context,
    /// The `enabled` key belongs to an [`OPTIONAL`] around the struct and is read already.
    enabled_is_read: bool,
}

impl<'de, 'p> Deserializer<'de, 'p> {
    pub(super) fn new(node: &'de Node, path: &'p Path<'p>, context: &'p Context) -> Self {
        Self { node, path, context, enabled_is_read: false }
    }

    fn scalar(&self, wanted: &str) -> Result<&'de Scalar, DecodeError> {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.kind != ScalarKind::Null => Ok(scalar),
            _ => Err(self.expected(wanted)),
        }
    }

    fn expected(&self, wanted: &str) -> DecodeError {
        self.at(DecodeError::expected(wanted, self.node))
    }

    fn at(&self, error: DecodeError) -> DecodeError {
        error.at(self.node, || self.path.render())
    }

    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let (node, path) = (self.node, self.path);
        let result = match self.scalar("a number")?.kind {
            ScalarKind::Int(value) => visit_integer(value, visitor),
            ScalarKind::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
                visit_integer(value as i128, visitor)
            }
            ScalarKind::Float(value) => visitor.visit_f64(value),
            _ => return Err(DecodeError::expected("a number", node).at(node, || path.render())),
        };
        result.map_err(|error| error.at(node, || path.render()))
    }

    fn entries(&self) -> Result<Vec<&'de Entry>, DecodeError> {
        match &self.node.value {
            Value::Mapping(mapping) => Ok(self.context.visible(mapping)),
            _ if self.node.is_null() => Ok(Vec::new()),
            _ => Err(self.expected("a mapping")),
        }
    }

    fn report_unknown_keys(&self, entries: &mut Vec<&'de Entry>, fields: &'static [&'static str]) {
        entries.retain(|entry| {
            let is_known = fields.contains(&entry.key.as_str());
            let is_read = self.enabled_is_read && entry.key == "enabled";
            if !is_known && !is_read {
                self.report_unknown_key(entry, fields);
            }
            is_known
        });
    }

    fn report_unknown_key(&self, entry: &Entry, fields: &'static [&'static str]) {
        let mut diagnostic = Diagnostic::error(format!("has invalid keys: {}", entry.key))
            .at(entry.key_origin)
            .path(self.path.render());
        if let Some(name) = nearest(&entry.key, fields.iter().copied()) {
            diagnostic = diagnostic.help(format!("did you mean `{name}`?"));
            // That one is missing because of the misspelling; saying so as well would be noise.
            self.context.mark_unreadable(Path::Key(self.path, name).render());
        }
        if fields.is_empty() {
            diagnostic = diagnostic.note("no keys are allowed here");
        } else {
            diagnostic = diagnostic.note(format!("allowed here: {}", quoted_list(fields.iter().copied())));
        }
        self.context.report(with_references(diagnostic, self.node));
    }

    fn visit_entries<V: Visitor<'de>>(
        self,
        entries: Vec<&'de Entry>,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let (node, path) = (self.node, self.path);
        let access = Entries { entries: entries.into_iter(), value: None, path, context: self.context };
        let context = self.context;
        visitor.visit_map(access).map_err(|error: DecodeError| {
            let follows = context.is_masked_field(&error, node);
            let error = if follows { DecodeError::following_another() } else { error };
            error.at(node, || path.render())
        })
    }
}

fn visit_integer<'de, V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value, DecodeError> {
    match (u64::try_from(value), i64::try_from(value)) {
        (Ok(value), _) => visitor.visit_u64(value),
        (_, Ok(value)) => visitor.visit_i64(value),
        _ => Err(serde::de::Error::custom("expected an integer of at most 64 bits")),
    }
}

impl<'de> serde::Deserializer<'de> for Deserializer<'de, '_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let (node, path) = (self.node, self.path);
        match &node.value {
            Value::Sequence(_) => return self.deserialize_seq(visitor),
            Value::Mapping(_) => return self.deserialize_map(visitor),
            Value::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => visitor.visit_unit(),
                ScalarKind::Bool(value) => visitor.visit_bool(value),
                ScalarKind::Int(value) => visit_integer(value, visitor),
                ScalarKind::Float(value) => visitor.visit_f64(value),
                ScalarKind::String => visitor.visit_borrowed_str(&scalar.text),
            },
        }
        .map_err(|error: DecodeError| error.at(node, || path.render()))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.scalar("a boolean")?.kind {
            ScalarKind::Bool(value) => visitor.visit_bool(value),
            _ => Err(self.expected("a boolean (true or false)")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.number(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.number(visitor)
    }

    /// For what is written as a string and is something else, a duration say: nothing is nothing.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let scalar = self.scalar("a string")?;
        visitor.visit_borrowed_str(&scalar.text).map_err(|error: DecodeError| self.at(error))
    }

    /// For strings: a reference gives its text word for word, an unset variable the empty string.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = if self.node.references.is_empty() {
            self.scalar("a string")?.text.as_str()
        } else {
            self.node.written().ok_or_else(|| self.expected("a string"))?
        };
        visitor.visit_borrowed_str(text).map_err(|error: DecodeError| self.at(error))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name != OPTIONAL {
            return visitor.visit_newtype_struct(self);
        }
        match self.node.get("enabled").filter(|enabled| !self.context.is_masked(enabled)) {
            None => visitor.visit_newtype_struct(self),
            Some(enabled) => match enabled.as_scalar().map(|scalar| scalar.kind) {
                Some(ScalarKind::Bool(false)) => visitor.visit_none(),
                Some(ScalarKind::Bool(true)) => {
                    visitor.visit_newtype_struct(Self { enabled_is_read: true, ..self })
                }
                _ => Err(DecodeError::expected("a boolean (true or false)", enabled)
                    .at(enabled, || Path::Key(self.path, "enabled").render())),
            },
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let (node, path) = (self.node, self.path);
        let result = match &node.value {
            Value::Sequence(items) => {
                let items = items.iter().enumerate();
                visitor.visit_seq(Items { items, path, context: self.context })
            }
            Value::Scalar(scalar) if scalar.kind == ScalarKind::String => {
                let parts = scalar.text.split(',').map(str::trim).filter(|part| !part.is_empty());
                visitor.visit_seq(serde::de::value::SeqDeserializer::new(parts))
            }
            _ => return Err(self.expected("a list")),
        };
        result.map_err(|error| error.at(node, || path.render()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, DecodeError> {
        // Without the item that was taken out, the others would be read in the wrong places.
        if self.node.as_sequence().is_some_and(|items| items.iter().any(|item| self.context.is_masked(item)))
        {
            return Err(self.at(DecodeError::following_another()));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let mut entries = self.entries()?;
        entries.retain(|entry| !self.enabled_is_read || entry.key != "enabled");
        self.visit_entries(entries, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let mut entries = self.entries()?;
        self.report_unknown_keys(&mut entries, fields);
        self.visit_entries(entries, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let scalar = self.scalar("a string")?;
        visitor.visit_enum(Variant(&scalar.text)).map_err(|error| self.at(error))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.number(visitor)
    }
    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.number(visitor)
    }
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.number(visitor)
    }
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.number(visitor)
    }
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.number(visitor)
    }
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.number(visitor)
    }
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.number(visitor)
    }
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.number(visitor)
    }
    forward_to_deserialize_any! {
        char bytes byte_buf unit unit_struct tuple_struct identifier
    }
}

/// The items of a list; one that failed before is passed over.
struct Items<'de, 'p> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
    path: &'p Path<'p>,
    context: &'p Context,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = DecodeError;

    // A list has no default that could stay in place of an item, so a null is an error here.
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        for (index, node) in self.items.by_ref() {
            if !self.context.is_masked(node) {
                let path = Path::Index(self.path, index);
                return seed
                    .deserialize(Deserializer::new(node, &path, self.context))
                    .map(Some)
                    .map_err(|error| error.or_missing_item(node));
            }
        }
        Ok(None)
    }
}

/// The entries of a mapping.
struct Entries<'de, 'p> {
    entries: std::vec::IntoIter<&'de Entry>,
    value: Option<&'de Entry>,
    path: &'p Path<'p>,
    context: &'p Context,
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.value = self.entries.next();
        let Some(entry) = self.value else {
            return Ok(None);
        };
        seed.deserialize(BorrowedStrDeserializer::new(&entry.key))
            .map(Some)
            .map_err(|error: DecodeError| error.at_key(entry, || self.path.render()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let Some(entry) = self.value.take() else {
            return Err(serde::de::Error::custom("a value without a key"));
        };
        let path = Path::Key(self.path, &entry.key);
        seed.deserialize(Deserializer::new(&entry.value, &path, self.context))
    }
}

/// An enum written as one word.
struct Variant<'de>(&'de str);

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        let name: StrDeserializer<'_, DecodeError> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value, DecodeError> {
        Err(serde::de::Error::custom("expected one word"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, _visitor: V) -> Result<V::Value, DecodeError> {
        Err(serde::de::Error::custom("expected one word"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, DecodeError> {
        Err(serde::de::Error::custom("expected one word"))
    }
}
