//! A real Jaeger v2 with its memory storage, and its query API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::Process;
use crate::{client, peers, ports, wait};

/// A running Jaeger.
pub struct Jaeger {
    process: Process,
    ports: Ports,
    storage: Storage,
    folder: TempDir,
}

/// Where it keeps traces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Storage {
    Memory,
    /// In its folder, and written before it answers.
    Disk,
}

#[derive(Clone, Copy)]
struct Ports {
    grpc: u16,
    http: u16,
    query: u16,
    query_grpc: u16,
    health: u16,
    metrics: u16,
}

impl Jaeger {
    /// Starts one on free ports, with its traces in memory, and waits until it is up.
    pub async fn start() -> Self {
        Self::start_with(Storage::Memory).await
    }

    /// The same with its traces on disk, where they outlive it.
    pub async fn start_on_disk() -> Self {
        Self::start_with(Storage::Disk).await
    }

    async fn start_with(storage: Storage) -> Self {
        let free = ports::free;
        let ports = Ports {
            grpc: free(),
            http: free(),
            query: free(),
            query_grpc: free(),
            health: free(),
            metrics: free(),
        };
        Self::start_in(tempfile::tempdir().unwrap(), ports, storage).await
    }

    /// Starts one again on the ports and in the folder of one that has ended.
    pub async fn restart(self) -> Self {
        let Self { process, ports, storage, folder } = self;
        drop(process);
        Self::start_in(folder, ports, storage).await
    }

    async fn start_in(folder: TempDir, ports: Ports, storage: Storage) -> Self {
        let path = folder.path().join("jaeger.yaml");
        std::fs::write(&path, config(ports, storage)).unwrap();
        let mut command = Command::new(peers::file("jaeger"));
        command.arg("--config").arg(&path).current_dir(folder.path());
        let jaeger = Self { process: Process::start("jaeger", command), ports, storage, folder };
        let status = format!("http://127.0.0.1:{}/status", ports.health);
        wait::until("Jaeger", || async { client::get(&status).await.context(jaeger.process.output()) }).await;
        jaeger
    }

    /// Where it takes OTLP/gRPC: `127.0.0.1:port`.
    pub fn grpc(&self) -> String {
        format!("127.0.0.1:{}", self.ports.grpc)
    }

    /// Where it takes OTLP/HTTP: `http://127.0.0.1:port`.
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.http)
    }

    /// Ends it at once; the ports stay its own for [`Self::restart`].
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// The services it knows.
    pub async fn services(&self) -> Result<Vec<String>> {
        let answer = client::get_json(&format!("{}/services", self.api())).await?;
        let names = answer["services"].as_array().cloned().unwrap_or_default();
        Ok(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
    }

    /// The spans of a trace, as OTLP/JSON resource groups, unadjusted. The id is in hex.
    pub async fn trace(&self, trace_id: &str) -> Result<Vec<Value>> {
        let answer = client::get_json(&format!("{}/traces/{trace_id}?raw_traces=true", self.api())).await?;
        Ok(answer["result"]["resourceSpans"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until a trace has so many spans and returns its resource groups.
    pub async fn wait_for_trace(&self, trace_id: &str, spans: usize) -> Vec<Value> {
        wait::until(&format!("{spans} spans of trace {trace_id} in Jaeger"), || async {
            let groups = self.trace(trace_id).await?;
            let found = count_spans(&groups);
            if found >= spans { Ok(groups) } else { Err(anyhow::anyhow!("{found} spans")) }
        })
        .await
    }

    /// The traces of a service in the last hours, as OTLP/JSON resource groups, unadjusted.
    pub async fn traces_of(&self, service: &str) -> Result<Vec<Value>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let (from, to) =
            (rfc3339(now.saturating_sub(Duration::from_hours(48))), rfc3339(now + Duration::from_hours(1)));
        let url = format!(
            "{}/traces?query.service_name={}&query.start_time_min={}&query.start_time_max={}&query.num_traces=100000&query.raw_traces=true",
            self.api(),
            client::escape(service),
            client::escape(&from),
            client::escape(&to),
        );
        let answer = client::get_json(&url).await?;
        Ok(answer["result"]["resourceSpans"].as_array().cloned().unwrap_or_default())
    }

    /// How many spans it has accepted since it started, by its own metrics.
    pub async fn accepted_spans(&self) -> Result<u64> {
        let page = client::get(&format!("http://127.0.0.1:{}/metrics", self.ports.metrics)).await?;
        let values = page
            .lines()
            .filter(|line| line.starts_with("otelcol_receiver_accepted_spans"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum::<f64>() as u64)
    }

    fn api(&self) -> String {
        format!("http://127.0.0.1:{}/api/v3", self.ports.query)
    }
}

/// How many spans some resource groups hold.
pub fn count_spans(groups: &[Value]) -> usize {
    spans(groups).count()
}

/// The spans of some resource groups.
pub fn spans(groups: &[Value]) -> impl Iterator<Item = &Value> {
    groups
        .iter()
        .flat_map(|group| group["scopeSpans"].as_array().into_iter().flatten())
        .flat_map(|scope| scope["spans"].as_array().into_iter().flatten())
}

fn rfc3339(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to civil date, after Howard Hinnant's chrono-compatible algorithm.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

fn config(ports: Ports, storage: Storage) -> String {
    // Behind its batch processor Jaeger answers before it has stored, and what it then holds dies with it.
    let (processors, backend) = match storage {
        Storage::Memory => ("batch", "memory: {max_traces: 1000000}"),
        Storage::Disk => ("", "badger: {ephemeral: false, directories: {keys: ./keys, values: ./values}}"),
    };
    format!(
        "service:
  extensions: [jaeger_storage, jaeger_query, healthcheckv2]
  pipelines:
    traces: {{receivers: [otlp], processors: [{processors}], exporters: [jaeger_storage_exporter]}}
  telemetry:
    metrics: {{level: detailed, readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]}}
extensions:
  healthcheckv2: {{use_v2: true, http: {{endpoint: 127.0.0.1:{health}}}}}
  jaeger_query: {{storage: {{traces: store}}, http: {{endpoint: 127.0.0.1:{query}}}, grpc: {{endpoint: 127.0.0.1:{query_grpc}}}}}
  jaeger_storage: {{backends: {{store: {{{backend}}}}}}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:{grpc}}}, http: {{endpoint: 127.0.0.1:{http}}}}}}}
processors: {{batch: {{timeout: 10ms}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: store}}}}
",
        metrics = ports.metrics,
        health = ports.health,
        query = ports.query,
        query_grpc = ports.query_grpc,
        grpc = ports.grpc,
        http = ports.http,
    )
}
