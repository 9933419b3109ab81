//! The parser's events to [`Node`]s: anchors, merge keys, duplicates and limits.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, ScalarStyle, Span, Tag};

use super::position::Positions;
use super::{Entry, MAX_DEPTH, Mapping, Node, Origin, Scalar, ScalarKind, SourceId, Value, resolve_plain};
use crate::{Diagnostic, Diagnostics};

/// More nodes than any configuration has; aliases that multiply beyond it are an error. A long text counts as
/// several ([`Node::size`]).
const MAX_NODES: usize = 100_000;

/// What an event led to.
pub(super) enum Step {
    More,
    Document(Node),
    /// Reading cannot go on; the reason is reported.
    Stop,
}

/// A collection that is still open.
enum Frame {
    Sequence { items: Vec<Node>, start: Origin, anchor: usize },
    Mapping { mapping: Mapping, merges: Vec<Node>, key: Option<Key>, start: Origin, anchor: usize },
}

struct Key {
    text: String,
    origin: Origin,
    /// A key that stands there already; its value is read and dropped.
    duplicate: bool,
}

/// What an alias stands for.
#[derive(Clone)]
struct Anchored {
    node: Node,
    size: usize,
    depth: usize,
}

/// Builds a tree from events.
pub(super) struct Builder<'a> {
    positions: Positions<'a>,
    keep_duplicates: bool,
    diagnostics: Diagnostics,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    documents: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(source: SourceId, text: &'a str, keep_duplicates: bool) -> Self {
        Self {
            positions: Positions::new(source, text),
            keep_duplicates,
            diagnostics: Diagnostics::default(),
            frames: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            documents: 0,
        }
    }

    pub(super) fn take_diagnostics(&mut self) -> Diagnostics {
        std::mem::take(&mut self.diagnostics)
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn error_origin(&mut self, marker: Marker) -> Origin {
        self.positions.error(marker)
    }

    /// The tree as far as it was read.
    pub(super) fn close_all(&mut self) -> Option<Node> {
        while let Some(frame) = self.frames.last() {
            let (Frame::Sequence { start, .. } | Frame::Mapping { start, .. }) = frame;
            let end = *start;
            if let Step::Document(node) = self.close(end) {
                return Some(node);
            }
        }
        None
    }

    pub(super) fn event(&mut self, event: Event<'_>, span: Span) -> Step {
        match event {
            Event::DocumentStart(_) => self.document(span),
            Event::Scalar(text, style, anchor, tag) => {
                let origin = self.positions.scalar(span, style);
                let kind = self.kind(&text, style, tag.as_deref(), origin);
                let text = text.into_owned();
                self.finish(Node::new(Value::Scalar(Scalar { text, kind }), origin), anchor, 1)
            }
            Event::SequenceStart(anchor, _) => {
                let (items, start) = (Vec::new(), self.positions.list(span));
                self.open(Frame::Sequence { items, start, anchor }, start)
            }
            Event::MappingStart(anchor, _) => {
                let start = self.positions.token(span);
                let frame = Frame::Mapping {
                    mapping: Mapping::default(),
                    merges: Vec::new(),
                    key: None,
                    start,
                    anchor,
                };
                self.open(frame, start)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.frames.last() {
                Some(Frame::Sequence { start, .. } | Frame::Mapping { start, .. }) => {
                    let whole = self.positions.close(*start, span);
                    self.close(whole)
                }
                None => Step::More,
            },
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Step::More,
        }
    }

    fn document(&mut self, span: Span) -> Step {
        self.documents += 1;
        if self.documents == 1 {
            return Step::More;
        }
        let origin = self.positions.token(span);
        self.error(origin, "a configuration is one YAML document; a second one starts here");
        Step::Stop
    }

    /// The type of a scalar. A tag of YAML's own decides it, any other tag makes it a string.
    fn kind(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, origin: Origin) -> ScalarKind {
        let Some(tag) = tag else {
            let is_plain = style == ScalarStyle::Plain;
            return if is_plain { resolve_plain(text) } else { ScalarKind::String };
        };
        let wanted = if tag.is_yaml_core_schema() { tag.suffix.as_str() } else { "str" };
        let kind = resolve_plain(text);
        match (wanted, kind) {
            ("int", ScalarKind::Int(_))
            | ("float", ScalarKind::Int(_) | ScalarKind::Float(_))
            | ("bool", ScalarKind::Bool(_))
            | ("null", ScalarKind::Null) => kind,
            ("int" | "float" | "bool" | "null", _) => {
                self.error(origin, format!("this value is no !!{wanted}, as its tag says"));
                ScalarKind::Null
            }
            _ => ScalarKind::String,
        }
    }

    fn open(&mut self, frame: Frame, start: Origin) -> Step {
        if self.frames.len() >= MAX_DEPTH {
            self.too_deep(start);
            return Step::Stop;
        }
        self.frames.push(frame);
        Step::More
    }

    fn close(&mut self, whole: Origin) -> Step {
        match self.frames.pop() {
            Some(Frame::Sequence { items, anchor, .. }) => {
                self.finish(Node::new(Value::Sequence(items), whole), anchor, 1)
            }
            Some(Frame::Mapping { mut mapping, merges, anchor, .. }) => {
                self.apply_merges(&mut mapping, merges);
                self.finish(Node::new(Value::Mapping(mapping), whole), anchor, 1)
            }
            None => Step::More,
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Step {
        let origin = self.positions.token(span);
        let Some(anchored) = self.anchors.get(&anchor).cloned() else {
            self.error(origin, "this alias refers to itself or to nothing");
            return self.finish(Node::null(origin), 0, 1);
        };
        if self.frames.len() + anchored.depth > MAX_DEPTH {
            self.too_deep(origin);
            return Step::Stop;
        }
        self.finish(anchored.node, 0, anchored.size)
    }

    /// A node is complete: remember its anchor and hand it to the collection it stands in.
    fn finish(&mut self, node: Node, anchor: usize, size: usize) -> Step {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            self.error(node.origin, format!("more than {MAX_NODES} values (aliases that multiply?)"));
            return Step::Stop;
        }
        if anchor > 0 {
            let (size, depth) = (node.size(), node.depth());
            let node = node.clone();
            self.anchors.insert(anchor, Anchored { node, size, depth });
        }
        match self.frames.last_mut() {
            None => Step::Document(node),
            Some(Frame::Sequence { items, .. }) => {
                items.push(node);
                Step::More
            }
            Some(Frame::Mapping { key: Some(_), .. }) => self.mapping_value(node),
            Some(Frame::Mapping { .. }) => self.mapping_key(node),
        }
    }

    fn mapping_key(&mut self, node: Node) -> Step {
        let Some(text) = node.as_scalar().map(|scalar| scalar.text.clone()) else {
            self.error(node.origin, format!("a key must be a string, this is {}", node.describe()));
            return Step::Stop;
        };
        let Some(Frame::Mapping { mapping, key, .. }) = self.frames.last_mut() else {
            return Step::Stop;
        };
        let first = mapping.get(&text).map(|entry| entry.key_origin);
        *key = Some(Key { text: text.clone(), origin: node.origin, duplicate: first.is_some() });
        if let Some(first) = first {
            let line = first.line;
            self.error(node.origin, format!("mapping key \"{text}\" already defined at line {line}"));
        }
        Step::More
    }

    fn mapping_value(&mut self, mut value: Node) -> Step {
        let Some(Frame::Mapping { mapping, merges, key, .. }) = self.frames.last_mut() else {
            return Step::Stop;
        };
        let Some(key) = key.take() else { return Step::Stop };
        // A value without any text, a block scalar without lines say, is put behind its key; the parser
        // says that it stands where the next token starts.
        let is_nowhere = value.origin.start == value.origin.end && value.origin.line > key.origin.line;
        if is_nowhere {
            value.origin = self.positions.behind(key.origin);
        }
        if key.text == "<<" {
            merges.push(value);
        } else if !key.duplicate || self.keep_duplicates {
            mapping.push(Entry { key: key.text, key_origin: key.origin, value });
        }
        Step::More
    }

    /// `<<: *base` gives the keys that are not there already; of several bases the first wins.
    fn apply_merges(&mut self, mapping: &mut Mapping, merges: Vec<Node>) {
        for merge in merges {
            let bases = match merge.value {
                Value::Sequence(items) => items,
                _ => vec![merge],
            };
            for base in bases {
                let Value::Mapping(entries) = base.value else {
                    let found = base.describe();
                    self.error(
                        base.origin,
                        format!("a merge key (<<) takes a mapping or a list of mappings, this is {found}"),
                    );
                    continue;
                };
                for entry in entries {
                    if mapping.get(&entry.key).is_none() {
                        mapping.push(entry);
                    }
                }
            }
        }
    }

    fn too_deep(&mut self, origin: Origin) {
        self.error(origin, format!("nested deeper than {MAX_DEPTH} levels"));
    }

    fn error(&mut self, origin: Origin, message: impl Into<String>) {
        self.report(Diagnostic::error(message).at(origin));
    }
}
