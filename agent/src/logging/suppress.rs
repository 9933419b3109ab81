//! Repetitions of a line, thinned.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tracing::Level;

use super::format::Line;
use crate::service::LogSampling;

/// How long a warning or an error that was written stands for its repetitions.
const REPETITION: Duration = Duration::from_secs(10);
/// Different lines that are remembered at once; beyond it the oldest are forgotten.
const MOST_REMEMBERED: usize = 1024;

/// What to do with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Write,
    /// Write it, and say that it was held back so often before.
    WriteRepeated(u64),
    Hold,
}

/// Remembers what was written.
pub struct Suppressor {
    sampling: Option<LogSampling>,
    seen: HashMap<String, Seen>,
}

struct Seen {
    since: Instant,
    count: u64,
    held: Option<Box<Line>>,
}

impl Suppressor {
    pub fn new(sampling: Option<LogSampling>) -> Self {
        Self { sampling, seen: HashMap::new() }
    }

    /// Judges a line, now.
    pub fn judge(&mut self, line: &Line) -> Verdict {
        self.judge_at(line, Instant::now())
    }

    pub fn judge_at(&mut self, line: &Line, now: Instant) -> Verdict {
        if line.level <= Level::WARN {
            self.judge_failure(line, now)
        } else {
            self.judge_by_message(line, now)
        }
    }

    fn judge_failure(&mut self, line: &Line, now: Instant) -> Verdict {
        let identity = line.identity();
        if let Some(seen) = self.seen.get_mut(&identity) {
            if now.duration_since(seen.since) < REPETITION {
                seen.count += 1;
                seen.held = Some(Box::new(line.clone()));
                return Verdict::Hold;
            }
            let repeated = seen.count;
            *seen = Seen { since: now, count: 0, held: None };
            return if repeated == 0 { Verdict::Write } else { Verdict::WriteRepeated(repeated) };
        }
        // A back end that words each refusal differently must not write a line for each.
        let verdict = self.judge_by_message(line, now);
        if verdict == Verdict::Write {
            self.remember(identity, now, 0);
        }
        verdict
    }

    /// The sampling keys: lines with one message are thinned, whatever their fields say.
    fn judge_by_message(&mut self, line: &Line, now: Instant) -> Verdict {
        let Some(sampling) = self.sampling else { return Verdict::Write };
        let identity = format!("\t{}\t{}", line.level, line.message);
        let Some(seen) = self.seen.get_mut(&identity) else {
            self.remember(identity, now, 1);
            return Verdict::Write;
        };
        if now.duration_since(seen.since) >= sampling.tick.get() {
            *seen = Seen { since: now, count: 0, held: None };
        }
        seen.count += 1;
        let beyond = seen.count.saturating_sub(sampling.initial);
        let is_written = beyond == 0 || sampling.thereafter > 0 && beyond.is_multiple_of(sampling.thereafter);
        if is_written { Verdict::Write } else { Verdict::Hold }
    }

    fn remember(&mut self, identity: String, now: Instant, count: u64) {
        if self.seen.len() >= MOST_REMEMBERED {
            let oldest =
                self.seen.iter().min_by_key(|(_, seen)| seen.since).map(|(identity, _)| identity.clone());
            if let Some(oldest) = oldest {
                self.seen.remove(&oldest);
            }
        }
        self.seen.insert(identity, Seen { since: now, count, held: None });
    }

    /// How many different lines are remembered.
    #[cfg(test)]
    pub fn remembered(&self) -> usize {
        self.seen.len()
    }

    /// The lines that are held back, with their counts.
    pub fn drain(&mut self) -> Vec<Line> {
        let held = self.seen.drain().filter_map(|(_, seen)| {
            let mut line = *seen.held?;
            line.repeated = seen.count;
            Some(line)
        });
        held.collect()
    }
}
