//! A bounded memory: what was not used for long is forgotten.
//!
//! Entries live in two generations. Using one brings it into the young generation; when that has reached
//! half of the limit, it becomes the old one and what was old before is forgotten. So an entry stays at
//! least until others that cost half of the limit were used after it.

use hashbrown::HashMap;

/// What an entry costs, about, in bytes.
pub(super) trait Cost {
    /// The cost.
    fn cost(&self) -> usize;
}

type Generation<V> = HashMap<u128, V, foldhash::fast::RandomState>;

/// Values by key, within a limit of cost.
#[derive(Debug)]
pub(super) struct Generations<V> {
    young: Generation<V>,
    old: Generation<V>,
    young_cost: usize,
    limit: usize,
}

impl<V: Cost> Generations<V> {
    /// Nothing yet; at most `limit` later.
    pub(super) fn new(limit: usize) -> Self {
        Self { young: Generation::default(), old: Generation::default(), young_cost: 0, limit }
    }

    /// Uses the entry of a key, made if there is none.
    pub(super) fn update<R>(
        &mut self,
        key: u128,
        make: impl FnOnce() -> V,
        with: impl FnOnce(&mut V) -> R,
    ) -> R {
        if self.young_cost >= self.limit / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_cost = 0;
        }
        let old = &mut self.old;
        let mut added = 0;
        let value = self.young.entry(key).or_insert_with(|| {
            let value = old.remove(&key).unwrap_or_else(make);
            added = value.cost();
            value
        });
        let before = value.cost();
        let result = with(value);
        self.young_cost = (self.young_cost + added + value.cost()).saturating_sub(before);
        result
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
