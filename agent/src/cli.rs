//! The command line.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Winds everything a machine says about one run onto one run label: traces, metrics and logs, to Jaeger
/// and Prometheus.
#[derive(Debug, Parser)]
#[command(name = "spindle", version, about, max_term_width = 110, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What all commands read.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// A configuration: a path, or file:..., env:NAME or yaml:...; later ones are laid over earlier ones.
    /// Without any, an embedded one receives OTLP, reads host and GPU metrics and writes it all to the
    /// run folder.
    #[arg(long = "config", value_name = "URI", global = true)]
    pub configs: Vec<String>,
    /// One property, laid over the configuration: --set processors.batch.timeout=2s
    #[arg(long = "set", value_name = "KEY=VALUE", global = true)]
    pub properties: Vec<String>,
    /// Feature gates to enable (+gate or gate) or disable (-gate); known to the Collector, without
    /// effect here.
    #[arg(long, value_name = "GATES", value_delimiter = ',', allow_hyphen_values = true, global = true)]
    pub feature_gates: Vec<String>,
    /// Send traces to this Jaeger as well (host:port of its OTLP/gRPC); only without --config.
    #[arg(long, value_name = "URL", conflicts_with = "configs", global = true)]
    pub jaeger: Option<String>,
    /// Send metrics to this Prometheus as well (its base URL; it must accept remote write); only without
    /// --config.
    #[arg(long, value_name = "URL", conflicts_with = "configs", global = true)]
    pub prometheus: Option<String>,
    /// How long stopping may take, for sending what is held.
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = parse_duration, global = true)]
    pub shutdown_timeout: std::time::Duration,
}

/// What to do; run, if nothing is said.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run until SIGTERM or SIGINT (the default).
    Run,
    /// Check the configuration and say everything that is wrong with it.
    Validate,
    /// List the components of this build.
    Components {
        /// yaml as the Collector prints it, or a table for people.
        #[arg(long, value_enum, default_value = "yaml")]
        format: ComponentsFormat,
    },
    /// Print the configuration as it is in effect: merged, expanded, secrets redacted.
    #[command(alias = "print-initial-config")]
    PrintConfig {
        /// Whether secrets are printed.
        #[arg(long, value_enum, default_value = "redacted")]
        mode: PrintMode,
        /// How.
        #[arg(long, value_enum, default_value = "yaml")]
        format: PrintFormat,
        /// Check it first.
        #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
        validate: bool,
    },
}

/// `components --format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ComponentsFormat {
    /// As the Collector prints it.
    Yaml,
    /// For people.
    Text,
    /// The table in the docs.
    Markdown,
}

/// `print-config --mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PrintMode {
    /// Without secrets.
    Redacted,
    /// With secrets.
    Unredacted,
}

/// `print-config --format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PrintFormat {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    spindle_config::types::Duration::parse(text).map(spindle_config::types::Duration::get)
}

/// Why the process ends early, and with which code.
#[derive(Debug)]
pub enum Failure {
    /// A bad configuration or a wrong use of the command line: exit code 2. The text is the report.
    Usage(String),
    /// Anything else: exit code 1.
    Runtime(String),
}

impl Failure {
    /// Prints it, once, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        // If stderr is closed there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{self}");
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Runtime(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Runtime(text) => formatter.write_str(text),
        }
    }
}
