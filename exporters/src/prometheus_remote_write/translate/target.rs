//! `target_info`: one sample for each target, which is a pair of `job` and `instance`.
//!
//! It has the time of the target's latest point, so that a query at that time finds it. When the points
//! of a batch reach over more time than half of Prometheus' look-back of five minutes, there is one for
//! each such stretch, at the latest point in it; and one at the earliest point if there was none for
//! longer than that. Times of one target only grow, also from batch to batch:
//! of two resources with the same `job` and `instance` the later one describes the target.

use std::collections::BTreeMap;

use super::Walk;
use super::resource::{ResourceContext, describing_attributes};
use crate::prometheus_remote_write::generations::{Cost, Generations};
use crate::prometheus_remote_write::table::{Context, NO_POINT, Value};

/// Half of the look-back, in milliseconds.
const STRETCH: i64 = 150_000;
/// What the memory of earlier times may cost, in bytes.
const MEMORY: usize = 1 << 20;

/// The time of the last `target_info` of each target. Of targets that were not heard of for long the time
/// is forgotten.
pub(super) struct TargetTimes(Generations<i64>);

impl Default for TargetTimes {
    fn default() -> Self {
        Self(Generations::new(MEMORY))
    }
}

impl Cost for i64 {
    fn cost(&self) -> usize {
        48
    }
}

impl TargetTimes {
    /// The times at which a target is due, in order; remembers the last.
    fn advance(&mut self, target: &Target<'_>) -> Vec<i64> {
        let Target { earliest, latest, .. } = target;
        let last = |last: &mut i64| {
            let is_far = *earliest > last.saturating_add(STRETCH);
            let first = is_far.then_some(*earliest).into_iter();
            let mut times: Vec<i64> =
                first.chain(latest.values().copied()).filter(|time| time > last).collect();
            times.dedup();
            *last = times.last().copied().unwrap_or(*last);
            times
        };
        self.0.update(target.id, || i64::MIN, last)
    }
}

/// The targets of a batch in the order in which they were met.
#[derive(Default)]
pub(super) struct Targets<'a> {
    list: Vec<Target<'a>>,
    index: hashbrown::HashMap<u128, usize, foldhash::fast::RandomState>,
    /// The target that the last point was of.
    current: usize,
}

struct Target<'a> {
    id: u128,
    group: spindle_pipeline::otlp::view::Part<'a>,
    context: Context,
    earliest: i64,
    /// The latest time of each stretch.
    latest: BTreeMap<i64, i64>,
}

impl<'a> Targets<'a> {
    /// A point of a resource was translated.
    pub(super) fn note(&mut self, resource: &ResourceContext<'a>, time: i64) {
        let Some(id) = resource.target else { return };
        if self
            .list
            .get(self.current)
            .is_none_or(|target| target.id != id || target.group.start != resource.group.start)
        {
            self.current = self.enter(id, resource);
        }
        let Some(target) = self.list.get_mut(self.current) else { return };
        target.earliest = time.min(target.earliest);
        let latest = target.latest.entry(time / STRETCH).or_insert(time);
        *latest = time.max(*latest);
    }

    fn enter(&mut self, id: u128, resource: &ResourceContext<'a>) -> usize {
        let (group, context) = (resource.group, resource.context.clone());
        if let Some(index) = self.index.get(&id) {
            let target = &mut self.list[*index];
            (target.group, target.context) = (group, context);
            return *index;
        }
        self.list.push(Target { id, group, context, earliest: i64::MAX, latest: BTreeMap::new() });
        self.index.insert(id, self.list.len() - 1);
        self.list.len() - 1
    }
}

impl Walk<'_, '_> {
    /// Adds the `target_info` of all targets of the batch.
    pub(super) fn target_info(&mut self) {
        let targets = std::mem::take(&mut self.targets.list);
        if targets.is_empty() {
            return;
        }
        let name = self.to.settings.namer.with_namespace("target_info");
        let name = self.to.table.name(&name, "");
        for target in targets {
            self.scratch.begin_target();
            describing_attributes(target.group, &mut self.scratch);
            // A key that can be no label is left out here: the rest still describes the target.
            self.scratch.has_invalid_label = false;
            if self.check_labels(&target.context).is_err() {
                continue;
            }
            let mut labels = self.labels(&target.context);
            for time in self.to.target_times.advance(&target) {
                let one = Value::Float(1f64.to_bits());
                self.to.table.add(&mut labels, name, None, time, one, NO_POINT);
            }
            self.to.table.end_point(labels);
        }
    }
}
