//! The manifest: what a later reader of the run's folder wants to know, with the devcontainer guide's
//! keys as far as they apply.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use spindle_pipeline::component::BUILD;
use spindle_pipeline::run::Run;
use sysinfo::System;

/// What the manifest tells beside the run itself.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Key path and address of every socket that is listened on.
    pub listeners: Vec<(String, String)>,
    /// Signals that some pipeline handles.
    pub signals: Vec<&'static str>,
    /// Types of the receivers in use.
    pub receivers: Vec<String>,
    /// Warnings about the configuration.
    pub warnings: Vec<String>,
}

/// The manifest of a run, as JSON.
pub fn render(run: &Run, folder: &Path, config: &Path, facts: &Facts) -> String {
    let listeners: Map<String, Value> =
        facts.listeners.iter().map(|(key, address)| (key.clone(), address.clone().into())).collect();
    let manifest = json!({
        "container_run_id": run.id,
        "started_at": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "label": run.label,
        "agent": {"name": BUILD.name, "version": BUILD.version, "pid": std::process::id()},
        "host": host(),
        "services": listeners,
        "paths": {"run": folder.to_string_lossy(), "config": config.to_string_lossy()},
        "telemetry_surfaces": surfaces(facts),
        "warnings": facts.warnings,
    });
    // A tree of strings and numbers always has a text.
    serde_json::to_string_pretty(&manifest).unwrap_or_default() + "\n"
}

fn host() -> Value {
    let memory = System::new().ok().map(|mut system| {
        system.refresh_memory();
        system.total_memory()
    });
    json!({
        "hostname": System::host_name().ok(),
        "os": System::long_os_version().ok(),
        "kernel": System::kernel_version().ok(),
        "cpus": std::thread::available_parallelism().map(std::num::NonZero::get).ok(),
        "memory_bytes": memory,
    })
}

/// The guide's surfaces: whether something is collected, and by what.
fn surfaces(facts: &Facts) -> Value {
    let signal = |name: &str| {
        if facts.signals.contains(&name) {
            json!({"status": "enabled", "details": format!("a pipeline for {name}")})
        } else {
            json!({"status": "disabled", "details": format!("no pipeline for {name}")})
        }
    };
    let receiver = |types: &[&str]| {
        let used = facts.receivers.iter().find(|receiver| types.contains(&receiver.as_str()));
        match used {
            Some(receiver) => json!({"status": "enabled", "details": receiver}),
            None => json!({"status": "disabled", "details": "no receiver"}),
        }
    };
    json!({
        "tracing": signal("traces"),
        "metrics": signal("metrics"),
        "logs": signal("logs"),
        "node_metrics": receiver(&["host_metrics", "hostmetrics"]),
        "gpu_metrics": receiver(&["nvml", "dcgm"]),
    })
}
