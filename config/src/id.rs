//! `type/name`, how the configuration names a component or a pipeline.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A component's id: its type and, where one type stands there twice, a name.
///
/// The type starts with a letter and has letters, digits and underscores, at most 63; the name has at most
/// 1,024 characters and no blanks, control characters or symbols such as `$` and `+`. Blanks around either
/// do not count. These are the Collector's rules, with symbols outside of ASCII allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId {
    text: Arc<str>,
    type_length: usize,
}

impl ComponentId {
    /// An id without a name, for components that the program makes itself.
    pub fn of_type(component_type: &str) -> Self {
        Self { text: component_type.into(), type_length: component_type.len() }
    }

    /// What is before the slash.
    pub fn component_type(&self) -> &str {
        &self.text[..self.type_length]
    }

    /// What is behind the slash, or nothing.
    pub fn name(&self) -> &str {
        self.text.get(self.type_length + 1..).unwrap_or("")
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for ComponentId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = match text.split_once('/') {
            Some((kind, name)) => (kind.trim(), Some(name.trim())),
            None => (text.trim(), None),
        };
        if kind.is_empty() {
            return Err(format!("in \"{text}\" id: the part before / should not be empty"));
        }
        let is_type = kind.starts_with(|first: char| first.is_ascii_alphabetic())
            && kind.len() <= 63
            && kind.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !is_type {
            return Err(format!(
                "in \"{text}\" id: invalid character(s) in type \"{kind}\" (a letter, then letters, digits and _, at most 63)"
            ));
        }
        match name {
            Some("") => Err(format!("in \"{text}\" id: the part after / should not be empty")),
            Some(name) if name.chars().count() > 1024 => {
                Err(format!("in \"{kind}/...\" id: a name has at most 1,024 characters"))
            }
            Some(name) if name.contains(is_no_name_character) => Err(format!(
                "in \"{text}\" id: invalid character(s) in name \"{name}\" (no blanks, control characters and symbols)"
            )),
            Some(name) => Ok(Self { text: format!("{kind}/{name}").into(), type_length: kind.len() }),
            None => Ok(Self::of_type(kind)),
        }
    }
}

fn is_no_name_character(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~')
}

#[cfg(test)]
mod tests;
