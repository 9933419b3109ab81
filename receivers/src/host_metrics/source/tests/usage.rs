use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::host_metrics::source::Ask;
use crate::host_metrics::testing::{Host, Scraper, log_of, points_of, usage};

/// File systems of which some hang until they are let go.
#[derive(Default)]
struct Mounts {
    hanging: Mutex<BTreeSet<String>>,
    changed: Condvar,
    asked: Mutex<Vec<String>>,
}

impl Mounts {
    fn ask(self: &Arc<Self>) -> Ask {
        let mounts = Arc::clone(self);
        Arc::new(move |path| {
            let path = String::from_utf8_lossy(path).into_owned();
            mounts.asked.lock().expect("not poisoned").push(path.clone());
            let hanging = mounts.hanging.lock().expect("not poisoned");
            let is_hanging = |hanging: &mut BTreeSet<String>| hanging.iter().any(|end| path.ends_with(end));
            drop(mounts.changed.wait_while(hanging, is_hanging).expect("not poisoned"));
            usage(path.as_bytes())
        })
    }

    fn hang(&self, ends: &[&str]) {
        *self.hanging.lock().expect("not poisoned") = ends.iter().map(|end| (*end).to_owned()).collect();
        self.changed.notify_all();
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("not poisoned"))
    }
}

/// A host with these mounts of these sources, all of type nfs4.
fn host(mounts: &[(&str, &str)]) -> Host {
    let host = Host::copy_of("vm");
    let lines: Vec<String> = mounts
        .iter()
        .enumerate()
        .map(|(index, (source, point))| format!("{index} 1 0:{index} / {point} rw - nfs4 {source} rw\n"))
        .collect();
    host.write("proc/1/mountinfo", lines.concat());
    host
}

const SETTINGS: &str = "{load: , filesystem: {include_virtual_filesystems: true, metrics: \
    {system.filesystem.inodes.usage: {enabled: false}, system.filesystem.usage: {attributes: [mountpoint]}}}}";

const METRIC: &str = "system.filesystem.usage";

fn points(mounts: &[&str]) -> Vec<String> {
    mounts.iter().map(|mount| format!("{{mountpoint={mount}}} 4096000")).collect()
}

/// How long a mount may take in these tests.
const LIMIT: Duration = Duration::from_millis(200);

/// Reads until a reading has these mounts and this number of errors. On a busy machine a mount that is
/// well may be taken for hanging; it is taken back in a later reading.
fn read_until(scraper: &mut Scraper, mounts: &[&str], errors: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = scraper.points(METRIC);
        if found == points(mounts) && scraper.errors == errors {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?} and {} errors", scraper.errors);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A mount that hangs is left out and counted while it does, and not asked again; all others are read. It
/// is taken back when it answers.
#[test]
fn a_mount_that_hangs_is_left_out_until_it_answers() {
    let mounts = Arc::new(Mounts::default());
    let host = host(&[("a:/", "/a"), ("b:/", "/b"), ("c:/", "/c")]);
    let mut scraper = host.scraper_asking(SETTINGS, mounts.ask(), LIMIT);
    read_until(&mut scraper, &["/a", "/b", "/c"], 0);
    mounts.hang(&["/b"]);
    read_until(&mut scraper, &["/a", "/c"], 1);
    mounts.asked();
    read_until(&mut scraper, &["/a", "/c"], 1);
    assert!(!mounts.asked().iter().any(|path| path.ends_with("/b")), "asked again what hangs");
    mounts.hang(&[]);
    read_until(&mut scraper, &["/a", "/b", "/c"], 0);
}

/// The log hears once that a mount hangs, and once that it answers again.
#[test]
fn the_log_hears_of_a_mount_that_hangs_once() {
    let mounts = Arc::new(Mounts::default());
    let host = host(&[("a:/", "/a"), ("b:/", "/b")]);
    let mut scraper = host.scraper_asking(SETTINGS, mounts.ask(), LIMIT);
    let log = log_of(|| {
        mounts.hang(&["/b"]);
        (0..3).for_each(|_| read_until(&mut scraper, &["/a"], 1));
        mounts.hang(&[]);
        read_until(&mut scraper, &["/a", "/b"], 0);
    });
    let about: Vec<&str> =
        log.iter().filter(|line| line.contains("mount_point=\"/b\"")).map(String::as_str).collect();
    assert_eq!(
        about,
        [
            "WARN message=a file system does not answer; it is left out until it does \
             receiver=\"host_metrics\" mount_point=\"/b\" device=\"b:/\"",
            "INFO message=a file system answers again receiver=\"host_metrics\" mount_point=\"/b\"",
        ]
    );
}

/// The reading in which a mount starts to hang has everything else: other scrapers, and the mounts behind
/// it in the table.
#[test]
fn the_reading_that_finds_a_mount_hanging_has_all_others() {
    let mounts = Arc::new(Mounts::default());
    let host = host(&[("a:/", "/a"), ("b:/", "/b"), ("c:/", "/c")]);
    mounts.hang(&["/b"]);
    let text = host.scraper_asking(SETTINGS, mounts.ask(), Duration::from_secs(2)).text();
    assert!(text.contains("load_average"));
    assert_eq!(points_of(&text, METRIC), points(&["/a", "/c"]));
    mounts.hang(&[]);
}

/// One dead server costs one wait and one thread, however many mounts are from it.
#[test]
fn mounts_of_a_server_that_hangs_are_not_asked() {
    let mounts = Arc::new(Mounts::default());
    let host = host(&[
        ("nas:/one", "/one"),
        ("nas:/two", "/two"),
        ("//smb/share", "/smb"),
        ("other:/three", "/three"),
        ("//smb/more", "/more"),
    ]);
    mounts.hang(&["/one", "/smb"]);
    let mut scraper = host.scraper_asking(SETTINGS, mounts.ask(), LIMIT);
    read_until(&mut scraper, &["/three"], 4);
    let asked = mounts.asked();
    assert!(!asked.iter().any(|path| path.ends_with("/two") || path.ends_with("/more")), "{asked:?}");
    mounts.hang(&[]);
}

/// However many mounts hang, a reading takes a few limits, and threads are few.
#[test]
fn many_mounts_that_hang_cost_a_bounded_time() {
    let mounts = Arc::new(Mounts::default());
    let sources: Vec<(String, String)> =
        (0..100).map(|index| (format!("s{index}:/"), format!("/hang{index}."))).collect();
    let table: Vec<(&str, &str)> = sources.iter().map(|(source, point)| (&**source, &**point)).collect();
    let host = host(&table);
    mounts.hang(&["."]);
    let mut scraper = host.scraper_asking(SETTINGS, mounts.ask(), Duration::from_millis(100));
    for _ in 0..6 {
        let start = Instant::now();
        let text = scraper.text();
        // One after the other they would take 10 s.
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(text.contains("load_average") && !text.contains(METRIC));
        assert_eq!(scraper.errors, 100);
    }
    let asked = mounts.asked().len();
    assert!(asked > 4 && asked <= 16, "{asked} threads hang");
    mounts.hang(&[]);
}

/// A mount that answers with an error is left out and counted, and the others are read.
#[test]
fn a_mount_that_refuses_is_left_out() {
    let host = host(&[("a:/", "/a"), ("b:/", "/b"), ("c:/", "/c")]);
    let ask: Ask = Arc::new(|path| {
        if path.ends_with(b"/b") { Err(io::ErrorKind::PermissionDenied.into()) } else { usage(path) }
    });
    let mut scraper = host.scraper_asking(SETTINGS, ask, Duration::from_secs(10));
    for _ in 0..2 {
        assert_eq!(scraper.points(METRIC), points(&["/a", "/c"]));
        assert_eq!(scraper.errors, 1);
    }
}

/// A panic while asking costs that mount, not the receiver.
#[test]
fn a_panic_is_a_mount_without_an_answer() {
    let host = host(&[("a:/", "/a"), ("b:/", "/b"), ("c:/", "/c")]);
    let ask: Ask = Arc::new(|path| {
        assert!(!path.ends_with(b"/b"), "a panic for the test");
        usage(path)
    });
    let mut scraper = host.scraper_asking(SETTINGS, ask, Duration::from_secs(10));
    assert_eq!(scraper.points(METRIC), points(&["/a", "/c"]));
    assert_eq!(scraper.errors, 1);
}
