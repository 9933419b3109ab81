//! The keys of `basicauth`, with the Collector's names.

use serde::Deserialize;
use spindle_config::Check;
use spindle_config::types::Secret;
use spindle_pipeline::auth::{Fingerprinter, Roles};
use spindle_pipeline::component::ComponentConfig;

use super::users::Users;

/// How errors call the users of the configuration itself.
pub(super) const INLINE: &str = "`inline`";

/// The extension's keys: one of the two.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who is let in by receivers.
    pub htpasswd: Option<Htpasswd>,
    /// As whom exporters send.
    pub client_auth: Option<ClientAuth>,
}

/// `htpasswd`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Htpasswd {
    /// A file as `htpasswd` writes it.
    pub file: String,
    /// The same in the configuration; counts before the file.
    pub inline: Secret,
}

/// `client_auth`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientAuth {
    /// The user.
    pub username: String,
    /// A file with the user, which counts before `username`.
    pub username_file: String,
    /// The password.
    pub password: Secret,
    /// A file with the password, which counts before `password`.
    pub password_file: String,
    /// Not built yet.
    pub aws_secrets_manager: Option<serde_yaml::Value>,
}

impl Config {
    pub(super) fn roles(&self) -> Roles {
        match (&self.htpasswd, &self.client_auth) {
            (Some(_), None) => Roles::SERVER,
            (None, Some(_)) => Roles::CLIENT,
            // What is wrong with it is told at the extension.
            _ => Roles::BOTH,
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        match (&self.htpasswd, &self.client_auth) {
            (None, None) => check.error("", "no credential source provided"),
            (Some(_), Some(_)) => {
                check.error("", "only one of `htpasswd` or `client_auth` can be specified");
            }
            _ => {}
        }
        if let Some(htpasswd) = &self.htpasswd {
            htpasswd.validate(&mut check.below("htpasswd"));
        }
        if let Some(client) = &self.client_auth {
            client.validate(&mut check.below("client_auth"));
        }
    }
}

impl Htpasswd {
    fn validate(&self, check: &mut Check<'_>) {
        if self.file.is_empty() && self.inline.is_empty() {
            check.error("", "no credential source provided");
        }
        let inline = [(INLINE.to_owned(), self.inline.expose().to_owned())];
        let users = Fingerprinter::new().and_then(|maker| Users::parse(&inline, &maker));
        if let Err(message) = users {
            check.error("inline", message);
        }
    }
}

impl ClientAuth {
    fn validate(&self, check: &mut Check<'_>) {
        if self.aws_secrets_manager.is_some() {
            check.error(
                "aws_secrets_manager",
                "AWS Secrets Manager is not built into this version of spindle yet; use username_file and password_file",
            );
        } else if self.username.is_empty() && self.username_file.is_empty() {
            check.error("", "no user is given: write `username` or `username_file`");
        }
        if self.username.contains(':') {
            // Not at the key: what stands behind the colon is probably the password.
            check.error("", "`username` must not contain a colon");
        }
    }
}
