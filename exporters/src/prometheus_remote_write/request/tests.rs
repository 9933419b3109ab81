use prost::Message;

use super::*;
use crate::prometheus_remote_write::Settings;
use crate::prometheus_remote_write::naming::MetricNamer;
use crate::prometheus_remote_write::testing::{
    NO_LIMITS, gauge, point, prompb, request, requests, text, translated,
};
use crate::prometheus_remote_write::translate::Translator;

fn translator(points: &[(u64, &str)]) -> Translator {
    let settings = Settings { namer: MetricNamer::new("", true), ..Settings::default() };
    let mut translator = Translator::new(settings, spindle_pipeline::run::Runs::default());
    let points = points.iter().map(|(time, id)| point(*time, *time as f64, vec![text("id", id)])).collect();
    let _ = translated(&mut translator, &request(vec![], vec![gauge("g", points)]));
    translator
}

fn shape(requests: &[prompb::WriteRequest]) -> Vec<Vec<(String, Vec<i64>)>> {
    let series = |series: &prompb::TimeSeries| {
        let times = series.samples.iter().map(|sample| sample.timestamp / 1000).collect();
        (series.labels.last().expect("has labels").value.clone(), times)
    };
    requests.iter().map(|request| request.timeseries.iter().map(series).collect()).collect()
}

/// A series that does not fit goes on in the next request, in order.
#[test]
fn series_are_cut_in_the_order_of_their_samples() {
    let translator = translator(&[(3, "a"), (1, "a"), (2, "a"), (4, "a"), (5, "a"), (1, "b")]);
    let of = |id: &str, times: &[i64]| (id.to_owned(), times.to_vec());
    let limits = Limits { samples: 2, ..NO_LIMITS };
    assert_eq!(
        shape(&requests(&translator, limits, 1)),
        [vec![of("a", &[1, 2])], vec![of("a", &[3, 4])], vec![of("a", &[5]), of("b", &[1])]]
    );
}

/// `max_batch_size_bytes` is met to the byte; one sample that alone is larger stands alone.
#[test]
fn requests_are_as_large_as_they_may_be() {
    let points: Vec<(u64, String)> = (0..40).map(|index| (7, format!("{index:02}"))).collect();
    let points: Vec<(u64, &str)> = points.iter().map(|(time, id)| (*time, id.as_str())).collect();
    let translator = translator(&points);
    let whole = requests(&translator, NO_LIMITS, 1)[0].encoded_len();
    assert_eq!(whole % 40, 0);
    let one = whole / 40;
    for (bytes, count) in [(whole, 1), (whole - 1, 2), (one * 10, 4), (one * 11 - 1, 4), (one, 40), (1, 40)] {
        let cut = requests(&translator, Limits { bytes, ..NO_LIMITS }, 1);
        assert_eq!(cut.len(), count, "{bytes}");
        assert!(cut.iter().all(|request| request.encoded_len() <= bytes.max(one)));
    }
}

/// Each series is in one shard, the same at any time, and all shards together hold everything.
#[test]
fn a_series_stays_in_its_shard() {
    let ids: Vec<String> = (0..200).map(|index| index.to_string()).collect();
    let points: Vec<(u64, &str)> = ids.iter().map(|id| (1, id.as_str())).collect();
    let mut translator = translator(&points);
    let shards = |translator: &Translator| -> Vec<Vec<String>> {
        (0..4)
            .map(|shard| {
                let (mut cursor, mut written) = (Cursor::new(shard, 4), WriteRequest::default());
                assert!(translator.write_request(&mut cursor, NO_LIMITS, &mut written));
                let request = prompb::WriteRequest::decode(written.body.as_slice()).expect("well formed");
                let mut ids: Vec<String> = shape(&[request]).concat().into_iter().map(|(id, _)| id).collect();
                ids.sort();
                ids
            })
            .collect()
    };
    let first = shards(&translator);
    assert_eq!(first.concat().len(), 200);
    assert!(first.iter().all(|ids| ids.len() > 20), "evenly, about");
    let points = ids.iter().rev().map(|id| point(2, 0.0, vec![text("id", id)])).collect();
    let _ = translated(&mut translator, &request(vec![], vec![gauge("g", points)]));
    assert_eq!(shards(&translator), first);
}

/// Metadata is cut like samples.
#[test]
fn metadata_is_cut_into_requests() {
    let entry =
        |name: &str| Metadata { kind: 2, name: name.to_owned(), help: "h".to_owned(), unit: "u".to_owned() };
    let entries = vec![entry("a"), entry("b"), entry("c")];
    let mut written = WriteRequest::default();
    assert_eq!(write_metadata(&entries, NO_LIMITS, &mut written), 3);
    let decoded = prompb::WriteRequest::decode(written.body.as_slice()).expect("well formed");
    let first = prompb::MetricMetadata {
        kind: 2,
        metric_family_name: "a".to_owned(),
        help: "h".to_owned(),
        unit: "u".to_owned(),
    };
    assert_eq!((decoded.metadata.len(), &decoded.metadata[0]), (3, &first));
    for (limits, count) in [
        (Limits { samples: 2, ..NO_LIMITS }, 2),
        (Limits { bytes: written.body.len() - 1, ..NO_LIMITS }, 2),
        (Limits { bytes: 1, ..NO_LIMITS }, 1),
    ] {
        assert_eq!(write_metadata(&entries, limits, &mut written), count);
    }
}
