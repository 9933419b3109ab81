//! The keys `auth` and `middlewares`, which name extensions that this version does not have.

use serde::Deserialize;
use spindle_config::Check;

/// `auth`, and an item of `middlewares`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The extension that signs requests.
    pub authenticator: String,
    /// The extension that handles requests.
    pub id: String,
}

/// Refuses both keys as long as there is no extension they could name.
pub fn check_auth(auth: Option<&Auth>, middlewares: &[Auth], check: &mut Check<'_>) {
    if auth.is_some() {
        check.error("auth", "authenticators are not built into this version of spindle yet");
    }
    if !middlewares.is_empty() {
        check.error("middlewares", "middlewares are not built into this version of spindle yet");
    }
}
