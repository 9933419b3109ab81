//! The pages of the components: the same sections on each, and every key.

use std::path::{Path, PathBuf};

use spindle_config::source::{Process, Source};
use spindle_config::{Sections, Sources};
use spindle_pipeline::graph::Plan;

use crate::components::registry;

/// The sections of a page, in this order. Sections of its own stand behind the first, and at the end what
/// differs from the Collector. Extensions have no data to deliver or to count.
const SECTIONS: [&str; 4] = ["Configuration", "Delivery", "Telemetry", "Limits"];
const LAST_SECTION: &str = "Differences from the Collector";

/// The folders of components, which are those with a sample.
fn folders() -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> =
        ["receivers/src", "processors/src", "exporters/src", "agent/src/extensions"]
            .map(|part| workspace.join(part))
            .into();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some("sample.yaml") => found.push(folder.clone()),
                _ if path.is_dir() => waiting.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whoever knows one page finds things on all of them.
#[test]
fn pages_have_the_same_sections() {
    for folder in folders() {
        let page = read(&folder.join("README.md"));
        let title = page.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default();
        let component = folder.file_name().and_then(|name| name.to_str());
        assert_eq!(title.split(',').next(), component, "{}", folder.display());
        let mut sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        if sections.last() == Some(&LAST_SECTION) {
            sections.pop();
        }
        let (first, last) = match section_of(&folder) {
            "extensions" => (&SECTIONS[..1], &SECTIONS[3..]),
            _ => (&SECTIONS[..1], &SECTIONS[1..]),
        };
        assert!(
            sections.starts_with(first) && sections.ends_with(last),
            "{}: {sections:?}",
            folder.display()
        );
    }
}

/// The links of a page lead somewhere.
#[test]
fn links_of_pages_lead_somewhere() {
    for folder in folders() {
        let page = read(&folder.join("README.md"));
        for link in page.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let is_good = link.is_empty() || link.contains("://") || folder.join(link).exists();
            assert!(is_good, "{}: {link}", folder.display());
        }
    }
}

/// The section of a configuration that a component's folder belongs to.
fn section_of(folder: &Path) -> &'static str {
    let names: Vec<&str> = folder.iter().rev().filter_map(|name| name.to_str()).collect();
    let sections = ["receivers", "processors", "exporters", "extensions"];
    let found = names.iter().find_map(|name| sections.into_iter().find(|section| section == name));
    found.expect("the folder of a component")
}

/// The keys that a component takes, as the error about an unknown one lists them.
fn keys(section: &str, component: &str) -> Vec<String> {
    let text = format!("yaml:{section}: {{{component}: {{no_such_key: 1}}}}");
    let mut sources = Sources::default();
    sources.add(Source::from_uri(&text).expect("a source"));
    let (document, mut diagnostics) = spindle_config::load(&sources, &Process);
    let sections = Sections::read(&document, &mut diagnostics);
    let _ = Plan::read(&sections, &registry(), Vec::new(), &mut diagnostics);
    let notes =
        diagnostics.iter().filter(|item| item.message.contains("no_such_key")).flat_map(|item| &item.notes);
    let mut lists = notes.filter_map(|note| note.strip_prefix("allowed here: "));
    let Some(list) = lists.next() else { return Vec::new() };
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A key that a component takes stands on its page.
#[test]
fn pages_name_every_key() {
    let mut missing = Vec::new();
    for folder in folders() {
        let page = read(&folder.join("README.md"));
        let component = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        let is_named =
            |key: &str| page.split(&format!("`{key}")).skip(1).any(|rest| rest.starts_with(['`', ':', '.']));
        let keys = keys(section_of(&folder), component);
        assert!(!keys.is_empty() || component == "nop", "{component} has no keys");
        missing
            .extend(keys.into_iter().filter(|key| !is_named(key)).map(|key| format!("{component}: {key}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
