//! The agent: the built binary with a configuration of the test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::Process;
use crate::{client, ports, wait};

/// The binary beside the test's own.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("SPINDLE_BINARY") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("spindle");
    assert!(path.exists(), "{} is missing: run cargo build -p spindle", path.display());
    path
}

/// A configuration under construction: YAML in which `$name` stands for a free port.
pub struct AgentBuilder {
    /// None for the configuration that is built in.
    yaml: Option<String>,
    ports: BTreeMap<String, u16>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl AgentBuilder {
    /// An argument of the command line.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> Agent {
        let agent = self.spawn();
        agent.process.wait_for_line("Everything is ready").await;
        agent
    }

    /// Starts it without waiting for anything.
    pub fn spawn(self) -> Agent {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(binary());
        if let Some(yaml) = self.yaml {
            let path = folder.path().join("spindle.yaml");
            std::fs::write(&path, yaml).unwrap();
            command.arg("--config").arg(&path);
        }
        command
            .args(&self.arguments)
            .current_dir(folder.path())
            .env_remove("CONTAINER_RUN_ID")
            .envs(self.environment);
        Agent { process: Process::start("spindle", command), ports: self.ports, folder }
    }
}

/// A running agent.
pub struct Agent {
    /// The process.
    pub process: Process,
    ports: BTreeMap<String, u16>,
    folder: TempDir,
}

impl Agent {
    /// An agent with this configuration; each `$word` in it becomes a free port, the same word the same
    /// port. `$metrics` is filled in as the port of the agent's own metrics when it does not occur.
    pub fn with(yaml: &str) -> AgentBuilder {
        let mut ports = BTreeMap::new();
        let mut text = String::new();
        let mut rest = yaml;
        while let Some(at) = rest.find('$') {
            text.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            let length = behind.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(behind.len());
            if length == 0 {
                // `${env:X}` and `$$` are the agent's.
                let kept = if behind.starts_with('$') { 2 } else { 1 };
                text.push_str(&rest[at..at + kept]);
                rest = &rest[at + kept..];
                continue;
            }
            let port = *ports.entry(behind[..length].to_owned()).or_insert_with(ports::free);
            text.push_str(&port.to_string());
            rest = &behind[length..];
        }
        text.push_str(rest);
        let mut arguments = Vec::new();
        if !ports.contains_key("metrics") {
            let port = *ports.entry("metrics".to_owned()).or_insert_with(ports::free);
            arguments.push("--set".to_owned());
            arguments.push(format!(
                "service.telemetry.metrics.readers=[{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {port}, without_type_suffix: true, without_units: true}}}}}}}}]"
            ));
        }
        AgentBuilder { yaml: Some(text), ports, arguments, environment: Vec::new() }
    }

    /// An agent with exactly this configuration.
    pub fn as_it_is(yaml: &str) -> AgentBuilder {
        let yaml = Some(yaml.to_owned());
        AgentBuilder { yaml, ports: BTreeMap::new(), arguments: Vec::new(), environment: Vec::new() }
    }

    /// An agent without a configuration: the one that is built in, on free ports.
    pub fn without_config() -> AgentBuilder {
        let mut agent = Self::with("$grpc $http $health");
        agent.yaml = None;
        for (name, key) in [
            ("grpc", "receivers.otlp.protocols.grpc.endpoint"),
            ("http", "receivers.otlp.protocols.http.endpoint"),
            ("health", "extensions.health_check.endpoint"),
        ] {
            let port = agent.ports[name];
            agent = agent.argument("--set").argument(&format!("{key}=127.0.0.1:{port}"));
        }
        agent
    }

    /// The port behind a name of the configuration.
    pub fn port(&self, name: &str) -> u16 {
        *self.ports.get(name).unwrap_or_else(|| panic!("the configuration has no ${name}"))
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}", self.port(name))
    }

    /// The folder it runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The sum of the agent's own metric over all series whose labels contain all of `labels`, each
    /// written as `name="value"`. Zero when there is none.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page = client::get(&format!("{}/metrics", self.url("metrics"))).await.unwrap();
        page.lines()
            .filter(|line| {
                line.starts_with(&format!("{name}{{")) && labels.iter().all(|label| line.contains(label))
            })
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// The same for a metric that counts.
    pub async fn count(&self, name: &str, labels: &[&str]) -> u64 {
        self.metric(name, labels).await as u64
    }

    /// Waits until the agent's own metric has reached a value.
    pub async fn wait_for_metric(&self, name: &str, labels: &[&str], value: f64) {
        wait::until(&format!("{name} >= {value}"), || async {
            let found = self.metric(name, labels).await;
            if found >= value { Ok(()) } else { Err(found) }
        })
        .await;
    }

    /// SIGTERM, and waits for the end; gives everything it wrote.
    pub async fn stop(mut self) -> (ExitStatus, String) {
        self.process.signal(Signal::TERM);
        let status = self.process.wait().await;
        (status, self.process.output())
    }

    /// The same, and looks at its folder before that is gone.
    pub async fn stop_keeping<T>(mut self, look: impl FnOnce(&Path) -> T) -> (ExitStatus, T) {
        self.process.signal(Signal::TERM);
        let status = self.process.wait().await;
        (status, look(self.folder()))
    }
}
