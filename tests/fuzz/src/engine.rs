//! Runs a check over and over: corpus first, then damaged inputs until the time is over.
//!
//! * A panic, or an input that takes longer than [`Target::patience`] three times in a row, ends the run; the
//!   input is written to a file.
//! * The input that is being checked is always in the file `<name>.<process id>.current`, which stays behind
//!   when an input ends the whole process (stack, memory).
//! * An input that does not end at all ends the process after [`HANG`].

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use anyhow::Context;
use fastrand::Rng;

use crate::{Target, kind, mutate};

/// After this time one input is taken to run for ever.
pub const HANG: Duration = Duration::from_mins(1);
/// The stack of the agent's threads, so that nesting is tried on what there really is.
const STACK: usize = 2 << 20;
/// The most inputs that are kept to be damaged further.
const MOST_KEPT: usize = 20_000;

/// How long and from where.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The same seed and corpus give the same inputs.
    pub seed: u64,
    /// For how long inputs are damaged; the corpus is always done.
    pub time: Duration,
    /// Where failures go.
    pub output: PathBuf,
}

/// What was done without finding anything.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// How many inputs were checked.
    pub executions: u64,
    /// How many kinds of outcomes they had.
    pub kinds: usize,
    /// The slowest input.
    pub slowest: Duration,
}

/// What was found.
#[derive(Debug)]
pub struct Finding {
    /// What the check says.
    pub message: String,
    /// The input.
    pub path: PathBuf,
    /// The seed of the run, and how many inputs it had checked.
    pub seed: u64,
    /// See there.
    pub executions: u64,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { message, path, seed, executions } = self;
        write!(formatter, "{message}\ninput: {}\nseed {seed}, execution {executions}", path.display())
    }
}

impl std::error::Error for Finding {}

/// Runs a target on a thread of its own. An error is a [`Finding`] or a file that cannot be written.
pub fn run(target: &'static Target, corpus: Vec<Vec<u8>>, plan: Plan) -> anyhow::Result<Report> {
    let begun = Arc::new(AtomicU64::new(0));
    let mut run = Run::new(target, corpus, plan, Arc::clone(&begun))?;
    let current = run.current_path.clone();
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        FUZZING.set(true);
        run.all()
    })?;
    let start = Instant::now();
    while !thread.is_finished() {
        std::thread::sleep(Duration::from_millis(20));
        let since = Duration::from_millis(begun.load(Ordering::Relaxed));
        if since > Duration::ZERO && start.elapsed() > since + HANG {
            hung(target, &current);
        }
    }
    thread.join().map_err(|_| anyhow::anyhow!("the engine itself panicked"))?
}

/// Nothing can stop a thread that runs for ever but the end of the process.
#[allow(clippy::print_stderr)]
fn hung(target: &Target, current: &Path) -> ! {
    let kept = current.with_extension("hang");
    fs::rename(current, &kept).ok();
    eprintln!("{}: one input runs for more than {HANG:?}\ninput: {}", target.name, kept.display());
    std::process::exit(1);
}

thread_local! {
    static FUZZING: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what panics of checks say instead of printing it.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if FUZZING.get() {
                LAST_PANIC.set(info.to_string());
            } else {
                previous(info);
            }
        }));
    });
}

/// How long this thread has been running on a processor, where the system says so.
fn computing_time() -> Option<Duration> {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(statistics.split(' ').next()?.parse().ok()?))
}

struct Run {
    target: &'static Target,
    /// What is damaged: the corpus, and inputs of kinds that were new.
    kept: Vec<Vec<u8>>,
    corpus: Vec<Vec<u8>>,
    plan: Plan,
    rng: Rng,
    kinds: HashSet<u64>,
    executions: u64,
    slowest: Duration,
    start: Instant,
    begun: Arc<AtomicU64>,
    current: File,
    current_path: PathBuf,
}

impl Run {
    fn new(
        target: &'static Target,
        corpus: Vec<Vec<u8>>,
        plan: Plan,
        begun: Arc<AtomicU64>,
    ) -> anyhow::Result<Self> {
        keep_panics();
        let folder = &plan.output;
        fs::create_dir_all(folder).with_context(|| format!("no folder {}", folder.display()))?;
        let current_path = folder.join(format!("{}.{}.current", target.name, std::process::id()));
        let current = File::create(&current_path)?;
        let rng = Rng::with_seed(plan.seed);
        let start = Instant::now();
        Ok(Self {
            target,
            kept: Vec::new(),
            corpus,
            plan,
            rng,
            kinds: HashSet::new(),
            executions: 0,
            slowest: Duration::ZERO,
            start,
            begun,
            current,
            current_path,
        })
    }

    fn all(&mut self) -> anyhow::Result<Report> {
        for input in std::mem::take(&mut self.corpus) {
            self.one(&input)?;
            self.kept.push(input);
        }
        while self.start.elapsed() < self.plan.time {
            let input = self.next();
            let is_new = self.one(&input)?;
            if is_new && self.kept.len() < MOST_KEPT {
                self.kept.push(input);
            }
        }
        fs::remove_file(&self.current_path)?;
        Ok(Report { executions: self.executions, kinds: self.kinds.len(), slowest: self.slowest })
    }

    fn next(&mut self) -> Vec<u8> {
        let mut input = match self.target.fresh {
            Some(fresh) if self.rng.u8(..4) == 0 => fresh(&mut self.rng),
            _ => self.rng.choice(&self.kept).cloned().unwrap_or_default(),
        };
        if self.rng.u8(..32) > 0 {
            mutate::mutate(&mut input, &self.kept, self.target.words, self.target.longest, &mut self.rng);
        }
        input
    }

    /// Checks an input; returns whether its kind is new.
    fn one(&mut self, input: &[u8]) -> anyhow::Result<bool> {
        self.executions += 1;
        self.current.set_len(input.len() as u64)?;
        self.current.write_all_at(input, 0)?;
        let patience = self.target.patience(input.len());
        let mut attempts = 0;
        let kind = loop {
            let (begun, computed) = (Instant::now(), (attempts > 0).then(computing_time).flatten());
            self.begun.store(1 + self.start.elapsed().as_millis() as u64, Ordering::Relaxed);
            let Ok(kind) = catch_unwind(AssertUnwindSafe(|| (self.target.check)(input))) else {
                return Err(self.finding(LAST_PANIC.take(), input)?.into());
            };
            // On a busy machine only the time that the thread ran for says anything.
            let ran = computed.and_then(|before| computing_time()?.checked_sub(before));
            let taken = ran.unwrap_or_else(|| begun.elapsed());
            attempts += 1;
            if taken <= patience {
                self.slowest = self.slowest.max(taken);
                break kind;
            }
            if attempts == 3 {
                let message = format!("{} bytes took {taken:?}, more than {patience:?}", input.len());
                return Err(self.finding(message, input)?.into());
            }
        };
        Ok(self.kinds.insert(kind))
    }

    fn finding(&self, message: String, input: &[u8]) -> anyhow::Result<Finding> {
        let name = format!("{}-{:016x}", self.target.name, kind(input));
        let path = self.plan.output.join(name);
        fs::write(&path, input)?;
        fs::remove_file(&self.current_path)?;
        let message = format!("{}: {message}", self.target.name);
        Ok(Finding { message, path, seed: self.plan.seed, executions: self.executions })
    }
}
