//! The keys of `bearertokenauth`, with the Collector's names and defaults.

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use spindle_config::Check;
use spindle_config::types::Secret;
use spindle_pipeline::component::ComponentConfig;

/// The extension's keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What stands before the token. Default Bearer; empty for the token alone.
    pub scheme: String,
    /// The header. Default Authorization.
    pub header: String,
    /// The token.
    pub token: Secret,
    /// Tokens: any of them is let in, the first is sent.
    pub tokens: Vec<Secret>,
    /// A file of tokens, one on a line, instead of those of the configuration.
    pub filename: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            scheme: "Bearer".to_owned(),
            header: "Authorization".to_owned(),
            token: Secret::default(),
            tokens: Vec::new(),
            filename: String::new(),
        }
    }
}

impl Config {
    /// The tokens of the configuration.
    pub(super) fn written(&self) -> Vec<Secret> {
        if self.tokens.is_empty() { vec![self.token.clone()] } else { self.tokens.clone() }
    }
}

/// The value of the header for a token, marked as secret.
pub(super) fn header_value(scheme: &str, token: &str) -> Result<HeaderValue, String> {
    let text = if scheme.is_empty() { token.to_owned() } else { format!("{scheme} {token}") };
    let mut value =
        HeaderValue::try_from(text).map_err(|_| "this token cannot stand in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        if self.token.is_empty() && self.tokens.is_empty() && self.filename.is_empty() {
            check.error("", "no bearer token provided");
        }
        if !self.token.is_empty() && !self.tokens.is_empty() {
            check.error("tokens", "either tokens or token should be provided, not both");
        }
        if !self.filename.is_empty() && (!self.token.is_empty() || !self.tokens.is_empty()) {
            check.warning("filename", "a filename is specified; the configured tokens are ignored");
        }
        if HeaderName::try_from(&self.header).is_err() {
            check.error("header", format!("\"{}\" cannot be a header's name", self.header));
        }
        if HeaderValue::try_from(&self.scheme).is_err() {
            check.error("scheme", "this scheme cannot stand in a header");
        }
        if let Err(message) = header_value("", self.token.expose()) {
            check.error("token", message);
        }
        for (index, token) in self.tokens.iter().enumerate() {
            let key = format!("tokens::{index}");
            if token.is_empty() {
                check.error(&key, "a token must not be empty");
            } else if let Err(message) = header_value("", token.expose()) {
                check.error(&key, message);
            }
        }
    }
}
