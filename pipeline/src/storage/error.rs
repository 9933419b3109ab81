//! What can go wrong with a queue on disk, and whether trying again can help.

use std::io;
use std::path::{Path, PathBuf};

/// Why the queue did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The files are as large as they may be. Room comes when records are done.
    #[error("the queue on disk is full: its files may hold {max_size} bytes")]
    Full {
        /// The limit, in bytes.
        max_size: u64,
    },
    /// The record alone is larger than the queue may be. It never fits.
    #[error("a record of {size} bytes does not fit into a queue on disk of {max_size} bytes")]
    TooLarge {
        /// What the record would take, in bytes.
        size: u64,
        /// The limit, in bytes.
        max_size: u64,
    },
    /// Another process, or another queue of this one, holds the directory.
    #[error("the queue directory {} is used by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {message}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The kind of the failure.
        kind: io::ErrorKind,
        /// The system's own words.
        message: String,
    },
    /// The queue was closed.
    #[error("the queue on disk is closed")]
    Closed,
}

impl StoreError {
    /// The failure of one operation on one file.
    pub fn io(action: &'static str, path: &Path, error: &io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), kind: error.kind(), message: error.to_string() }
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::TooLarge { .. })
    }
}
