use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::{batch, exporter, folder, read_frames, read_lines};
use crate::file::names::Backups;

/// The files of a directory by name, without the one that is written.
fn aside(path: &Path) -> Vec<PathBuf> {
    let backups = Backups::of(path, false).list().expect("listed");
    backups.into_iter().rev().map(|backup| backup.path).collect()
}

/// A file is put aside before it would become larger than the limit; no request is cut, lost or doubled, and
/// they stay in order.
#[tokio::test]
async fn a_large_file_is_put_aside() {
    for (keys, read) in [
        ("", read_lines as fn(&Path) -> Vec<Vec<u8>>),
        ("format: proto,", read_frames as fn(&Path) -> Vec<Vec<u8>>),
    ] {
        let folder = folder();
        let path = folder.path().join("out.json");
        let exporter = exporter(&path, &format!("{keys} rotation: {{max_megabytes: 1}}"));
        for number in 0..12 {
            exporter.export(&batch(number, 500)).await.expect("written");
        }
        let mut files = aside(&path);
        assert!(files.len() >= 2, "{files:?}");
        files.push(path);
        for file in &files {
            assert!(fs::metadata(file).expect("there").len() <= 1 << 20, "{file:?}");
        }
        let found: Vec<Vec<u8>> = files.iter().flat_map(|file| read(file)).collect();
        let expected: Vec<Vec<u8>> = (0..12).map(|number| batch(number, 500).bytes().to_vec()).collect();
        assert!(found == expected, "{} requests", found.len());
    }
}

/// A request that is larger than a file may be has a file of its own instead of being lost.
#[tokio::test]
async fn a_request_above_the_limit_has_its_own_file() {
    let folder = folder();
    let path = folder.path().join("out.json");
    let exporter = exporter(&path, "rotation: {max_megabytes: 1}");
    for (number, count) in [(0, 1), (1, 3000), (2, 1)] {
        exporter.export(&batch(number, count)).await.expect("written");
    }
    let files = aside(&path);
    assert_eq!(files.len(), 2);
    assert_eq!(read_lines(&files[1]), [batch(1, 3000).bytes().to_vec()]);
    assert_eq!(read_lines(&path).len(), 1);
}

/// As many old files are kept as configured, the newest.
#[tokio::test]
async fn old_files_beyond_the_number_are_deleted() {
    let folder = folder();
    let path = folder.path().join("out.json");
    let exporter = exporter(&path, "rotation: {max_megabytes: 1, max_backups: 2}");
    for number in 0..8 {
        exporter.export(&batch(number, 1000)).await.expect("written");
    }
    let files = aside(&path);
    assert_eq!(files.len(), 2);
    assert_eq!(read_lines(&path), [batch(7, 1000).bytes().to_vec()]);
    assert_eq!(read_lines(&files[1]), [batch(6, 1000).bytes().to_vec()]);
}

/// Old files go when they are old enough, at the next start already; zero days is for ever.
#[tokio::test]
async fn old_files_beyond_their_days_are_deleted() {
    for (days, left) in [(0, 3), (2, 1)] {
        let folder = folder();
        let path = folder.path().join("out.json");
        for age in [1, 3, 100] {
            let time = Timestamp::now() - SignedDuration::from_hours(age * 24);
            fs::write(Backups::of(&path, false).new_name(time), "").expect("written");
        }
        let keys = format!("rotation: {{max_days: {days}, max_backups: 0}}");
        exporter(&path, &keys).export(&batch(0, 1)).await.expect("written");
        assert_eq!(aside(&path).len(), left, "{days} days");
    }
}

/// With rotation a restart goes on in the file that is there, and counts what is in it.
#[tokio::test]
async fn a_restart_goes_on_in_the_file() {
    let folder = folder();
    let path = folder.path().join("out.json");
    for number in 0..4 {
        let exporter = exporter(&path, "rotation: {max_megabytes: 1}");
        exporter.export(&batch(number, 400)).await.expect("written");
        exporter.stop().await;
    }
    let files = aside(&path);
    assert_eq!(files.len(), 1);
    assert_eq!(read_lines(&files[0]).len() + read_lines(&path).len(), 4);
}

/// A line that a crash cut off is ended before the next one begins.
#[tokio::test]
async fn half_a_line_is_ended() {
    let folder = folder();
    let path = folder.path().join("out.json");
    fs::write(&path, "{\"resourceSpans\":[{\"res").expect("written");
    exporter(&path, "append: true").export(&batch(0, 1)).await.expect("written");
    let text = fs::read_to_string(&path).expect("a file");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0], "{\"resourceSpans\":[{\"res");
}

/// Behind half a record nothing could be read: such a file is put aside, whole, and a whole one is not.
#[tokio::test]
async fn half_a_record_puts_its_file_aside() {
    let folder = folder();
    let path = folder.path().join("out.bin");
    let start = || exporter(&path, "append: true, format: proto");
    start().export(&batch(0, 1)).await.expect("written");
    start().export(&batch(1, 1)).await.expect("written");
    assert_eq!(read_frames(&path).len(), 2);
    let mut torn = fs::read(&path).expect("a file");
    torn.truncate(torn.len() - 3);
    fs::write(&path, &torn).expect("written");
    start().export(&batch(2, 1)).await.expect("written");
    assert_eq!(read_frames(&path), [batch(2, 1).bytes().to_vec()]);
    let files = aside(&path);
    assert_eq!(files.len(), 1);
    assert_eq!(fs::read(&files[0]).expect("a file"), torn);
}

/// Wherever a crash cuts a file of records, it is noticed, and only then.
#[tokio::test]
async fn every_cut_is_noticed() {
    let folder = folder();
    let path = folder.path().join("out.bin");
    let start = || exporter(&path, "append: true, format: proto");
    let writer = start();
    writer.export(&batch(0, 1)).await.expect("written");
    let first = fs::metadata(&path).expect("there").len() as usize;
    writer.export(&batch(1, 1)).await.expect("written");
    let whole = fs::read(&path).expect("a file");
    for cut in (0..=whole.len()).step_by(7).chain([first, first + 1, first + 3, first + 4, whole.len()]) {
        fs::write(&path, &whole[..cut]).expect("written");
        start().export(&batch(2, 1)).await.expect("written");
        let is_boundary = [0, first, whole.len()].contains(&cut);
        assert_eq!(aside(&path).is_empty(), is_boundary, "cut at {cut}");
        read_frames(&path);
        for file in aside(&path) {
            fs::remove_file(file).expect("removed");
        }
    }
}
