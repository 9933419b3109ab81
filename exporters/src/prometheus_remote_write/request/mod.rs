//! Writing `prometheus.WriteRequest` messages of remote write 1.0 from a [`Table`], by hand and into
//! buffers that are kept.
//!
//! A request holds at most [`Limits::samples`] samples and [`Limits::bytes`] bytes before compression. One
//! sample whose labels alone are longer stands in a request of its own, as in the Collector. The samples
//! of a series that do not fit go on in the next request, so they stay in order when requests are sent one
//! after the other.

#[cfg(test)]
mod tests;

use spindle_pipeline::otlp::wire::{
    WireType, field_length, key, put_bytes, put_header, put_varint, put_varint_field, varint_length,
};

use super::table::{LabelSet, Sample, SamplePosition, Series, Table, Value};

/// `WriteRequest.timeseries`.
const TIMESERIES: u32 = 1;
/// `WriteRequest.metadata`.
const METADATA: u32 = 3;
/// `TimeSeries.samples`.
const SAMPLES: u32 = 2;
/// `TimeSeries.exemplars`.
const EXEMPLARS: u32 = 3;
/// `TimeSeries.histograms`.
const HISTOGRAMS: u32 = 4;

/// How large a request may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Samples, histograms included.
    pub samples: usize,
    /// Bytes before compression.
    pub bytes: usize,
}

/// A request being written.
#[derive(Debug, Default)]
pub struct WriteRequest {
    /// The message.
    pub body: Vec<u8>,
    /// The data points its samples came from.
    pub(super) points: Vec<u32>,
    samples: usize,
}

impl WriteRequest {
    fn clear(&mut self) {
        self.body.clear();
        self.points.clear();
        self.samples = 0;
    }
}

/// Where the writing of a shard's requests is.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    shard: u64,
    shards: u64,
    series: usize,
    sample: Option<SamplePosition>,
}

impl Cursor {
    /// The start of a shard: the series whose hash falls on `shard` of `shards`.
    pub fn new(shard: usize, shards: usize) -> Self {
        Self { shard: shard as u64, shards: shards.max(1) as u64, series: 0, sample: None }
    }
}

/// What of a series goes into one request.
struct Chunk {
    samples: usize,
    end: SamplePosition,
    exemplars: usize,
    /// The length of the `TimeSeries` message.
    length: usize,
}

impl Table {
    /// Writes the next request of a shard. False when there is nothing left to write.
    pub(super) fn write_request(
        &self,
        cursor: &mut Cursor,
        limits: Limits,
        request: &mut WriteRequest,
    ) -> bool {
        request.clear();
        while let Some(series) = self.series.get(cursor.series) {
            if series.hash % cursor.shards != cursor.shard {
                cursor.series += 1;
                continue;
            }
            let position = cursor.sample.unwrap_or(series.first_sample());
            let labels = &self.sets[series.labels as usize];
            let chunk = self.chunk(series, labels, position, limits, request);
            if chunk.samples == 0 {
                break;
            }
            self.put_series(series, labels, position, &chunk, request);
            if chunk.end != SamplePosition::END {
                cursor.sample = Some(chunk.end);
                break;
            }
            cursor.sample = None;
            cursor.series += 1;
        }
        !request.body.is_empty()
    }

    /// As many samples of a series as fit; at least one if the request is empty.
    fn chunk(
        &self,
        series: &Series,
        labels: &LabelSet,
        position: SamplePosition,
        limits: Limits,
        request: &WriteRequest,
    ) -> Chunk {
        let mut chunk = Chunk {
            samples: 0,
            end: position,
            exemplars: 0,
            length: labels.length(series.name, series.extra),
        };
        let fits = |length: usize| request.body.len() + field_length(TIMESERIES, length) <= limits.bytes;
        for (sample, next) in self.samples_from(position) {
            let longer = chunk.length + sample_length(&sample);
            let is_first = request.body.is_empty() && chunk.samples == 0;
            let is_full = request.samples + chunk.samples >= limits.samples || !fits(longer);
            if is_full && !is_first {
                return chunk;
            }
            chunk = Chunk { samples: chunk.samples + 1, end: next, length: longer, ..chunk };
        }
        // Exemplars go with the last sample, as many as fit.
        for exemplar in self.exemplars(series) {
            let longer = chunk.length + field_length(EXEMPLARS, exemplar.message.length());
            if !fits(longer) {
                break;
            }
            chunk = Chunk { exemplars: chunk.exemplars + 1, length: longer, ..chunk };
        }
        chunk
    }

    fn put_series(
        &self,
        series: &Series,
        labels: &LabelSet,
        position: SamplePosition,
        chunk: &Chunk,
        request: &mut WriteRequest,
    ) {
        let out = &mut request.body;
        put_header(out, TIMESERIES, chunk.length);
        labels.put(out, &self.labels, &self.bytes, series.name, series.extra);
        for (sample, _) in self.samples_from(position).take(chunk.samples) {
            put_sample(out, &sample, &self.bytes);
            request.points.push(sample.point);
        }
        for exemplar in self.exemplars(series).take(chunk.exemplars) {
            put_bytes(out, EXEMPLARS, exemplar.message.of(&self.bytes));
        }
        request.samples += chunk.samples;
    }
}

/// The length of a `Sample` message: a double with its key, and a varint with its key.
fn float_length(time: i64) -> usize {
    9 + 1 + varint_length(time as u64)
}

fn sample_length(sample: &Sample) -> usize {
    match sample.value {
        Value::Float(_) => field_length(SAMPLES, float_length(sample.time)),
        Value::Histogram(message) => field_length(HISTOGRAMS, message.length()),
    }
}

fn put_sample(out: &mut Vec<u8>, sample: &Sample, bytes: &[u8]) {
    match sample.value {
        Value::Float(bits) => {
            put_header(out, SAMPLES, float_length(sample.time));
            out.push(key(1, WireType::Fixed64) as u8);
            out.extend_from_slice(&bits.to_le_bytes());
            out.push(key(2, WireType::Varint) as u8);
            put_varint(out, sample.time as u64);
        }
        Value::Histogram(message) => put_bytes(out, HISTOGRAMS, message.of(bytes)),
    }
}

/// What is known about a metric family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The number of `MetricMetadata.MetricType`.
    pub kind: u64,
    /// The family's name.
    pub name: String,
    /// What it measures.
    pub help: String,
    /// Its unit in words.
    pub unit: String,
}

/// Writes a request of metadata, the first entries that fit; returns how many. At least one, if there are
/// any.
pub(super) fn write_metadata(entries: &[Metadata], limits: Limits, request: &mut WriteRequest) -> usize {
    request.clear();
    let mut message = Vec::new();
    for (index, entry) in entries.iter().enumerate().take(limits.samples) {
        message.clear();
        put_varint_field(&mut message, 1, entry.kind);
        put_bytes(&mut message, 2, entry.name.as_bytes());
        put_bytes(&mut message, 4, entry.help.as_bytes());
        put_bytes(&mut message, 5, entry.unit.as_bytes());
        let longer = request.body.len() + field_length(METADATA, message.len());
        if index > 0 && longer > limits.bytes {
            return index;
        }
        put_bytes(&mut request.body, METADATA, &message);
    }
    entries.len().min(limits.samples)
}
