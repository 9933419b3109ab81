use std::path::PathBuf;

use super::*;
use crate::diagnostic::Style;
use crate::testing::{World, at, embedded, messages, shape};
use crate::{Document, load};

fn loaded(world: &World, uris: &[&str], properties: &[&str]) -> (Document, Diagnostics) {
    let mut sources = Sources::default();
    for uri in uris {
        sources.add(Source::from_uri(uri).unwrap());
    }
    for property in properties {
        sources.add(Source::from_property(property).unwrap());
    }
    load(&sources, world)
}

/// Protects `--config`: what is a path and what is a scheme.
#[test]
fn config_arguments_name_files_variables_and_yaml() {
    let file = |path: &str| Ok(Source::File(PathBuf::from(path)));
    let table: Vec<(&str, Result<Source, String>)> = vec![
        ("a.yaml", file("a.yaml")),
        ("/etc/a.yaml", file("/etc/a.yaml")),
        ("file:a.yaml", file("a.yaml")),
        ("file:/etc/a:b.yaml", file("/etc/a:b.yaml")),
        ("C:\\a.yaml", file("C:\\a.yaml")),
        ("./a:b.yaml", file("./a:b.yaml")),
        ("env:CONFIG", Ok(Source::Variable("CONFIG".to_owned()))),
        ("yaml:a::b: c", Ok(Source::Yaml("a::b: c".to_owned()))),
        (
            "https://me:secret@host/x",
            Err("scheme \"https\" is not supported for uri \"https://[REDACTED]@host/x\" (file, env and yaml are)"
                .to_owned()),
        ),
    ];
    for (uri, expected) in table {
        assert_eq!(Source::from_uri(uri), expected, "{uri}");
    }
}

/// Protects `--set`: the first `=` divides, blanks around keys do not count.
#[test]
fn properties_are_a_path_and_a_value() {
    let table = [
        ("a=1", "a", "1"),
        ("a.b.c=x=y", "a.b.c", "x=y"),
        ("a . b =x", "a.b", "x"),
        ("a.b=", "a.b", ""),
        ("receivers.otlp/2.x=[1, 2]", "receivers.otlp/2.x", "[1, 2]"),
    ];
    for (property, path, value) in table {
        let expected =
            Source::Property { path: path.split('.').map(str::to_owned).collect(), value: value.to_owned() };
        assert_eq!(Source::from_property(property), Ok(expected), "{property}");
    }
}

/// Protects against a secret in the answer to a mistyped `--set`.
#[test]
fn a_wrong_property_is_not_quoted_further_than_its_key() {
    let table = [
        ("a.b", "missing equal sign in --set \"a.b\" (write --set a.b.c=value)"),
        (
            "exporters.x.password:hunter2",
            "missing equal sign in --set \"exporters.x.password\" (write --set a.b.c=value)",
        ),
        ("token hunter2", "missing equal sign in --set \"token\" (write --set a.b.c=value)"),
        ("a..b=hunter2", "empty key in --set \"a..b=...\" (write --set a.b.c=value)"),
        ("=hunter2", "empty key in --set \"=...\" (write --set a.b.c=value)"),
    ];
    for (property, expected) in table {
        assert_eq!(Source::from_property(property), Err(expected.to_owned()), "{property}");
    }
    let deep = format!("{}=1", vec!["a"; MAX_DEPTH + 1].join("."));
    assert_eq!(Source::from_property(&deep), Err("--set nests deeper than 200 levels".to_owned()));
}

/// Protects the order: configurations as given, properties on top of all of them wherever they stand.
#[test]
fn properties_are_laid_over_every_configuration() {
    let mut sources = Sources::default();
    assert!(sources.has_no_config());
    sources.add(Source::from_property("a.b=9").unwrap());
    assert!(sources.has_no_config());
    sources.add(embedded("a: {b: 1, c: 1}\n"));
    sources.add(Source::from_uri("yaml:a::c: 2").unwrap());
    assert!(!sources.has_no_config());
    let (document, diagnostics) = load(&sources, &World::default());
    assert!(diagnostics.is_empty());
    assert_eq!(shape(&document.root), "{a: {b: 9, c: 2}}");
}

/// Protects what a value on the command line may be: any YAML, nothing clears.
#[test]
fn property_values_are_yaml() {
    let table = [
        ("a.b=5", "{a: {b: 5, c: 1}}"),
        ("a.b=\"5\"", r#"{a: {b: "5", c: 1}}"#),
        ("a.b=[x, y]", r#"{a: {b: ["x", "y"], c: 1}}"#),
        ("a.b={x: y}", r#"{a: {b: {x: "y"}, c: 1}}"#),
        ("a.b=", "{a: {b: null, c: 1}}"),
        ("a=", "{a: null}"),
        ("a.b.d=1", "{a: {b: {d: 1}, c: 1}}"),
        ("a.b=${env:X}", r#"{a: {b: "from env", c: 1}}"#),
        ("n.e.w=1", "{a: {b: 0, c: 1}, n: {e: {w: 1}}}"),
    ];
    let world = World::default().variable("X", "from env");
    for (property, expected) in table {
        let (document, diagnostics) = world.load_with("a: {b: 0, c: 1}\n", &[property]);
        assert!(diagnostics.is_empty(), "{property}: {:?}", messages(&diagnostics));
        assert_eq!(shape(&document.root), expected, "{property}");
    }
}

/// Protects `yaml:a::b: v`, in which the keys at the top nest and share what they have in common.
#[test]
fn yaml_on_the_command_line_nests_by_double_colons() {
    let table = [
        ("yaml:a::b: c", r#"{a: {b: "c"}}"#),
        ("yaml:{a::b: 1, a::c: 2}", "{a: {b: 1, c: 2}}"),
        ("yaml:{a::b: 1, a: {c: 2}}", "{a: {b: 1, c: 2}}"),
        ("yaml:a: {b::c: 1}", "{a: {b::c: 1}}"),
        ("yaml:a::b:", "{a: {b: null}}"),
        ("yaml:", "{}"),
    ];
    for (uri, expected) in table {
        let (document, diagnostics) = loaded(&World::default(), &[uri], &[]);
        assert!(diagnostics.is_empty(), "{uri}: {:?}", messages(&diagnostics));
        assert_eq!(shape(&document.root), expected, "{uri}");
    }
    let (document, _) = loaded(&World::default(), &["yaml:{a: 1, b::c: 2}"], &[]);
    let entry = document.root.as_mapping().unwrap().get("b").unwrap();
    assert_eq!(document.sources.describe(entry.key_origin), "yaml::1:8");
    assert_eq!(document.sources.describe(at(&document.root, "b::c").origin), "yaml::1:14");
}

/// Protects the start: each source that cannot be had is an error of its own, the others are read.
#[test]
fn sources_that_are_not_there_are_errors() {
    let world = World::default().file("a.yaml", "a: 1\n").variable("C", "c: 3\n");
    let uris = ["nope.yaml", "a.yaml", "env:NOPE", "env:C"];
    let (document, diagnostics) = loaded(&world, &uris, &[]);
    assert_eq!(
        messages(&diagnostics),
        [
            "unable to read the file nope.yaml: no such file",
            "environment variable NOPE is not set (asked for by --config env:NOPE)",
        ]
    );
    assert_eq!(shape(&document.root), "{a: 1, c: 3}");
    assert_eq!(document.sources.describe(at(&document.root, "c").origin), "env:C:1:4");
}

/// Protects everybody behind: the root is a mapping, or there is an error.
#[test]
fn a_source_that_is_no_mapping_is_an_error() {
    for (text, found) in [("text", "a string"), ("- a\n", "a list"), ("5", "an integer")] {
        let (document, diagnostics) = World::default().load(text);
        let expected = format!("the configuration is a mapping of sections, this is {found}");
        assert_eq!(messages(&diagnostics), [expected]);
        assert_eq!(shape(&document.root), "{}");
    }
}

/// Protects the stack against paths that nest on top of values that nest.
#[test]
fn a_path_and_its_value_share_the_limit_of_depth() {
    let path = vec!["a"; MAX_DEPTH - 1].join(".");
    let (_, diagnostics) = World::default().load_with("", &[&format!("{path}=[1]")]);
    assert!(diagnostics.is_empty());
    let (_, diagnostics) = World::default().load_with("", &[&format!("{path}=[[1]]")]);
    assert_eq!(messages(&diagnostics), ["nested deeper than 200 levels"]);
    let long = vec!["a"; MAX_DEPTH + 100].join("::");
    let (document, _) = loaded(&World::default(), &[&format!("yaml:{long}: 1")], &[]);
    assert_eq!(document.root.depth(), 1);
}

/// Protects the report of a property: it shows the value and names the argument.
#[test]
fn errors_in_a_property_show_the_property() {
    let (document, diagnostics) = World::default().load_with("", &["a.b=[1"]);
    insta::assert_snapshot!(diagnostics.render(&document, Style::Plain), @r"
    error: YAML syntax: while parsing a flow sequence, expected ',' or ']'
     --> --set a.b:1:2
      |
    1 | [1
      |  ^

    1 error
    ");
}

/// Protects the real program: files and variables are those of the process.
#[test]
fn the_process_has_an_environment_and_files() {
    assert_eq!(Process.variable("CARGO_PKG_NAME").as_deref(), Some("spindle-config"));
    assert_eq!(Process.variable("SPINDLE_NO_SUCH_VARIABLE"), None);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert!(Process.read(&manifest).unwrap().contains("spindle-config"));
    assert!(Process.read(Path::new("/no/such/file")).is_err());
}
