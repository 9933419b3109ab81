//! Texts that users read, compared with the ones that were agreed on. `UPDATE_GOLDENS=1` writes the new
//! ones; read the difference before you commit it.

use std::path::PathBuf;

use crate::{differ, peers};

/// Compares with `tests/goldens/NAME`.
pub fn check(name: &str, text: &str) {
    if let Err(difference) = compare(name, text) {
        panic!("{difference}");
    }
}

/// The same without a panic, for tests that compare many and want to see all that differ.
pub fn compare(name: &str, text: &str) -> Result<(), String> {
    let path = path(name);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return Ok(());
    }
    let Ok(expected) = std::fs::read_to_string(&path) else {
        return Err(format!("{name} is missing: write it with UPDATE_GOLDENS=1\n{text}"));
    };
    if expected == text {
        return Ok(());
    }
    Err(format!("{name} differs (UPDATE_GOLDENS=1 writes it):\n{}", differ::lines(text, &expected)))
}

/// Where a golden lies.
pub fn path(name: &str) -> PathBuf {
    peers::repository().join("tests/goldens").join(name)
}
