//! What the Collector's own processors do, recorded by the program in `processors/goldens`, and the
//! comparison with ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use serde::Deserialize;
use spindle_pipeline::component::{BuiltProcessor, ProcessorFactory, Transform};
use spindle_pipeline::otlp::walk;
use spindle_pipeline::testing::{config_with_problems, context, problems_for};
use spindle_pipeline::{Batch, Decoded, RequestContext, Signal};

/// One recorded file.
#[derive(Debug, Deserialize)]
pub(crate) struct Goldens {
    #[serde(default)]
    inputs: BTreeMap<String, String>,
    #[serde(default)]
    cases: Vec<Case>,
    #[serde(default)]
    refusals: Vec<Refusal>,
    pub(crate) decisions: Option<Decisions>,
}

#[derive(Debug, Deserialize)]
struct Case {
    input: String,
    signal: String,
    config: String,
    output: String,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    signal: String,
    config: String,
    error: String,
}

/// Which traces a sampler keeps.
#[derive(Debug, Deserialize)]
pub(crate) struct Decisions {
    pub(crate) trace_ids: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// A configuration and a `1` for each trace that it keeps.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) config: String,
    pub(crate) kept: String,
}

/// A transform as the graph would get it.
pub(crate) fn build<F: ProcessorFactory>(yaml: &str, signal: Signal) -> Arc<dyn Transform> {
    build_from::<F>(&config_with_problems::<F>(yaml).0, signal)
}

/// The same from a config.
pub(crate) fn build_from<F: ProcessorFactory>(config: &F::Config, signal: Signal) -> Arc<dyn Transform> {
    match F::build(config, &context(F::TYPE), signal).expect("builds") {
        BuiltProcessor::Transform(transform) => transform,
        BuiltProcessor::Stateful(_) => panic!("{} is a transform", F::TYPE),
    }
}

/// The client that the recorded requests come from.
pub(crate) fn client() -> Arc<RequestContext> {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Arc::new(RequestContext {
        metadata: vec![header("x-tenant", "blue"), header("x-many", "one"), header("x-many", "two")],
        peer: Some("[::ffff:10.1.2.3]:4317".parse().expect("an address")),
        deadline: None,
    })
}

impl Goldens {
    pub(crate) fn read(json: &str) -> Self {
        serde_json::from_str(json).expect("a recorded file")
    }

    /// Every recorded request leaves our processor as it left the Collector's, attribute by attribute, in
    /// the same order.
    pub(crate) fn check_cases<F: ProcessorFactory>(&self) {
        assert!(!self.cases.is_empty(), "nothing is recorded");
        for case in &self.cases {
            let signal = Signal::from_name(&case.signal).expect("a signal");
            let input = STANDARD.decode(&self.inputs[&case.input]).expect("base64");
            let batch =
                Batch::receive(signal, input.into()).expect("well formed").with_context(Some(client()));
            let ours = build::<F>(&case.config, signal).transform(batch).expect("transforms");
            let ours = ours.map(|batch| batch.bytes()).unwrap_or_default();
            walk(signal, &ours).expect("well formed");
            let theirs = STANDARD.decode(&case.output).expect("base64");
            let (ours, theirs) = (normalized(signal, &ours), normalized(signal, &theirs));
            // Compared as text: not a number is a value here.
            assert_eq!(format!("{ours:#?}"), format!("{theirs:#?}"), "{} of {}", case.config, case.input);
        }
    }

    /// Every configuration that the Collector refuses is refused in the same words.
    pub(crate) fn check_refusals<F: ProcessorFactory>(&self) {
        assert!(!self.refusals.is_empty(), "nothing is recorded");
        for refusal in &self.refusals {
            let signal = Signal::from_name(&refusal.signal).expect("a signal");
            let mut problems = config_with_problems::<F>(&refusal.config).1;
            problems.extend(problems_for::<F>(&refusal.config, signal));
            let is_said = problems.iter().any(|problem| problem.ends_with(&format!(": {}", refusal.error)));
            assert!(is_said, "{}: {:?} is not among {problems:#?}", refusal.config, refusal.error);
        }
    }
}

/// A request with the differences taken out that mean nothing: the Collector writes empty messages where
/// nothing was, and groups that are empty may stay or go.
fn normalized(signal: Signal, bytes: &[u8]) -> Decoded {
    let mut decoded = Decoded::read(signal, bytes).expect("decodes");
    match &mut decoded {
        Decoded::Traces(request) => {
            for group in &mut request.resource_spans {
                fill_all(&mut group.resource.get_or_insert_default().attributes);
                for scope in &mut group.scope_spans {
                    scope.scope.get_or_insert_default();
                    for span in &mut scope.spans {
                        // Sixteen zeros are no trace id, and no trace id is none.
                        span.trace_id.retain({
                            let is_empty = span.trace_id.iter().all(|byte| *byte == 0);
                            move |_| !is_empty
                        });
                        span.status.get_or_insert_default();
                        fill_all(&mut span.attributes);
                    }
                }
            }
        }
        Decoded::Logs(request) => {
            for group in &mut request.resource_logs {
                fill_all(&mut group.resource.get_or_insert_default().attributes);
                for scope in &mut group.scope_logs {
                    scope.scope.get_or_insert_default();
                    for record in &mut scope.log_records {
                        record.body.get_or_insert_default();
                        fill_all(&mut record.attributes);
                    }
                }
            }
        }
        Decoded::Metrics(request) => {
            for group in &mut request.resource_metrics {
                fill_all(&mut group.resource.get_or_insert_default().attributes);
                for scope in &mut group.scope_metrics {
                    scope.scope.get_or_insert_default();
                    scope.metrics.iter_mut().filter_map(|metric| metric.data.as_mut()).for_each(fill_points);
                }
            }
        }
    }
    decoded
}

fn fill_all(attributes: &mut [KeyValue]) {
    for attribute in attributes {
        attribute.value.get_or_insert_with(AnyValue::default);
    }
}

fn fill_points(data: &mut Data) {
    match data {
        Data::Gauge(data) => data.data_points.iter_mut().for_each(|point| fill_all(&mut point.attributes)),
        Data::Sum(data) => data.data_points.iter_mut().for_each(|point| fill_all(&mut point.attributes)),
        Data::Histogram(data) => {
            data.data_points.iter_mut().for_each(|point| fill_all(&mut point.attributes));
        }
        Data::ExponentialHistogram(data) => {
            data.data_points.iter_mut().for_each(|point| {
                point.positive.get_or_insert_default();
                point.negative.get_or_insert_default();
                fill_all(&mut point.attributes);
            });
        }
        Data::Summary(data) => data.data_points.iter_mut().for_each(|point| fill_all(&mut point.attributes)),
    }
}
