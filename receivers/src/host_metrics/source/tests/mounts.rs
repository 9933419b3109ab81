use crate::host_metrics::testing::{Host, assert_golden, points_of};

const PATIENT: std::time::Duration = std::time::Duration::from_secs(10);

fn weird() -> Host {
    let host = Host::copy_of("mounts");
    for (link, target) in
        [("sys/dev/block/259:2", "../../devices/nvme0n1p2"), ("dev/mapper/vg0-srv", "../dm-3")]
    {
        let path = host.path().join(link);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::os::unix::fs::symlink(target, path).expect("a link");
    }
    host
}

fn mounts(host: &Host, settings: &str) -> String {
    let metrics = "system.filesystem.usage: {enabled: false}, system.filesystem.inodes.usage: {enabled: false}, \
        system.filesystem.utilization: {enabled: true}";
    host.scraper(&format!("{{filesystem: {{metrics: {{{metrics}}}{settings}}}}}")).text()
}

/// Blanks in names, deleted and bind mounts, subvolumes, mounts over mounts, overlay and network file
/// systems, device mapper and `/dev/root`: what counts, and under which name. The Collector v0.158 gives
/// the same for this table, but that it names the device mapper below the root path.
#[test]
fn weird_mounts_are_what_they_are() {
    assert_golden("mounts.physical.txt", &mounts(&weird(), ""));
    assert_golden("mounts.all.txt", &mounts(&weird(), ", include_virtual_filesystems: true"));
}

/// Where the first process is hidden, our own table counts; where both are, that is one error.
#[test]
fn our_own_table_stands_in() {
    let host = Host::copy_of("vm");
    let table = host.read("proc/1/mountinfo");
    host.remove("proc/1/mountinfo");
    let mut scraper = host.scraper("{filesystem: }");
    assert!(scraper.batch().is_none());
    assert_eq!(scraper.errors, 1);
    host.write("proc/self/mountinfo", table);
    assert_eq!(scraper.points("system.filesystem.usage").len(), 6);
    assert_eq!(scraper.errors, 0);
}

/// Mounts are asked below the root path, unless the table has them there already.
#[test]
fn mounts_are_asked_below_the_root_path() {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&asked);
    let ask = move |path: &[u8]| {
        seen.lock().expect("not poisoned").push(String::from_utf8_lossy(path).into_owned());
        crate::host_metrics::testing::usage(path)
    };
    let host = Host::copy_of("vm");
    let root = host.path().display().to_string();
    let prefixed = format!(
        "27 1 254:1 / {root}/boot rw - ext4 /dev/vda1 rw\n27 1 254:1 / {root} rw - ext4 /dev/vda1 rw\n27 1 254:1 / {root}2 rw - ext4 /dev/vda1 rw\n"
    );
    host.write("proc/1/mountinfo", host.read("proc/1/mountinfo") + &prefixed);
    let text = host.scraper_asking("{filesystem: }", std::sync::Arc::new(ask), PATIENT).text();
    let points = points_of(&text, "system.filesystem.usage");
    assert!(points[0].contains("mountpoint=/,"), "{points:?}");
    let expected = ["/", "/boot/efi", "/boot", "", &format!("{root}2")].map(|point| format!("{root}{point}"));
    assert_eq!(*asked.lock().expect("not poisoned"), expected);
}

/// Without the kernel's list of types a source that is a path stands for a device.
#[test]
fn types_are_guessed_without_a_list() {
    let host = Host::copy_of("vm");
    host.remove("proc/filesystems");
    let mut scraper = host.scraper("{filesystem: }");
    assert_eq!(scraper.points("system.filesystem.usage").len(), 6);
    assert_eq!(scraper.errors, 1);
}

/// A line that is none is counted, and the others are read.
#[test]
fn a_broken_line_is_counted() {
    let host = Host::copy_of("vm");
    host.write(
        "proc/1/mountinfo",
        "x\n27 1 254:1 /\n27 1 254:1 / / - \n".to_owned() + &host.read("proc/1/mountinfo"),
    );
    let mut scraper = host.scraper("{filesystem: }");
    assert_eq!(scraper.points("system.filesystem.usage").len(), 6);
    assert_eq!(scraper.errors, 3);
}

/// What a file system cannot say is absent: no blocks, no inodes, more free than there is.
#[test]
fn absent_counts_are_absent() {
    use crate::host_metrics::reading::UsageReading;
    let whole =
        UsageReading { block_size: 4096, blocks: 10, free: 6, available: 5, inodes: 9, free_inodes: 3 };
    for (usage, points) in [
        (whole, 3 + 2 + 1),
        (UsageReading { blocks: 0, ..whole }, 0),
        (UsageReading { inodes: 0, free_inodes: 0, ..whole }, 3 + 1),
        (UsageReading { free: 11, ..whole }, 2 + 2),
        (UsageReading { available: 7, ..whole }, 2 + 2 + 1),
        (UsageReading { free_inodes: 10, ..whole }, 3 + 1 + 1),
        // Only what is reserved, one block, can be said in 64 bits.
        (UsageReading { block_size: u64::MAX, ..whole }, 1 + 2),
        (UsageReading { free: 10, available: 0, ..whole }, 3 + 2),
    ] {
        let host = Host::copy_of("vm");
        let ask = std::sync::Arc::new(move |_: &[u8]| Ok(usage));
        let settings = "{filesystem: {metrics: {system.filesystem.utilization: {enabled: true}}}}";
        let text = host.scraper_asking(settings, ask, PATIENT).text();
        let found = text.lines().filter(|line| line.contains("mountpoint=/,")).count();
        assert_eq!(found, points, "{usage:?}\n{text}");
    }
}
