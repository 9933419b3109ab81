//! SIGTERM and SIGINT as an event.
//!
//! SIGHUP, by which the Collector reloads its configuration, is answered with a warning: its default is the
//! end of the process, with whatever is in the queues.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

/// The signals that end the process.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl StopSignals {
    /// From now on these signals are events.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one; its name.
    pub async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "terminated",
                _ = self.interrupt.recv() => return "interrupt",
                _ = self.hangup.recv() => {
                    warn!("Received SIGHUP: reloading is not built into this version of spindle yet, the configuration stays");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    fn send(name: &str) {
        let command = format!("kill -s {name} {}", std::process::id());
        assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell runs").success());
    }

    /// Who asks for a reload, as of a Collector, must not lose what is in the queues.
    #[tokio::test]
    async fn a_hangup_is_not_the_end() {
        let mut signals = StopSignals::new().expect("handlers");
        send("HUP");
        assert!(tokio::time::timeout(Duration::from_millis(200), signals.next()).await.is_err());
        send("TERM");
        let stopped = tokio::time::timeout(Duration::from_secs(5), signals.next()).await;
        assert_eq!(stopped, Ok("terminated"));
    }
}
