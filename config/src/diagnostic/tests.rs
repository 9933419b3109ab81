use super::*;
use crate::testing::{World, at, load_clean, messages};
use crate::{Document, SourceMap};

fn plain(diagnostics: &Diagnostics, document: &Document) -> String {
    diagnostics.render(document, Style::Plain)
}

/// Renders one error at the value of a path.
fn error_at(text: &str, path: &str) -> String {
    let (document, _) = World::default().load(text);
    let mut diagnostics = Diagnostics::default();
    diagnostics.push(Diagnostic::error("here").at(at(&document.root, path).origin));
    plain(&diagnostics, &document)
}

/// Protects the whole look of a report: order of the text, title with key path, underlined value, help,
/// notes, and the closing count.
#[test]
fn a_report_reads_like_a_compilers() {
    let document =
        load_clean("receivers:\n  otlp:\n    endpoint: nowhere # here\n    timeout: 5\nexporters:\n");
    let origin = |path: &str| at(&document.root, path).origin;
    let mut diagnostics = Diagnostics::default();
    diagnostics.push(Diagnostic::error("no position").note("as it is about what is not there"));
    diagnostics.push(
        Diagnostic::warning("this is short")
            .at(origin("receivers::otlp::timeout"))
            .path("receivers::otlp::timeout"),
    );
    diagnostics.push(
        Diagnostic::error("missing port in address")
            .at(origin("receivers::otlp::endpoint"))
            .path("receivers::otlp::endpoint")
            .help("write host:port")
            .note("several\nlines"),
    );
    insta::assert_snapshot!(plain(&diagnostics, &document), @"
    error: receivers::otlp::endpoint: missing port in address
     --> in.yaml:3:15
      |
    3 |     endpoint: nowhere # here
      |               ^^^^^^^
      |
      = help: write host:port
      = note: several
              lines

    warning: receivers::otlp::timeout: this is short
     --> in.yaml:4:14
      |
    4 |     timeout: 5
      |              ^

    error: no position
     |
     = note: as it is about what is not there

    2 errors, 1 warning
    ");
}

/// Protects the underlining where bytes, characters and columns differ.
#[test]
fn the_value_is_underlined_whatever_stands_before_it() {
    let table = [
        ("a: x\n", "a", "1:4", "   ^"),
        ("ä€: {ö: 1, 😀: xyz}\n", "ä€::😀", "1:15", "               ^^^"),
        ("a:\t\"x y\" # c\n", "a", "1:4", "      ^^^^^"),
        ("\u{feff}a: x\n", "a", "1:4", "   ^"),
        ("a:\r\n  b: x\r\n", "a::b", "2:6", "     ^"),
        ("a:\r  b: x\r", "a::b", "2:6", "     ^"),
        ("a: |\n  x\n  y\n", "a", "2:3", "  ^"),
        ("a: x\n  y\n", "a", "1:4", "   ^"),
        ("a: {b: 1,\n  c: 2}\n", "a", "1:4", "   ^^^^^^"),
        ("a:\n  - x\n  - y\n", "a", "2:3", "  ^^^"),
        ("a:\n", "a", "1:2", " ^"),
        ("a: {b: 1}\n", "a", "1:4", "   ^^^^^^"),
        ("日本: 語\n", "日本", "1:5", "      ^^"),
    ];
    for (text, path, place, underlined) in table {
        let report = error_at(text, path);
        let lines: Vec<&str> = report.lines().collect();
        assert_eq!(lines[1].trim_start(), format!("--> in.yaml:{place}"), "{text:?}");
        assert_eq!(lines[4], format!("  | {underlined}"), "{text:?}\n{report}");
    }
}

/// Protects the position when something on the line is blotted out: the line is the shown one, the column
/// is the one in the file.
#[test]
fn redaction_does_not_move_the_position() {
    let report = error_at("a: {password: ten-plus-more, b: 1, token: x, c: 2}\n", "a::c");
    insta::assert_snapshot!(report, @"
    error: here
     --> in.yaml:1:49
      |
    1 | a: {password: [REDACTED], b: 1, token: [REDACTED], c: 2}
      |                                                       ^

    1 error
    ");
    let report = error_at("a: {password: 'x', b: 1}\n", "a::password");
    insta::assert_snapshot!(report, @"
    error: here
     --> in.yaml:1:15
      |
    1 | a: {password: [REDACTED], b: 1}
      |               ^^^^^^^^^^

    1 error
    ");
    let colored = {
        let (document, _) = World::default().load("a: {password: x, b: 1}\n");
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(Diagnostic::error("two\nlines").at(at(&document.root, "a::b").origin));
        diagnostics.render(&document, Style::Colored)
    };
    assert!(colored.contains("in.yaml:1:21") && colored.contains('\u{1b}'), "{colored}");
}

/// Protects reports on configurations that are one long line: the part around the position is shown, and
/// the column is that of the line.
#[test]
fn a_long_line_is_shown_in_part() {
    let pad = "ü, ".repeat(2000);
    let text = format!("{{a: [{pad}x], password: {}, b: here, c: [{pad}x]}}\n", "y".repeat(700));
    let report = error_at(&text, "b");
    assert!(report.contains("--> in.yaml:1:6725\n") && report.len() < 700, "{report}");
    assert!(report.contains("here") && report.contains("^^^^") && !report.contains("yy"), "{report}");
}

/// Protects terminals: a configuration cannot send them commands through a report.
#[test]
fn control_characters_do_not_reach_the_terminal() {
    let (document, _) = World::default().load("a: \"\u{1b}[31m\u{202e}\"\n");
    let mut diagnostics = Diagnostics::default();
    let evil = "\u{1b}[31m\u{202e}\r\u{7}";
    diagnostics.push(Diagnostic::error(evil).at(at(&document.root, "a").origin).help(evil).note(evil));
    let report = plain(&diagnostics, &document);
    assert!(!report.contains(['\u{1b}', '\u{202e}', '\u{7}', '\r']), "{report:?}");
}

/// Protects secrets in messages, helps and notes, however they are printed.
#[test]
fn texts_are_shown_without_their_secrets() {
    let document = load_clean("a: 1\n");
    let url = "no http://me:hunter2@host";
    let mut diagnostics = Diagnostics::default();
    diagnostics.push(Diagnostic::error(url).path("a").help(url).note(url));
    let report = plain(&diagnostics, &document);
    assert!(!report.contains("hunter2") && report.matches("http://[REDACTED]@host").count() == 3, "{report}");
    assert_eq!(messages(&diagnostics), ["a: no http://[REDACTED]@host"]);
}

/// Protects the counting line.
#[test]
fn the_summary_counts_errors_and_warnings() {
    let table = [
        (0, 0, ""),
        (1, 0, "1 error"),
        (0, 1, "1 warning"),
        (2, 1, "2 errors, 1 warning"),
        (1, 2, "1 error, 2 warnings"),
    ];
    for (errors, warnings, expected) in table {
        let mut diagnostics = Diagnostics::default();
        (0..errors).for_each(|index| diagnostics.push(Diagnostic::error(format!("e{index}"))));
        (0..warnings).for_each(|index| diagnostics.push(Diagnostic::warning(format!("w{index}"))));
        assert_eq!(diagnostics.summary(), expected);
        assert_eq!(diagnostics.has_errors(), errors > 0);
        assert_eq!(diagnostics.is_empty(), errors + warnings == 0);
        assert_eq!(diagnostics.count(Severity::Error), errors);
    }
}

/// Protects the report against repeating itself: two pipelines that find one problem report it once.
#[test]
fn the_same_problem_is_kept_once() {
    let document = load_clean("a: 1\nb: 1\n");
    let one = Diagnostic::error("x").at(at(&document.root, "a").origin).path("p");
    let elsewhere = Diagnostic::error("x").at(at(&document.root, "b").origin).path("p");
    let mut diagnostics = Diagnostics::default();
    for item in [&one, &elsewhere, &one, &one.clone().path("q")] {
        diagnostics.push(item.clone());
    }
    let mut more = Diagnostics::default();
    more.push(one);
    more.push(Diagnostic::warning("y"));
    diagnostics.extend(more);
    assert_eq!(messages(&diagnostics), ["p: x", "p: x", "q: x", "y"]);
}

/// Protects against a panic on a position that does not fit its text, as after a reload.
#[test]
fn a_position_that_does_not_fit_is_shown_as_well_as_can_be() {
    let document = load_clean("ä: x\n");
    let good = at(&document.root, "ä").origin;
    let table = [
        (1, 3, " --> in.yaml:1:1"),
        (4, 900, " --> in.yaml:1:1"),
        (900, 901, " --> in.yaml:1:1"),
        (5, 2, " --> in.yaml:1:1"),
    ];
    for (start, end, place) in table {
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(Diagnostic::error("here").at(Origin { start, end, line: 1, column: 1, ..good }));
        assert!(plain(&diagnostics, &document).contains(place), "{}", plain(&diagnostics, &document));
    }
    let nowhere = Document { root: document.root.clone(), sources: SourceMap::default() };
    let mut diagnostics = Diagnostics::default();
    diagnostics.push(Diagnostic::error("here").at(good));
    assert_eq!(plain(&diagnostics, &nowhere), "error: here\n\n1 error");
    assert_eq!(plain(&Diagnostics::default(), &document), "");
}
