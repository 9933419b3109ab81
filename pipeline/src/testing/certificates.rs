//! Certificates of an authority that lives as long as a test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use spindle_config::types::{Secret, ServerTls};
use tokio_rustls::TlsAcceptor;

use crate::net::tls;

/// Certificates of one authority, as PEM.
pub struct Certificates {
    /// The authority's own.
    pub ca: String,
    /// A server's, for `localhost` and 127.0.0.1.
    pub server: Pair,
    /// A client's.
    pub client: Pair,
}

/// A certificate and its key, as PEM.
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The key.
    pub key: String,
}

/// The same as files.
pub struct CertificateFiles {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// The server's certificate and key.
    pub server: (PathBuf, PathBuf),
    /// The client's certificate and key.
    pub client: (PathBuf, PathBuf),
}

impl Certificates {
    /// New ones, of an authority of their own.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = new_key();
        let ca = params.self_signed(&key).unwrap_or_else(|error| panic!("{error}")).pem();
        let issuer = Issuer::new(params, key);
        let issue = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let key = new_key();
            let params = CertificateParams::new(names).unwrap_or_else(|error| panic!("{error}"));
            let cert = params.signed_by(&key, &issuer).unwrap_or_else(|error| panic!("{error}")).pem();
            Pair { cert, key: key.serialize_pem() }
        };
        Self { ca, server: issue(&["localhost", "127.0.0.1"]), client: issue(&["agent"]) }
    }

    /// Writes them into a folder.
    pub fn write_to(&self, folder: &Path) -> CertificateFiles {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            path
        };
        let write_pair = |name: &str, pair: &Pair| {
            (write(&format!("{name}.pem"), &pair.cert), write(&format!("{name}.key"), &pair.key))
        };
        CertificateFiles {
            ca: write("ca.pem", &self.ca),
            server: write_pair("server", &self.server),
            client: write_pair("client", &self.client),
        }
    }

    /// A server's side, which may ask clients for theirs.
    pub fn server_config(&self, asks_for_client: bool, alpn: &[&[u8]]) -> Arc<ServerConfig> {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let keys = ServerTls {
            cert_pem: Some(Secret::new(&self.server.cert)),
            key_pem: Some(Secret::new(&self.server.key)),
            client_ca_file: asks_for_client.then(|| self.write_to(folder.path()).ca),
            ..ServerTls::default()
        };
        Arc::new(tls::server(&keys, alpn, "tls").unwrap_or_else(|error| panic!("{error}")))
    }

    /// The same, to accept connections with.
    pub fn acceptor(&self, asks_for_client: bool, alpn: &[&[u8]]) -> TlsAcceptor {
        TlsAcceptor::from(self.server_config(asks_for_client, alpn))
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().unwrap_or_else(|error| panic!("{error}"))
}
