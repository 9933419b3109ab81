use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::*;
use crate::secret::REDACTED;
use crate::testing::{World, at, messages};
use crate::{Check, Diagnostics, decode};

/// Reads a text as a `T` and lets it check itself.
fn checked<T: DeserializeOwned>(text: &str, validate: impl FnOnce(&T, &mut Check<'_>)) -> Vec<String> {
    let (document, _) = World::default().load(text);
    let mut diagnostics = Diagnostics::default();
    let value: T = decode(&document.root, "", &mut diagnostics).unwrap();
    validate(&value, &mut Check::new(&document.root, "", None, &mut diagnostics));
    messages(&diagnostics)
}

/// Protects Go's notation of durations.
#[test]
fn durations_are_written_as_go_writes_them() {
    let table = [
        ("0", 0),
        ("0s", 0),
        ("5s", 5_000_000_000),
        ("+5s", 5_000_000_000),
        ("200ms", 200_000_000),
        ("1m30s", 90_000_000_000),
        ("1.5h", 5_400_000_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("1h1m1s1ms1us1ns", 3_661_001_001_001),
        ("3µs", 3_000),
        ("3μs", 3_000),
        ("0.4ns", 0),
        ("292y", u64::MAX),
    ];
    for (text, nanoseconds) in table {
        let expected = (nanoseconds != u64::MAX).then(|| std::time::Duration::from_nanos(nanoseconds));
        assert_eq!(Duration::parse(text).ok().map(Duration::get), expected, "{text}");
    }
    assert!(Duration::ZERO.is_zero() && !Duration::from_millis(1).is_zero());
    assert_eq!(Duration::from_secs(90).to_string(), "90s");
}

/// Protects the words for durations that cannot be.
#[test]
fn wrong_durations_say_how_to_write_them() {
    let table = [
        ("5", "missing unit in duration \"5\" (write it like 200ms, 5s or 1m30s)"),
        ("1m30", "missing unit in duration \"1m30\" (write it like 200ms, 5s or 1m30s)"),
        ("-5s", "the duration \"-5s\" must not be negative"),
        ("", "invalid duration \"\" (write it like 200ms, 5s or 1m30s)"),
        ("+", "invalid duration \"+\" (write it like 200ms, 5s or 1m30s)"),
        ("s", "invalid duration \"s\" (write it like 200ms, 5s or 1m30s)"),
        ("5 s", "invalid duration \"5 s\" (write it like 200ms, 5s or 1m30s)"),
        ("5d", "invalid duration \"5d\" (write it like 200ms, 5s or 1m30s)"),
        ("1.2.3s", "invalid duration \"1.2.3s\" (write it like 200ms, 5s or 1m30s)"),
        ("5sé", "invalid duration \"5sé\" (write it like 200ms, 5s or 1m30s)"),
        ("9999999h", "the duration \"9999999h\" is longer than 292 years"),
    ];
    for (text, expected) in table {
        assert_eq!(Duration::parse(text), Err(expected.to_owned()), "{text}");
    }
}

/// Protects listeners: what an endpoint means, and how it is written back.
#[test]
fn listen_addresses_are_host_and_port_or_a_path() {
    let tcp = |host: &str, port| Ok(ListenAddress::Tcp { host: host.to_owned(), port });
    let unix = |path: &str| Ok(ListenAddress::Unix(PathBuf::from(path)));
    let error = |text: &str| Err(text.to_owned());
    let table = [
        ("localhost:4317", Transport::Tcp, tcp("localhost", 4317)),
        (":4317", Transport::Tcp, tcp("", 4317)),
        ("0.0.0.0:0", Transport::Tcp4, tcp("0.0.0.0", 0)),
        (":4317", Transport::Tcp4, tcp("0.0.0.0", 4317)),
        ("localhost:4317", Transport::Tcp4, tcp("127.0.0.1", 4317)),
        (
            "[::1]:4317",
            Transport::Tcp4,
            error("address [::1]:4317: no suitable address for the transport tcp4"),
        ),
        ("[::1]:4317", Transport::Tcp6, tcp("::1", 4317)),
        (":4317", Transport::Tcp6, tcp("::", 4317)),
        ("localhost:4317", Transport::Tcp6, tcp("::1", 4317)),
        (
            "127.0.0.1:1",
            Transport::Tcp6,
            error("address 127.0.0.1:1: no suitable address for the transport tcp6"),
        ),
        ("unix:///run/x", Transport::Tcp, unix("/run/x")),
        ("/run/x", Transport::Unix, unix("/run/x")),
        ("unix:///run/x", Transport::Unix, unix("/run/x")),
        ("", Transport::Unix, error("a unix socket needs a path as its endpoint")),
        ("", Transport::Tcp, error("the endpoint must not be empty (host:port)")),
        ("localhost", Transport::Tcp, error("address localhost: missing port in address")),
        ("[::1]", Transport::Tcp, error("address [::1]: missing port in address")),
        ("::1", Transport::Tcp, error("address ::1: too many colons in address (write [v6]:port)")),
        ("x:", Transport::Tcp, error("address x:: invalid port \"\" (a number from 0 to 65535)")),
        (
            "x:65536",
            Transport::Tcp,
            error("address x:65536: invalid port \"65536\" (a number from 0 to 65535)"),
        ),
        ("x:+80", Transport::Tcp, error("address x:+80: invalid port \"+80\" (a number from 0 to 65535)")),
        ("x:http", Transport::Tcp, error("address x:http: invalid port \"http\" (a number from 0 to 65535)")),
        (
            "http://x:1",
            Transport::Tcp,
            error("\"http://x:1\" has a scheme; an address to listen on is host:port"),
        ),
    ];
    for (text, transport, expected) in table {
        let found = ListenAddress::parse(text, transport);
        assert_eq!(found, expected, "{text}");
        if let Ok(address) = found {
            assert_eq!(ListenAddress::parse(&address.to_string(), Transport::Tcp), Ok(address), "{text}");
        }
    }
}

/// Protects two checks that need more than equality: who can reach a listener, and whose ports clash.
#[test]
fn listeners_know_who_reaches_them_and_who_is_in_their_way() {
    let parse = |text: &str| ListenAddress::parse(text, Transport::Tcp).unwrap();
    for (text, expected) in [
        ("localhost:1", true),
        ("127.0.0.5:1", true),
        ("[::1]:1", true),
        ("unix:///x", true),
        (":1", false),
        ("0.0.0.0:1", false),
        ("example.com:1", false),
    ] {
        assert_eq!(parse(text).is_local(), expected, "{text}");
    }
    for (one, two, expected) in [
        ("a:1", "a:1", true),
        ("A:1", "a:1", true),
        ("a:1", "a:2", false),
        ("a:1", "b:1", false),
        (":1", "b:1", true),
        ("0.0.0.0:1", "[::1]:1", true),
        ("localhost:1", "127.0.0.1:1", true),
        ("a:0", "a:0", false),
        ("unix:///x", "unix:///x", true),
        ("unix:///x", "unix:///y", false),
        ("unix:///x", ":1", false),
    ] {
        assert_eq!(parse(one).conflicts_with(&parse(two)), expected, "{one} {two}");
        assert_eq!(parse(two).conflicts_with(&parse(one)), expected, "{two} {one}");
    }
}

/// Protects clients: every way an endpoint is written.
#[test]
fn client_urls_are_taken_apart() {
    let table = [
        ("http://x:4318/v1?a=b", Some("http"), "x", Some(4318), "/v1?a=b", None, "x:4318"),
        ("HTTPS://x", Some("https"), "x", None, "", None, "x"),
        ("x:4317", None, "x", Some(4317), "", None, "x:4317"),
        ("x", None, "x", None, "", None, "x"),
        ("http://[::1]:1/", Some("http"), "::1", Some(1), "/", None, "[::1]:1"),
        ("http://[::1]", Some("http"), "::1", None, "", None, "[::1]"),
        ("http://x?a=b", Some("http"), "x", None, "/?a=b", None, "x"),
        ("http://me:p@w@x:1", Some("http"), "x", Some(1), "", Some("me:p@w"), "x:1"),
    ];
    for (text, scheme, host, port, path, userinfo, authority) in table {
        let url = ClientUrl::parse(text).unwrap();
        assert_eq!((url.scheme.as_deref(), url.host.as_str(), url.port), (scheme, host, port), "{text}");
        assert_eq!((url.path.as_str(), url.authority().as_str()), (path, authority), "{text}");
        assert_eq!(url.userinfo.as_ref().map(Secret::expose), userinfo, "{text}");
        assert!(!format!("{url:?}").contains("p@w"));
    }
}

/// Protects the words for endpoints that cannot be, and the password that a mistake may leave in them.
#[test]
fn wrong_client_urls_say_what_is_wrong() {
    let table = [
        ("ftp://x", "unsupported scheme \"ftp\" (http, https)"),
        ("http://", "the endpoint names no host"),
        ("", "the endpoint names no host"),
        ("http://:1", "the endpoint names no host"),
        ("http://x:y", "address x:y: invalid port \"y\" (a number from 0 to 65535)"),
        ("x:0", "address x:0: port 0 cannot be sent to"),
        ("::1", "address ::1: too many colons in address (write [v6]:port)"),
        ("not a host", "invalid character ' ' in host name"),
        ("http://a\tb:1/x", "invalid character '\\t' in host name"),
        ("{host}:1", "invalid character '{' in host name"),
        ("http://me:hunter/2@x", "a / or ? in a password is written %2F or %3F"),
    ];
    for (text, expected) in table {
        assert_eq!(ClientUrl::parse(text), Err(expected.to_owned()), "{text}");
    }
}

/// Protects secrets in debug output and logs.
#[test]
fn secrets_do_not_show_themselves() {
    let secret = Secret::new("hunter2");
    assert_eq!((format!("{secret}"), format!("{secret:?}")), (REDACTED.to_owned(), REDACTED.to_owned()));
    assert_eq!(secret.expose(), "hunter2");
    assert!(Secret::default().is_empty() && !secret.is_empty());
}

/// Protects headers in both forms the Collector takes.
#[test]
fn headers_are_a_mapping_or_a_list() {
    /// The text, the headers, the problems.
    type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);
    let table: &[Case] = &[
        ("{a: x, B: '5', c: 6}", &[("a", "x"), ("B", "5"), ("c", "6")], &[]),
        ("[{name: a, value: x}, {name: a, value: y}]", &[("a", "x"), ("a", "y")], &[]),
        ("", &[], &[]),
        ("{}", &[], &[]),
        ("{a: }", &[], &[]),
        ("{a: [x], b: y}", &[("b", "y")], &["h::a: expected a string, found a list"]),
        ("[{name: a}]", &[], &["h[0]: the key `value` is required"]),
        (
            "[{name: a, value: x, vale: y}, {name: b, value: z}]",
            &[("a", "x"), ("b", "z")],
            &["h[0]: has invalid keys: vale"],
        ),
    ];
    for (text, expected, problems) in table {
        let (document, _) = World::default().load(&format!("h: {text}\n"));
        let mut diagnostics = Diagnostics::default();
        let headers: Headers = decode(at(&document.root, "h"), "h", &mut diagnostics).unwrap();
        let found: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name, value.expose())).collect();
        assert_eq!(found, *expected, "{text}");
        assert_eq!(messages(&diagnostics), *problems, "{text}");
        assert_eq!(headers.is_empty(), expected.is_empty());
        assert!(!format!("{headers:?}").contains('x'));
    }
    let (document, _) = World::default().load("h: hunter2\n");
    let mut diagnostics = Diagnostics::default();
    assert_eq!(decode::<Headers>(at(&document.root, "h"), "h", &mut diagnostics), None);
    assert_eq!(messages(&diagnostics), ["h: expected a mapping of header names to values, found a string"]);
}

/// Protects optional blocks as components ask for them.
#[test]
fn only_a_block_that_is_there_and_on_counts() {
    for (block, expected) in
        [(Optional::Absent, None), (Optional::Disabled, None), (Optional::Present(5), Some(5))]
    {
        assert_eq!(block.as_ref(), expected.as_ref());
        assert_eq!(block.is_present(), expected.is_some());
        assert_eq!(block.into_option(), expected);
    }
    assert_eq!(Optional::<u8>::default(), Optional::Absent);
}

/// Protects the checks of TLS blocks: both halves of a certificate, versions that exist, files that can be
/// read, each at its key.
#[test]
fn tls_blocks_are_checked() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let both = "for client authentication both `cert_file` and `key_file` are needed, or neither";
    let server_both = "TLS configuration must include both certificate and key (`cert_file` and `key_file`)";
    let client: &[(&str, &[&str])] = &[
        ("{insecure: true}", &[]),
        ("{min_version: '1.2', max_version: '1.3'}", &[]),
        ("{cert_pem: x}", &[both]),
        ("{key_pem: x}", &[both]),
        ("{cert_pem: x, key_pem: y}", &[]),
        ("{min_version: '1.1'}", &["min_version: TLS 1.1 is not safe and not supported (1.2, 1.3)"]),
        ("{max_version: '2'}", &["max_version: unsupported TLS version: \"2\" (1.2, 1.3)"]),
        (
            "{min_version: '1.3', max_version: '1.2'}",
            &["min_version: min_version cannot be greater than max_version"],
        ),
        ("{ca_file: FILE, ca_pem: x}", &["ca_file: provide either ca_file or ca_pem, but not both"]),
        ("{ca_file: FILE}", &[]),
        ("{ca_file: /no/such}", &["ca_file: cannot read /no/such: No such file or directory (os error 2)"]),
    ];
    for (text, expected) in client {
        let found = checked::<ClientTls>(&text.replace("FILE", manifest), ClientTls::validate);
        assert_eq!(found, *expected, "{text}");
    }
    let server: &[(&str, &[&str])] = &[
        ("{}", &[server_both]),
        ("{cert_pem: x}", &[server_both]),
        ("{cert_file: FILE, key_file: FILE}", &[]),
        (
            "{cert_pem: x, key_pem: y, client_ca_file: /no/such}",
            &["client_ca_file: cannot read /no/such: No such file or directory (os error 2)"],
        ),
    ];
    for (text, expected) in server {
        let found = checked::<ServerTls>(&text.replace("FILE", manifest), ServerTls::validate);
        assert_eq!(found, *expected, "{text}");
    }
}
