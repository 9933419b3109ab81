//! Secrets inside a text: URLs, and `name=value`.

use std::borrow::Cow;
use std::ops::Range;

use super::{REDACTED, is_plain_reference, is_secret_key};

/// Ends a URL or an assigned value, whatever else it holds.
fn ends_word(character: char) -> bool {
    character.is_whitespace() || matches!(character, '"' | '\'' | '`' | '<' | '>')
}

/// A text without the secrets that it may quote: `scheme://user:password@host` without user and password,
/// `api_key=value` without the value.
pub fn redact_urls(text: &str) -> Cow<'_, str> {
    replaced(text, secrets_in_text(text))
}

/// A text with parts of it blotted out.
pub(super) fn replaced(text: &str, mut ranges: Vec<Range<usize>>) -> Cow<'_, str> {
    super::redactor::merge_overlapping(&mut ranges);
    let mut redacted = Cow::Borrowed(text);
    for range in ranges.into_iter().rev() {
        redacted.to_mut().replace_range(range, REDACTED);
    }
    redacted
}

/// Where the secrets of a text stand.
pub(super) fn secrets_in_text(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut from = 0;
    for word in text.split(ends_word) {
        let found = match word.find("://") {
            Some(_) => userinfo_of_urls(word),
            None => userinfo_without_scheme(word).into_iter().collect(),
        };
        ranges.extend(found.into_iter().map(|range| from + range.start..from + range.end));
        from += word.len();
        from += text[from..].chars().next().map_or(0, char::len_utf8);
    }
    ranges.extend(assigned_values(text));
    ranges
}

/// User and password of each URL in a word without blanks.
fn userinfo_of_urls(word: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut from = 0;
    let last_at = word.rfind('@').unwrap_or(0);
    while let Some(at) = word[from..].find("://") {
        let start = from + at + 3;
        let authority_end =
            word[start..].find(['/', '?', '#', ',', '}']).map_or(word.len(), |length| start + length);
        let authority = &word[start..authority_end];
        // What looks like a port and is none is a password with a slash or a comma in it.
        let port_is_none = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && !port.bytes().all(|byte| byte.is_ascii_digit()));
        let has_userinfo = authority.contains('@') || port_is_none && !authority.ends_with(']');
        if has_userinfo && last_at > start {
            ranges.push(start..last_at);
        }
        from = authority_end;
    }
    ranges
}

/// User and password of `user:password@host`, as an endpoint may be written.
fn userinfo_without_scheme(word: &str) -> Option<Range<usize>> {
    let at = word.rfind('@')?;
    let colon = word[..at].find(':')?;
    (colon > 0 && colon + 1 < at).then_some(0..at)
}

/// The values of `name=value` where the name is a secret's, as in `?api_key=...` or `--token=...`.
fn assigned_values(text: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.match_indices('=') {
        let is_hidden_already = ranges.last().is_some_and(|range| at < range.end);
        if is_hidden_already || is_comparison(text, at) || !is_secret_key(name_before(text, at)) {
            continue;
        }
        let value = text[at + 1..].trim_start_matches(' ');
        let start = text.len() - value.len();
        let length = assigned_length(value);
        if length > 0 && !is_plain_reference(&value[..length]) {
            ranges.push(start..start + length);
        }
    }
    ranges
}

fn is_comparison(text: &str, at: usize) -> bool {
    text[at + 1..].starts_with(['=', '~']) || text[..at].ends_with(['=', '!', '<', '>'])
}

fn name_before(text: &str, at: usize) -> &str {
    let ends_name = |letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | '-' | '.');
    let before = short_tail(&text[..at]).trim_end_matches(' ');
    before.rsplit(ends_name).next().unwrap_or("")
}

/// As much of the end of a text as a name can be long, so that a line of a million colons is read once.
pub(super) fn short_tail(text: &str) -> &str {
    const LONGEST: usize = 256;
    let from = text.len().saturating_sub(LONGEST);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[from..]
}

fn assigned_length(value: &str) -> usize {
    if let Some(quote) = value.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let closed = value[1..].find(quote);
        return closed.map_or(value.len(), |length| length + 2);
    }
    value.find(|character| ends_word(character) || matches!(character, '&' | ';')).unwrap_or(value.len())
}
