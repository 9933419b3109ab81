use std::task::{Context, Waker};

use super::*;
use crate::storage::{FindingKind, StoreError, segment};

/// Whatever the disk refuses, nobody gets an `Ok` for it, and the next append works without a restart.
#[tokio::test]
async fn a_failing_disk_is_never_answered_with_ok() {
    type Fault = fn(&mut disk::Faults);
    let faults: [(&str, Fault); 5] = [
        ("no space", |faults| faults.space = Some(0)),
        ("space for a part", |faults| faults.space = Some(10)),
        ("EIO when writing", |faults| faults.write_errors = 1),
        ("EIO when syncing", |faults| faults.sync_errors = 1),
        ("EIO when syncing and cutting", |faults| (faults.sync_errors, faults.cut_errors) = (1, 1)),
    ];
    for (name, fault) in faults {
        // Once with a segment that has records, once with a new one.
        for before in [0, 2] {
            let disk = SimDisk::default();
            let queue = open_with(&disk, Settings { cursor_interval: Duration::from_secs(9), ..settings() });
            for _ in 0..before {
                queue.append(payload("before")).await.expect("stored");
            }
            fault(&mut disk.inner().faults);
            let error = queue.append(payload("refused")).await.expect_err(name);
            assert!(error.is_retryable() && matches!(error, StoreError::Io { .. }), "{name}: {error}");
            disk.inner().faults = disk::Faults::default();
            queue.append(payload("after")).await.expect(name);
            let mut expected = vec!["before"; before];
            expected.push("after");
            assert_eq!(texts(&queue).await, expected, "{name}");
            assert_eq!(queue.stats().failed_appends, 1, "{name}");
            queue.close().await;
            let queue = open(&disk);
            assert_eq!(texts(&queue).await, expected, "{name}: refused data does not come back");
            queue.close().await;
        }
    }
}

/// All who share a failed sync hear of it, whatever of theirs reached the disk.
#[tokio::test]
async fn all_who_share_a_failed_sync_are_refused() {
    let disk = SimDisk::default();
    let queue = open(&disk);
    queue.append(payload("before")).await.expect("stored");
    let mut appends: Vec<_> = (0..64).map(|_| Box::pin(queue.append(payload("x")))).collect();
    {
        // The writer cannot begin before all of them wait.
        let mut held = disk.inner();
        held.faults.sync_errors = usize::MAX;
        for append in &mut appends {
            assert!(append.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    }
    for append in appends {
        append.await.expect_err("the sync failed");
    }
    disk.inner().faults.is_dead = true;
    queue.close().await;
    disk.crash(1);
    let queue = open(&disk);
    assert_eq!(rest(&queue).await.first().map(text).as_deref(), Some("before"));
}

/// A write that takes a few bytes at a time is a whole one in the end.
#[tokio::test]
async fn short_writes_are_continued() {
    let disk = SimDisk::default();
    disk.inner().faults.short = Some(3);
    let queue = open(&disk);
    for name in ["one", "two", "three"] {
        queue.append(payload(name)).await.expect("stored");
    }
    queue.close().await;
    let queue = open(&disk);
    assert_eq!(
        (texts(&queue).await, queue.findings().len()),
        (vec!["one".into(), "two".into(), "three".into()], 0)
    );
}

/// A directory that is removed under the queue costs what was in it; nothing after it, and no restart.
#[tokio::test]
async fn a_directory_that_vanishes_comes_back_with_the_next_append() {
    let disk = SimDisk::default();
    let queue = open(&disk);
    queue.append(payload("lost")).await.expect("stored");
    disk.remove_directory();
    let error = queue.append(payload("refused")).await.expect_err("written to a file that nobody lists");
    assert!(error.is_retryable(), "{error}");
    queue.append(payload("kept")).await.expect("stored");
    assert_eq!(texts(&queue).await, ["kept"]);
    assert_eq!((queue.sizes().requests, queue.stats().lost_records), (1, 1));
    assert_eq!(queue.findings()[0].kind, FindingKind::Missing);
    queue.close().await;
    assert_eq!(texts(&open(&disk)).await, ["kept"]);
}

/// The same with the real file system, where an unlinked file takes writes and syncs without an error.
#[tokio::test]
async fn a_real_directory_that_vanishes_comes_back() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("queue");
    let queue = DiskQueue::open(Settings::new(&directory)).expect("opens");
    queue.append(payload("lost")).await.expect("stored");
    std::fs::remove_dir_all(&directory).expect("removed");
    queue.append(payload("refused")).await.expect_err("written to a file that nobody lists");
    queue.append(payload("kept")).await.expect("stored");
    let again = DiskQueue::open(Settings::new(&directory)).err().expect("locked again");
    assert!(matches!(again, StoreError::InUse { .. }), "{again}");
    queue.close().await;
    let queue = DiskQueue::open(Settings::new(&directory)).expect("opens");
    assert_eq!(texts(&queue).await, ["kept"]);
}

/// A cursor that cannot be stored keeps no segment alive: a full disk must be able to get emptier.
#[tokio::test]
async fn a_full_disk_gets_emptier_without_a_cursor() {
    let disk = SimDisk::default();
    let queue = open_with(&disk, Settings { segment_size: 100, ..settings() });
    for _ in 0..4 {
        queue.append(payload(&"x".repeat(60))).await.expect("stored");
    }
    disk.inner().faults.space = Some(0);
    for record in rest(&queue).await {
        queue.done(record.sequence);
    }
    queue.close().await;
    assert!(queue.stats().failed_cursors > 0);
    assert_eq!(queue.stats().segments, 0);
    disk.inner().faults.space = None;
    let queue = open(&disk);
    assert_eq!(texts(&queue).await, Vec::<String>::new());
}

/// A disk that cannot read is an error that passes; one that goes on failing keeps its data for later.
#[tokio::test]
async fn unreadable_data_waits_for_the_next_start() {
    let disk = SimDisk::default();
    let queue = open_with(&disk, Settings { segment_size: 100, ..settings() });
    for name in ["first", "second"] {
        queue.append(payload(&name.repeat(10))).await.expect("stored");
    }
    disk.inner().faults.read_errors = 1;
    let error = queue.try_next().await.expect_err("EIO");
    assert!(error.is_retryable(), "{error}");
    let first = queue.try_next().await.expect("readable").expect("there");
    assert_eq!(first.sequence, 1);
    queue.close().await;

    let queue = open(&disk);
    disk.inner().faults.read_errors = 3;
    let mut given = Vec::new();
    for _ in 0..5 {
        given.extend(queue.try_next().await.ok().flatten());
    }
    assert_eq!(given.iter().map(|record| record.sequence).collect::<Vec<_>>(), [2]);
    assert_eq!(queue.findings()[0].kind, FindingKind::Unreadable);
    queue.done(2);
    queue.close().await;
    let queue = open(&disk);
    assert_eq!(rest(&queue).await.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1]);
    queue.close().await;

    // The same while opening: no refusal, and numbers that may be in there are not used.
    disk.inner().faults.read_errors = 1;
    disk.put(&path("cursor"), b"");
    let queue = open(&disk);
    disk.inner().faults.read_errors = 0;
    queue.append(payload("new")).await.expect("stored");
    queue.close().await;
    let queue = open(&disk);
    assert_eq!(rest(&queue).await.iter().map(text).collect::<Vec<_>>().len(), 2, "{:?}", disk.names());
    assert!(disk.content(&path(&segment::file_name(1))).is_some());
}
