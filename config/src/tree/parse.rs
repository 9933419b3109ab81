//! YAML text to [`Node`]s.
//!
//! Errors are collected, not returned: a syntax error ends its text (the parser cannot go on), anything
//! else (a key twice, an unknown alias) is noted and passed over. Aliases and merge keys (`<<`) are
//! resolved here; what they expand to is bounded, so a small file cannot become a large tree.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::{Entry, Mapping, Node, Origin, Scalar, ScalarKind, SourceId, SourceMap, Value, resolve_plain};
use crate::{Diagnostic, Diagnostics};

/// More nodes than any configuration has; aliases that multiply beyond it are an error.
const MAX_NODES: usize = 1_000_000;
/// Deeper than any configuration is.
const MAX_DEPTH: usize = 200;

/// Parses one document. `None` when there is nothing usable; an empty text is an empty mapping's null.
pub fn parse(source: SourceId, texts: &SourceMap, diagnostics: &mut Diagnostics) -> Option<Node> {
    let text = &texts.get(source)?.text;
    let mut builder = Builder::new(source, text, diagnostics);
    let mut parser = Parser::new_from_str(text);
    let mut document = None;
    while let Some(next) = parser.next_event() {
        match next {
            Ok((event, span)) => match builder.event(event, span) {
                Step::More => {}
                Step::Document(node) => document = Some(node),
                Step::Stop => return None,
            },
            Err(error) => {
                let origin = builder.origin(Span::empty(*error.marker()));
                builder.error(origin, format!("YAML syntax: {}", error.info()));
                return None;
            }
        }
    }
    Some(document.unwrap_or_else(|| {
        Node::null(Origin {
            source,
            start: 0,
            end: 0,
            line: 1,
            column: 1,
        })
    }))
}

enum Step {
    More,
    Document(Node),
    Stop,
}

/// A collection that is still open.
enum Frame {
    Sequence {
        items: Vec<Node>,
        start: Span,
        anchor: usize,
    },
    Mapping {
        mapping: Mapping,
        merges: Vec<Node>,
        key: Option<Key>,
        start: Span,
        anchor: usize,
    },
}

struct Key {
    text: String,
    origin: Origin,
    /// A key that stands there already; its value is read and dropped.
    duplicate: bool,
}

struct Builder<'a> {
    source: SourceId,
    positions: Positions<'a>,
    diagnostics: &'a mut Diagnostics,
    frames: Vec<Frame>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: usize,
}

impl<'a> Builder<'a> {
    fn new(source: SourceId, text: &'a str, diagnostics: &'a mut Diagnostics) -> Self {
        Self {
            source,
            positions: Positions::new(text),
            diagnostics,
            frames: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            documents: 0,
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Step {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let origin = self.origin(span);
                    self.error(
                        origin,
                        "a configuration is one YAML document; a second one starts here".into(),
                    );
                    return Step::Stop;
                }
                Step::More
            }
            Event::Scalar(text, style, anchor, _tag) => self.scalar(&text, style, anchor, span),
            Event::SequenceStart(anchor, _) => self.open(
                Frame::Sequence {
                    items: Vec::new(),
                    start: span,
                    anchor,
                },
                span,
            ),
            Event::MappingStart(anchor, _) => {
                let (mapping, merges) = (Mapping::default(), Vec::new());
                self.open(
                    Frame::Mapping {
                        mapping,
                        merges,
                        key: None,
                        start: span,
                        anchor,
                    },
                    span,
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Step::More,
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, span: Span) -> Step {
        let kind = if style == ScalarStyle::Plain {
            resolve_plain(text)
        } else {
            ScalarKind::String
        };
        let origin = self.origin(span);
        let scalar = Scalar {
            text: text.to_owned(),
            kind,
        };
        self.finish(Node::new(Value::Scalar(scalar), origin), anchor, 1)
    }

    fn open(&mut self, frame: Frame, span: Span) -> Step {
        if self.frames.len() >= MAX_DEPTH {
            let origin = self.origin(span);
            self.error(origin, format!("nested deeper than {MAX_DEPTH} levels"));
            return Step::Stop;
        }
        self.frames.push(frame);
        Step::More
    }

    fn close(&mut self, span: Span) -> Step {
        match self.frames.pop() {
            Some(Frame::Sequence { items, start, anchor }) => {
                let size = items.len();
                let origin = self.origin(Span::new(start.start, span.end));
                self.finish(Node::new(Value::Sequence(items), origin), anchor, size)
            }
            Some(Frame::Mapping {
                mut mapping,
                merges,
                start,
                anchor,
                ..
            }) => {
                apply_merges(&mut mapping, merges);
                let size = mapping.iter().count();
                let origin = self.origin(Span::new(start.start, span.end));
                self.finish(Node::new(Value::Mapping(mapping), origin), anchor, size)
            }
            None => Step::More,
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Step {
        let origin = self.origin(span);
        let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
            self.error(origin, "this alias refers to itself or to nothing".into());
            return self.finish(Node::null(origin), 0, 1);
        };
        self.finish(node, 0, size)
    }

    /// A node is complete: remember its anchor and hand it to the collection it stands in.
    fn finish(&mut self, node: Node, anchor: usize, size: usize) -> Step {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            self.error(
                node.origin,
                format!("more than {MAX_NODES} values (aliases that multiply?)"),
            );
            return Step::Stop;
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), count(&node)));
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
            self.error(
                node.origin,
                format!("a key must be a string, this is {}", node.describe()),
            );
            return Step::Stop;
        };
        let Some(Frame::Mapping { mapping, key, .. }) = self.frames.last_mut() else {
            return Step::Stop;
        };
        let first = mapping.get(&text).map(|entry| entry.key_origin);
        *key = Some(Key {
            text: text.clone(),
            origin: node.origin,
            duplicate: first.is_some(),
        });
        if let Some(first) = first {
            let line = first.line;
            self.error(
                node.origin,
                format!("mapping key \"{text}\" already defined at line {line}"),
            );
        }
        Step::More
    }

    fn mapping_value(&mut self, value: Node) -> Step {
        let Some(Frame::Mapping {
            mapping, merges, key, ..
        }) = self.frames.last_mut()
        else {
            return Step::Stop;
        };
        let Some(key) = key.take() else { return Step::Stop };
        if key.text == "<<" {
            merges.push(value);
        } else if !key.duplicate {
            mapping.insert(Entry {
                key: key.text,
                key_origin: key.origin,
                value,
            });
        }
        Step::More
    }

    fn origin(&mut self, span: Span) -> Origin {
        let start = self.positions.byte(span.start);
        let end = self.positions.byte(span.end).max(start);
        Origin {
            source: self.source,
            start,
            end,
            line: u32::try_from(span.start.line()).unwrap_or(u32::MAX),
            column: u32::try_from(span.start.col() + 1).unwrap_or(u32::MAX),
        }
    }

    fn error(&mut self, origin: Origin, message: String) {
        self.diagnostics.push(Diagnostic::error(message).at(origin));
    }
}

/// `<<: *base` gives the keys that are not there already; of several bases the first wins.
fn apply_merges(mapping: &mut Mapping, merges: Vec<Node>) {
    for merge in merges {
        let bases = match merge.value {
            Value::Mapping(base) => vec![base],
            Value::Sequence(items) => items
                .into_iter()
                .filter_map(|item| item.as_mapping().cloned())
                .collect(),
            Value::Scalar(_) => Vec::new(),
        };
        for entry in bases.into_iter().flatten() {
            if mapping.get(&entry.key).is_none() {
                mapping.insert(entry);
            }
        }
    }
}

fn count(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 1,
        Value::Sequence(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Mapping(mapping) => 1 + mapping.iter().map(|entry| count(&entry.value)).sum::<usize>(),
    }
}

/// Character indices, which the parser gives, to byte offsets, which everybody else wants. Markers grow
/// almost monotonically, so the last answer is a good place to start from.
struct Positions<'a> {
    text: &'a str,
    character: usize,
    byte: usize,
}

impl<'a> Positions<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            character: 0,
            byte: 0,
        }
    }

    fn byte(&mut self, marker: Marker) -> u32 {
        if marker.index() < self.character {
            (self.character, self.byte) = (0, 0);
        }
        let rest = self.text.get(self.byte..).unwrap_or("");
        let steps = marker.index() - self.character;
        let advance = rest
            .char_indices()
            .nth(steps)
            .map_or(rest.len(), |(offset, _)| offset);
        self.character = marker.index();
        self.byte += advance;
        u32::try_from(self.byte).unwrap_or(u32::MAX)
    }
}
