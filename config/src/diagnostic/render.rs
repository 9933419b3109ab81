//! Diagnostics as text: the offending line, underlined, with the key path and the help below it.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};

use super::shown::ShownLine;
use super::{Diagnostic, Diagnostics, Severity};
use crate::Document;
use crate::secret::{Redactor, redact_urls};

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
        let parts: Vec<String> = [count(Severity::Error, "error"), count(Severity::Warning, "warning")]
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
    let mut group = Group::with_title(level.primary_title(title.as_str()));
    let shown = item.origin.and_then(|origin| ShownLine::new(origin, document, redactor));
    if let Some(line) = &shown {
        let annotation = AnnotationKind::Primary.span(line.underlined.clone());
        let snippet = Snippet::source(line.text.as_str())
            .path(line.name.as_str())
            .line_start(line.number)
            .annotation(annotation);
        group = group.element(snippet);
    }
    for help in &item.help {
        group = group.element(Level::HELP.message(plain_text(help)));
    }
    for note in &item.notes {
        group = group.element(Level::NOTE.message(plain_text(note)));
    }
    let rendered = renderer.render(&[group]);
    match shown {
        Some(line) => with_column(&rendered, &title, &line),
        None => rendered,
    }
}

/// A text that may quote the configuration: without secrets, and without characters that a terminal obeys.
fn plain_text(text: &str) -> String {
    normalize_untrusted_str(&redact_urls(text))
}

/// The renderer takes the column from the line it shows. Where that line is not the one in the file,
/// because something in it is blotted out, the column in the file is put in its place.
fn with_column(rendered: &str, title: &str, line: &ShownLine) -> String {
    let title_lines = title.split('\n').count();
    let location = |column: usize| format!(":{}:{column}", line.number);
    let shown_column = line.text[..line.underlined.start].chars().count() + 1;
    let lines = rendered.split('\n').enumerate().map(|(index, text)| {
        if index == title_lines {
            text.replacen(&location(shown_column), &location(line.column), 1)
        } else {
            text.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}
