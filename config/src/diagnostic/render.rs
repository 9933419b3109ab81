//! Diagnostics as text: the offending line, underlined, with the key path and the help below it.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Diagnostics, Severity};
use crate::secret::Redactor;
use crate::tree::Origin;
use crate::{Document, secret};

/// How the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// With ANSI colours, for a terminal.
    Colored,
}

/// Wider than most terminals: a line that wraps is easier to read than one that is cut.
const WIDTH: usize = 160;

impl Diagnostics {
    /// The whole report, errors and warnings in the order of the text, with a closing line that counts
    /// them. Secrets are blotted out.
    pub fn render(&self, document: &Document, style: Style) -> String {
        let mut ordered: Vec<&Diagnostic> = self.items.iter().collect();
        ordered.sort_by_key(|item| (item.origin.is_none(), item.origin));
        let redactor = Redactor::new(document);
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Colored => Renderer::styled(),
        }
        .term_width(WIDTH);
        let mut report = String::new();
        for item in ordered {
            report.push_str(&render_one(item, document, &redactor, &renderer));
            report.push_str("\n\n");
        }
        report.push_str(&self.summary());
        report
    }

    /// `2 errors, 1 warning`.
    pub fn summary(&self) -> String {
        let count = |severity, name: &str| match self.count(severity) {
            0 => None,
            1 => Some(format!("1 {name}")),
            more => Some(format!("{more} {name}s")),
        };
        let parts: Vec<String> = [
            count(Severity::Error, "error"),
            count(Severity::Warning, "warning"),
        ]
        .into_iter()
        .flatten()
        .collect();
        parts.join(", ")
    }
}

fn render_one(item: &Diagnostic, document: &Document, redactor: &Redactor, renderer: &Renderer) -> String {
    let level = match item.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = item.one_line();
    let mut group = Group::with_title(level.primary_title(secret::redact_urls(&title)));
    if let Some(line) = item
        .origin
        .and_then(|origin| ShownLine::new(origin, document, redactor))
    {
        let annotation = AnnotationKind::Primary.span(line.underlined);
        let snippet = Snippet::source(line.text)
            .path(line.name)
            .line_start(line.number)
            .annotation(annotation);
        group = group.element(snippet);
    }
    for help in &item.help {
        group = group.element(Level::HELP.message(secret::redact_urls(help)));
    }
    for note in &item.notes {
        group = group.element(Level::NOTE.message(secret::redact_urls(note)));
    }
    renderer.render(&[group])
}

/// The one source line that is shown, secrets already out, and what to underline in it.
struct ShownLine {
    name: String,
    number: usize,
    text: String,
    underlined: Range<usize>,
}

impl ShownLine {
    fn new(origin: Origin, document: &Document, redactor: &Redactor) -> Option<Self> {
        let source = document.sources.get(origin.source)?;
        let text = source.text.as_str();
        let start = floor_boundary(text, origin.start as usize);
        let end = floor_boundary(text, (origin.end as usize).max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..]
            .find(['\n', '\r'])
            .map_or(text.len(), |at| start + at);
        let mut shown = Shown::new(line_start);
        for secret in redactor.ranges(origin.source) {
            let hidden = secret.start.max(line_start)..secret.end.min(line_end);
            if hidden.start < hidden.end {
                shown.copy(text, hidden.start);
                shown.hide(hidden.end);
            }
        }
        shown.copy(text, line_end);
        let trimmed_end = line_start + text[line_start..line_end].trim_end().len();
        let end = end.min(trimmed_end).max(start);
        let mut underlined = shown.position(start)..shown.position(end);
        if underlined.is_empty() {
            underlined.end = (underlined.start + 1).min(shown.text.len());
        }
        Some(Self {
            name: source.name.clone(),
            number: origin.line as usize,
            text: shown.text,
            underlined,
        })
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// A line being copied with parts replaced, and how old positions map to new ones.
struct Shown {
    text: String,
    copied_to: usize,
    /// (position in the source, position in `text`), ascending.
    anchors: Vec<(usize, usize)>,
}

impl Shown {
    fn new(line_start: usize) -> Self {
        Self {
            text: String::new(),
            copied_to: line_start,
            anchors: vec![(line_start, 0)],
        }
    }

    fn copy(&mut self, source: &str, to: usize) {
        if let Some(part) = source.get(self.copied_to..to) {
            self.text.push_str(part);
            self.copied_to = to;
        }
    }

    fn hide(&mut self, to: usize) {
        self.anchors.push((self.copied_to, self.text.len()));
        self.text.push_str(secret::REDACTED);
        self.copied_to = self.copied_to.max(to);
        self.anchors.push((self.copied_to, self.text.len()));
    }

    fn position(&self, at: usize) -> usize {
        let (source, shown) = self
            .anchors
            .iter()
            .rev()
            .find(|(source, _)| *source <= at)
            .copied()
            .unwrap_or((at, 0));
        (shown + (at - source)).min(self.text.len())
    }
}
