//! Regular expressions as users of the Collector write them, which is Go's syntax: for every key that
//! takes one.
//!
//! The `regex` crate reads nearly the same language and has the same guarantee, time linear in the text.
//! [`compile`] rewrites what differs: `\d`, `\w`, `\s` and `\b` are ASCII in Go; `\Q...\E` quotes; `[`,
//! `&&`, `--` and `~~` mean nothing special within a class; `{` that starts no repetition is a brace; `\12`
//! is octal. What Go refuses may be accepted here, never the other way round, as far as is known: named
//! scripts (`\p{Greek}`) are the one exception.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// Compiles a pattern. The error is one line without the pattern.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(&translate(pattern)).map_err(|error| one_line(&error))
}

fn one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// The pattern in the syntax of the `regex` crate.
fn translate(pattern: &str) -> String {
    let mut rest = pattern.chars().peekable();
    let mut out = String::with_capacity(pattern.len() + 16);
    while let Some(next) = rest.next() {
        match next {
            '\\' => escape(&mut rest, &mut out, false),
            '[' => class(&mut rest, &mut out),
            '{' if !starts_repetition(rest.clone()) => out.push_str("\\{"),
            other => out.push(other),
        }
    }
    out
}

/// What follows a backslash.
fn escape(rest: &mut Peekable<Chars<'_>>, out: &mut String, is_in_class: bool) {
    let Some(letter) = rest.next() else { return out.push('\\') };
    match letter {
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        's' => out.push_str("[\\t\\n\\x0C\\r ]"),
        'S' => out.push_str("[^\\t\\n\\x0C\\r ]"),
        'w' => out.push_str("[0-9A-Za-z_]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        'b' if !is_in_class => out.push_str("(?-u:\\b)"),
        'B' if !is_in_class => out.push_str("(?-u:\\B)"),
        'Q' if !is_in_class => quoted(rest, out),
        '<' | '>' => out.push(letter),
        '0'..='7' => octal(letter, rest, out),
        'p' | 'P' | 'x' if rest.peek() == Some(&'{') => {
            out.extend(['\\', letter]);
            for next in rest.by_ref() {
                out.push(next);
                if next == '}' {
                    break;
                }
            }
        }
        _ => out.extend(['\\', letter]),
    }
}

/// `\Q`: everything up to `\E`, or to the end, is meant literally.
fn quoted(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    let text: String = rest.clone().collect();
    let literal = text.split_once("\\E").map_or(text.as_str(), |(literal, _)| literal);
    out.push_str(&regex::escape(literal));
    let end = if literal.len() < text.len() { "\\E".len() } else { 0 };
    for _ in 0..literal.chars().count() + end {
        rest.next();
    }
}

/// Up to three octal digits; a single one that is not 0 would be a back-reference, which nobody has.
fn octal(first: char, rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    let is_octal = |next: &char| ('0'..='7').contains(next);
    if first != '0' && !rest.peek().is_some_and(is_octal) {
        return out.extend(['\\', first]);
    }
    let mut value = first.to_digit(8).unwrap_or(0);
    for _ in 0..2 {
        let Some(digit) = rest.next_if(is_octal) else { break };
        value = value * 8 + digit.to_digit(8).unwrap_or(0);
    }
    out.push_str(&format!("\\x{{{value:x}}}"));
}

/// A class up to its closing bracket.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    // A bracket or a hyphen at the start is meant literally.
    if let Some(first) = rest.next_if(|next| matches!(next, ']' | '-')) {
        out.extend(['\\', first]);
    }
    let mut is_behind_hyphen = false;
    while let Some(next) = rest.next() {
        let was_behind_hyphen = std::mem::replace(&mut is_behind_hyphen, next == '-');
        match next {
            ']' => return out.push(']'),
            '\\' => escape(rest, out, true),
            '[' if posix_class(rest, out) => {}
            '[' | '&' | '~' => out.extend(['\\', next]),
            '-' if was_behind_hyphen => out.push_str("\\-"),
            other => out.push(other),
        }
    }
}

/// `[:alpha:]`, copied as it is; false when it is something else.
fn posix_class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> bool {
    let text: String = rest.clone().collect();
    let Some(name) = text.strip_prefix(':').and_then(|inner| inner.split_once(":]")) else { return false };
    let copied = name.0.chars().count() + ":".len() + ":]".len();
    out.push('[');
    out.extend(rest.by_ref().take(copied));
    true
}

/// `{2}`, `{2,}` or `{2,5}` follows, its opening brace read.
fn starts_repetition(rest: Peekable<Chars<'_>>) -> bool {
    let text: String = rest.take_while(|next| *next != '}').collect();
    let (least, most) = text.split_once(',').unwrap_or((&text, ""));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line is Go's own answer: pattern, text, whether it matches.
    #[test]
    fn matches_as_go_does() {
        for (pattern, text, is_match) in [
            (r"^\d+$", "12", true),
            (r"^\d+$", "١٢", false),
            (r"^\w$", "é", false),
            (r"^[\w.]+$", "a.b_1", true),
            (r"^[^\d]$", "5", false),
            (r"^\s$", "\u{b}", false),
            (r"\bb", "éb", true),
            (r"\Bb", "ab", true),
            (r"(?i)^straße$", "STRAßE", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^\Qa.b", "a.b", true),
            (r"^x\Q\Ey$", "xy", true),
            (r"^[[]$", "[", true),
            (r"^[a[:digit:]]$", "7", true),
            (r"^[a[:foo]$", ":", true),
            (r"^[a&&b]$", "&", true),
            (r"^[~~]$", "~", true),
            (r"^[+--]$", ",", true),
            (r"^[--a]$", "A", true),
            (r"^[]a]$", "]", true),
            (r"^[^]a]$", "b", true),
            (r"^a{$", "a{", true),
            (r"^a{,3}$", "a{,3}", true),
            (r"^a{2,}$", "aaa", true),
            (r"^a{x}$", "a{x}", true),
            (r"^\x{41}\101\0$", "AA\0", true),
            (r"^\<a\>$", "<a>", true),
            (r"^\pL\p{Lu}$", "éÉ", true),
            (r"^.$", "é", true),
            (r"^.$", "\n", false),
        ] {
            let compiled = compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(compiled.is_match(text), is_match, "{pattern} on {text:?}");
        }
    }

    /// A pattern that cannot be is told in one line.
    #[test]
    fn errors_are_one_line() {
        for (pattern, error) in [
            ("(a", "unclosed group"),
            ("a)", "unopened group"),
            (r"\1", "backreferences are not supported"),
            ("[z-a]", "invalid character class range, the start must be <= the end"),
            ("[a", "unclosed character class"),
            ("\\", "incomplete escape sequence, reached end of pattern prematurely"),
            ("*", "repetition operator missing expression"),
        ] {
            assert_eq!(compile(pattern).expect_err(pattern), error);
        }
    }
}
