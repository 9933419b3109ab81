//! Credentials that are made of files, and made again when the files change.
//!
//! * Requests never wait for a file: they take what was read last ([`Current`]). The files are read once when the
//!   extension is built and then looked at every second.
//! * What cannot be read later, or makes no credentials, leaves the old ones in place; a warning says so
//!   once, and the extension is unwell until the files are good again.
//! * The contents of files are shown nowhere; errors name the path and what is expected.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use spindle_pipeline::component::ExtensionContext;
use spindle_pipeline::status::Status;
use tracing::{info, warn};

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// Credentials are small; what is larger is another file.
const LARGEST: u64 = 1 << 20;

/// Makes credentials of the texts of the files, in their order.
type Parse<T> = Arc<dyn Fn(&[String]) -> Result<T, String> + Send + Sync>;

/// The credentials that count at present.
pub struct Current<T>(Arc<RwLock<Arc<T>>>);

impl<T> Current<T> {
    /// What was read last.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, next: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Credentials and the files that they are made of; there may be no file.
pub struct Watched<T> {
    paths: Vec<PathBuf>,
    parse: Parse<T>,
    texts: Vec<String>,
    current: Current<T>,
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads everything for the first time, which must succeed.
    pub fn open(
        paths: Vec<PathBuf>,
        parse: impl Fn(&[String]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let texts = read_all(&paths)?;
        let first = parse(&texts)?;
        let current = Current(Arc::new(RwLock::new(Arc::new(first))));
        Ok(Self { paths, parse: Arc::new(parse), texts, current })
    }

    /// The credentials, now and later.
    pub fn current(&self) -> Current<T> {
        self.current.clone()
    }

    /// Looks at the files until the extension ends.
    pub async fn watch(mut self, context: &ExtensionContext) {
        if self.paths.is_empty() {
            context.drain.cancelled().await;
            return;
        }
        let mut failure = None;
        loop {
            tokio::select! {
                () = context.drain.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let paths = self.paths.clone();
            let read = tokio::task::spawn_blocking(move || read_all(&paths)).await;
            let read = read.unwrap_or_else(|failure| Err(failure.to_string()));
            match read.and_then(|texts| self.renew(texts)) {
                Ok(()) if failure.take().is_some() => context.status.report(Status::Ok),
                Ok(()) => {}
                Err(problem) if failure.as_ref() == Some(&problem) => {}
                Err(problem) => {
                    warn!(extension = context.status.id(), error = %problem, "cannot read credentials again; what was read before stays");
                    context.status.report(Status::RecoverableError(problem.clone()));
                    failure = Some(problem);
                }
            }
        }
    }

    fn renew(&mut self, texts: Vec<String>) -> Result<(), String> {
        if texts != self.texts {
            self.current.set((self.parse)(&texts)?);
            self.texts = texts;
            info!(files = ?self.paths, "credentials have changed and are read again");
        }
        Ok(())
    }
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<String>, String> {
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let mut text = String::new();
    let file = File::open(path).map_err(|error| format!("cannot open {shown}: {error}"))?;
    let length = file.take(LARGEST + 1).read_to_string(&mut text);
    match length.map_err(|error| format!("cannot read {shown}: {error}"))? as u64 {
        0 => Err(format!("{shown} is empty")),
        length if length > LARGEST => Err(format!("{shown} is larger than {LARGEST} bytes")),
        _ => Ok(text),
    }
}
