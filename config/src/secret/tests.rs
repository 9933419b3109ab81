use super::*;
use crate::diagnostic::Style;
use crate::source::{Source, Sources};
use crate::testing::{World, embedded, load_clean};
use crate::{Diagnostic, Diagnostics, Document, load};

/// Each line of a document as a report would show it.
fn shown(document: &Document) -> String {
    let redactor = Redactor::new(document);
    let mut out = String::new();
    for (id, source) in document.sources.iter() {
        let mut text = source.text.clone();
        for range in redactor.ranges(id).iter().rev() {
            text.replace_range(range.clone(), REDACTED);
        }
        out.push_str(&text);
    }
    out
}

fn shown_text(text: &str) -> String {
    shown(&World::default().load(text).0)
}

/// Protects the list of what is a secret by its key.
#[test]
fn keys_are_secret_by_their_names() {
    let secret = [
        "password",
        "db_password",
        "Password",
        "client_secret",
        "clientSecret",
        "token",
        "tokens",
        "bearer_token",
        "api_key",
        "api-key",
        "apiKey",
        "x-api-key",
        "api.token",
        "api.key",
        "authorization",
        "Proxy-Authorization",
        "credentials",
        "secret_access_key",
        "access_key",
        "private_key",
        "private-key",
        "key_pem",
        "set-cookie",
        "license_key",
        "connection_string",
        "passphrase",
        "htpasswd",
        "db_pwd",
        "haeders",
        "Headrs",
        "pasword",
        "passwort",
        "secrte",
        "tokn",
        "api_ky",
        "response_haeders",
        "db_pasword",
    ];
    let public = [
        "",
        "endpoint",
        "key",
        "key_file",
        "token_file",
        "password_file",
        "token_url",
        "secret_path",
        "auth_endpoint",
        "max_tokens",
        "pwd",
        "tls",
        "routing_key",
        "bearertokenauth",
        "bearertokenauth/x",
        "bearer_token_auth/2",
        "authenticator",
        "username",
        "readers",
        "header",
        "authority",
        "timeout",
        "metadata_keys",
        "routing_header",
    ];
    for key in secret {
        assert!(is_secret_key(key), "{key}");
    }
    for key in public {
        assert!(!is_secret_key(key), "{key}");
    }
    for (key, expected) in [
        ("headers", true),
        ("extra_headers", true),
        ("response_headers", true),
        ("allowed_headers", false),
        ("exposed_headers", false),
        ("header", false),
    ] {
        assert_eq!(holds_secrets(key), expected, "{key}");
    }
}

/// Protects secrets in configurations that YAML can read: nothing of them is shown, everything else is.
#[test]
fn secrets_are_hidden_wherever_they_stand() {
    let table = [
        ("password: hunter2\n", "password: [REDACTED]\n"),
        ("a: {password: hunter2, b: 1}\n", "a: {password: [REDACTED], b: 1}\n"),
        ("a: {\"password\": \"hunter2\", b: 1}\n", "a: {\"password\": [REDACTED], b: 1}\n"),
        ("{password: hunter2,b: 1}", "{password: [REDACTED],b: 1}"),
        ("password: 'hunter2'  # hunter2\n", "password: [REDACTED]  [REDACTED]\n"),
        ("password: |\n  hunter2\n  hunter2\nb: 1\n", "password: |\n  [REDACTED]\nb: 1\n"),
        ("password: hunter2\n  hunter2\nb: 1\n", "password: [REDACTED]\nb: 1\n"),
        ("password: \"hunter2\n\n  hunter2\"\nb: 1\n", "password: [REDACTED]\nb: 1\n"),
        ("ä: {password: hünter2} # ä\n", "ä: {password: [REDACTED]} [REDACTED]\n"),
        ("password: !hunter2\n", "password: [REDACTED]\n"),
        ("password: &hunter2\n", "password: [REDACTED]\n"),
        ("password: #hunter2\n", "password: [REDACTED]\n"),
        ("password: 12345\n", "password: [REDACTED]\n"),
        ("tokens: [hunter2, hunter2]\n", "tokens: [[REDACTED], [REDACTED]]\n"),
        ("tokens:\n  - hunter2\na: 1\n", "tokens:\n  - [REDACTED]\na: 1\n"),
        ("credentials: {a: {b: hunter2}}\n", "credentials: {a: {b: [REDACTED]}}\n"),
        ("headers: {x: hunter2, y: hunter2}\n", "headers: {x: [REDACTED], y: [REDACTED]}\n"),
        (
            "headers:\n  - name: x\n    value: hunter2\n",
            "headers:\n  - name: [REDACTED]\n    value: [REDACTED]\n",
        ),
        ("- key: api.token\n  value: hunter2\n", "- key: api.token\n  value: [REDACTED]\n"),
        ("- value: hunter2\n  key: api.token\n", "- value: [REDACTED]\n  key: api.token\n"),
        ("- {name: API_TOKEN, value: hunter2}\n", "- {name: API_TOKEN, value: [REDACTED]}\n"),
        ("- {key: color, value: red}\n", "- {key: color, value: red}\n"),
        ("a: &pw hunter2\npassword: *pw\n", "a: [REDACTED]\npassword: [REDACTED]\n"),
        ("a: &b {token: hunter2}\nc: {<<: *b}\n", "a: &b {token: [REDACTED]}\nc: {<<: *b}\n"),
        ("url: http://me:hunter2@host:1/x\n", "url: http://[REDACTED]@host:1/x\n"),
        ("endpoint: me:hunter2@host:1\n", "endpoint: [REDACTED]@host:1\n"),
        ("args: [--api-key=hunter2, -v]\n", "args: [--api-key=[REDACTED] -v]\n"),
        ("# password: hunter2\na: 1\n", "# password: [REDACTED]\na: 1\n"),
        ("a: 1 # token: hunter2\n", "a: 1 # token: [REDACTED]\n"),
        ("headers:\n  # x: hunter2\n  y: hunter2\n", "headers:\n  [REDACTED]\n  y: [REDACTED]\n"),
    ];
    for (text, expected) in table {
        assert_eq!(shown_text(text), expected, "{text}");
    }
}

/// Protects the reader of a report: what is no secret is not hidden.
#[test]
fn what_gives_nothing_away_is_shown() {
    let table = [
        "password: ${env:PASSWORD}\n",
        "password: \"${PASSWORD}\"\n",
        "password: ${file:/run/secrets/password}\n",
        "password_file: /run/secrets/password\n",
        "password:\na: 1\n",
        "password: ~\n",
        "token:\n  enabled: true\n",
        "extensions:\n  bearertokenauth:\n    scheme: Bearer\n",
        "url: http://host:1/path@x\n",
        "a: b # a comment\n",
        "headers: {}\n",
        "statement: attributes[\"token\"] == nil\n",
    ];
    for text in table {
        assert_eq!(shown_text(text), text);
    }
    assert_eq!(shown_text("password: ${env:A:-hunter2}\n"), "password: [REDACTED]\n");
    assert_eq!(shown_text("password: x${env:A}\n"), "password: [REDACTED]\n");
    assert_eq!(shown_text("password: ${hunter 2}\n"), "password: [REDACTED]\n");
}

/// Protects secrets that a later source, a duplicate or `--set` replaced: their text is still there.
#[test]
fn secrets_that_are_overridden_stay_hidden() {
    let table: &[(&str, &[&str])] = &[
        ("a: {password: hunter2, b: 1}\n", &["a.password=other"]),
        ("a: {password: hunter2, b: 1}\n", &["a="]),
        ("a: {headers: {x: hunter2}}\n", &["a.headers.x=other"]),
        ("a: {password: other, password: hunter2, b: 1}\n", &[]),
        ("headers: {x: other, x: hunter2}\n", &[]),
        ("headers: {x: other}\nheaders: {x: hunter2}\n", &[]),
        ("a: 1\n", &["a.password=hunter2", "a.password=other"]),
        ("a: 1\n", &["a.password=[hunter2"]),
        ("a: 1\n", &["a.headers.x={\"hunter2"]),
        ("a: 1\n", &["a.headers={x: hunter2}"]),
    ];
    for (text, properties) in table {
        let (document, _) = World::default().load_with(text, properties);
        assert!(!shown(&document).contains("hunter2"), "{text} {properties:?}: {}", shown(&document));
    }
}

/// Protects the values of variables and files, in the texts, in the messages and in the printed tree.
#[test]
fn what_references_lead_to_is_not_shown() {
    let world = World::default()
        .variable("PASSWORD", "hunter2: [x")
        .variable("MAPPING", "hunter2: x")
        .variable("HEADERS", "{x: hunter2, y: hunter2}")
        .variable("SECTION", "{password: hunter2, b: 1, b: 2}")
        .variable("LOOP", "${env:LOOP}")
        .file("password", "hunter2 #1\n");
    let table = [
        "password: ${env:PASSWORD}\n",
        "password: ${env:MAPPING}\n",
        "password: x${env:MAPPING}\n",
        "password: ${file:password}\n",
        "password: ${file:password}x\n",
        "headers: ${env:HEADERS}\n",
        "a: ${env:SECTION}\n",
        "password: ${env:UNSET:-hunter2}\n",
        "password: ${hunter2!}\n",
        "password: ${hunter2:x}\n",
        "password: ${env:hunter2 x:-y}\n",
        "password: ${file:nope-${env:LOOP}}\n",
        "password: ${env:LOOP:-hunter2}\n",
        "a: {key: api.token, value: '${hunter2:x}'}\n",
        "headers: {x: '${env:hunter2.x}'}\n",
    ];
    for text in table {
        let (document, diagnostics) = world.load(text);
        let report = everything(&document, diagnostics);
        let report = report.replace(text.trim_end(), "");
        assert!(!report.contains("hunter2"), "{text}:\n{report}");
    }
}

/// A report with an error at every value, the report of what was found, and the printed tree.
fn everything(document: &Document, mut diagnostics: Diagnostics) -> String {
    visit_scalars(&document.root, &mut |node, _| {
        diagnostics.push(Diagnostic::error("here").at(node.origin));
    });
    let mut report = diagnostics.render(document, Style::Plain);
    report.push_str(&crate::print::Printed::redacted(&document.root).to_yaml().unwrap());
    report
}

/// Protects secrets in texts that YAML cannot read, for those are shown in the very first report.
#[test]
fn secrets_are_hidden_in_broken_texts() {
    let table = [
        "password: hunter2: x\n",
        "password: @hunter2\n",
        "password: *hunter2\n",
        "password: %hunter2\n",
        "password: `hunter2`\n",
        "password: \"hunter2\n",
        "password: 'hunter2\nb: 1\n",
        "password: [hunter2\nb: 1\n",
        "password:hunter2\na: b: c\n",
        "password :hunter2\na: b: c\n",
        "{\"password\":\"hunter2\", b: [}\n",
        "a: {password: hunter2, b: ]\n",
        "password:\n\thunter2\n",
        "password:\n  \"hunter2\n  hunter2\n",
        "password: |\n  hunter2\n hunter2\nb: [\n",
        "headers:\n  x: hunter2: y\n",
        "headers:\n  x: [hunter2\n  y: hunter2\n",
        "headers: {\n  x: hunter2\n  \"y\": \"hunter2\n}\n",
        "{\n\"headers\": {\n\"x\": \"hunter2\",\n\"y\": \"hunter2\n}}\n",
        "headers:\n- name: x\n  value: hunter2: y\n",
        "- key: api.token\n  value: hunter2: x\n",
        "- value: hunter2: x\n  key: api.token\n",
        "- {key: api.token, value: hunter2: x}\n",
        "- value: hunter2\n  @key: api.token\n",
        "? {password: hunter2}\n: x\n",
        "a: 1\n---\npassword: hunter2\n",
        "a: [\npassword: hunter2\nb: {token: hunter2}\n",
        "a: @\nurl: http://me:hunter2@host\nb: me:hunter2@host\n",
        "a: @\n# token: hunter2\nb: --token=hunter2\n",
        "password: &hunter2 &hunter2 x\n",
        "\u{feff}password: @hunter2\r\nheaders:\r\n  x: @hunter2\r\n",
    ];
    for text in table {
        assert!(!shown_text(text).contains("hunter2"), "{text}:\n{}", shown_text(text));
        let report = World::default().report(text);
        assert!(!report.contains("hunter2"), "{text}:\n{report}");
        assert!(report.contains("error"), "{text} has no error");
    }
}

/// Protects the report of a broken text: what does not belong to the secret stays readable.
#[test]
fn broken_texts_are_hidden_no_further_than_their_secrets() {
    let table = [
        ("password: \"x\na: b\nreceivers:\n  a: b: c\n", "receivers:\n  a: b: c\n"),
        ("a:\n  password: x: y\n  b: c\n", "  b: c\n"),
        ("headers:\n  x: y: z\nb: c\n", "b: c\n"),
        ("a: {b: 1, c: [}\n", "a: {b: 1, c: [}\n"),
        ("- {key: color, value: [red}\n", "- {key: color, value: [red}\n"),
    ];
    for (text, kept) in table {
        assert!(shown_text(text).contains(kept), "{text}:\n{}", shown_text(text));
    }
}

/// Protects secrets inside texts that are quoted in messages and printed.
#[test]
fn quoted_texts_lose_their_secrets() {
    let table = [
        ("http://host:1/path", "http://host:1/path"),
        ("http://me:pw@host:1/path", "http://[REDACTED]@host:1/path"),
        ("http://me@host", "http://[REDACTED]@host"),
        ("http://me:p@w@host", "http://[REDACTED]@host"),
        ("http://me:p/w@host", "http://[REDACTED]@host"),
        ("http://me:p,w}@host", "http://[REDACTED]@host"),
        ("http://[::1]:1/a@b", "http://[::1]:1/a@b"),
        ("a \"http://me:pw@host\" b http://u:v@h", "a \"http://[REDACTED]@host\" b http://[REDACTED]@h"),
        ("address me:pw@host: missing port", "address [REDACTED]@host: missing port"),
        ("me@host", "me@host"),
        ("http://host/?api_key=pw&x=1", "http://host/?api_key=[REDACTED]&x=1"),
        ("host=a password=pw user=b", "host=a password=[REDACTED] user=b"),
        ("--token 'x' password = \"p w\" x", "--token 'x' password = [REDACTED] x"),
        ("a.token == b, token != c, x >= y", "a.token == b, token != c, x >= y"),
        ("password=${env:PW}", "password=${env:PW}"),
        ("ä=ö tökentoken=ü", "ä=ö tökentoken=[REDACTED]"),
        ("password=", "password="),
        ("", ""),
    ];
    for (text, expected) in table {
        assert_eq!(redact_urls(text), expected, "{text}");
    }
}

/// Protects against a tree walk that would treat switches as secrets, and against one that misses any.
#[test]
fn every_scalar_is_visited_once() {
    let document = load_clean("a: [1, {b: 2}]\ntoken: {enabled: true, c: 3}\nheaders: [4]\nd:\n");
    let mut seen = Vec::new();
    visit_scalars(&document.root, &mut |node, secret| {
        seen.push((node.as_text().unwrap_or("-").to_owned(), secret));
    });
    let expected = [("1", false), ("2", false), ("true", false), ("3", true), ("4", true), ("-", false)];
    assert_eq!(seen, expected.map(|(text, secret)| (text.to_owned(), secret)));
}

/// Protects several sources: ranges belong to the text they are in.
#[test]
fn each_text_has_its_own_ranges() {
    let mut sources = Sources::default();
    sources.add(embedded("password: a\n"));
    sources.add(Source::Embedded { name: "b", text: "x: 1\ntoken: bb\n".to_owned() });
    let (document, _) = load(&sources, &World::default());
    let redactor = Redactor::new(&document);
    let ranges: Vec<_> = document.sources.iter().flat_map(|(id, _)| redactor.ranges(id).to_vec()).collect();
    assert_eq!(ranges, [10..11, 12..14]);
}
