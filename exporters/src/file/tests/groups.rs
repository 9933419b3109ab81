use std::fs;
use std::path::Path;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use spindle_pipeline::otlp::splice::edit_resources;

use super::*;
use bytes::Bytes;
use spindle_pipeline::otlp::split::concat;

const KEY: &str = "fileexporter.path_segment";

/// A request of one resource, which says where it goes unless `segment` is `None`.
fn of(segment: Option<&str>, first: u64, count: usize) -> Bytes {
    let request = spans::request_with(count, first);
    let Some(segment) = segment else { return request };
    edit_resources(&request, |edit| edit.set(KEY, segment, true)).expect("edited")
}

fn joined(requests: &[Bytes]) -> Batch {
    Batch::receive(Signal::Traces, concat(requests)).expect("well formed")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Each value has its file, with its resources in order and nobody else's.
#[tokio::test]
async fn each_value_has_its_file() {
    let folder = folder();
    let exporter = exporter(&folder.path().join("runs/*.json"), "group_by: {enabled: true}");
    let (blue, red, more_blue) = (of(Some("blue"), 0, 2), of(Some("red"), 10, 3), of(Some("blue"), 20, 1));
    let batch = joined(&[blue.clone(), red.clone(), more_blue.clone()]);
    let exported = exporter.export(&batch).await.expect("written");
    assert_eq!(exported.rejected_items, 0);
    let runs = folder.path().join("runs");
    assert_eq!(names(&runs), ["blue.json", "red.json"]);
    assert_eq!(read_lines(&runs.join("blue.json")), [concat(&[blue, more_blue]).to_vec()]);
    assert_eq!(read_lines(&runs.join("red.json")), [red.to_vec()]);
}

/// What has no file is told with its number and not lost in silence; the rest is written.
#[tokio::test]
async fn resources_without_the_attribute_are_counted() {
    let folder = folder();
    let exporter = exporter(&folder.path().join("*.json"), "group_by: {enabled: true}");
    let batch = joined(&[of(None, 0, 4), of(Some("red"), 10, 3), of(None, 20, 1)]);
    let exported = exporter.export(&batch).await.expect("written");
    assert_eq!(exported.rejected_items, 5);
    assert!(exported.message.contains(KEY), "{}", exported.message);
    assert_eq!(names(folder.path()), ["red.json"]);
}

/// The points of all metrics count, not the metrics.
#[tokio::test]
async fn homeless_metrics_are_counted_by_point() {
    let folder = folder();
    let exporter = exporter(&folder.path().join("*.json"), "group_by: {enabled: true}");
    for signal in Signal::ALL {
        for seed in 0..50 {
            let request = arbitrary::request(signal, seed, Options::default());
            let batch = Batch::receive(signal, request).expect("well formed");
            let exported = exporter.export(&batch).await.expect("written");
            assert_eq!(exported.rejected_items, batch.items() as u64, "{signal}, seed {seed}");
        }
    }
    assert!(names(folder.path()).is_empty());
}

/// A value that tries to lead elsewhere names a file here.
#[tokio::test]
async fn values_cannot_lead_out_of_the_directory() {
    let folder = folder();
    let inside = folder.path().join("inside");
    let exporter = exporter(&inside.join("*"), "group_by: {enabled: true}");
    let long = "x".repeat(5000);
    for value in ["../outside", "..", "/etc/passwd", "a/b", "\0", "", long.as_str()] {
        exporter.export(&joined(&[of(Some(value), 0, 1)])).await.expect("written");
    }
    assert_eq!(names(folder.path()), ["inside"]);
    assert_eq!(names(&inside).len(), 6, "{:?}", names(&inside));
}

/// More values than open files: each file has everything that is its own.
#[tokio::test]
async fn files_are_closed_and_opened_again() {
    let folder = folder();
    let keys = "group_by: {enabled: true, max_open_files: 3, resource_attribute: run}";
    let exporter = exporter(&folder.path().join("*.json"), keys);
    for round in 0..3 {
        for run in 0..10 {
            let request = spans::request_with(1, round * 10 + run);
            let value = format!("run-{run}");
            let request = edit_resources(&request, |edit| edit.set("run", &value, true)).expect("edited");
            exporter.export(&joined(&[request])).await.expect("written");
        }
    }
    for run in 0..10 {
        let found = read_lines(&folder.path().join(format!("run-{run}.json")));
        assert_eq!(found.len(), 3, "run-{run}");
        for request in found {
            ExportTraceServiceRequest::decode(request.as_slice()).expect("a request");
        }
    }
}

/// Grouped files rotate as others do.
#[tokio::test]
async fn grouped_files_are_put_aside_when_they_are_large() {
    let folder = folder();
    let keys = "group_by: {enabled: true}, rotation: {max_megabytes: 1, max_backups: 1}";
    let exporter = exporter(&folder.path().join("*.json"), keys);
    for first in 0..6 {
        exporter.export(&joined(&[of(Some("blue"), first, 1000)])).await.expect("written");
    }
    assert_eq!(names(folder.path()).len(), 2, "{:?}", names(folder.path()));
}
