//! What systemd is told (`Type=notify`, `WatchdogSec=`): that the agent is ready, that it lives, that it stops.
//!
//! Without a service manager (no `NOTIFY_SOCKET`) nothing happens. A notification that cannot be sent is a
//! warning, never the end.

use sd_notify::NotifyState;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

/// Says that everything is ready.
pub fn ready() {
    notify(&NotifyState::Ready);
}

/// Says that the end has begun.
pub fn stopping() {
    notify(&NotifyState::Stopping);
}

fn notify(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        warn!(state = %state, error = %error, "Cannot notify the service manager");
    }
}

/// Says that the agent lives until this is dropped.
pub struct Watchdog(Option<AbortHandle>);

impl Watchdog {
    /// Starts, if the service manager wants to hear that the process lives: twice in the time after which it
    /// would end it, from a task of the runtime that serves everything else, so that it hears nothing when
    /// that hangs.
    pub fn start() -> Self {
        let task = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()).map(|limit| {
            tokio::spawn(async move {
                let mut ticks = interval(limit / 2);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    ticks.tick().await;
                    notify(&NotifyState::Watchdog);
                }
            })
            .abort_handle()
        });
        Self(task)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
