//! TLS and mutual TLS on both doors.

use spindle_config::types::ClientTls;
use spindle_pipeline::net::tls::client;
use spindle_pipeline::testing::certificates::{CertificateFiles, Certificates};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::doors::exchange;
use super::*;

/// Certificates as files, and the folder that holds them.
fn certificates() -> (CertificateFiles, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    (Certificates::new().write_to(folder.path()), folder)
}

fn open_with(files: &CertificateFiles, asks_for_client: bool) -> Doors {
    let (cert, key) = (files.server.0.display(), files.server.1.display());
    let ca =
        if asks_for_client { format!(", client_ca_file: {}", files.ca.display()) } else { String::new() };
    let door = format!("{{endpoint: 127.0.0.1:0, tls: {{cert_file: {cert}, key_file: {key}{ca}}}}}");
    open(&format!("{{protocols: {{grpc: {door}, http: {door}}}}}"))
}

fn client_keys(files: &CertificateFiles, shows_certificate: bool) -> ClientTls {
    let (cert, key) = files.client.clone();
    ClientTls {
        ca_file: Some(files.ca.clone()),
        cert_file: shows_certificate.then_some(cert),
        key_file: shows_certificate.then_some(key),
        ..ClientTls::default()
    }
}

async fn connect(
    address: SocketAddr,
    keys: &ClientTls,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config = client(keys, "tls").expect("a client");
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn grpc_request() -> Request<Full<Bytes>> {
    let request = Request::post(format!("https://localhost{}", grpc::path(Signal::Traces)));
    let request = request.header("content-type", "application/grpc").header("te", "trailers");
    request.body(Full::new(framed(0, &spans::request(1)))).expect("a request")
}

fn http_request() -> Request<Full<Bytes>> {
    let request = Request::post("https://localhost/v1/traces").header("host", "localhost");
    let request = request.header("content-type", "application/x-protobuf");
    request.body(Full::new(spans::request(1))).expect("a request")
}

/// Both doors take requests over TLS, HTTP in the version that the client asks for; a client without TLS is
/// shown the door and harms nobody.
#[tokio::test]
async fn both_doors_are_served_over_tls() {
    let (files, _folder) = certificates();
    let doors = open_with(&files, false);
    let keys = client_keys(&files, false);
    for address in [doors.grpc, doors.http] {
        let mut plain = TcpStream::connect(address).await.expect("connects");
        plain.write_all(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("writes");
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/"), "an answer in plain text");
    }
    for alpn in [&[&b"h2"[..]][..], &[]] {
        let stream = connect(doors.grpc, &keys, alpn).await.expect("connects");
        assert_eq!(exchange(stream, true, grpc_request()).await.code(), 0);
    }
    let versions: [(&[&[u8]], bool); 4] =
        [(&[b"h2"], true), (&[b"http/1.1"], false), (&[b"h2", b"http/1.1"], true), (&[], false)];
    for (alpn, is_http2) in versions {
        let stream = connect(doors.http, &keys, alpn).await.expect("connects");
        let agreed = stream.get_ref().1.alpn_protocol();
        assert_eq!(agreed, alpn.first().copied(), "{alpn:?}");
        let answer = exchange(stream, is_http2, http_request()).await;
        assert_eq!(answer.status, StatusCode::OK, "{alpn:?}");
    }
    let error = connect(doors.grpc, &keys, &[b"http/1.1"]).await.expect_err("gRPC is HTTP/2");
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    assert_eq!(doors.sink.items(), 6);
}

/// With `client_ca_file` nothing is taken from clients that nobody vouches for.
#[tokio::test]
async fn clients_without_a_known_certificate_are_refused() {
    let ((files, _folder), (stranger, _other)) = (certificates(), certificates());
    let doors = open_with(&files, true);
    let foreign = ClientTls { ca_file: Some(files.ca.clone()), ..client_keys(&stranger, true) };
    for keys in [client_keys(&files, false), foreign] {
        for address in [doors.grpc, doors.http] {
            // By TLS 1.3 the client believes to be connected until it reads.
            let Ok(mut stream) = connect(address, &keys, &[b"h2"]).await else { continue };
            stream.read_u8().await.expect_err("refused");
        }
    }
    let known = client_keys(&files, true);
    let stream = connect(doors.grpc, &known, &[b"h2"]).await.expect("connects");
    assert_eq!(exchange(stream, true, grpc_request()).await.code(), 0);
    let stream = connect(doors.http, &known, &[b"http/1.1"]).await.expect("connects");
    assert_eq!(exchange(stream, false, http_request()).await.status, StatusCode::OK);
    assert_eq!(doors.sink.items(), 2);
}

/// Files that cannot serve stop the start, with the key of the door they belong to.
#[test]
fn bad_files_are_errors_of_their_door() {
    let ((files, _folder), (stranger, _other)) = (certificates(), certificates());
    let (cert, key) = (files.server.0.display(), stranger.server.1.display());
    for door in ["grpc", "http"] {
        let yaml = format!(
            "{{protocols: {{{door}: {{endpoint: 127.0.0.1:0, tls: {{cert_file: {cert}, key_file: {key}}}}}}}}}"
        );
        let error = Otlp::build(config::<Otlp>(&yaml), &context("otlp")).err().expect("does not fit");
        assert_eq!(error.key, format!("protocols::{door}::tls::key_file"));
        let message = format!("the private key does not belong to the certificate in {key}");
        assert_eq!(error.message, message);
    }
}
