use std::time::Duration;

use spindle_config::types::Secret;
use spindle_pipeline::component::Kind;
use spindle_pipeline::status::StatusBoard;
use spindle_pipeline::testing::{config, config_with_problems, context, contract};
use tokio_util::sync::CancellationToken;

use super::hash::PasswordHash;
use super::*;

/// Made by Perl's crypt and openssl, of `hunter2`.
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.";
const APR1: &str = "$apr1$abcdefgh$ckT15POyCRlen.h6XtGAZ1";

fn server(htpasswd: &str) -> Arc<dyn ServerAuthenticator> {
    let htpasswd = Htpasswd { file: String::new(), inline: Secret::new(htpasswd) };
    let config = Config { htpasswd: Some(htpasswd), client_auth: None };
    let extension = BasicAuth::build(config, &context("basicauth")).expect("builds");
    extension.authenticators().server.expect("a server authenticator")
}

async fn judged(server: &Arc<dyn ServerAuthenticator>, value: &str) -> Result<(), String> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::try_from(value).expect("a header"));
    server.authenticate(&headers).await.map_err(|refusal| {
        assert_eq!(refusal.error.code().http(), 401);
        assert_eq!(refusal.challenge.as_ref(), Some(&CHALLENGE));
        refusal.error.message().to_owned()
    })
}

async fn knows(server: &Arc<dyn ServerAuthenticator>, user: &str, password: &str) -> bool {
    judged(server, authorization(user, password).expect("a header").to_str().expect("text")).await.is_ok()
}

/// The clauses that every component keeps.
#[test]
fn keeps_the_contract() {
    contract::factory::<BasicAuth>();
}

/// What cannot be is told with its line, and shows no password.
#[test]
fn says_what_cannot_be() {
    for (yaml, problem) in [
        ("{}", "no credential source provided"),
        ("{htpasswd: {}}", "htpasswd: no credential source provided"),
        (
            "{htpasswd: {inline: 'a:b'}, client_auth: {username: a}}",
            "only one of `htpasswd` or `client_auth` can be specified",
        ),
        ("{htpasswd: {inline: \"a:b\\nhunter2\"}}", "line 2 of `inline` is not `user:password`"),
        (
            "{htpasswd: {inline: 'a:$5$hunter2$x'}}",
            "the password in line 1 of `inline` is not one of bcrypt, $apr1$, {SHA}, {SSHA} or plain text",
        ),
        ("{htpasswd: {inline: 'a:{SHA}hunter2'}}", "the password in line 1 of `inline` is not {SHA}"),
        (
            "{htpasswd: {inline: 'a:$2y$31$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.'}}",
            "the password in line 1 of `inline` is not bcrypt (cost 4 to 17)",
        ),
        ("{client_auth: {password: hunter2}}", "no user is given: write `username` or `username_file`"),
        ("{client_auth: {username: 'a:hunter2'}}", "client_auth: `username` must not contain a colon"),
        (
            "{client_auth: {aws_secrets_manager: {secret_arn: a}}}",
            "AWS Secrets Manager is not built into this version of spindle yet; use username_file and password_file",
        ),
    ] {
        let (_, problems) = config_with_problems::<BasicAuth>(yaml);
        assert!(problems.iter().any(|found| found.ends_with(problem)), "{yaml}: {problems:?}");
        assert!(!problems.concat().contains("hunter2"), "{problems:?}");
    }
}

/// Each scheme knows its password and no other; the hashes are those of other programs.
#[test]
fn every_scheme_knows_its_password() {
    let maker = Fingerprinter::new().expect("random numbers");
    let long = "a longer password of more than sixteen bytes";
    for (hash, password) in [
        (BCRYPT, "hunter2"),
        ("$2a$05$abcdefghijklmnopqrstuu0oImNDIy4flhldV9YqunRgBAePKmw7m", ""),
        ("$2b$05$abcdefghijklmnopqrstuuf9e/MAM0MX9xiUbIAWqsx92P2yxFTDm", long),
        (APR1, "hunter2"),
        ("$apr1$abcdefgh$L.PT565ESX4Tp2bqNs7Ie.", ""),
        ("$apr1$abcdefgh$Bzx3dru/Wz5AFIeQ4D8sE/", long),
        ("{SHA}87u9ZqY9S/F0eUBXjsPQEDUw4h0=", "hunter2"),
        ("{SSHA}gK+fFFujqnweTpwCQ7Sp02gQxCJzYWx0", "hunter2"),
        ("hunter2", "hunter2"),
    ] {
        let parsed = PasswordHash::parse(hash, &maker).expect("parsed");
        assert!(parsed.is_of(password.as_bytes(), &maker), "{hash}");
        for wrong in ["hunter", "hunter22", "Hunter2", hash] {
            assert!(wrong == password || !parsed.is_of(wrong.as_bytes(), &maker), "{hash}: {wrong}");
        }
    }
    let truncated = "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i";
    let parsed = PasswordHash::parse(truncated, &maker).expect("parsed");
    assert!(parsed.is_of("x".repeat(100).as_bytes(), &maker), "72 bytes count");
    assert!(!parsed.is_of("x".repeat(71).as_bytes(), &maker));
}

/// Nothing that could stand in a file makes the parser panic, whatever is missing of it.
#[test]
fn torn_hashes_are_refused() {
    let maker = Fingerprinter::new().expect("random numbers");
    for hash in [BCRYPT, APR1, "{SSHA}gK+fFFujqnweTpwCQ7Sp02gQxCJzYWx0"] {
        for length in 6..hash.len() {
            let parsed = PasswordHash::parse(&hash[..length], &maker);
            assert!(parsed.is_err() || hash.starts_with("{SSHA}") && length >= 34, "{}", &hash[..length]);
        }
    }
    for text in ["$2y$05$äääääääääääääääääääääääääää", "$apr1$", "$", "$2y$", "{CRYPT}x", "$1$salt$x"]
    {
        assert!(PasswordHash::parse(text, &maker).is_err(), "{text}");
    }
}

/// Users come in with their passwords, again and again, and nobody else does.
#[tokio::test]
async fn a_server_lets_in_its_users_and_nobody_else() {
    let server = server(&format!("# comment\n\nslow:{BCRYPT}\nfast:hunter:2\nslow2:{APR1}\nfast:b:c\n"));
    for (user, password, is_let_in) in [
        ("slow", "hunter2", true),
        ("slow", "hunter2", true),
        ("slow", "hunter", false),
        ("slow2", "hunter2", true),
        ("fast", "b:c", true),
        ("fast", "hunter:2", false),
        ("nobody", "hunter2", false),
        ("nobody", "b:c", false),
        ("slow", "", false),
    ] {
        assert_eq!(knows(&server, user, password).await, is_let_in, "{user} {password}");
    }
    for (value, message) in [
        ("Bearer abc", "invalid authorization scheme prefix"),
        ("Basic", "invalid authorization scheme prefix"),
        ("Basic ***", "invalid authorization format"),
        ("Basic aHVudGVyMg==", "invalid authorization format"),
        ("Basic YTpodW50ZXIy", "invalid credentials"),
    ] {
        assert_eq!(judged(&server, value).await, Err(message.to_owned()), "{value}");
    }
    assert!(judged(&server, "bASIC ZmFzdDpiOmM=").await.is_ok(), "the scheme may be in any case");
}

/// Exporters send what the files say at the moment; the example is that of RFC 7617.
#[tokio::test]
async fn a_client_sends_user_and_password_and_reads_them_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("password");
    std::fs::write(&path, "open sesame\n").expect("written");
    let yaml = format!(
        "{{client_auth: {{username: Aladdin, password: ignored, password_file: {}}}}}",
        path.display()
    );
    let extension = BasicAuth::build(config::<BasicAuth>(&yaml), &context("basicauth")).expect("builds");
    let client = extension.authenticators().client.expect("a client authenticator");
    let sent = || {
        let mut headers = HeaderMap::new();
        client.authenticate(&mut headers, None).expect("signed");
        assert!(headers[AUTHORIZATION].is_sensitive());
        headers.remove(AUTHORIZATION).expect("a header")
    };
    assert_eq!(sent(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let (board, drain) = (StatusBoard::default(), CancellationToken::new());
    let status = board.handle(Kind::Extension, "basicauth", &[]);
    let running = tokio::spawn(extension.run(ExtensionContext { drain: drain.clone(), status, board }));
    std::fs::write(&path, "shut").expect("written");
    while sent() != "Basic QWxhZGRpbjpzaHV0" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drain.cancel();
    running.await.expect("no panic").expect("ended");
}
