//! Blocks that may be absent, empty, or switched off.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Visitor};

use crate::decode::OPTIONAL;

/// An optional block of the configuration: written (`grpc:` with or without a body), switched off
/// (`enabled: false`), or not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Optional<T> {
    /// The block is not there.
    #[default]
    Absent,
    /// The block is there; a null body is `T`'s default.
    Present(T),
    /// The block is there and says `enabled: false`; the rest of its body does not count.
    Disabled,
}

impl<T> Optional<T> {
    /// The block, unless it is absent or switched off.
    pub fn as_ref(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Disabled => None,
        }
    }

    /// The block, unless it is absent or switched off.
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Disabled => None,
        }
    }

    /// Whether the block counts.
    pub fn is_present(&self) -> bool {
        matches!(self, Self::Present(_))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Optional<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(OPTIONAL, OptionalVisitor(PhantomData))
    }
}

struct OptionalVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OptionalVisitor<T> {
    type Value = Optional<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a mapping")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Optional::Disabled)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        T::deserialize(deserializer).map(Optional::Present)
    }
}
