//! A file system in memory that can fail, and that forgets at a crash what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::storage::io::{DirectoryLock, Disk, DiskFile};

#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<Inner>>);

#[derive(Default)]
pub struct Inner {
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    files: Vec<File>,
    locks: BTreeSet<PathBuf>,
    directory_is_gone: bool,
    pub faults: Faults,
}

#[derive(Default)]
pub struct Faults {
    /// Everything fails: the machine is about to crash.
    pub is_dead: bool,
    /// So many bytes can still be written, then ENOSPC.
    pub space: Option<usize>,
    /// No write takes more than so many bytes.
    pub short: Option<usize>,
    pub write_errors: usize,
    pub sync_errors: usize,
    /// With the next sync everything fails: the machine crashes in it.
    pub dies_at_sync: bool,
    pub read_errors: usize,
    pub cut_errors: usize,
    pub rename_errors: usize,
}

#[derive(Clone, Default)]
struct File {
    content: Vec<u8>,
    durable: Vec<u8>,
    /// A sync failed: Linux calls the pages clean, and a later sync is a lie.
    is_poisoned: bool,
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

/// Counts down what shall fail.
fn takes(count: &mut usize) -> bool {
    let fails = *count > 0;
    *count = count.saturating_sub(1);
    fails
}

impl SimDisk {
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics with the lock")
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let inner = self.inner();
        if inner.faults.is_dead { Err(eio()) } else { Ok(inner) }
    }

    pub fn put(&self, path: &Path, content: &[u8]) {
        let mut inner = self.inner();
        let content = content.to_vec();
        inner.files.push(File { durable: content.clone(), content, is_poisoned: false });
        let id = inner.files.len() - 1;
        inner.names.insert(path.to_path_buf(), id);
        inner.durable_names.insert(path.to_path_buf(), id);
    }

    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let inner = self.inner();
        inner.names.get(path).map(|id| inner.files[*id].content.clone())
    }

    pub fn names(&self) -> Vec<String> {
        let inner = self.inner();
        inner.names.keys().map(|path| path.file_name().expect("a name").to_string_lossy().into()).collect()
    }

    /// What is left after a power cut: what was synced, and some or none of the rest.
    pub fn crash(&self, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut inner = self.inner();
        if random.bool() {
            inner.names = inner.durable_names.clone();
        }
        inner.durable_names = inner.names.clone();
        for file in &mut inner.files {
            let durable = file.durable.len().min(file.content.len());
            let kept = random.usize(durable..=file.content.len());
            let mut content = file.durable.clone();
            if file.content.len() > content.len() {
                content.extend_from_slice(&file.content[content.len()..kept.max(content.len())]);
            } else if random.bool() {
                content.truncate(file.content.len());
            }
            *file = File { durable: content.clone(), content, is_poisoned: false };
        }
        inner.locks.clear();
        inner.faults = Faults::default();
    }

    /// Somebody removes the directory and all that is in it.
    pub fn remove_directory(&self) {
        let mut inner = self.inner();
        inner.names.clear();
        inner.locks.clear();
        inner.directory_is_gone = true;
    }
}

struct SimFile {
    disk: SimDisk,
    id: usize,
}

impl DiskFile for SimFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut inner = self.disk.alive()?;
        if takes(&mut inner.faults.write_errors) {
            return Err(eio());
        }
        let mut length = bytes.len().min(inner.faults.short.unwrap_or(usize::MAX));
        if let Some(space) = &mut inner.faults.space {
            length = length.min(*space);
            *space -= length;
            if length == 0 {
                return Err(io::Error::from_raw_os_error(28));
            }
        }
        let content = &mut inner.files[self.id].content;
        let offset = offset as usize;
        content.resize(content.len().max(offset + length), 0);
        content[offset..offset + length].copy_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut inner = self.disk.alive()?;
        if takes(&mut inner.faults.read_errors) {
            return Err(eio());
        }
        let content = &inner.files[self.id].content;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(bytes.len());
        bytes[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.disk.alive()?;
        if inner.faults.dies_at_sync {
            inner.faults.is_dead = true;
            return Err(eio());
        }
        if takes(&mut inner.faults.sync_errors) {
            inner.files[self.id].is_poisoned = true;
            return Err(eio());
        }
        let file = &mut inner.files[self.id];
        if !file.is_poisoned {
            file.durable = file.content.clone();
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = self.disk.alive()?;
        if takes(&mut inner.faults.cut_errors) {
            return Err(eio());
        }
        inner.files[self.id].content.resize(len as usize, 0);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.alive()?.files[self.id].content.len() as u64)
    }

    fn is_linked(&self) -> io::Result<bool> {
        Ok(self.disk.alive()?.names.values().any(|id| *id == self.id))
    }
}

struct Lock(SimDisk, PathBuf);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.inner().locks.remove(&self.1);
    }
}

impl Disk for SimDisk {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        self.alive()?.directory_is_gone = false;
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>> {
        let is_ours = self.alive()?.locks.insert(path.to_path_buf());
        Ok(is_ours.then(|| Box::new(Lock(self.clone(), path.to_path_buf())) as DirectoryLock))
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        drop(self.alive()?);
        Ok(self.names())
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let exists = self.alive()?.names.contains_key(path);
        if exists { Err(io::ErrorKind::AlreadyExists.into()) } else { self.create(path) }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.alive()?;
        if inner.directory_is_gone {
            return Err(io::ErrorKind::NotFound.into());
        }
        // Emptying in place would have to be durable at once; a new file is what a crash can tell apart.
        inner.files.push(File::default());
        let id = inner.files.len() - 1;
        inner.names.insert(path.to_path_buf(), id);
        Ok(Box::new(SimFile { disk: self.clone(), id }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let id = *self.alive()?.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(SimFile { disk: self.clone(), id }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.alive()?;
        if takes(&mut inner.faults.rename_errors) {
            return Err(eio());
        }
        let id = inner.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        inner.names.insert(to.to_path_buf(), id);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.alive()?.names.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut inner = self.alive()?;
        if inner.directory_is_gone {
            return Err(io::ErrorKind::NotFound.into());
        }
        inner.durable_names = inner.names.clone();
        Ok(())
    }
}
