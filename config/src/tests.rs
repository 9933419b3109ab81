//! Properties of the whole way from text to report: nothing panics, positions are true, and a secret that
//! was planted anywhere does not come out.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::diagnostic::Style;
use crate::print::Printed;
use crate::secret::visit_scalars;
use crate::source::{Source, Sources};
use crate::testing::{World, embedded};
use crate::tree::{Node, Origin, Value};
use crate::types::{ClientTls, ClientUrl, Duration, Headers, ListenAddress, Optional, Transport};
use crate::{ComponentId, Diagnostic, Diagnostics, Document, Sections, decode, load};

/// Pieces that YAML, references, redaction and rendering care about.
const PIECES: [&str; 62] = [
    "a",
    "b: ",
    "key: ",
    "value: ",
    "password: ",
    "headers:\n",
    "receivers:\n",
    "service:\n",
    "pipelines:\n",
    "traces:\n",
    "exporters: ",
    "- ",
    "\n",
    "\n",
    "\n  ",
    "\n    ",
    "\r\n",
    "\r",
    "\t",
    " ",
    "  ",
    ":",
    ": ",
    ",",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "''",
    "\\",
    "\\u00e4",
    "|",
    "|2\n",
    ">-\n",
    "#",
    " # c",
    "&x ",
    "*x",
    "<<: ",
    "!!int ",
    "!x ",
    "---\n",
    "...\n",
    "%",
    "@",
    "`",
    "?",
    "? ",
    "${",
    "${env:A}",
    "${env:B:-",
    "${file:f}",
    "$$",
    "ä",
    "😀",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\0",
    "http://u:p@h",
];

fn yaml_like() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40).prop_map(|pieces| pieces.concat())
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![3 => yaml_like(), 1 => any::<String>()]
}

/// Everything a user can see of a configuration: its report, with an error at every key and value added,
/// and the printed tree.
fn everything_visible(document: &Document, mut diagnostics: Diagnostics) -> String {
    Sections::read(document, &mut diagnostics);
    let mut out = diagnostics.render(document, Style::Colored);
    let mut everywhere = Diagnostics::default();
    each_origin(&document.root, &mut |origin| everywhere.push(Diagnostic::error("here").at(origin)));
    out.push_str(&everywhere.render(document, Style::Plain));
    out.push_str(&Printed::redacted(&document.root).to_yaml().unwrap_or_default());
    out
}

fn each_origin(node: &Node, visit: &mut dyn FnMut(Origin)) {
    visit(node.origin);
    match &node.value {
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| each_origin(item, visit)),
        Value::Mapping(mapping) => mapping.iter().for_each(|entry| {
            visit(entry.key_origin);
            each_origin(&entry.value, visit);
        }),
    }
}

/// Line and column of a position, counted from the start of the text.
fn counted(text: &str, at: usize) -> (u32, u32) {
    let before = text[..at].replace("\r\n", "\n").replace('\r', "\n");
    let line = before.rsplit('\n').next().unwrap_or("");
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let breaks = before.matches('\n').count();
    (breaks as u32 + 1, line.chars().count() as u32 + 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Protects the process: no text, variable, file or property makes it panic.
    #[test]
    fn nothing_panics(text in any_text(), a in any_text(), file in any_text(), set in any_text()) {
        let world = World::default().variable("A", &a).file("f", &file);
        let mut sources = Sources::default();
        sources.add(embedded(&text));
        sources.add(Source::Yaml(file.clone()));
        for argument in [format!("receivers.x={set}"), set.clone()] {
            Source::from_uri(&argument).ok();
            if let Ok(source) = Source::from_property(&argument) {
                sources.add(source);
            }
        }
        let (document, mut diagnostics) = load(&sources, &world);
        decode::<BTreeMap<String, Optional<ClientTls>>>(&document.root, "", &mut diagnostics);
        decode::<BTreeMap<String, (Headers, Vec<Duration>)>>(&document.root, "", &mut diagnostics);
        everything_visible(&document, diagnostics);
    }

    /// Protects the parsers of single values.
    #[test]
    fn no_value_panics(text in any_text()) {
        Duration::parse(&text).ok();
        ClientUrl::parse(&text).ok();
        ListenAddress::parse(&text, Transport::Tcp).ok();
        text.parse::<ComponentId>().ok();
        crate::nearest(&text, ["receivers", "a", ""]);
        crate::secret::redact_urls(&text);
    }

    /// Protects every position: it lies on characters, and its line and column are those of its bytes.
    #[test]
    fn positions_are_true(text in any_text()) {
        let (document, diagnostics) = World::default().load(&text);
        let mut origins: Vec<Origin> = diagnostics.iter().filter_map(|item| item.origin).collect();
        for entry in document.root.as_mapping().into_iter().flatten() {
            origins.push(entry.key_origin);
            each_origin(&entry.value, &mut |origin| origins.push(origin));
        }
        for origin in origins {
            let source = &document.sources.get(origin.source).unwrap().text;
            prop_assert!(source.get(origin.start as usize..origin.end as usize).is_some(), "{origin:?}");
            prop_assert_eq!((origin.line, origin.column), counted(source, origin.start as usize), "{:?}", origin);
        }
    }
}

/// What is looked for in everything that is shown.
const CORE: &str = "S3CR3T";
/// What a `value` is named that comes before its name.
const NAME: &str = "API_TOKEN";

/// A value with the secret in it, as it is written behind a key.
fn written_secret() -> impl Strategy<Value = String> {
    let odd = "[ -~ä€]{0,6}";
    prop_oneof![
        Just(CORE.to_owned()),
        Just(format!("'{CORE}'")),
        odd.prop_map(|odd| format!("'{}{CORE}'", odd.replace('\'', "''"))),
        odd.prop_map(|odd| format!("\"{CORE}{}\"", odd.replace(['"', '\\'], ""))),
        Just(format!("|\nINDENT  x\nINDENT  {CORE}")),
        Just(format!(">-\nINDENT  {CORE}\nINDENT  x")),
        Just(format!("x\nINDENT  {CORE}")),
        Just(format!("\"x\n\nINDENT  {CORE}\"")),
        Just(format!("${{env:UNSET:-{CORE}}}")),
        Just(format!("[x, {CORE}]")),
        Just(format!("{{x: {CORE}}}")),
        Just(format!("{{x: [{{y: {CORE}}}, {CORE}]}}")),
        Just(format!("\nINDENT  x: {CORE}\nINDENT  y:\nINDENT    - {CORE}")),
        odd.prop_map(|odd| format!("{odd}{CORE}")),
    ]
}

/// A key whose value is a secret, or lines that make one of it.
fn planted() -> impl Strategy<Value = String> {
    let keys = ["password", "\"client_secret\"", "token", "api-key", "authorization", "headers", "x_headers"];
    let by_key = (prop::sample::select(keys.to_vec()), written_secret())
        .prop_map(|(key, value)| format!("{key}: {value}"));
    let quoted = prop::sample::select(vec!["x", "'x'", "\"x y\""]);
    prop_oneof![
        6 => by_key,
        1 => quoted.prop_map(|other| format!("key: api.token\nINDENTaction: {other}\nINDENTvalue: {CORE}")),
        1 => Just(format!("value: {CORE}\nINDENTname: {NAME}")),
        1 => Just(format!("endpoint: http://me:x{CORE}@host:1/x")),
        1 => Just(format!("endpoint: me:{CORE}@host:1")),
        1 => Just(format!("arguments: [--verbose, --token={CORE}]")),
        1 => Just(format!("headers:\nINDENT- name: x\nINDENT  value: {CORE}")),
        1 => Just(format!("flow: {{a: 1, password: {CORE}, b: [1, {{token: \"{CORE}\"}}]}}")),
        1 => Just(format!("# password: {CORE}")),
    ]
}

/// Marks a line break inside an entry until the text is broken.
const INSIDE: char = '\u{e000}';

/// A configuration in block style with the secret somewhere in it.
fn config() -> impl Strategy<Value = String> {
    let filler = prop::sample::select(vec![
        "a: 1",
        "b: [x, y]",
        "c: {d: e}",
        "f: 'it''s'",
        "g: |\nINDENT  text",
        "h: \"x\" # y",
        "ä: ö",
        "i:",
        "# note",
    ]);
    let level = (prop::collection::vec(filler.prop_map(str::to_owned), 0..4), planted());
    let parents = prop::collection::vec(
        prop::sample::select(vec!["receivers:", "otlp:", "tls:", "- x: 1", "ü:"]),
        0..4,
    );
    (level, parents, any::<prop::sample::Index>(), prop::sample::select(vec!["\n", "\r\n"])).prop_map(
        |((mut entries, planted), parents, place, line_end)| {
            entries.insert(place.index(entries.len() + 1), planted);
            let mut out = String::new();
            let mut indent = String::new();
            for parent in &parents {
                out.push_str(&format!("{indent}{parent}\n"));
                indent.push_str("  ");
            }
            for entry in entries {
                let entry = entry.replace("INDENT", &indent).replace('\n', &format!("{INSIDE}\n"));
                out.push_str(&format!("{indent}{entry}\n"));
            }
            out.replace('\n', line_end)
        },
    )
}

/// Ways to break a text.
#[derive(Clone, Debug)]
enum Break {
    Nothing,
    /// A line between two entries.
    Between(prop::sample::Index, &'static str),
    /// A line anywhere.
    Anywhere(prop::sample::Index, &'static str),
    Cut(prop::sample::Index),
}

impl Break {
    fn apply(&self, text: &str) -> String {
        let insert = |place: &prop::sample::Index, line: &str, may_be_inside: bool| {
            let mut lines: Vec<&str> = text.split('\n').collect();
            let may_follow = |at: usize| may_be_inside || at == 0 || !lines[at - 1].contains(INSIDE);
            let places: Vec<usize> = (0..lines.len()).filter(|at| may_follow(*at)).collect();
            lines.insert(*place.get(&places), line);
            lines.join("\n")
        };
        let broken = match self {
            Self::Nothing => text.to_owned(),
            Self::Between(place, line) => insert(place, line, false),
            Self::Anywhere(place, line) => insert(place, line, true),
            Self::Cut(place) => {
                let cut: String = text.chars().take(place.index(text.chars().count() + 1)).collect();
                // Without what makes it a secret behind it, it is none.
                let lacks = |reason: &str| text.contains(reason) && !cut.contains(reason);
                if lacks(NAME) || lacks("@host") { text.to_owned() } else { cut }
            }
        };
        broken.replace(INSIDE, "")
    }
}

fn breaks() -> impl Strategy<Value = Break> {
    // What would take an entry apart and be correct YAML moves the secret to where it is none.
    let between = vec!["a: b: c", "\"", "'", "{", "[", "- y", "k: *nobody", "a: \"", "a: {", "a: [x", "x"];
    let anywhere = vec!["\tx: 1", "]", "}", "@x", "---", "%x", "`"];
    let place = any::<prop::sample::Index>;
    prop_oneof![
        1 => Just(Break::Nothing),
        2 => (place(), prop::sample::select(between)).prop_map(|(at, line)| Break::Between(at, line)),
        2 => (place(), prop::sample::select(anywhere)).prop_map(|(at, line)| Break::Anywhere(at, line)),
        1 => place().prop_map(Break::Cut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Protects the promise of this crate: whatever is wrong with a configuration, its secrets are neither
    /// in the report nor in the printed tree.
    #[test]
    fn a_planted_secret_is_never_shown(text in config(), breaks in breaks(), overridden in any::<bool>()) {
        let text = breaks.apply(&text);
        let properties: &[&str] = if overridden { &["receivers=", "password=x"] } else { &[] };
        let (document, diagnostics) = World::default().load_with(&text, properties);
        let visible = everything_visible(&document, diagnostics);
        prop_assert!(!visible.contains(CORE), "{}", visible);
    }

    /// Protects the same for what comes from variables, files and the command line.
    #[test]
    fn a_secret_from_elsewhere_is_never_shown(value in any_text(), pattern in 0..6usize) {
        let value = format!("{value}{CORE}");
        let world = World::default().variable("S", &value).file("s", &value);
        let text = ["password: ${env:S}", "password: x${S}", "password: ${file:s}", "a: {headers: {x: \"${env:S}\"}}", "a: 1", "a: 1"];
        let property = format!("a.{}={value}", if pattern == 4 { "client_secret" } else { "headers.x" });
        let properties: &[&str] = if pattern < 4 { &[] } else { &[&property] };
        let (document, diagnostics) = world.load_with(text[pattern], properties);
        let visible = everything_visible(&document, diagnostics);
        prop_assert!(!visible.contains(CORE), "{}", visible);
    }
}

/// Protects the planting itself: the generator writes configurations that can be read, with the secret
/// where the tree calls it one.
#[test]
fn planted_secrets_are_found_by_the_tree() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut found = 0;
    for _ in 0..200 {
        let text = Break::Nothing.apply(&config().new_tree(&mut runner).unwrap().current());
        let (document, _) = World::default().load(&text);
        visit_scalars(&document.root, &mut |node, secret| {
            found += usize::from(secret && node.as_text().is_some_and(|text| text.contains(CORE)));
        });
    }
    assert!(found > 100, "{found}");
}
