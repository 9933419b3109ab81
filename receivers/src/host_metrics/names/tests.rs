use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::hostmetrics::{METRIC_NAMES, TABLES};
use super::points::MOST_ATTRIBUTES;
use super::*;

/// The tables are what the rest takes them for: names once, in order, keys of the configuration; no more
/// attributes than a point has room for; a scope for each scraper.
#[test]
fn the_tables_are_sound() {
    let mut seen = BTreeSet::new();
    for (table, names) in TABLES.iter().zip(METRIC_NAMES) {
        assert_eq!(table.scope, format!("spindle/host_metrics/{}", table.name));
        assert!(names.is_sorted(), "{names:?}");
        assert!(table.rows.iter().map(|row| row.metric.name).eq(names.iter().copied()));
        for row in table.rows {
            assert!(seen.insert(row.metric.name), "{} is there twice", row.metric.name);
            assert!(row.attributes.len() <= MOST_ATTRIBUTES, "{}", row.metric.name);
            let description = row.metric.description;
            assert!(!description.is_empty() && !description.ends_with('.'), "{description}");
        }
    }
}

/// What the README says about the metrics is what the tables say.
#[test]
fn the_readme_lists_every_metric() {
    const START: &str = "<!-- from the tables; `UPDATE_GOLDENS=1 cargo test` writes it -->\n";
    const END: &str = "<!-- end -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host_metrics/README.md");
    let readme = std::fs::read_to_string(&path).expect("a README");
    let (before, rest) = readme.split_once(START).expect("the start of the list");
    let (list, after) = rest.split_once(END).expect("the end of the list");
    let expected = list_of_metrics();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        let text = [before, START, &expected, END, after].concat();
        return std::fs::write(&path, text).expect("written");
    }
    assert_eq!(list, expected);
}

fn list_of_metrics() -> String {
    let mut text = String::from(
        "\n| scraper | metric | default | kind | unit | attributes | |\n|---|---|---|---|---|---|---|\n",
    );
    for table in &TABLES {
        for row in table.rows {
            let MetricInfo { name, description, unit, kind } = row.metric;
            let kind = match kind {
                MetricKind::Gauge => "gauge",
                MetricKind::Counter => "counter",
                MetricKind::UpDownCounter => "up-down counter",
            };
            let attributes: Vec<String> = row
                .attributes
                .iter()
                .map(
                    |Attribute { key, is_default }| {
                        if *is_default { format!("`{key}`") } else { format!("(`{key}`)") }
                    },
                )
                .collect();
            let _ = writeln!(
                text,
                "| {} | `{name}` | {} | {kind} | `{unit}` | {} | {description} |",
                table.name,
                if row.is_default { "on" } else { "off" },
                attributes.join(" "),
            );
        }
    }
    text.push('\n');
    text
}
