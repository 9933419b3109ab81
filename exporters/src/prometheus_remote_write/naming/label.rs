//! The names of labels.

/// Appends the label name of an attribute's key to `out`. False when there is none, because the key is
/// empty or a reserved name of nothing but underscores; `out` is as before then.
///
/// Characters other than ASCII letters and digits become `_`, runs of these one. `__x__`, the form of
/// Prometheus' own names, keeps its ends. A digit at the start gets `key_` in front, a single underscore
/// `key`, as the Collector and Prometheus do unless told otherwise.
pub fn push_label_name(out: &mut String, key: &str) -> bool {
    let start = out.len();
    if let Some(inner) = key.strip_prefix("__").and_then(|rest| rest.strip_suffix("__")) {
        out.push_str("__");
        push_escaped(out, inner);
        out.push_str("__");
    } else {
        if key.starts_with(|first: char| first.is_ascii_digit()) {
            out.push_str("key_");
        } else if !key.is_empty() && !key.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            out.push_str("key");
        }
        push_escaped(out, key);
    }
    if out.as_bytes()[start..].iter().all(|byte| *byte == b'_') {
        out.truncate(start);
        return false;
    }
    true
}

fn push_escaped(out: &mut String, key: &str) {
    // Runs of valid characters are copied as they are; keys consist of few of them.
    let bytes = key.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_alphanumeric() {
            at += 1;
        }
        out.push_str(&key[start..at]);
        let end = at;
        while at < bytes.len() && !bytes[at].is_ascii_alphanumeric() {
            at += 1;
        }
        if at > end {
            out.push('_');
        }
    }
}
