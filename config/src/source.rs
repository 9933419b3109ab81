//! Where configuration comes from: `--config` URIs and `--set` properties, in the order they apply.
//!
//! A URI is `file:PATH` (or just a path), `env:NAME` (a variable that holds YAML) or `yaml:TEXT`, in
//! which `a::b: v` at the top nests. A `--set a.b.c=v` is laid over everything else, whatever the order on
//! the command line. Neither is quoted in an error further than it is certain to be no secret.

use std::path::{Path, PathBuf};

use crate::secret::{self, redact_urls};
use crate::tree::{Entry, MAX_DEPTH, Mapping, Node, Origin, SourceMap, Value, parse};
use crate::{Diagnostic, Diagnostics};

/// The world outside: the environment and the files, so that tests can bring their own.
pub trait Surroundings {
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// A file's text.
    fn read(&self, path: &Path) -> std::io::Result<String>;
}

/// This process's environment and file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process;

impl Surroundings for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn read(&self, path: &Path) -> std::io::Result<String> {
        std::fs::read_to_string(path)
    }
}

/// One source of configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A variable that holds YAML.
    Variable(String),
    /// YAML on the command line.
    Yaml(String),
    /// One property: its key path and its value in YAML.
    Property {
        /// The path, split.
        path: Vec<String>,
        /// The value, in YAML.
        value: String,
    },
    /// Text that the program brings along, under a name.
    Embedded {
        /// What errors call it.
        name: &'static str,
        /// The YAML.
        text: String,
    },
}

impl Source {
    /// Reads a `--config` argument.
    pub fn from_uri(uri: &str) -> Result<Self, String> {
        match uri.split_once(':') {
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("env", name)) => Ok(Self::Variable(name.to_owned())),
            Some(("yaml", text)) => Ok(Self::Yaml(text.to_owned())),
            Some((scheme, _)) if scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
                let uri = redact_urls(uri);
                Err(format!(
                    "scheme \"{scheme}\" is not supported for uri \"{uri}\" (file, env and yaml are)"
                ))
            }
            _ => Ok(Self::File(uri.into())),
        }
    }

    /// Reads a `--set` argument.
    pub fn from_property(property: &str) -> Result<Self, String> {
        let Some((written, value)) = property.split_once('=') else {
            // What stands there may be a key with its value, which may be a secret.
            let key = property.split([':', ' ']).next().unwrap_or("");
            return Err(format!("missing equal sign in --set \"{key}\" (write --set a.b.c=value)"));
        };
        let path: Vec<String> = written.split('.').map(|segment| segment.trim().to_owned()).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("empty key in --set \"{written}=...\" (write --set a.b.c=value)"));
        }
        if path.len() > MAX_DEPTH {
            return Err(format!("--set nests deeper than {MAX_DEPTH} levels"));
        }
        Ok(Self::Property { path, value: value.to_owned() })
    }

    /// The tree of this source; what is wrong with it goes into `diagnostics`.
    pub(crate) fn read(
        &self,
        texts: &mut SourceMap,
        surroundings: &dyn Surroundings,
        diagnostics: &mut Diagnostics,
    ) -> Option<Node> {
        let (name, text) = match self.text(surroundings) {
            Ok(found) => found,
            Err(message) => {
                diagnostics.push(Diagnostic::error(message));
                return None;
            }
        };
        let id = texts.add(name, text);
        if self.sets_a_secret() {
            texts.hide(id);
        }
        let mut tree = parse(id, texts, diagnostics)?;
        match self {
            Self::Property { path, .. } => {
                let origin = tree.origin;
                tree = nest(path.iter().map(String::as_str), origin, tree);
            }
            Self::Yaml(_) => split_keys(&mut tree),
            _ => {}
        }
        usable(tree, diagnostics)
    }

    /// A property below a secret key: its text does not say that it is one.
    fn sets_a_secret(&self) -> bool {
        let Self::Property { path, .. } = self else {
            return false;
        };
        path.iter().any(|key| secret::is_secret_key(key) || secret::holds_secrets(key))
    }

    fn text(&self, surroundings: &dyn Surroundings) -> Result<(String, String), String> {
        match self {
            Self::File(path) => match surroundings.read(path) {
                Ok(text) => Ok((path.display().to_string(), text)),
                Err(error) => Err(format!("unable to read the file {}: {error}", path.display())),
            },
            Self::Variable(name) => match surroundings.variable(name) {
                Some(text) => Ok((format!("env:{name}"), text)),
                None => {
                    Err(format!("environment variable {name} is not set (asked for by --config env:{name})"))
                }
            },
            Self::Yaml(text) => Ok(("yaml:".to_owned(), text.clone())),
            Self::Property { path, value } => Ok((format!("--set {}", path.join(".")), value.clone())),
            Self::Embedded { name, text } => Ok(((*name).to_owned(), text.clone())),
        }
    }
}

/// The tree, if there is anything in it that can be merged.
fn usable(tree: Node, diagnostics: &mut Diagnostics) -> Option<Node> {
    let problem = if tree.is_null() {
        return None;
    } else if tree.as_mapping().is_none() {
        format!("the configuration is a mapping of sections, this is {}", tree.describe())
    } else if tree.depth() > MAX_DEPTH {
        format!("nested deeper than {MAX_DEPTH} levels")
    } else {
        return Some(tree);
    };
    diagnostics.push(Diagnostic::error(problem).at(tree.origin));
    None
}

/// `[a, b]`, `v` -> `{a: {b: v}}`, all keys at the position of the path.
fn nest<'p>(path: impl DoubleEndedIterator<Item = &'p str>, path_origin: Origin, value: Node) -> Node {
    path.rev().fold(value, |value, segment| {
        let origin = value.origin;
        let mut mapping = Mapping::default();
        mapping.insert(Entry { key: segment.to_owned(), key_origin: path_origin, value });
        Node::new(Value::Mapping(mapping), origin)
    })
}

/// `{a::b: v}` -> `{a: {b: v}}`, as the Collector reads the keys at the top.
fn split_keys(node: &mut Node) {
    let Value::Mapping(mapping) = &mut node.value else {
        return;
    };
    let mut nested = Node::new(Value::Mapping(Mapping::default()), node.origin);
    for entry in std::mem::take(mapping) {
        let mut path: Vec<&str> = entry.key.split("::").collect();
        if path.len() > MAX_DEPTH {
            // It stays a key, which nobody knows.
            path = vec![&entry.key];
        }
        crate::merge::merge(&mut nested, nest(path.into_iter(), entry.key_origin, entry.value));
    }
    *node = nested;
}

/// All sources of one run.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    configs: Vec<Source>,
    properties: Vec<Source>,
}

impl Sources {
    /// Adds a source behind the ones that are there.
    pub fn add(&mut self, source: Source) {
        match source {
            Source::Property { .. } => self.properties.push(source),
            _ => self.configs.push(source),
        }
    }

    /// In the order they are merged: configurations, then properties.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.configs.iter().chain(&self.properties)
    }

    /// No configuration was named (there may be properties).
    pub fn has_no_config(&self) -> bool {
        self.configs.is_empty()
    }
}

#[cfg(test)]
mod tests;
