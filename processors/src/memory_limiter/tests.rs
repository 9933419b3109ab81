use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use spindle_pipeline::error::Retry;
use spindle_pipeline::testing::{config, config_with_problems, context, contract, spans};

use super::memory::{ReadMemory, Usage};
use super::*;
use crate::support::goldens::{Goldens, build};

const MIB: u64 = 1 << 20;

/// Memory as a test wants it: each look takes the next value, the last one stays.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<VecDeque<Usage>>>, Arc<AtomicUsize>);

impl Script {
    fn then(self, process_mib: u64, cgroup_mib: Option<u64>) -> Self {
        let usage = Usage { process: process_mib * MIB, cgroup: cgroup_mib.map(|mib| mib * MIB) };
        self.0.lock().expect("unpoisoned").push_back(usage);
        self
    }

    fn left(&self) -> usize {
        self.0.lock().expect("unpoisoned").len()
    }
}

impl ReadMemory for Script {
    fn read(&mut self) -> io::Result<Usage> {
        let mut usages = self.0.lock().expect("unpoisoned");
        let usage = *usages.front().expect("a value");
        if usages.len() > 1 {
            usages.pop_front();
        }
        Ok(usage)
    }

    fn give_back(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// 100 MiB with a spike of 20, in a group of 500 MiB.
const LIMITS: Limits = Limits { soft: 80 * MIB, hard: 100 * MIB, cgroup: Some(480 * MIB) };

fn limiter(reader: impl ReadMemory) -> (Limiter, BuildContext) {
    let context = context("memory_limiter");
    let monitor = Monitor::new(LIMITS, Box::new(reader), "test".to_owned()).expect("a first look");
    (Limiter::new(monitor, None, &context, Signal::Traces), context)
}

fn batch(count: usize) -> Batch {
    Batch::receive(Signal::Traces, spans::request(count)).expect("well formed")
}

/// The clauses that every component keeps.
#[test]
fn keeps_the_contract() {
    contract::factory::<MemoryLimiter>();
    for signal in Signal::ALL {
        contract::transform(
            &*build::<MemoryLimiter>("{check_interval: 1s, limit_mib: 4000000}", signal),
            signal,
        );
    }
}

/// The texts are those of the Collector, which users search for.
#[test]
fn says_what_the_collector_says() {
    Goldens::read(include_str!("testdata/collector.json")).check_refusals::<MemoryLimiter>();
}

/// Everything that is wrong is told at once, and the keys of a garbage collector are accepted with one
/// warning, because they stand in many configurations.
#[test]
fn tells_all_problems_and_that_there_is_no_garbage_collector() {
    for (yaml, problems) in [
        (
            "{spike_limit_percentage: 120}",
            &[
                "check_interval: 'check_interval' must be greater than zero",
                "limit_mib: 'limit_mib' or 'limit_percentage' must be greater than zero",
                "spike_limit_percentage: 'limit_percentage' and 'spike_limit_percentage' must be greater than zero and less than or equal to hundred",
            ][..],
        ),
        (
            "{check_interval: 1s, limit_mib: 100, min_gc_interval_when_soft_limited: 5s, max_gc_interval_when_hard_limited: 1m}",
            &[
                "min_gc_interval_when_soft_limited: there is no garbage collector here, so that min_gc_interval_when_soft_limited, max_gc_interval_when_hard_limited means nothing",
            ],
        ),
        ("{check_interval: 1s, limit_mib: 100}", &[]),
    ] {
        assert_eq!(config_with_problems::<MemoryLimiter>(yaml).1, problems, "{yaml}");
    }
}

/// Above the soft limit everything is refused so that clients send again, and counted; below it everything
/// passes as it is.
#[test]
fn refuses_above_the_soft_limit_for_now() {
    let script = Script::default().then(79, None).then(80, None).then(79, None);
    let (limiter, context) = limiter(script);
    let sent = batch(3);
    let passed = limiter.transform(sent.clone()).expect("below the limit").expect("all of it");
    assert_eq!(passed.bytes().as_ptr(), sent.bytes().as_ptr());

    limiter.monitor.look();
    let refusal = limiter.transform(batch(5)).expect_err("above the limit");
    assert_eq!(refusal.message(), "data refused due to high memory usage");
    assert_eq!(refusal.retry(), Retry::Now);

    limiter.monitor.look();
    limiter.transform(batch(2)).expect("below the limit again");
    let count =
        |metric| context.telemetry.counter(metric, vec![("processor".into(), "memory_limiter".into())]).get();
    assert_eq!(count(Metric::memory_limiter_accepted(Signal::Traces)), 5);
    assert_eq!(count(Metric::memory_limiter_refused(Signal::Traces)), 5);
}

/// What was freed may stay with the allocator for as long as nothing happens, which is what refusing leads
/// to: each look while data is refused asks for it first, and no other look does.
#[test]
fn asks_the_allocator_for_what_is_free_while_it_refuses() {
    let script = Script::default().then(79, None).then(79, None).then(80, None).then(85, None).then(70, None);
    let (limiter, _) = limiter(script.clone());
    let asked = || script.1.load(Ordering::Relaxed);
    for (expected, is_refused) in [(0, false), (0, true), (1, true), (2, false), (2, false)] {
        limiter.monitor.look();
        assert_eq!((asked(), limiter.monitor.refuses(1)), (expected, is_refused));
    }
}

/// A control group that is nearly full kills the process whatever it holds itself.
#[test]
fn refuses_when_the_control_group_is_nearly_full() {
    for (process, cgroup, is_refused) in
        [(10, Some(479), false), (10, Some(480), true), (10, None, false), (80, Some(10), true)]
    {
        let (limiter, _) = limiter(Script::default().then(process, cgroup));
        assert_eq!(limiter.transform(batch(1)).is_err(), is_refused, "{process} {cgroup:?}");
    }
}

/// Load that comes faster than the timer is noticed by its bytes: with a spike of 20 MiB there is a look
/// after every 5 MiB, so that a look that finds too much comes before the spike is used up.
#[test]
fn looks_again_when_much_has_passed() {
    let script = Script::default().then(10, None).then(20, None).then(90, None);
    let (limiter, _) = limiter(script.clone());
    assert_eq!(script.left(), 2);
    let batch = batch(1000);
    let mut passed = 0;
    while limiter.transform(batch.clone()).is_ok() {
        passed += batch.byte_size() as u64;
        assert!(passed < 20 * MIB, "no look was made");
    }
    assert!((10 * MIB..12 * MIB).contains(&passed), "{passed}");
}

/// A look that fails changes nothing: neither does data pass that was refused, nor the other way round.
#[test]
fn a_failing_look_changes_nothing() {
    struct Failing(usize);
    impl ReadMemory for Failing {
        fn read(&mut self) -> io::Result<Usage> {
            self.0 += 1;
            match self.0 {
                1 => Ok(Usage { process: 90 * MIB, cgroup: None }),
                _ => Err(io::Error::other("gone")),
            }
        }

        fn give_back(&mut self) {}
    }
    let (limiter, _) = limiter(Failing(0));
    limiter.monitor.look();
    assert!(limiter.transform(batch(1)).is_err());
}

/// The thread looks again and again until the processor is gone, and then ends: a reload must not leave
/// threads behind.
#[test]
fn the_thread_ends_with_the_processor() {
    struct Telling(Sender<()>);
    impl ReadMemory for Telling {
        fn read(&mut self) -> io::Result<Usage> {
            // The test may have stopped listening.
            let _ = self.0.send(());
            Ok(Usage::default())
        }

        fn give_back(&mut self) {}
    }
    let (looked, looks) = channel();
    let monitor = Monitor::new(LIMITS, Box::new(Telling(looked)), "test".to_owned()).expect("a first look");
    let timer = monitor.start(Duration::from_millis(1)).expect("a thread");
    let limiter = Limiter::new(monitor, Some(timer), &context("memory_limiter"), Signal::Logs);
    for _ in 0..4 {
        looks.recv_timeout(Duration::from_secs(10)).expect("another look");
    }
    drop(limiter);
    // The sender goes with the monitor, which goes with the thread.
    while looks.recv_timeout(Duration::from_secs(10)).is_ok() {}
    assert_eq!(looks.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
}

/// Paths and contents.
type Files = &'static [(&'static str, &'static str)];

/// Files as a kernel shows them, below a folder that stands for `/`.
fn files(list: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let status = "Name:\tspindle\nVmRSS:\t  90000 kB\nRssAnon:\t   40960 kB\nRssFile:\t 1 kB\n";
    let common = [("proc/self/status", status), ("proc/meminfo", "MemTotal:  1048576 kB\nMemFree: 1 kB\n")];
    for (name, content) in common.iter().chain(list) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, content).expect("a file");
    }
    let path = folder.path().to_owned();
    (folder, path)
}

const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const V1_MOUNTS: &str = "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
const V1_IN_CONTAINER: &str = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";

const STAT_1: &str = "inactive_file 1\ntotal_inactive_file 10485760\ntotal_active_file 0\n";
const STAT_2: &str = "anon 1\ninactive_file 10485760\nactive_file 10485760\n";
const NO_LIMIT_1: &str = "9223372036854771712\n";

/// The limit that counts is found in both versions, in containers and outside, in the group itself or
/// above it; without one the machine's memory counts. The page cache does not count as used.
#[test]
fn finds_the_limit_of_the_control_group() {
    let cases: [(&str, Files, u64, Option<u64>); 8] = [
        ("no control groups", &[], 1024, None),
        (
            "version 2, seen from within a container",
            &[
                ("proc/self/cgroup", "0::/\n"),
                ("proc/self/mountinfo", V2_MOUNT),
                ("sys/fs/cgroup/memory.max", "536870912\n"),
                ("sys/fs/cgroup/memory.current", "104857600\n"),
                ("sys/fs/cgroup/memory.stat", STAT_2),
            ],
            512,
            Some(80),
        ),
        (
            "version 2, the limit is above",
            &[
                ("proc/self/cgroup", "0::/kubepods/pod1/c1\n"),
                ("proc/self/mountinfo", V2_MOUNT),
                ("sys/fs/cgroup/kubepods/pod1/c1/memory.max", "max\n"),
                ("sys/fs/cgroup/kubepods/pod1/c1/memory.current", "1048576\n"),
                ("sys/fs/cgroup/kubepods/pod1/memory.max", "268435456\n"),
                ("sys/fs/cgroup/kubepods/pod1/memory.current", "104857600\n"),
                ("sys/fs/cgroup/kubepods/memory.max", "805306368\n"),
            ],
            256,
            Some(100),
        ),
        (
            "version 2 without a limit",
            &[
                ("proc/self/cgroup", "0::/user.slice\n"),
                ("proc/self/mountinfo", V2_MOUNT),
                ("sys/fs/cgroup/user.slice/memory.max", "max\n"),
            ],
            1024,
            None,
        ),
        (
            "version 1 beside version 2",
            &[
                ("proc/self/cgroup", "9:name=systemd:/x\n4:memory:/job/7\n0::/x\n"),
                ("proc/self/mountinfo", V1_MOUNTS),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", NO_LIMIT_1),
                ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "209715200\n"),
                ("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "31457280\n"),
                ("sys/fs/cgroup/memory/job/memory.stat", STAT_1),
                ("sys/fs/cgroup/memory/job/7/memory.limit_in_bytes", NO_LIMIT_1),
            ],
            200,
            Some(20),
        ),
        (
            "version 1, seen from within a container that was told the host's path",
            &[
                ("proc/self/cgroup", "4:cpu,memory:/docker/abc\n"),
                ("proc/self/mountinfo", V1_IN_CONTAINER),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n"),
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "52428800\n"),
            ],
            100,
            Some(50),
        ),
        (
            "a path that cannot be seen",
            &[
                ("proc/self/cgroup", "0::/../other\n"),
                ("proc/self/mountinfo", V2_MOUNT),
                ("sys/fs/cgroup/memory.max", "104857600\n"),
                ("sys/fs/cgroup/memory.current", "52428800\n"),
            ],
            100,
            Some(50),
        ),
        (
            "a limit above the machine's memory",
            &[
                ("proc/self/cgroup", "0::/\n"),
                ("proc/self/mountinfo", V2_MOUNT),
                ("sys/fs/cgroup/memory.max", "4294967296\n"),
                ("sys/fs/cgroup/memory.current", "52428800\n"),
            ],
            1024,
            Some(50),
        ),
    ];
    for (name, list, total, used) in cases {
        let (_folder, root) = files(list);
        let mut kernel = Kernel::new(&root);
        assert_eq!(kernel.total().expect("a total"), total * MIB, "{name}");
        let usage = kernel.read().expect("a look");
        assert_eq!(usage, Usage { process: 40 * MIB, cgroup: used.map(|mib| mib * MIB) }, "{name}");
    }
}

/// `limit_mib` goes before the percentage, and a spike that is not given is a fifth. A limit above that of
/// the control group leaves the group the same share, never nothing.
#[test]
fn computes_the_limits_as_the_collector_does() {
    let (_folder, root) = files(&[
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", V2_MOUNT),
        ("sys/fs/cgroup/memory.max", "524288000\n"),
    ]);
    let kernel = Kernel::new(&root);
    for (yaml, soft, hard, cgroup) in [
        ("{check_interval: 1s, limit_mib: 100}", 80, 100, 480),
        ("{check_interval: 1s, limit_mib: 100, spike_limit_mib: 30, limit_percentage: 10}", 70, 100, 470),
        ("{check_interval: 1s, limit_percentage: 50}", 200, 250, 450),
        ("{check_interval: 1s, limit_percentage: 50, spike_limit_percentage: 20}", 150, 250, 400),
        ("{check_interval: 1s, limit_percentage: 80, spike_limit_percentage: 40}", 200, 400, 300),
        ("{check_interval: 1s, limit_mib: 1000}", 800, 1000, 400),
        ("{check_interval: 1s, limit_mib: 4000, spike_limit_mib: 800}", 3200, 4000, 400),
    ] {
        let limits = Limits::new(&config::<MemoryLimiter>(yaml), &kernel).expect("limits");
        let expected = Limits { soft: soft * MIB, hard: hard * MIB, cgroup: Some(cgroup * MIB) };
        assert_eq!(limits, expected, "{yaml}");
    }
}

/// Without the kernel's files a percentage cannot be; the error names the way out.
#[test]
fn a_percentage_of_nothing_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let kernel = Kernel::new(folder.path());
    let yaml = "{check_interval: 1s, limit_percentage: 50}";
    assert!(Limits::new(&config::<MemoryLimiter>(yaml), &kernel).is_err());
}

/// The real files of this machine give what the kernel says the process holds. Tests beside this one hold
/// far less than the ballast.
#[test]
fn reads_this_process() {
    let before = Kernel::new(Path::new("/")).read().expect("a look").process;
    let ballast = vec![1u8; 256 << 20];
    let after = Kernel::new(Path::new("/")).read().expect("a look").process;
    assert!(after > before + 192 * MIB, "{before} {after} {}", ballast.len());
    assert!(Kernel::new(Path::new("/")).total().expect("a total") > after);
}
