//! The keys of the `file` exporter, with the Collector's names and defaults.

use serde::Deserialize;
use spindle_config::types::{Duration, Optional};
use spindle_config::{Check, Diagnostic};
use spindle_pipeline::component::{ComponentConfig, OutputFile};

use crate::support::compression::CompressionParams;

/// The exporter's keys.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The file to write. Required. With `group_by` it holds one `*`.
    pub path: String,
    /// Go on at the end of a file that is there instead of emptying it. Default false.
    pub append: bool,
    /// `json` (default): a request of OTLP/JSON in each line; `proto`: requests in protobuf, each behind its
    /// length.
    pub format: String,
    /// Not built yet.
    pub encoding: Option<String>,
    /// Nothing (default) or `zstd`: requests compressed one by one, each behind its length.
    pub compression: String,
    /// How hard to compress. Default 3.
    pub compression_params: CompressionParams,
    /// Accepted for the Collector's sake; what is answered has been written.
    pub flush_interval: Duration,
    /// Start a new file when this one is large. Default off; on with its defaults when it is written.
    pub rotation: Optional<Rotation>,
    /// A file for each value of a resource attribute. Default off.
    pub group_by: GroupBy,
    /// Create the directories of the path. Default true; the Collector's is false.
    pub create_directory: bool,
    /// The permissions of directories that are created, in octal digits. Default 0755.
    pub directory_permissions: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: String::new(),
            append: false,
            format: "json".to_owned(),
            encoding: None,
            compression: String::new(),
            compression_params: CompressionParams::default(),
            flush_interval: Duration::from_secs(1),
            rotation: Optional::Absent,
            group_by: GroupBy::default(),
            create_directory: true,
            directory_permissions: String::new(),
        }
    }
}

/// `rotation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// How large a file may become, in MiB. Default 100, and so is 0.
    pub max_megabytes: u64,
    /// How many days old files are kept. Default 0, for ever.
    pub max_days: u32,
    /// How many old files are kept. Default 100; 0 is all of them.
    pub max_backups: usize,
    /// Name old files by local time instead of UTC. Default false.
    pub localtime: bool,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_megabytes: 100, max_days: 0, max_backups: 100, localtime: false }
    }
}

/// `group_by`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupBy {
    /// Whether to do it. Default false.
    pub enabled: bool,
    /// The attribute whose value takes the place of the `*` in the path. Default `fileexporter.path_segment`.
    pub resource_attribute: String,
    /// How many files are open at once. Default 100.
    pub max_open_files: usize,
}

impl Default for GroupBy {
    fn default() -> Self {
        Self {
            enabled: false,
            resource_attribute: "fileexporter.path_segment".to_owned(),
            max_open_files: 100,
        }
    }
}

/// How requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Proto,
}

impl Format {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "proto" => Some(Self::Proto),
            _ => None,
        }
    }
}

/// What directories get when nothing is configured.
const DEFAULT_PERMISSIONS: u32 = 0o755;

impl Config {
    pub(super) fn format(&self) -> Format {
        Format::from_name(&self.format).unwrap_or(Format::Json)
    }

    /// The level of zstd, if anything is compressed.
    pub(super) fn zstd_level(&self) -> Option<i32> {
        let level = self.compression_params.level;
        (self.compression == "zstd").then_some(if level == 0 { 3 } else { level })
    }

    /// The permissions of new directories; `None` when none are created.
    pub(super) fn directory_mode(&self) -> Option<u32> {
        self.create_directory.then(|| permissions(&self.directory_permissions).unwrap_or(DEFAULT_PERMISSIONS))
    }

    /// The path around its `*`.
    pub(super) fn pattern(&self) -> Option<(&str, &str)> {
        self.path.split_once('*').filter(|(_, suffix)| !suffix.contains('*'))
    }

    fn check_group_by(&self, check: &mut Check<'_>) {
        if !self.group_by.enabled {
            return;
        }
        match self.pattern() {
            None => check.error("path", "path must contain exactly one * when group_by is enabled"),
            Some(("", _)) => check.error("path", "path must not start with * when group_by is enabled"),
            Some(_) => {}
        }
        if self.group_by.resource_attribute.is_empty() {
            let message = "resource_attribute must not be empty when group_by is enabled";
            check.error("group_by::resource_attribute", message);
        }
        if self.group_by.max_open_files == 0 {
            check.error("group_by::max_open_files", "max_open_files must be positive");
        }
    }

    fn check_directories(&self, check: &mut Check<'_>) {
        if self.directory_permissions.is_empty() {
            return;
        }
        let message = if self.create_directory {
            permissions(&self.directory_permissions).err()
        } else {
            Some("directory_permissions requires create_directory to be true")
        };
        if let Some(message) = message {
            check.error("directory_permissions", message);
        }
    }
}

fn permissions(octal: &str) -> Result<u32, &'static str> {
    if octal.is_empty() {
        return Ok(DEFAULT_PERMISSIONS);
    }
    match u32::from_str_radix(octal, 8) {
        Err(_) => Err("directory_permissions value must be a valid octal representation"),
        Ok(mode) if mode > 0o777 => Err("directory_permissions contain invalid bits for file access"),
        Ok(mode) => Ok(mode),
    }
}

impl ComponentConfig for Config {
    fn files(&self) -> Vec<OutputFile> {
        let is_given = !self.path.is_empty();
        is_given.then(|| OutputFile { key: "path", path: self.path.clone().into() }).into_iter().collect()
    }

    fn validate(&self, check: &mut Check<'_>) {
        if self.path.is_empty() {
            check.error("path", "path must be non-empty");
        } else {
            self.check_group_by(check);
        }
        if self.append && !self.compression.is_empty() {
            check.error("append", "append and compression enabled at the same time is not supported");
        }
        if self.append && self.rotation.is_present() {
            check.error("append", "append and rotation enabled at the same time is not supported");
        }
        if Format::from_name(&self.format).is_none() {
            let problem = Diagnostic::error("format type is not supported");
            check.report("format", problem.note("supported: `json`, `proto`"));
        }
        if !matches!(self.compression.as_str(), "" | "zstd") {
            let problem = Diagnostic::error("compression is not supported");
            check.report("compression", problem.note("supported: `zstd`"));
        }
        if self.encoding.is_some() {
            check.error("encoding", "encoding extensions are not built into this version of spindle yet");
        }
        self.check_directories(check);
    }
}
