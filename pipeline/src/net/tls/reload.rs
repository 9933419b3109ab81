//! Certificates that are read again while the agent runs, as those of cert-manager have to be.
//!
//! Files are read when a handshake needs them and they were last read too long ago; no thread waits. What
//! cannot be read then, or does not fit together, leaves the old in place with a warning.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use tracing::warn;

use crate::error::BuildError;

type Load<T> = Box<dyn Fn() -> Result<T, BuildError> + Send + Sync>;

/// Something made of files, and made again at most once an interval.
pub(super) struct Reloaded<T> {
    load: Load<T>,
    interval: Duration,
    current: Mutex<(Instant, T)>,
}

impl<T: Clone> Reloaded<T> {
    /// Reads it for the first time, which must succeed.
    pub(super) fn new(
        interval: Duration,
        load: impl Fn() -> Result<T, BuildError> + Send + Sync + 'static,
    ) -> Result<Self, BuildError> {
        let first = load()?;
        Ok(Self { load: Box::new(load), interval, current: Mutex::new((Instant::now(), first)) })
    }

    fn get(&self) -> T {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0.elapsed() >= self.interval {
            current.0 = Instant::now();
            match (self.load)() {
                Ok(next) => current.1 = next,
                Err(error) => {
                    warn!(key = error.key, error = %error, "cannot reload TLS files; what was read before stays");
                }
            }
        }
        current.1.clone()
    }
}

impl<T> fmt::Debug for Reloaded<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reloaded").field("interval", &self.interval).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Reloaded<Arc<CertifiedKey>> {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

impl ResolvesClientCert for Reloaded<Arc<CertifiedKey>> {
    fn resolve(&self, _subjects: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Reloaded<Arc<dyn ClientCertVerifier>> {
    /// None: clients hold back certificates of authorities that are not named, and those may change.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.get().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.get().verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.get().verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.get().supported_verify_schemes()
    }
}
