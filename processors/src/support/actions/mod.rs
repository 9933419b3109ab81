//! Actions on attributes: one engine for the processors `resource` and `attributes`.
//!
//! What an action does is what the Collector's does, on attributes of any type:
//!
//! * Actions run in the order they are written, each on what the ones before it left.
//! * Of a key that is there twice the first counts; `delete` takes the first out and leaves the second.
//!   Patterns (`delete`, `hash`) mean every attribute whose key they match.
//! * `hash` of a key with a pattern that matches it as well hashes the hash, and of a value that has no
//!   hash (bytes, lists, maps, nothing) leaves empty text.
//! * An action that cannot be done (no source, no such attribute, text that is no number) does nothing.
//!
//! Actions run on an [`AttributeList`], so what they do not change is not copied apart.

mod apply;
mod config;

#[cfg(test)]
mod tests;

use regex::Regex;
use spindle_pipeline::RequestContext;
use spindle_pipeline::error::BuildError;
use spindle_pipeline::otlp::attribute_list::AttributeList;
use spindle_pipeline::otlp::attributes::NewValue;

pub use config::{ActionConfig, validate};

/// A list of actions, ready to run.
#[derive(Debug)]
pub struct Actions(Vec<Action>);

#[derive(Debug)]
struct Action {
    key: String,
    operation: Operation,
}

#[derive(Debug)]
enum Operation {
    Set { fill: Fill, source: Source, default: Option<Vec<u8>> },
    Delete(Option<Regex>),
    Hash(Option<Regex>),
    Extract { pattern: Regex, names: Vec<String> },
    Convert(Target),
}

/// When a value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    /// When there is none: `insert`.
    Missing,
    /// When there is one: `update`.
    Present,
    /// `upsert`.
    Always,
}

/// Where a value comes from; values are the bytes of an `AnyValue`.
#[derive(Debug)]
enum Source {
    Value(Vec<u8>),
    Attribute(String),
    Context(Context),
    None,
}

#[derive(Debug)]
enum Context {
    ClientAddress,
    Metadata(String),
}

#[derive(Clone, Copy, Debug)]
enum Target {
    String,
    Int,
    Double,
}

/// What the actions take from the context of one batch, by the action's index.
#[derive(Debug, Default)]
pub struct ContextValues(Vec<Option<Vec<u8>>>);

impl Actions {
    /// Compiles the list that is written at `key`. Validation has reported its problems with positions;
    /// this reports the first one again.
    pub fn new(configs: &[ActionConfig], key: &str) -> Result<Self, BuildError> {
        let compile = |(index, config): (usize, &ActionConfig)| {
            config.compile(index).map_err(|problem| problem.into_build_error(&format!("{key}::{index}")))
        };
        configs.iter().enumerate().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// What the actions need of where a batch came from.
    pub fn context_values(&self, context: Option<&RequestContext>) -> ContextValues {
        let takes_context =
            |action: &Action| matches!(&action.operation, Operation::Set { source: Source::Context(_), .. });
        if !self.0.iter().any(takes_context) {
            return ContextValues::default();
        }
        let value = |action: &Action| match &action.operation {
            Operation::Set { source: Source::Context(key), .. } => key.value(context),
            _ => None,
        };
        ContextValues(self.0.iter().map(value).collect())
    }

    /// Runs the actions on the attributes of one message.
    pub fn apply<'a>(&'a self, list: &mut AttributeList<'a>, context: &'a ContextValues) {
        for (index, action) in self.0.iter().enumerate() {
            let from_context = context.0.get(index).and_then(Option::as_deref);
            action.apply(list, from_context);
        }
    }
}

impl Context {
    fn value(&self, context: Option<&RequestContext>) -> Option<Vec<u8>> {
        let text = match self {
            // A client that is not known has the empty address, which is not nothing, as in the Collector.
            Self::ClientAddress => context
                .and_then(|context| context.peer)
                .map(|peer| peer.ip().to_canonical().to_string())
                .unwrap_or_default(),
            Self::Metadata(header) => {
                let values: Vec<&str> = context?.values(header).collect();
                if values.is_empty() {
                    return None;
                }
                values.join(";")
            }
        };
        Some(NewValue::String(&text).to_bytes())
    }
}
