//! The library's state: the script that is played, and what was asked of it.

use std::fs::{File, Metadata};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::answers::{Item, Key};
use crate::script::{Script, code_named};

/// How often the script's file is looked at.
const LOOK: Duration = Duration::from_millis(1);

static PLAYER: Mutex<Player> = Mutex::new(Player { users: 0, stage: None });

struct Player {
    /// How often NVML was initialised and not shut down.
    users: usize,
    stage: Option<Stage>,
}

/// A script being played.
struct Stage {
    path: PathBuf,
    seen: Option<Stamp>,
    looked: Instant,
    script: Script,
    journal: Option<File>,
}

/// What tells one file from another that took its place.
type Stamp = (u64, u64, i64, i64);

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec())
}

fn lock() -> MutexGuard<'static, Player> {
    PLAYER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `nvmlInit_v2`.
pub(crate) fn initialise() -> u32 {
    {
        let mut player = lock();
        if player.users == 0 {
            match Stage::open() {
                Ok(stage) => player.stage = Some(stage),
                Err(message) => {
                    complain(&message);
                    return code("INVALID_ARGUMENT");
                }
            }
        }
        player.users += 1;
    }
    let answer = ask(None, Key::Init);
    if answer.is_err() {
        lock().users -= 1;
    }
    answer.err().unwrap_or_default()
}

/// `nvmlShutdown`.
pub(crate) fn shut_down() -> u32 {
    let answer = ask(None, Key::Shutdown);
    let mut player = lock();
    if answer != Err(code("UNINITIALIZED")) {
        player.users = player.users.saturating_sub(1);
    }
    answer.err().unwrap_or_default()
}

/// The next answer to a question as a number, or a return code.
pub(crate) fn ask(device: Option<u32>, key: Key) -> Result<u64, u32> {
    match answer(device, key) {
        Item::Value(value) => Ok(value),
        Item::Code(0) | Item::Text(_) => Ok(0),
        Item::Code(code) => Err(code),
        Item::Step(_) | Item::Hang => Err(code("UNKNOWN")),
    }
}

/// The next answer to a question as a text, or a return code.
pub(crate) fn ask_text(device: Option<u32>, key: Key) -> Result<String, u32> {
    match answer(device, key) {
        Item::Text(text) => Ok(text),
        Item::Code(code) if code != 0 => Err(code),
        _ => Ok(String::new()),
    }
}

/// How many devices there are.
pub(crate) fn has_device(index: u32) -> bool {
    lock().stage.as_ref().is_some_and(|stage| index < stage.script.answers.devices())
}

fn answer(device: Option<u32>, key: Key) -> Item {
    let mut is_noted = false;
    loop {
        let item = {
            let mut player = lock();
            if player.users == 0 {
                return Item::Code(code("UNINITIALIZED"));
            }
            let Some(stage) = player.stage.as_mut() else { return Item::Code(code("UNINITIALIZED")) };
            stage.look_again();
            if !is_noted {
                stage.note(device, key);
                is_noted = true;
            }
            stage.script.answers.next(device, key).unwrap_or(Item::Code(code("INVALID_ARGUMENT")))
        };
        if item != Item::Hang {
            return item;
        }
        // Not while the lock is held: other devices go on.
        std::thread::sleep(LOOK);
    }
}

impl Stage {
    fn open() -> Result<Self, String> {
        let path =
            script_path().ok_or("FAKE_NVML_SCRIPT is not set, and the library's own path is unknown")?;
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let script = Script::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let seen = std::fs::metadata(&path).ok().as_ref().map(stamp);
        let journal = open_journal(&path, &script);
        Ok(Self { path, seen, looked: Instant::now(), script, journal })
    }

    /// Reads the script again when its file is another one.
    fn look_again(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let Ok(metadata) = std::fs::metadata(&self.path) else { return };
        if self.seen == Some(stamp(&metadata)) {
            return;
        }
        match Self::open() {
            Ok(stage) => *self = stage,
            Err(message) => {
                self.seen = Some(stamp(&metadata));
                complain(&message);
            }
        }
    }

    fn note(&mut self, device: Option<u32>, key: Key) {
        let Some(journal) = &mut self.journal else { return };
        let line = match device {
            Some(index) => format!("{} {index}\n", key.name()),
            None => format!("{}\n", key.name()),
        };
        // A journal that cannot be written is missed by the test that reads it.
        let _ = journal.write_all(line.as_bytes());
    }
}

fn open_journal(path: &Path, script: &Script) -> Option<File> {
    let path = crate::folder::with_ending(path, ".journal");
    script.is_journal_on.then(|| File::options().create(true).append(true).open(path).ok()).flatten()
}

fn script_path() -> Option<PathBuf> {
    let named = std::env::var_os("FAKE_NVML_SCRIPT").filter(|name| !name.is_empty()).map(PathBuf::from);
    named.or_else(|| own_path().map(|path| crate::folder::with_ending(&path, ".script")))
}

/// The file that this code was loaded from: the mapping of this process that holds the state.
fn own_path() -> Option<PathBuf> {
    let address = std::ptr::from_ref(&PLAYER).addr();
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let mut last_named = None;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        // The path is the sixth word; the zeroed part of a library's data has none of its own.
        let path = words.nth(4).filter(|path| path.starts_with('/'));
        last_named = path.or(last_named);
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        if (start..end).contains(&address) {
            return last_named.map(PathBuf::from);
        }
    }
    None
}

fn code(name: &str) -> u32 {
    code_named(name).unwrap_or(999)
}

#[allow(clippy::print_stderr)]
fn complain(message: &str) {
    eprintln!("fake-nvml: {message}");
}
