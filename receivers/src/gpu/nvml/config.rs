//! The keys of the `nvml` receiver.

use std::ffi::OsStr;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use spindle_config::Check;
use spindle_config::types::Duration;
use spindle_pipeline::component::ComponentConfig;

use super::super::names::OPENTELEMETRY;
use crate::support::switches::MetricSwitches;

/// The receiver's keys.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The time between two readings. Default 10s; more than 0.
    pub collection_interval: Duration,
    /// The wait before the first reading. Default 1s.
    pub initial_delay: Duration,
    /// The NVML library. Default none: the system's `libnvidia-ml.so.1`. For drivers in an unusual place.
    pub library_path: Option<String>,
    /// Switches metrics on or off, by name. Default: as the table of the documentation says.
    pub metrics: MetricSwitches,
    /// Read only these GPUs, by number or uuid. Default none: all.
    pub include: Vec<GpuName>,
    /// Do not read these GPUs, by number or uuid, whatever `include` says. Default none.
    pub exclude: Vec<GpuName>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            collection_interval: Duration::from_secs(10),
            initial_delay: Duration::from_secs(1),
            library_path: None,
            metrics: MetricSwitches::default(),
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

impl Config {
    /// The library to load; `None` for the system's. An empty path, which an unset variable gives, is none.
    pub(super) fn library(&self) -> Option<&OsStr> {
        self.library_path.as_deref().filter(|path| !path.is_empty()).map(OsStr::new)
    }

    pub(super) fn selection(&self) -> Selection {
        Selection { include: self.include.clone().into(), exclude: self.exclude.clone().into() }
    }
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        if self.collection_interval.is_zero() {
            check.error("collection_interval", "\"collection_interval\": requires positive value");
        }
        self.metrics.validate(&mut check.below("metrics"), OPENTELEMETRY.names());
        let both = self.include.iter().enumerate().filter(|(_, gpu)| self.exclude.contains(gpu));
        for (index, gpu) in both {
            check
                .warning(&format!("include::{index}"), format!("{gpu} is excluded as well, and is not read"));
        }
    }
}

/// A GPU by its number or its uuid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuName {
    /// The number by which `nvidia-smi` lists it.
    Index(u32),
    /// `GPU-` and a uuid.
    Uuid(String),
}

impl GpuName {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(index) = text.parse() {
            return Ok(Self::Index(index));
        }
        if text.starts_with("GPU-") {
            return Ok(Self::Uuid(text.to_owned()));
        }
        Err(format!("\"{text}\" is no GPU (write its number, or its uuid as GPU-... from nvidia-smi -L)"))
    }

    /// Whether it is the GPU of this number and uuid. Of a GPU whose uuid is not known yet, `unknown` is
    /// what a uuid's answer is.
    fn names(&self, index: u32, uuid: Option<&str>, unknown: bool) -> bool {
        match self {
            Self::Index(named) => *named == index,
            Self::Uuid(named) => uuid.map_or(unknown, |uuid| named.eq_ignore_ascii_case(uuid)),
        }
    }
}

impl fmt::Display for GpuName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(formatter, "GPU {index}"),
            Self::Uuid(uuid) => formatter.write_str(uuid),
        }
    }
}

impl<'de> Deserialize<'de> for GpuName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(GpuNameVisitor)
    }
}

struct GpuNameVisitor;

impl Visitor<'_> for GpuNameVisitor {
    type Value = GpuName;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the number or the uuid of a GPU")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<GpuName, E> {
        GpuName::parse(text).map_err(E::custom)
    }
}

/// Which GPUs are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    include: Arc<[GpuName]>,
    exclude: Arc<[GpuName]>,
}

impl Selection {
    /// Whether a GPU is read; of one whose uuid is not known yet, whether it may be.
    pub(super) fn takes(&self, index: u32, uuid: Option<&str>) -> bool {
        let is_included = self.include.iter().any(|name| name.names(index, uuid, true));
        let is_excluded = self.exclude.iter().any(|name| name.names(index, uuid, false));
        (self.include.is_empty() || is_included) && !is_excluded
    }

    /// The names that none of some GPUs has, as far as their uuids are known.
    pub(super) fn unknown(&self, uuids: &[Option<&str>]) -> impl Iterator<Item = &GpuName> {
        let is_known = |name: &GpuName| {
            uuids.iter().enumerate().any(|(index, uuid)| name.names(index as u32, *uuid, true))
        };
        self.include.iter().chain(self.exclude.iter()).filter(move |name| !is_known(name))
    }
}
