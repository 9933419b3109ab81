//! Inputs on disk, one per file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// The committed inputs of a target.
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// All inputs of a folder, by name, so that the order is the same everywhere.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("no corpus at {}", folder.display()))? {
        paths.push(entry?.path());
    }
    ensure!(!paths.is_empty(), "the corpus at {} is empty", folder.display());
    paths.sort();
    paths.iter().map(|path| Ok(fs::read(path)?)).collect()
}

/// Where failures and what is being checked are written: `fuzz/` in the target folder.
pub fn output() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(default, PathBuf::from).join("fuzz")
}
