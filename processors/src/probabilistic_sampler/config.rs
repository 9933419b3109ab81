//! The keys of the `probabilistic_sampler` processor, with the Collector's names and defaults.

use serde::Deserialize;
use spindle_config::Check;
use spindle_pipeline::component::ComponentConfig;

use super::threshold::LEAST_PROBABILITY;

/// The most hex digits a threshold has.
const MOST_DIGITS: i64 = 14;

/// The processor's keys.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many of a hundred traces or log records stay. Default 0, none; 100 and more is all.
    pub sampling_percentage: f32,
    /// `hash_seed`, which is also the default. `proportional` and `equalizing` are not built yet.
    pub mode: String,
    /// Goes into the hash. Samplers that follow one another need different seeds, samplers that should
    /// keep the same traces equal ones. Default 0.
    pub hash_seed: u32,
    /// What becomes of an item that cannot be decided about: without a trace id, or with sampling
    /// information of somebody else. Default true, it is dropped.
    pub fail_closed: bool,
    /// How many hex digits a threshold is written with, 1 to 14. Default 4. In the mode `hash_seed` only
    /// `sampling_priority` of logs makes such thresholds.
    pub sampling_precision: i64,
    /// Logs: what to decide by, `traceID` (the default) or `record`, which means `from_attribute`.
    pub attribute_source: String,
    /// Logs: an attribute to decide by, when there is no trace id or `attribute_source` is `record`.
    pub from_attribute: String,
    /// Logs: an attribute whose number is this record's own percentage. Default none.
    pub sampling_priority: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sampling_percentage: 0.0,
            mode: String::new(),
            hash_seed: 0,
            fail_closed: true,
            sampling_precision: 4,
            attribute_source: "traceID".to_owned(),
            from_attribute: String::new(),
            sampling_priority: String::new(),
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        self.validate_percentage(check);
        match self.mode.as_str() {
            "" | "hash_seed" => {}
            mode @ ("proportional" | "equalizing") => check.error(
                "mode",
                format!(
                    "the mode \"{mode}\" is not built into this version of spindle yet; \"hash_seed\" is"
                ),
            ),
            mode => check.error("mode", format!("unsupported sampler mode \"{mode}\"")),
        }
        if !matches!(self.attribute_source.as_str(), "" | "traceID" | "record") {
            let source = &self.attribute_source;
            let message = format!("invalid attribute source: {source}. Expected: traceID or record");
            check.error("attribute_source", message);
        }
        match self.sampling_precision {
            1..=MOST_DIGITS => {}
            digits @ ..=0 => {
                check.error("sampling_precision", format!("invalid sampling precision: {digits}"));
            }
            digits => check.error(
                "sampling_precision",
                format!("sampling precision is too great, should be <= {MOST_DIGITS}: {digits}"),
            ),
        }
    }
}

impl Config {
    fn validate_percentage(&self, check: &mut Check<'_>) {
        const KEY: &str = "sampling_percentage";
        let percentage = self.sampling_percentage;
        let ratio = f64::from(percentage) / 100.0;
        if percentage.is_nan() {
            check.error(KEY, "sampling rate is invalid: NaN%");
        } else if percentage.is_infinite() {
            let sign = if percentage > 0.0 { '+' } else { '-' };
            check.error(KEY, format!("sampling rate is invalid: {sign}Inf%"));
        } else if ratio < 0.0 {
            check.error(KEY, format!("sampling rate is negative: {percentage:.6}%"));
        } else if ratio > 0.0 && ratio < LEAST_PROBABILITY {
            check.error(KEY, format!("sampling rate is too small: {percentage:e}%"));
        } else if ratio == 0.0 && !check.is_written(KEY) {
            check.warning(KEY, "sampling_percentage is not set, so that everything is dropped");
        }
    }
}
