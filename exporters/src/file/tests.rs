mod disk;
mod groups;
mod names;
mod rotation;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use spindle_pipeline::net::compression::Encoding;
use spindle_pipeline::otlp::json;
use spindle_pipeline::testing::arbitrary::{self, Options};
use spindle_pipeline::testing::{config, config_with_problems, context, contract, spans};
use spindle_pipeline::{Batch, Signal};
use tempfile::TempDir;

use super::*;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn build(yaml: &str) -> Result<Arc<dyn Exporter>, BuildError> {
    FileType::build(config::<FileType>(yaml), &context("file"))
}

fn exporter(path: &Path, keys: &str) -> Arc<dyn Exporter> {
    build(&format!("{{path: \"{}\", {keys}}}", path.display())).expect("builds")
}

/// Spans whose ids count from `first`.
fn batch(first: u64, count: usize) -> Batch {
    Batch::receive(Signal::Traces, spans::request_with(count, first)).expect("well formed")
}

/// The requests in a file of lines.
fn read_lines(path: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(path).expect("a file");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is torn");
    text.lines().map(|line| json::to_protobuf(Signal::Traces, line.as_bytes()).expect("OTLP/JSON")).collect()
}

/// The records in a file of records behind their lengths.
fn read_frames(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).expect("a file");
    let (mut rest, mut records) = (bytes.as_slice(), Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (record, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        records.push(record.to_vec());
        rest = behind;
    }
    assert!(rest.is_empty(), "the last record is torn");
    records
}

/// The clauses that every exporter keeps, in every format.
#[tokio::test]
async fn keeps_the_contract() {
    contract::factory::<FileType>();
    let folder = folder();
    for keys in ["", "format: proto", "compression: zstd", "format: proto, compression: zstd"] {
        contract::exporter(&*exporter(&folder.path().join("out"), keys), SignalSet::ALL).await;
    }
    let grouped = exporter(&folder.path().join("*.json"), "group_by: {enabled: true}");
    contract::exporter(&*grouped, SignalSet::ALL).await;
}

/// JSON: each request is a line, there as soon as it is answered, of whatever signal.
#[tokio::test]
async fn json_is_a_request_in_each_line() {
    let folder = folder();
    let path = folder.path().join("out.jsonl");
    let exporter = exporter(&path, "");
    for (position, batch) in [batch(0, 1), batch(1, 3)].into_iter().enumerate() {
        exporter.export(&batch).await.expect("written");
        let lines = read_lines(&path);
        assert_eq!(lines.len(), position + 1);
        assert_eq!(lines[position], batch.bytes());
    }
    for signal in [Signal::Metrics, Signal::Logs] {
        let request = arbitrary::request(signal, 3, Options { unknown_fields: false, ..Options::default() });
        let batch = Batch::receive(signal, request).expect("well formed");
        exporter.export(&batch).await.expect("written");
        let mut expected = Vec::new();
        json::to_json(signal, &batch.bytes(), &mut expected);
        let text = fs::read_to_string(&path).expect("a file");
        assert_eq!(text.lines().last().map(str::as_bytes), Some(expected.as_slice()));
    }
}

/// The other formats: each request stands behind its length, by itself compressed or not.
#[tokio::test]
async fn other_formats_stand_behind_their_length() {
    for (keys, is_json, is_compressed) in [
        ("format: proto", false, false),
        ("format: proto, compression: zstd", false, true),
        ("format: json, compression: zstd, compression_params: {level: 6}", true, true),
    ] {
        let folder = folder();
        let path = folder.path().join("out");
        let exporter = exporter(&path, keys);
        let batches = [batch(0, 1), batch(1, 40)];
        for batch in &batches {
            exporter.export(batch).await.expect("written");
        }
        let records = read_frames(&path);
        assert_eq!(records.len(), batches.len());
        for (record, batch) in records.into_iter().zip(batches) {
            let encoding = if is_compressed { Encoding::Zstd } else { Encoding::Identity };
            let plain = encoding.decompress(&record, 1 << 20).expect("readable");
            let request =
                if is_json { json::to_protobuf(Signal::Traces, &plain).expect("OTLP/JSON") } else { plain };
            assert_eq!(request, batch.bytes(), "{keys}");
        }
    }
}

/// Telemetry is for its owner; directories are made as configured.
#[tokio::test]
async fn files_are_private_and_directories_are_made() {
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let folder = folder();
    let path = folder.path().join("a/b/out.json");
    let exporter = exporter(&path, "directory_permissions: \"0700\"");
    exporter.export(&batch(0, 1)).await.expect("written");
    assert_eq!(mode(&path), 0o600);
    assert_eq!((mode(&folder.path().join("a")), mode(&folder.path().join("a/b"))), (0o700, 0o700));
    let nowhere = folder.path().join("c/out.json");
    let error = build(&format!("{{path: \"{}\", create_directory: false}}", nowhere.display())).err();
    let error = error.expect("there is no directory");
    assert_eq!(error.key, "path");
    assert!(error.message.starts_with(&format!("cannot open {}: ", nowhere.display())), "{}", error.message);
    assert!(!nowhere.parent().expect("a parent").exists());
}

/// What is in the file stays until there is something new to write; then it goes, or stays with `append`.
#[tokio::test]
async fn an_old_file_is_emptied_unless_it_is_continued() {
    for (keys, left) in [("append: true", 1), ("append: false", 0)] {
        let folder = folder();
        let path = folder.path().join("out.json");
        exporter(&path, keys).export(&batch(0, 1)).await.expect("written");
        let second = exporter(&path, keys);
        assert_eq!(read_lines(&path).len(), 1, "opening it touches nothing");
        second.export(&batch(1, 1)).await.expect("written");
        second.export(&batch(2, 1)).await.expect("written");
        assert_eq!(read_lines(&path).len(), left + 2, "{keys}");
    }
}

/// Many writers at once: each request is whole, and there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_many_callers_do_not_mix() {
    let folder = folder();
    let path = folder.path().join("out.json");
    let exporter = exporter(&path, "");
    let callers = (0..200).map(|number| {
        let exporter = Arc::clone(&exporter);
        tokio::spawn(async move { exporter.export(&batch(number, 2)).await })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("no panic").expect("written");
    }
    let mut found = read_lines(&path);
    let mut expected: Vec<Vec<u8>> = (0..200).map(|number| batch(number, 2).bytes().to_vec()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

/// A caller that gives up does not take its request back, and nothing is written half.
#[tokio::test]
async fn a_caller_that_gives_up_leaves_its_request() {
    let folder = folder();
    let path = folder.path().join("out.json");
    let exporter = exporter(&path, "");
    for number in 0..50 {
        let batch = batch(number, 1);
        // Usually too short for the answer, and long enough to ask.
        let _ = tokio::time::timeout(Duration::ZERO, exporter.export(&batch)).await;
    }
    exporter.stop().await;
    assert_eq!(read_lines(&path).len(), 50);
}

/// The stop writes what was taken; afterwards nothing is taken.
#[tokio::test]
async fn nothing_is_taken_after_the_stop() {
    let folder = folder();
    let path = folder.path().join("out.json");
    let exporter = exporter(&path, "");
    exporter.export(&batch(0, 1)).await.expect("written");
    exporter.stop().await;
    let error = exporter.export(&batch(1, 1)).await.expect_err("stopped");
    assert!(error.retry().is_possible(), "somebody else may take it");
    exporter.stop().await;
    assert_eq!(read_lines(&path).len(), 1);
}

/// Files need no queue: the caller hears how it went.
#[test]
fn the_caller_gets_the_answer() {
    let settings = FileType::settings(&Config::default());
    assert_eq!(settings.queue, None);
    assert!(!settings.retry.enabled);
    assert!(!settings.timeout.is_zero());
}

/// The texts are those of the Collector, which users search for.
#[test]
fn says_what_cannot_be() {
    let cases = [
        ("{}", "path: path must be non-empty"),
        (
            "{path: x, append: true, compression: zstd}",
            "append: append and compression enabled at the same time is not supported",
        ),
        (
            "{path: x, append: true, rotation: }",
            "append: append and rotation enabled at the same time is not supported",
        ),
        ("{path: x, format: text}", "format: format type is not supported"),
        ("{path: x, compression: gzip}", "compression: compression is not supported"),
        (
            "{path: x, group_by: {enabled: true}}",
            "path: path must contain exactly one * when group_by is enabled",
        ),
        (
            "{path: \"a/*/*\", group_by: {enabled: true}}",
            "path: path must contain exactly one * when group_by is enabled",
        ),
        (
            "{path: \"*.json\", group_by: {enabled: true}}",
            "path: path must not start with * when group_by is enabled",
        ),
        (
            "{path: \"a/*\", group_by: {enabled: true, resource_attribute: \"\"}}",
            "group_by::resource_attribute: resource_attribute must not be empty when group_by is enabled",
        ),
        (
            "{path: \"a/*\", group_by: {enabled: true, max_open_files: 0}}",
            "group_by::max_open_files: max_open_files must be positive",
        ),
        (
            "{path: x, directory_permissions: \"9\"}",
            "directory_permissions: directory_permissions value must be a valid octal representation",
        ),
        (
            "{path: x, directory_permissions: \"1777\"}",
            "directory_permissions: directory_permissions contain invalid bits for file access",
        ),
        (
            "{path: x, create_directory: false, directory_permissions: \"0755\"}",
            "directory_permissions: directory_permissions requires create_directory to be true",
        ),
        (
            "{path: x, encoding: otlp_encoding}",
            "encoding: encoding extensions are not built into this version of spindle yet",
        ),
    ];
    for (yaml, problem) in cases {
        assert_eq!(config_with_problems::<FileType>(yaml).1, [problem], "{yaml}");
    }
    for fine in
        ["{path: x, rotation: }", "{path: x, append: true, rotation: {enabled: false}}", "{path: \"a*b\"}"]
    {
        assert!(config_with_problems::<FileType>(fine).1.is_empty(), "{fine}");
    }
    let rotation = config::<FileType>("{path: x, rotation: }").rotation;
    assert_eq!(rotation.into_option(), Some(Rotation::default()));
}
