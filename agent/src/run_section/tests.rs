use std::os::unix::fs::PermissionsExt;

use spindle_config::source::Source;
use spindle_config::{Document, Sources};

use super::*;

struct Nothing;

impl spindle_config::Surroundings for Nothing {
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn read(&self, _path: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

fn document(yaml: &str) -> Document {
    let mut sources = Sources::default();
    sources.add(Source::Yaml(yaml.to_owned()));
    spindle_config::load(&sources, &Nothing).0
}

fn read(yaml: &str, variable: Option<&str>) -> (RunSection, Vec<String>) {
    let document = document(yaml);
    let sections = Sections::read(&document, &mut Diagnostics::default());
    let mut diagnostics = Diagnostics::default();
    let run = RunSection::read(&sections, variable.map(str::to_owned), &mut diagnostics);
    (run, diagnostics.iter().map(spindle_config::Diagnostic::one_line).collect())
}

/// A Collector's configuration gives the Collector's output; the section or the variable make a run.
#[test]
fn there_is_a_run_when_it_is_asked_for() {
    assert!(read("{}", None).0.run().is_none());
    assert!(read("{}", Some(" ")).0.run().is_none());
    assert_eq!(read("{}", Some("r7")).0.run().map(|run| run.id.clone()), Some("r7".to_owned()));
    let generated = read("run:", None).0.run().expect("a run").id.clone();
    assert!(generated.starts_with("container-run-"), "{generated}");
    assert_eq!(read("run:", Some("r7")).0.run().expect("a run").id, "r7");
    let (run, _) = read("run: {id: mine, label: run.id, override: true}", Some("r7"));
    let run = run.run().expect("a run");
    assert_eq!((run.id.as_str(), run.label.as_str(), run.is_overriding), ("mine", "run.id", true));
}

/// The id is a folder's name and the label a series label; what cannot be either is told before the start.
#[test]
fn says_what_cannot_be() {
    for (yaml, variable, problem) in [
        (
            "run: {id: a/b}",
            None,
            "run::id: the run id \"a/b\" cannot be a folder's name (no /, no control characters)",
        ),
        (
            "run: {id: ..}",
            None,
            "run::id: the run id \"..\" cannot be a folder's name (no /, no control characters)",
        ),
        (
            "{}",
            Some("a/b"),
            "the variable CONTAINER_RUN_ID: the run id \"a/b\" cannot be a folder's name (no /, no control characters)",
        ),
        ("run: {label: 1st}", None, "run::label: \"1st\" cannot be a label's name"),
        (
            "run: {label: job}",
            None,
            "run::label: the label \"job\" has a meaning in Prometheus; choose another",
        ),
        (
            "run: {label: exporter}",
            None,
            "run::label: the label \"exporter\" has a meaning in the agent's own metrics; choose another",
        ),
        ("run: {lable: x}", None, "run: has invalid keys: lable"),
    ] {
        assert_eq!(read(yaml, variable).1, [problem], "{yaml}");
    }
}

/// The folder holds the configuration and a manifest for its owner alone, and a second run gets one of
/// its own.
#[test]
fn each_run_has_a_folder_for_its_owner() {
    let directory = std::env::temp_dir().join(format!("spindle-run-{}", std::process::id()));
    for id in ["r1", "r2"] {
        let (run, _) = read(&format!("run: {{id: {id}, directory: {}}}", directory.display()), None);
        let facts = Facts {
            listeners: vec![(
                "receivers::otlp::protocols::grpc::endpoint".to_owned(),
                "localhost:4317".to_owned(),
            )],
            signals: vec!["traces"],
            receivers: vec!["nvml".to_owned()],
            warnings: vec!["w".to_owned()],
        };
        let folder = run.make_folder().expect("makes it").expect("a folder");
        let mode = std::fs::metadata(folder.path()).expect("exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        run.write_folder(&folder, "receivers: {}\n", &facts).expect("writes");
        folder.remove_if_empty();
        let manifest = std::fs::read_to_string(folder.path().join("manifest.json")).expect("a manifest");
        let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
        assert_eq!(manifest["container_run_id"], id);
        assert_eq!(manifest["telemetry_surfaces"]["tracing"]["status"], "enabled");
        assert_eq!(manifest["telemetry_surfaces"]["gpu_metrics"]["status"], "enabled");
        assert_eq!(manifest["telemetry_surfaces"]["logs"]["status"], "disabled");
        assert_eq!(std::fs::read_to_string(folder.config_path()).expect("a config"), "receivers: {}\n");
        for file in [folder.path().join("manifest.json"), folder.config_path()] {
            let mode = std::fs::metadata(&file).expect("exists").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
        let names = std::fs::read_dir(folder.path()).expect("exists").count();
        assert_eq!(names, 2, "no half-written file is left");
    }
    assert_eq!(std::fs::read_dir(&directory).expect("exists").count(), 2);
    std::fs::remove_dir_all(&directory).expect("cleans up");
}

/// An agent that fails to start again and again leaves no folder behind for each time.
#[test]
fn a_failed_start_leaves_no_folder() {
    let directory = std::env::temp_dir().join(format!("spindle-run-failed-{}", std::process::id()));
    let (run, _) = read(&format!("run: {{id: r1, directory: {}}}", directory.display()), None);
    let folder = run.make_folder().expect("makes it").expect("a folder");
    assert!(folder.path().exists());
    folder.remove_if_empty();
    assert!(!folder.path().exists());
    std::fs::remove_dir_all(&directory).expect("cleans up");
}
