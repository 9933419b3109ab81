//! What a plain (unquoted) scalar means.
//!
//! The rules are those of the YAML library the Collector reads with, because users carry their files
//! over: `yes` and `on` stay strings, `0x10`, `0o10`, `0b10` and `010` are numbers, `1_000` is 1000.

use super::ScalarKind;

/// The type of a plain scalar.
pub fn resolve_plain(text: &str) -> ScalarKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return ScalarKind::Null,
        "true" | "True" | "TRUE" => return ScalarKind::Bool(true),
        "false" | "False" | "FALSE" => return ScalarKind::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return ScalarKind::Float(f64::NAN),
        _ => {}
    }
    let starts_like_number =
        text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.'));
    if !starts_like_number {
        return ScalarKind::String;
    }
    infinity(text)
        .or_else(|| integer(text).map(ScalarKind::Int))
        .or_else(|| float(text).map(ScalarKind::Float))
        .unwrap_or(ScalarKind::String)
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn infinity(text: &str) -> Option<ScalarKind> {
    let (negative, magnitude) = split_sign(text);
    let value = if negative { f64::NEG_INFINITY } else { f64::INFINITY };
    matches!(magnitude, ".inf" | ".Inf" | ".INF").then_some(ScalarKind::Float(value))
}

fn integer(text: &str) -> Option<i128> {
    let (negative, magnitude) = split_sign(text);
    let (radix, digits) = match magnitude.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &magnitude[2..]),
        [b'0', b'o' | b'O', ..] => (8, &magnitude[2..]),
        [b'0', b'b' | b'B', ..] => (2, &magnitude[2..]),
        [b'0', _, ..] => (8, &magnitude[1..]),
        _ => (10, magnitude),
    };
    let digits = digits.replace('_', "");
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let value = i128::from(u64::from_str_radix(&digits, radix).ok()?);
    let value = if negative { -value } else { value };
    (value >= i128::from(i64::MIN)).then_some(value)
}

fn float(text: &str) -> Option<f64> {
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let only_float_bytes = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E' | b'_'));
    if !has_digit || !only_float_bytes {
        return None;
    }
    text.replace('_', "").parse().ok()
}
