//! The Collector's TLS keys. What is done with them is the business of whoever opens the socket.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Duration, Secret};
use crate::Check;

/// The keys that client and server share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsFiles<'a> {
    /// Certificates to trust instead of the system's: a PEM file.
    pub ca_file: Option<&'a PathBuf>,
    /// The same as PEM text.
    pub ca_pem: Option<&'a Secret>,
    /// Own certificate: a PEM file.
    pub cert_file: Option<&'a PathBuf>,
    /// The same as PEM text.
    pub cert_pem: Option<&'a Secret>,
    /// Own key: a PEM file.
    pub key_file: Option<&'a PathBuf>,
    /// The same as PEM text.
    pub key_pem: Option<&'a Secret>,
    /// The lowest version, "1.2" or "1.3".
    pub min_version: &'a str,
    /// The highest version, or empty.
    pub max_version: &'a str,
}

/// `tls:` of a client.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTls {
    /// No TLS at all.
    pub insecure: bool,
    /// TLS without checking the server's certificate.
    pub insecure_skip_verify: bool,
    /// The name the certificate must carry, instead of the endpoint's.
    pub server_name_override: String,
    /// Certificates to trust: a PEM file.
    pub ca_file: Option<PathBuf>,
    /// The same as text.
    pub ca_pem: Option<Secret>,
    /// The client's certificate, for mutual TLS: a PEM file.
    pub cert_file: Option<PathBuf>,
    /// The same as text.
    pub cert_pem: Option<Secret>,
    /// The client's key: a PEM file.
    pub key_file: Option<PathBuf>,
    /// The same as text.
    pub key_pem: Option<Secret>,
    /// Trust the system's certificates beside `ca_file`.
    pub include_system_ca_certs_pool: bool,
    /// The lowest version, "1.2" (default) or "1.3".
    pub min_version: String,
    /// The highest version, "1.2" or "1.3"; empty for the highest there is.
    pub max_version: String,
    /// How often a changed certificate and key are read again, at a handshake; 0 is never.
    pub reload_interval: Duration,
}

/// `tls:` of a server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerTls {
    /// The server's certificate: a PEM file.
    pub cert_file: Option<PathBuf>,
    /// The same as text.
    pub cert_pem: Option<Secret>,
    /// The server's key: a PEM file.
    pub key_file: Option<PathBuf>,
    /// The same as text.
    pub key_pem: Option<Secret>,
    /// Clients must show a certificate that one of these signed: a PEM file. Mutual TLS.
    pub client_ca_file: Option<PathBuf>,
    /// Accepted and ignored: a server checks its clients by `client_ca_file`.
    pub ca_file: Option<PathBuf>,
    /// The lowest version, "1.2" (default) or "1.3".
    pub min_version: String,
    /// The highest version, "1.2" or "1.3"; empty for the highest there is.
    pub max_version: String,
    /// How often changed files are read again, at a handshake; 0 is never.
    pub reload_interval: Duration,
    /// Read a changed `client_ca_file` again, at a handshake and at most every second.
    pub client_ca_file_reload: bool,
}

impl ClientTls {
    /// The keys shared with a server.
    pub fn files(&self) -> TlsFiles<'_> {
        TlsFiles {
            ca_file: self.ca_file.as_ref(),
            ca_pem: self.ca_pem.as_ref(),
            cert_file: self.cert_file.as_ref(),
            cert_pem: self.cert_pem.as_ref(),
            key_file: self.key_file.as_ref(),
            key_pem: self.key_pem.as_ref(),
            min_version: &self.min_version,
            max_version: &self.max_version,
        }
    }

    /// What cannot be; `check` stands on the `tls:` block.
    pub fn validate(&self, check: &mut Check<'_>) {
        let files = self.files();
        files.validate(check);
        if files.has_cert() != files.has_key() {
            check.error(
                "",
                "for client authentication both `cert_file` and `key_file` are needed, or neither",
            );
        }
    }
}

impl ServerTls {
    /// The keys shared with a client.
    pub fn files(&self) -> TlsFiles<'_> {
        TlsFiles {
            ca_file: self.client_ca_file.as_ref(),
            ca_pem: None,
            cert_file: self.cert_file.as_ref(),
            cert_pem: self.cert_pem.as_ref(),
            key_file: self.key_file.as_ref(),
            key_pem: self.key_pem.as_ref(),
            min_version: &self.min_version,
            max_version: &self.max_version,
        }
    }

    /// What cannot be; `check` stands on the `tls:` block.
    pub fn validate(&self, check: &mut Check<'_>) {
        let files = self.files();
        files.validate(check);
        if !files.has_cert() || !files.has_key() {
            check.error(
                "",
                "TLS configuration must include both certificate and key (`cert_file` and `key_file`)",
            );
        }
    }
}

impl TlsFiles<'_> {
    /// A certificate was given.
    pub fn has_cert(&self) -> bool {
        self.cert_file.is_some() || self.cert_pem.is_some()
    }

    /// A key was given.
    pub fn has_key(&self) -> bool {
        self.key_file.is_some() || self.key_pem.is_some()
    }

    fn validate(&self, check: &mut Check<'_>) {
        for (key, version) in [("min_version", self.min_version), ("max_version", self.max_version)] {
            match version {
                "" | "1.2" | "1.3" => {}
                "1.0" | "1.1" => {
                    check.error(key, format!("TLS {version} is not safe and not supported (1.2, 1.3)"));
                }
                _ => check.error(key, format!("unsupported TLS version: \"{version}\" (1.2, 1.3)")),
            }
        }
        if self.min_version == "1.3" && self.max_version == "1.2" {
            check.error("min_version", "min_version cannot be greater than max_version");
        }
        let pairs = [
            ("ca", self.ca_file, self.ca_pem.is_some()),
            ("cert", self.cert_file, self.cert_pem.is_some()),
            ("key", self.key_file, self.key_pem.is_some()),
        ];
        for (name, file, has_pem) in pairs {
            let key = if check.is_written(&format!("client_{name}_file")) {
                format!("client_{name}_file")
            } else {
                format!("{name}_file")
            };
            let Some(path) = file else { continue };
            if has_pem {
                check.error(&key, format!("provide either {name}_file or {name}_pem, but not both"));
            }
            if let Err(error) = std::fs::File::open(path) {
                check.error(&key, format!("cannot read {}: {error}", path.display()));
            }
        }
    }
}
