//! Random operations on a queue and on a model of it that is too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::storage::Sizes;

#[derive(Clone, Debug)]
enum Operation {
    Append(u8),
    AppendTogether(u8),
    Next,
    Done(u8),
    PutBack(u8),
    Fault(u8),
    Reopen,
    Crash(u64),
    CrashInSync(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => any::<u8>().prop_map(Operation::Append),
        2 => (1_u8..8).prop_map(Operation::AppendTogether),
        6 => Just(Operation::Next),
        5 => any::<u8>().prop_map(Operation::Done),
        1 => any::<u8>().prop_map(Operation::PutBack),
        1 => (0_u8..6).prop_map(Operation::Fault),
        1 => Just(Operation::Reopen),
        1 => any::<u64>().prop_map(Operation::Crash),
        1 => any::<u64>().prop_map(Operation::CrashInSync),
    ]
}

/// What a queue must do, without a disk.
struct Model {
    disk: SimDisk,
    queue: DiskQueue,
    /// Each text is appended once, so it names its record.
    appended: u32,
    /// Answered `Ok` and not done, by sequence number.
    owed: BTreeMap<u64, String>,
    /// May be given, need not be: refused, or done shortly before a crash.
    allowed: BTreeSet<String>,
    done: BTreeSet<String>,
    out: Vec<Record>,
    /// The last that was given in order.
    last: u64,
    put_back: BTreeSet<u64>,
    has_crashed: bool,
}

fn model_settings() -> Settings {
    Settings { segment_size: 300, max_size: 4000, ..settings() }
}

impl Model {
    fn new() -> Self {
        let disk = SimDisk::default();
        Self {
            queue: open_with(&disk, model_settings()),
            disk,
            appended: 0,
            owed: BTreeMap::new(),
            allowed: BTreeSet::new(),
            done: BTreeSet::new(),
            out: Vec::new(),
            last: 0,
            put_back: BTreeSet::new(),
            has_crashed: false,
        }
    }

    fn text(&mut self, length: u8) -> String {
        self.appended += 1;
        format!("{}:{}", self.appended, "x".repeat(length as usize))
    }

    async fn append(&mut self, texts: Vec<String>) {
        let appends = texts.iter().map(|text| self.queue.append(payload(text)));
        let answers = futures_util::future::join_all(appends).await;
        for (text, answer) in texts.into_iter().zip(answers) {
            match answer {
                Ok(sequence) => assert_eq!(self.owed.insert(sequence, text), None, "a number used twice"),
                Err(error) => {
                    assert!(error.is_retryable(), "{error}");
                    self.allowed.insert(text);
                }
            }
        }
    }

    async fn next(&mut self) -> bool {
        // A read that fails is no answer; the next one may be.
        let Ok(given) = self.queue.try_next().await else { return true };
        let Some(record) = given else {
            for sequence in self.owed.keys() {
                assert!(self.out.iter().any(|record| record.sequence == *sequence), "{sequence} is lost");
            }
            return false;
        };
        assert!(self.out.iter().all(|out| out.sequence != record.sequence), "given twice");
        match self.owed.get(&record.sequence) {
            Some(owed) => assert_eq!(*owed, text(&record)),
            None => assert!(self.allowed.contains(&text(&record)), "from nowhere: {record:?}"),
        }
        if !self.put_back.remove(&record.sequence) {
            assert!(record.sequence > self.last, "out of order");
            self.last = record.sequence;
        }
        self.out.push(record);
        true
    }

    fn done(&mut self, index: u8) {
        if self.out.is_empty() {
            return;
        }
        let record = self.out.remove(index as usize % self.out.len());
        assert!(self.queue.done(record.sequence));
        self.owed.remove(&record.sequence);
        self.done.insert(text(&record));
    }

    fn put_back(&mut self, index: u8) {
        if !self.out.is_empty() {
            let record = self.out.remove(index as usize % self.out.len());
            self.put_back.insert(record.sequence);
            self.queue.put_back(record);
        }
    }

    fn fault(&self, kind: u8) {
        let faults = &mut self.disk.inner().faults;
        match kind {
            0 => faults.write_errors = 1,
            1 => faults.sync_errors = 1,
            2 => faults.space = Some(150),
            3 => faults.short = Some(7),
            4 => (faults.sync_errors, faults.cut_errors) = (1, 1),
            _ => faults.rename_errors = 1,
        }
    }

    async fn reopen(&mut self) {
        self.disk.inner().faults = disk::Faults::default();
        self.queue.close().await;
        self.queue = open_with(&self.disk, model_settings());
        let bytes = self.owed.values().map(|text| text.len() as u64).sum();
        // The model's items are its bytes.
        let expected = Sizes { requests: self.owed.len() as u64, items: bytes, bytes };
        let sizes = self.queue.sizes();
        // A crash leaves a few more: what was done just before it, what was on its way.
        assert!(sizes == expected || self.has_crashed && sizes.requests > expected.requests, "{sizes:?}");
        self.forget();
    }

    async fn crash(&mut self, seed: u64) {
        self.disk.inner().faults.is_dead = true;
        self.queue.close().await;
        self.disk.crash(seed);
        self.queue = open_with(&self.disk, model_settings());
        assert!(self.queue.sizes().requests >= self.owed.len() as u64);
        self.allowed.append(&mut self.done);
        self.has_crashed = true;
        self.forget();
    }

    fn forget(&mut self) {
        self.out.clear();
        self.put_back.clear();
        self.last = 0;
    }

    async fn step(&mut self, operation: Operation) {
        match operation {
            Operation::Append(length) => {
                let text = self.text(length);
                self.append(vec![text]).await;
            }
            Operation::AppendTogether(count) => {
                let texts = (0..count).map(|length| self.text(length * 20)).collect();
                self.append(texts).await;
            }
            Operation::Next => drop(self.next().await),
            Operation::Done(index) => self.done(index),
            Operation::PutBack(index) => self.put_back(index),
            Operation::Fault(kind) => self.fault(kind),
            Operation::Reopen => self.reopen().await,
            Operation::Crash(seed) => self.crash(seed).await,
            Operation::CrashInSync(seed) => {
                self.disk.inner().faults.dies_at_sync = true;
                let texts = (0..4).map(|length| self.text(length * 30)).collect();
                self.append(texts).await;
                self.crash(seed).await;
            }
        }
        assert!(self.queue.stats().disk_bytes <= 4000, "larger than allowed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    /// Whatever happens in whatever order, what was answered `Ok` is given until it is done.
    #[test]
    fn nothing_that_was_answered_ok_is_lost(operations in prop::collection::vec(operation(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut model = Model::new();
            for operation in operations {
                model.step(operation).await;
            }
            model.reopen().await;
            while model.next().await {}
            model.queue.close().await;
        });
    }
}
