//! YAML text to [`Node`]s.
//!
//! Errors are collected, not returned: a syntax error ends its text (the parser cannot go on), anything
//! else (a key twice, an unknown alias) is noted and passed over. Aliases and merge keys (`<<`) are
//! resolved here. What comes out is bounded in size and depth whatever goes in, so a small file cannot
//! become a large tree and whoever walks a tree can do so by recursion.

use std::borrow::Cow;
use std::ops::Range;

use saphyr_parser::Parser;

use super::build::{Builder, Step};
use super::{Node, Origin, SourceId, SourceMap};
use crate::{Diagnostic, Diagnostics};

/// As often as a tab behind a colon is made a space. Each time the text is read from its start.
const MAX_TABS: usize = 200;

/// Parses one document. `None` when there is nothing usable; an empty text is a null.
pub fn parse(source: SourceId, texts: &SourceMap, diagnostics: &mut Diagnostics) -> Option<Node> {
    let reading = Reading::of(source, &texts.get(source)?.text, false);
    diagnostics.extend(reading.diagnostics);
    if reading.stopped { None } else { Some(reading.root) }
}

/// What can be made of a text whether or not it is correct, every key that stands there twice included:
/// for those who look for secrets, not for a configuration. With whether that is all of it.
pub(crate) fn parse_what_can_be(source: SourceId, text: &str) -> (Node, bool) {
    let reading = Reading::of(source, text, true);
    (reading.root, !reading.stopped)
}

/// What came of reading a text.
struct Reading {
    /// The tree; if reading stopped, as far as it got.
    root: Node,
    /// An error ended it before the end of the text.
    stopped: bool,
    diagnostics: Diagnostics,
}

impl Reading {
    fn of(source: SourceId, text: &str, keep_duplicates: bool) -> Self {
        let mut text = Cow::Borrowed(text);
        let mut repairs = 0;
        loop {
            let mut builder = Builder::new(source, &text, keep_duplicates);
            let tabs = match run(&mut builder, &text, repairs < MAX_TABS) {
                End::Tabs(tabs) => tabs,
                End::Complete(root) => return Self::complete(source, root, builder),
                End::Stopped => return Self::stopped(source, builder),
            };
            // A tab and a space are one byte each, so positions stay true.
            let spaces = " ".repeat(tabs.len());
            text.to_mut().replace_range(tabs, &spaces);
            repairs += 1;
        }
    }

    fn complete(source: SourceId, root: Option<Node>, mut builder: Builder<'_>) -> Self {
        let root = root.unwrap_or_else(|| nothing(source));
        Self { root, stopped: false, diagnostics: builder.take_diagnostics() }
    }

    fn stopped(source: SourceId, mut builder: Builder<'_>) -> Self {
        // What closing finds wrong is not the text's fault.
        let diagnostics = builder.take_diagnostics();
        let root = builder.close_all().unwrap_or_else(|| nothing(source));
        Self { root, stopped: true, diagnostics }
    }
}

/// How reading ended.
enum End {
    Complete(Option<Node>),
    Stopped,
    /// At a tab that YAML allows and the parser does not.
    Tabs(Range<usize>),
}

fn run(builder: &mut Builder<'_>, text: &str, may_repair: bool) -> End {
    let mut parser = Parser::new_from_str(text);
    let mut document = None;
    while let Some(next) = parser.next_event() {
        match next {
            Ok((event, span)) => match builder.event(event, span) {
                Step::More => {}
                Step::Document(node) => document = Some(node),
                Step::Stop => return End::Stopped,
            },
            Err(error) => {
                let origin = builder.error_origin(*error.marker());
                if may_repair && let Some(tabs) = tabs_behind_colon(text, origin.start as usize) {
                    return End::Tabs(tabs);
                }
                builder.report(syntax_error(error.info(), origin));
                return End::Stopped;
            }
        }
    }
    End::Complete(document)
}

fn syntax_error(info: &str, origin: Origin) -> Diagnostic {
    let diagnostic = Diagnostic::error(format!("YAML syntax: {info}")).at(origin);
    if info.contains("tabs") {
        return diagnostic.help("indent with spaces");
    }
    if info.starts_with("':' must be followed") {
        return diagnostic.help("write a space, not a tab, behind the colon");
    }
    diagnostic
}

/// The tabs between a colon and the value at `at`. The parser refuses some of them that YAML allows.
fn tabs_behind_colon(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text.get(..at)?;
    let key = before.trim_end_matches('\t');
    (key.ends_with(':') && key.len() < at).then_some(key.len()..at)
}

fn nothing(source: SourceId) -> Node {
    Node::null(Origin { source, start: 0, end: 0, line: 1, column: 1 })
}
