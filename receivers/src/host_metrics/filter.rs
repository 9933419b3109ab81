//! Which devices, interfaces and mounts count: lists of names or of regular expressions, to be included
//! or excluded.

use std::fmt;

use regex::Regex;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use spindle_config::Check;
use spindle_pipeline::pattern;

/// The keys of a filter: which names, and how they are compared. `KEY` says of what the names
/// are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterConfig<const KEY: usize> {
    /// The names or patterns. Without any, the filter does nothing.
    pub names: Vec<String>,
    /// `strict` (a name is compared as a whole) or `regexp` (a pattern is looked for anywhere in it).
    pub match_type: String,
}

/// What the list of names is called, and all keys beside it.
const LIST_KEYS: [[&str; 3]; 4] = [
    ["devices", "match_type", "regexp"],
    ["interfaces", "match_type", "regexp"],
    ["fs_types", "match_type", "regexp"],
    ["mount_points", "match_type", "regexp"],
];

/// A filter of devices.
pub type DeviceFilter = FilterConfig<0>;
/// A filter of network interfaces.
pub type InterfaceFilter = FilterConfig<1>;
/// A filter of types of file systems.
pub type TypeFilter = FilterConfig<2>;
/// A filter of mount points.
pub type MountPointFilter = FilterConfig<3>;

impl<const KEY: usize> FilterConfig<KEY> {
    /// Reports what the filter at `key` cannot be.
    pub fn validate(&self, check: &mut Check<'_>, key: &str) {
        if let Err(Unusable { below, message }) = self.matcher() {
            check.error(&format!("{key}::{below}"), message);
        }
    }

    fn matcher(&self) -> Result<Option<Matcher>, Unusable> {
        if self.names.is_empty() {
            return Ok(None);
        }
        match self.match_type.as_str() {
            "strict" => Ok(Some(Matcher::Strict(self.names.clone()))),
            "regexp" => {
                let patterns = self.names.iter().map(|pattern| compile(pattern, LIST_KEYS[KEY][0]));
                patterns.collect::<Result<_, _>>().map(|patterns| Some(Matcher::Patterns(patterns)))
            }
            other => Err(Unusable {
                below: "match_type",
                message: format!("unrecognized match_type: '{other}', valid types are: [regexp strict]"),
            }),
        }
    }
}

/// A filter that cannot be used: the key it is about, and why.
struct Unusable {
    below: &'static str,
    message: String,
}

fn compile(pattern: &str, key: &'static str) -> Result<Regex, Unusable> {
    pattern::compile(pattern).map_err(|reason| Unusable {
        below: key,
        message: format!("error parsing regexp: {reason}: `{pattern}`"),
    })
}

impl<'de, const KEY: usize> Deserialize<'de> for FilterConfig<KEY> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Filter", &LIST_KEYS[KEY], FilterVisitor::<KEY>)
    }
}

struct FilterVisitor<const KEY: usize>;

impl<'de, const KEY: usize> Visitor<'de> for FilterVisitor<KEY> {
    type Value = FilterConfig<KEY>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut filter = FilterConfig::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "match_type" => filter.match_type = map.next_value()?,
                // How the Collector keeps the outcomes of patterns. They are not kept here.
                "regexp" => drop(map.next_value::<IgnoredAny>()?),
                _ => filter.names = map.next_value()?,
            }
        }
        Ok(filter)
    }
}

/// Names that are included, less those that are excluded.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    include: Option<Matcher>,
    exclude: Option<Matcher>,
}

#[derive(Clone, Debug)]
enum Matcher {
    Strict(Vec<String>),
    Patterns(Vec<Regex>),
}

impl Filter {
    /// From both configs, or why that cannot be.
    pub fn new<const KEY: usize>(
        include: &FilterConfig<KEY>,
        exclude: &FilterConfig<KEY>,
    ) -> Result<Self, String> {
        let matcher = |config: &FilterConfig<KEY>| config.matcher().map_err(|unusable| unusable.message);
        Ok(Self { include: matcher(include)?, exclude: matcher(exclude)? })
    }

    /// Whether a name counts.
    pub fn lets_pass(&self, name: &str) -> bool {
        self.include.as_ref().is_none_or(|include| include.matches(name))
            && !self.exclude.as_ref().is_some_and(|exclude| exclude.matches(name))
    }
}

impl Matcher {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Strict(names) => names.iter().any(|wanted| wanted == name),
            Self::Patterns(patterns) => patterns.iter().any(|pattern| pattern.is_match(name)),
        }
    }
}

/// Which mounts count.
#[derive(Clone, Debug, Default)]
pub struct MountFilter {
    /// Also file systems without a block device, and bind mounts.
    pub include_virtual: bool,
    /// By device.
    pub devices: Filter,
    /// By type.
    pub kinds: Filter,
    /// By mount point.
    pub points: Filter,
}

impl MountFilter {
    /// Whether a mount counts.
    pub fn lets_pass(&self, device: &str, kind: &str, point: &str) -> bool {
        self.devices.lets_pass(device) && self.kinds.lets_pass(kind) && self.points.lets_pass(point)
    }
}
