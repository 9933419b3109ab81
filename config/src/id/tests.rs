use super::*;

/// Protects the Collector's rules for ids, in both directions.
#[test]
fn ids_follow_the_collectors_rules() {
    let longest_name = "ü".repeat(1024);
    let table = [
        ("otlp", "otlp", ""),
        ("otlp/2", "otlp", "2"),
        (" otlp / my-name ", "otlp", "my-name"),
        ("otlp/a/b", "otlp", "a/b"),
        ("O_t1p/ü.é", "O_t1p", "ü.é"),
        (&format!("otlp/{longest_name}"), "otlp", &longest_name),
        (&format!("a{}", "b".repeat(62)), &format!("a{}", "b".repeat(62)), ""),
    ];
    for (text, kind, name) in table {
        let id: ComponentId = text.parse().unwrap();
        assert_eq!((id.component_type(), id.name()), (kind, name), "{text}");
        assert_eq!(id.to_string().parse(), Ok(id), "{text}");
    }
}

/// Protects the words for ids that cannot be.
#[test]
fn wrong_ids_say_what_is_wrong() {
    let table = [
        ("", "in \"\" id: the part before / should not be empty"),
        ("/x", "in \"/x\" id: the part before / should not be empty"),
        ("x/ ", "in \"x/ \" id: the part after / should not be empty"),
        (
            "1x",
            "in \"1x\" id: invalid character(s) in type \"1x\" (a letter, then letters, digits and _, at most 63)",
        ),
        (
            "a-b/c",
            "in \"a-b/c\" id: invalid character(s) in type \"a-b\" (a letter, then letters, digits and _, at most 63)",
        ),
        (
            "é",
            "in \"é\" id: invalid character(s) in type \"é\" (a letter, then letters, digits and _, at most 63)",
        ),
        (
            "x/a b",
            "in \"x/a b\" id: invalid character(s) in name \"a b\" (no blanks, control characters and symbols)",
        ),
        (
            "x/a+b",
            "in \"x/a+b\" id: invalid character(s) in name \"a+b\" (no blanks, control characters and symbols)",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(text.parse::<ComponentId>(), Err(expected.to_owned()), "{text}");
    }
    assert!("a".repeat(64).parse::<ComponentId>().is_err());
    let long = format!("x/{}", "a".repeat(1025));
    assert_eq!(
        long.parse::<ComponentId>(),
        Err("in \"x/...\" id: a name has at most 1,024 characters".to_owned())
    );
}

/// Protects ids that the program makes itself.
#[test]
fn an_id_of_a_type_has_no_name() {
    let id = ComponentId::of_type("batch");
    assert_eq!((id.component_type(), id.name(), id.as_str()), ("batch", "", "batch"));
    assert_eq!("batch".parse(), Ok(id));
}
