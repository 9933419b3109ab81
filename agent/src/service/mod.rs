//! `service::telemetry`: the agent's own logs and metrics, with the Collector's keys and defaults.

mod config;
pub mod page;

#[cfg(test)]
mod tests;

use spindle_config::types::ListenAddress;
use spindle_config::{Check, Diagnostics, Sections, decode};
use spindle_pipeline::component::BUILD;
use spindle_pipeline::graph::PlannedListener;
use spindle_pipeline::run::Run;
use spindle_pipeline::telemetry::{Labels, OWN_LABELS, Suffixes, label_name};

pub use config::{LogLevel, LogSampling, LogsConfig};

/// How the process itself behaves.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// Its log.
    pub logs: LogsConfig,
    /// Where its metrics are served; `None` when they are not.
    pub metrics: Option<MetricsEndpoint>,
    resource: Vec<(String, Option<String>)>,
}

/// Where the agent's own metrics are served.
#[derive(Clone, Debug)]
pub struct MetricsEndpoint {
    /// The address.
    pub address: ListenAddress,
    /// The key it comes from.
    pub key: String,
    /// Which suffixes names get.
    pub suffixes: Suffixes,
}

const PATH: &str = "service::telemetry";

impl Service {
    /// Reads and checks the section.
    pub fn read(sections: &Sections<'_>, diagnostics: &mut Diagnostics) -> Self {
        let Some(node) = sections.telemetry else {
            return Self::from_config(config::TelemetryConfig::default());
        };
        let config: config::TelemetryConfig = decode(node, PATH, diagnostics).unwrap_or_default();
        config.validate(&mut Check::new(node, PATH, None, diagnostics));
        Self::from_config(config)
    }

    fn from_config(config: config::TelemetryConfig) -> Self {
        Self {
            metrics: config.metrics.endpoint(),
            logs: config.logs,
            resource: config.resource.into_iter().collect(),
        }
    }

    /// The sockets it will bind, for the check of ports.
    pub fn listeners(&self, sections: &Sections<'_>) -> Vec<PlannedListener> {
        let origin = |key: &str| {
            let below = key.strip_prefix(PATH)?.trim_start_matches(':');
            let mut scratch = Diagnostics::default();
            Some(Check::new(sections.telemetry?, PATH, None, &mut scratch).origin(below))
        };
        let listener = |endpoint: &MetricsEndpoint| PlannedListener {
            path: endpoint.key.clone(),
            origin: origin(&endpoint.key),
            address: endpoint.address.clone(),
            protocol: "tcp",
        };
        self.metrics.iter().map(listener).collect()
    }

    /// The labels of every metric of the agent, each name once: who it is, and its run. What the section says
    /// about the run stays unless the run is overriding, as with what a client says.
    pub fn constant_labels(&self, run: Option<&Run>) -> Labels {
        let mut labels: Labels = vec![
            ("service_instance_id".into(), instance_id().into()),
            ("service_name".into(), BUILD.name.into()),
            ("service_version".into(), BUILD.version.into()),
        ];
        for (key, value) in &self.resource {
            let label = label_name(key);
            labels.retain(|(name, _)| *name != label);
            if let (Some(value), false) = (value, OWN_LABELS.contains(&label.as_str())) {
                labels.push((label.into(), value.clone().into()));
            }
        }
        if let Some(run) = run {
            let label = label_name(&run.label);
            if run.is_overriding {
                labels.retain(|(name, _)| *name != label);
            }
            if labels.iter().all(|(name, _)| *name != label) {
                labels.push((label.into(), run.id.clone().into()));
            }
        }
        labels
    }
}

/// A new one at each start, as the Collector makes it: a version 4 UUID.
fn instance_id() -> String {
    let bytes: [u8; 16] = std::array::from_fn(|_| fastrand::u8(..));
    let hex: String = bytes
        .iter()
        .enumerate()
        .map(|(index, byte)| match index {
            6 => format!("{:02x}", byte & 0x0f | 0x40),
            8 => format!("{:02x}", byte & 0x3f | 0x80),
            _ => format!("{byte:02x}"),
        })
        .collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
