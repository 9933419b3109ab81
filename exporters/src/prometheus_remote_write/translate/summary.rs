//! Summaries: `_sum`, `_count` and a series for each quantile.

use spindle_pipeline::otlp::view::Part;

use super::histogram::At;
use super::{MOST_PARTS, Metric, NO_RECORDED_VALUE, Walk};
use crate::prometheus_remote_write::drops::Reason;
use crate::prometheus_remote_write::table::{Context, ExtraKind};

/// Fields of `SummaryDataPoint`.
const TIME: u32 = 3;
const COUNT: u32 = 4;
const SUM: u32 = 5;
const QUANTILE_VALUES: u32 = 6;
const ATTRIBUTES: u32 = 7;
const FLAGS: u32 = 8;
/// Fields of `ValueAtQuantile`.
const QUANTILE: u32 = 1;
const VALUE: u32 = 2;

impl<'a> Walk<'a, '_> {
    pub(super) fn summary(
        &mut self,
        metric: &Metric,
        context: &Context,
        point: Part<'a>,
        index: u32,
    ) -> Result<i64, Reason> {
        let (mut time, mut count, mut sum, mut is_stale, mut quantiles) = (0, 0, 0.0, false, 0);
        for field in point.fields() {
            match field.number {
                TIME => time = field.value.number(),
                COUNT => count = field.value.number(),
                SUM => sum = field.value.double(),
                QUANTILE_VALUES => quantiles += 1,
                ATTRIBUTES => self.scratch.attribute(field.value.bytes()),
                FLAGS => is_stale = field.value.number() & NO_RECORDED_VALUE != 0,
                _ => {}
            }
        }
        self.check_labels(context)?;
        let at = At { time: Self::time(time)?, index, is_stale };
        if quantiles > MOST_PARTS {
            return Err(Reason::InvalidHistogram);
        }
        let mut labels = self.labels(context);
        let table = &mut self.to.table;
        table.add(&mut labels, metric.sum, None, at.time, at.value(sum), index);
        table.add(&mut labels, metric.count, None, at.time, at.value(count as f64), index);
        for quantile in point.children(QUANTILE_VALUES) {
            let read = |number| f64::from_bits(quantile.number(number));
            let extra = table.extra(ExtraKind::Quantile, read(QUANTILE));
            table.add(&mut labels, metric.plain, Some(extra), at.time, at.value(read(VALUE)), index);
        }
        table.end_point(labels);
        Ok(at.time)
    }
}
