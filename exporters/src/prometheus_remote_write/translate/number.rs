//! Gauges and sums.

use spindle_pipeline::otlp::view::Part;

use super::{Data, Metric, NO_RECORDED_VALUE, STALE, Walk};
use crate::prometheus_remote_write::drops::Reason;
use crate::prometheus_remote_write::table::{Context, Value};
use crate::prometheus_remote_write::totals::Number;

/// Fields of `NumberDataPoint`.
const START: u32 = 2;
const TIME: u32 = 3;
const AS_DOUBLE: u32 = 4;
const EXEMPLARS: u32 = 5;
const AS_INT: u32 = 6;
const ATTRIBUTES: u32 = 7;
const FLAGS: u32 = 8;

#[derive(Default)]
struct NumberPoint {
    start: u64,
    time: u64,
    value: Option<Number>,
    has_exemplars: bool,
    is_stale: bool,
}

impl<'a> Walk<'a, '_> {
    pub(super) fn number(
        &mut self,
        metric: &Metric,
        context: &Context,
        point: Part<'a>,
        index: u32,
    ) -> Result<i64, Reason> {
        let read = self.read_number(point);
        self.check_labels(context)?;
        let time = Self::time(read.time)?;
        let bits = if read.is_stale {
            STALE
        } else {
            let value = read.value.ok_or(Reason::NoValue)?;
            if metric.is_delta {
                let identity = self.point_identity(metric);
                let interval = self.interval(read.start, read.time, point);
                self.to.totals.number(identity, interval, value)?.to_bits()
            } else {
                value.to_bits()
            }
        };
        let mut labels = self.labels(context);
        let series = self.to.table.add(&mut labels, metric.plain, None, time, Value::Float(bits), index);
        self.to.table.end_point(labels);
        // Prometheus has exemplars of counters and buckets only.
        if read.has_exemplars && metric.data == (Data::Sum { is_monotonic: true }) {
            self.exemplars(point, EXEMPLARS, time, |_| series);
        }
        Ok(time)
    }

    fn read_number(&mut self, point: Part<'a>) -> NumberPoint {
        let mut read = NumberPoint::default();
        for field in point.fields() {
            match field.number {
                START => read.start = field.value.number(),
                TIME => read.time = field.value.number(),
                AS_DOUBLE => read.value = Some(Number::Double(field.value.double())),
                AS_INT => read.value = Some(Number::Int(field.value.number() as i64)),
                ATTRIBUTES => self.scratch.attribute(field.value.bytes()),
                EXEMPLARS => read.has_exemplars = true,
                FLAGS => read.is_stale = field.value.number() & NO_RECORDED_VALUE != 0,
                _ => {}
            }
        }
        read
    }
}
