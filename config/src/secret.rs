//! What must never be shown, and how it is blotted out.
//!
//! Secret are the values of keys that are named like one, every value below `headers`, the `value`
//! beside a secret `key:` (as attribute actions are written), and user and password in a URL. The same
//! rule serves errors, logs, `print-config` and the run folder.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use crate::Document;
use crate::tree::{Mapping, Node, SourceId, Value};

/// What stands in place of a secret.
pub const REDACTED: &str = "[REDACTED]";

const SECRET_WORDS: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "authorization",
    "credential",
    "key_pem",
];
/// Keys that carry such a word and hold the place of a secret, or no secret at all.
const PUBLIC_ENDINGS: [&str; 5] = ["_file", "_url", "_path", "_endpoint", "_tokens"];

/// Whether the value of this key is a secret.
pub fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| key.contains(word)) && !PUBLIC_ENDINGS.iter().any(|end| key.ends_with(end))
}

/// Whether everything below this key is a secret, because headers carry credentials under any name.
pub fn holds_secrets(key: &str) -> bool {
    key == "headers" || key.ends_with("_headers") && key != "allowed_headers" && key != "exposed_headers"
}

/// Calls `visit` for every scalar with whether it is a secret.
pub fn visit_scalars(node: &Node, visit: &mut dyn FnMut(&Node, bool)) {
    walk(node, false, visit);
}

fn walk(node: &Node, secret: bool, visit: &mut dyn FnMut(&Node, bool)) {
    match &node.value {
        Value::Scalar(_) => visit(node, secret),
        Value::Sequence(items) => items.iter().for_each(|item| walk(item, secret, visit)),
        Value::Mapping(mapping) => {
            for entry in mapping {
                walk(
                    &entry.value,
                    secret || entry_is_secret(mapping, &entry.key),
                    visit,
                );
            }
        }
    }
}

/// Whether what stands below `key` of this mapping is secret.
pub fn entry_is_secret(mapping: &Mapping, key: &str) -> bool {
    let named_by_sibling = key == "value"
        && mapping
            .get("key")
            .and_then(|entry| entry.value.as_text())
            .is_some_and(is_secret_key);
    named_by_sibling || is_secret_key(key) || holds_secrets(key)
}

/// `scheme://user:password@host` without the user and password.
pub fn redact_urls(text: &str) -> Cow<'_, str> {
    let mut redacted = Cow::Borrowed(text);
    for range in userinfo_ranges(text).into_iter().rev() {
        redacted.to_mut().replace_range(range, REDACTED);
    }
    redacted
}

fn userinfo_ranges(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("://") {
        let start = from + at + 3;
        let authority_end = text[start..]
            .find(|character: char| character.is_whitespace() || "/?#\"'`,}".contains(character))
            .map_or(text.len(), |length| start + length);
        if let Some(length) = text[start..authority_end].rfind('@') {
            ranges.push(start..start + length);
        }
        from = authority_end;
    }
    ranges
}

/// Where in the texts of a configuration the secrets stand.
#[derive(Debug)]
pub struct Redactor {
    ranges: HashMap<SourceId, Vec<Range<usize>>>,
}

impl Redactor {
    /// Finds them by the tree, and by the look of the text for texts that did not become one.
    pub fn new(document: &Document) -> Self {
        let mut ranges: HashMap<SourceId, Vec<Range<usize>>> = HashMap::new();
        visit_scalars(&document.root, &mut |node, secret| {
            let range = node.origin.start as usize..node.origin.end as usize;
            let text = document
                .sources
                .get(node.origin.source)
                .and_then(|source| source.text.get(range.clone()));
            if secret && !text.is_some_and(is_plain_reference) {
                ranges.entry(node.origin.source).or_default().push(range);
            }
        });
        for (id, source) in document.sources.iter() {
            let found = ranges.entry(id).or_default();
            found.extend(secrets_by_look(&source.text));
            found.extend(userinfo_ranges(&source.text));
            merge_overlapping(found);
        }
        Self { ranges }
    }

    /// The secret parts of one text, ascending and disjoint.
    pub fn ranges(&self, source: SourceId) -> &[Range<usize>] {
        self.ranges.get(&source).map_or(&[], Vec::as_slice)
    }
}

/// `${env:PASSWORD}` names a secret without telling it.
fn is_plain_reference(text: &str) -> bool {
    let text = text.trim_matches(['"', '\'']);
    text.starts_with("${") && text.ends_with('}') && text.matches("${").count() == 1 && !text.contains(":-")
}

fn merge_overlapping(ranges: &mut Vec<Range<usize>>) {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges.drain(..) {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    *ranges = merged;
}

/// Secrets in a text that YAML could not read: what follows a secret key on its line, and every value
/// that is indented below one.
fn secrets_by_look(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut below: Option<usize> = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        let indent = content.len() - content.trim_start().len();
        let is_below = below.is_some_and(|limit| indent > limit);
        if !content.is_empty() && !is_below {
            below = None;
        }
        if let Some((key, value_at)) = first_secret_key(content, is_below) {
            let value = content[value_at..].trim_start();
            if matches!(value, "" | "|" | ">" | "|-" | ">-") {
                below = below.or(Some(indent.min(key)));
            } else if !is_plain_reference(value) {
                ranges.push(offset + content.len() - value.len()..offset + content.len());
            }
        } else if is_below && !content.is_empty() {
            ranges.push(offset + indent..offset + content.len());
        }
        offset += line.len();
    }
    ranges
}

/// The first key on a line whose value is secret: where the key starts and where its value does.
fn first_secret_key(line: &str, any_key: bool) -> Option<(usize, usize)> {
    line.char_indices()
        .filter(|(_, character)| matches!(character, ':' | '='))
        .find_map(|(colon, _)| {
            let key = line[..colon].trim_end_matches(['"', '\'']);
            let start = key
                .rfind([' ', '{', ',', '"', '\'', '.', ':'])
                .map_or(0, |at| at + 1);
            let name = &key[start..];
            (any_key || is_secret_key(name) || holds_secrets(name)).then_some((start, colon + 1))
        })
}

#[cfg(test)]
mod tests;
