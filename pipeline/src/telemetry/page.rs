//! The metrics page: prometheus-client's OpenMetrics text as the Prometheus text format 0.0.4, with or
//! without the suffixes for type and unit.
//!
//! The Collector's default reader writes no suffixes (`otelcol_receiver_accepted_spans`), one written by
//! hand in the configuration does (`otelcol_receiver_accepted_spans_total`); dashboards exist for both.
//! Families without series are left out; series stand in the order of their text, so that two pages can
//! be compared.

use super::{Metric, PREFIX};

/// Which suffixes names get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suffixes {
    /// `_total` behind counters.
    pub types: bool,
    /// `_seconds`, `_bytes`.
    pub units: bool,
}

/// What Prometheus appends for a unit.
pub(super) fn unit_suffix(unit: &str) -> &'static str {
    match unit {
        "s" => "_seconds",
        "By" => "_bytes",
        _ => "",
    }
}

/// One family of the page.
#[derive(Default)]
struct Family<'a> {
    name: &'a str,
    help: &'a str,
    kind: &'a str,
    samples: Vec<&'a str>,
}

pub(super) fn rewrite(open_metrics: &str, suffixes: Suffixes) -> String {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            families.push(Family { name, help, ..Family::default() });
        } else if let (Some(rest), Some(family)) = (line.strip_prefix("# TYPE "), families.last_mut()) {
            family.kind = rest.split_once(' ').map_or("", |(_, kind)| kind);
        } else if let (false, Some(family)) = (line.starts_with('#'), families.last_mut()) {
            family.samples.push(line);
        }
    }
    let mut page = String::with_capacity(open_metrics.len());
    for mut family in families.into_iter().filter(|family| !family.samples.is_empty()) {
        family.write(&mut page, suffixes);
    }
    page
}

impl Family<'_> {
    fn write(&mut self, page: &mut String, suffixes: Suffixes) {
        let name = self.name(suffixes);
        let help = self.help.trim_end_matches('.');
        page.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {}\n", self.kind));
        if self.kind != "histogram" {
            self.samples.sort_unstable();
        }
        for sample in &self.samples {
            let rest = sample.strip_prefix(self.name).unwrap_or(sample);
            let rest =
                if self.kind == "counter" { rest.strip_prefix("_total").unwrap_or(rest) } else { rest };
            page.push_str(&name);
            page.push_str(rest);
            page.push('\n');
        }
    }

    fn name(&self, suffixes: Suffixes) -> String {
        let mut name = self.name.to_owned();
        let bare = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('_')).unwrap_or(&name);
        let unit = Metric::rows().iter().find(|row| row.name == bare).map_or("", |row| row.unit);
        let suffix = unit_suffix(unit);
        if suffixes.units && !name.ends_with(suffix) {
            name.push_str(suffix);
        }
        if suffixes.types && self.kind == "counter" {
            name.push_str("_total");
        }
        name
    }
}
