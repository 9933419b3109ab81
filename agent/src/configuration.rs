//! From the command line to a checked plan.

use std::io::IsTerminal;

use spindle_config::diagnostic::Style;
use spindle_config::source::{Process, Source, Surroundings};
use spindle_config::{Diagnostics, Document, Sections, Severity, Sources};
use spindle_pipeline::graph::Plan;
use spindle_pipeline::run::RUN_ID_VARIABLE;

use crate::cli::{Failure, Options};
use crate::components::registry;
use crate::embedded;
use crate::run_section::RunSection;
use crate::service::Service;

/// A configuration that can be run.
pub struct Configuration {
    /// The merged and expanded tree.
    pub document: Document,
    /// What to build.
    pub plan: Plan,
    /// How the process itself behaves.
    pub service: Service,
    /// The run it belongs to.
    pub run: RunSection,
    /// Warnings; there are no errors.
    pub warnings: Diagnostics,
}

/// The sources that the command line names.
pub fn sources(options: &Options) -> Result<Sources, Failure> {
    let mut sources = Sources::default();
    for uri in &options.configs {
        sources.add(Source::from_uri(uri).map_err(|message| usage(&message))?);
    }
    for property in &options.properties {
        sources.add(Source::from_property(property).map_err(|message| usage(&message))?);
    }
    if sources.has_no_config() {
        sources.add(embedded::source(options)?);
    }
    Ok(sources)
}

fn usage(message: &str) -> Failure {
    Failure::Usage(format!("error: {message}"))
}

/// Loads and checks everything; all problems come in one failure.
pub fn load(sources: &Sources) -> Result<Configuration, Failure> {
    let (document, mut diagnostics) = spindle_config::load(sources, &Process);
    let (plan, service, run) = {
        let sections = Sections::read(&document, &mut diagnostics);
        let service = Service::read(&sections, &mut diagnostics);
        let run = RunSection::read(&sections, Process.variable(RUN_ID_VARIABLE), &mut diagnostics);
        let plan = Plan::read(&sections, &registry(), service.listeners(&sections), &mut diagnostics);
        (plan, service, run)
    };
    if diagnostics.has_errors() {
        return Err(Failure::Usage(report(&diagnostics, &document)));
    }
    Ok(Configuration { document, plan, service, run, warnings: diagnostics })
}

/// The report of problems, coloured when stderr is a terminal.
pub fn report(diagnostics: &Diagnostics, document: &Document) -> String {
    let is_colored = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    diagnostics.render(document, if is_colored { Style::Colored } else { Style::Plain })
}

/// Warnings as lines for the log, with their positions.
pub fn warning_lines<'a>(
    diagnostics: &'a Diagnostics,
    document: &'a Document,
) -> impl Iterator<Item = (String, String)> + 'a {
    diagnostics.iter().filter(|item| item.severity == Severity::Warning).map(|item| {
        let place = item.origin.map_or_else(String::new, |origin| document.sources.describe(origin));
        (spindle_config::secret::redact_urls(&item.one_line()).into_owned(), place)
    })
}
