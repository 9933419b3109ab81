//! Cutting a request into pieces of bounded size, and joining requests into one.
//!
//! Every item goes into exactly one piece, in order, with the resource, scope and metric around it
//! repeated in each piece that holds some of their items. Each piece is a canonical request. Joining is
//! concatenation: serialized export requests one after the other are the request with all groups.
//!
//! What is repeated is bounded: a request of megabytes of resource and a million tiny items must not become
//! a million pieces of megabytes. Beyond [`MOST_REPEATED`] a piece holds at least as much of items as of what
//! is around them, limits or not, so that the pieces measure less than twice the request and that constant.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::view::{Part, data_points, metric_data, records, resource_groups, scope_groups};
use super::wire::put_bytes;
use crate::signal::Signal;

/// How large a piece may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At most this many items.
    pub items: usize,
    /// At most this many bytes; a single item that is larger stands alone.
    pub bytes: usize,
}

impl Limits {
    /// No limit.
    pub const NONE: Self = Self { items: usize::MAX, bytes: usize::MAX };

    /// Whether something of this size needs no cut.
    pub fn hold(&self, items: usize, bytes: usize) -> bool {
        items <= self.items && bytes <= self.bytes
    }
}

/// A piece of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// A request of its own.
    pub bytes: Bytes,
    /// How many items it holds.
    pub items: usize,
}

/// Joins requests of one signal into one.
pub fn concat<'a>(requests: impl IntoIterator<Item = &'a Bytes> + Clone) -> Bytes {
    let length = requests.clone().into_iter().map(Bytes::len).sum();
    let mut out = Vec::with_capacity(length);
    for request in requests {
        out.extend_from_slice(request);
    }
    out.into()
}

/// Cuts a request. Groups without items go with the piece that is open when they come.
pub fn split(signal: Signal, request: &[u8], limits: Limits) -> Vec<Piece> {
    let mut cutter = Cutter::new(limits);
    for group in resource_groups(request) {
        cutter.enter(group, |number| number == 2);
        for scope in scope_groups(group) {
            cutter.enter(scope, |number| number == 2);
            for record in records(scope) {
                if signal == Signal::Metrics {
                    cutter.metric(record);
                } else {
                    cutter.item(record);
                }
            }
            cutter.leave();
        }
        cutter.leave();
    }
    cutter.finish()
}

/// Writes pieces. Each open message has a buffer of its own, which goes into the one around it when the
/// message or the piece ends; so lengths are known when they are written.
struct Cutter<'a> {
    limits: Limits,
    levels: Vec<Level<'a>>,
    root: Vec<u8>,
    items: usize,
    /// What the open piece would measure if it ended now, headers rounded up.
    size: usize,
    /// What the items of the open piece measure.
    item_bytes: usize,
    /// What the pieces so far repeat.
    repeated: usize,
    pieces: Vec<Piece>,
}

struct Level<'a> {
    part: Part<'a>,
    /// The ranges of its own fields, which are repeated in each piece.
    own: Vec<&'a [u8]>,
    own_size: usize,
    buffer: Vec<u8>,
    /// Something of it is in the open piece.
    is_written: bool,
    /// Something of it is in an earlier piece.
    is_repeated: bool,
}

impl Level<'_> {
    fn is_childless(&self) -> bool {
        self.own_size == self.part.bytes().len() + HEADER
    }
}

/// How many bytes of resources, scopes and metrics the pieces of one request repeat before the limits give way.
/// Requests that mean well stay far below.
pub const MOST_REPEATED: usize = 32 << 20;

/// The most that a key and a length take.
const HEADER: usize = 1 + 5;

impl<'a> Cutter<'a> {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            levels: Vec::new(),
            root: Vec::new(),
            items: 0,
            size: 0,
            item_bytes: 0,
            repeated: 0,
            pieces: Vec::new(),
        }
    }

    /// Opens a message whose fields with a number that `is_child` accepts come one by one.
    fn enter(&mut self, part: Part<'a>, is_child: impl Fn(u32) -> bool) {
        let request = part.request();
        let own: Vec<&[u8]> = part
            .fields()
            .filter(|field| !is_child(field.number))
            .map(|field| &request[field.start..field.end])
            .collect();
        let own_size = own.iter().map(|bytes| bytes.len()).sum::<usize>() + HEADER;
        self.levels.push(Level {
            part,
            own,
            own_size,
            buffer: Vec::new(),
            is_written: false,
            is_repeated: false,
        });
    }

    fn leave(&mut self) {
        let Some(mut level) = self.levels.pop() else {
            return;
        };
        // A message that never had children is written once; one that a cut ended is not repeated empty.
        if !level.is_written && level.is_childless() {
            self.open_levels();
            write_own(&mut level);
        }
        if level.is_written {
            let parent = self.levels.last_mut().map_or(&mut self.root, |parent| &mut parent.buffer);
            put_bytes(parent, level.part.number, &level.buffer);
        }
    }

    fn metric(&mut self, metric: Part<'a>) {
        let Some(data) = metric_data(metric) else {
            self.enter(metric, |_| false);
            self.leave();
            return;
        };
        self.enter(metric, |number| number == data.number);
        self.enter(data, |number| number == 1);
        for point in data_points(data) {
            self.item(point);
        }
        self.leave();
        self.leave();
    }

    fn item(&mut self, item: Part<'a>) {
        let unwritten: usize =
            self.levels.iter().filter(|level| !level.is_written).map(|level| level.own_size).sum();
        let added = item.whole().len() + unwritten;
        let is_full = self.items > 0 && !self.limits.hold(self.items + 1, self.size + added);
        if is_full && self.may_repeat() {
            self.end_piece();
        }
        self.size += item.whole().len();
        self.item_bytes += item.whole().len();
        self.open_levels();
        if let Some(level) = self.levels.last_mut() {
            level.buffer.extend_from_slice(item.whole());
        }
        self.items += 1;
    }

    /// Whether another piece may repeat what is around the items.
    fn may_repeat(&self) -> bool {
        let around: usize = self.levels.iter().map(|level| level.own_size).sum();
        self.repeated + around <= MOST_REPEATED || self.item_bytes >= around
    }

    /// Writes the own fields of every open message that the piece does not have yet.
    fn open_levels(&mut self) {
        for level in self.levels.iter_mut().filter(|level| !level.is_written) {
            self.size += level.own_size;
            self.repeated += if level.is_repeated { level.own_size } else { 0 };
            write_own(level);
        }
    }

    fn end_piece(&mut self) {
        let mut inner: Option<(u32, Vec<u8>)> = None;
        for level in self.levels.iter_mut().rev() {
            if let Some((number, bytes)) = inner.take() {
                put_bytes(&mut level.buffer, number, &bytes);
            }
            if level.is_written {
                level.is_written = false;
                level.is_repeated = true;
                inner = Some((level.part.number, std::mem::take(&mut level.buffer)));
            }
        }
        if let Some((number, bytes)) = inner {
            put_bytes(&mut self.root, number, &bytes);
        }
        let bytes = std::mem::take(&mut self.root).into();
        self.pieces.push(Piece { bytes, items: self.items });
        (self.items, self.size, self.item_bytes) = (0, 0, 0);
    }

    fn finish(mut self) -> Vec<Piece> {
        if self.items > 0 || !self.root.is_empty() {
            self.end_piece();
        }
        self.pieces
    }
}

fn write_own(level: &mut Level<'_>) {
    for bytes in &level.own {
        level.buffer.extend_from_slice(bytes);
    }
    level.is_written = true;
}
