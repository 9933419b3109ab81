//! The `basicauth` extension: user and password, sent by exporters or demanded by receivers.
//!
//! What it guarantees:
//!
//! * A receiver lets in who sends the password of a user of the `htpasswd`. Users who are not there take as long
//!   to refuse as those who are; slow hashes are computed beside the event loop, two at once, and once for each
//!   user who was right.
//! * Files that change count within about a second, for both sides, without a restart; files that cannot be
//!   read then change nothing.
//! * A hash of a scheme that is not known is an error before the start, never a password.

mod config;
mod hash;
mod users;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use spindle_pipeline::auth::{
    self, ClientAuthenticator, Fingerprinter, Offered, Refusal, Roles, ServerAuthenticator,
};
use spindle_pipeline::component::{
    BuildContext, Extension, ExtensionContext, ExtensionFactory, Factory, Stability,
};
use spindle_pipeline::error::{BuildError, ExportError, RunError};
use spindle_pipeline::{RequestContext, SignalSet};

use super::support::credentials::{Current, Watched};
pub use config::Config;
use config::{ClientAuth, Htpasswd, INLINE};
use users::Users;

/// What a browser is asked for.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"spindle\", charset=\"UTF-8\"");

/// The type `basicauth`.
pub struct BasicAuth;

impl Factory for BasicAuth {
    type Config = Config;
    const TYPE: &'static str = "basicauth";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Beta;
}

impl ExtensionFactory for BasicAuth {
    fn roles(config: &Config) -> Roles {
        config.roles()
    }

    fn build(config: Config, _: &BuildContext) -> Result<Box<dyn Extension>, BuildError> {
        match (config.htpasswd, config.client_auth) {
            (Some(htpasswd), _) => {
                let users = open_users(htpasswd).map_err(|message| BuildError::new("htpasswd", message))?;
                Ok(Box::new(Server(users)))
            }
            (None, Some(client)) => {
                let header =
                    open_header(client).map_err(|message| BuildError::new("client_auth", message))?;
                Ok(Box::new(Client(header)))
            }
            (None, None) => Err(BuildError::new("", "no credential source provided")),
        }
    }
}

fn open_users(htpasswd: Htpasswd) -> Result<Watched<Users>, String> {
    let maker = Fingerprinter::new()?;
    let paths = (!htpasswd.file.is_empty()).then(|| htpasswd.file.clone().into());
    Watched::open(paths.into_iter().collect(), move |texts| {
        let file = texts.iter().map(|text| (htpasswd.file.clone(), text.clone()));
        // Behind the file, so that it counts.
        let inline = (INLINE.to_owned(), htpasswd.inline.expose().to_owned());
        let users = Users::parse(&file.chain([inline]).collect::<Vec<_>>(), &maker)?;
        if users.is_empty() { Err("there is no user in it".to_owned()) } else { Ok(users) }
    })
}

fn open_header(client: ClientAuth) -> Result<Watched<HeaderValue>, String> {
    let files = [&client.username_file, &client.password_file];
    let paths = files.into_iter().filter(|path| !path.is_empty()).map(Into::into).collect();
    Watched::open(paths, move |texts| {
        let mut texts = texts.iter().map(|text| text.trim());
        let user =
            if client.username_file.is_empty() { Some(client.username.as_str()) } else { texts.next() };
        let password =
            if client.password_file.is_empty() { Some(client.password.expose()) } else { texts.next() };
        authorization(user.unwrap_or_default(), password.unwrap_or_default())
    })
}

/// The header of a user, marked as secret.
fn authorization(user: &str, password: &str) -> Result<HeaderValue, String> {
    if user.is_empty() || user.contains(':') {
        return Err("a user's name must not be empty nor contain a colon".to_owned());
    }
    auth::basic(user.as_bytes(), password.as_bytes())
        .map_err(|_| "user and password cannot stand in a header".to_owned())
}

struct Client(Watched<HeaderValue>);

#[async_trait]
impl Extension for Client {
    fn authenticators(&self) -> Offered {
        Offered { client: Some(Arc::new(Signs(self.0.current()))), server: None }
    }

    async fn run(self: Box<Self>, context: ExtensionContext) -> Result<(), RunError> {
        self.0.watch(&context).await;
        Ok(())
    }
}

struct Signs(Current<HeaderValue>);

impl ClientAuthenticator for Signs {
    fn authenticate(&self, headers: &mut HeaderMap, _: Option<&RequestContext>) -> Result<(), ExportError> {
        headers.insert(AUTHORIZATION, HeaderValue::clone(&self.0.get()));
        Ok(())
    }
}

struct Server(Watched<Users>);

#[async_trait]
impl Extension for Server {
    fn authenticators(&self) -> Offered {
        Offered { client: None, server: Some(Arc::new(Judges(self.0.current()))) }
    }

    async fn run(self: Box<Self>, context: ExtensionContext) -> Result<(), RunError> {
        self.0.watch(&context).await;
        Ok(())
    }
}

struct Judges(Current<Users>);

#[async_trait]
impl ServerAuthenticator for Judges {
    async fn authenticate(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let refuse = |message: &str| Refusal::unauthenticated(message, Some(&CHALLENGE));
        let value = headers.get(AUTHORIZATION).ok_or_else(|| refuse("no basic auth provided"))?;
        let encoded = basic(value.as_bytes()).ok_or_else(|| refuse("invalid authorization scheme prefix"))?;
        let decoded = STANDARD.decode(encoded).map_err(|_| refuse("invalid authorization format"))?;
        let colon = decoded.iter().position(|byte| *byte == b':');
        let colon = colon.ok_or_else(|| refuse("invalid authorization format"))?;
        let (user, password) = (&decoded[..colon], &decoded[colon + 1..]);
        let users = self.0.get();
        match users.check(&String::from_utf8_lossy(user), password).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(refuse("invalid credentials")),
            Err(error) => Err(Refusal { error, challenge: None }),
        }
    }
}

/// What stands behind `Basic`, in any case.
fn basic(value: &[u8]) -> Option<&[u8]> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    scheme.eq_ignore_ascii_case(b"basic ").then(|| encoded.trim_ascii())
}
