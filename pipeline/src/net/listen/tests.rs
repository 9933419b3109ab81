use spindle_config::types::Transport;

use super::*;

fn address(text: &str) -> ListenAddress {
    ListenAddress::parse(text, Transport::Tcp).expect("parses")
}

/// The commonest failure at a start says the port, the key, and who is in the way.
#[test]
fn a_busy_port_names_its_holder() {
    let first = bind(&address("127.0.0.1:0"), "endpoint").expect("binds");
    let port = first.tcp_address().expect("tcp").port();
    let error = bind(&address(&format!("127.0.0.1:{port}")), "protocols::grpc::endpoint").expect_err("busy");
    assert_eq!(error.key, "protocols::grpc::endpoint");
    let pid = std::process::id();
    let start = format!("listen tcp 127.0.0.1:{port}: bind: address already in use (held by process {pid} (");
    assert!(error.message.starts_with(&start), "{}", error.message);
    assert!(error.help.is_some());
}

/// A listener on all addresses is in the way of one on loopback.
#[test]
fn an_empty_host_is_all_addresses() {
    let bound = bind(&address(":0"), "endpoint").expect("binds");
    let port = bound.tcp_address().expect("tcp").port();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
}

/// A killed agent leaves its socket file behind; the next one must start all the same, and must not
/// take the file of one that lives.
#[test]
fn a_stale_socket_file_is_replaced_and_a_live_one_is_not() {
    let directory = std::env::temp_dir().join(format!("spindle-listen-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("directory");
    let path = directory.join("otlp.sock");
    std::mem::forget(UnixListener::bind(&path).map(drop));
    let live = bind(&ListenAddress::Unix(path.clone()), "endpoint").expect("replaces the stale one");
    let error = bind(&ListenAddress::Unix(path.clone()), "endpoint").expect_err("somebody listens");
    assert!(error.message.contains("another process listens there"), "{error}");
    drop(live);
    assert!(!path.exists(), "the file goes with its listener");
    std::fs::write(&path, "precious").expect("writes");
    let error = bind(&ListenAddress::Unix(path.clone()), "endpoint").expect_err("not ours");
    assert!(error.message.contains("no socket"), "{error}");
    std::fs::remove_dir_all(&directory).expect("cleans up");
}

/// A listener that is too busy to accept lives all the same: its file stays, and nobody waits for it.
#[test]
fn a_busy_socket_is_not_taken_for_a_stale_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otlp.sock");
    let listener =
        socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).expect("a socket");
    listener.bind(&socket2::SockAddr::unix(&path).expect("short")).expect("binds");
    listener.listen(0).expect("listens");
    let _queued = std::os::unix::net::UnixStream::connect(&path).expect("fills the queue");
    let error = bind(&ListenAddress::Unix(path.clone()), "endpoint").expect_err("somebody listens");
    assert!(error.message.contains("another process listens there"), "{error}");
    assert!(path.exists());
}

/// A path that cannot be is an error with its reason.
#[test]
fn a_socket_in_no_folder_says_so() {
    let path = "/nowhere/otlp.sock";
    let error = bind(&ListenAddress::Unix(path.into()), "protocols::grpc::endpoint").expect_err("no folder");
    assert_eq!(error.key, "protocols::grpc::endpoint");
    assert!(error.message.starts_with("listen unix /nowhere/otlp.sock: No such file"), "{error}");
}
