//! The sections of a configuration: components by kind, pipelines, extensions, telemetry, the run.
//!
//! This is the shape every Collector file has. Whether a type exists and what its body may say is not
//! decided here.

use std::str::FromStr;

use crate::tree::{Mapping, Node, Origin};
use crate::{ComponentId, Diagnostic, Diagnostics, Document, nearest, quoted_list};

/// The keys at the top.
pub(crate) const SECTIONS: [&str; 7] =
    ["receivers", "processors", "exporters", "connectors", "extensions", "service", "run"];
const SERVICE_KEYS: [&str; 3] = ["extensions", "pipelines", "telemetry"];
const PIPELINE_KEYS: [&str; 3] = ["receivers", "processors", "exporters"];

/// A configured component.
#[derive(Clone, Debug)]
pub struct Component<'a> {
    /// `type/name`.
    pub id: ComponentId,
    /// Where the id stands.
    pub origin: Origin,
    /// Its body; null when there is none.
    pub body: &'a Node,
}

/// A component's id where a pipeline or the service names it.
#[derive(Clone, Debug)]
pub struct Mention {
    /// `type/name`.
    pub id: ComponentId,
    /// Where it stands.
    pub origin: Origin,
}

/// A pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// `signal/name`.
    pub id: ComponentId,
    /// Where the id stands.
    pub origin: Origin,
    /// Where its data comes from.
    pub receivers: Vec<Mention>,
    /// What happens to it, in order.
    pub processors: Vec<Mention>,
    /// Where it goes, to all of them.
    pub exporters: Vec<Mention>,
}

/// The sections of one document.
#[derive(Clone, Debug, Default)]
pub struct Sections<'a> {
    /// `receivers:`
    pub receivers: Vec<Component<'a>>,
    /// `processors:`
    pub processors: Vec<Component<'a>>,
    /// `exporters:`
    pub exporters: Vec<Component<'a>>,
    /// `connectors:`
    pub connectors: Vec<Component<'a>>,
    /// `extensions:`
    pub extensions: Vec<Component<'a>>,
    /// `service::extensions`
    pub enabled_extensions: Vec<Mention>,
    /// `service::pipelines`
    pub pipelines: Vec<Pipeline>,
    /// `service::telemetry`
    pub telemetry: Option<&'a Node>,
    /// `run:`, and where its key stands.
    pub run: Option<(&'a Node, Origin)>,
}

impl<'a> Sections<'a> {
    /// Reads the sections; what is wrong with their shape goes into `diagnostics`.
    pub fn read(document: &'a Document, diagnostics: &mut Diagnostics) -> Self {
        let root = &document.root;
        // What could not be read is not missing.
        let is_complete = !diagnostics.has_errors();
        let mut reader = Reader { diagnostics };
        reader.unknown_keys(root, "", &SECTIONS);
        let mut sections = Self {
            receivers: reader.components(root, "receivers"),
            processors: reader.components(root, "processors"),
            exporters: reader.components(root, "exporters"),
            connectors: reader.components(root, "connectors"),
            extensions: reader.components(root, "extensions"),
            run: root
                .as_mapping()
                .and_then(|map| map.get("run"))
                .map(|entry| (&entry.value, entry.key_origin)),
            ..Self::default()
        };
        if let Some(service) = root.get("service") {
            reader.unknown_keys(service, "service", &SERVICE_KEYS);
            sections.enabled_extensions = reader.mentions(service, "extensions", "service");
            sections.pipelines = reader.pipelines(service);
            sections.telemetry = service.get("telemetry").filter(|node| !node.is_null());
        }
        if is_complete {
            require_the_least(root, diagnostics);
        }
        sections
    }
}

/// What no configuration can do without. A section of the wrong shape is reported elsewhere.
fn require_the_least(root: &Node, diagnostics: &mut Diagnostics) {
    let is_missing = |node: Option<&Node>| {
        node.is_none_or(|node| node.is_null() || node.as_mapping().is_some_and(Mapping::is_empty))
    };
    let no_connectors = is_missing(root.get("connectors"));
    if is_missing(root.get("receivers")) && no_connectors {
        diagnostics.push(Diagnostic::error("no receiver configuration specified in config"));
    }
    if is_missing(root.get("exporters")) && no_connectors {
        diagnostics.push(Diagnostic::error("no exporter configuration specified in config"));
    }
    let service = root.as_mapping().and_then(|map| map.get("service"));
    if is_missing(service.and_then(|entry| entry.value.get("pipelines"))) {
        let mut diagnostic =
            Diagnostic::error("service must have at least one pipeline").path("service::pipelines");
        if let Some(entry) = service {
            diagnostic = diagnostic.at(entry.key_origin);
        }
        diagnostics.push(diagnostic);
    }
}

struct Reader<'d> {
    diagnostics: &'d mut Diagnostics,
}

impl Reader<'_> {
    fn unknown_keys(&mut self, node: &Node, path: &str, allowed: &[&'static str]) {
        let Some(mapping) = node.as_mapping() else {
            self.wrong_shape(node, path);
            return;
        };
        for entry in mapping.iter().filter(|entry| !allowed.contains(&entry.key.as_str())) {
            let mut diagnostic = Diagnostic::error(format!("has invalid keys: {}", entry.key))
                .at(entry.key_origin)
                .path(path)
                .note(format!("allowed here: {}", quoted_list(allowed.iter().copied())));
            if let Some(name) = nearest(&entry.key, allowed.iter().copied()) {
                diagnostic = diagnostic.help(format!("did you mean `{name}`?"));
            }
            self.diagnostics.push(diagnostic);
        }
    }

    fn wrong_shape(&mut self, node: &Node, path: &str) {
        if !node.is_null() {
            let message = format!("expected a mapping, found {}", node.describe());
            self.diagnostics.push(Diagnostic::error(message).at(node.origin).path(path));
        }
    }

    fn components<'a>(&mut self, root: &'a Node, section: &str) -> Vec<Component<'a>> {
        let Some(node) = root.get(section) else {
            return Vec::new();
        };
        let Some(mapping) = node.as_mapping() else {
            self.wrong_shape(node, section);
            return Vec::new();
        };
        let mut components: Vec<Component<'a>> = Vec::new();
        for entry in mapping {
            let Some(id) = self.id(&entry.key, entry.key_origin, section) else {
                continue;
            };
            if components.iter().any(|component| component.id == id) {
                self.duplicate(&id, entry.key_origin, section);
                continue;
            }
            components.push(Component { id, origin: entry.key_origin, body: &entry.value });
        }
        components
    }

    fn id(&mut self, text: &str, origin: Origin, path: &str) -> Option<ComponentId> {
        match ComponentId::from_str(text) {
            Ok(id) => Some(id),
            Err(message) => {
                self.diagnostics.push(Diagnostic::error(message).at(origin).path(path));
                None
            }
        }
    }

    /// Two keys that differ in blanks only are one id.
    fn duplicate(&mut self, id: &ComponentId, origin: Origin, path: &str) {
        let message = format!("duplicate name \"{id}\"");
        self.diagnostics.push(Diagnostic::error(message).at(origin).path(path));
    }

    fn pipelines(&mut self, service: &Node) -> Vec<Pipeline> {
        let Some(node) = service.get("pipelines") else {
            return Vec::new();
        };
        let Some(mapping) = node.as_mapping() else {
            self.wrong_shape(node, "service::pipelines");
            return Vec::new();
        };
        let mut pipelines: Vec<Pipeline> = Vec::new();
        for entry in mapping {
            let Some(id) = self.id(&entry.key, entry.key_origin, "service::pipelines") else {
                continue;
            };
            if pipelines.iter().any(|pipeline| pipeline.id == id) {
                self.duplicate(&id, entry.key_origin, "service::pipelines");
                continue;
            }
            let path = format!("service::pipelines::{id}");
            self.unknown_keys(&entry.value, &path, &PIPELINE_KEYS);
            pipelines.push(Pipeline {
                id,
                origin: entry.key_origin,
                receivers: self.mentions(&entry.value, "receivers", &path),
                processors: self.mentions(&entry.value, "processors", &path),
                exporters: self.mentions(&entry.value, "exporters", &path),
            });
        }
        pipelines
    }

    /// A list of ids, also as one string with commas.
    fn mentions(&mut self, node: &Node, key: &str, path: &str) -> Vec<Mention> {
        let Some(list) = node.get(key).filter(|list| !list.is_null()) else {
            return Vec::new();
        };
        let path = format!("{path}::{key}");
        let mut texts: Vec<(&str, Origin)> = Vec::new();
        if let Some(items) = list.as_sequence() {
            for item in items {
                match item.as_text() {
                    Some(text) => texts.push((text, item.origin)),
                    None => self.not_an_id(item, &path),
                }
            }
        } else if let Some(text) = list.as_text() {
            texts.extend(text.split(',').map(|part| (part, list.origin)));
        } else {
            self.not_an_id(list, &path);
        }
        let mut mentions: Vec<Mention> = Vec::new();
        for (text, origin) in texts {
            let Some(id) = self.id(text, origin, &path) else {
                continue;
            };
            if mentions.iter().any(|mention| mention.id == id) && !path.starts_with("service::extensions") {
                let message = format!("references \"{id}\" multiple times");
                self.diagnostics.push(Diagnostic::error(message).at(origin).path(&path));
                continue;
            }
            mentions.push(Mention { id, origin });
        }
        mentions
    }

    fn not_an_id(&mut self, node: &Node, path: &str) {
        let message = format!("expected a list of component ids, found {}", node.describe());
        self.diagnostics.push(Diagnostic::error(message).at(node.origin).path(path));
    }
}

#[cfg(test)]
mod tests;
