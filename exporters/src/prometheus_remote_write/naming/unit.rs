//! UCUM units to the words that end Prometheus names.

use super::is_metric_character;

/// Unit and word. `TiBy` and `KBy` are spelled as Prometheus' translator has them, though UCUM and the
/// dictionary disagree: names that dashboards use must not change.
const UNITS: [(&str, &str); 25] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
];

/// What stands behind a slash, in the singular.
const PER_UNITS: [(&str, &str); 7] = [
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

/// The two words of a unit, cleaned of characters that names cannot have: `("bytes", "per_second")` for
/// `By/s`. Either may be empty. A unit that is not in the tables stands for itself; an annotation
/// (`{requests}`) and the unit `1` are no words.
pub(super) fn unit_words(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let main = match word(main, &UNITS) {
        Some("1") | None => String::new(),
        Some(word) => clean(word),
    };
    let per = word(per, &PER_UNITS).map(|word| clean(&format!("per_{word}"))).unwrap_or_default();
    (main, per)
}

fn word<'a>(unit: &'a str, table: &[(&'static str, &'static str)]) -> Option<&'a str> {
    let unit = unit.trim();
    if unit.is_empty() || unit.contains(['{', '}']) {
        return None;
    }
    Some(table.iter().find(|(symbol, _)| *symbol == unit).map_or(unit, |(_, word)| word))
}

/// Replaces what names cannot have by `_`, runs of it by one, and none at the start.
fn clean(word: &str) -> String {
    let mut cleaned = String::with_capacity(word.len());
    for character in word.chars() {
        if character.is_ascii() && is_metric_character(character as u8) {
            cleaned.push(character);
        } else if !cleaned.is_empty() && !cleaned.ends_with('_') {
            cleaned.push('_');
        }
    }
    cleaned
}

/// The unit as metric metadata names it: `bytes_per_second`.
pub fn unit_name(unit: &str) -> String {
    let (main, per) = unit_words(unit);
    let name = match (main.as_str(), per.as_str()) {
        (main, "") => main.to_owned(),
        ("", per) => per.to_owned(),
        (main, per) => format!("{main}_{per}"),
    };
    name.trim_matches('_').to_owned()
}
