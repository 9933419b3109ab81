//! The folder of one run: the effective configuration, redacted, and a manifest.
//!
//! The folder and its files are for their owner alone; a file appears whole or not at all: written beside,
//! synced, renamed.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The folder at a path; nothing is made yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Its path, absolute if that can be told.
    pub fn path(&self) -> PathBuf {
        std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone())
    }

    /// Where the effective configuration lies.
    pub fn config_path(&self) -> PathBuf {
        self.path().join("configs").join("spindle.yaml")
    }

    /// Makes the folder, before an exporter that writes into it makes one for everybody. One that is there
    /// stays as it is.
    pub fn make(&self) -> Result<(), String> {
        let configs = self.path.join("configs");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&configs)
            .map_err(|error| failed(&configs, &error))
    }

    /// Removes the folder of a start that failed, unless something lies in it.
    pub fn remove_if_empty(&self) {
        // That it is not empty or has gone already is no failure.
        let _ = fs::remove_dir(self.path.join("configs")).and_then(|()| fs::remove_dir(&self.path));
    }

    /// Writes the configuration and the manifest into the folder.
    pub fn write(&self, config: &str, manifest: &str) -> Result<(), String> {
        let configs = self.path.join("configs");
        for (path, text) in
            [(configs.join("spindle.yaml"), config), (self.path.join("manifest.json"), manifest)]
        {
            write_whole(&path, text.as_bytes()).map_err(|error| failed(&path, &error))?;
        }
        Ok(())
    }
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

/// Writes a file so that readers see the old one or the new one, and nothing in between.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension(format!("tmp-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    let written =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The half-written file must not stay; that it cannot be removed would tell nothing new.
        let _ = fs::remove_file(&beside);
    }
    written
}
