//! How fast the queue on disk takes records, with one sync for all who wait and with one for each.
//!
//! `cargo bench -p spindle-pipeline --bench storage`. The files lie in the system's temporary directory;
//! set `TMPDIR` to measure another disk. The first lines are what the disk does without a queue.

use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use spindle_pipeline::storage::{DiskQueue, Payload, Settings};

/// How long each line is measured.
const TIME: Duration = Duration::from_secs(2);

struct Case {
    name: &'static str,
    callers: usize,
    bytes: usize,
    group_size: usize,
}

const CASES: [Case; 6] = [
    Case { name: "1 caller", callers: 1, bytes: 10 << 10, group_size: 1024 },
    Case { name: "64 callers, a sync each", callers: 64, bytes: 10 << 10, group_size: 1 },
    Case { name: "64 callers, shared syncs", callers: 64, bytes: 10 << 10, group_size: 1024 },
    Case { name: "512 callers, shared syncs", callers: 512, bytes: 10 << 10, group_size: 1024 },
    Case { name: "64 callers, a sync each", callers: 64, bytes: 256 << 10, group_size: 1 },
    Case { name: "64 callers, shared syncs", callers: 64, bytes: 256 << 10, group_size: 1024 },
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let mut out = io::stdout().lock();
    for bytes in [10 << 10, 640 << 10, 8 << 20] {
        let (syncs, seconds) = plain_file(bytes)?;
        let rate = (syncs * bytes) as f64 / 1e6 / seconds;
        let each = syncs as f64 / seconds;
        writeln!(out, "plain file, {:>5} KiB a sync: {each:>6.0} syncs/s {rate:>7.1} MB/s", bytes >> 10)?;
    }
    for case in CASES {
        let (appends, syncs, seconds) = runtime.block_on(measure(&case))?;
        let rate = (appends * case.bytes as u64) as f64 / 1e6 / seconds;
        writeln!(
            out,
            "{:<26} {:>4} KiB: {:>7.0} appends/s {rate:>7.1} MB/s {:>6.1} appends a sync",
            case.name,
            case.bytes >> 10,
            appends as f64 / seconds,
            appends as f64 / syncs as f64
        )?;
    }
    let (bytes, seconds) = runtime.block_on(drain())?;
    writeln!(out, "read, verify and finish 10 KiB records: {:.0} MB/s", bytes as f64 / 1e6 / seconds)?;
    Ok(())
}

fn plain_file(bytes: usize) -> io::Result<(usize, f64)> {
    let file = tempfile::tempfile()?;
    let content = vec![7; bytes];
    let start = Instant::now();
    let mut syncs = 0;
    while start.elapsed() < TIME {
        file.write_all_at(&content, (syncs * bytes) as u64)?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok((syncs, start.elapsed().as_secs_f64()))
}

fn payload(bytes: usize) -> Payload {
    Payload { head: Bytes::from_static(&[1, 1, 0, 0]), body: vec![7; bytes - 4].into(), items: 100 }
}

async fn measure(case: &Case) -> Result<(u64, u64, f64), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let settings = Settings { group_size: case.group_size, ..Settings::new(directory.path()) };
    let queue = Arc::new(DiskQueue::open(settings)?);
    let payload = payload(case.bytes);
    let start = Instant::now();
    let callers: Vec<_> = (0..case.callers)
        .map(|_| {
            let (queue, payload) = (Arc::clone(&queue), payload.clone());
            tokio::spawn(async move {
                while start.elapsed() < TIME {
                    queue.append(payload.clone()).await?;
                }
                Ok::<_, spindle_pipeline::storage::StoreError>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    let seconds = start.elapsed().as_secs_f64();
    let appends = queue.sizes().requests;
    let syncs = queue.stats().syncs;
    queue.close().await;
    Ok((appends, syncs, seconds))
}

async fn drain() -> Result<(u64, f64), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let queue = DiskQueue::open(Settings::new(directory.path()))?;
    let payload = payload(10 << 10);
    for _ in 0..20 {
        let appends = (0..1000).map(|_| queue.append(payload.clone()));
        futures_util::future::try_join_all(appends).await?;
    }
    let bytes = queue.sizes().bytes;
    let start = Instant::now();
    while let Some(record) = queue.try_next().await? {
        queue.done(record.sequence);
    }
    let seconds = start.elapsed().as_secs_f64();
    queue.close().await;
    Ok((bytes, seconds))
}
