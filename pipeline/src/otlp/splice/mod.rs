//! Editing a request in place of decoding it: a list of patches, applied in one copy.
//!
//! An edit deep inside a request changes the length of every message around it. [`Splice`] is told
//! which messages are entered and left, keeps a slot for the length of each, and fills it when the
//! message is left and something in it has changed. What is not touched is copied as long runs.
//!
//! Edits are made from front to back. Nothing is copied before [`Splice::finish`], and nothing at all
//! when no edit was made.

#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;

use super::attribute_list::AttributeList;
use super::attributes::{NewValue, attribute_length, put_attribute};
use super::view::{Part, data_points, metric_data, records, resource, resource_groups, scope_groups};
use super::wire::{put_header, put_varint, varint_length};
use crate::signal::Signal;

/// A request being edited.
#[derive(Debug)]
pub struct Splice<'a> {
    source: &'a [u8],
    patches: Vec<Patch>,
    inserted: Vec<u8>,
    open: Vec<Open>,
}

/// `removed` is replaced by a range of the inserted bytes.
#[derive(Clone, Debug)]
struct Patch {
    removed: Range<usize>,
    inserted: Range<usize>,
}

/// A message that was entered and not yet left.
#[derive(Debug)]
struct Open {
    start: usize,
    end: usize,
    length: Range<usize>,
    content: usize,
    /// The patch that is kept for the length.
    slot: usize,
    /// How much longer the content has become.
    growth: isize,
}

impl<'a> Splice<'a> {
    /// Starts to edit a request.
    pub fn new(source: &'a [u8]) -> Self {
        Self { source, patches: Vec::new(), inserted: Vec::new(), open: Vec::new() }
    }

    /// Edits inside `part` follow, until [`leave`](Self::leave) or [`drop_part`](Self::drop_part).
    pub fn enter(&mut self, part: Part<'_>) {
        let length = part.length_at()..part.content;
        self.open.push(Open {
            start: part.start,
            end: part.end,
            length: length.clone(),
            content: part.content,
            slot: self.patches.len(),
            growth: 0,
        });
        self.patches.push(Patch { removed: length.start..length.start, inserted: 0..0 });
    }

    /// Edits inside the message that was entered last are done.
    pub fn leave(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if open.growth == 0 {
            return;
        }
        let length = (open.end - open.content).saturating_add_signed(open.growth);
        let start = self.inserted.len();
        put_varint(&mut self.inserted, length as u64);
        let widening = varint_length(length as u64) as isize - open.length.len() as isize;
        self.patches[open.slot] = Patch { removed: open.length, inserted: start..self.inserted.len() };
        self.grow(open.growth + widening);
    }

    /// Takes out the message that was entered last, whatever was edited in it.
    pub fn drop_part(&mut self) {
        let Some(open) = self.open.pop() else { return };
        self.patches.truncate(open.slot);
        self.remove(open.start..open.end);
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: Range<usize>) {
        self.grow(-(range.len() as isize));
        // Neighbours that go together are one patch, so that a run of dropped spans is one seek.
        match self.patches.last_mut() {
            Some(last)
                if last.removed.end == range.start
                    && last.inserted.is_empty()
                    && !last.removed.is_empty() =>
            {
                last.removed.end = range.end;
            }
            _ => self.patches.push(Patch { removed: range, inserted: 0..0 }),
        }
    }

    /// Puts what `write` writes in the place of a range, which may be empty.
    pub fn replace(&mut self, range: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.inserted.len();
        write(&mut self.inserted);
        let inserted = start..self.inserted.len();
        self.grow(inserted.len() as isize - range.len() as isize);
        self.patches.push(Patch { removed: range, inserted });
    }

    /// Puts what `write` writes at a position.
    pub fn insert(&mut self, at: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.replace(at..at, write);
    }

    /// Edits the attributes that are field `number` of a message: `edit` gets the list of them.
    pub fn edit_attributes(
        &mut self,
        message: Part<'a>,
        number: u32,
        list: &mut AttributeList<'a>,
        edit: impl FnOnce(&mut AttributeList<'a>),
    ) {
        list.read(Some(message), number);
        edit(list);
        if list.is_edited() {
            self.enter(message);
            list.write(self);
            self.leave();
        }
    }

    fn grow(&mut self, growth: isize) {
        if let Some(open) = self.open.last_mut() {
            open.growth += growth;
        }
    }

    /// The edited request, or `None` when nothing was edited.
    pub fn finish(self) -> Option<Bytes> {
        let effective = |patch: &&Patch| !patch.removed.is_empty() || !patch.inserted.is_empty();
        let (mut removed, mut inserted) = (0, 0);
        for patch in self.patches.iter().filter(effective) {
            removed += patch.removed.len();
            inserted += patch.inserted.len();
        }
        if removed == 0 && inserted == 0 {
            return None;
        }
        let mut out = Vec::with_capacity(self.source.len() + inserted - removed.min(self.source.len()));
        let mut at = 0;
        for patch in self.patches.iter().filter(effective) {
            debug_assert!(at <= patch.removed.start, "edits are made from front to back");
            out.extend_from_slice(self.source.get(at..patch.removed.start).unwrap_or(&[]));
            out.extend_from_slice(&self.inserted[patch.inserted.clone()]);
            at = patch.removed.end;
        }
        out.extend_from_slice(self.source.get(at..).unwrap_or(&[]));
        Some(out.into())
    }
}

/// What a predicate is asked about: an item and what is around it.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The resource group.
    pub group: Part<'a>,
    /// The scope group.
    pub scope: Part<'a>,
    /// The span, log record or metric.
    pub record: Part<'a>,
    /// The data point; for spans and log records the record itself.
    pub item: Part<'a>,
    /// The field of `item` that its attributes are.
    pub attributes: u32,
}

/// Drops the items that `keep` refuses, and groups that are left without any. Returns the request that
/// is left and how many items were dropped; `None` for the request when nothing is left.
///
/// Groups that were empty to begin with stay: nobody asked for their removal.
pub fn retain(
    signal: Signal,
    request: &Bytes,
    mut keep: impl FnMut(&Item<'_>) -> bool,
) -> (Option<Bytes>, usize) {
    edit_items(signal, request, |_, item| keep(item))
}

/// Edits and drops items in one pass: `edit` sees each item, may edit inside [`Item::item`] (which it
/// enters and leaves), and says whether the item stays; one that goes is not edited. Returns what
/// [`retain`] returns; the same bytes when nothing was edited and nothing dropped.
pub fn edit_items<'a>(
    signal: Signal,
    request: &'a Bytes,
    mut edit: impl FnMut(&mut Splice<'a>, &Item<'a>) -> bool,
) -> (Option<Bytes>, usize) {
    let mut splice = Splice::new(request);
    let mut dropped = 0;
    let mut left = 0;
    for group in resource_groups(request) {
        splice.enter(group);
        let mut in_group = Tally::default();
        for scope in scope_groups(group) {
            splice.enter(scope);
            let mut in_scope = Tally::default();
            for record in records(scope) {
                let attributes = if signal == Signal::Logs { LOG_ATTRIBUTES } else { SPAN_ATTRIBUTES };
                let around = Item { group, scope, record, item: record, attributes };
                in_scope.add(match signal {
                    Signal::Metrics => edit_points(&mut splice, &around, &mut edit),
                    _ => edit_item(&mut splice, &around, &mut edit),
                });
            }
            splice.leave_or_drop(&in_scope);
            in_group.add(in_scope);
        }
        splice.leave_or_drop(&in_group);
        dropped += in_group.dropped;
        left += in_group.kept + in_group.empty;
    }
    if dropped > 0 && left == 0 {
        return (None, dropped);
    }
    (Some(splice.finish().unwrap_or_else(|| request.clone())), dropped)
}

/// `Span.attributes`.
const SPAN_ATTRIBUTES: u32 = 9;
/// `LogRecord.attributes`.
const LOG_ATTRIBUTES: u32 = 6;

/// The field of a data point that its attributes are, by the field of its metric's data.
const fn point_attributes(data: u32) -> u32 {
    match data {
        9 => 9,
        10 => 1,
        _ => 7,
    }
}

/// What became of the items below a message.
#[derive(Default)]
struct Tally {
    kept: usize,
    dropped: usize,
    /// Messages that had no items to begin with.
    empty: usize,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        if other.kept + other.dropped + other.empty == 0 {
            self.empty += 1;
        }
        self.kept += other.kept;
        self.dropped += other.dropped;
        self.empty += other.empty;
    }
}

impl Splice<'_> {
    fn leave_or_drop(&mut self, tally: &Tally) {
        if tally.dropped > 0 && tally.kept + tally.empty == 0 {
            self.drop_part();
        } else {
            self.leave();
        }
    }
}

fn edit_item<'a>(
    splice: &mut Splice<'a>,
    item: &Item<'a>,
    edit: &mut impl FnMut(&mut Splice<'a>, &Item<'a>) -> bool,
) -> Tally {
    if edit(splice, item) {
        return Tally { kept: 1, ..Tally::default() };
    }
    splice.remove(item.item.start..item.item.end);
    Tally { dropped: 1, ..Tally::default() }
}

fn edit_points<'a>(
    splice: &mut Splice<'a>,
    around: &Item<'a>,
    edit: &mut impl FnMut(&mut Splice<'a>, &Item<'a>) -> bool,
) -> Tally {
    let mut tally = Tally::default();
    let Some(data) = metric_data(around.record) else {
        return tally;
    };
    splice.enter(around.record);
    splice.enter(data);
    let attributes = point_attributes(data.number);
    for point in data_points(data) {
        tally.add(edit_item(splice, &Item { item: point, attributes, ..*around }, edit));
    }
    splice.leave();
    splice.leave_or_drop(&tally);
    tally
}

/// Edits the attributes of every resource: `edit` sees one resource group at a time, entered, and makes
/// its edits through [`ResourceEdit`]. Returns the edited request, or `None` when nothing was edited.
pub fn edit_resources<'a>(
    request: &'a Bytes,
    mut edit: impl FnMut(&mut ResourceEdit<'_, 'a>),
) -> Option<Bytes> {
    let mut splice = Splice::new(request);
    for group in resource_groups(request) {
        splice.enter(group);
        edit(&mut ResourceEdit { splice: &mut splice, group });
        splice.leave();
    }
    splice.finish()
}

/// One resource, to be edited once.
#[derive(Debug)]
pub struct ResourceEdit<'s, 'a> {
    splice: &'s mut Splice<'a>,
    /// The resource group.
    pub group: Part<'a>,
}

impl<'a> ResourceEdit<'_, 'a> {
    /// Edits the resource's attributes: `edit` gets the list of them. A resource that is not there has
    /// none, and is made when it gets some.
    pub fn attributes(&mut self, list: &mut AttributeList<'a>, edit: impl FnOnce(&mut AttributeList<'a>)) {
        if let Some(resource) = resource(self.group) {
            self.splice.edit_attributes(resource, 1, list, edit);
            return;
        }
        list.read(None, 1);
        edit(list);
        if !list.is_empty() {
            self.splice.insert(self.group.content, |out| {
                put_header(out, 1, list.whole_length());
                list.write_whole(out);
            });
        }
    }

    /// Sets an attribute, when it is missing or `overwrite` is true and it is another. Of several with
    /// that key the first is replaced and the others go.
    pub fn set(&mut self, key: &str, value: &str, overwrite: bool) {
        let value = NewValue::from(value);
        let Some(resource) = resource(self.group) else {
            self.splice.insert(self.group.content, |out| {
                put_header(out, 1, attribute_length(1, key, &value));
                put_attribute(out, 1, key, &value);
            });
            return;
        };
        self.splice.enter(resource);
        let mut found = false;
        for attribute in resource.attributes(1).filter(|attribute| attribute.key == key) {
            if !overwrite {
                found = true;
                break;
            }
            if found {
                self.splice.remove(attribute.start..attribute.end);
            } else if attribute.value.as_str().map(NewValue::from).as_ref() != Some(&value) {
                self.splice.replace(attribute.start..attribute.end, |out| put_attribute(out, 1, key, &value));
            }
            found = true;
        }
        if !found {
            self.splice.insert(resource.end, |out| put_attribute(out, 1, key, &value));
        }
        self.splice.leave();
    }
}
