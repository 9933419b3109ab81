//! Lists of strings of which one must match.

use regex::Regex;
use spindle_pipeline::pattern;

use crate::support::problem::Problem;

/// How strings are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MatchType {
    /// They are equal.
    Strict,
    /// A regular expression is found in them.
    Regexp,
}

impl MatchType {
    pub(super) fn from_name(name: &str) -> Result<Self, Problem> {
        match name {
            "strict" => Ok(Self::Strict),
            "regexp" => Ok(Self::Regexp),
            _ => {
                let message = format!("unrecognized match_type: '{name}', valid types are: [regexp strict]");
                Err(Problem::new("match_type", message))
            }
        }
    }
}

/// Strings of which one must match.
#[derive(Debug)]
pub(super) enum Strings {
    Strict(Vec<String>),
    Regexp(Vec<Regex>),
}

impl Strings {
    /// `key` is where the list is written.
    pub(super) fn new(match_type: MatchType, list: &[String], key: &str) -> Result<Self, Problem> {
        let compile = |text: &String| {
            let problem = |cause| Problem::new(key, format!("error parsing regexp: {cause}: `{text}`"));
            pattern::compile(text).map_err(problem)
        };
        Ok(match match_type {
            MatchType::Strict => Self::Strict(list.to_vec()),
            MatchType::Regexp => Self::Regexp(list.iter().map(compile).collect::<Result<_, _>>()?),
        })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Strict(list) => list.iter().any(|wanted| wanted == text),
            Self::Regexp(list) => list.iter().any(|pattern| pattern.is_match(text)),
        }
    }
}

/// A key that is not written matches everything.
pub(super) fn matches(strings: Option<&Strings>, text: &str) -> bool {
    strings.is_none_or(|strings| strings.matches(text))
}
