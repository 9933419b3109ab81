//! The life of the process: load, build, start, wait, drain.

use std::io::Write;
use tokio::time::Instant;

use spindle_config::print::Printed;
use spindle_config::{Diagnostics, Document};
use spindle_pipeline::component::BUILD;
use spindle_pipeline::error::BuildError;
use spindle_pipeline::graph::{Graph, Plan};
use spindle_pipeline::status::{Status, StatusBoard};
use spindle_pipeline::telemetry::{Metric, Telemetry};
use tracing::{info, warn};

use crate::cli::{Failure, Options};
use crate::configuration::{self, Configuration, warning_lines};
use crate::run_section::{Facts, RunFolder, RunSection};
use crate::service::page::{MetricsPage, RunningPage};
use crate::service_manager::Watchdog;
use crate::signals::StopSignals;
use crate::{embedded, logging, runtime, service_manager};

/// `spindle run`.
pub fn run(options: &Options) -> Result<(), Failure> {
    let configuration = configuration::load(&configuration::sources(options)?)?;
    logging::init(&configuration.service.logs);
    let runtime =
        runtime::build().map_err(|error| Failure::Runtime(format!("cannot start threads: {error}")))?;
    let outcome = runtime.block_on(live(configuration, options));
    // Threads that hang in a driver must not keep the process from ending.
    runtime.shutdown_background();
    logging::flush();
    outcome
}

async fn live(configuration: Configuration, options: &Options) -> Result<(), Failure> {
    let mut signals =
        StopSignals::new().map_err(|error| Failure::Runtime(format!("cannot handle signals: {error}")))?;
    let board = StatusBoard::default();
    board.set_process(Status::Starting);
    let (graph, page) = start(configuration, options, &board)?;
    board.set_process(Status::Ok);
    info!("Everything is ready. Begin running and processing data.");
    service_manager::ready();
    let _watchdog = Watchdog::start();
    let signal = signals.next().await;
    info!(signal, "Received signal from OS");
    board.set_process(Status::Stopping);
    service_manager::stopping();
    info!("Starting shutdown...");
    stop(graph, page, options, &mut signals).await
}

/// Builds and starts everything.
fn start(
    configuration: Configuration,
    options: &Options,
    board: &StatusBoard,
) -> Result<(Graph, Option<RunningPage>), Failure> {
    let Configuration { document, plan, service, run, warnings } = configuration;
    let warnings: Vec<(String, String)> = warning_lines(&warnings, &document).collect();
    for (message, place) in &warnings {
        warn!(place, "{message}");
    }
    info!(version = BUILD.version, run = run.run().map(|run| run.id.as_str()), "Starting {}...", BUILD.name);
    let facts = facts(&plan, warnings);
    let telemetry = Telemetry::new(service.constant_labels(run.run()));
    logging::count_suppressed(telemetry.counter(Metric::LogSuppressed, Vec::new()));
    let failed = |problems: Diagnostics| Failure::Runtime(configuration::report(&problems, &document));
    let page = MetricsPage::bind(&service, &telemetry).map_err(|error| failed(page_problem(error, &plan)))?;
    let folder = run.make_folder().map_err(folder_failed)?;
    let mut graph = Graph::build(plan, &telemetry, board, &run.runs()).map_err(|problems| {
        folder.iter().for_each(RunFolder::remove_if_empty);
        failed(problems)
    })?;
    if let Some(folder) = &folder {
        write_folder(&run, folder, &document, &facts)?;
    }
    let page = page.map(MetricsPage::start);
    graph.start();
    if let (true, Some(run), Some(folder)) = (options.configs.is_empty(), run.run(), folder) {
        // If stderr is closed there is nobody to tell.
        let _ = write!(
            std::io::stderr(),
            "{}",
            embedded::banner(options, &run.id, &folder.path(), &facts.listeners)
        );
    }
    Ok((graph, page))
}

/// Why the metrics page cannot be served, where the configuration speaks of it.
fn page_problem(error: BuildError, plan: &Plan) -> Diagnostics {
    let key = error.key.clone();
    let mut problem = error.diagnostic(key.as_str());
    problem.origin = plan.listener_origin(&key);
    let mut problems = Diagnostics::default();
    problems.push(problem);
    problems
}

fn facts(plan: &Plan, warnings: Vec<(String, String)>) -> Facts {
    let listeners =
        plan.listeners().iter().map(|listener| (listener.path.clone(), listener.address.to_string()));
    Facts {
        listeners: listeners.collect(),
        signals: plan.signals().map(spindle_pipeline::Signal::name).collect(),
        receivers: plan.receivers().map(|id| id.component_type().to_owned()).collect(),
        warnings: warnings.into_iter().map(|(message, place)| format!("{place}: {message}")).collect(),
    }
}

fn folder_failed(message: String) -> Failure {
    Failure::Runtime(format!("error: run::directory: {message}"))
}

fn write_folder(
    run: &RunSection,
    folder: &RunFolder,
    document: &Document,
    facts: &Facts,
) -> Result<(), Failure> {
    let config =
        Printed::redacted(&document.root).to_yaml().map_err(|error| folder_failed(error.to_string()))?;
    run.write_folder(folder, &config, facts).map_err(folder_failed)?;
    info!(path = %folder.path().display(), "The run has a folder");
    Ok(())
}

async fn stop(
    graph: Graph,
    page: Option<RunningPage>,
    options: &Options,
    signals: &mut StopSignals,
) -> Result<(), Failure> {
    let deadline = Instant::now() + options.shutdown_timeout;
    tokio::select! {
        () = graph.stop(deadline) => {}
        signal = signals.next() => {
            warn!(signal, "Received a second signal: stopping now, what is not sent is lost");
            return Err(Failure::Runtime("stopped before everything was sent".to_owned()));
        }
    }
    if let Some(page) = page {
        page.stop().await;
    }
    info!("Shutdown complete.");
    Ok(())
}
