use std::time::Duration;

use spindle_pipeline::component::Kind;
use spindle_pipeline::status::StatusBoard;
use spindle_pipeline::testing::{config, config_with_problems, context, contract};
use tokio_util::sync::CancellationToken;

use super::*;

fn built(yaml: &str) -> Box<dyn Extension> {
    BearerTokenAuth::build(config::<BearerTokenAuth>(yaml), &context("bearertokenauth")).expect("builds")
}

fn sent(offered: &Offered, before: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in before {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    let client = offered.client.as_ref().expect("a client authenticator");
    client.authenticate(&mut headers, None).expect("signed");
    headers
}

async fn judged(offered: &Offered, name: &'static str, value: &str) -> Result<(), Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::try_from(value).expect("a header"));
    offered.server.as_ref().expect("a server authenticator").authenticate(&headers).await
}

/// The clauses that every component keeps.
#[test]
fn keeps_the_contract() {
    contract::factory::<BearerTokenAuth>();
}

/// What cannot be is told with the Collector's words, and shows no token.
#[test]
fn says_what_cannot_be() {
    for (yaml, problem) in [
        ("{}", "no bearer token provided"),
        ("{token: hunter2, tokens: [a]}", "tokens: either tokens or token should be provided, not both"),
        (
            "{token: hunter2, filename: f}",
            "filename: a filename is specified; the configured tokens are ignored",
        ),
        ("{tokens: [a, '']}", "tokens::1: a token must not be empty"),
        ("{token: \"hunter2\\n\"}", "token: this token cannot stand in a header"),
        ("{token: a, header: 'x y'}", "header: \"x y\" cannot be a header's name"),
        ("{token: a, scheme: \"B\\n\"}", "scheme: this scheme cannot stand in a header"),
    ] {
        let (_, problems) = config_with_problems::<BearerTokenAuth>(yaml);
        assert!(problems.iter().any(|found| found.ends_with(problem)), "{yaml}: {problems:?}");
        assert!(!problems.concat().contains("hunter2"), "{problems:?}");
    }
}

/// The first token goes out behind its scheme, over what was there, marked so that no log shows it.
#[test]
fn a_client_sends_the_first_token() {
    for (yaml, name, value) in [
        ("{token: abc}", "authorization", "Bearer abc"),
        ("{tokens: [abc, def]}", "authorization", "Bearer abc"),
        ("{token: abc, scheme: ''}", "authorization", "abc"),
        ("{token: abc, scheme: Api, header: X-Key}", "x-key", "Api abc"),
    ] {
        let headers = sent(&built(yaml).authenticators(), &[("authorization", "old")]);
        assert_eq!(headers[name], value, "{yaml}");
        assert!(headers[name].is_sensitive(), "{yaml}");
    }
}

/// Exactly the tokens are let in; the rest is told to authenticate and nothing of what it sent.
#[tokio::test]
async fn a_server_lets_in_its_tokens_and_nobody_else() {
    let two = built("{tokens: [abc, def]}").authenticators();
    for (value, is_let_in) in [
        ("Bearer abc", true),
        ("bearer def", true),
        ("Bearer  abc", true),
        ("Bearer hunter2", false),
        ("Bearer ab", false),
        ("Bearer abcd", false),
        ("Bearer", false),
        ("Bearer ", false),
        ("Basic abc", false),
        ("abc", false),
        ("", false),
    ] {
        match judged(&two, "authorization", value).await {
            Ok(()) => assert!(is_let_in, "{value} was let in"),
            Err(refusal) => {
                assert!(!is_let_in, "{value} was refused");
                assert_eq!(refusal.error.code().http(), 401);
                assert_eq!(refusal.error.message(), "scheme or token does not match");
                assert_eq!(refusal.challenge.expect("a challenge"), "Bearer");
            }
        }
    }
    let missing = judged(&two, "x-other", "Bearer abc").await.expect_err("no header");
    assert_eq!(missing.error.message(), "missing or empty authorization header: authorization");
    let plain = built("{token: abc, scheme: '', header: x-key}").authenticators();
    assert!(judged(&plain, "x-key", "abc").await.is_ok());
    assert!(judged(&plain, "x-key", "").await.expect_err("refused").challenge.is_none());
}

/// Whoever replaces the file replaces the tokens of both sides; a file that says nothing leaves them.
#[tokio::test]
async fn a_file_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    std::fs::write(&path, "first\n\nsecond\n").expect("written");
    let extension = built(&format!("{{filename: {}}}", path.display()));
    let offered = extension.authenticators();
    let board = StatusBoard::default();
    let drain = CancellationToken::new();
    let status = board.handle(Kind::Extension, "bearertokenauth", &[]);
    let running = tokio::spawn(extension.run(ExtensionContext { drain: drain.clone(), status, board }));
    assert_eq!(sent(&offered, &[])["authorization"], "Bearer first");
    assert!(judged(&offered, "authorization", "Bearer second").await.is_ok());
    assert!(judged(&offered, "authorization", "Bearer ").await.is_err(), "the blank line is no token");
    let wait = || tokio::time::sleep(Duration::from_millis(50));

    std::fs::write(&path, "").expect("written");
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(sent(&offered, &[])["authorization"], "Bearer first", "an empty file changes nothing");
    std::fs::write(&path, "third").expect("written");
    while sent(&offered, &[])["authorization"] != "Bearer third" {
        wait().await;
    }
    assert!(judged(&offered, "authorization", "Bearer first").await.is_err());
    assert!(judged(&offered, "authorization", "Bearer third").await.is_ok());
    drain.cancel();
    running.await.expect("no panic").expect("ended");
}

/// An agent that cannot authenticate does not start, and says which file it is.
#[test]
fn a_file_that_is_not_there_is_an_error_at_its_key() {
    for (content, expected) in
        [(None, "cannot open"), (Some(""), "is empty"), (Some(" \n"), "holds no token")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        if let Some(content) = content {
            std::fs::write(&path, content).expect("written");
        }
        let config = config::<BearerTokenAuth>(&format!("{{filename: {}}}", path.display()));
        let error = BearerTokenAuth::build(config, &context("bearertokenauth")).err().expect("fails");
        assert_eq!(error.key, "filename");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
