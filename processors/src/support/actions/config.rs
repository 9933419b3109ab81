//! The keys of an action, and what the Collector says about wrong ones.

use serde::Deserialize;
use spindle_config::Check;
use spindle_pipeline::pattern;

use super::{Action, Context, Fill, Operation, Source, Target};
use crate::support::problem::Problem;
use crate::support::value::ConfigValue;

/// An action as it is written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActionConfig {
    /// The attribute to act on. Only `delete` and `hash` can do without, if they have a `pattern`.
    pub key: String,
    /// `insert`, `update`, `upsert`, `delete`, `hash`, `extract` or `convert`, in any case.
    pub action: String,
    /// The value to set, with its YAML type; lists and maps as well. One of `value`, `from_attribute`,
    /// `from_context`.
    pub value: Option<ConfigValue>,
    /// The attribute to take the value from. If it is not there, nothing is done.
    pub from_attribute: String,
    /// What to take the value from of what is known about the client: `metadata.<header>` (several values
    /// joined by `;`) or `client.address`. If there is nothing, nothing is done.
    pub from_context: String,
    /// The value to set when the other source has none.
    pub default_value: Option<ConfigValue>,
    /// For `extract` a regular expression whose groups all have names; for `delete` and `hash` one that
    /// keys are matched with.
    pub pattern: String,
    /// For `convert`: `int`, `double` or `string`.
    pub converted_type: String,
}

/// Reports every action that cannot be; they are the list at `key`.
pub fn validate(actions: &[ActionConfig], key: &str, check: &mut Check<'_>) {
    if actions.is_empty() {
        check.error(key, format!("missing required field \"{key}\""));
    }
    for (index, config) in actions.iter().enumerate() {
        if let Err(problem) = config.compile(index) {
            problem.report(&format!("{key}::{index}"), check);
        }
    }
}

impl ActionConfig {
    /// The action, `index` in its list counted from 0.
    pub(super) fn compile(&self, index: usize) -> Result<Action, Problem> {
        let action = self.action.to_lowercase();
        self.check_key(&action, index)?;
        let rules = Rules { config: self, action: &action, index };
        let operation = match action.as_str() {
            "insert" => rules.set(Fill::Missing)?,
            "update" => rules.set(Fill::Present)?,
            "upsert" => rules.set(Fill::Always)?,
            "delete" => Operation::Delete(rules.key_pattern()?),
            "hash" => Operation::Hash(rules.key_pattern()?),
            "extract" => rules.extract()?,
            "convert" => rules.convert()?,
            _ => {
                return Err(rules
                    .problem("action", format_args!(" due to unsupported action \"{action}\""))
                    .note("actions are insert, update, upsert, delete, hash, extract, convert"));
            }
        };
        Ok(Action { key: self.key.clone(), operation })
    }

    fn check_key(&self, action: &str, index: usize) -> Result<(), Problem> {
        if !self.key.is_empty() {
            return Ok(());
        }
        if !matches!(action, "delete" | "hash") {
            let message = format!(
                "error creating AttrProc due to missing required field \"key\" at the {index}-th action"
            );
            return Err(Problem::new("key", message));
        }
        if self.pattern.is_empty() {
            let message = format!(
                "error creating AttrProc due to missing required field (at least one of \"key\" and \"pattern\" have to be used) at the {index}-th action"
            );
            return Err(Problem::new("key", message));
        }
        Ok(())
    }

    fn sources(&self) -> usize {
        usize::from(self.value.is_some())
            + usize::from(!self.from_attribute.is_empty())
            + usize::from(!self.from_context.is_empty())
    }
}

/// The rules for one action, with what its errors say.
struct Rules<'a> {
    config: &'a ActionConfig,
    action: &'a str,
    index: usize,
}

impl Rules<'_> {
    fn problem(&self, key: &'static str, what: impl std::fmt::Display) -> Problem {
        let message = format!(
            "error with key {:?} ({}-th action): error creating AttrProc{what}",
            self.config.key, self.index
        );
        Problem::new(key, message)
    }

    fn unused(&self, key: &'static str) -> Problem {
        let action = self.action;
        self.problem(
            key,
            format_args!(
                ". Action \"{action}\" does not use the \"{key}\" field. This must not be specified"
            ),
        )
    }

    fn no_converted_type(&self) -> Result<(), Problem> {
        if self.config.converted_type.is_empty() { Ok(()) } else { Err(self.unused("converted_type")) }
    }

    fn compile_pattern(&self) -> Result<regex::Regex, Problem> {
        let text = &self.config.pattern;
        let what = format_args!(". Field \"pattern\" has invalid pattern: \"{text}\"");
        pattern::compile(text).map_err(|cause| self.problem("pattern", what).note(cause))
    }

    fn set(&self, fill: Fill) -> Result<Operation, Problem> {
        let config = self.config;
        if config.sources() == 0 && config.default_value.is_none() {
            return Err(self.problem("", ". Either field \"value\", \"from_attribute\", \"from_context\", or \"default_value\" must be specified"));
        }
        if config.sources() > 1 {
            return Err(self.problem("", " due to multiple value sources being set"));
        }
        if !config.pattern.is_empty() {
            return Err(self.unused("pattern"));
        }
        self.no_converted_type()?;
        let source = if let Some(value) = &config.value {
            Source::Value(value.to_bytes())
        } else if !config.from_context.is_empty() {
            Source::Context(self.context()?)
        } else if config.from_attribute.is_empty() {
            Source::None
        } else {
            Source::Attribute(config.from_attribute.clone())
        };
        let default = config.default_value.as_ref().map(ConfigValue::to_bytes);
        Ok(Operation::Set { fill, source, default })
    }

    fn context(&self) -> Result<Context, Problem> {
        let key = self.config.from_context.as_str();
        if key == "client.address" {
            return Ok(Context::ClientAddress);
        }
        if key.starts_with("auth.") {
            return Err(self.problem(
                "from_context",
                format_args!(
                    ". \"{key}\" needs authentication, which is not built into this version of spindle yet"
                ),
            ));
        }
        // Without the prefix it is a header as well, as it was in old versions of the Collector.
        Ok(Context::Metadata(key.strip_prefix("metadata.").unwrap_or(key).to_owned()))
    }

    fn key_pattern(&self) -> Result<Option<regex::Regex>, Problem> {
        let config = self.config;
        let action = self.action;
        if config.value.is_some() || !config.from_attribute.is_empty() {
            let key = if config.value.is_some() { "value" } else { "from_attribute" };
            return Err(self.problem(key, format_args!(". Action \"{action}\" does not use \"value\" or \"from_attribute\" field. These must not be specified")));
        }
        let pattern = if config.pattern.is_empty() { None } else { Some(self.compile_pattern()?) };
        self.no_converted_type()?;
        Ok(pattern)
    }

    fn extract(&self) -> Result<Operation, Problem> {
        let action = self.action;
        if self.config.sources() > 0 {
            return Err(self.problem(
                "",
                format_args!(
                    ". Action \"{action}\" does not use a value source field. These must not be specified"
                ),
            ));
        }
        if self.config.pattern.is_empty() {
            return Err(self.problem(
                "pattern",
                format_args!(" due to missing required field \"pattern\" for action \"{action}\""),
            ));
        }
        self.no_converted_type()?;
        let pattern = self.compile_pattern()?;
        let names: Vec<Option<&str>> = pattern.capture_names().skip(1).collect();
        if names.is_empty() {
            return Err(self.problem("pattern", ". Field \"pattern\" contains no named matcher groups"));
        }
        let names: Option<Vec<String>> = names.into_iter().map(|name| name.map(str::to_owned)).collect();
        match names {
            Some(names) => Ok(Operation::Extract { pattern, names }),
            None => {
                Err(self
                    .problem("pattern", ". Field \"pattern\" contains at least one unnamed matcher group"))
            }
        }
    }

    fn convert(&self) -> Result<Operation, Problem> {
        let action = self.action;
        if self.config.sources() > 0 || !self.config.pattern.is_empty() {
            return Err(self.problem("", format_args!(". Action \"{action}\" does not use value sources or \"pattern\" field. These must not be specified")));
        }
        let target = match self.config.converted_type.as_str() {
            "string" => Target::String,
            "int" => Target::Int,
            "double" => Target::Double,
            "" => {
                return Err(self.problem(
                    "converted_type",
                    format_args!(" due to missing required field \"converted_type\" for action \"{action}\""),
                ));
            }
            other => {
                let what = format_args!(
                    " due to invalid value \"{other}\" in field \"converted_type\" for action \"{action}\""
                );
                return Err(self.problem("converted_type", what).note("types are int, double, string"));
            }
        };
        Ok(Operation::Convert(target))
    }
}
