//! Where the real programs are. `tests/peers/install.sh` puts them there.

use std::path::{Path, PathBuf};

/// The folder of the repository.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn root() -> PathBuf {
    if let Some(path) = std::env::var_os("SPINDLE_PEERS") {
        return path.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"),
        PathBuf::from,
    );
    cache.join("spindle/peers")
}

/// A file of a peer; a panic that says what to do when it is missing.
pub fn file(path: &str) -> PathBuf {
    let found = root().join(path);
    assert!(found.exists(), "{} is missing: run tests/peers/install.sh", found.display());
    found
}
