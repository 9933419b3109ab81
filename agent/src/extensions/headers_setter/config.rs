//! The keys of `headers_setter`, with the Collector's names and defaults.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use serde::Deserialize;
use spindle_config::types::Secret;
use spindle_config::{Check, Diagnostic};
use spindle_pipeline::component::ComponentConfig;

/// Headers that say how a message is framed and to whom it goes.
const FRAMING: [HeaderName; 4] = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, HOST];

/// The extension's keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What to do with headers, in this order.
    pub headers: Vec<HeaderConfig>,
}

/// An item of `headers`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeaderConfig {
    /// The header.
    pub key: String,
    /// insert, update, upsert (default) or delete.
    pub action: String,
    /// Its value.
    pub value: Option<Secret>,
    /// The key of the client's metadata that has its value.
    pub from_context: Option<String>,
    /// Its value when the client's metadata has none.
    pub default_value: Option<Secret>,
}

/// What is done with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Write it where there is none.
    Insert,
    /// Write it where there is one.
    Update,
    /// Write it.
    Upsert,
    /// Remove it.
    Delete,
}

impl HeaderConfig {
    pub(super) fn action(&self) -> Option<Action> {
        Some(match self.action.as_str() {
            "insert" => Action::Insert,
            "update" => Action::Update,
            "upsert" | "" => Action::Upsert,
            "delete" => Action::Delete,
            _ => return None,
        })
    }

    fn validate(&self, check: &mut Check<'_>) {
        match HeaderName::try_from(&self.key) {
            _ if self.key.is_empty() => check.error("key", "missing header name"),
            Err(_) => check.error("key", "this cannot be a header's name"),
            Ok(name) if FRAMING.contains(&name) => {
                check.error("key", format!("the header {name} belongs to the protocol and cannot be set"))
            }
            Ok(_) => {}
        }
        let action = self.action();
        if action.is_none() {
            let problem = Diagnostic::error("unknown action");
            check.report("action", problem.note("supported: `insert`, `update`, `upsert`, `delete`"));
        }
        if action != Some(Action::Delete) {
            self.validate_source(check);
        }
        for (key, value) in [("value", &self.value), ("default_value", &self.default_value)] {
            if value.as_ref().is_some_and(|value| HeaderValue::try_from(value.expose()).is_err()) {
                check.error(key, "this value cannot stand in a header");
            }
        }
    }

    fn validate_source(&self, check: &mut Check<'_>) {
        match (&self.value, &self.from_context) {
            (None, None) => check.error("", "missing header source, must be 'from_context' or 'value'"),
            (Some(_), Some(_)) => {
                check.error("from_context", "invalid header source, must either 'from_context' or 'value'");
            }
            _ => {}
        }
        if self.value.is_some() && self.default_value.is_some() {
            check.error("default_value", "`default_value` belongs to `from_context`");
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        if self.headers.is_empty() {
            check.error("headers", "missing headers configuration");
        }
        for (index, header) in self.headers.iter().enumerate() {
            header.validate(&mut check.below(&format!("headers::{index}")));
        }
    }
}
