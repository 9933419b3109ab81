//! Real clients: scripts that drive an OpenTelemetry SDK, unmodified. They lie in `tests/peers`, do one
//! thing, print what they did as JSON on stdout and end.

use std::path::PathBuf;

use serde_json::Value;
use tokio::process::Command;

use crate::{peers, wait};

/// A client to be run.
pub struct Script {
    name: String,
    command: Command,
}

impl Script {
    /// A file of `tests/peers/python`.
    pub fn python(file: &str) -> Self {
        let mut command = Command::new(peers::file("python/bin/python"));
        command.arg(source("python", file));
        Self::new(file, command)
    }

    /// A text in Python.
    pub fn python_text(name: &str, text: &str) -> Self {
        let mut command = Command::new(peers::file("python/bin/python"));
        command.arg("-c").arg(text);
        Self::new(name, command)
    }

    /// A file of `tests/peers/javascript`.
    pub fn javascript(file: &str) -> Self {
        let mut command = Command::new("node");
        command.arg(source("javascript", file)).env("NODE_PATH", peers::file("javascript/node_modules"));
        Self::new(file, command)
    }

    fn new(name: &str, mut command: Command) -> Self {
        // What the machine is configured with must not reach the SDKs.
        for (variable, _) in std::env::vars() {
            if variable.starts_with("OTEL_") || variable.to_ascii_lowercase().ends_with("_proxy") {
                command.env_remove(variable);
            }
        }
        command.env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
        Self { name: name.to_owned(), command }
    }

    /// An option `--name value`.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.command.arg(format!("--{name}")).arg(value);
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it to its end, which must be a good one, and gives what it printed.
    pub async fn run(mut self) -> String {
        let ended = tokio::time::timeout(wait::PATIENCE, self.command.output()).await;
        let output = ended
            .unwrap_or_else(|_elapsed| panic!("{} does not end", self.name))
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.name));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} failed, {}:\n{stderr}", self.name, output.status);
        // The SDKs log what they could not send and go on.
        assert!(stderr.is_empty(), "{} complained:\n{stderr}", self.name);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs it to its end and reads what it printed as JSON.
    pub async fn run_json(self) -> Value {
        let name = self.name.clone();
        let text = self.run().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name} printed no JSON ({error}): {text}"))
    }

    /// The command, for a test that talks to it while it runs.
    pub fn into_command(self) -> Command {
        self.command
    }
}

fn source(folder: &str, file: &str) -> PathBuf {
    peers::repository().join("tests/peers").join(folder).join(file)
}
