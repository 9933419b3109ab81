//! Where the text goes when it does not go to the log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, PoisonError};

use spindle_pipeline::error::BuildError;

/// One or several outputs. A text goes to each of them in one piece.
pub(super) struct Output(Mutex<Vec<Sink>>);

enum Sink {
    Stdout,
    Stderr,
    File(File),
}

impl Output {
    /// Opens the outputs of `output_paths`; without any, the standard output.
    pub(super) fn open(paths: Option<&[String]>) -> Result<Self, BuildError> {
        let standard = ["stdout".to_owned()];
        let sinks =
            paths.unwrap_or(&standard).iter().map(|path| Sink::open(path)).collect::<Result<_, _>>()?;
        Ok(Self(Mutex::new(sinks)))
    }

    /// Writes a text to all of them; the first failure is told when the others have had their turn.
    pub(super) fn write(&self, text: &[u8]) -> io::Result<()> {
        let mut sinks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outcome = Ok(());
        for sink in sinks.iter_mut() {
            outcome = outcome.and(sink.write(text));
        }
        outcome
    }
}

impl Sink {
    fn open(path: &str) -> Result<Self, BuildError> {
        match path {
            "stdout" => Ok(Self::Stdout),
            "stderr" => Ok(Self::Stderr),
            path => {
                let path = path.strip_prefix("file://").unwrap_or(path);
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(0o600)
                    .open(path)
                    .map(Self::File)
                    .map_err(|error| BuildError::new("output_paths", format!("cannot open {path}: {error}")))
            }
        }
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => write_all(io::stdout().lock(), text),
            Self::Stderr => write_all(io::stderr().lock(), text),
            Self::File(file) => write_all(file, text),
        }
    }
}

fn write_all(mut output: impl Write, text: &[u8]) -> io::Result<()> {
    output.write_all(text)?;
    output.flush()
}
