//! A real Prometheus that takes remote write and OTLP, and its query API.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::Process;
use crate::{client, peers, ports, wait};

/// A running Prometheus.
pub struct Prometheus {
    process: Process,
    port: u16,
    folder: TempDir,
}

/// A series with its last value.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// All labels, `__name__` included.
    pub labels: BTreeMap<String, String>,
    /// The value, as Prometheus writes it; empty for native histograms.
    pub value: String,
    /// A native histogram, as Prometheus writes it.
    pub histogram: Option<Value>,
}

impl Prometheus {
    /// Starts one on a free port and waits until it is ready.
    pub async fn start() -> Self {
        Self::start_scraping(&[]).await
    }

    /// The same, and it asks these addresses, `host:port`, for `/metrics` every second.
    pub async fn start_scraping(targets: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let targets = serde_json::to_string(targets).unwrap();
        // What remote write's translation makes of OTLP is compared with Prometheus' own: that one leaves
        // out scopes and resource attributes unless it is asked for them.
        let text = format!(
            "global: {{scrape_interval: 1s}}
otlp: {{promote_scope_metadata: true, promote_resource_attributes: [container_run]}}
scrape_configs: [{{job_name: scraped, static_configs: [{{targets: {targets}}}]}}]
"
        );
        std::fs::write(folder.path().join("prometheus.yml"), text).unwrap();
        Self::start_in(folder, ports::free()).await
    }

    /// Starts one again on the port and in the folder of one that has ended.
    pub async fn restart(self) -> Self {
        let Self { process, port, folder } = self;
        drop(process);
        Self::start_in(folder, port).await
    }

    async fn start_in(folder: TempDir, port: u16) -> Self {
        let mut command = Command::new(peers::file("prometheus"));
        command
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args([
                "--web.enable-remote-write-receiver",
                "--web.enable-otlp-receiver",
                "--enable-feature=native-histograms,exemplar-storage",
            ]);
        let prometheus = Self { process: Process::start("prometheus", command), port, folder };
        let ready = format!("{}/-/ready", prometheus.url());
        wait::until("Prometheus", || async {
            client::get(&ready).await.context(prometheus.process.output())
        })
        .await;
        prometheus
    }

    /// Ends it at once; the port stays its own for [`Self::restart`].
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it takes remote write.
    pub fn write_url(&self) -> String {
        format!("{}/api/v1/write", self.url())
    }

    /// The result of an instant query.
    pub async fn query(&self, expression: &str) -> Result<Vec<Series>> {
        let url = format!("{}/api/v1/query?query={}", self.url(), client::escape(expression));
        let answer = client::get_json(&url).await?;
        let result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        Ok(result.iter().map(Series::read).collect())
    }

    /// Waits until a query has a result and returns it.
    pub async fn wait_for(&self, expression: &str) -> Vec<Series> {
        wait::until(&format!("{expression} in Prometheus"), || async {
            let result = self.query(expression).await?;
            if result.is_empty() { Err(anyhow::anyhow!("no series")) } else { Ok(result) }
        })
        .await
    }

    /// The exemplars of the last hours: the series that a selector matches, each with its exemplars.
    pub async fn exemplars(&self, selector: &str) -> Result<Value> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let url = format!(
            "{}/api/v1/query_exemplars?start={}&end={}&query={}",
            self.url(),
            now - 7200,
            now + 60,
            client::escape(selector)
        );
        Ok(client::get_json(&url).await?["data"].clone())
    }

    /// All samples of all series that a selector matches, in a window up to now: `selector[24h]`.
    pub async fn samples(
        &self,
        selector: &str,
    ) -> Result<Vec<(BTreeMap<String, String>, Vec<(f64, String)>)>> {
        let url =
            format!("{}/api/v1/query?query={}", self.url(), client::escape(&format!("{selector}[24h]")));
        let answer = client::get_json(&url).await?;
        let result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        Ok(result
            .iter()
            .map(|series| {
                let values = series["values"].as_array().cloned().unwrap_or_default();
                let samples = values
                    .iter()
                    .map(|pair| (pair[0].as_f64().unwrap(), pair[1].as_str().unwrap().to_owned()))
                    .collect();
                (labels(series), samples)
            })
            .collect())
    }
}

/// A series as `name{label="value"} value`, as an exposition page has it; a native histogram as its count,
/// sum and buckets.
pub fn line(series: &Series) -> String {
    let others = series.labels.iter().filter(|(name, _)| *name != "__name__");
    let labels: Vec<String> = others.map(|(name, value)| format!("{name}={value:?}")).collect();
    let value = series.histogram.as_ref().map_or_else(|| series.value.clone(), Value::to_string);
    let name = series.labels.get("__name__").map_or("", String::as_str);
    format!("{name}{{{}}} {value}", labels.join(","))
}

fn labels(series: &Value) -> BTreeMap<String, String> {
    let labels = series["metric"].as_object().cloned().unwrap_or_default();
    labels.into_iter().map(|(name, value)| (name, value.as_str().unwrap_or("").to_owned())).collect()
}

impl Series {
    fn read(series: &Value) -> Self {
        Self {
            labels: labels(series),
            value: series["value"][1].as_str().unwrap_or("").to_owned(),
            histogram: series.get("histogram").map(|pair| pair[1].clone()),
        }
    }
}
