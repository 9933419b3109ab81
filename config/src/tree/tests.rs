use super::*;
use crate::Diagnostics;
use crate::testing::{World, at, covered, load_clean, messages, shape};

fn parsed(text: &str) -> (SourceMap, Option<Node>, Diagnostics) {
    let mut texts = SourceMap::default();
    let id = texts.add("in.yaml", text);
    let mut diagnostics = Diagnostics::default();
    let tree = parse(id, &texts, &mut diagnostics);
    (texts, tree, diagnostics)
}

fn clean(text: &str) -> (SourceMap, Node) {
    let (texts, tree, diagnostics) = parsed(text);
    assert!(diagnostics.is_empty(), "{text:?}: {:?}", messages(&diagnostics));
    (texts, tree.unwrap())
}

fn errors(text: &str) -> Vec<String> {
    messages(&parsed(text).2)
}

/// Line and column, and what the origin covers.
fn place(texts: &SourceMap, origin: Origin) -> (u32, u32, &str) {
    (origin.line, origin.column, covered(texts, origin))
}

/// Protects the compatibility with the Collector's YAML library, value by value.
#[test]
fn plain_scalars_have_the_types_the_collector_gives_them() {
    use ScalarKind::{Bool, Float, Int, Null, String};
    let table = [
        ("", Null),
        ("~", Null),
        ("null", Null),
        ("NULL", Null),
        ("nULL", String),
        ("true", Bool(true)),
        ("False", Bool(false)),
        ("yes", String),
        ("on", String),
        ("n", String),
        ("0", Int(0)),
        ("-5", Int(-5)),
        ("+5", Int(5)),
        ("0x1F", Int(31)),
        ("-0x10", Int(-16)),
        ("0o10", Int(8)),
        ("010", Int(8)),
        ("0b101", Int(5)),
        ("1_000", Int(1000)),
        ("08", Float(8.0)),
        ("18446744073709551615", Int(18_446_744_073_709_551_615)),
        ("18446744073709551616", Float(18_446_744_073_709_551_616.0)),
        ("-9223372036854775808", Int(-9_223_372_036_854_775_808)),
        ("-9223372036854775809", Float(-9_223_372_036_854_775_809.0)),
        ("1.5", Float(1.5)),
        (".5", Float(0.5)),
        ("5.", Float(5.0)),
        ("1e3", Float(1000.0)),
        ("-1.5E-3", Float(-0.0015)),
        (".inf", Float(f64::INFINITY)),
        ("-.Inf", Float(f64::NEG_INFINITY)),
        ("0x", String),
        ("-", String),
        ("+", String),
        (".", String),
        ("_1", String),
        ("1.2.3", String),
        ("1-2", String),
        ("5s", String),
        ("12:30", String),
        ("infinity", String),
        ("NaN", String),
        ("2001-12-14", String),
        ("٣", String),
    ];
    for (text, kind) in table {
        assert_eq!(resolve_plain(text), kind, "{text:?}");
    }
    assert!(matches!(resolve_plain(".nan"), Float(value) if value.is_nan()));
}

/// Protects every position that a report can show: byte ranges, lines and columns of keys and values.
#[test]
fn every_value_knows_where_it_is_written() {
    let table: &[(&str, &str, (u32, u32, &str))] = &[
        ("a: b\n", "a", (1, 4, "b")),
        ("a:   b   # comment\n", "a", (1, 6, "b")),
        // Characters of several bytes, before the value and in it.
        ("ä: {ö: ü€, x: y}\n", "ä::ö", (1, 8, "ü€")),
        ("ä: {ö: ü€, x: y}\n", "ä::x", (1, 15, "y")),
        ("# 😀\na: 😀 b # €\nc: d\n", "a", (2, 4, "😀 b")),
        ("# 😀\na: 😀 b # €\nc: d\n", "c", (3, 4, "d")),
        // Quoted, with everything that may stand around a quoted scalar.
        ("a: \"x\\\"#y\"  # c\n", "a", (1, 4, "\"x\\\"#y\"")),
        ("a: 'it''s' # 'c'\n", "a", (1, 4, "'it''s'")),
        ("a: &q !!str \"z\" # \"k\"\n", "a", (1, 4, "&q !!str \"z\"")),
        ("a: !!str # '\n  'z' # k\n", "a", (1, 4, "!!str # '\n  'z'")),
        ("a: \"x\n  y\" # c\n", "a", (1, 4, "\"x\n  y\"")),
        ("a: x\n  y\nb: z\n", "a", (1, 4, "x\n  y")),
        // Line ends of other systems, and a byte order mark.
        ("a:\r\n  b: 1\r\n  c: x\r\n", "a::c", (3, 6, "x")),
        ("a:\r  b: 1\r  c: x\r", "a::c", (3, 6, "x")),
        ("\u{feff}a: b\n", "a", (1, 4, "b")),
        // Tabs.
        ("a:\tb\n", "a", (1, 4, "b")),
        ("a:\t\t-5\t# c\n", "a", (1, 5, "-5")),
        ("a: b \t# c\n", "a", (1, 4, "b")),
        // Block scalars.
        ("a: |\n  x\n  y\n\nb: z\n", "a", (2, 3, "x\n  y")),
        ("a: >-\r\n  x\r\n  y\r\nb: z\r\n", "a", (2, 3, "x\r\n  y")),
        ("a: | # nothing\nb: z\n", "a", (1, 2, "")),
        // Flow style.
        ("a: [b, c ]  # d\n", "a", (1, 4, "[b, c ]")),
        ("a: [\n  b, # one\n  c ]\nd: e\n", "a", (1, 4, "[\n  b, # one\n  c ]")),
        ("a: [\n  b, # one\n  c ]\nd: e\n", "a::1", (3, 3, "c")),
        ("a: {b: {c: 1} } # d\n", "a::b", (1, 8, "{c: 1}")),
        ("a: &x {b: c}\n", "a", (1, 4, "&x {b: c}")),
        ("a: [b: c, d]\n", "a::0", (1, 5, "b: c")),
        // Lists and mappings in block style.
        ("a:\n- x\n- y # c\nb: z\n", "a", (2, 1, "- x\n- y # c")),
        ("a:\n  - x\n", "a", (2, 3, "- x")),
        ("a:\n  - b: 1\n    c: 2\n", "a::0", (2, 5, "b: 1\n    c: 2")),
        ("a:\n  b: 1\n\nc: 2\n", "a", (2, 3, "b: 1")),
        ("a: {b: }\n", "a::b", (1, 6, "")),
        // An alias stands where its anchor does, for that is the text to change.
        ("a: &x 5\nb: *x\n", "b", (1, 4, "&x 5")),
    ];
    for (text, path, expected) in table {
        let (texts, tree) = clean(text);
        assert_eq!(place(&texts, at(&tree, path).origin), *expected, "{path} in {text:?}");
    }
}

/// Protects the place that "unknown key" errors point at.
#[test]
fn every_key_knows_where_it_is_written() {
    let table: &[(&str, &str, (u32, u32, &str))] = &[
        ("a: b\n", "a", (1, 1, "a")),
        ("\u{feff}a: b\n", "a", (1, 1, "a")),
        ("ä: 1\n\"ö ö\" : 2\n", "ö ö", (2, 1, "\"ö ö\"")),
        ("? a\n: b\n", "a", (1, 3, "a")),
        ("{ä: 1, \"b\": 2}\n", "b", (1, 8, "\"b\"")),
        ("a: 1\r\nb: 2\r\n", "b", (2, 1, "b")),
    ];
    for (text, key, expected) in table {
        let (texts, tree) = clean(text);
        let entry = tree.as_mapping().unwrap().get(key).unwrap();
        assert_eq!(place(&texts, entry.key_origin), *expected, "{key} in {text:?}");
    }
}

/// Protects what is read from texts that YAML allows and people rarely write.
#[test]
fn unusual_yaml_is_read_as_the_collector_reads_it() {
    let table = [
        ("", "null"),
        ("# only a comment\n", "null"),
        ("---\n", "null"),
        ("--- # x\n...\n", "null"),
        ("a:\n", "{a: null}"),
        ("a: \"5\"\nb: '5'\nc: 5\n", r#"{a: "5", b: "5", c: 5}"#),
        ("a: |\n  5\n", r#"{a: "5\n"}"#),
        ("1: x\ntrue: y\n", r#"{1: "x", true: "y"}"#),
        ("a: !!str 5\nb: !!int \"5\"\nc: !!float 5\nd: !!bool 'true'\n", r#"{a: "5", b: 5, c: 5, d: true}"#),
        ("a: !own 5\nb: ! 5\nc: !own\n", r#"{a: "5", b: "5", c: ""}"#),
        ("a: &x {b: 1, c: [2]}\nd: *x\n", "{a: {b: 1, c: [2]}, d: {b: 1, c: [2]}}"),
        ("a:\tb\nc: \"x:\ty\"\nd: {\te:\tf}\n", r#"{a: "b", c: "x:\ty", d: {e: "f"}}"#),
        ("a: x # y\nb: x#y\n", r#"{a: "x", b: "x#y"}"#),
        ("a: http://x:1/y\n", r#"{a: "http://x:1/y"}"#),
        ("a::b: 1\n", "{a::b: 1}"),
        (": x\n", r#"{: "x"}"#),
    ];
    for (text, expected) in table {
        assert_eq!(shape(&clean(text).1), expected, "{text:?}");
    }
}

/// Protects merge keys: what is written wins, then the first base; anything but mappings is an error.
#[test]
fn merge_keys_give_what_is_not_there_already() {
    let table = [
        ("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n", "{b: 3, a: 1}"),
        ("x: &x {a: 1, b: 2}\ny:\n  b: 3\n  <<: *x\n", "{b: 3, a: 1}"),
        ("x: &x {a: 1}\ny:\n  <<: [*x, {a: 2, c: 3}]\n", "{a: 1, c: 3}"),
        ("x: &x {a: {b: 1}}\ny:\n  <<: *x\n  a: {c: 2}\n", "{a: {c: 2}}"),
    ];
    for (text, expected) in table {
        assert_eq!(shape(clean(text).1.get("y").unwrap()), expected, "{text:?}");
    }
    let wrong = "a merge key (<<) takes a mapping or a list of mappings, this is";
    assert_eq!(errors("<<: 5\n"), [format!("{wrong} an integer")]);
    assert_eq!(
        errors("a: {<<: [x, {b: 1}, [y]]}\n"),
        [format!("{wrong} a string"), format!("{wrong} a list")]
    );
}

/// Protects the words and the collecting of errors that do not end the text.
#[test]
fn what_is_wrong_with_a_text_is_said_and_passed_over() {
    let table: &[(&str, &[&str], &str)] = &[
        (
            "a: 1\nb: 2\na: 3\nb: 4\n",
            &["mapping key \"a\" already defined at line 1", "mapping key \"b\" already defined at line 2"],
            "{a: 1, b: 2}",
        ),
        (
            "a: {b: 1, b: {c: 2}, d: 3}\n",
            &["mapping key \"b\" already defined at line 1"],
            "{a: {b: 1, d: 3}}",
        ),
        ("a: &a\n  b: *a\n", &["this alias refers to itself or to nothing"], "{a: {b: null}}"),
        ("a: !!int x\nb: 1\n", &["this value is no !!int, as its tag says"], "{a: null, b: 1}"),
    ];
    for (text, expected, tree) in table {
        let (_, root, diagnostics) = parsed(text);
        assert_eq!(messages(&diagnostics), *expected, "{text:?}");
        assert_eq!(shape(&root.unwrap()), *tree, "{text:?}");
    }
}

/// Protects against half a configuration: what cannot be read to its end is not used.
#[test]
fn what_ends_a_text_leaves_no_tree() {
    let table = [
        ("a: b: c\n", "YAML syntax: mapping values are not allowed in this context"),
        ("a:\tb:\tc\n", "YAML syntax: mapping values are not allowed in this context"),
        ("a: 1\n---\nb: 2\n", "a configuration is one YAML document; a second one starts here"),
        ("? [a]\n: b\n", "a key must be a string, this is a list"),
        ("a: *nobody\n", "YAML syntax: while parsing node, found unknown anchor"),
        ("a:\n\tb: 1\n", "YAML syntax: tabs disallowed within this context (block indentation)"),
    ];
    for (text, expected) in table {
        let (_, root, diagnostics) = parsed(text);
        assert_eq!(messages(&diagnostics), [expected], "{text:?}");
        assert!(root.is_none(), "{text:?}");
    }
}

/// Protects the place of syntax errors, above all of those that the parser finds at the end of the text.
#[test]
fn syntax_errors_point_at_something_that_can_be_seen() {
    let table: &[(&str, (u32, u32, &str))] = &[
        ("a: [b\n\n\n", (1, 5, "b")),
        ("é: [\r\n\r\n", (1, 4, "[")),
        ("\u{feff}é: {\n", (1, 4, "{")),
        ("a: @x\n", (1, 4, "")),
        ("ä:\n\tb: 1\n", (2, 2, "")),
        ("a: 1\n  b: 2\n", (2, 4, "")),
    ];
    for (text, expected) in table {
        let (texts, _, diagnostics) = parsed(text);
        let origin = diagnostics.iter().next().unwrap().origin.unwrap();
        assert_eq!(place(&texts, origin), *expected, "{text:?}");
    }
}

/// Protects the time to read a text that is full of what the parser refuses, and the error in the end.
#[test]
fn tabs_behind_colons_are_repaired_up_to_a_limit() {
    let text = |lines: usize| (0..lines).fold(String::new(), |text, line| text + &format!("k{line}:\tv\n"));
    assert_eq!(clean(&text(200)).1.as_mapping().unwrap().iter().count(), 200);
    assert_eq!(errors(&text(201)), ["YAML syntax: ':' must be followed by a valid YAML whitespace"]);
}

/// Protects memory: ten aliases of ten aliases of ... are an error after a hundred thousand values.
#[test]
fn aliases_that_multiply_are_an_error() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert_eq!(errors(&text), ["more than 100000 values (aliases that multiply?)"]);
}

/// Protects memory against one long text in many places.
#[test]
fn aliases_of_long_texts_that_multiply_are_an_error() {
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 10_000].join(", "));
    assert_eq!(errors(&text), ["more than 100000 values (aliases that multiply?)"]);
}

/// Protects the stack of everybody who walks a tree: neither brackets nor aliases nest without limit.
#[test]
fn trees_are_not_deeper_than_the_limit() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(clean(&deep(MAX_DEPTH)).1.depth(), MAX_DEPTH);
    assert_eq!(errors(&deep(MAX_DEPTH + 1)), ["nested deeper than 200 levels"]);

    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..300 {
        chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(errors(&chain), ["nested deeper than 200 levels"]);
}

/// Protects the secrets in what a report shows of a text that is broken: as much as possible is known.
#[test]
fn a_broken_text_still_gives_what_stands_before_the_error() {
    let mut texts = SourceMap::default();
    let text = "a: {b: 1, b: 2}\nc:\n  d: [x, y\n  e: @\n";
    let id = texts.add("in.yaml", text);
    let (tree, is_all) = parse_what_can_be(id, text);
    assert!(!is_all);
    assert_eq!(shape(&tree), r#"{a: {b: 1, b: 2}, c: {d: ["x"]}}"#);
}

/// Protects the walk through a tree, on which every check is built.
#[test]
fn nodes_say_what_they_are() {
    let document = load_clean("map: {}\nlist: []\ntext: x\nwhole: 1\nnumber: 1.5\nyes: true\nnothing:\n");
    let table = [
        ("map", "a mapping", None),
        ("list", "a list", None),
        ("text", "a string", Some("x")),
        ("whole", "an integer", Some("1")),
        ("number", "a number", Some("1.5")),
        ("yes", "a boolean", Some("true")),
        ("nothing", "nothing", None),
    ];
    for (key, words, text) in table {
        let node = document.root.get(key).unwrap();
        assert_eq!((node.describe(), node.as_text()), (words, text), "{key}");
    }
    assert!(document.root.get("absent").is_none());
    assert!(document.root.get("text").unwrap().get("x").is_none());
}

/// Protects the order of keys, which is the order of pipelines' processors and of printed trees.
#[test]
fn mappings_keep_the_order_of_their_keys() {
    let mut document = load_clean("c: 1\na: 2\nb: 3\n");
    let Value::Mapping(mapping) = &mut document.root.value else { unreachable!() };
    let keys = |mapping: &Mapping| mapping.iter().map(|entry| entry.key.clone()).collect::<String>();
    assert_eq!(keys(mapping), "cab");
    let removed = mapping.remove("a").unwrap();
    assert!(mapping.remove("a").is_none());
    mapping.insert(removed);
    assert_eq!(keys(mapping), "cba");
    assert!(!mapping.is_empty());
}

/// Protects `file:line:column`, which editors make a link of.
#[test]
fn positions_are_described_as_compilers_do() {
    let (document, _) = World::default().load("a:\n  b: 1\n");
    let origin = at(&document.root, "a::b").origin;
    assert_eq!(document.sources.describe(origin), "in.yaml:2:6");
    assert_eq!(SourceMap::default().describe(origin), "?:2:6");
}
