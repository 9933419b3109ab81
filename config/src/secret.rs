//! What must never be shown, and how it is blotted out.
//!
//! Secret are
//!
//! * the values of keys that are named like one ([`is_secret_key`]), and every value below `headers`, also
//!   when such a name is misspelt by a letter: the error about the spelling shows the line;
//! * the `value` beside a `key:` or `name:` that is named like one, as attribute actions are written;
//! * the user and password in a URL, and what follows `name=` in a text if the name is a secret's.
//!
//! The same rule serves errors, logs, `print-config` and the run folder. Where a source line is shown,
//! more is hidden rather than less: [`Redactor`] also goes by the look of a text that is no YAML.

mod look;
mod redactor;
mod text;

pub(crate) use look::redact_by_look;
pub use redactor::Redactor;
pub use text::redact_urls;

use crate::tree::{Mapping, Node, Origin, ScalarKind, Value};

/// What stands in place of a secret.
pub const REDACTED: &str = "[REDACTED]";

/// Words in a key, separators written as `_`.
const SECRET_WORDS: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "authorization",
    "credential",
    "cookie",
    "key_pem",
    "private_key",
    "access_key",
    "account_key",
    "license_key",
    "connection_string",
    "_pwd",
];
/// Keys that carry such a word and hold the place of a secret, or no secret at all.
const PUBLIC_ENDINGS: [&str; 5] = ["_file", "_url", "_path", "_endpoint", "_tokens"];
/// Components whose type carries such a word.
const PUBLIC_TYPES: [&str; 2] = ["bearertokenauth", "bearer_token_auth"];
/// The names that people write such keys with, for finding the ones that lost a letter.
const SECRET_NAMES: [&str; 14] = [
    "headers",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "client_secret",
    "token",
    "bearer_token",
    "api_key",
    "authorization",
    "credentials",
    "cookie",
    "key_pem",
    "private_key",
];
/// Words of a configuration that are a letter away from one of those.
const OTHER_WORDS: [&str; 2] = ["readers", "header"];
/// Keys that name what their neighbour `value` belongs to.
const NAMING_KEYS: [&str; 2] = ["key", "name"];

/// Whether the value of this key is a secret.
pub fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace(['-', '.', ' '], "_");
    let component_type = key.split('/').next().unwrap_or("");
    (SECRET_WORDS.iter().any(|word| key.contains(word)) || is_misspelt_secret(&key))
        && !PUBLIC_ENDINGS.iter().any(|end| key.ends_with(end))
        && !PUBLIC_TYPES.contains(&component_type)
}

/// Whether a letter is missing, too many, another one, or in the place of its neighbour, in the whole key
/// or in its last word.
fn is_misspelt_secret(key: &str) -> bool {
    let last_word = key.rsplit('_').next().unwrap_or("");
    [key, last_word].into_iter().any(|word| {
        let is_near = |name: &&str| {
            word.len().abs_diff(name.len()) <= 1 && strsim::damerau_levenshtein(word, name) == 1
        };
        !OTHER_WORDS.contains(&word) && SECRET_NAMES.iter().any(is_near)
    })
}

/// Whether everything below this key is a secret, because headers carry credentials under any name.
pub fn holds_secrets(key: &str) -> bool {
    let names_only = matches!(key, "allowed_headers" | "exposed_headers");
    key == "headers" || key.ends_with("_headers") && !names_only
}

/// Calls `visit` for every scalar with whether it is a secret.
pub fn visit_scalars(node: &Node, visit: &mut dyn FnMut(&Node, bool)) {
    walk(node, false, visit);
}

fn walk(node: &Node, secret: bool, visit: &mut dyn FnMut(&Node, bool)) {
    match &node.value {
        Value::Scalar(scalar) => visit(node, secret && !is_switch(scalar.kind)),
        Value::Sequence(items) => items.iter().for_each(|item| walk(item, secret, visit)),
        Value::Mapping(mapping) => {
            for entry in mapping {
                walk(&entry.value, secret || entry_is_secret(mapping, &entry.key), visit);
            }
        }
    }
}

/// Calls `visit` for every key without a value below a secret key: `{hunter2}` is a mapping to YAML and a
/// password to who wrote it.
fn visit_bare_keys(node: &Node, secret: bool, visit: &mut dyn FnMut(Origin)) {
    match &node.value {
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| visit_bare_keys(item, secret, visit)),
        Value::Mapping(mapping) => {
            for entry in mapping {
                if secret && entry.value.is_null() {
                    visit(entry.key_origin);
                }
                visit_bare_keys(&entry.value, secret || entry_is_secret(mapping, &entry.key), visit);
            }
        }
    }
}

/// `true` and `false` give no secret away, wherever they stand.
pub(crate) fn is_switch(kind: ScalarKind) -> bool {
    matches!(kind, ScalarKind::Bool(_))
}

/// Whether what stands below `key` of this mapping is secret.
pub fn entry_is_secret(mapping: &Mapping, key: &str) -> bool {
    let named_by_neighbour = || {
        NAMING_KEYS.iter().any(|naming| {
            let name = mapping.get(naming).and_then(|entry| entry.value.as_text());
            name.is_some_and(is_secret_key)
        })
    };
    is_secret_key(key) || holds_secrets(key) || key == "value" && named_by_neighbour()
}

/// `${env:PASSWORD}` and `${file:PATH}` name a secret without telling it.
fn is_plain_reference(text: &str) -> bool {
    let text = text.trim_matches(['"', '\'']);
    let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
        return false;
    };
    if name.contains(['$', '{', '}']) {
        return false;
    }
    let variable = name.strip_prefix("env:").unwrap_or(name);
    let is_variable = variable.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_variable || name.starts_with("file:")
}

#[cfg(test)]
mod tests;
