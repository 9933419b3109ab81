use rustls::ProtocolVersion;
use spindle_config::types::{ClientTls, Secret, ServerTls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::testing::certificates::{CertificateFiles, Certificates, Pair};

/// Certificates as files, and the folder that holds them.
fn certificates() -> (CertificateFiles, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    (Certificates::new().write_to(folder.path()), folder)
}

fn server_keys(files: &CertificateFiles) -> ServerTls {
    let (cert, key) = files.server.clone();
    ServerTls { cert_file: Some(cert), key_file: Some(key), ..ServerTls::default() }
}

fn client_keys(files: &CertificateFiles) -> ClientTls {
    ClientTls { ca_file: Some(files.ca.clone()), ..ClientTls::default() }
}

/// The client's keys with its certificate.
fn known_client_keys(files: &CertificateFiles) -> ClientTls {
    let (cert, key) = files.client.clone();
    ClientTls { cert_file: Some(cert), key_file: Some(key), ..client_keys(files) }
}

/// A handshake by these keys.
async fn shake(
    server: &ServerTls,
    client: &ClientTls,
    name: &'static str,
) -> Result<ProtocolVersion, String> {
    let server = Arc::new(super::server(server, &[b"h2"], "tls").expect("a server"));
    let client = Arc::new(super::client(client, "tls").expect("a client"));
    shake_with(&server, &client, name).await
}

/// A handshake and one byte in each direction: with TLS 1.3 a client hears with the first byte only that
/// its certificate was refused.
async fn shake_with(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &'static str,
) -> Result<ProtocolVersion, String> {
    let acceptor = TlsAcceptor::from(Arc::clone(server));
    let connector = TlsConnector::from(Arc::clone(client));
    let (near, far) = tokio::io::duplex(64 * 1024);
    let serving = async {
        let mut stream = acceptor.accept(far).await?;
        stream.write_all(b"!").await?;
        stream.read_u8().await
    };
    let asking = async {
        let mut stream = connector.connect(ServerName::try_from(name).expect("a name"), near).await?;
        stream.read_u8().await?;
        stream.write_all(b"?").await?;
        Ok::<_, std::io::Error>(stream.get_ref().1.protocol_version().expect("agreed"))
    };
    let (served, asked) = tokio::join!(serving, asking);
    match (served, asked) {
        (Ok(_), Ok(version)) => Ok(version),
        (served, asked) => Err(format!("server: {:?}, client: {:?}", served.err(), asked.err())),
    }
}

/// A server is believed for its name when one of the configured authorities says so, or when the
/// configuration says to believe anybody.
#[tokio::test]
async fn servers_are_verified() {
    let ((files, _folder), (stranger, _other)) = (certificates(), certificates());
    let server = server_keys(&files);
    let trusting = ClientTls { insecure_skip_verify: true, ..ClientTls::default() };
    let cases = [
        ("its authority", client_keys(&files), "localhost", None),
        ("by address", client_keys(&files), "127.0.0.1", None),
        ("another name", client_keys(&files), "spindle.test", Some("NotValidForName")),
        ("another authority", client_keys(&stranger), "localhost", Some("BadSignature")),
        ("the system's authorities", ClientTls::default(), "localhost", Some("UnknownIssuer")),
        ("anybody", trusting.clone(), "localhost", None),
        ("anybody of any name", trusting, "spindle.test", None),
    ];
    for (what, client, name, refusal) in cases {
        match (shake(&server, &client, name).await, refusal) {
            (Ok(_), None) => {}
            (Err(error), Some(text)) => assert!(error.contains(text), "{what}: {error}"),
            (outcome, _) => panic!("{what}: {outcome:?}"),
        }
    }
}

/// With `client_ca_file` nobody comes in without a certificate of that authority.
#[tokio::test]
async fn clients_are_verified_by_mutual_tls() {
    let ((files, _folder), (stranger, _other)) = (certificates(), certificates());
    let server = ServerTls { client_ca_file: Some(files.ca.clone()), ..server_keys(&files) };
    let foreign = ClientTls { ca_file: Some(files.ca.clone()), ..known_client_keys(&stranger) };
    for max_version in ["1.2", "1.3"] {
        let server = ServerTls { max_version: max_version.to_owned(), ..server.clone() };
        shake(&server, &known_client_keys(&files), "localhost").await.expect("known");
        let error =
            shake(&server, &client_keys(&files), "localhost").await.expect_err("without a certificate");
        assert!(error.contains("NoCertificatesPresented"), "{error}");
        let error = shake(&server, &foreign, "localhost").await.expect_err("of another authority");
        assert!(error.contains("UnknownIssuer") || error.contains("BadSignature"), "{error}");
    }
    // A client's certificate is no obstacle where none is asked for.
    shake(&server_keys(&files), &known_client_keys(&files), "localhost").await.expect("welcome");
}

/// Both sides keep to their versions; the highest that both know is taken.
#[tokio::test]
async fn versions_are_those_of_the_configuration() {
    use ProtocolVersion::{TLSv1_2, TLSv1_3};
    let (files, _folder) = certificates();
    let cases = [
        (("", ""), ("", ""), Some(TLSv1_3)),
        (("", "1.2"), ("", ""), Some(TLSv1_2)),
        (("", ""), ("1.2", "1.2"), Some(TLSv1_2)),
        (("1.3", ""), ("", ""), Some(TLSv1_3)),
        (("1.3", ""), ("", "1.2"), None),
        (("", "1.2"), ("1.3", "1.3"), None),
    ];
    for ((server_min, server_max), (client_min, client_max), expected) in cases {
        let server = ServerTls {
            min_version: server_min.to_owned(),
            max_version: server_max.to_owned(),
            ..server_keys(&files)
        };
        let client = ClientTls {
            min_version: client_min.to_owned(),
            max_version: client_max.to_owned(),
            ..client_keys(&files)
        };
        let outcome = shake(&server, &client, "localhost").await;
        assert_eq!(outcome.as_ref().ok(), expected.as_ref(), "{server:?} {client:?}: {outcome:?}");
    }
}

/// Text in the configuration serves as well as a file, also with several certificates in one.
#[tokio::test]
async fn certificates_may_be_text() {
    let (one, other) = (Certificates::new(), Certificates::new());
    let secret = |text: &str| Some(Secret::new(text));
    let server = ServerTls {
        cert_pem: secret(&format!("a comment\n{}{}", one.server.cert, one.ca)),
        key_pem: secret(&one.server.key),
        ..ServerTls::default()
    };
    let client = ClientTls { ca_pem: secret(&format!("{}{}", other.ca, one.ca)), ..ClientTls::default() };
    shake(&server, &client, "localhost").await.expect("works");
}

/// The system's authorities are trusted beside one's own only when that is asked for; either way one's
/// own is.
#[tokio::test]
async fn the_systems_authorities_can_be_trusted_as_well() {
    let (files, _folder) = certificates();
    let client = ClientTls { include_system_ca_certs_pool: true, ..client_keys(&files) };
    shake(&server_keys(&files), &client, "localhost").await.expect("works");
    let own = roots(&client_keys(&files), "tls").expect("roots").len();
    assert_eq!(own, 1);
    assert!(roots(&client, "tls").expect("roots").len() >= own);
}

/// What a user gets wrong with files is told with the key and the path, and never with what is in them.
#[test]
fn bad_files_are_named_with_their_key() {
    let (files, folder) = certificates();
    let (stranger, _other) = certificates();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let missing = folder.path().join("missing.pem");
    let text = write("text.pem", "-----BEGIN NOTHING-----\nprecious\n");
    let broken = write("broken.pem", "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n");
    let empty = write("empty.pem", "");
    let other_key = stranger.server.1;
    let good = server_keys(&files);
    let cert = |path: &Path| ServerTls { cert_file: Some(path.to_owned()), ..good.clone() };
    let key = |path: &Path| ServerTls { key_file: Some(path.to_owned()), ..good.clone() };
    let ca = |path: &Path| ServerTls { client_ca_file: Some(path.to_owned()), ..good.clone() };
    let cases = [
        (cert(&missing), "tls::cert_file", "cannot read ", &missing),
        (cert(folder.path()), "tls::cert_file", "cannot read ", &folder.path().to_owned()),
        (cert(&text), "tls::cert_file", "", &text),
        (cert(&broken), "tls::cert_file", "not a PEM certificate: ", &broken),
        (cert(&empty), "tls::cert_file", "no PEM certificate in ", &empty),
        (cert(&files.server.1), "tls::cert_file", "no PEM certificate in ", &files.server.1),
        (key(&missing), "tls::key_file", "cannot read ", &missing),
        (key(&empty), "tls::key_file", "not a PEM private key: ", &empty),
        (key(&files.server.0), "tls::key_file", "not a PEM private key: ", &files.server.0),
        (
            key(&other_key),
            "tls::key_file",
            "the private key does not belong to the certificate in ",
            &other_key,
        ),
        (ca(&missing), "tls::client_ca_file", "cannot read ", &missing),
        (ca(&empty), "tls::client_ca_file", "no PEM certificate in ", &empty),
        (ca(&files.server.1), "tls::client_ca_file", "no PEM certificate in ", &files.server.1),
    ];
    for (keys, key, start, path) in cases {
        let error = server(&keys, &[], "tls").expect_err("bad files");
        assert_eq!(error.key, key, "{error:?}");
        assert!(error.message.starts_with(start), "{error:?}");
        assert!(error.message.contains(&path.display().to_string()), "{error:?}");
        assert!(!error.message.contains("precious"), "{error:?}");
    }
}

/// A client says the same of its files, and of text the key that holds it.
#[test]
fn a_clients_bad_files_are_named_with_their_key() {
    let (files, _folder) = certificates();
    let Pair { cert, .. } = Certificates::new().client;
    let ca_pem = ClientTls { ca_pem: Some(Secret::new("no")), ..ClientTls::default() };
    let ca_file = ClientTls { ca_file: Some("/nowhere/ca.pem".into()), ..ClientTls::default() };
    let foreign =
        ClientTls { cert_file: None, cert_pem: Some(Secret::new(&cert)), ..known_client_keys(&files) };
    let key = files.client.1.display();
    let misfit = format!("the private key does not belong to the certificate in {key}");
    let cases = [
        (ca_pem, "exporter::tls::ca_pem", "no PEM certificate"),
        (
            ca_file,
            "exporter::tls::ca_file",
            "cannot read /nowhere/ca.pem: No such file or directory (os error 2)",
        ),
        (foreign, "exporter::tls::key_file", &misfit),
    ];
    for (keys, key, message) in cases {
        let error = client(&keys, "exporter::tls").expect_err("bad files");
        assert_eq!((error.key.as_str(), error.message.as_str()), (key, message));
    }
}

/// Certificates that are renewed on the disk are used from then on, by servers and by clients; half of a
/// renewal, a certificate without its key, leaves the old ones in use. Without the keys nothing is read
/// again.
#[tokio::test]
async fn renewed_certificates_are_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = Certificates::new();
    let files = old.write_to(folder.path());
    let interval = spindle_config::types::Duration::from_millis(1);
    let server_keys = ServerTls {
        client_ca_file: Some(files.ca.clone()),
        client_ca_file_reload: true,
        ..server_keys(&files)
    };
    let reloading = ServerTls { reload_interval: interval, ..server_keys.clone() };
    let fixed = Arc::new(server(&server_keys, &[], "tls").expect("a server"));
    let reloading = Arc::new(server(&reloading, &[], "tls").expect("a server"));
    let keys = ClientTls { reload_interval: interval, ..known_client_keys(&files) };
    let new_client = || {
        let mut config = client(&keys, "tls").expect("a client");
        // A resumed session shows no certificates.
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    };
    let old_client = new_client();
    shake_with(&reloading, &old_client, "localhost").await.expect("with the old");

    let renewed = Certificates::new();
    std::fs::write(&files.server.0, &renewed.server.cert).expect("half of it");
    tokio::time::sleep(interval.get() * 2).await;
    shake_with(&reloading, &old_client, "localhost").await.expect("still with the old");

    renewed.write_to(folder.path());
    tokio::time::sleep(CLIENT_CA_INTERVAL).await;
    shake_with(&reloading, &new_client(), "localhost").await.expect("with the renewed");
    // The old client reads its own certificate again, and still trusts the old authority.
    let error = shake_with(&reloading, &old_client, "localhost").await.expect_err("renewed");
    assert!(error.contains("InvalidCertificate"), "{error}");
    shake_with(&fixed, &old_client, "localhost")
        .await
        .expect("the server's old one, the client's renewed one");
}
