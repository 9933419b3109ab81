//! The keys `auth` and `middlewares`, and the signing of requests by the authenticator that `auth` names.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use spindle_config::Check;
use spindle_pipeline::RequestContext;
use spindle_pipeline::auth::{AuthConfig, AuthenticatorUse, ClientAuthenticator, Role};
use spindle_pipeline::component::BuildContext;
use spindle_pipeline::error::{BuildError, ExportError};

/// An item of `middlewares`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Middleware {
    /// The extension that handles requests.
    pub id: String,
}

/// Refuses `middlewares` as long as there is no extension they could name.
pub fn check_middlewares(middlewares: &[Middleware], check: &mut Check<'_>) {
    if !middlewares.is_empty() {
        check.error("middlewares", "middlewares are not built into this version of spindle yet");
    }
}

/// What the key `auth` below `key` asks for.
pub fn authenticators(key: &str, auth: Option<&AuthConfig>) -> Vec<AuthenticatorUse> {
    auth.map(|auth| AuthenticatorUse::new(key, &auth.authenticator, Role::Client)).into_iter().collect()
}

/// Signs requests by the authenticator of the key `auth`, if there is one.
pub struct Signer {
    authenticator: Option<Arc<dyn ClientAuthenticator>>,
    /// Headers that belong to the protocol, in lower case.
    protocol: &'static [&'static str],
}

impl Signer {
    /// By the key `auth`. `protocol` are headers that no authenticator changes.
    pub fn new(
        auth: Option<&AuthConfig>,
        protocol: &'static [&'static str],
        context: &BuildContext,
    ) -> Result<Self, BuildError> {
        let name = auth.map(|auth| auth.authenticator.as_str());
        Ok(Self { authenticator: context.authenticators.client("", name)?, protocol })
    }

    /// Writes the authenticator's headers over those of one attempt.
    pub fn sign(&self, headers: &mut HeaderMap, context: Option<&RequestContext>) -> Result<(), ExportError> {
        let Some(authenticator) = &self.authenticator else { return Ok(()) };
        let protocol = || self.protocol.iter().map(|name| HeaderName::from_static(name));
        let kept: Vec<_> =
            protocol().filter_map(|name| headers.remove(&name).map(|value| (name, value))).collect();
        authenticator.authenticate(headers, context)?;
        for name in protocol() {
            headers.remove(name);
        }
        headers.extend(kept);
        Ok(())
    }
}
