use spindle_pipeline::error::Retry;
use spindle_pipeline::testing::{config, config_with_problems, context, contract};

use super::*;

/// The headers of an attempt on behalf of a client with this metadata, on which `x-old: old` was set.
fn set(yaml: &str, metadata: &[(&str, &str)]) -> Result<Vec<(String, String)>, ExportError> {
    let extension =
        HeadersSetter::build(config::<HeadersSetter>(yaml), &context("headers_setter")).expect("builds");
    let client = extension.authenticators().client.expect("a client authenticator");
    let mut headers = HeaderMap::new();
    headers.insert("x-old", HeaderValue::from_static("old"));
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    client.authenticate(&mut headers, Some(&RequestContext { metadata, ..RequestContext::default() }))?;
    assert!(headers.iter().all(|(name, value)| name == "x-old" || value.is_sensitive()));
    let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
    Ok(headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect())
}

/// The clauses that every component keeps.
#[test]
fn keeps_the_contract() {
    contract::factory::<HeadersSetter>();
}

/// What cannot be is told with the Collector's words, at its item, and shows no value.
#[test]
fn says_what_cannot_be() {
    for (yaml, problem) in [
        ("{}", "headers: missing headers configuration"),
        ("{headers: [{value: hunter2}]}", "headers::0::key: missing header name"),
        ("{headers: [{key: 'a b', value: hunter2}]}", "headers::0::key: this cannot be a header's name"),
        (
            "{headers: [{key: Content-Length, value: hunter2}]}",
            "headers::0::key: the header content-length belongs to the protocol and cannot be set",
        ),
        ("{headers: [{key: a}]}", "headers::0: missing header source, must be 'from_context' or 'value'"),
        (
            "{headers: [{key: a, value: hunter2, from_context: b}]}",
            "headers::0::from_context: invalid header source, must either 'from_context' or 'value'",
        ),
        (
            "{headers: [{key: a, value: b}, {key: a, value: b, default_value: hunter2}]}",
            "headers::1::default_value: `default_value` belongs to `from_context`",
        ),
        ("{headers: [{key: a, value: b, action: replace}]}", "headers::0::action: unknown action"),
        (
            "{headers: [{key: a, value: \"hunter2\\n\"}]}",
            "headers::0::value: this value cannot stand in a header",
        ),
    ] {
        let (_, problems) = config_with_problems::<HeadersSetter>(yaml);
        assert_eq!(problems, [problem], "{yaml}");
    }
}

/// Each action does what its name says to a header that is there and to one that is not, in order.
#[test]
fn actions_are_done_in_their_order() {
    for (items, expected) in [
        ("{key: X-Old, value: new}", vec![("x-old", "new")]),
        ("{key: x-new, value: new}", vec![("x-old", "old"), ("x-new", "new")]),
        ("{action: insert, key: x-old, value: new}", vec![("x-old", "old")]),
        ("{action: insert, key: x-new, value: new}", vec![("x-old", "old"), ("x-new", "new")]),
        ("{action: update, key: x-old, value: new}", vec![("x-old", "new")]),
        ("{action: update, key: x-new, value: new}", vec![("x-old", "old")]),
        ("{action: delete, key: x-old}", vec![]),
        ("{action: delete, key: x-old}, {action: insert, key: x-old, value: 2}", vec![("x-old", "2")]),
        (
            "{key: x-new, value: 1}, {action: update, key: x-new, value: 2}, {action: delete, key: x-old}",
            vec![("x-new", "2")],
        ),
    ] {
        let found = set(&format!("{{headers: [{items}]}}"), &[]).expect("set");
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected, "{items}");
    }
}

/// A tenant comes from its client's metadata in whatever case, or from the default; two are none, and are not
/// tried again.
#[test]
fn values_come_from_the_clients_metadata() {
    let yaml = "{headers: [{key: x-old, from_context: Tenant, default_value: nobody}]}";
    for (metadata, expected) in [
        (vec![("tenant", "blue")], "blue"),
        (vec![("other", "blue")], "nobody"),
        (vec![], "nobody"),
        (vec![("tenant", "")], ""),
    ] {
        assert_eq!(set(yaml, &metadata).expect("set")[0].1, expected, "{metadata:?}");
    }
    assert_eq!(set("{headers: [{key: x-old, from_context: tenant}]}", &[]).expect("set")[0].1, "");
    let error = set(yaml, &[("tenant", "blue"), ("tenant", "red")]).expect_err("two tenants");
    assert_eq!(error.retry(), Retry::Never);
    let text = "2 source keys found in the context, can't determine which one to use: Tenant";
    assert_eq!(error.to_string(), text);
}
