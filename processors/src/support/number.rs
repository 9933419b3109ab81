//! Numbers in text, read as Go reads them, because configurations and data were made for the Collector.

/// A number as `strconv.ParseFloat` reads it: `1.5`, `1e3`, `1_000`, `.5`, `inf`, `NaN`; nothing around it,
/// and nothing too large for a double. Hexadecimal floats (`0x1p4`), which Go reads as well, are not read.
pub fn parse_float(text: &str) -> Option<f64> {
    let plain = without_underscores(text)?;
    let value: f64 = plain.parse().ok()?;
    let unsigned = plain.trim_start_matches(['+', '-']);
    let is_named = unsigned.starts_with(|first: char| first.is_ascii_alphabetic());
    // Go has no NaN with a sign, and calls what becomes infinite by its size out of range.
    if (value.is_nan() && unsigned.len() != plain.len()) || (value.is_infinite() && !is_named) {
        return None;
    }
    Some(value)
}

/// Underscores may stand between digits and nowhere else.
fn without_underscores(text: &str) -> Option<std::borrow::Cow<'_, str>> {
    if !text.contains('_') {
        return Some(text.into());
    }
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let are_between_digits = bytes.iter().enumerate().all(|(at, byte)| {
        *byte != b'_' || (at > 0 && is_digit(bytes.get(at - 1)) && is_digit(bytes.get(at + 1)))
    });
    are_between_digits.then(|| text.replace('_', "").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What counts as a number decides what a sampler keeps; the table is Go's own answer.
    #[test]
    fn reads_what_go_reads() {
        for (text, value) in [
            ("1.5", Some(1.5)),
            ("1_000", Some(1000.0)),
            ("1e5", Some(1e5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("+0", Some(0.0)),
            ("1e-400", Some(0.0)),
            ("infinity", Some(f64::INFINITY)),
            ("-Inf", Some(f64::NEG_INFINITY)),
            ("1e400", None),
            ("_1", None),
            ("1_", None),
            ("1__0", None),
            ("+nan", None),
            ("0x10", None),
            ("1.e", None),
            (" 1", None),
            ("1 ", None),
            ("", None),
            ("one", None),
        ] {
            assert_eq!(parse_float(text), value, "{text:?}");
        }
        assert!(parse_float("NaN").is_some_and(f64::is_nan));
    }
}
