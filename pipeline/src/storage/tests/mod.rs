mod damage;
mod disk;
mod faults;
mod model;
mod parts;
mod queue;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{DiskQueue, Payload, Record, Settings};
use disk::SimDisk;

const DIRECTORY: &str = "/queue";

fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

fn settings() -> Settings {
    Settings { cursor_interval: Duration::from_millis(1), ..Settings::new(DIRECTORY) }
}

fn open(disk: &SimDisk) -> DiskQueue {
    open_with(disk, settings())
}

fn open_with(disk: &SimDisk, settings: Settings) -> DiskQueue {
    DiskQueue::open_on(Arc::new(disk.clone()), settings).expect("opens")
}

fn payload(text: &str) -> Payload {
    let (head, body) = text.split_at(text.len() / 2);
    Payload { head: head.to_owned().into(), body: body.to_owned().into(), items: text.len() as u32 }
}

fn text(record: &Record) -> String {
    String::from_utf8_lossy(&record.payload).into_owned()
}

/// What is readable now, in order; none of it is done.
async fn rest(queue: &DiskQueue) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some(record) = queue.try_next().await.expect("readable") {
        records.push(record);
    }
    records
}

async fn texts(queue: &DiskQueue) -> Vec<String> {
    rest(queue).await.iter().map(text).collect()
}
