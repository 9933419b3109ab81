//! Who may send, and as whom we send: what extensions offer and receivers and exporters ask for.
//!
//! * A [`ServerAuthenticator`] judges the headers of a request before its body is read. What it does not
//!   let in reaches no pipeline and is answered with 401 or `UNAUTHENTICATED`.
//! * A [`ClientAuthenticator`] writes the headers of each attempt just before it is sent, so that a
//!   credential that changed on disk counts from the next attempt on.
//! * Components name an extension at the key `auth` ([`AuthConfig`]) and say so by [`AuthenticatorUse`];
//!   the plan checks that it is there, is started and offers the [`Role`]. [`Authenticators`] has it when they
//!   are built.
//! * Nothing here or below shows a secret: errors tell what is missing, never what was sent.

mod fingerprint;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use spindle_config::ComponentId;

use crate::batch::RequestContext;
use crate::error::{BuildError, Code, ConsumeError, ExportError};

pub use fingerprint::{Fingerprint, Fingerprinter};

/// Judges requests that come in.
#[async_trait]
pub trait ServerAuthenticator: Send + Sync + 'static {
    /// Lets a request with these headers in, or says why not. Called before the body is read; it may take
    /// as long as a password hash takes and does its slow work beside the event loop.
    async fn authenticate(&self, headers: &HeaderMap) -> Result<(), Refusal>;
}

/// Writes the headers of requests that go out.
pub trait ClientAuthenticator: Send + Sync + 'static {
    /// Changes the headers of one attempt; called on the event loop, so it reads no files. `context` is
    /// what is known about the client whose data goes out. Values that are secret are marked as sensitive. An
    /// error is the attempt's error.
    fn authenticate(
        &self,
        headers: &mut HeaderMap,
        context: Option<&RequestContext>,
    ) -> Result<(), ExportError>;
}

/// A request that is not let in.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What the client is told.
    pub error: ConsumeError,
    /// `WWW-Authenticate` of an answer by HTTP.
    pub challenge: Option<HeaderValue>,
}

impl Refusal {
    /// The request is from nobody known. `message` must not quote what was sent.
    pub fn unauthenticated(message: impl Into<String>, challenge: Option<&HeaderValue>) -> Self {
        Self { error: ConsumeError::new(Code::Unauthenticated, message), challenge: challenge.cloned() }
    }
}

/// The `Authorization` of a user with a password, marked as secret. RFC 7617.
pub fn basic(user: &[u8], password: &[u8]) -> Result<HeaderValue, InvalidHeaderValue> {
    let encoded = STANDARD.encode([user, password].join(&b':'));
    let mut value = HeaderValue::try_from(format!("Basic {encoded}"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Which side of a request an authenticator is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Requests that go out.
    Client,
    /// Requests that come in.
    Server,
}

impl Role {
    /// `client`, `server`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The roles that an extension takes with its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// It is a client authenticator.
    pub client: bool,
    /// It is a server authenticator.
    pub server: bool,
}

impl Roles {
    /// Both.
    pub const BOTH: Self = Self { client: true, server: true };
    /// Outgoing requests only.
    pub const CLIENT: Self = Self { client: true, server: false };
    /// Incoming requests only.
    pub const SERVER: Self = Self { client: false, server: true };

    /// Whether this role is among them.
    pub const fn has(self, role: Role) -> bool {
        match role {
            Role::Client => self.client,
            Role::Server => self.server,
        }
    }
}

/// The key `auth` of receivers and exporters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// The id of the extension.
    pub authenticator: String,
}

/// A component asks for an authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatorUse {
    /// The key of the extension's name, below the component's body.
    pub key: String,
    /// The extension's id as it is written.
    pub name: String,
    /// What it is asked for.
    pub role: Role,
}

impl AuthenticatorUse {
    /// The use that the key `auth` below `key` makes; `key` is empty or ends in `::`.
    pub fn new(key: &str, name: &str, role: Role) -> Self {
        Self { key: format!("{key}auth::authenticator"), name: name.to_owned(), role }
    }
}

/// What a built extension offers.
#[derive(Clone, Default)]
pub struct Offered {
    /// For requests that go out.
    pub client: Option<Arc<dyn ClientAuthenticator>>,
    /// For requests that come in.
    pub server: Option<Arc<dyn ServerAuthenticator>>,
}

/// The authenticators of the extensions that are started, by their ids.
#[derive(Clone, Default)]
pub struct Authenticators(Arc<BTreeMap<ComponentId, Offered>>);

impl Authenticators {
    /// Adds what an extension offers.
    pub fn add(&mut self, id: ComponentId, offered: Offered) {
        if offered.client.is_some() || offered.server.is_some() {
            Arc::make_mut(&mut self.0).insert(id, offered);
        }
    }

    /// The client authenticator of the key `auth` below `key` ([`AuthenticatorUse::new`]); `None` when no
    /// name is written.
    pub fn client(
        &self,
        key: &str,
        name: Option<&str>,
    ) -> Result<Option<Arc<dyn ClientAuthenticator>>, BuildError> {
        self.find(key, name, Role::Client, |offered| offered.client.clone())
    }

    /// The same for a server authenticator.
    pub fn server(
        &self,
        key: &str,
        name: Option<&str>,
    ) -> Result<Option<Arc<dyn ServerAuthenticator>>, BuildError> {
        self.find(key, name, Role::Server, |offered| offered.server.clone())
    }

    fn find<T>(
        &self,
        key: &str,
        name: Option<&str>,
        role: Role,
        pick: impl Fn(&Offered) -> Option<T>,
    ) -> Result<Option<T>, BuildError> {
        let Some(name) = name else { return Ok(None) };
        let offered = name.parse().ok().and_then(|id: ComponentId| self.0.get(&id));
        offered.and_then(pick).map(Some).ok_or_else(|| {
            // The plan has checked the names, so the extension itself could not be built.
            let key = AuthenticatorUse::new(key, name, role).key;
            BuildError::new(key, format!("the {role} authenticator \"{name}\" is not there"))
        })
    }
}
