//! Reading segments in order, a little ahead of what was asked for.

use std::io;

use super::error::StoreError;
use super::open::{Finding, FindingKind};
use super::segment::{self, RecordHeader, Scanner, Step};
use super::state::{Sizes, State};
use super::{Record, Shared};

/// After so many failures in a row a segment is passed over until the next start.
pub const MOST_FAILURES: u32 = 3;

/// Where reading is. One at a time reads.
#[derive(Default)]
pub(super) struct Reader {
    /// The segment that is read, or the lowest that may be next.
    number: u64,
    scanner: Option<Scanner>,
    failures: u32,
}

impl Reader {
    /// Whether a record may be there that was not read yet.
    pub fn has_more(&self, state: &State) -> bool {
        state.segments.range(self.number..).any(|(number, segment)| {
            let is_current = *number == self.number;
            match &self.scanner {
                Some(scanner) if is_current => scanner.offset() < segment.len,
                _ => true,
            }
        })
    }

    /// Reads until enough is ready or nothing is left. Blocks.
    pub fn fill(&mut self, shared: &Shared) -> Result<(), StoreError> {
        loop {
            let state = shared.state();
            if state.is_read_ahead() || state.is_closed {
                return Ok(());
            }
            let next = state.segments.range(self.number..).next();
            let Some((number, segment)) = next.map(|(number, segment)| (*number, segment.clone())) else {
                return Ok(());
            };
            drop(state);
            if number != self.number {
                self.move_to(number);
            }
            match self.read_one(shared, segment.salt, segment.len) {
                Ok(true) => self.failures = 0,
                Ok(false) if segment.is_active => return Ok(()),
                Ok(false) => {
                    if !segment.is_unreadable {
                        shared.state().reconcile(number);
                    }
                    self.move_to(number + 1);
                }
                Err(error) => self.fail(shared, &error)?,
            }
        }
    }

    fn move_to(&mut self, number: u64) {
        *self = Self { number, ..Self::default() };
    }

    /// Reads one step of the segment; `false` at its end.
    fn read_one(&mut self, shared: &Shared, salt: u32, len: u64) -> io::Result<bool> {
        let scanner = if let Some(scanner) = &mut self.scanner {
            scanner
        } else {
            let path = shared.settings.directory.join(segment::file_name(self.number));
            self.scanner.insert(Scanner::new(shared.disk.open(&path)?, salt, len))
        };
        scanner.extend(len);
        let before = scanner.offset();
        match scanner.step()? {
            Step::Record { at, header } => {
                let read = take_record(shared, self.number, scanner, at, &header);
                if read.is_err() {
                    scanner.back_to(before);
                }
                read?;
            }
            Step::Damaged { from, to } => report(shared, self.number, FindingKind::DamagedRecord, from, to),
            // What can be read ends behind a record.
            Step::Torn { .. } => {}
            Step::End => return Ok(false),
        }
        Ok(true)
    }

    fn fail(&mut self, shared: &Shared, error: &io::Error) -> Result<(), StoreError> {
        let number = self.number;
        if error.kind() == io::ErrorKind::NotFound {
            let mut state = shared.state();
            state.reconcile(number);
            let path = shared.settings.directory.join(segment::file_name(number));
            state.report_damage(number, Finding { path, kind: FindingKind::Missing, from: 0, to: 0 });
            drop(state);
            self.move_to(number + 1);
            return Ok(());
        }
        self.failures += 1;
        if self.failures < MOST_FAILURES {
            let path = shared.settings.directory.join(segment::file_name(number));
            return Err(StoreError::io("read", &path, error));
        }
        let from = self.scanner.as_ref().map_or(0, Scanner::offset);
        let to = shared.state().segments.get(&number).map_or(from, |segment| segment.len);
        report(shared, number, FindingKind::Unreadable, from, to);
        if let Some(segment) = shared.state().segments.get_mut(&number) {
            segment.is_unreadable = true;
        }
        self.move_to(number + 1);
        Ok(())
    }
}

fn take_record(
    shared: &Shared,
    number: u64,
    scanner: &mut Scanner,
    at: u64,
    header: &RecordHeader,
) -> io::Result<()> {
    let sequence = header.sequence;
    if shared.state().is_known(sequence) {
        return Ok(());
    }
    if let Some(payload) = scanner.payload(at, header)? {
        let record = Record { sequence, items: header.items, payload };
        shared.state().make_ready(number, Sizes::of(header), record);
    } else {
        shared.state().lose(number, header);
        report(shared, number, FindingKind::DamagedRecord, at, at + header.size());
    }
    Ok(())
}

/// Says what was not found at the start already.
fn report(shared: &Shared, number: u64, kind: FindingKind, from: u64, to: u64) {
    let path = shared.settings.directory.join(segment::file_name(number));
    let finding = Finding { path, kind, from, to };
    let mut state = shared.state();
    if !state.findings().contains(&finding) {
        state.report_damage(number, finding);
    }
}
