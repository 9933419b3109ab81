//! Hashed passwords as `htpasswd` writes them.
//!
//! | written as | |
//! |---|---|
//! | `$2a$`, `$2b$`, `$2y$` | bcrypt of a cost from 4 to 17; bytes beyond the 72nd of a password do not count |
//! | `$apr1$` | Apache's MD5 of a thousand rounds |
//! | `{SHA}`, `{SSHA}` | base64 of SHA-1, and of salted SHA-1 with its salt |
//! | anything else | the password itself |
//!
//! What looks like another scheme (`$5$`, `{CRYPT}`) is refused: it would be a password that nobody knows.

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use md5::{Digest, Md5};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA1_OUTPUT_LEN, digest};
use spindle_pipeline::auth::{Fingerprint, Fingerprinter};

/// Each step doubles the time; 17 takes about ten seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=17;
/// What bcrypt reads of a password, with the zero at its end.
const BCRYPT_MOST: usize = 72;
/// Its salt fills 22 digits with two bits to spare, which need not be zero.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);
const APR1_DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A hashed password.
#[derive(Clone, Debug)]
pub(super) struct PasswordHash {
    scheme: Scheme,
    expected: Fingerprint,
}

#[derive(Clone, Debug)]
enum Scheme {
    Plain,
    Sha1 { salt: Vec<u8> },
    Apr1 { salt: Vec<u8> },
    Bcrypt { cost: u32, salt: [u8; 16] },
}

impl PasswordHash {
    /// Reads what stands behind the user's name. The error does not quote it.
    pub(super) fn parse(text: &str, maker: &Fingerprinter) -> Result<Self, String> {
        let (scheme, expected) = if let Some(digest) = text.strip_prefix("{SHA}") {
            let (expected, salt) = sha1_parts(digest).filter(|(_, salt)| salt.is_empty()).ok_or("{SHA}")?;
            (Scheme::Sha1 { salt }, expected)
        } else if let Some(digest) = text.strip_prefix("{SSHA}") {
            let (expected, salt) = sha1_parts(digest).ok_or("{SSHA}")?;
            (Scheme::Sha1 { salt }, expected)
        } else if let Some(rest) = text.strip_prefix("$apr1$") {
            let (salt, expected) = rest.split_once('$').ok_or("$apr1$")?;
            if !(1..=8).contains(&salt.len()) || expected.len() != 22 {
                return Err("$apr1$".to_owned());
            }
            (Scheme::Apr1 { salt: salt.into() }, expected.into())
        } else if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            bcrypt_parts(&text[4..]).ok_or("bcrypt (cost 4 to 17)")?
        } else if text.starts_with('$') || looks_like_a_scheme(text) {
            return Err("one of bcrypt, $apr1$, {SHA}, {SSHA} or plain text".to_owned());
        } else {
            (Scheme::Plain, text.into())
        };
        Ok(Self { scheme, expected: maker.of(&expected) })
    }

    /// Whether checking takes so long that it is done beside the event loop.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self.scheme, Scheme::Apr1 { .. } | Scheme::Bcrypt { .. })
    }

    /// Whether this is the hash of a password.
    pub(super) fn is_of(&self, password: &[u8], maker: &Fingerprinter) -> bool {
        let derived = match &self.scheme {
            Scheme::Plain => password.to_vec(),
            Scheme::Sha1 { salt } => {
                digest(&SHA1_FOR_LEGACY_USE_ONLY, &[password, salt].concat()).as_ref().to_vec()
            }
            Scheme::Apr1 { salt } => apr1(password, salt),
            Scheme::Bcrypt { cost, salt } => {
                let mut terminated = [password, &[0]].concat();
                terminated.truncate(BCRYPT_MOST);
                // The last byte is not written.
                bcrypt::bcrypt(*cost, *salt, &terminated)[..23].to_vec()
            }
        };
        maker.is(&self.expected, &derived)
    }
}

/// `{NAME}` at the start.
fn looks_like_a_scheme(text: &str) -> bool {
    let name = text.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
    name.is_some_and(|name| name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-'))
}

fn sha1_parts(encoded: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut decoded = STANDARD.decode(encoded).ok()?;
    let salt = (decoded.len() >= SHA1_OUTPUT_LEN).then(|| decoded.split_off(SHA1_OUTPUT_LEN))?;
    Some((decoded, salt))
}

/// `05$`, 22 digits of salt and 31 of the hash.
fn bcrypt_parts(text: &str) -> Option<(Scheme, Vec<u8>)> {
    let (cost, rest) = text.split_once('$')?;
    let cost = cost.parse().ok().filter(|cost| BCRYPT_COSTS.contains(cost))?;
    let (salt, expected) = rest.split_at_checked(22).filter(|_| rest.len() == 53)?;
    let salt = BCRYPT_BASE64.decode(salt).ok()?.try_into().ok()?;
    Some((Scheme::Bcrypt { cost, salt }, BCRYPT_BASE64.decode(expected).ok()?))
}

/// Apache's MD5 (`apr_md5.c`), in its own digits.
fn apr1(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let inner = Md5::digest([password, salt, password].concat());
    let mut outer = Md5::new();
    outer.update([password, b"$apr1$", salt].concat());
    for part in password.chunks(16) {
        outer.update(&inner[..part.len()]);
    }
    let mut length = password.len();
    while length > 0 {
        outer.update(if length & 1 == 1 { &[0] } else { &password[..1] });
        length >>= 1;
    }
    let mut hash = outer.finalize();
    for round in 0..1000 {
        let mut next = Md5::new();
        next.update(if round & 1 == 1 { password } else { &hash });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if round & 1 == 1 { &hash } else { password });
        hash = next.finalize();
    }
    apr1_digits(&hash)
}

fn apr1_digits(hash: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(22);
    let mut write = |bytes: [u8; 3], count: usize| {
        let mut bits = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        for _ in 0..count {
            digits.push(APR1_DIGITS[(bits & 63) as usize]);
            bits >>= 6;
        }
    };
    for [high, middle, low] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        write([hash[high], hash[middle], hash[low]], 4);
    }
    write([0, 0, hash[11]], 2);
    digits
}
