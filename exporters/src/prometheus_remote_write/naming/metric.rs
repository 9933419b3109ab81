//! The names of metrics.

use super::unit::unit_words;
use super::{is_metric_character, with_safe_start};

/// What decides about a name's ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A sum that only grows: ends in `_total`.
    Counter,
    /// A gauge: ends in `_ratio` when its unit is `1`.
    Gauge,
    /// A sum that goes both ways, a histogram or a summary: nothing but its unit.
    Other,
}

/// Names metrics as one configuration wants it.
#[derive(Clone, Debug, Default)]
pub struct MetricNamer {
    /// Escaped; empty for none.
    namespace: String,
    with_suffixes: bool,
}

impl MetricNamer {
    /// Names with `namespace` and an underscore in front, unless it is empty, and with the suffixes of unit
    /// and kind if wanted.
    pub fn new(namespace: &str, with_suffixes: bool) -> Self {
        Self { namespace: escaped(namespace), with_suffixes }
    }

    /// The name of a metric; `None` when no character of its name can stand in one.
    pub fn name(&self, name: &str, unit: &str, kind: MetricKind) -> Option<String> {
        let named = if self.with_suffixes { with_suffixes(name, unit, kind)? } else { escaped(name) };
        if named.bytes().all(|byte| byte == b'_') {
            return None;
        }
        Some(self.with_namespace(&named))
    }

    /// A name that is Prometheus' already, `target_info`, in the namespace.
    pub fn with_namespace(&self, name: &str) -> String {
        let name = match self.namespace.as_str() {
            "" => name.to_owned(),
            namespace => format!("{namespace}_{name}"),
        };
        with_safe_start(name)
    }
}

/// Runs of characters that cannot stand in a name become one underscore, none at the ends; underscores
/// stay as they are.
fn escaped(name: &str) -> String {
    let is_kept =
        |character: char| character.is_ascii() && (is_metric_character(character as u8) || character == '_');
    let parts: Vec<&str> =
        name.split(|character| !is_kept(character)).filter(|part| !part.is_empty()).collect();
    parts.join("_")
}

fn with_suffixes(name: &str, unit: &str, kind: MetricKind) -> Option<String> {
    let is_separator = |character: char| !character.is_ascii() || !is_metric_character(character as u8);
    let mut tokens: Vec<&str> = name.split(is_separator).filter(|token| !token.is_empty()).collect();
    if tokens.is_empty() {
        return None;
    }
    let (main, per) = unit_words(unit);
    push_unit(&mut tokens, &main, &per);
    let suffix = match kind {
        MetricKind::Counter => Some("total"),
        MetricKind::Gauge if unit == "1" => Some("ratio"),
        MetricKind::Gauge | MetricKind::Other => None,
    };
    if let Some(suffix) = suffix {
        tokens.retain(|token| *token != suffix);
        tokens.push(suffix);
    }
    Some(tokens.join("_"))
}

/// Adds the words of the unit that are not among the tokens already.
fn push_unit<'a>(tokens: &mut Vec<&'a str>, main: &'a str, per: &'a str) {
    let main = if tokens.contains(&main) { "" } else { main };
    // An annotation behind the slash leaves `per_` alone.
    let per = if per == "per_" { "" } else { per.strip_suffix('_').unwrap_or(per) };
    let per = if tokens.contains(&per) { "" } else { per };
    let main = if per.is_empty() { main } else { main.strip_suffix('_').unwrap_or(main) };
    tokens.extend([main, per].into_iter().filter(|word| !word.is_empty()));
}
