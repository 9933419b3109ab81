//! The keys of `include` and `exclude`, and what the Collector says about wrong ones.

use serde::Deserialize;
use spindle_pipeline::Signal;

use super::attributes::AttributeMatch;
use super::strings::{MatchType, Strings};
use super::{LibraryMatch, Matcher, RecordMatch, Severity};
use crate::support::problem::Problem;
use crate::support::value::ConfigValue;

/// What must be true of an item to match. All that is written must match, of each list one entry; of
/// `attributes`, `resources` and `libraries` all.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MatchConfig {
    /// `strict` compares, `regexp` searches with Go's regular expressions.
    pub match_type: String,
    /// Options of `regexp`. They are accepted and mean nothing: matching needs no cache here.
    pub regexp: RegexpConfig,
    /// Spans: the resource's `service.name`.
    pub services: Vec<String>,
    /// Spans: the name.
    pub span_names: Vec<String>,
    /// Spans: the kind, `SPAN_KIND_SERVER` and so on.
    pub span_kinds: Vec<String>,
    /// Logs: the body as text.
    pub log_bodies: Vec<String>,
    /// Logs: the severity's text.
    pub log_severity_texts: Vec<String>,
    /// Logs: the severity's number.
    pub log_severity_number: Option<SeverityConfig>,
    /// Metrics: the name.
    pub metric_names: Vec<String>,
    /// Spans and logs: attributes that must be there, with a value if one is given.
    pub attributes: Vec<AttributeConfig>,
    /// Attributes that the resource must have. For metrics the Collector accepts them and looks at
    /// `metric_names` alone, and so does this.
    pub resources: Vec<AttributeConfig>,
    /// Spans and logs: the instrumentation scope.
    pub libraries: Vec<LibraryConfig>,
}

/// Options of the match type `regexp`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegexpConfig {
    /// Keep the results of matching. Means nothing here.
    pub cacheenabled: bool,
    /// How many results to keep. Means nothing here.
    pub cachemaxnumentries: usize,
}

/// A lower bound of the severity.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeverityConfig {
    /// The lowest number that matches, 1 (TRACE) to 24 (FATAL4).
    pub min: i32,
    /// Whether a record without a severity matches.
    pub match_undefined: bool,
}

/// An attribute that must be there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttributeConfig {
    /// Its key.
    pub key: String,
    /// Its value; any value when none is given.
    pub value: Option<ConfigValue>,
}

/// An instrumentation scope.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LibraryConfig {
    /// Its name.
    pub name: String,
    /// Its version; any version when none is given.
    pub version: Option<String>,
}

impl MatchConfig {
    /// The matcher for items of a signal; `None` when nothing is looked at.
    pub(super) fn compile(&self, signal: Signal) -> Result<Option<Matcher>, Problem> {
        self.check(signal)?;
        let strings = |list: &[String], key: &str, what: &str| self.strings(list, key, what);
        let record = match signal {
            Signal::Traces => RecordMatch::Span {
                names: strings(&self.span_names, "span_names", "span name")?,
                kinds: strings(&self.span_kinds, "span_kinds", "span kind")?,
                attributes: self.attributes(&self.attributes, "attributes", "attribute")?,
            },
            Signal::Logs => RecordMatch::Log {
                bodies: strings(&self.log_bodies, "log_bodies", "log record body")?,
                severity_texts: strings(
                    &self.log_severity_texts,
                    "log_severity_texts",
                    "log record severity text",
                )?,
                severity: self.log_severity_number.as_ref().map(Severity::new),
                attributes: self.attributes(&self.attributes, "attributes", "attribute")?,
            },
            Signal::Metrics => {
                let Some(names) = strings(&self.metric_names, "metric_names", "")? else {
                    return Ok(None);
                };
                return Ok(Some(Matcher {
                    services: None,
                    resources: Vec::new(),
                    libraries: Vec::new(),
                    record: RecordMatch::Metric { names },
                }));
            }
        };
        Ok(Some(Matcher {
            services: strings(&self.services, "services", "service name")?,
            resources: self.attributes(&self.resources, "resources", "resource")?,
            libraries: self.libraries()?,
            record,
        }))
    }

    /// What the Collector's validation for the signal says.
    fn check(&self, signal: Signal) -> Result<(), Problem> {
        match signal {
            Signal::Traces => self.check_for_spans(),
            Signal::Logs => self.check_for_logs(),
            Signal::Metrics => self.check_for_metrics(),
        }
    }

    fn check_for_spans(&self) -> Result<(), Problem> {
        let misplaced = [
            (!self.log_bodies.is_empty(), "log_bodies"),
            (!self.log_severity_texts.is_empty(), "log_severity_texts"),
            (self.log_severity_number.is_some(), "log_severity_number"),
            (!self.metric_names.is_empty(), "metric_names"),
        ];
        if let Some((_, key)) = misplaced.iter().find(|(is_written, _)| *is_written) {
            return Err(Problem::new(*key, format!("{key} should not be specified for trace spans")));
        }
        let is_empty = self.services.is_empty()
            && self.span_names.is_empty()
            && self.span_kinds.is_empty()
            && self.has_no_common();
        if is_empty {
            let message =
                "at least one of \"attributes\", \"libraries\",  or \"resources\" field must be specified";
            return Err(Problem::new("", message));
        }
        let is_known = |kind: &String| SPAN_KINDS[1..].contains(&kind.as_str());
        if self.match_type == "strict" && !self.span_kinds.iter().all(is_known) {
            let mut kinds = SPAN_KINDS[1..].to_vec();
            kinds.sort_unstable();
            let message = format!(
                "span_kinds string must match one of the standard span kinds when match_type=strict: [{}]",
                kinds.join(" ")
            );
            return Err(Problem::new("span_kinds", message));
        }
        Ok(())
    }

    fn check_for_logs(&self) -> Result<(), Problem> {
        let misplaced = [
            (!self.span_names.is_empty(), "span_names"),
            (!self.services.is_empty(), "services"),
            (!self.span_kinds.is_empty(), "span_kinds"),
            (!self.metric_names.is_empty(), "metric_names"),
        ];
        if let Some((_, key)) = misplaced.iter().find(|(is_written, _)| *is_written) {
            let message = "services, span_names, span_kinds and metric_names are not valid for log records";
            return Err(Problem::new(*key, message));
        }
        let is_empty = self.log_bodies.is_empty()
            && self.log_severity_texts.is_empty()
            && self.log_severity_number.is_none()
            && self.has_no_common();
        if is_empty {
            let message = "at least one of \"attributes\", \"libraries\", \"span_kinds\", \"resources\", \"log_bodies\", \"log_severity_texts\" or \"log_severity_number\" field must be specified";
            return Err(Problem::new("", message));
        }
        Ok(())
    }

    fn check_for_metrics(&self) -> Result<(), Problem> {
        let misplaced = [
            (!self.log_bodies.is_empty(), "log_bodies"),
            (!self.log_severity_texts.is_empty(), "log_severity_texts"),
            (!self.span_names.is_empty(), "span_names"),
            (!self.services.is_empty(), "services"),
            (!self.span_kinds.is_empty(), "span_kinds"),
            (!self.attributes.is_empty(), "attributes"),
            (!self.libraries.is_empty(), "libraries"),
            (self.log_severity_number.is_some(), "log_severity_number"),
        ];
        if let Some((_, key)) = misplaced.iter().find(|(is_written, _)| *is_written) {
            let message = "\"span_names\", \"span_kinds\", \"log_bodies\", \"log_severity_texts\", \"log_severity_number\", \"services\", \"attributes\" and \"libraries\" are not valid for metrics";
            return Err(Problem::new(*key, message));
        }
        if self.metric_names.is_empty() && self.resources.is_empty() {
            let message = "at least one of \"metric_names\" or \"resources\" field must be specified";
            return Err(Problem::new("", message));
        }
        Ok(())
    }

    fn has_no_common(&self) -> bool {
        self.attributes.is_empty() && self.libraries.is_empty() && self.resources.is_empty()
    }

    fn match_type(&self) -> Result<MatchType, Problem> {
        MatchType::from_name(&self.match_type)
    }

    /// The strings of one key; `None` when the key is not written. `what` is how errors call them; it is
    /// empty for metric names.
    fn strings(&self, list: &[String], key: &str, what: &str) -> Result<Option<Strings>, Problem> {
        if list.is_empty() {
            return Ok(None);
        }
        let strings = self.match_type().and_then(|match_type| Strings::new(match_type, list, key));
        strings.map(Some).map_err(|problem| problem.within(what))
    }

    fn attributes(
        &self,
        list: &[AttributeConfig],
        key: &str,
        what: &str,
    ) -> Result<Vec<AttributeMatch>, Problem> {
        let attribute = |(index, config): (usize, &AttributeConfig)| {
            AttributeMatch::new(config, &format!("{key}::{index}"), || self.match_type())
                .map_err(|problem| problem.within(what))
        };
        list.iter().enumerate().map(attribute).collect()
    }

    fn libraries(&self) -> Result<Vec<LibraryMatch>, Problem> {
        let library = |(index, config): (usize, &LibraryConfig)| {
            let one = |text: &String, what: &str| {
                let list = std::slice::from_ref(text);
                let key = format!("libraries::{index}::{what}");
                let strings = self.match_type().and_then(|match_type| Strings::new(match_type, list, &key));
                strings.map_err(|problem| problem.within(&format!("library {what}")))
            };
            let version = config.version.as_ref().map(|version| one(version, "version")).transpose()?;
            Ok(LibraryMatch { name: one(&config.name, "name")?, version })
        };
        self.libraries.iter().enumerate().map(library).collect()
    }
}

/// The names of span kinds, by number.
pub(super) const SPAN_KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];
