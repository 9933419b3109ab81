//! [`Table`]: the series of a batch with their samples, between reading OTLP and writing requests.
//!
//! What it guarantees when [`Table::finish`] was called:
//!
//! * A set of labels is one series, whatever metrics and points it came from.
//! * The samples of a series are in the order of their times, and no two have the same time: the last one
//!   that was added stays. Points that lost a sample to another value are remembered.
//! * What it holds grows with what was added, never with a product of things: the labels of a point are kept
//!   once for all buckets of a histogram, and names and bounds once for all points.
//!
//! Bytes are kept as they stand in a request, so writing one is copying ranges.

mod identity;
mod label_set;
mod points;

#[cfg(test)]
mod tests;

use hashbrown::HashMap;

pub(super) use identity::Hashes;
use identity::Lanes;
pub(super) use label_set::{
    Attribute, Context, ContextBuilder, Extra, ExtraKind, LabelSet, Texts, put_label,
};
pub(super) use points::PointSet;

/// What a buffer of bytes keeps between batches.
pub(super) const KEPT_BYTES: usize = 1 << 20;
/// What a list keeps between batches.
const KEPT_SERIES: usize = 8 << 10;

/// The sample belongs to no data point: `target_info`.
pub(super) const NO_POINT: u32 = u32::MAX;
/// The end of a list.
const NONE: u32 = u32::MAX;

/// A range of a buffer. Buffers of a table stay far below 4 GiB, see [`Table::size`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    pub(super) fn length(self) -> usize {
        (self.end - self.start) as usize
    }

    pub(super) fn of(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.start as usize..self.end as usize]
    }
}

/// A metric's name as the label `__name__`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    label: Span,
    hash: Lanes,
}

/// The value of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// The bits of a double; not a double, because NaN has many meanings here.
    Float(u64),
    /// A `Histogram` message.
    Histogram(Span),
}

/// A value at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Milliseconds since 1970.
    pub(super) time: i64,
    pub(super) value: Value,
    /// The data point it came from.
    pub(super) point: u32,
    next: u32,
}

/// An exemplar of a series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exemplar {
    /// An `Exemplar` message.
    pub(super) message: Span,
    time: i64,
    next: u32,
}

/// A series and where its samples are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series {
    pub(super) labels: u32,
    pub(super) name: Span,
    pub(super) extra: Option<(ExtraKind, Span)>,
    /// The same for the same labels as long as the process lives.
    pub(super) hash: u64,
    samples: List,
    exemplars: List,
}

/// A list within a buffer.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
    is_sorted: bool,
}

impl List {
    const EMPTY: Self = Self { first: NONE, last: NONE, is_sorted: true };
}

/// The labels of a data point while its samples are added.
#[derive(Debug)]
pub(super) struct PointLabels {
    set: LabelSet,
    /// Where the set stands once a series has it.
    index: Option<u32>,
}

/// The series of a batch.
#[derive(Debug, Default)]
pub(super) struct Table {
    hashes: Hashes,
    /// The bytes of label sets.
    pub(super) labels: Vec<u8>,
    /// Names, extra labels, histograms and exemplars.
    pub(super) bytes: Vec<u8>,
    pub(super) sets: Vec<LabelSet>,
    pub(super) series: Vec<Series>,
    samples: Vec<Sample>,
    exemplars: Vec<Exemplar>,
    index: HashMap<u128, u32, foldhash::fast::RandomState>,
    extras: HashMap<(ExtraKind, u64), Extra, foldhash::fast::RandomState>,
    replaced: Vec<u32>,
    text: String,
}

impl Table {
    /// Empty again; buffers are kept.
    pub(super) fn clear(&mut self) {
        self.labels.clear();
        self.bytes.clear();
        self.sets.clear();
        self.series.clear();
        self.samples.clear();
        self.exemplars.clear();
        self.index.clear();
        self.extras.clear();
        self.replaced.clear();
    }

    /// Empty again; what buffers hold beyond the usual is given back.
    pub(super) fn release(&mut self) {
        self.clear();
        self.labels.shrink_to(KEPT_BYTES);
        self.bytes.shrink_to(KEPT_BYTES);
        self.sets.shrink_to(KEPT_SERIES);
        self.series.shrink_to(KEPT_SERIES);
        self.samples.shrink_to(KEPT_SERIES);
        self.exemplars.shrink_to(KEPT_SERIES);
        self.index.shrink_to(KEPT_SERIES);
        self.extras.shrink_to(KEPT_SERIES);
        self.replaced.shrink_to(KEPT_SERIES);
    }

    /// About how many bytes it holds.
    pub(super) fn size(&self) -> usize {
        self.labels.len()
            + self.bytes.len()
            + self.sets.len() * size_of::<LabelSet>()
            + self.series.len() * (size_of::<Series>() + 32)
            + self.samples.len() * size_of::<Sample>()
            + self.exemplars.len() * size_of::<Exemplar>()
            + self.extras.len() * 64
    }

    /// How many samples were added. Those that were replaced count too.
    pub(super) fn sample_count(&self) -> usize {
        self.samples.len()
    }

    /// A metric's name and suffix, once for all its points.
    pub(super) fn name(&mut self, name: &str, suffix: &str) -> Name {
        self.text.clear();
        self.text.push_str(name);
        self.text.push_str(suffix);
        let start = self.bytes.len();
        put_label(&mut self.bytes, "__name__", &self.text);
        Name { label: Span::new(start, self.bytes.len()), hash: self.hashes.of(self.text.as_bytes()) }
    }

    /// The label `le` or `quantile` of a value, once for all points.
    pub(super) fn extra(&mut self, kind: ExtraKind, value: f64) -> Extra {
        if let Some(extra) = self.extras.get(&(kind, value.to_bits())) {
            return *extra;
        }
        self.text.clear();
        push_number(&mut self.text, value);
        let start = self.bytes.len();
        put_label(&mut self.bytes, kind.name(), &self.text);
        let label = Span::new(start, self.bytes.len());
        let extra = Extra { kind, label, hash: self.hashes.of_extra(kind, &self.text) };
        self.extras.insert((kind, value.to_bits()), extra);
        extra
    }

    /// The labels of a point: its attributes, sorted by name, and those of the context.
    pub(super) fn point_labels(
        &mut self,
        context: &Context,
        attributes: &[Attribute<'_>],
        texts: Texts<'_>,
    ) -> PointLabels {
        let set = LabelSet::write(&mut self.labels, &self.hashes, context, attributes, texts);
        PointLabels { set, index: None }
    }

    /// Adds a sample to the series of these labels; returns the series.
    pub(super) fn add(
        &mut self,
        labels: &mut PointLabels,
        name: Name,
        extra: Option<Extra>,
        time: i64,
        value: Value,
        point: u32,
    ) -> u32 {
        let id = self.hashes.series(&labels.set, name.hash, extra.as_ref());
        let series = match self.index.get(&id) {
            Some(series) => *series,
            None => self.insert(id, labels, name, extra),
        };
        self.push(series as usize, Sample { time, value, point, next: NONE });
        series
    }

    fn insert(&mut self, id: u128, labels: &mut PointLabels, name: Name, extra: Option<Extra>) -> u32 {
        let set = *labels.index.get_or_insert_with(|| {
            self.sets.push(labels.set);
            (self.sets.len() - 1) as u32
        });
        let series = self.series.len() as u32;
        self.series.push(Series {
            labels: set,
            name: name.label,
            extra: extra.map(|extra| (extra.kind, extra.label)),
            hash: id as u64,
            samples: List::EMPTY,
            exemplars: List::EMPTY,
        });
        self.index.insert(id, series);
        series
    }

    /// The samples of a point are added: labels that no series took are forgotten.
    pub(super) fn end_point(&mut self, labels: PointLabels) {
        if labels.index.is_none() {
            self.labels.truncate(labels.set.start());
        }
    }

    fn push(&mut self, series: usize, sample: Sample) {
        let list = &mut self.series[series].samples;
        let next = self.samples.len() as u32;
        match self.samples.get_mut(list.last as usize) {
            None => list.first = next,
            Some(last) if last.time == sample.time && list.is_sorted => {
                let replaced = std::mem::replace(last, sample);
                if differ(&self.bytes, replaced.value, sample.value) {
                    self.replaced.push(replaced.point);
                }
                return;
            }
            Some(last) => {
                list.is_sorted &= last.time < sample.time;
                last.next = next;
            }
        }
        list.last = next;
        self.samples.push(sample);
    }

    /// Adds an exemplar to a series. `write` writes the message.
    pub(super) fn add_exemplar(&mut self, series: u32, time: i64, write: impl FnOnce(&mut Vec<u8>)) {
        let message = self.message(write);
        let list = &mut self.series[series as usize].exemplars;
        let next = self.exemplars.len() as u32;
        match self.exemplars.get_mut(list.last as usize) {
            None => list.first = next,
            Some(last) => {
                list.is_sorted &= last.time <= time;
                last.next = next;
            }
        }
        list.last = next;
        self.exemplars.push(Exemplar { message, time, next: NONE });
    }

    /// Keeps a message that `write` writes.
    pub(super) fn message(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.bytes.len();
        write(&mut self.bytes);
        Span::new(start, self.bytes.len())
    }

    /// Brings samples and exemplars into the order of their times. To be called once, when all is added.
    pub(super) fn finish(&mut self) {
        for index in 0..self.series.len() {
            if !self.series[index].samples.is_sorted {
                self.sort_samples(index);
            }
            if !self.series[index].exemplars.is_sorted {
                self.sort_exemplars(index);
            }
        }
    }

    fn sort_samples(&mut self, series: usize) {
        let mut sorted: Vec<Sample> = Vec::new();
        let mut slots: Vec<u32> = Vec::new();
        let mut at = self.series[series].samples.first;
        while let Some(sample) = self.samples.get(at as usize) {
            sorted.push(*sample);
            slots.push(at);
            at = sample.next;
        }
        // Stable, so that of equal times the last added comes last.
        sorted.sort_by_key(|sample| sample.time);
        let mut kept: Vec<Sample> = Vec::with_capacity(sorted.len());
        for sample in sorted {
            match kept.last_mut() {
                Some(last) if last.time == sample.time => {
                    if differ(&self.bytes, last.value, sample.value) {
                        self.replaced.push(last.point);
                    }
                    *last = sample;
                }
                _ => kept.push(sample),
            }
        }
        for (index, sample) in kept.iter().enumerate() {
            let next = if index + 1 < kept.len() { slots[index + 1] } else { NONE };
            self.samples[slots[index] as usize] = Sample { next, ..*sample };
        }
        self.series[series].samples = List { first: slots[0], last: slots[kept.len() - 1], is_sorted: true };
    }

    fn sort_exemplars(&mut self, series: usize) {
        let mut slots: Vec<u32> = Vec::new();
        let mut at = self.series[series].exemplars.first;
        while let Some(exemplar) = self.exemplars.get(at as usize) {
            slots.push(at);
            at = exemplar.next;
        }
        let mut sorted: Vec<Exemplar> = slots.iter().map(|slot| self.exemplars[*slot as usize]).collect();
        sorted.sort_by_key(|exemplar| exemplar.time);
        for (index, exemplar) in sorted.iter().enumerate() {
            let next = slots.get(index + 1).copied().unwrap_or(NONE);
            self.exemplars[slots[index] as usize] = Exemplar { next, ..*exemplar };
        }
        self.series[series].exemplars.is_sorted = true;
    }

    /// The data points that lost a sample to a different value at the same time.
    pub(super) fn replaced_points(&self) -> impl Iterator<Item = u32> {
        self.replaced.iter().copied()
    }

    /// The samples of a series from `position` on, in order; each with the position behind it.
    pub(super) fn samples_from(
        &self,
        position: SamplePosition,
    ) -> impl Iterator<Item = (Sample, SamplePosition)> {
        let mut at = position;
        std::iter::from_fn(move || {
            let sample = *self.samples.get(at.0 as usize)?;
            at = SamplePosition(sample.next);
            Some((sample, at))
        })
    }

    /// The exemplars of a series in order.
    pub(super) fn exemplars(&self, series: &Series) -> impl Iterator<Item = Exemplar> {
        let mut at = series.exemplars.first;
        std::iter::from_fn(move || {
            let exemplar = *self.exemplars.get(at as usize)?;
            at = exemplar.next;
            Some(exemplar)
        })
    }
}

impl Series {
    /// Where its samples start.
    pub(super) fn first_sample(&self) -> SamplePosition {
        SamplePosition(self.samples.first)
    }
}

/// A place in the samples of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SamplePosition(u32);

impl SamplePosition {
    /// Behind the last sample.
    pub(super) const END: Self = Self(NONE);
}

fn differ(bytes: &[u8], one: Value, other: Value) -> bool {
    match (one, other) {
        (Value::Float(one), Value::Float(other)) => one != other,
        (Value::Histogram(one), Value::Histogram(other)) => one.of(bytes) != other.of(bytes),
        _ => true,
    }
}

/// A bound as Go's `strconv.FormatFloat(value, 'f', -1, 64)` writes it: the shortest digits that give the
/// number back, never an exponent.
fn push_number(text: &mut String, value: f64) {
    use std::fmt::Write as _;
    if value.is_infinite() {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        return;
    }
    // Writing to a string cannot fail.
    let _ = write!(text, "{value}");
}
