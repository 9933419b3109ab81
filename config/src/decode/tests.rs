use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde::Deserialize;

use super::*;
use crate::diagnostic::Style;
use crate::testing::{World, at, messages};
use crate::types::{Duration, Headers, Optional, Secret};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Color {
    Red,
    LightGreen,
}

/// One of everything that config structs are made of.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Everything {
    flag: bool,
    small: u8,
    signed: i16,
    count: u64,
    ratio: f64,
    text: String,
    path: PathBuf,
    color: Color,
    timeout: Duration,
    maybe: Option<u32>,
    list: Vec<u16>,
    words: Vec<String>,
    pair: (u8, String),
    map: BTreeMap<String, u8>,
    colors: BTreeMap<Color, u8>,
    inner: Inner,
    items: Vec<Inner>,
    block: Optional<Inner>,
    on: Optional<Inner>,
    blocks: HashMap<String, Inner>,
    #[serde(alias = "old_name")]
    new_name: u8,
    secret: Secret,
    headers: Headers,
}

impl Default for Everything {
    fn default() -> Self {
        Self {
            flag: true,
            small: 7,
            signed: -7,
            count: 77,
            ratio: 0.5,
            text: "default".to_owned(),
            path: "/default".into(),
            color: Color::Red,
            timeout: Duration::from_secs(5),
            maybe: None,
            list: vec![1],
            words: Vec::new(),
            pair: (1, "one".to_owned()),
            map: BTreeMap::new(),
            colors: BTreeMap::new(),
            inner: Inner::default(),
            items: Vec::new(),
            block: Optional::Absent,
            on: Optional::Present(Inner::default()),
            blocks: HashMap::new(),
            new_name: 0,
            secret: Secret::default(),
            headers: Headers::default(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Inner {
    size: u32,
    name: String,
}

/// A struct that cannot do without its keys.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    name: String,
    size: u32,
}

fn world() -> World {
    World::default()
        .variable("NUMBER", "0123")
        .variable("WORD", "word")
        .variable("JSON", "{\"a\": 1}")
        .variable("LIST", "[a, b]")
        .variable("QUOTED", "'quoted' #1")
}

/// Reads a text as an `Everything`, with the problems as `path: message`.
fn read(text: &str) -> (Option<Everything>, Vec<String>) {
    let (document, _) = world().load(text);
    let mut diagnostics = Diagnostics::default();
    let value = decode(&document.root, "", &mut diagnostics);
    (value, messages(&diagnostics))
}

/// Reads a text that has nothing wrong with it.
fn clean(text: &str) -> Everything {
    let (value, problems) = read(text);
    assert!(problems.is_empty(), "{text}: {problems:?}");
    value.unwrap()
}

/// Protects the whole way from text to struct: each kind of field once.
#[test]
fn every_kind_of_field_is_read() {
    let value = clean(
        "flag: false\nsmall: 255\nsigned: -32768\ncount: 18446744073709551615\nratio: 2\ntext: x\npath: /x\n\
         color: light_green\ntimeout: 1m30s\nmaybe: 5\nlist: [1, 2]\nwords: [a, b]\npair: [2, two]\n\
         map: {a: 1}\ncolors: {red: 1}\ninner: {size: 1, name: x}\nitems:\n  - size: 2\n  - name: y\n\
         block: {size: 3}\nblocks:\n  a:\n  b: {size: 4}\nold_name: 9\nsecret: s\nheaders: {h: v}\n",
    );
    let inner = |size, name: &str| Inner { size, name: name.to_owned() };
    assert_eq!((value.flag, value.small, value.signed, value.count), (false, 255, -32768, u64::MAX));
    assert_eq!((value.ratio, value.text.as_str()), (2.0, "x"));
    assert_eq!((value.path, value.color), (PathBuf::from("/x"), Color::LightGreen));
    assert_eq!((value.timeout, value.maybe), (Duration::from_secs(90), Some(5)));
    assert_eq!((value.list, value.words), (vec![1, 2], vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!((value.pair, value.new_name), ((2, "two".to_owned()), 9));
    assert_eq!((value.map["a"], value.colors[&Color::Red]), (1, 1));
    assert_eq!((value.inner, value.items), (inner(1, "x"), vec![inner(2, ""), inner(0, "y")]));
    assert_eq!(value.block, Optional::Present(inner(3, "")));
    assert_eq!((&value.blocks["a"], &value.blocks["b"]), (&Inner::default(), &inner(4, "")));
    assert_eq!((value.secret.expose(), value.headers.iter().count()), ("s", 1));
}

/// Protects the Collector's rule that a key without a value says nothing.
#[test]
fn nulls_leave_the_defaults() {
    let keys = [
        "flag", "small", "signed", "count", "ratio", "text", "path", "color", "timeout", "maybe", "list",
        "words", "pair", "map", "inner", "items", "blocks", "new_name", "secret", "headers",
    ];
    assert_eq!(clean(&format!("{}:\n", keys.join(":\n"))), Everything::default());
    assert_eq!(clean(""), Everything::default());
    assert_eq!(clean("inner: {size: , name: x}\n").inner, Inner { size: 0, name: "x".to_owned() });
}

/// Protects "all problems at once": every wrong value and every unknown key of one struct, however deep,
/// in one call, and the rest of the struct as it was written.
#[test]
fn one_call_finds_everything_that_is_wrong() {
    let (value, problems) = read(
        "flag: 1\nsmall: 256\ncount: -1\nratio: x\ntext: [a]\ncolor: grene\ntimeout: 5\nlist: [1, x, 70000]\n\
         map: {a: 1, b: x}\ninner: {size: x, nme: y}\nitems: [{size: x}, {zise: 1, name: ok}, 5]\n\
         block: {size: [], foo: 1}\nblocks: {a: {name: {}}}\nsigned: 5\nunknown: 1\nflga: true\n",
    );
    let expected = [
        "has invalid keys: unknown",
        "has invalid keys: flga",
        "flag: expected a boolean (true or false), found an integer",
        "small: expected an integer from 0 to 255, found 256",
        "count: expected an integer that is not negative, found -1",
        "ratio: expected a number, found a string",
        "text: expected a string, found a list",
        "color: unknown value \"grene\", allowed: `light_green`, `red`",
        "timeout: missing unit in duration \"5\" (write it like 200ms, 5s or 1m30s)",
        "list[1]: expected a number, found a string",
        "list[2]: expected an integer from 0 to 65535, found 70000",
        "map::b: expected a number, found a string",
        "inner: has invalid keys: nme",
        "inner::size: expected a number, found a string",
        "items[0]::size: expected a number, found a string",
        "items[1]: has invalid keys: zise",
        "items[2]: expected a mapping, found an integer",
        "block: has invalid keys: foo",
        "block::size: expected a number, found a list",
        "blocks::a::name: expected a string, found a mapping",
    ];
    assert_eq!(problems, expected);
    let value = value.unwrap();
    assert_eq!((value.flag, value.small, value.signed, value.list), (true, 7, 5, vec![1]));
    assert_eq!(value.items, [Inner::default(), Inner { size: 0, name: "ok".to_owned() }]);
    assert_eq!(value.block, Optional::Present(Inner::default()));
}

/// Protects the limits of numbers and the words for them.
#[test]
fn numbers_have_the_ranges_of_their_types() {
    let table = [
        ("small: -1", Err("small: expected an integer from 0 to 255, found -1")),
        ("small: 2.0", Ok(())),
        ("small: 2.5", Err("small: expected an integer from 0 to 255, found 2.5")),
        ("small: 0x10", Ok(())),
        ("small: 0xFF1", Err("small: expected an integer from 0 to 255, found 4081")),
        ("small: \"5\"", Err("small: expected a number, found a string")),
        ("small: true", Err("small: expected a number, found a boolean")),
        ("small: {}", Err("small: expected a number, found a mapping")),
        ("signed: 40000", Err("signed: expected an integer, found 40000")),
        ("signed: -0x10", Ok(())),
        ("count: 1e3", Ok(())),
        (
            "count: 18446744073709551616",
            Err("count: expected an integer that is not negative, found 18446744073709552000"),
        ),
        ("count: .inf", Err("count: expected an integer that is not negative, found inf")),
        ("ratio: -3", Ok(())),
        ("ratio: .inf", Ok(())),
        ("maybe: 4294967296", Err("maybe: expected an integer from 0 to 4294967295, found 4294967296")),
    ];
    for (text, expected) in table {
        let (_, problems) = read(text);
        let expected: Vec<&str> = expected.err().into_iter().collect();
        assert_eq!(problems, expected, "{text}");
    }
}

/// Protects names and versions that look like numbers: where text is wanted, what was written is taken.
#[test]
fn scalars_are_taken_as_text_where_text_is_wanted() {
    let table = [
        ("1.10", "1.10"),
        ("0x1F", "0x1F"),
        ("true", "true"),
        ("1_000", "1_000"),
        ("'~'", "~"),
        ("yes", "yes"),
    ];
    for (written, text) in table {
        assert_eq!(clean(&format!("text: {written}\n")).text, text, "{written}");
    }
    assert_eq!(clean("words: [1, 2.50, true]\n").words, ["1", "2.50", "true"]);
    assert_eq!(clean("path: 5\n").path, PathBuf::from("5"));
}

/// Protects lists written as `a, b`, which the Collector takes too.
#[test]
fn a_string_with_commas_is_a_list() {
    let table: &[(&str, &[&str])] = &[
        ("words: a, b ,c", &["a", "b", "c"]),
        ("words: a", &["a"]),
        ("words: ''", &[]),
        ("words: 'a,,b,'", &["a", "b"]),
        ("words: ${env:WORD}", &["word"]),
        ("words: ${env:LIST}", &["a", "b"]),
    ];
    for (text, expected) in table {
        assert_eq!(clean(text).words, *expected, "{text}");
    }
    assert_eq!(read("words: 5").1, ["words: expected a list, found an integer"]);
    assert_eq!(read("list: 1,2").1, ["list: expected an integer from 0 to 65535, found a string"]);
    assert_eq!(read("items: a,b").1, ["items: expected a mapping, found a string"]);
}

/// Protects lists: they have no default to put in place of nothing.
#[test]
fn nothing_in_a_list_is_an_error() {
    assert_eq!(read("words: [a, ~]\n").1, ["words[1]: expected a value, found nothing"]);
    assert_eq!(read("list:\n  -\n  - 2\n").1, ["list[0]: expected a value, found nothing"]);
    assert_eq!(clean("items:\n  -\n  - name:\n").items, [Inner::default(), Inner::default()]);
}

/// Protects optional blocks in every form that users write them.
#[test]
fn optional_blocks_can_be_absent_empty_on_and_off() {
    let inner = |size| Optional::Present(Inner { size, name: String::new() });
    let table = [
        ("{}", Optional::Absent),
        ("block:", inner(0)),
        ("block: {}", inner(0)),
        ("block: {size: 1}", inner(1)),
        ("block: {enabled: true}", inner(0)),
        ("block: {enabled: true, size: 1}", inner(1)),
        ("block: {enabled: , size: 1}", inner(1)),
        ("block: {enabled: false}", Optional::Disabled),
        ("block: {enabled: false, size: x, foo: 1}", Optional::Disabled),
    ];
    for (text, expected) in table {
        assert_eq!(clean(text).block, expected, "{text}");
    }
    assert_eq!(clean("on: {enabled: false}\n").on, Optional::Disabled);
    assert_eq!(clean("{}").on, inner(0));
}

/// Protects what is said about optional blocks that are wrong.
#[test]
fn what_is_wrong_with_an_optional_block_is_said() {
    let table: &[(&str, &[&str])] = &[
        ("block: 5", &["block: expected a mapping, found an integer"]),
        ("block: {enabled: x}", &["block::enabled: expected a boolean (true or false), found a string"]),
        (
            "block: {enabled: 1, size: x, foo: 1}",
            &[
                "block: has invalid keys: foo",
                "block::enabled: expected a boolean (true or false), found an integer",
                "block::size: expected a number, found a string",
            ],
        ),
        ("block: {enabled: true, foo: 1}", &["block: has invalid keys: foo"]),
    ];
    for (text, expected) in table {
        let (value, problems) = read(text);
        let mut sorted = problems.clone();
        sorted.sort();
        assert_eq!(sorted, *expected, "{text}");
        assert!(value.is_some());
    }
}

/// Protects maps in optional blocks, to which `enabled` does not belong.
#[test]
fn enabled_is_no_entry_of_an_optional_map() {
    let (document, _) = world().load("{enabled: true, a: 1}\n");
    let mut diagnostics = Diagnostics::default();
    let value: Optional<BTreeMap<String, u8>> = decode(&document.root, "", &mut diagnostics).unwrap();
    assert!(diagnostics.is_empty());
    assert_eq!(value, Optional::Present(BTreeMap::from([("a".to_owned(), 1)])));
}

/// Protects a struct that has an `enabled` of its own inside an optional block.
#[test]
fn a_struct_can_read_enabled_itself() {
    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Own {
        enabled: bool,
    }
    let (document, _) = world().load("{enabled: true}\n");
    let mut diagnostics = Diagnostics::default();
    let value: Option<Optional<Own>> = decode(&document.root, "", &mut diagnostics);
    assert_eq!(value, Some(Optional::Present(Own { enabled: true })));
    assert!(diagnostics.is_empty());
}

/// Protects against a second error where one is meant: a required key whose value is wrong is there.
#[test]
fn what_follows_from_an_error_is_no_error() {
    let table: &[(&str, &[&str], bool)] = &[
        ("{name: x, size: 1}", &[], true),
        ("{name: x}", &["a: the key `size` is required"], false),
        ("{name: x, size: y}", &["a::size: expected a number, found a string"], false),
        ("{name: x, size: }", &["a: the key `size` is required"], false),
        (
            "{name: [], sise: 1}",
            &["a: has invalid keys: sise", "a::name: expected a string, found a list"],
            false,
        ),
    ];
    for (text, expected, is_read) in table {
        let (document, _) = world().load(text);
        let mut diagnostics = Diagnostics::default();
        let value: Option<Strict> = decode(&document.root, "a", &mut diagnostics);
        assert_eq!(messages(&diagnostics), *expected, "{text}");
        assert_eq!(value.is_some(), *is_read, "{text}");
    }
    assert_eq!(read("pair: [x, [y]]").1, ["pair[0]: expected a number, found a string"]);
    assert_eq!(read("pair: [1, ~]").1, ["pair[1]: expected a value, found nothing"]);
    assert_eq!(read("pair: [1]").1, ["pair: expected a list of 2, found 1"]);
    assert_eq!(
        read("headers: [{name: a, value: [1]}]").1,
        ["headers[0]::value: expected a string, found a list"]
    );
}

/// Protects lists of structs with required keys: the wrong item is passed over, the others are read.
#[test]
fn a_wrong_item_does_not_spoil_its_list() {
    let (document, _) =
        world().load("l: [{name: a, size: 1}, {name: b}, {name: c, size: x}, {name: d, size: 4}]");
    let mut diagnostics = Diagnostics::default();
    let value: Vec<Strict> = decode(at(&document.root, "l"), "l", &mut diagnostics).unwrap();
    assert_eq!(value.iter().map(|item| item.name.as_str()).collect::<String>(), "ad");
    assert_eq!(
        messages(&diagnostics),
        ["l[1]: the key `size` is required", "l[2]::size: expected a number, found a string"]
    );
}

/// Protects old names: both at once are said to be one.
#[test]
fn an_old_and_a_new_name_together_are_an_error() {
    let (value, problems) = read("new_name: 1\nold_name: 2\n");
    assert_eq!(problems, ["the key `new_name` is given twice, under its old and its new name"]);
    assert_eq!(value, None);
}

/// Protects keys that are more than text, such as the signals in a map.
#[test]
fn wrong_map_keys_are_reported_at_the_key() {
    let (document, _) = world().load("colors: {red: 1, gren: 2, light_green: x}\n");
    let mut diagnostics = Diagnostics::default();
    let value: Everything = decode(&document.root, "", &mut diagnostics).unwrap();
    assert_eq!(value.colors, BTreeMap::from([(Color::Red, 1)]));
    let first = diagnostics.iter().next().unwrap();
    assert_eq!(first.one_line(), "colors: unknown value \"gren\", allowed: `light_green`, `red`");
    assert_eq!(document.sources.describe(first.origin.unwrap()), "in.yaml:1:18");
    assert_eq!(diagnostics.count(crate::Severity::Error), 2);
}

/// Protects what a component gets as a whole when it is no mapping at all.
#[test]
fn a_value_of_the_wrong_shape_is_not_read() {
    for (text, found) in [("5", "an integer"), ("[a]", "a list"), ("text", "a string")] {
        let (document, _) = world().load(&format!("a: {text}\n"));
        let mut diagnostics = Diagnostics::default();
        let value: Option<Everything> = decode(at(&document.root, "a"), "receivers::x", &mut diagnostics);
        assert_eq!(messages(&diagnostics), [format!("receivers::x: expected a mapping, found {found}")]);
        assert!(value.is_none());
    }
    let (document, _) = world().load("a:\n");
    let mut diagnostics = Diagnostics::default();
    assert_eq!(decode::<u8>(at(&document.root, "a"), "a", &mut diagnostics), None);
    assert_eq!(messages(&diagnostics), ["a: expected a value, found nothing"]);
}

/// Protects strings from references: what the variable holds, word for word, whatever YAML sees in it; and
/// nothing if it is unset, so that a check can say why.
#[test]
fn references_give_strings_word_for_word() {
    let table = [
        ("${env:NUMBER}", "0123"),
        ("${env:JSON}", "{\"a\": 1}"),
        ("${env:QUOTED}", "'quoted' #1"),
        ("${env:LIST}", "[a, b]"),
        ("x${env:JSON}", "x{\"a\": 1}"),
        ("${env:UNSET}", ""),
        ("${env:UNSET:-}", ""),
    ];
    for (text, expected) in table {
        assert_eq!(clean(&format!("text: '{text}'\n")).text, expected, "{text}");
        assert_eq!(clean(&format!("secret: '{text}'\n")).secret.expose(), expected, "{text}");
    }
    assert_eq!(clean("small: ${env:NUMBER}\n").small, 83);
    assert_eq!(clean("map: ${env:JSON}\n").map, BTreeMap::from([("a".to_owned(), 1)]));
    assert_eq!(clean("timeout: ${env:UNSET}\nsmall: ${env:UNSET}\n"), Everything::default());
}

/// Protects the report of a decoded component: position, key path, nearest name, allowed keys, and where a
/// value came from.
#[test]
fn errors_show_the_line_the_path_and_what_is_allowed() {
    let (document, _) = world().load("receivers:\n  otlp:\n    sise: 5\n    size: ${env:WORD}\n");
    let mut diagnostics = Diagnostics::default();
    let _: Option<Inner> = decode(at(&document.root, "receivers::otlp"), "receivers::otlp", &mut diagnostics);
    insta::assert_snapshot!(diagnostics.render(&document, Style::Plain), @"
    error: receivers::otlp: has invalid keys: sise
     --> in.yaml:3:5
      |
    3 |     sise: 5
      |     ^^^^
      |
      = help: did you mean `size`?
      = note: allowed here: `name`, `size`

    error: receivers::otlp::size: expected a number, found a string
     --> in.yaml:4:11
      |
    4 |     size: ${env:WORD}
      |           ^^^^^^^^^^^
      |
      = note: the value comes from environment variable WORD

    2 errors
    ");
}

/// Protects secrets in type errors: what was found is named by its type.
#[test]
fn errors_do_not_quote_strings_they_could_not_use() {
    let (_, problems) =
        read("flag: hunter2\nsmall: hunter2\nlist: [hunter2]\ninner: hunter2\nheaders: hunter2\n");
    assert_eq!(problems.len(), 5);
    assert!(problems.iter().all(|problem| !problem.contains("hunter2")), "{problems:?}");
}
