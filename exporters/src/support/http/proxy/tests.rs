use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use spindle_pipeline::testing::{config, context};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpListener;

use super::*;
use crate::support::http::HttpClient;
use crate::support::http::tests::{Keys, PROTOCOL};
use crate::support::testing::{Backend, Certificates, http as answer};

fn client(yaml: &str) -> HttpClient {
    HttpClient::new(&config::<Keys>(yaml), PROTOCOL, &context("keys")).expect("builds")
}

fn post(url: &str) -> Request<Bytes> {
    Request::post(url).body(Bytes::from_static(b"body")).expect("a request")
}

/// What a proxy was asked to connect to, with the credentials.
type Asked = Arc<Mutex<Vec<String>>>;

/// A proxy that connects to the back end, whatever it is asked for, or refuses.
async fn tunnel(back_end: std::net::SocketAddr, status: &'static str) -> (std::net::SocketAddr, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let asked = Asked::default();
    let heads = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.expect("a head"));
            }
            let head = String::from_utf8(head).expect("text");
            heads.lock().unwrap_or_else(PoisonError::into_inner).push(head.to_ascii_lowercase());
            client.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.expect("told");
            if status.starts_with("200") {
                let mut server = TcpStream::connect(back_end).await.expect("connects");
                // Either side may end it.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        }
    });
    (address, asked)
}

/// Back ends without TLS: the proxy gets the whole URL and its credentials, which are not the back end's.
#[tokio::test]
async fn requests_without_tls_are_handed_to_the_proxy() {
    let proxy = Backend::start(|_, _| answer(200, "text/plain", "fine")).await;
    let client = client(&format!("{{proxy_url: 'http://user:pa%20ss@{}'}}", proxy.address));
    client.post(post("http://back.invalid:81/v1/traces?a=b")).await.expect("answered");
    let seen = proxy.last();
    assert_eq!(seen.uri.to_string(), "http://back.invalid:81/v1/traces?a=b");
    assert_eq!(
        (seen.header("host"), seen.header("proxy-authorization")),
        ("back.invalid:81", "Basic dXNlcjpwYSBzcw==")
    );
    assert_eq!((seen.header("authorization"), seen.body.as_ref()), ("", &b"body"[..]));
}

/// Back ends with TLS: the proxy connects and sees nothing but their name.
#[tokio::test]
async fn requests_with_tls_go_through_a_tunnel() {
    let certificates = Certificates::new();
    let back_end = Backend::start_with(Some(certificates.acceptor(false, &[b"h2"])), |_, _| {
        answer(200, "text/plain", "fine")
    })
    .await;
    let (address, asked) = tunnel(back_end.address, "200 ok").await;
    let yaml = format!("{{proxy_url: 'http://u:p@{address}', tls: {{ca_pem: {:?}}}}}", certificates.ca);
    let url = format!("https://localhost:{}/v1/traces", back_end.address.port());
    let response = client(&yaml).post(post(&url)).await.expect("answered");
    assert_eq!(response.body().as_ref(), b"fine");
    assert_eq!(back_end.last().header("proxy-authorization"), "");
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(asked[0].starts_with(&format!("connect localhost:{} ", back_end.address.port())), "{asked:?}");
    assert!(asked[0].contains("proxy-authorization: basic dtpw"), "{asked:?}");
}

/// A proxy that refuses is named as the reason, and the request is made again later.
#[tokio::test]
async fn a_proxy_that_refuses_is_told_from_a_back_end_that_does() {
    let (address, _) = tunnel(([127, 0, 0, 1], 1).into(), "403 forbidden").await;
    let client = client(&format!("{{proxy_url: 'http://user:secret@{address}'}}"));
    let error = client.post(post("https://back.invalid/")).await.expect_err("refused");
    let text = error.to_string();
    assert!(text.contains("the proxy does not connect") && !text.contains("secret"), "{text}");
    assert!(error.retry().is_possible(), "{text}");
}

/// Where the environment sends requests, as in Go.
#[test]
fn the_environment_is_read_as_go_reads_it() {
    let environments: [&[(&str, &str)]; 4] = [
        &[
            ("HTTP_PROXY", "http://one:1"),
            ("HTTPS_PROXY", "http://two:2"),
            ("NO_PROXY", ".inside,10.0.0.0/8,exact"),
        ],
        &[("http_proxy", "low:1"), ("HTTP_PROXY", "http://high:1")],
        &[("HTTPS_PROXY", "")],
        &[("ALL_PROXY", "http://all:1"), ("NO_PROXY", "*")],
    ];
    let cases = [
        (0, "http://host/", "handed to http://one:1/"),
        (0, "https://host/", "through http://two:2/"),
        (0, "https://a.inside/", "direct"),
        (0, "http://10.1.2.3/", "direct"),
        (0, "http://exact:99/", "direct"),
        (0, "https://localhost:4318/", "direct"),
        (0, "http://127.0.0.7/", "direct"),
        (0, "http://[::1]:4318/", "direct"),
        (1, "http://host/", "handed to http://low:1/"),
        (1, "https://host/", "direct"),
        (2, "https://host/", "direct"),
        (3, "http://host/", "direct"),
    ];
    for (environment, url, expected) in cases {
        let variable = |name: &str| {
            environments[environment]
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let proxies = Proxies::new("", variable).expect("good");
        let way = match proxies.way(&url.parse().expect("a URL")) {
            Way::Direct => "direct".to_owned(),
            Way::Tunnel(proxy, _) => format!("through {proxy}"),
            Way::Handed(proxy, _) => format!("handed to {proxy}"),
        };
        assert_eq!(way, expected, "{url} in environment {environment}");
    }
}

/// `proxy_url` counts before the environment, and for loopback addresses as well.
#[test]
fn a_configured_proxy_is_for_everything() {
    let proxies =
        Proxies::new("http://configured:8", |_| Some("http://environment:9".to_owned())).expect("good");
    for url in ["http://127.0.0.1/", "http://host/"] {
        assert!(
            matches!(proxies.way(&url.parse().expect("a URL")), Way::Handed(proxy, _) if proxy.host() == Some("configured"))
        );
    }
}

/// Proxies of kinds that are not built are told, with the variable that names them and without its secrets.
#[test]
fn says_which_proxies_cannot_be_used() {
    let told = "only proxies with http:// can be used by this version of spindle, this one has socks5://";
    assert_eq!(check("socks5://proxy:1080").expect_err("refused"), told);
    assert_eq!(check("proxy:3128").expect_err("refused"), "the proxy must be a URL with http://");
    let variable = |name: &str| (name == "HTTPS_PROXY").then(|| "socks5://u:secret@proxy:1080".to_owned());
    let error = Proxies::new("", variable).err().expect("refused");
    assert_eq!(error.message, format!("the environment variable HTTPS_PROXY: {told}"));
}
