//! rustls configurations from the Collector's TLS keys, with ring as the one provider.

mod reload;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, InconsistentKeys, RootCertStore, ServerConfig,
    SignatureScheme,
};
use spindle_config::types::{ClientTls, Secret, ServerTls, TlsFiles};

use crate::error::BuildError;
use reload::Reloaded;

/// ring, whatever another crate might have made the process default.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

/// A client's configuration. `key` is where the `tls:` block stands.
pub fn client(tls: &ClientTls, key: &str) -> Result<ClientConfig, BuildError> {
    let files = tls.files();
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(&files))
        .map_err(|error| BuildError::new(key, error.to_string()))?;
    let builder = if tls.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnything(provider())))
    } else {
        let roots = Arc::new(roots(tls, key)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| BuildError::new(key, error.to_string()))?;
        builder.with_webpki_verifier(verifier)
    };
    if !files.has_cert() {
        return Ok(builder.with_no_client_auth());
    }
    Ok(match tls.reload_interval.get() {
        Duration::ZERO => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity(&files, key)?)))
        }
        interval => {
            let (tls, key) = (tls.clone(), key.to_owned());
            let load = move || identity(&tls.files(), &key).map(Arc::new);
            builder.with_client_cert_resolver(Arc::new(Reloaded::new(interval, load)?))
        }
    })
}

/// A server's configuration. `key` is where the `tls:` block stands.
pub fn server(tls: &ServerTls, alpn: &[&[u8]], key: &str) -> Result<ServerConfig, BuildError> {
    let files = tls.files();
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(&files))
        .map_err(|error| BuildError::new(key, error.to_string()))?;
    let builder = match files.ca_file {
        Some(path) if tls.client_ca_file_reload => {
            let (path, key) = (path.clone(), key.to_owned());
            let load = move || client_verifier(&path, &key);
            builder.with_client_cert_verifier(Arc::new(Reloaded::new(CLIENT_CA_INTERVAL, load)?))
        }
        Some(path) => builder.with_client_cert_verifier(client_verifier(path, key)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = match tls.reload_interval.get() {
        Duration::ZERO => {
            builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity(&files, key)?)))
        }
        interval => {
            let (tls, key) = (tls.clone(), key.to_owned());
            let load = move || identity(&tls.files(), &key).map(Arc::new);
            builder.with_cert_resolver(Arc::new(Reloaded::new(interval, load)?))
        }
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

/// How often `client_ca_file_reload` looks for a changed file, if there are handshakes.
const CLIENT_CA_INTERVAL: Duration = Duration::from_secs(1);

/// Clients must show a certificate that one of the file's signed.
fn client_verifier(path: &Path, key: &str) -> Result<Arc<dyn ClientCertVerifier>, BuildError> {
    let pem = Pem::read_file(path, &format!("{key}::client_ca_file"))?;
    let mut roots = RootCertStore::empty();
    pem.add_roots_to(&mut roots)?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| pem.error(error.to_string()))
}

fn versions(files: &TlsFiles<'_>) -> Vec<&'static rustls::SupportedProtocolVersion> {
    let mut versions = Vec::new();
    if files.min_version != "1.3" {
        versions.push(&rustls::version::TLS12);
    }
    if files.max_version != "1.2" {
        versions.push(&rustls::version::TLS13);
    }
    versions
}

fn roots(tls: &ClientTls, key: &str) -> Result<RootCertStore, BuildError> {
    let files = tls.files();
    let mut roots = RootCertStore::empty();
    if let Some(pem) = Pem::read(files.ca_file.map(AsRef::as_ref), files.ca_pem, &format!("{key}::ca"))? {
        pem.add_roots_to(&mut roots)?;
        if !tls.include_system_ca_certs_pool {
            return Ok(roots);
        }
    }
    // A certificate of the system that cannot be read is no reason to trust the others less.
    for certificate in rustls_native_certs::load_native_certs().certs {
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        let error = BuildError::new(key, "this system has no certificates to trust");
        return Err(error.help("name those of your servers with `ca_file`"));
    }
    Ok(roots)
}

/// A certificate chain and the key that fits it.
fn identity(files: &TlsFiles<'_>, key: &str) -> Result<CertifiedKey, BuildError> {
    let (cert_key, key_key) = (format!("{key}::cert"), format!("{key}::key"));
    let cert = Pem::read(files.cert_file.map(AsRef::as_ref), files.cert_pem, &cert_key)?;
    let private = Pem::read(files.key_file.map(AsRef::as_ref), files.key_pem, &key_key)?;
    let (Some(cert), Some(private)) = (cert, private) else {
        return Err(BuildError::new(key, "both a certificate and its key are needed"));
    };
    let certificates = cert.certificates()?;
    let private_key = PrivateKeyDer::from_pem_slice(&private.bytes)
        .map_err(|error| private.error(format!("not a PEM private key: {error}")))?;
    let signing_key = provider().key_provider.load_private_key(private_key);
    let certified =
        CertifiedKey::new(certificates, signing_key.map_err(|error| private.error(error.to_string()))?);
    match certified.keys_match() {
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(private.error("the private key does not belong to the certificate".to_owned()))
        }
        // Of a kind of key that cannot be compared the handshake will tell.
        Ok(()) | Err(Error::InconsistentKeys(_)) => Ok(certified),
        Err(error) => Err(cert.error(error.to_string())),
    }
}

/// PEM text, and where it came from.
struct Pem {
    bytes: Vec<u8>,
    /// The key that gave it.
    key: String,
    /// ` in <path>`; nothing for text in the configuration.
    place: String,
}

impl Pem {
    /// Reads what `<key>_file` or `<key>_pem` give.
    fn read(file: Option<&Path>, text: Option<&Secret>, key: &str) -> Result<Option<Self>, BuildError> {
        match (file, text) {
            (Some(path), _) => Self::read_file(path, &format!("{key}_file")).map(Some),
            (None, Some(text)) => {
                let bytes = text.expose().as_bytes().to_vec();
                Ok(Some(Self { bytes, key: format!("{key}_pem"), place: String::new() }))
            }
            (None, None) => Ok(None),
        }
    }

    fn read_file(path: &Path, key: &str) -> Result<Self, BuildError> {
        let bytes = std::fs::read(path)
            .map_err(|error| BuildError::new(key, format!("cannot read {}: {error}", path.display())))?;
        Ok(Self { bytes, key: key.to_owned(), place: format!(" in {}", path.display()) })
    }

    /// An error about it, with the place.
    fn error(&self, message: String) -> BuildError {
        BuildError::new(&self.key, format!("{message}{}", self.place))
    }

    /// The certificates, at least one.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, BuildError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| self.error(format!("not a PEM certificate: {error}")))?;
        if certificates.is_empty() {
            return Err(self.error("no PEM certificate".to_owned()));
        }
        Ok(certificates)
    }

    fn add_roots_to(&self, roots: &mut RootCertStore) -> Result<(), BuildError> {
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| self.error(error.to_string()))?;
        }
        Ok(())
    }
}

/// `insecure_skip_verify`: whoever answers is believed to be who we wanted.
#[derive(Debug)]
struct AcceptAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
