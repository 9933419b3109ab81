use spindle_pipeline::Signal;
use spindle_pipeline::component::Consumer;
use spindle_pipeline::export::ExportStage;
use spindle_pipeline::telemetry::Metric;
use spindle_pipeline::testing::{config, config_with_problems, context, contract};

use super::*;
use crate::support::testing::spans;

/// The clauses that every exporter keeps.
#[tokio::test]
async fn keeps_the_contract() {
    contract::factory::<Nop>();
    contract::exporter(&Nop, SignalSet::ALL).await;
}

/// What it takes is counted as sent, and it asks for neither queue nor repetition.
#[tokio::test]
async fn takes_everything_at_once() {
    let context = context("nop");
    let settings = Nop::settings(&config::<Nop>("{}"));
    assert_eq!(settings.queue, None);
    let exporter = Nop::build(Config {}, &context).expect("builds");
    let stage = ExportStage::start(exporter, &settings, Signal::Traces, &context);
    stage.consume(spans(7)).await.expect("taken");
    let labels = vec![("exporter".into(), "nop".into())];
    assert_eq!(context.telemetry.counter(Metric::exporter_sent(Signal::Traces), labels).get(), 7);
}

/// A key would do nothing, so there is none.
#[test]
fn has_no_keys() {
    let problems = config_with_problems::<Nop>("{endpoint: x}").1;
    assert!(problems.iter().any(|problem| problem.contains("has invalid keys: endpoint")), "{problems:?}");
}
