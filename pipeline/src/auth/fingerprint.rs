//! Secrets that are only compared: kept as an HMAC under a key that this process made up.
//!
//! How long comparing takes depends on the length of what was sent and on nothing else. What is kept gives no
//! secret away to whoever reads the memory later.

use std::fmt;
use std::sync::Arc;

use ring::hmac;
use ring::rand::SystemRandom;

/// Makes fingerprints that can be compared with each other.
#[derive(Clone)]
pub struct Fingerprinter(Arc<hmac::Key>);

/// The fingerprint of a secret.
#[derive(Clone)]
pub struct Fingerprint(hmac::Tag);

impl Fingerprinter {
    /// One with a key of its own. The error is the system's: it has no random numbers.
    pub fn new() -> Result<Self, String> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        key.map(Arc::new).map(Self).map_err(|_| "the system gives no random numbers".to_owned())
    }

    /// The fingerprint of a secret.
    pub fn of(&self, secret: &[u8]) -> Fingerprint {
        Fingerprint(hmac::sign(&self.0, secret))
    }

    /// Whether a fingerprint of this maker is that of `candidate`, in constant time.
    pub fn is(&self, fingerprint: &Fingerprint, candidate: &[u8]) -> bool {
        hmac::verify(&self.0, candidate, fingerprint.0.as_ref()).is_ok()
    }

    /// Whether one of several is; all of them are compared in any case.
    pub fn is_any<'a>(
        &self,
        fingerprints: impl IntoIterator<Item = &'a Fingerprint>,
        candidate: &[u8],
    ) -> bool {
        fingerprints.into_iter().fold(false, |found, one| self.is(one, candidate) | found)
    }
}

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fingerprinter")
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fingerprint")
    }
}
