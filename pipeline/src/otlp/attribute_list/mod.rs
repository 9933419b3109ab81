//! [`AttributeList`]: the attributes of one message while they are edited.
//!
//! It behaves as the Collector's map of attributes does, so that a list of edits leaves what the
//! Collector leaves, in the same order:
//!
//! * Of a key that is there more than once the first counts.
//! * A new attribute goes to the end.
//! * Taking one out puts the last one in its place; taking out by a predicate keeps the order.
//!
//! Reading copies nothing. Writing patches what has changed and leaves the rest where it stands. One list
//! serves many messages, one after the other, and keeps its memory.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use super::attributes::{AnyValue, NewValue, attribute_length, key_and_value, put_attribute};
use super::splice::Splice;
use super::view::Part;

/// The attributes of one message while they are edited.
#[derive(Debug, Default)]
pub struct AttributeList<'a> {
    request: &'a [u8],
    /// The field of the message that they are.
    number: u32,
    /// Where they stand in the request, in order.
    slots: Vec<Range<usize>>,
    /// Where the message ends.
    end: usize,
    entries: Vec<Entry<'a>>,
    is_edited: bool,
}

#[derive(Debug)]
struct Entry<'a> {
    /// Text, which is looked at as such only when somebody asks for it.
    key: &'a [u8],
    /// The bytes of an `AnyValue`.
    value: Cow<'a, [u8]>,
    place: Place,
}

impl<'a> Entry<'a> {
    fn key(&self) -> &'a str {
        std::str::from_utf8(self.key).unwrap_or("")
    }
}

/// Where an attribute comes from. Those in their place are in the order of the slots.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// As it was read, where it stands.
    Untouched(usize),
    /// In its place with another value.
    Changed(usize),
    /// As it was read from a slot, at another place in the order.
    Moved(usize),
    /// Written anew.
    New,
}

impl<'a> AttributeList<'a> {
    /// Reads the attributes that are field `number` of a message; a message that is not there has none.
    /// What the list held before is forgotten.
    pub fn read(&mut self, message: Option<Part<'a>>, number: u32) {
        self.slots.clear();
        self.entries.clear();
        (self.number, self.is_edited) = (number, false);
        let Some(message) = message else { return };
        (self.request, self.end) = (message.request(), message.end);
        for field in message.fields().filter(|field| field.number == number) {
            let place = Place::Untouched(self.slots.len());
            let (key, value) = key_and_value(field.value.bytes());
            self.slots.push(field.start..field.end);
            self.entries.push(Entry { key, value: Cow::Borrowed(value), place });
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether something was edited since they were read.
    pub fn is_edited(&self) -> bool {
        self.is_edited
    }

    /// The position of the first with this key.
    pub fn find(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.key == key.as_bytes())
    }

    /// The key at a position.
    pub fn key(&self, position: usize) -> &'a str {
        self.entries.get(position).map_or("", Entry::key)
    }

    /// The value at a position.
    pub fn value(&self, position: usize) -> AnyValue<'_> {
        self.entries.get(position).map_or(AnyValue::EMPTY, |entry| AnyValue(&entry.value))
    }

    /// The bytes of the value at a position, to be put elsewhere.
    pub fn copy_value(&self, position: usize) -> Cow<'a, [u8]> {
        self.entries.get(position).map_or(Cow::Borrowed(&[]), |entry| entry.value.clone())
    }

    /// Gives the attribute at a position another value, the bytes of an `AnyValue`.
    pub fn set(&mut self, position: usize, value: Cow<'a, [u8]>) {
        let Some(entry) = self.entries.get_mut(position).filter(|entry| entry.value != value) else { return };
        entry.value = value;
        entry.place = match entry.place {
            Place::Untouched(slot) | Place::Changed(slot) => Place::Changed(slot),
            Place::Moved(_) | Place::New => Place::New,
        };
        self.is_edited = true;
    }

    /// Adds an attribute at the end.
    pub fn push(&mut self, key: &'a str, value: Cow<'a, [u8]>) {
        self.entries.push(Entry { key: key.as_bytes(), value, place: Place::New });
        self.is_edited = true;
    }

    /// Gives the first attribute with this key a value, or adds one.
    pub fn put(&mut self, key: &'a str, value: Cow<'a, [u8]>) {
        match self.find(key) {
            Some(position) => self.set(position, value),
            None => self.push(key, value),
        }
    }

    /// Takes the attribute at a position out; the last one takes its place.
    pub fn remove(&mut self, position: usize) {
        if position >= self.entries.len() {
            return;
        }
        self.entries.swap_remove(position);
        self.is_edited = true;
        if let Some(moved) = self.entries.get_mut(position) {
            moved.place = match moved.place {
                Place::Untouched(slot) | Place::Moved(slot) => Place::Moved(slot),
                Place::Changed(_) | Place::New => Place::New,
            };
        }
    }

    /// Takes out those whose key `keep` refuses.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        let before = self.entries.len();
        self.entries.retain(|entry| keep(entry.key()));
        self.is_edited |= self.entries.len() < before;
    }

    /// Patches the message, which was entered in `splice`.
    pub fn write(&self, splice: &mut Splice<'_>) {
        let mut next = 0;
        for entry in &self.entries {
            match entry.place {
                Place::Untouched(slot) => {
                    self.take_out(splice, next..slot);
                    next = slot + 1;
                }
                Place::Changed(slot) => {
                    self.take_out(splice, next..slot);
                    splice.replace(self.slots[slot].clone(), |out| self.put_entry(out, entry));
                    next = slot + 1;
                }
                Place::Moved(_) | Place::New => {
                    splice.insert(self.position_of(next), |out| self.put_entry(out, entry));
                }
            }
        }
        self.take_out(splice, next..self.slots.len());
    }

    /// Writes all of them, for a message that was not there.
    pub fn write_whole(&self, out: &mut Vec<u8>) {
        for entry in &self.entries {
            self.put_entry(out, entry);
        }
    }

    /// How many bytes [`Self::write_whole`] writes.
    pub fn whole_length(&self) -> usize {
        self.entries.iter().map(|entry| self.entry_length(entry)).sum()
    }

    /// Where what comes in front of a slot is put: behind the last one when there is no such slot.
    fn position_of(&self, slot: usize) -> usize {
        match self.slots.get(slot) {
            Some(range) => range.start,
            None => self.slots.last().map_or(self.end, |range| range.end),
        }
    }

    fn take_out(&self, splice: &mut Splice<'_>, slots: Range<usize>) {
        for slot in self.slots.get(slots).unwrap_or(&[]) {
            splice.remove(slot.clone());
        }
    }

    fn as_read(&self, entry: &Entry<'_>) -> Option<&'a [u8]> {
        match entry.place {
            Place::Untouched(slot) | Place::Moved(slot) => self.request.get(self.slots.get(slot)?.clone()),
            Place::Changed(_) | Place::New => None,
        }
    }

    fn entry_length(&self, entry: &Entry<'_>) -> usize {
        self.as_read(entry).map_or_else(
            || attribute_length(self.number, entry.key(), &NewValue::Raw(&entry.value)),
            <[u8]>::len,
        )
    }

    fn put_entry(&self, out: &mut Vec<u8>, entry: &Entry<'_>) {
        match self.as_read(entry) {
            Some(bytes) => out.extend_from_slice(bytes),
            None => put_attribute(out, self.number, entry.key(), &NewValue::Raw(&entry.value)),
        }
    }
}
