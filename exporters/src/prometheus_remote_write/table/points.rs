//! A set of data points, by their position in a batch.

/// Which data points of a batch something happened to.
#[derive(Clone, Debug, Default)]
pub(in crate::prometheus_remote_write) struct PointSet {
    words: Vec<u64>,
}

impl PointSet {
    /// Adds a point; positions beyond those of data points ([`super::NO_POINT`]) are passed over.
    pub(in crate::prometheus_remote_write) fn insert(&mut self, point: u32) {
        if point == super::NO_POINT {
            return;
        }
        let word = point as usize / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (point % 64);
    }

    /// Takes out the points of another set.
    pub(in crate::prometheus_remote_write) fn remove_all(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
    }

    /// How many there are.
    pub(in crate::prometheus_remote_write) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Empty again.
    pub(in crate::prometheus_remote_write) fn clear(&mut self) {
        self.words.clear();
    }
}
