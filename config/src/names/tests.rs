use super::*;

/// Protects the help "did you mean": what is near is found, what is not is not offered.
#[test]
fn the_nearest_name_is_the_one_that_was_meant() {
    let names = ["sending_queue", "timeout", "endpoint", "tls", "headers", "ä"];
    let table = [
        ("sending_queu", Some("sending_queue")),
        ("sendingQueue", Some("sending_queue")),
        ("sending-queue", Some("sending_queue")),
        ("Endpoint", Some("endpoint")),
        ("endpiont", Some("endpoint")),
        ("tsl", Some("tls")),
        ("header", Some("headers")),
        ("x", None),
        ("xy", None),
        ("ö", None),
        ("completely_different", None),
        ("", None),
    ];
    for (name, expected) in table {
        assert_eq!(nearest(name, names), expected, "{name}");
    }
    assert_eq!(nearest("x", []), None);
}

/// Protects lists in messages: sorted, so that they do not depend on the order of fields.
#[test]
fn lists_of_names_are_sorted_and_quoted() {
    assert_eq!(quoted_list(["b", "a", "c"]), "`a`, `b`, `c`");
    assert_eq!(quoted_list([]), "");
}
