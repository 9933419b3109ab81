use jiff::Timestamp;
use proptest::prelude::*;

use crate::file::names::{Backups, directory, path_of_segment};
use std::path::{Component, Path, PathBuf};

const NOW: &str = "2026-11-21T18:06:00.123456Z";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

/// Old files are found by the tools that know lumberjack's names.
#[test]
fn old_files_are_named_as_lumberjack_names_them() {
    let cases = [
        ("out.json", "out-2026-11-21T18-06-00.123.json"),
        ("/x/traces.jsonl", "/x/traces-2026-11-21T18-06-00.123.jsonl"),
        ("a.b/out", "a.b/out-2026-11-21T18-06-00.123"),
        ("out.tar.gz", "out.tar-2026-11-21T18-06-00.123.gz"),
        (".hidden", "-2026-11-21T18-06-00.123.hidden"),
    ];
    for (path, expected) in cases {
        let path = Path::new(path);
        assert_eq!(Backups::of(path, false).new_name(now()), PathBuf::from(expected));
    }
}

/// Two files that are put aside in one millisecond keep both.
#[test]
fn two_in_one_millisecond_have_two_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.json");
    let backups = Backups::of(&path, false);
    let mut names = Vec::new();
    for _ in 0..5 {
        let name = backups.new_name(now());
        std::fs::write(&name, "").expect("written");
        names.push(name);
    }
    let mut found: Vec<PathBuf> =
        backups.list().expect("listed").into_iter().map(|backup| backup.path).collect();
    found.reverse();
    assert_eq!(found, names, "the list is in order, the newest first");
}

/// Only what this exporter put aside counts as old, whatever else lies in the directory.
#[test]
fn other_files_are_no_old_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.json");
    for name in [
        "out.json",
        "out-2026-11-21T18-06-00.123.json",
        "out-2026-11-21T18-06-00.123.txt",
        "other-2026-11-21T18-06-00.123.json",
        "out-2026-13-41T18-06-00.123.json",
        "out-mine.json",
        "out-2026-11-21T18-06-00.123.json.bak",
    ] {
        std::fs::write(folder.path().join(name), "").expect("written");
    }
    let found = Backups::of(&path, false).list().expect("listed");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, folder.path().join("out-2026-11-21T18-06-00.123.json"));
    assert_eq!(found[0].time, "2026-11-21T18:06:00.123Z".parse::<Timestamp>().expect("a time"));
}

/// What is written by local time is read by local time.
#[test]
fn local_time_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.json");
    let backups = Backups::of(&path, true);
    std::fs::write(backups.new_name(now()), "").expect("written");
    let found = backups.list().expect("listed");
    assert_eq!(found[0].time, "2026-11-21T18:06:00.123Z".parse::<Timestamp>().expect("a time"));
}

/// A path without a directory lies in the working directory.
#[test]
fn every_path_has_a_directory() {
    assert_eq!(directory(Path::new("out.json")), Path::new("."));
    assert_eq!(directory(Path::new("a/out.json")), Path::new("a"));
    assert_eq!(directory(Path::new("/out.json")), Path::new("/"));
}

/// Values that try to get out stay in.
#[test]
fn segments_are_parts_of_one_name() {
    let cases = [
        ("d/", "blue", ".json", "d/blue.json"),
        ("d/", "a/b", ".json", "d/a_b.json"),
        ("d/", "../../etc/passwd", "", "d/.._.._etc_passwd"),
        ("d/", "..", "", "d/__"),
        ("d/", ".", "", "d/_"),
        ("d/", "", "", "d/_"),
        ("d/.", ".", "", "d/._"),
        ("d/", "..", "/x.json", "d/__/x.json"),
        ("d/", "", ".", "d/_."),
        ("d/", "a\0b\nc", "", "d/a_b_c"),
        ("d/pre-", "", ".json", "d/pre-.json"),
        ("d/", "..", ".json", "d/...json"),
        ("d/", "日本", "", "d/日本"),
    ];
    for (prefix, value, suffix, expected) in cases {
        assert_eq!(path_of_segment(prefix, value, suffix), PathBuf::from(expected), "{value:?}");
    }
}

proptest! {
    /// Whatever the value, the path is the directory of the pattern and one name that the system takes.
    #[test]
    fn no_value_leads_out_of_the_directory(
        value in ".{0,300}",
        before in "[a.]{0,2}",
        behind in "[a.]{0,2}",
    ) {
        let path = path_of_segment(&format!("dir/{before}"), &value, &behind);
        let parts: Vec<Component<'_>> = path.components().collect();
        prop_assert_eq!(parts.len(), 2, "{:?}", path);
        prop_assert_eq!(parts[0], Component::Normal("dir".as_ref()));
        prop_assert!(matches!(parts[1], Component::Normal(_)), "{:?}", path);
        let text = path.to_str().expect("text");
        prop_assert!(!text.contains('\0') && text.len() <= 3 + 255);
    }
}
