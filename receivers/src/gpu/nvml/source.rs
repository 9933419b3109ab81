//! Reading from one session to the next, with pauses while there is none to be had.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::info;

use super::super::reading::{FieldSet, Identity, Reading};
use super::calls::CallSet;
use super::config::Selection;
use super::session::{Order, Session, Told};
use crate::support::scrape;

/// When to try again after NVML could not be loaded or stopped working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause; each further one is twice as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Backoff {
    /// 10 s, growing to 5 min.
    fn default() -> Self {
        Self { first: Duration::from_secs(10), longest: Duration::from_mins(5) }
    }
}

/// How to read.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// The receiver's id, for the log.
    pub id: Arc<str>,
    /// The library's path; `None` for the system's.
    pub library: Option<OsString>,
    /// What to read.
    pub fields: FieldSet,
    /// Of which GPUs.
    pub selection: Selection,
    /// When to try again.
    pub backoff: Backoff,
}

/// Reads GPUs through NVML, as long as there are any.
pub struct Source {
    order: Order,
    library: Option<OsString>,
    pause: Pause,
    session: Option<Session>,
    /// The GPUs of the last session.
    identities: Vec<Arc<Identity>>,
    /// It works, and that was told.
    works: bool,
    /// Why it does not work, as it was told.
    reason: Option<String>,
    told: Told,
}

/// The pause before the next attempt.
#[derive(Debug)]
pub(super) struct Pause {
    backoff: Backoff,
    next: Duration,
    end: Option<Instant>,
}

impl Pause {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self { backoff, next: backoff.first, end: None }
    }

    /// An attempt failed.
    pub(super) fn begin(&mut self, now: Instant) {
        self.end = Some(now + self.next);
        self.next = (self.next * 2).min(self.backoff.longest);
    }

    /// Whether there is time for an attempt.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.end.is_none_or(|end| now >= end)
    }
}

impl Source {
    /// A source that loads nothing before its first reading.
    pub fn new(settings: SourceSettings) -> Self {
        let SourceSettings { id, library, fields, selection, backoff } = settings;
        Self {
            order: Order { id, calls: CallSet::for_fields(fields), selection },
            library,
            pause: Pause::new(backoff),
            session: None,
            identities: Vec::new(),
            works: false,
            reason: None,
            told: Told::default(),
        }
    }

    /// The present session, or a new one if it is time for that.
    fn session(&mut self) -> Option<Session> {
        if let Some(session) = self.session.take() {
            return Some(session);
        }
        if !self.pause.is_over(Instant::now()) {
            return None;
        }
        match Session::open(self.library.as_deref(), self.identities.clone()) {
            Ok(session) => Some(session),
            Err(reason) => {
                self.give_up(reason);
                None
            }
        }
    }

    fn give_up(&mut self, reason: String) {
        self.works = false;
        self.pause.begin(Instant::now());
        if self.reason.as_ref() != Some(&reason) {
            info!(receiver = %self.order.id, reason, "No GPU metrics for now; trying again later");
            self.reason = Some(reason);
        }
    }

    fn succeed(&mut self, session: &Session) {
        if !std::mem::replace(&mut self.works, true) {
            let (driver, gpus) = (session.driver().unwrap_or("unknown"), session.count());
            info!(receiver = %self.order.id, driver, gpus, "Reading GPUs through NVML");
        }
        self.pause = Pause::new(self.pause.backoff);
        self.reason = None;
    }
}

impl scrape::Source for Source {
    type Reading = Reading;

    fn read(&mut self) -> Reading {
        let Some(mut session) = self.session() else { return Reading::default() };
        let (reading, end) = session.read(&self.order, &mut self.told);
        match end {
            None => {
                self.succeed(&session);
                self.session = Some(session);
            }
            Some(error) => {
                // Shuts down and unloads, so that the next session gets the library that is there then.
                self.identities = session.into_identities();
                self.give_up(format!("NVML stopped working: {error}"));
            }
        }
        reading
    }
}
