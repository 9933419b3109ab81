//! The configuration of `spindle` without any: everything this machine says, into the run folder, and to
//! a Jaeger and a Prometheus if they are named.

use std::fmt::Write as _;
use std::path::Path;

use spindle_config::Sources;
use spindle_config::source::{Process, Source};
use spindle_config::types::ClientUrl;
use spindle_pipeline::run::{RUN_ID_VARIABLE, generate_id};

use crate::cli::{Failure, Options};
use crate::run_section::folder_path;

/// Where the run folders lie, below the working directory.
pub const DIRECTORY: &str = "spindle-runs";
/// What errors call this configuration.
const NAME: &str = "embedded configuration";
/// Ports of ours that a back end's address must not be.
const OWN_PORTS: [u16; 2] = [4317, 4318];

/// The embedded configuration as a source.
pub fn source(options: &Options) -> Result<Source, Failure> {
    let mut exporters = Exporters::default();
    if let Some(jaeger) = &options.jaeger {
        exporters.add_jaeger(jaeger)?;
    }
    if let Some(prometheus) = &options.prometheus {
        exporters.add_prometheus(prometheus)?;
    }
    let place = Place::of(options, std::env::var(RUN_ID_VARIABLE).ok());
    Ok(Source::Embedded { name: NAME, text: yaml(&place, &exporters) })
}

/// Where the run's artefacts will lie, which the exporters' paths must agree with.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    id: String,
    directory: String,
}

impl Place {
    /// As `--set run.id` and `--set run.directory` say, else the variable and [`DIRECTORY`].
    fn of(options: &Options, variable: Option<String>) -> Self {
        let mut properties = Sources::default();
        options.properties.iter().filter_map(|text| Source::from_property(text).ok()).for_each(|property| {
            properties.add(property);
        });
        // What is wrong with them is told when they are loaded with the rest.
        let (document, _) = spindle_config::load(&properties, &Process);
        let property = |key: &str| {
            let text = document.root.get("run")?.get(key)?.as_text()?.to_owned();
            (!text.is_empty()).then_some(text)
        };
        let variable = variable.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        Self {
            id: property("id").or(variable).unwrap_or_else(generate_id),
            directory: property("directory").unwrap_or_else(|| DIRECTORY.to_owned()),
        }
    }
}

/// A text as a YAML string that means exactly it, `$` included.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('$', "$$")
}

#[derive(Default)]
struct Exporters {
    blocks: String,
    traces: &'static str,
    metrics: &'static str,
}

impl Exporters {
    fn add_jaeger(&mut self, jaeger: &str) -> Result<(), Failure> {
        let url = parse("--jaeger", jaeger)?;
        let is_local = matches!(url.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        let port = url.port.unwrap_or(4317);
        if is_local && OWN_PORTS.contains(&port) {
            return Err(usage(&format!(
                "--jaeger {jaeger} is where this agent itself listens; let Jaeger take OTLP/gRPC on another port, for example 14317"
            )));
        }
        if url.userinfo.is_some() {
            return Err(usage(&format!("--jaeger {jaeger}: a gRPC endpoint has no user and password")));
        }
        if port == 16686 {
            return Err(usage(&format!(
                "--jaeger {jaeger} is Jaeger's page; its OTLP/gRPC has another port, usually 4317"
            )));
        }
        let insecure = url.scheme.as_deref() != Some("https");
        let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host };
        // Writing to a string cannot fail.
        let _ = write!(
            self.blocks,
            "  otlp_grpc/jaeger:\n    endpoint: {}\n    tls:\n      insecure: {insecure}\n",
            quoted(&format!("{host}:{port}"))
        );
        self.traces = ", otlp_grpc/jaeger";
        Ok(())
    }

    fn add_prometheus(&mut self, prometheus: &str) -> Result<(), Failure> {
        let url = parse("--prometheus", prometheus)?;
        let scheme = url.scheme.clone().unwrap_or_else(|| "http".to_owned());
        let path = if matches!(url.path.as_str(), "" | "/") { "/api/v1/write" } else { url.path.as_str() };
        let user = url.userinfo.as_ref().map(|user| format!("{}@", user.expose())).unwrap_or_default();
        let endpoint = quoted(&format!("{scheme}://{user}{}{path}", url.authority()));
        let _ = write!(self.blocks, "  prometheus_remote_write:\n    endpoint: {endpoint}\n");
        self.metrics = ", prometheus_remote_write";
        Ok(())
    }
}

fn parse(flag: &str, text: &str) -> Result<ClientUrl, Failure> {
    ClientUrl::parse(text).map_err(|message| usage(&format!("{flag}: {message}")))
}

/// The message may quote a URL with a password in it.
fn usage(message: &str) -> Failure {
    Failure::Usage(format!("error: {}", spindle_config::secret::redact_urls(message)))
}

fn yaml(place: &Place, exporters: &Exporters) -> String {
    let folder = folder_path(Path::new(&place.directory), &place.id);
    let file = |name: &str| quoted(&folder.join(name).to_string_lossy());
    let (id, directory) = (quoted(&place.id), quoted(&place.directory));
    let (traces_file, metrics_file, logs_file) =
        (file("traces.jsonl"), file("metrics.jsonl"), file("logs.jsonl"));
    let Exporters { blocks, traces, metrics } = exporters;
    format!(
        "run:
  id: {id}
  directory: {directory}
receivers:
  otlp:
    protocols:
      grpc:
      http:
  host_metrics:
    collection_interval: 10s
    scrapers:
      cpu:
      memory:
      load:
      disk:
      filesystem:
      network:
      paging:
      processes:
  nvml:
    collection_interval: 10s
processors:
  memory_limiter:
    check_interval: 1s
    limit_percentage: 50
    spike_limit_percentage: 10
  batch:
exporters:
  file/traces:
    path: {traces_file}
    rotation:
      max_megabytes: 100
      max_backups: 5
  file/metrics:
    path: {metrics_file}
    rotation:
      max_megabytes: 100
      max_backups: 5
  file/logs:
    path: {logs_file}
    rotation:
      max_megabytes: 100
      max_backups: 5
{blocks}extensions:
  health_check:
service:
  extensions: [health_check]
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [file/traces{traces}]
    metrics:
      receivers: [otlp, host_metrics, nvml]
      processors: [memory_limiter, batch]
      exporters: [file/metrics{metrics}]
    logs:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [file/logs]
"
    )
}

/// What is printed when the embedded configuration runs: where everything is, and what to set. `listeners`
/// are the key paths and addresses of the sockets, which `--set` may have moved.
pub fn banner(options: &Options, id: &str, folder: &Path, listeners: &[(String, String)]) -> String {
    let address = |key: &str| {
        let found = listeners.iter().find(|(path, _)| path.starts_with(key));
        found.map(|(_, address)| reachable(address))
    };
    let mut text = format!("spindle {}, run {id}\n", env!("CARGO_PKG_VERSION"));
    let doors = [
        ("OTLP/gRPC on ", address("receivers::otlp::protocols::grpc::"), "grpc"),
        ("OTLP/HTTP on http://", address("receivers::otlp::protocols::http::"), "http/protobuf"),
    ];
    let doors: Vec<_> =
        doors.iter().filter_map(|(what, at, name)| Some((what, at.as_ref()?, name))).collect();
    // Writing to a string cannot fail.
    let receives: Vec<String> = doors.iter().map(|(what, at, _)| format!("{what}{at}")).collect();
    let _ = writeln!(text, "  receives  {}", receives.join(", "));
    for (_, at, protocol) in doors {
        let _ =
            writeln!(text, "            in a client: OTEL_EXPORTER_OTLP_ENDPOINT=http://{at} ({protocol})");
    }
    let folder = folder.display();
    let _ = writeln!(text, "  reads     this host's and its GPUs' metrics every 10 s");
    let _ = writeln!(text, "  writes    {folder}: traces.jsonl, metrics.jsonl, logs.jsonl");
    let _ = writeln!(text, "            and {}", also(options));
    let pages = [("extensions::health_check::", "status"), ("service::telemetry::metrics", "metrics")];
    let pages: Vec<String> =
        pages.iter().filter_map(|(key, page)| Some(format!("http://{}/{page}", address(key)?))).collect();
    let _ = writeln!(text, "  tells     {}", pages.join(", "));
    text.push_str("  ends      with Ctrl-C; your own configuration: spindle --config FILE, this one: spindle print-config\n");
    text
}

/// Who else gets the data.
fn also(options: &Options) -> String {
    let backends: Vec<String> = [("Jaeger", &options.jaeger), ("Prometheus", &options.prometheus)]
        .into_iter()
        .filter_map(|(name, url)| {
            url.as_ref().map(|url| format!("{name} at {}", spindle_config::secret::redact_urls(url)))
        })
        .collect();
    if backends.is_empty() {
        "to nobody else; --jaeger URL and --prometheus URL send it there as well".to_owned()
    } else {
        format!("to {}", backends.join(" and "))
    }
}

/// An address as somebody on this machine can use it.
fn reachable(address: &str) -> String {
    match address.rsplit_once(':') {
        Some(("" | "0.0.0.0" | "[::]", port)) => format!("localhost:{port}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests;
