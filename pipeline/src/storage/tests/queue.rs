use std::task::{Context, Waker};

use super::*;
use crate::storage::{Sizes, StoreError, segment};

/// First in, first out; what is not done is there again after a restart, and its sizes are known at once.
#[tokio::test]
async fn what_is_not_done_survives_a_restart_in_order() {
    let disk = SimDisk::default();
    let queue = open(&disk);
    for name in ["one", "two", "three", "four"] {
        queue.append(payload(name)).await.expect("stored");
    }
    let records = rest(&queue).await;
    assert_eq!(records.iter().map(text).collect::<Vec<_>>(), ["one", "two", "three", "four"]);
    assert!(queue.done(records[1].sequence) && queue.done(records[3].sequence));
    assert!(!queue.done(records[1].sequence), "once is enough");
    assert!(!queue.done(99), "never given out");
    queue.close().await;

    let queue = open(&disk);
    assert_eq!(queue.sizes(), Sizes { requests: 2, items: 8, bytes: 8 });
    assert_eq!(texts(&queue).await, ["one", "three"]);
    assert_eq!(queue.append(payload("five")).await, Ok(5), "no number is used twice");
    queue.close().await;
    assert_eq!(queue.append(payload("late")).await, Err(StoreError::Closed));
    assert_eq!(queue.next().await, Ok(None));
}

/// What was put back is next, and is still there after a restart.
#[tokio::test]
async fn what_is_put_back_is_given_again() {
    let disk = SimDisk::default();
    let queue = open(&disk);
    queue.append(payload("one")).await.expect("stored");
    queue.append(payload("two")).await.expect("stored");
    let one = queue.next().await.expect("readable").expect("open");
    queue.put_back(one.clone());
    assert_eq!(queue.next().await, Ok(Some(one.clone())));
    assert!(queue.done(one.sequence));
    queue.put_back(one);
    assert_eq!(texts(&queue).await, ["two"]);
}

/// A waiting reader wakes for a record and for the end.
#[tokio::test]
async fn a_reader_waits_for_a_record_and_for_the_end() {
    let queue = Arc::new(open(&SimDisk::default()));
    let reader = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { (queue.next().await, queue.next().await) }
    });
    tokio::task::yield_now().await;
    queue.append(payload("one")).await.expect("stored");
    while queue.stats().segments == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    queue.close().await;
    let (first, second) = reader.await.expect("no panic");
    assert_eq!(first.expect("readable").map(|record| text(&record)), Some("one".to_owned()));
    assert_eq!(second, Ok(None));
}

/// Segments end at their size and go when all of their records are done, also in the middle.
#[tokio::test]
async fn segments_that_are_done_are_removed() {
    let disk = SimDisk::default();
    let queue = open_with(&disk, Settings { segment_size: 200, ..settings() });
    for _ in 0..12 {
        queue.append(payload(&"x".repeat(50))).await.expect("stored");
    }
    assert_eq!(queue.stats().segments, 6, "two records of 78 bytes in each");
    let records = rest(&queue).await;
    for record in &records[2..4] {
        queue.done(record.sequence);
    }
    queue.close().await;
    assert!(disk.content(&path(&segment::file_name(2))).is_none());
    let queue = open(&disk);
    assert_eq!((queue.stats().segments, queue.sizes().requests), (5, 10));
    for record in rest(&queue).await {
        queue.done(record.sequence);
    }
    queue.close().await;
    assert_eq!(disk.names(), ["cursor"]);
    let queue = open(&disk);
    assert_eq!(queue.sizes(), Sizes::default());
    assert_eq!(queue.append(payload("more")).await, Ok(13));
}

/// The files never grow beyond the limit, and what is done makes room, also in the segment in use.
#[tokio::test]
async fn the_limit_on_bytes_is_kept() {
    let disk = SimDisk::default();
    let limit = 1000;
    let queue = open_with(&disk, Settings { max_size: limit, ..settings() });
    let append = || queue.append(payload(&"x".repeat(100)));
    let mut taken = 0;
    let full = loop {
        match append().await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(queue.stats().disk_bytes <= limit);
    };
    assert_eq!((taken, &full), (6, &StoreError::Full { max_size: limit }));
    assert!(full.is_retryable());
    for round in 0..20 {
        for record in rest(&queue).await {
            queue.done(record.sequence);
        }
        assert!(append().await.is_ok(), "round {round}");
    }
    let too_large = queue.append(payload(&"x".repeat(1000))).await.expect_err("does not fit");
    assert!(!too_large.is_retryable(), "{too_large}");
    assert_eq!(
        queue.append(payload(&"x".repeat(937))).await,
        Err(StoreError::TooLarge { size: 1001, max_size: 1000 })
    );
}

/// Two queues never share a directory, in one process or in two; the real lock is the kernel's.
#[tokio::test]
async fn a_directory_belongs_to_one_queue() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = Settings::new(directory.path().join("traces"));
    let queue = DiskQueue::open(settings.clone()).expect("opens");
    let error = DiskQueue::open(settings.clone()).err().expect("in use");
    assert!(matches!(error, StoreError::InUse { .. }));
    assert!(error.to_string().ends_with("is used by another process"), "{error}");
    queue.append(payload("one")).await.expect("stored");
    queue.close().await;
    let queue = DiskQueue::open(settings).expect("free again");
    assert_eq!(texts(&queue).await, ["one"]);
}

/// Another process that holds the lock, here `flock`, is seen as well.
#[tokio::test]
async fn the_lock_holds_between_processes() {
    let directory = tempfile::tempdir().expect("a directory");
    let lock = directory.path().join("lock");
    let holder = std::process::Command::new("flock")
        .args([lock.as_os_str(), "-c".as_ref(), "echo held; read line".as_ref()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut holder = holder.expect("flock, which is in util-linux");
    let mut held = [0; 5];
    std::io::Read::read_exact(&mut holder.stdout.take().expect("piped"), &mut held).expect("says held");
    let settings = Settings::new(directory.path());
    let error = DiskQueue::open(settings.clone()).err().expect("in use");
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(holder.stdin.take());
    holder.wait().expect("ends");
    assert!(DiskQueue::open(settings).is_ok());
}

/// Waiting callers share syncs: the point of writing in groups.
#[tokio::test]
async fn callers_that_wait_share_syncs() {
    let disk = SimDisk::default();
    let queue = open(&disk);
    let mut appends: Vec<_> = (0..64).map(|_| Box::pin(queue.append(payload("x")))).collect();
    {
        // The writer cannot sync before all of them wait.
        let _held = disk.inner();
        for append in &mut appends {
            assert!(append.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    }
    for append in appends {
        append.await.expect("stored");
    }
    let stats = queue.stats();
    assert!(stats.syncs <= 2 && stats.writes == stats.syncs, "{stats:?}");
    queue.close().await;
    let queue = open_with(&disk, Settings { group_size: 1, ..settings() });
    let appends = (0..8).map(|_| queue.append(payload("x")));
    assert!(futures_util::future::join_all(appends).await.iter().all(Result::is_ok));
    assert_eq!(queue.stats().syncs, 8, "sharing can be turned off");
}

/// A caller that goes away leaves a queue that works; what it appended may be there.
#[tokio::test]
async fn a_dropped_append_harms_nobody() {
    let queue = open(&SimDisk::default());
    for _ in 0..100 {
        let mut append = Box::pin(queue.append(payload("gone")));
        let _ = futures_util::poll!(append.as_mut());
    }
    queue.append(payload("stays")).await.expect("stored");
    assert_eq!(texts(&queue).await.last().map(String::as_str), Some("stays"));
}

/// A queue of many records holds few in memory, gives each, and frees the disk.
#[tokio::test]
async fn a_long_queue_is_read_a_little_at_a_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = Settings { segment_size: 1 << 20, ..Settings::new(directory.path()) };
    let queue = DiskQueue::open(settings.clone()).expect("opens");
    let large = "y".repeat(700 << 10);
    for round in 0..8 {
        let appends = (0..500).map(|index| queue.append(payload(&format!("{round}-{index}"))));
        assert!(futures_util::future::join_all(appends).await.iter().all(Result::is_ok));
        queue.append(payload(&large)).await.expect("stored");
    }
    queue.close().await;
    let queue = DiskQueue::open(settings).expect("opens");
    assert_eq!(queue.sizes().requests, 8 * 501);
    for _ in 0..8 * 501 {
        let record = queue.next().await.expect("readable").expect("open");
        assert_eq!(record.payload.len(), record.items as usize);
        assert!(queue.done(record.sequence));
    }
    assert_eq!(queue.sizes(), Sizes::default());
    queue.close().await;
    assert_eq!(queue.stats().segments, 0);
}
