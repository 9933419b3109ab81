//! `include` and `exclude`: which items a processor works on.
//!
//! An item is taken when it matches `include` (if that is written) and does not match `exclude` (if that
//! is). What matches is what matches in the Collector, its oddities included: of several `libraries` all
//! must match; for metrics only `metric_names` counts; a span whose resource has no `service.name` is of
//! the service `<nil-service-name>`.

mod attributes;
mod config;
mod strings;

use spindle_config::Check;
use spindle_pipeline::Signal;
use spindle_pipeline::error::BuildError;
use spindle_pipeline::otlp::attributes::{AnyValue, to_text};
use spindle_pipeline::otlp::splice::Item;
use spindle_pipeline::otlp::view::{Part, resource_attributes};

use attributes::{AttributeMatch, all_match};
pub use config::MatchConfig;
use config::{SPAN_KINDS, SeverityConfig};
use strings::{Strings, matches};

/// Which items are taken.
#[derive(Debug, Default)]
pub struct Filter {
    include: Option<Matcher>,
    exclude: Option<Matcher>,
}

/// What must be true of an item.
#[derive(Debug)]
struct Matcher {
    services: Option<Strings>,
    resources: Vec<AttributeMatch>,
    libraries: Vec<LibraryMatch>,
    record: RecordMatch,
}

#[derive(Debug)]
struct LibraryMatch {
    name: Strings,
    version: Option<Strings>,
}

/// What must be true of the span, log record or metric itself.
#[derive(Debug)]
enum RecordMatch {
    Span {
        names: Option<Strings>,
        kinds: Option<Strings>,
        attributes: Vec<AttributeMatch>,
    },
    Log {
        bodies: Option<Strings>,
        severity_texts: Option<Strings>,
        severity: Option<Severity>,
        attributes: Vec<AttributeMatch>,
    },
    Metric {
        names: Strings,
    },
}

#[derive(Clone, Copy, Debug)]
struct Severity {
    least: i32,
    takes_undefined: bool,
}

/// Reports what cannot be in a pipeline of `signal`.
pub fn validate_for(
    signal: Signal,
    include: Option<&MatchConfig>,
    exclude: Option<&MatchConfig>,
    check: &mut Check<'_>,
) {
    for (config, part) in [(include, "include"), (exclude, "exclude")] {
        let Some(config) = config else { continue };
        if let Err(problem) = config.compile(signal) {
            problem.report(part, check);
        } else if signal == Signal::Metrics && !config.resources.is_empty() {
            check.warning(
                &format!("{part}::resources"),
                "resources are not looked at for metrics, as in the Collector; metric_names alone decide",
            );
        }
    }
}

impl Filter {
    /// Compiles `include` and `exclude` for items of a signal.
    pub fn new(
        signal: Signal,
        include: Option<&MatchConfig>,
        exclude: Option<&MatchConfig>,
    ) -> Result<Self, BuildError> {
        let compile = |config: Option<&MatchConfig>, part: &str| match config {
            Some(config) => config.compile(signal).map_err(|problem| problem.into_build_error(part)),
            None => Ok(None),
        };
        Ok(Self { include: compile(include, "include")?, exclude: compile(exclude, "exclude")? })
    }

    /// Starts to decide about the items of one request.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor { filter: self, scope: usize::MAX, record: usize::MAX, around: (true, false), is_taken: true }
    }
}

/// Decides about the items of one request in order. What items have in common is looked at once.
#[derive(Debug)]
pub struct Cursor<'f> {
    filter: &'f Filter,
    /// Where the scope group of the last item starts.
    scope: usize,
    /// Where its record starts.
    record: usize,
    /// Whether resource and scope match `include`, and `exclude`.
    around: (bool, bool),
    is_taken: bool,
}

impl Cursor<'_> {
    /// Whether an item is taken.
    pub fn takes(&mut self, item: &Item<'_>) -> bool {
        let Filter { include, exclude } = self.filter;
        if include.is_none() && exclude.is_none() {
            return true;
        }
        if self.scope != item.scope.start {
            self.scope = item.scope.start;
            let matches =
                |matcher: &Matcher| matcher.matches_resource(item.group) && matcher.matches_scope(item.scope);
            self.around = (include.as_ref().is_none_or(matches), exclude.as_ref().is_some_and(matches));
        }
        if self.record != item.record.start {
            self.record = item.record.start;
            let matches = |matcher: &Matcher| matcher.record.matches(item.record);
            self.is_taken = self.around.0
                && include.as_ref().is_none_or(matches)
                && !(self.around.1 && exclude.as_ref().is_some_and(matches));
        }
        self.is_taken
    }
}

impl Matcher {
    fn matches_resource(&self, group: Part<'_>) -> bool {
        if let Some(services) = &self.services {
            let mut attributes = resource_attributes(group);
            let name = attributes.find(|attribute| attribute.key == "service.name");
            let name = name.map_or("<nil-service-name>".into(), |attribute| to_text(attribute.value));
            if !services.matches(&name) {
                return false;
            }
        }
        if self.resources.is_empty() {
            return true;
        }
        let attributes: Vec<_> = resource_attributes(group).collect();
        all_match(&self.resources, attributes.iter().copied())
    }

    fn matches_scope(&self, scope_group: Part<'_>) -> bool {
        let scope = scope_group.children(1).next();
        let text = |number: u32| scope.map_or("", |scope| scope.text(number));
        self.libraries
            .iter()
            .all(|library| library.name.matches(text(1)) && matches(library.version.as_ref(), text(2)))
    }
}

impl RecordMatch {
    fn matches(&self, record: Part<'_>) -> bool {
        match self {
            Self::Span { names, kinds, attributes } => {
                let has_name = names.as_ref().is_none_or(|names| names.matches(record.text(5)));
                has_name
                    && kinds.as_ref().is_none_or(|kinds| kinds.matches(kind_name(record.number(6))))
                    && all_match(attributes, record.attributes(9))
            }
            Self::Log { bodies, severity_texts, severity, attributes } => {
                let body =
                    || record.children(5).next().map_or(AnyValue::EMPTY, |body| AnyValue(body.bytes()));
                bodies.as_ref().is_none_or(|bodies| bodies.matches(&to_text(body())))
                    && severity_texts.as_ref().is_none_or(|texts| texts.matches(record.text(3)))
                    && severity.is_none_or(|severity| severity.matches(record.number(2) as i32))
                    && all_match(attributes, record.attributes(6))
            }
            Self::Metric { names } => names.matches(record.text(1)),
        }
    }
}

/// A number that is no kind has no name.
fn kind_name(kind: u64) -> &'static str {
    usize::try_from(kind).ok().and_then(|kind| SPAN_KINDS.get(kind)).copied().unwrap_or("")
}

impl Severity {
    fn new(config: &SeverityConfig) -> Self {
        Self { least: config.min, takes_undefined: config.match_undefined }
    }

    fn matches(self, severity: i32) -> bool {
        if severity == 0 { self.takes_undefined } else { severity >= self.least }
    }
}
