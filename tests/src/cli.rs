//! The binary as its users run it: commands that end by themselves, with everything they print.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::{agent, golden, wait};

/// A folder to run commands in, and a transcript of what they said.
pub struct Session {
    folder: TempDir,
    variables: Vec<(String, String)>,
    transcript: String,
}

/// What a command printed and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Session {
    /// An empty folder and an empty environment.
    #[expect(clippy::new_without_default, reason = "a folder on disk is no value")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new(), transcript: String::new() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in the folder.
    #[must_use]
    pub fn file(self, name: &str, text: &str) -> Self {
        self.file_of_bytes(name, text.as_bytes())
    }

    /// A file in the folder that need not be text.
    #[must_use]
    pub fn file_of_bytes(self, name: &str, bytes: &[u8]) -> Self {
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
        self
    }

    /// A variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs a command to its end and writes it down.
    pub async fn run(&mut self, arguments: &[&str]) -> Ended {
        let ended = self.quietly(arguments).await;
        let words: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
        self.transcript.push_str(&format!(
            "$ {}\n",
            ["spindle".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
        ));
        self.transcript.push_str(&ended.stdout);
        if !ended.stderr.is_empty() {
            self.transcript.push_str(&format!("--- stderr\n{}", ended.stderr));
        }
        self.transcript.push_str(&format!("--- exit code {}\n\n", ended.code));
        ended
    }

    /// Runs a command to its end.
    pub async fn quietly(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(agent::binary());
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let ended = tokio::time::timeout(wait::PATIENCE, command.output()).await;
        let output = ended.unwrap_or_else(|_elapsed| panic!("{arguments:?} does not end")).unwrap();
        Ended {
            code: output.status.code().unwrap_or_else(|| panic!("{arguments:?}: {}", output.status)),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Compares the transcript with a golden.
    pub fn check(&self, golden: &str) {
        golden::check(golden, &self.transcript);
    }

    /// The transcript so far.
    pub fn transcript(&self) -> &str {
        &self.transcript
    }
}

fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{word}'") }
}
