use super::*;
use crate::testing::{World, load_clean, shape};

/// Protects `print-config`: what is printed is YAML for the same tree.
#[test]
fn what_is_printed_is_read_as_the_same_tree() {
    let texts = [
        "a: 1\nb: [1, 2.5, true, ~, text]\nc: {d: {}, e: []}\n",
        "a: '5'\nb: 'true'\nc: '~'\nd: '010'\ne: ''\nf: ' x '\ng: 'a: b'\nh: '- x'\ni: '#x'\n",
        "a: |\n  two\n  lines\nb: \"tab\\t and \\u0001\"\nü: €\n",
        "a: 18446744073709551615\nb: -9223372036854775808\nc: .inf\nd: 1e300\n",
        "'5': x\n'~': y\n'': z\n",
    ];
    for text in texts {
        let tree = load_clean(text).root;
        let printed = Printed::unredacted(&tree).to_yaml().unwrap();
        assert_eq!(shape(&load_clean(&printed).root), shape(&tree), "{printed}");
    }
}

/// Protects the run folder and everybody who pastes a printed configuration.
#[test]
fn secrets_are_printed_only_when_asked_for() {
    let world = World::default().variable("MAP", "hunter2: x").variable("JSON", "{'password': hunter2, ");
    let text = "password: hunter2\nlist: [{token: hunter2}]\nheaders: {x: hunter2, y: 5}\npasswords: [{hunter2}, {a: hunter2}]\nsecret: ${env:MAP}\n\
                actions:\n  - {key: api.token, value: hunter2}\n  - {key: color, value: red}\n\
                url: http://me:hunter2@host\ntoken_count: 5\ntoken: {enabled: true}\nargs: --token=hunter2\njson: ${env:JSON}\n";
    let (document, _) = world.load(text);
    let redacted = Printed::redacted(&document.root).to_yaml().unwrap();
    insta::assert_snapshot!(redacted, @"
    password: '[REDACTED]'
    list:
    - token: '[REDACTED]'
    headers:
      x: '[REDACTED]'
      y: '[REDACTED]'
    passwords:
    - '[REDACTED]'
    - a: '[REDACTED]'
    secret: '[REDACTED]'
    actions:
    - key: api.token
      value: '[REDACTED]'
    - key: color
      value: red
    url: http://[REDACTED]@host
    token_count: '[REDACTED]'
    token:
      enabled: true
    args: --token=[REDACTED]
    json: '{''password'': [REDACTED] '
    ");
    let unredacted = Printed::unredacted(&document.root).to_yaml().unwrap();
    assert_eq!(unredacted.matches("hunter2").count(), 10, "{unredacted}");
}

/// Protects the order, by which people find their way in their own file.
#[test]
fn keys_are_printed_in_the_order_they_were_written() {
    let tree = load_clean("c: 1\na: {z: 1, y: 2}\nb:\n").root;
    assert_eq!(Printed::redacted(&tree).to_yaml().unwrap(), "c: 1\na:\n  z: 1\n  y: 2\nb: null\n");
}
