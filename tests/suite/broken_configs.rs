//! What `spindle validate` says about configurations that cannot be, word for word.
//!
//! A file of `tests/configs/broken` starts with comments: `# env NAME=VALUE` and `# args ...` say how it is
//! run, the last one what is wrong with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use harness::cli::{Ended, Session};
use harness::{golden, peers};

/// So many at least; more is better.
const AT_LEAST: usize = 40;

/// Every broken configuration gets its report, all problems at once, and ends with 2.
#[tokio::test]
async fn every_broken_configuration_gets_its_report() {
    let files = files_of("broken");
    assert!(files.len() >= AT_LEAST, "{} broken configurations", files.len());
    let mut problems = Vec::new();
    for file in &files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let ended = validate(file).await;
        if ended.code != 2 || !ended.stdout.is_empty() {
            problems.push(format!("{name} ends with {}:\n{}{}", ended.code, ended.stdout, ended.stderr));
        }
        assert!(!ended.stderr.contains("hunter2"), "{name} shows a secret:\n{}", ended.stderr);
        problems.extend(golden::compare(&format!("configs/{name}.txt"), &ended.stderr).err());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A golden whose configuration is gone would be kept for ever.
#[test]
fn every_report_belongs_to_a_configuration() {
    let stems = |files: Vec<PathBuf>| -> BTreeSet<String> {
        files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let goldens = std::fs::read_dir(golden::path("configs")).unwrap();
    let goldens = stems(goldens.map(|entry| entry.unwrap().path()).collect());
    assert_eq!(goldens, stems(files_of("broken")));
}

/// The Collector configurations that the guides show either are good, or the error names each component
/// that is not built yet and nothing else.
#[tokio::test]
async fn the_guides_configurations_are_good_or_name_what_is_missing() {
    let files = files_of("guides");
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let ended = validate(&file).await;
        for line in ended.stderr.lines().filter(|line| line.starts_with("error")) {
            assert!(line.contains("unknown type: "), "{name}: {}", ended.stderr);
        }
        let unknown = ended.stderr.matches("unknown type: ").count();
        let unbuilt = ended.stderr.matches("it is not built into this version of spindle yet").count();
        assert_eq!(
            (unknown, ended.code),
            (unbuilt, if unbuilt == 0 { 0 } else { 2 }),
            "{name}: {}",
            ended.stderr
        );
        golden::check(&format!("guides/{name}.txt"), &ended.stderr);
    }
}

fn files_of(folder: &str) -> Vec<PathBuf> {
    let folder = peers::repository().join("tests/configs").join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

async fn validate(file: &Path) -> Ended {
    let bytes = std::fs::read(file).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let name = file.file_name().unwrap().to_str().unwrap();
    let mut session = Session::new().file_of_bytes(name, &bytes);
    let mut arguments = vec!["validate", "--config", name];
    for comment in text.lines().map_while(|line| line.strip_prefix("# ")) {
        if let Some((variable, value)) = comment.strip_prefix("env ").and_then(|rest| rest.split_once('=')) {
            session = session.variable(variable, value);
        } else if let Some(more) = comment.strip_prefix("args ") {
            arguments.extend(more.split(' '));
        }
    }
    session.quietly(&arguments).await
}
