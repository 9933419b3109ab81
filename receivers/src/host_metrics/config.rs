//! The keys of the `host_metrics` receiver, with the Collector's names and defaults.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use spindle_config::Check;
use spindle_config::types::{Duration, Optional};
use spindle_pipeline::component::ComponentConfig;

use super::filter::{DeviceFilter, Filter, InterfaceFilter, MountFilter, MountPointFilter, TypeFilter};
use super::names::hostmetrics::Scraper;
use super::names::{Options, Plan};
use super::source::{SourceSettings, statvfs};
use super::switches::{Metrics, Switches};

/// How long a mount may take to answer, unless `timeout` is shorter.
const MOUNT_LIMIT: std::time::Duration = std::time::Duration::from_secs(1);

/// How long a reading may take before the receiver counts as hanging, unless `timeout` says so.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// The receiver's keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The time between two readings. Default 1m.
    pub collection_interval: Duration,
    /// The wait before the first reading. Default 1s.
    pub initial_delay: Duration,
    /// How long a reading may take before the receiver's status says so, and at most how long one file
    /// system may take to answer. Default 0, which is 10s, and 1s for a file system.
    pub timeout: Duration,
    /// The host's root directory as this process sees it. Default empty, its own.
    pub root_path: String,
    /// Accepted for the Collector's sake; it is about logs, of which this receiver makes none.
    pub metadata_collection_interval: Duration,
    /// What is read; at least one.
    pub scrapers: Scrapers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            collection_interval: Duration::from_secs(60),
            initial_delay: Duration::from_secs(1),
            timeout: Duration::ZERO,
            root_path: String::new(),
            metadata_collection_interval: Duration::from_secs(300),
            scrapers: Scrapers::default(),
        }
    }
}

/// `scrapers`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scrapers {
    /// CPU times and counts.
    pub cpu: Optional<PlainScraper<Switches<{ Scraper::Cpu.index() }>>>,
    /// Block devices.
    pub disk: Optional<DiskScraper>,
    /// Mounted file systems.
    pub filesystem: Optional<FilesystemScraper>,
    /// Load averages.
    pub load: Optional<LoadScraper>,
    /// Memory.
    pub memory: Optional<PlainScraper<Switches<{ Scraper::Memory.index() }>>>,
    /// Interfaces and connections.
    pub network: Optional<NetworkScraper>,
    /// Swapping and page faults.
    pub paging: Optional<PlainScraper<Switches<{ Scraper::Paging.index() }>>>,
    /// How many processes there are.
    pub processes: Optional<PlainScraper<Switches<{ Scraper::Processes.index() }>>>,
    /// The system as a whole.
    pub system: Optional<SystemScraper>,
    /// The old name of `system`.
    pub uptime: Optional<SystemScraper>,
    /// Not built yet.
    pub process: Optional<IgnoredAny>,
    /// Not built yet.
    pub nfs: Optional<IgnoredAny>,
    /// Not built yet.
    pub hardware: Optional<IgnoredAny>,
}

type SystemScraper = PlainScraper<Switches<{ Scraper::System.index() }>>;

/// A scraper that has no other key.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlainScraper<Wanted> {
    /// Which metrics are wanted.
    pub metrics: Wanted,
}

/// `scrapers::disk`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskScraper {
    /// Which metrics are wanted.
    pub metrics: Switches<{ Scraper::Disk.index() }>,
    /// Only these devices. Default all.
    pub include: DeviceFilter,
    /// Not these devices. Default none.
    pub exclude: DeviceFilter,
}

/// `scrapers::filesystem`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilesystemScraper {
    /// Which metrics are wanted.
    pub metrics: Switches<{ Scraper::Filesystem.index() }>,
    /// Also file systems without a block device (tmpfs, overlay, nfs), and bind mounts. Default false.
    pub include_virtual_filesystems: bool,
    /// Only these devices. Default all.
    pub include_devices: DeviceFilter,
    /// Not these devices. Default none.
    pub exclude_devices: DeviceFilter,
    /// Only these types of file systems. Default all.
    pub include_fs_types: TypeFilter,
    /// Not these types of file systems. Default none.
    pub exclude_fs_types: TypeFilter,
    /// Only these mount points, as the host sees them. Default all.
    pub include_mount_points: MountPointFilter,
    /// Not these mount points, as the host sees them. Default none.
    pub exclude_mount_points: MountPointFilter,
}

/// `scrapers::load`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadScraper {
    /// Which metrics are wanted.
    pub metrics: Switches<{ Scraper::Load.index() }>,
    /// Divide the averages by the number of logical CPUs. Default false.
    pub cpu_average: bool,
}

/// `scrapers::network`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkScraper {
    /// Which metrics are wanted.
    pub metrics: Switches<{ Scraper::Network.index() }>,
    /// Only these interfaces. Default all.
    pub include: InterfaceFilter,
    /// Not these interfaces. Default none.
    pub exclude: InterfaceFilter,
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        if self.collection_interval.is_zero() {
            check.error("collection_interval", "\"collection_interval\": requires positive value");
        }
        self.validate_root_path(check);
        self.scrapers.validate(check);
    }
}

impl Config {
    fn validate_root_path(&self, check: &mut Check<'_>) {
        if self.root_path.is_empty() {
            return;
        }
        if let Err(error) = std::fs::metadata(&self.root_path) {
            check.error("root_path", format!("invalid root_path: stat {}: {error}", self.root_path));
        }
    }

    /// The metrics that are wanted.
    pub fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        for (_, metrics) in self.scrapers.metrics() {
            plan.add(metrics.table(), metrics.plan());
        }
        plan
    }

    /// What changes how values are made.
    pub fn options(&self) -> Options {
        Options { load_per_cpu: self.scrapers.load.as_ref().is_some_and(|load| load.cpu_average) }
    }

    /// How long a reading may take before the receiver counts as hanging.
    pub fn patience(&self) -> std::time::Duration {
        if self.timeout.is_zero() { PATIENCE } else { self.timeout.get() }
    }

    /// How to read what `plan` needs, or why that cannot be.
    pub fn source(&self, receiver: &str, plan: &Plan) -> Result<SourceSettings, String> {
        let scrapers = &self.scrapers;
        let disk = scrapers.disk.as_ref().map(|disk| Filter::new(&disk.include, &disk.exclude));
        let network =
            scrapers.network.as_ref().map(|network| Filter::new(&network.include, &network.exclude));
        let mounts = scrapers.filesystem.as_ref().map(FilesystemScraper::mounts);
        Ok(SourceSettings {
            receiver: receiver.into(),
            root: PathBuf::from(&self.root_path),
            needs: plan.needs().collect(),
            disks: disk.transpose()?.unwrap_or_default(),
            interfaces: network.transpose()?.unwrap_or_default(),
            mounts: mounts.transpose()?.unwrap_or_default(),
            mount_limit: MOUNT_LIMIT.min(self.patience()),
            ask: Arc::new(statvfs),
        })
    }
}

impl Scrapers {
    /// The scrapers that are there, by their names in the configuration.
    fn metrics(&self) -> impl Iterator<Item = (&'static str, &dyn Metrics)> {
        let uptime = if self.system.is_present() { None } else { self.uptime.as_ref() };
        let scrapers: [(_, Option<&dyn Metrics>); 10] = [
            ("cpu", self.cpu.as_ref().map(|scraper| &scraper.metrics as _)),
            ("disk", self.disk.as_ref().map(|scraper| &scraper.metrics as _)),
            ("filesystem", self.filesystem.as_ref().map(|scraper| &scraper.metrics as _)),
            ("load", self.load.as_ref().map(|scraper| &scraper.metrics as _)),
            ("memory", self.memory.as_ref().map(|scraper| &scraper.metrics as _)),
            ("network", self.network.as_ref().map(|scraper| &scraper.metrics as _)),
            ("paging", self.paging.as_ref().map(|scraper| &scraper.metrics as _)),
            ("processes", self.processes.as_ref().map(|scraper| &scraper.metrics as _)),
            ("system", self.system.as_ref().map(|scraper| &scraper.metrics as _)),
            ("uptime", uptime.map(|scraper| &scraper.metrics as _)),
        ];
        scrapers.into_iter().filter_map(|(name, metrics)| Some((name, metrics?)))
    }

    fn validate(&self, check: &mut Check<'_>) {
        self.validate_presence(check);
        let check = &mut check.below("scrapers");
        for (name, metrics) in self.metrics() {
            metrics.validate(check, &format!("{name}::metrics"));
        }
        if let Some(disk) = self.disk.as_ref() {
            disk.include.validate(check, "disk::include");
            disk.exclude.validate(check, "disk::exclude");
        }
        if let Some(filesystem) = self.filesystem.as_ref() {
            filesystem.validate_filters(&mut check.below("filesystem"));
        }
        if let Some(network) = self.network.as_ref() {
            network.include.validate(check, "network::include");
            network.exclude.validate(check, "network::exclude");
        }
    }

    /// At least one scraper, and none that does not exist yet.
    fn validate_presence(&self, check: &mut Check<'_>) {
        let unbuilt = [("process", &self.process), ("nfs", &self.nfs), ("hardware", &self.hardware)];
        let written = unbuilt.iter().filter(|(_, scraper)| scraper.is_present());
        for (name, _) in written.clone() {
            let problem = format!("the scraper `{name}` is not built yet");
            check.error(&format!("scrapers::{name}"), problem);
        }
        if self.uptime.is_present() {
            check.warning("scrapers::uptime", "\"uptime\" alias is deprecated; use \"system\" instead");
        }
        if self.metrics().next().is_none() && written.count() == 0 {
            check.error("scrapers", "must specify at least one scraper when using host_metrics receiver");
        }
    }
}

impl FilesystemScraper {
    fn validate_filters(&self, check: &mut Check<'_>) {
        self.include_devices.validate(check, "include_devices");
        self.exclude_devices.validate(check, "exclude_devices");
        self.include_fs_types.validate(check, "include_fs_types");
        self.exclude_fs_types.validate(check, "exclude_fs_types");
        self.include_mount_points.validate(check, "include_mount_points");
        self.exclude_mount_points.validate(check, "exclude_mount_points");
    }

    fn mounts(&self) -> Result<MountFilter, String> {
        Ok(MountFilter {
            include_virtual: self.include_virtual_filesystems,
            devices: Filter::new(&self.include_devices, &self.exclude_devices)?,
            kinds: Filter::new(&self.include_fs_types, &self.exclude_fs_types)?,
            points: Filter::new(&self.include_mount_points, &self.exclude_mount_points)?,
        })
    }
}
