//! Reading the kernel's text without making copies of it.

/// The fields of a line, as blanks and tabs part them.
pub fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|field| !field.is_empty())
}

/// A whole number that is not negative; `None` for anything else, and for what 64 bits cannot hold.
pub fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A decimal fraction that is not negative, `2.17`.
pub fn decimal(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// `2596.122` as a whole number of millionths, exactly.
pub fn millionths(text: &[u8]) -> Option<u64> {
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = (&text[..point], text.get(point + 1..).unwrap_or_default());
    let mut value = number(whole)?;
    for index in 0..6 {
        let digit = fraction.get(index).map_or(Some(0), |digit| number(std::slice::from_ref(digit)))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    Some(value)
}

/// `key: value` into its two halves, without blanks around them.
pub fn key_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
}

/// Undoes the kernel's escapes of blanks, tabs, newlines, `#` and backslashes in paths: a backslash and
/// three octal digits (`mangle_path` in `fs/seq_file.c`).
pub fn unescape(escaped: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = escaped;
    while let Some((first, tail)) = rest.split_first() {
        if let (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) = (first, tail) {
            out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
}
