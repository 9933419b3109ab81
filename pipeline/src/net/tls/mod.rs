//! rustls configurations from the Collector's TLS keys, with ring as the one provider.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme};
use spindle_config::types::{ClientTls, Secret, ServerTls, TlsFiles};

use crate::error::BuildError;

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
    let (certificates, private_key) = identity(&files, key)?;
    builder
        .with_client_auth_cert(certificates, private_key)
        .map_err(|error| BuildError::new(format!("{key}::cert_file"), error.to_string()))
}

/// A server's configuration. `key` is where the `tls:` block stands.
pub fn server(tls: &ServerTls, alpn: &[&[u8]], key: &str) -> Result<ServerConfig, BuildError> {
    let files = tls.files();
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(&files))
        .map_err(|error| BuildError::new(key, error.to_string()))?;
    let builder = match files.ca_file {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            add_roots(
                &mut roots,
                &read(path, &format!("{key}::client_ca_file"))?,
                &format!("{key}::client_ca_file"),
            )?;
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                    .build()
                    .map_err(|error| BuildError::new(format!("{key}::client_ca_file"), error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let (certificates, private_key) = identity(&files, key)?;
    let mut config = builder
        .with_single_cert(certificates, private_key)
        .map_err(|error| BuildError::new(format!("{key}::cert_file"), error.to_string()))?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
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
    let mut roots = RootCertStore::empty();
    let files = tls.files();
    if let Some(pem) = pem(files.ca_file.map(AsRef::as_ref), files.ca_pem, &format!("{key}::ca_file"))? {
        add_roots(&mut roots, &pem, &format!("{key}::ca_file"))?;
        if !tls.include_system_ca_certs_pool {
            return Ok(roots);
        }
    }
    // A certificate of the system that cannot be read is no reason to trust the others less.
    for certificate in rustls_native_certs::load_native_certs().certs {
        let _ = roots.add(certificate);
    }
    Ok(roots)
}

fn add_roots(roots: &mut RootCertStore, pem: &[u8], key: &str) -> Result<(), BuildError> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|error| BuildError::new(key, format!("not a PEM certificate: {error}")))?;
        roots.add(certificate).map_err(|error| BuildError::new(key, error.to_string()))?;
        count += 1;
    }
    if count == 0 { Err(BuildError::new(key, "no PEM certificate in it")) } else { Ok(()) }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(files: &TlsFiles<'_>, key: &str) -> Result<Identity, BuildError> {
    let (cert_key, key_key) = (format!("{key}::cert_file"), format!("{key}::key_file"));
    let cert = pem(files.cert_file.map(AsRef::as_ref), files.cert_pem, &cert_key)?.unwrap_or_default();
    let private = pem(files.key_file.map(AsRef::as_ref), files.key_pem, &key_key)?.unwrap_or_default();
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&cert)
        .collect::<Result<_, _>>()
        .map_err(|error| BuildError::new(&cert_key, format!("not a PEM certificate: {error}")))?;
    if certificates.is_empty() {
        return Err(BuildError::new(cert_key, "no PEM certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_slice(&private)
        .map_err(|error| BuildError::new(key_key, format!("not a PEM private key: {error}")))?;
    Ok((certificates, private))
}

fn pem(file: Option<&Path>, text: Option<&Secret>, key: &str) -> Result<Option<Vec<u8>>, BuildError> {
    match (file, text) {
        (Some(path), _) => read(path, key).map(Some),
        (None, Some(text)) => Ok(Some(text.expose().as_bytes().to_vec())),
        (None, None) => Ok(None),
    }
}

fn read(path: &Path, key: &str) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path)
        .map_err(|error| BuildError::new(key, format!("cannot read {}: {error}", path.display())))
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
