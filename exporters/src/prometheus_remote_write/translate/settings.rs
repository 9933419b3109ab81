//! What the keys of the exporter say about the translation.

use crate::prometheus_remote_write::naming::MetricNamer;

/// How metrics are translated.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How metrics are named.
    pub namer: MetricNamer,
    /// Which attributes of a resource become labels of all its series.
    pub promote: Promote,
    /// Series say which scope they come from.
    pub scope_info: bool,
    /// Resources are described by `target_info`.
    pub target_info: bool,
    /// Labels of all series that have none of the same name, names escaped.
    pub external_labels: Vec<(String, String)>,
    /// Metric families are described.
    pub metadata: bool,
}

/// Which attributes of a resource become labels of all its series.
#[derive(Clone, Debug, Default)]
pub enum Promote {
    /// None but those that make `job`, `instance` and the run's label.
    #[default]
    None,
    /// All, perhaps without the three that make `job` and `instance`.
    All {
        /// Without `service.name`, `service.namespace` and `service.instance.id`.
        without_service: bool,
    },
    /// Those that a pattern names.
    Matching {
        /// The patterns; none for all attributes.
        included: Vec<Pattern>,
        /// Patterns of attributes that stay out all the same.
        excluded: Vec<Pattern>,
    },
}

impl Promote {
    /// Whether an attribute becomes a label.
    pub fn contains(&self, key: &str) -> bool {
        match self {
            Self::None => false,
            Self::All { without_service } => !(*without_service && is_identifying(key)),
            Self::Matching { included, excluded } => {
                let is_included = included.is_empty() || included.iter().any(|pattern| pattern.matches(key));
                is_included && !excluded.iter().any(|pattern| pattern.matches(key))
            }
        }
    }
}

/// The attributes that make `job` and `instance`.
pub(super) fn is_identifying(key: &str) -> bool {
    matches!(key, "service.name" | "service.namespace" | "service.instance.id")
}

/// A name in which `*` stands for any characters and `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<char>);

impl Pattern {
    /// A pattern as it is written.
    pub fn new(text: &str) -> Self {
        Self(text.chars().collect())
    }

    /// Whether all of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut pattern_at, mut text_at) = (0, 0);
        // Behind the last `*`, and where its match ends at present.
        let mut retry: Option<(usize, usize)> = None;
        while text_at < text.len() {
            match self.0.get(pattern_at) {
                Some('*') => {
                    pattern_at += 1;
                    retry = Some((pattern_at, text_at));
                }
                Some(character) if *character == '?' || *character == text[text_at] => {
                    pattern_at += 1;
                    text_at += 1;
                }
                _ => match retry.as_mut() {
                    Some((behind, end)) => {
                        *end += 1;
                        (pattern_at, text_at) = (*behind, *end);
                    }
                    None => return false,
                },
            }
        }
        self.0[pattern_at..].iter().all(|character| *character == '*')
    }
}
