use proptest::prelude::*;

use super::*;
use crate::batch::Decoded;
use crate::otlp::walk;
use crate::testing::arbitrary::{self, Options};

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![Just(Signal::Traces), Just(Signal::Metrics), Just(Signal::Logs)]
}

fn request(signal: Signal, seed: u64) -> Bytes {
    arbitrary::request(signal, seed, Options { unknown_fields: seed.is_multiple_of(2), ..Options::default() })
}

/// Each item on its own with everything around it, which is the finest cut there is: two requests that
/// hold the same items under the same resource, scope and metric in the same order give the same list.
fn items_with_surroundings(signal: Signal, request: &[u8]) -> Vec<Decoded> {
    split(signal, request, Limits { items: 1, bytes: usize::MAX })
        .into_iter()
        .filter(|piece| piece.items == 1)
        .map(|piece| Decoded::read(signal, &piece.bytes).expect("decodes"))
        .collect()
}

/// The same on objects, for requests without groups that are empty.
fn items_of_decoded(decoded: &Decoded) -> Vec<Decoded> {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    let mut items = Vec::new();
    match decoded {
        Decoded::Traces(request) => {
            for group in &request.resource_spans {
                for scope in &group.scope_spans {
                    for span in &scope.spans {
                        let scope = opentelemetry_proto::tonic::trace::v1::ScopeSpans {
                            spans: vec![span.clone()],
                            ..scope.clone()
                        };
                        let group = opentelemetry_proto::tonic::trace::v1::ResourceSpans {
                            scope_spans: vec![scope],
                            ..group.clone()
                        };
                        items.push(Decoded::Traces(
                            opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest {
                                resource_spans: vec![group],
                            },
                        ));
                    }
                }
            }
        }
        Decoded::Logs(request) => {
            for group in &request.resource_logs {
                for scope in &group.scope_logs {
                    for record in &scope.log_records {
                        let scope = opentelemetry_proto::tonic::logs::v1::ScopeLogs {
                            log_records: vec![record.clone()],
                            ..scope.clone()
                        };
                        let group = opentelemetry_proto::tonic::logs::v1::ResourceLogs {
                            scope_logs: vec![scope],
                            ..group.clone()
                        };
                        items.push(Decoded::Logs(
                            opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest {
                                resource_logs: vec![group],
                            },
                        ));
                    }
                }
            }
        }
        Decoded::Metrics(request) => {
            for group in &request.resource_metrics {
                for scope in &group.scope_metrics {
                    for metric in &scope.metrics {
                        let datas: Vec<Data> = match &metric.data {
                            None => Vec::new(),
                            Some(Data::Gauge(data)) => data
                                .data_points
                                .iter()
                                .map(|point| {
                                    let mut one = data.clone();
                                    one.data_points = vec![point.clone()];
                                    Data::Gauge(one)
                                })
                                .collect(),
                            Some(Data::Sum(data)) => data
                                .data_points
                                .iter()
                                .map(|point| {
                                    let mut one = data.clone();
                                    one.data_points = vec![point.clone()];
                                    Data::Sum(one)
                                })
                                .collect(),
                            Some(Data::Histogram(data)) => data
                                .data_points
                                .iter()
                                .map(|point| {
                                    let mut one = data.clone();
                                    one.data_points = vec![point.clone()];
                                    Data::Histogram(one)
                                })
                                .collect(),
                            Some(Data::ExponentialHistogram(data)) => data
                                .data_points
                                .iter()
                                .map(|point| {
                                    let mut one = data.clone();
                                    one.data_points = vec![point.clone()];
                                    Data::ExponentialHistogram(one)
                                })
                                .collect(),
                            Some(Data::Summary(data)) => data
                                .data_points
                                .iter()
                                .map(|point| {
                                    let mut one = data.clone();
                                    one.data_points = vec![point.clone()];
                                    Data::Summary(one)
                                })
                                .collect(),
                        };
                        for data in datas {
                            let metric = opentelemetry_proto::tonic::metrics::v1::Metric {
                                data: Some(data),
                                ..metric.clone()
                            };
                            let scope = opentelemetry_proto::tonic::metrics::v1::ScopeMetrics {
                                metrics: vec![metric],
                                ..scope.clone()
                            };
                            let group = opentelemetry_proto::tonic::metrics::v1::ResourceMetrics {
                                scope_metrics: vec![scope],
                                ..group.clone()
                            };
                            items.push(Decoded::Metrics(opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest { resource_metrics: vec![group] }));
                        }
                    }
                }
            }
        }
    }
    items
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The finest cut holds each item with its own resource, scope and metric; empty groups that came
    /// before an item may stand beside it.
    #[test]
    fn the_finest_cut_equals_decode_split_encode(signal in signal(), seed: u64) {
        let request = request(signal, seed);
        let decoded = Decoded::read(signal, &request).expect("decodes");
        let cut = items_with_surroundings(signal, &request);
        let oracle = items_of_decoded(&decoded);
        prop_assert_eq!(cut.len(), oracle.len());
        for (cut, oracle) in cut.iter().zip(&oracle) {
            prop_assert_eq!(&items_of_decoded(cut), std::slice::from_ref(oracle));
        }
    }

    /// Every piece keeps the limit on items, all items are there in order, none twice.
    #[test]
    fn splitting_by_items_keeps_every_item(signal in signal(), seed: u64, most in 1usize..12) {
        let request = request(signal, seed);
        let total = walk(signal, &request).expect("well formed").items;
        let pieces = split(signal, &request, Limits { items: most, bytes: usize::MAX });
        prop_assert_eq!(pieces.iter().map(|piece| piece.items).sum::<usize>(), total);
        let mut parts = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            let walked = walk(signal, &piece.bytes).expect("well formed");
            prop_assert!(walked.is_canonical);
            prop_assert_eq!(walked.items, piece.items);
            prop_assert!(piece.items <= most);
            prop_assert!(piece.items == most || index + 1 == pieces.len(), "pieces are full but the last");
            parts.extend(items_of_decoded(&Decoded::read(signal, &piece.bytes).expect("decodes")));
        }
        prop_assert_eq!(parts, items_of_decoded(&Decoded::read(signal, &request).expect("decodes")));
    }

    /// Every piece keeps the limit on bytes unless one item alone breaks it.
    #[test]
    fn splitting_by_bytes_keeps_the_limit(signal in signal(), seed: u64, most in 100usize..2000) {
        let request = request(signal, seed);
        let pieces = split(signal, &request, Limits { items: usize::MAX, bytes: most });
        let mut parts = Vec::new();
        for piece in &pieces {
            let without_empty_groups = piece.items > 1;
            prop_assert!(piece.bytes.len() <= most || !without_empty_groups || has_empty_groups(signal, &request));
            parts.extend(items_of_decoded(&Decoded::read(signal, &piece.bytes).expect("decodes")));
        }
        prop_assert_eq!(parts, items_of_decoded(&Decoded::read(signal, &request).expect("decodes")));
    }

    /// Joining is what decoding one after the other into one object gives.
    #[test]
    fn concatenation_is_a_merge(signal in signal(), first: u64, second: u64) {
        let requests = [request(signal, first), request(signal, second)];
        let joined = concat(&requests);
        let items: usize = requests.iter().map(|request| walk(signal, request).expect("well formed").items).sum();
        prop_assert_eq!(walk(signal, &joined).expect("well formed").items, items);
        let parts: Vec<Decoded> = requests.iter().map(|request| Decoded::read(signal, request).expect("decodes")).collect();
        let oracle: Vec<Decoded> = parts.iter().flat_map(items_of_decoded).collect();
        prop_assert_eq!(items_of_decoded(&Decoded::read(signal, &joined).expect("decodes")), oracle);
    }

    /// Without a limit the one piece says what the request said.
    #[test]
    fn no_limit_is_one_equal_piece(signal in signal(), seed: u64) {
        let request = request(signal, seed);
        let pieces = split(signal, &request, Limits::NONE);
        if !request.is_empty() && resource_groups(&request).next().is_some() {
            prop_assert_eq!(pieces.len(), 1);
            prop_assert_eq!(Decoded::read(signal, &pieces[0].bytes), Decoded::read(signal, &request));
        }
    }
}

fn has_empty_groups(signal: Signal, request: &[u8]) -> bool {
    resource_groups(request).any(|group| {
        let scopes: Vec<_> = scope_groups(group).collect();
        scopes.is_empty()
            || scopes.iter().any(|scope| {
                let records: Vec<_> = records(*scope).collect();
                records.is_empty()
                    || signal == Signal::Metrics
                        && records.iter().any(|metric| {
                            metric_data(*metric).is_none_or(|data| data_points(data).next().is_none())
                        })
            })
    })
}
