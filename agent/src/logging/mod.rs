//! The log: the Collector's line formats, on stderr unless configured otherwise.
//!
//! * console: `time<TAB>level<TAB>message<TAB>{"key": "value"}`; json: `{"level","ts","msg",...}`.
//! * The fields `receiver`, `processor`, `exporter`, `extension` become the Collector's
//!   `otelcol.component.kind` and `otelcol.component.id`.
//! * A warning or error that repeats is one line; the next one after a while carries how often it was
//!   not written. Other lines, and failures that differ in their fields only, are thinned as the sampling
//!   keys say.

mod format;
mod suppress;

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

use spindle_pipeline::telemetry::Counter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::service::{LogLevel, LogsConfig};
use format::Line;
use suppress::{Suppressor, Verdict};

struct Log {
    config: LogsConfig,
    state: Mutex<State>,
    /// Lines that were held back; the log starts before there are metrics.
    suppressed: OnceLock<Counter>,
}

struct State {
    outputs: Vec<Output>,
    suppressor: Suppressor,
}

enum Output {
    Stderr,
    Stdout,
    File(File),
}

static LOG: OnceLock<Log> = OnceLock::new();

/// Starts the log. Called once; a second call changes nothing.
pub fn init(config: &LogsConfig) {
    let outputs = config.output_paths.iter().map(|path| Output::open(path)).collect();
    let suppressor = Suppressor::new(config.sampling.as_ref().copied());
    let state = Mutex::new(State { outputs, suppressor });
    let log = Log { config: config.clone(), state, suppressed: OnceLock::new() };
    if LOG.set(log).is_ok() {
        let subscriber = tracing_subscriber::registry().with(LogLayer);
        // Only fails when one is set already, which the line above has ruled out.
        let _ = tracing::subscriber::set_global_default(subscriber);
    }
}

/// Counts the lines that are held back from now on.
pub fn count_suppressed(counter: Counter) {
    if let Some(log) = LOG.get() {
        // Only the first one counts; there is one set of metrics in a process.
        let _ = log.suppressed.set(counter);
    }
}

/// Writes how often lines were repeated that are still held back.
pub fn flush() {
    let Some(log) = LOG.get() else { return };
    let mut state = log.state.lock().unwrap_or_else(PoisonError::into_inner);
    for line in state.suppressor.drain() {
        state.write(&line.render(&log.config));
    }
}

impl Output {
    /// A file that cannot be opened is stderr instead: a log in the wrong place beats none.
    fn open(path: &str) -> Self {
        match path {
            "stderr" => Self::Stderr,
            "stdout" => Self::Stdout,
            path => match OpenOptions::new().create(true).append(true).open(path) {
                Ok(file) => Self::File(file),
                Err(error) => {
                    let _ =
                        writeln!(io::stderr(), "cannot open the log file {path}: {error}; logging to stderr");
                    Self::Stderr
                }
            },
        }
    }

    fn write(&mut self, line: &[u8]) {
        // A log that cannot be written must not stop the data.
        let _ = match self {
            Self::Stderr => io::stderr().write_all(line),
            Self::Stdout => io::stdout().write_all(line),
            Self::File(file) => file.write_all(line),
        };
    }
}

impl State {
    fn write(&mut self, line: &str) {
        for output in &mut self.outputs {
            output.write(line.as_bytes());
        }
    }
}

/// The one layer: formats, thins, writes.
struct LogLayer;

impl<S: Subscriber> Layer<S> for LogLayer {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _context: Context<'_, S>) -> bool {
        let lowest = LOG.get().map_or(Level::INFO, |log| match log.config.level {
            LogLevel::Debug => Level::DEBUG,
            LogLevel::Info => Level::INFO,
            LogLevel::Warn => Level::WARN,
            LogLevel::Error => Level::ERROR,
        });
        // Libraries have their say only when something is wrong, unless everything is asked for.
        let is_ours = metadata.target().starts_with("spindle");
        *metadata.level() <= if is_ours || lowest == Level::DEBUG { lowest } else { Level::WARN }
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let Some(log) = LOG.get() else { return };
        let mut line = Line::read(event);
        let mut state = log.state.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = if line.is_raw { Verdict::Write } else { state.suppressor.judge(&line) };
        match verdict {
            Verdict::Write => {}
            Verdict::WriteRepeated(times) => line.repeated = times,
            Verdict::Hold => {
                if let Some(counter) = log.suppressed.get() {
                    counter.inc();
                }
                return;
            }
        }
        let text = line.render(&log.config);
        state.write(&text);
    }
}
