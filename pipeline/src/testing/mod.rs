//! What tests of several crates share. Behind the feature `test-util`; no part of the agent.

pub mod arbitrary;
pub mod auth;
pub mod certificates;
pub mod contract;
pub mod oracle;
pub mod sink;
pub mod spans;

use crate::component::{BUILD, BuildContext, ComponentConfig, Kind};
use crate::run::Runs;
use crate::status::StatusBoard;
use crate::telemetry::Telemetry;

/// A context to build a component with: all signals, telemetry and status of its own, no run, and the
/// authenticator [`auth::ID`].
pub fn context(id: &str) -> BuildContext {
    let id: spindle_config::ComponentId = id.parse().unwrap_or_else(|message| panic!("{message}"));
    BuildContext {
        status: StatusBoard::default().handle(Kind::Processor, id.as_str(), &[]),
        id,
        signals: crate::SignalSet::ALL,
        telemetry: Telemetry::default(),
        runs: Runs::default(),
        authenticators: auth::authenticators(),
        build: BUILD,
    }
}

/// The config of a factory from YAML, which must be without problems.
pub fn config<F: crate::component::Factory>(yaml: &str) -> F::Config {
    let (config, problems) = config_with_problems::<F>(yaml);
    assert!(problems.is_empty(), "{problems:?}");
    config
}

/// The config of a factory from YAML, and its problems as `path: message` lines, errors and warnings.
pub fn config_with_problems<F: crate::component::Factory>(yaml: &str) -> (F::Config, Vec<String>) {
    checked_config::<F>(yaml, F::Config::validate)
}

/// The problems of a config in a pipeline of one signal, beside those that it has in any.
pub fn problems_for<F: crate::component::Factory>(yaml: &str, signal: crate::Signal) -> Vec<String> {
    checked_config::<F>(yaml, |config, check| config.validate_for(signal, check)).1
}

fn checked_config<F: crate::component::Factory>(
    yaml: &str,
    validate: impl FnOnce(&F::Config, &mut spindle_config::Check<'_>),
) -> (F::Config, Vec<String>) {
    let mut texts = spindle_config::SourceMap::default();
    let mut diagnostics = spindle_config::Diagnostics::default();
    let source = texts.add("test.yaml", yaml);
    let node = spindle_config::tree::parse(source, &texts, &mut diagnostics)
        .unwrap_or_else(|| panic!("no YAML: {yaml}"));
    let config: F::Config = spindle_config::decode(&node, "", &mut diagnostics).unwrap_or_default();
    validate(&config, &mut spindle_config::Check::new(&node, "", None, &mut diagnostics));
    (config, diagnostics.iter().map(spindle_config::Diagnostic::one_line).collect())
}
