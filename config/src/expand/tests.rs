use super::*;
use crate::diagnostic::Style;
use crate::testing::{World, at, covered, messages, shape};

fn world() -> World {
    World::default()
        .variable("HOST", "collector")
        .variable("PORT", "4317")
        .variable("ON", "true")
        .variable("LIST", "[a, 1]")
        .variable("MAP", "{a: 1, b: '${env:HOST}'}")
        .variable("EMPTY", "")
        .variable("NULL", "null")
        .variable("OCTAL", "0123")
        .variable("NAME", "HOST")
        .variable("CHAIN", "${env:PORT}")
        .variable("DOLLARS", "pa$$word $x ${env:PORT}")
        .variable("QUOTED", "\"quoted\" # kept")
        .variable("COMMENT", "#not a comment")
        .variable("COLON", "user: pass")
        .variable("BROKEN", "[1, 2")
        .variable("DASH", "- x")
        .variable("SPACED", "  5 ")
}

/// Protects what a value that is wholly one reference becomes: YAML's types for typed keys.
#[test]
fn a_whole_reference_takes_the_type_of_what_it_refers_to() {
    let table = [
        ("${env:HOST}", r#""collector""#),
        ("${HOST}", r#""collector""#),
        ("\"${env:PORT}\"", "4317"),
        ("${env:PORT}", "4317"),
        ("${env:ON}", "true"),
        ("${env:LIST}", r#"["a", 1]"#),
        ("${env:MAP}", r#"{a: 1, b: "collector"}"#),
        ("${env:EMPTY}", "null"),
        ("${env:NULL}", "null"),
        ("${env:OCTAL}", "83"),
        ("${env:SPACED}", "5"),
        ("${env:CHAIN}", "4317"),
        ("${env:DASH}", r#"["x"]"#),
        ("'${yaml:[1, [a]]}'", r#"[1, ["a"]]"#),
        ("'${yaml:5}'", "5"),
    ];
    for (text, expected) in table {
        let (document, diagnostics) = world().load(&format!("k: {text}\n"));
        assert!(diagnostics.is_empty(), "{text}: {:?}", messages(&diagnostics));
        assert_eq!(shape(at(&document.root, "k")), expected, "{text}");
    }
}

/// Protects passwords: where YAML sees a string, the variable's text is taken word for word, be there
/// quotes, comments or brackets in it.
#[test]
fn a_string_is_the_variable_word_for_word() {
    let table = [
        ("QUOTED", r#""\"quoted\" # kept""#),
        ("COMMENT", r##""#not a comment""##),
        ("BROKEN", r#""[1, 2""#),
    ];
    for (name, expected) in table {
        let (document, _) = world().load(&format!("k: ${{env:{name}}}\n"));
        assert_eq!(shape(at(&document.root, "k")), expected, "{name}");
    }
}

/// Protects text around references, escapes, and what only looks like a reference.
#[test]
fn inside_a_string_references_are_text() {
    let table = [
        ("http://${env:HOST}:${env:PORT}/x", "http://collector:4317/x"),
        ("${env:HOST}${env:PORT}", "collector4317"),
        ("a${env:OCTAL}", "a0123"),
        ("a${env:LIST}", "a[a, 1]"),
        ("a${env:MAP}", "a{a: 1, b: '${env:HOST}'}"),
        ("a${env:EMPTY}b", "ab"),
        ("a${env:QUOTED}", "a\"quoted\" # kept"),
        ("$$", "$"),
        ("$${env:HOST}", "${env:HOST}"),
        ("$$${env:HOST}", "$collector"),
        ("$$$${env:HOST}", "$${env:HOST}"),
        ("$HOST and $1", "$HOST and $1"),
        ("${env:HOST", "${env:HOST"),
        ("x}${", "x}${"),
        ("ends with $", "ends with $"),
        ("${env:DOLLARS}", "pa$word $x 4317"),
        ("ä${env:HOST}ö", "äcollectorö"),
    ];
    for (text, expected) in table {
        let (document, diagnostics) = world().load(&format!("k: '{text}'\n"));
        assert!(diagnostics.is_empty(), "{text}: {:?}", messages(&diagnostics));
        assert_eq!(shape(at(&document.root, "k")), format!("{expected:?}"), "{text}");
    }
}

/// Protects defaults: taken when the variable is unset, not when it is empty, and expanded themselves.
#[test]
fn a_default_stands_in_for_an_unset_variable() {
    let table = [
        ("${env:NOPE:-x}", r#""x""#),
        ("${NOPE:-x}", r#""x""#),
        ("${env:NOPE:-5}", "5"),
        ("${env:NOPE:-[a, 5]}", r#"["a", 5]"#),
        ("${env:NOPE:-}", r#""""#),
        ("${env:NOPE:-a:b}", r#""a:b""#),
        ("${env:NOPE:-http://x:1}", r#""http://x:1""#),
        ("${env:NOPE:-${env:PORT}}", "4317"),
        ("${env:NOPE:-${env:NOR:-${HOST}}}", r#""collector""#),
        ("${env:NOPE:-$$5}", r#""$5""#),
        ("${env:HOST:-x}", r#""collector""#),
        ("${env:EMPTY:-x}", "null"),
        ("${env:${env:NAME}}", r#""collector""#),
        ("${${NAME}:-x}", r#""collector""#),
    ];
    for (text, expected) in table {
        let (document, diagnostics) = world().load(&format!("k: '{text}'\n"));
        assert!(diagnostics.is_empty(), "{text}: {:?}", messages(&diagnostics));
        assert_eq!(shape(at(&document.root, "k")), expected, "{text}");
    }
}

/// Protects files: a mapping becomes part of the tree, a certificate keeps its lines, a token loses the
/// line break that its editor added.
#[test]
fn files_are_yaml_or_text() {
    let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let world = world()
        .file("otlp.yaml", "protocols:\n  grpc:\n    endpoint: ${env:HOST}:4317\n")
        .file("ca.pem", pem)
        .file("token", "abc: #1\n")
        .file("windows", "abc\r\n")
        .file("number", "5\n")
        .file("dir/nested", "${file:number}");
    let table = [
        ("${file:otlp.yaml}", r#"{protocols: {grpc: {endpoint: "collector:4317"}}}"#),
        ("${file:ca.pem}", &format!("{pem:?}")),
        ("${file:token}", "{abc: null}"),
        ("x${file:token}", r#""xabc: #1""#),
        ("${file:windows}", r#""abc""#),
        ("${file:number}", "5"),
        ("${file:dir/nested}", "5"),
    ];
    for (text, expected) in table {
        let (document, diagnostics) = world.load(&format!("k: {text}\n"));
        assert!(diagnostics.is_empty(), "{text}: {:?}", messages(&diagnostics));
        assert_eq!(shape(at(&document.root, "k")), expected, "{text}");
    }
}

/// Protects the words of everything that can be wrong with a reference.
#[test]
fn what_is_wrong_with_a_reference_is_said() {
    let itself = World::default()
        .variable("A", "x ${env:B}")
        .variable("B", "${A}")
        .file("a.yaml", "[\"${file:a.yaml}\", \"${file:a.yaml}\"]");
    let table = [
        ("${env:NOPE}", "environment variable NOPE is not set, so this value is empty"),
        (
            "${env:1X}",
            "environment variable \"1X\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$",
        ),
        ("${}", "environment variable \"\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"),
        ("${vault:a/b}", "scheme \"vault\" is not supported for uri \"vault:a/b\" (env, file, yaml)"),
        (
            "${https://u:p@x/y}",
            "scheme \"https\" is not supported for uri \"https://[REDACTED]@x/y\" (env, file, yaml)",
        ),
        ("${file:nope}", "unable to read the file nope: no such file"),
        ("${env:A}", "${env:B} refers to itself"),
        ("${file:a.yaml}", "${file:a.yaml} refers to itself"),
    ];
    for (text, expected) in table {
        let (document, diagnostics) = itself.load(&format!("k: '{text}'\n"));
        assert_eq!(messages(&diagnostics).first().map(String::as_str), Some(expected), "{text}");
        assert!(
            diagnostics.render(&document, Style::Plain).contains("in.yaml:1:4") || text.contains("a.yaml")
        );
    }
}

/// Protects time and memory: references that multiply and nesting that adds up both end in one error.
#[test]
fn expansion_is_bounded() {
    let mut doubling = World::default().variable("V40", "x");
    let mut nesting = World::default().variable("N8", "x");
    for level in (0..40).rev() {
        let next = format!("${{V{}}}", level + 1);
        doubling = doubling.variable(&format!("V{level}"), &format!("{next} {next}"));
    }
    for level in (0..8).rev() {
        let deep = format!("{}'${{N{}}}'{}", "[".repeat(50), level + 1, "]".repeat(50));
        nesting = nesting.variable(&format!("N{level}"), &deep);
    }
    let (_, diagnostics) = doubling.load("k: ${V20}\n");
    assert_eq!(messages(&diagnostics), ["more than 10000 references"]);
    let (_, diagnostics) = doubling.load("k: ${V0}\n");
    assert!(messages(&diagnostics)[0].starts_with("too many recursive expansions in ${V"));
    let (document, diagnostics) = nesting.load("k: ${N0}\n");
    assert_eq!(messages(&diagnostics), ["${N3} is nested deeper than 200 levels"]);
    assert!(document.root.depth() <= MAX_DEPTH);
}

/// Protects memory against few references to much: a hundred copies of a long list, and of a long text.
#[test]
fn what_references_lead_to_is_bounded() {
    let list = format!("[{}]", "1,".repeat(5000));
    let world = World::default().variable("LIST", &list).variable("TEXT", &"x".repeat(100_000));
    for name in ["LIST", "TEXT"] {
        let references = vec![format!("\"${{{name}}}\""); 1000].join(", ");
        let (document, diagnostics) = world.load(&format!("k: [{references}]\n"));
        assert_eq!(messages(&diagnostics), ["references lead to more than 4 MiB"], "{name}");
        let expanded = at(&document.root, "k").as_sequence().unwrap();
        assert!(expanded[0].as_scalar().is_none_or(|scalar| scalar.kind == ScalarKind::String), "{name}");
        assert!(expanded[999].is_null(), "{name}");
    }
}

/// Protects the time of a start: references that are not closed cost no more than others.
#[test]
fn a_text_of_unclosed_references_is_read_in_one_pass() {
    let text = "${".repeat(500_000);
    assert_eq!(closings(&text).reference_length(0), None);
    let (document, diagnostics) = World::default().load(&format!("k: '{text}'\n"));
    assert!(diagnostics.is_empty());
    assert_eq!(at(&document.root, "k").as_text(), Some(text.as_str()));
}

/// Protects the pairing of braces, whatever stands between and in front of them.
#[test]
fn braces_pair_as_they_nest() {
    let table = [
        ("${a}", vec![(0, Some(4))]),
        ("x}${a}}", vec![(2, Some(4))]),
        ("${a${b}}", vec![(0, Some(8)), (3, Some(4))]),
        ("${a ${b}", vec![(0, None), (4, Some(4))]),
        ("${a} ${b}", vec![(0, Some(4)), (5, Some(4))]),
        ("$${a}", vec![(1, Some(4))]),
        ("${", vec![(0, None)]),
    ];
    for (text, expected) in table {
        assert_eq!(closings(text).0, expected, "{text}");
    }
}

/// Protects large configurations: the limit is on what multiplies, not on how often variables are used.
#[test]
fn two_thousand_references_are_fine() {
    let text: Vec<String> = (0..2000).map(|key| format!("k{key}: ${{env:PORT}}\n")).collect();
    let (document, diagnostics) = world().load(&text.concat());
    assert!(diagnostics.is_empty());
    assert_eq!(shape(at(&document.root, "k1999")), "4317");
}

/// Protects the place of errors that follow from a value: a scalar stands where its reference is
/// written, what came out of a file points into the file.
#[test]
fn values_from_references_know_where_they_stand() {
    let world = world().file("f.yaml", "# top\nb:\n  - c\n");
    let (document, _) = world.load("a: ${env:PORT}\nf: ${file:f.yaml}\nt: x${env:HOST}\n");
    let table = [
        ("a", "in.yaml:1:4", "${env:PORT}"),
        ("t", "in.yaml:3:4", "x${env:HOST}"),
        ("f", "f.yaml:2:1", "b:\n  - c"),
        ("f::b::0", "f.yaml:3:5", "c"),
    ];
    for (path, place, text) in table {
        let origin = at(&document.root, path).origin;
        assert_eq!(document.sources.describe(origin), place, "{path}");
        assert_eq!(covered(&document.sources, origin), text, "{path}");
    }
}

/// Protects the note "the value comes from ...", by which a user finds the variable to change.
#[test]
fn values_remember_their_references() {
    let (document, _) = world().load(
        "one: ${env:PORT}\nchain: ${env:CHAIN}\ntwo: ${env:HOST}-${env:NOPE}\nlist: ${env:LIST}\nnone: x\n",
    );
    let of = |path: &str| {
        let references = &at(&document.root, path).references;
        references.iter().map(|reference| reference.description.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of("one"), ["environment variable PORT"]);
    assert_eq!(of("chain"), ["environment variable CHAIN", "environment variable PORT"]);
    assert_eq!(of("two"), ["environment variable HOST", "environment variable NOPE"]);
    assert_eq!(of("list"), ["environment variable LIST"]);
    assert!(of("none").is_empty());
    assert!(at(&document.root, "two").references[1].unset);
}

/// Protects the source map: the texts of variables that turned out to be scalars are not kept.
#[test]
fn only_texts_that_positions_refer_to_are_kept() {
    let (document, _) = world().load("a: ${env:QUOTED}\nb: ${env:COLON}\nc: ${env:BROKEN}\n");
    let names: Vec<&str> = document.sources.iter().map(|(_, text)| text.name.as_str()).collect();
    assert_eq!(names, ["in.yaml", "environment variable COLON"]);
}

/// Protects keys, which the Collector does not expand.
#[test]
fn keys_are_not_expanded() {
    let (document, _) = world().load("${env:HOST}: ${env:HOST}\n");
    assert_eq!(shape(&document.root), r#"{${env:HOST}: "collector"}"#);
}
