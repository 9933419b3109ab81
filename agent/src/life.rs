//! The life of the process: load, build, start, wait, drain.

use std::time::Instant;

use spindle_pipeline::component::BUILD;
use spindle_pipeline::graph::Graph;
use spindle_pipeline::run::Runs;
use spindle_pipeline::status::{Status, StatusBoard};
use spindle_pipeline::telemetry::Telemetry;
use tracing::{info, warn};

use crate::cli::{Failure, Options};
use crate::configuration::{self, Configuration, warning_lines};
use crate::service::page::MetricsPage;
use crate::signals::StopSignals;
use crate::{logging, runtime};

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
    let Configuration { document, plan, service, warnings } = configuration;
    for (message, place) in warning_lines(&warnings, &document) {
        warn!(place, "{message}");
    }
    info!(version = BUILD.version, "Starting {}...", BUILD.name);
    let runs = Runs::default();
    let telemetry = Telemetry::new(service.constant_labels());
    let board = StatusBoard::default();
    board.set_process(Status::Starting);
    let failed = |diagnostics| Failure::Runtime(configuration::report(&diagnostics, &document));
    let page = MetricsPage::bind(&service, &telemetry)
        .map_err(|message| Failure::Runtime(format!("error: {message}")))?;
    let mut graph = Graph::build(plan, &telemetry, &board, &runs).map_err(failed)?;
    let page = page.map(MetricsPage::start);
    graph.start();
    board.set_process(Status::Ok);
    info!("Everything is ready. Begin running and processing data.");
    let signal = signals.next().await;
    info!(signal, "Received signal from OS");
    board.set_process(Status::Stopping);
    info!("Starting shutdown...");
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
