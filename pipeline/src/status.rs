//! How every component is, and who wants to know.
//!
//! A component says it through its [`StatusHandle`]; the health extension reads the [`StatusBoard`]. The
//! states are the Collector's. A component that stopped or failed for good does not come back by
//! reporting that it is well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::component::Kind;

/// The state of a component, from best to worst as far as a health check is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Nothing was said yet.
    #[default]
    None,
    /// It is starting.
    Starting,
    /// It is well.
    Ok,
    /// It failed and may recover by itself.
    RecoverableError(String),
    /// It failed and will not recover; the rest runs on.
    PermanentError(String),
    /// It failed and nothing can run.
    FatalError(String),
    /// It is stopping.
    Stopping,
    /// It has stopped.
    Stopped,
}

impl Status {
    /// As the Collector's status page writes it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "StatusNone",
            Self::Starting => "StatusStarting",
            Self::Ok => "StatusOK",
            Self::RecoverableError(_) => "StatusRecoverableError",
            Self::PermanentError(_) => "StatusPermanentError",
            Self::FatalError(_) => "StatusFatalError",
            Self::Stopping => "StatusStopping",
            Self::Stopped => "StatusStopped",
        }
    }

    /// What went wrong.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::RecoverableError(error) | Self::PermanentError(error) | Self::FatalError(error) => {
                Some(error)
            }
            _ => None,
        }
    }

    /// What counts most when several are summed up in one.
    const fn weight(&self) -> u8 {
        match self {
            Self::FatalError(_) => 7,
            Self::PermanentError(_) => 6,
            Self::Stopping => 5,
            Self::Stopped => 4,
            Self::RecoverableError(_) => 3,
            Self::Starting => 2,
            Self::None => 1,
            Self::Ok => 0,
        }
    }

    const fn is_final(&self) -> bool {
        matches!(self, Self::PermanentError(_) | Self::FatalError(_) | Self::Stopped)
    }
}

/// A state and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusEvent {
    /// The state.
    pub status: Status,
    /// Since when.
    pub since: SystemTime,
}

impl StatusEvent {
    fn now(status: Status) -> Self {
        Self { status, since: SystemTime::now() }
    }
}

/// Who a status is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusKey {
    /// The pipeline, `traces/2`; empty for extensions.
    pub pipeline: String,
    /// The kind of component.
    pub kind: Kind,
    /// Its id.
    pub id: String,
}

type Events = BTreeMap<StatusKey, StatusEvent>;

/// The states of all components.
#[derive(Clone, Debug, Default)]
pub struct StatusBoard {
    events: Arc<Mutex<Events>>,
    process: Arc<Mutex<Option<StatusEvent>>>,
}

impl StatusBoard {
    /// A handle for a component that takes part in some pipelines. No pipelines: an extension.
    pub fn handle(&self, kind: Kind, id: &str, pipelines: &[String]) -> StatusHandle {
        let pipelines = if pipelines.is_empty() { vec![String::new()] } else { pipelines.to_vec() };
        let keys =
            pipelines.into_iter().map(|pipeline| StatusKey { pipeline, kind, id: id.to_owned() }).collect();
        StatusHandle { board: self.clone(), keys }
    }

    /// Says how the process as a whole is: starting, running, stopping.
    pub fn set_process(&self, status: Status) {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(StatusEvent::now(status));
    }

    /// The process's own state if it is not running, else the worst of its components.
    pub fn overall(&self) -> StatusEvent {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match process {
            Some(event) if event.status == Status::Ok => worst(self.snapshot().values()).unwrap_or(event),
            Some(event) => event,
            None => StatusEvent::now(Status::None),
        }
    }

    /// All states.
    pub fn snapshot(&self) -> BTreeMap<StatusKey, StatusEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The worst of some states; of equals the one that stands longest.
pub fn worst<'a>(events: impl IntoIterator<Item = &'a StatusEvent>) -> Option<StatusEvent> {
    events.into_iter().max_by_key(|event| (event.status.weight(), std::cmp::Reverse(event.since))).cloned()
}

/// Where a component says how it is. Saying the same again costs a lock and nothing else.
#[derive(Clone, Debug)]
pub struct StatusHandle {
    board: StatusBoard,
    keys: Arc<[StatusKey]>,
}

impl StatusHandle {
    /// Whose it is.
    pub fn id(&self) -> &str {
        self.keys.first().map_or("", |key| &key.id)
    }

    /// Says it. Ignored once the state is final, except for what is part of stopping.
    pub fn report(&self, status: Status) {
        let mut events = self.board.events.lock().unwrap_or_else(PoisonError::into_inner);
        for key in self.keys.iter() {
            let is_end = matches!(status, Status::Stopping | Status::Stopped);
            match events.get(key) {
                Some(present) if present.status == status || present.status.is_final() && !is_end => {}
                _ => {
                    events.insert(key.clone(), StatusEvent::now(status.clone()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
