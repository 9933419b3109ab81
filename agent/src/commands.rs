//! The commands beside `run`.

#[cfg(test)]
mod tests;

use std::io::Write;

use spindle_config::print::Printed;
use spindle_config::source::Process;
use spindle_pipeline::Signal;
use spindle_pipeline::component::{BUILD, Kind, TypeInfo};

use crate::cli::{ComponentsFormat, Failure, Options, PrintFormat, PrintMode};
use crate::components::registry;
use crate::configuration;

/// `spindle validate`: silent when all is well, warnings on stderr.
pub fn validate(options: &Options) -> Result<(), Failure> {
    let configuration = configuration::load(&configuration::sources(options)?)?;
    if !configuration.warnings.is_empty() {
        let report = configuration::report(&configuration.warnings, &configuration.document);
        // If stderr is closed there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{report}");
    }
    Ok(())
}

/// `spindle print-config`.
pub fn print_config(
    options: &Options,
    mode: PrintMode,
    format: PrintFormat,
    validate: bool,
) -> Result<(), Failure> {
    let sources = configuration::sources(options)?;
    let document = if validate {
        configuration::load(&sources)?.document
    } else {
        let (document, diagnostics) = spindle_config::load(&sources, &Process);
        if diagnostics.has_errors() {
            return Err(Failure::Usage(configuration::report(&diagnostics, &document)));
        }
        document
    };
    let printed = match mode {
        PrintMode::Redacted => Printed::redacted(&document.root),
        PrintMode::Unredacted => Printed::unredacted(&document.root),
    };
    let text = match format {
        PrintFormat::Yaml => printed.to_yaml().map_err(|error| Failure::Runtime(error.to_string()))?,
        PrintFormat::Json => {
            let json = serde_json::to_string_pretty(&printed)
                .map_err(|error| Failure::Runtime(error.to_string()))?;
            json + "\n"
        }
    };
    print(&text)
}

/// `spindle components`.
pub fn components(format: ComponentsFormat) -> Result<(), Failure> {
    let registry = registry();
    let types: Vec<&TypeInfo> = registry.types().collect();
    let text = match format {
        ComponentsFormat::Yaml => components_yaml(&types),
        ComponentsFormat::Text => components_text(&types),
        ComponentsFormat::Markdown => components_markdown(&types),
    };
    print(&text)
}

/// The Collector's shape: build information, then a list for each kind.
fn components_yaml(types: &[&TypeInfo]) -> String {
    let mut text = format!(
        "buildinfo:\n    command: {name}\n    description: Spindle\n    version: {version}\n",
        name = BUILD.name,
        version = BUILD.version
    );
    for kind in Kind::ALL {
        let mut rows = types.iter().filter(|info| info.kind == kind).peekable();
        if rows.peek().is_none() {
            text.push_str(&format!("{}: []\n", kind.section()));
            continue;
        }
        text.push_str(&format!("{}:\n", kind.section()));
        for info in rows {
            text.push_str(&format!("    - name: {}\n", info.name));
            if !info.aliases.is_empty() {
                text.push_str(&format!("      deprecated_aliases: [{}]\n", info.aliases.join(", ")));
            }
            text.push_str("      stability:\n");
            if kind == Kind::Extension {
                text.push_str(&format!("        extension: {}\n", info.stability.name()));
                continue;
            }
            for signal in Signal::ALL {
                let stability =
                    if info.signals.contains(signal) { info.stability.name() } else { "Undefined" };
                text.push_str(&format!("        {}: {stability}\n", signal.name()));
            }
        }
    }
    text
}

fn signals(info: &TypeInfo) -> String {
    info.signals.iter().map(Signal::name).collect::<Vec<_>>().join(", ")
}

fn components_text(types: &[&TypeInfo]) -> String {
    let mut text = String::new();
    for info in types {
        text.push_str(&format!(
            "{:<10} {:<26} {:<24} {}\n",
            info.kind.name(),
            info.name,
            signals(info),
            info.aliases.join(", ")
        ));
    }
    text
}

const COMPONENTS_PAGE_HEAD: &str = "# Components

Every type that a configuration can name. This page is written by `spindle components --format markdown`; a test keeps
the two equal. Older names work and cost one warning.

| kind | type | signals | stability | older names |
|---|---|---|---|---|
";

fn components_markdown(types: &[&TypeInfo]) -> String {
    let mut text = COMPONENTS_PAGE_HEAD.to_owned();
    for info in types {
        let aliases: Vec<String> = info.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        text.push_str(&format!(
            "| {} | [`{}`](../{}/README.md) | {} | {} | {} |\n",
            info.kind.name(),
            info.name,
            folder(info),
            signals(info),
            info.stability.name(),
            aliases.join(", ")
        ));
    }
    text
}

/// The folder of a component's code and page: its kind's, then its name's, but for the few that share one.
fn folder(info: &TypeInfo) -> String {
    match (info.kind, info.name) {
        (Kind::Receiver, "nvml") => "receivers/src/gpu/nvml".to_owned(),
        (Kind::Extension, "healthcheckv2") => "agent/src/extensions/health_check".to_owned(),
        (Kind::Extension, name) => format!("agent/src/extensions/{name}"),
        (Kind::Connector, name) => format!("processors/src/{name}"),
        (kind, name) => format!("{}/src/{name}", kind.section()),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(()),
        // `spindle components | head` is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::Runtime(format!("cannot write to stdout: {error}"))),
    }
}
