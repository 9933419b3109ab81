//! [`Rows`]: rows whose memory is kept from one reading to the next.

use std::ops::{Deref, DerefMut};

/// A list that is filled anew for each reading and keeps what it has allocated, the insides of its rows
/// included. Past the first readings, filling it allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Rows<T> {
    rows: Vec<T>,
    used: usize,
}

impl<T: Default> Rows<T> {
    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// A further row. It may hold what an earlier reading left in it: every field must be set.
    pub fn add(&mut self) -> &mut T {
        if self.used == self.rows.len() {
            self.rows.push(T::default());
        }
        self.used += 1;
        &mut self.rows[self.used - 1]
    }

    /// Takes the last row back.
    pub fn take_back(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// Keeps the rows that `keep` wants, in order.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let mut kept = 0;
        for index in 0..self.used {
            if keep(&self.rows[index]) {
                self.rows.swap(kept, index);
                kept += 1;
            }
        }
        self.used = kept;
    }
}

impl<T> Deref for Rows<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.rows[..self.used]
    }
}

impl<T> DerefMut for Rows<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.rows[..self.used]
    }
}

/// Overwrites a text with bytes of the kernel; what is not UTF-8 becomes U+FFFD.
pub fn overwrite(text: &mut String, bytes: &[u8]) {
    text.clear();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}
