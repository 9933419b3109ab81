//! A fake library in a folder of its own, for tests.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// A copy of the library and its script. Copies do not share anything, so tests can run side by side.
#[derive(Clone, Debug)]
pub struct Fake {
    library: PathBuf,
}

impl Fake {
    /// Puts `libnvidia-ml.so.1` and its script into `folder`.
    pub fn install(folder: &Path, script: &str) -> io::Result<Self> {
        let fake = Self::announce(folder);
        fake.play(script)?;
        fake.put_library(&[])?;
        Ok(fake)
    }

    /// The same without the library itself: one that is not installed yet.
    pub fn announce(folder: &Path) -> Self {
        Self { library: folder.join("libnvidia-ml.so.1") }
    }

    /// Puts the library there, in place of the one that is there, without the functions of some names:
    /// an older or a newer one.
    pub fn put_library(&self, missing_functions: &[&str]) -> io::Result<()> {
        let mut bytes = std::fs::read(built_library()?)?;
        for name in missing_functions {
            rename_symbol(&mut bytes, name)?;
        }
        replace(&self.library, &bytes)
    }

    /// The library's path.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Plays another script from the next call on, from its beginning.
    pub fn play(&self, script: &str) -> io::Result<()> {
        replace(&with_ending(&self.library, ".script"), script.as_bytes())?;
        // The library looks at the file once a millisecond.
        std::thread::sleep(std::time::Duration::from_millis(2));
        Ok(())
    }

    /// The calls so far, as `name` or `name device`, if the script says `journal = on`.
    pub fn calls(&self) -> Vec<String> {
        let path = with_ending(&with_ending(&self.library, ".script"), ".journal");
        std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// How often a call was made.
    pub fn count(&self, call: &str) -> usize {
        self.calls().iter().filter(|made| *made == call).count()
    }
}

/// The library that cargo built: beside the running test, or in the folder above it.
pub fn built_library() -> io::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let folders = exe.ancestors().skip(1).take(2);
    let candidates =
        folders.flat_map(|folder| [folder.join("libfake_nvml.so"), folder.join("deps/libfake_nvml.so")]);
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| io::Error::other(format!("libfake_nvml.so is not beside {}; it is built with the crates that have `fake-nvml` as a dev-dependency", exe.display())))
}

pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Writes beside and renames, so that nobody reads half a file and a loaded library stays what it is.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = with_ending(path, ".new");
    std::fs::write(&beside, bytes)?;
    std::fs::rename(beside, path)
}

/// Makes a function unfindable: the table of hashes still leads to its name, which is another one.
fn rename_symbol(library: &mut [u8], name: &str) -> io::Result<()> {
    let wanted: Vec<u8> = [&[0], name.as_bytes(), &[0]].concat();
    let mut found = false;
    for at in 0..library.len().saturating_sub(wanted.len()) {
        if library[at..].starts_with(&wanted) {
            library[at + 1] = b'_';
            found = true;
        }
    }
    if found { Ok(()) } else { Err(io::Error::other(format!("the library has no function {name}"))) }
}
