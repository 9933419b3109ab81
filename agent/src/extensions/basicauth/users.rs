//! Users and their passwords, and the checking of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use spindle_pipeline::auth::{Fingerprint, Fingerprinter};
use spindle_pipeline::error::ConsumeError;
use tokio::sync::Semaphore;

use super::hash::PasswordHash;

/// So many slow hashes are computed at once, so that guessing cannot take all of the machine.
const AT_ONCE: usize = 2;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// The users of an `htpasswd`.
pub(super) struct Users {
    hashes: BTreeMap<String, PasswordHash>,
    maker: Fingerprinter,
    /// What was right before, by user: a slow hash is computed once for each of them.
    known: Mutex<HashMap<String, Fingerprint>>,
    turns: Arc<Semaphore>,
}

impl Users {
    /// Reads `user:hash` lines of one text after the other; the last one of a user counts. Blank lines and those that
    /// start with `#` do not. Errors name the line and quote nothing of it.
    pub(super) fn parse(texts: &[(String, String)], maker: &Fingerprinter) -> Result<Self, String> {
        let mut hashes = BTreeMap::new();
        for (source, text) in texts {
            for (index, line) in text.lines().map(str::trim).enumerate() {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let at = format!("line {} of {source}", index + 1);
                let (user, hash) = line
                    .split_once(':')
                    .filter(|(user, hash)| !user.is_empty() && !hash.is_empty())
                    .ok_or_else(|| format!("{at} is not `user:password`"))?;
                let hash = PasswordHash::parse(hash, maker)
                    .map_err(|expected| format!("the password in {at} is not {expected}"))?;
                hashes.insert(user.to_owned(), hash);
            }
        }
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Ok(Self { hashes, maker: maker.clone(), known: Mutex::default(), turns })
    }

    /// Nobody is let in.
    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether this is the password of this user. An error when too many are being checked.
    pub(super) async fn check(&self, user: &str, password: &[u8]) -> Result<bool, ConsumeError> {
        // Somebody who is not there takes as long as somebody who is.
        let found = self.hashes.get(user);
        let Some(hash) = found.or_else(|| self.hashes.values().next()) else { return Ok(false) };
        if !hash.is_slow() {
            return Ok(hash.is_of(password, &self.maker) & found.is_some());
        }
        let is_known = |known: &HashMap<String, Fingerprint>| {
            known.get(user).is_some_and(|known| self.maker.is(known, password))
        };
        if is_known(&self.known.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(true);
        }
        let is_right = self.check_slowly(hash, password).await? & found.is_some();
        if is_right {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(user.to_owned(), self.maker.of(password));
        }
        Ok(is_right)
    }

    async fn check_slowly(&self, hash: &PasswordHash, password: &[u8]) -> Result<bool, ConsumeError> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned());
        let Ok(Ok(turn)) = turn.await else {
            return Err(ConsumeError::unavailable("too many passwords are being checked"));
        };
        let (hash, maker, password) = (hash.clone(), self.maker.clone(), password.to_vec());
        let checking = tokio::task::spawn_blocking(move || {
            let is_right = hash.is_of(&password, &maker);
            // A request that is given up does not make room before its work is done.
            drop(turn);
            is_right
        });
        checking.await.map_err(|failure| ConsumeError::unavailable(failure.to_string()))
    }
}
