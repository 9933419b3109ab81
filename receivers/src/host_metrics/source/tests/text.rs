use std::sync::Arc;

use proptest::prelude::*;

use crate::host_metrics::rows::{Rows, overwrite};
use crate::host_metrics::source::file::{Buffer, KernelFile};
use crate::host_metrics::source::text::{decimal, fields, key_value, millionths, number, unescape};

/// Only whole numbers of 64 bits are numbers.
#[test]
fn numbers_are_exact_or_none() {
    for (text, value) in [
        ("0", Some(0)),
        ("007", Some(7)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        ("1e3", None),
        ("١", None),
    ] {
        assert_eq!(number(text.as_bytes()), value, "{text}");
    }
}

/// Frequencies are exact to the hertz, however many digits there are.
#[test]
fn millionths_are_exact() {
    for (text, value) in [
        ("2596.122", Some(2_596_122_000)),
        ("3100", Some(3_100_000_000)),
        ("0.1", Some(100_000)),
        ("1.23456789", Some(1_234_567)),
        ("1.", Some(1_000_000)),
        (".5", None),
        ("1.x", None),
        ("99999999999999999999", None),
    ] {
        assert_eq!(millionths(text.as_bytes()), value, "{text}");
    }
    for (text, value) in [("0.52", Some(0.52)), ("inf", None), ("NaN", None), ("-0.5", None), ("x", None)] {
        assert_eq!(decimal(text.as_bytes()), value, "{text}");
    }
}

/// Blanks and tabs part fields, as many as there are; a line need not be UTF-8.
#[test]
fn lines_are_parted() {
    let parted: Vec<&[u8]> = fields(b"  a\tb   \xff ").collect();
    assert_eq!(parted, [&b"a"[..], b"b", b"\xff"]);
    assert_eq!(key_value(b"cpu MHz\t\t: 1.5 "), Some((&b"cpu MHz"[..], &b"1.5"[..])));
    assert_eq!(key_value(b"no colon"), None);
}

/// The kernel's octal escapes are undone; what is none stays.
#[test]
fn paths_are_unescaped() {
    for (escaped, plain) in [
        (r"/a\040b\011c\012d\134e\043f", "/a b\tc\nd\\e#f"),
        (r"/plain", "/plain"),
        (r"/\04", r"/\04"),
        (r"/\999", r"/\999"),
        (r"/\400", r"/\400"),
        (r"\", r"\"),
    ] {
        let mut out = b"left over".to_vec();
        unescape(escaped.as_bytes(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), plain);
    }
}

proptest! {
    /// Escaping as the kernel does and undoing it is nothing.
    #[test]
    fn unescaping_is_the_way_back(path in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut escaped = Vec::new();
        for byte in &path {
            match byte {
                b' ' | b'\t' | b'\n' | b'\\' | b'#' => escaped.extend(format!("\\{byte:03o}").bytes()),
                byte => escaped.push(*byte),
            }
        }
        let mut out = Vec::new();
        unescape(&escaped, &mut out);
        prop_assert_eq!(out, path);
    }

    /// Numbers are what the standard library reads.
    #[test]
    fn numbers_are_those_of_the_standard_library(text in "[0-9]{0,21}") {
        prop_assert_eq!(number(text.as_bytes()), text.parse().ok());
    }

    /// Lines come out whole, however they fall into the buffer.
    #[test]
    fn lines_come_out_whole(lines in proptest::collection::vec(0usize..9000, 0..20), is_ended in any::<bool>()) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lines");
        let lines: Vec<String> = lines.iter().map(|length| "x".repeat(*length)).collect();
        let mut text = lines.join("\n");
        if is_ended && !lines.is_empty() {
            text.push('\n');
        }
        std::fs::write(&path, &text).expect("written");
        let mut found = Vec::new();
        let mut file = KernelFile::new(path, &Arc::from("test"));
        let errors = file.read(&mut Buffer::default(), |line| {
            found.push(String::from_utf8_lossy(line).into_owned());
            Some(())
        });
        let expected: Vec<&str> = text.lines().collect();
        prop_assert_eq!(errors, 0);
        prop_assert_eq!(found, expected);
    }
}

/// A line without an end in sight is an error, not memory without a bound.
#[test]
fn an_endless_line_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("line");
    std::fs::write(&path, vec![b'x'; 3 << 20]).expect("written");
    let mut file = KernelFile::new(path, &Arc::from("test"));
    assert_eq!(file.read(&mut Buffer::default(), |_| Some(())), 1);
}

/// Rows that are used again are told apart from those of this time.
#[test]
fn rows_keep_their_memory_and_not_their_content() {
    let mut rows = Rows::<String>::default();
    for name in ["a", "b", "c"] {
        overwrite(rows.add(), name.as_bytes());
    }
    rows.retain(|name| name != "b");
    assert_eq!(*rows, ["a".to_owned(), "c".to_owned()]);
    rows.take_back();
    assert_eq!(*rows, ["a".to_owned()]);
    rows.clear();
    assert!(rows.is_empty());
    overwrite(rows.add(), b"d\xffe");
    assert_eq!(*rows, ["d\u{fffd}e".to_owned()]);
}
