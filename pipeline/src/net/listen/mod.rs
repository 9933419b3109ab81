//! Listening sockets, bound early, with errors that say who is in the way.

mod holder;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use spindle_config::types::ListenAddress;

use crate::error::BuildError;

/// A bound socket that does not accept yet.
#[derive(Debug)]
pub enum Bound {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket, whose file goes when the listener does.
    Unix(UnixListener, SocketFile),
}

/// Connections that wait to be accepted; the kernel may hold fewer.
const BACKLOG: i32 = 1024;

/// Binds an address. `key` is where the configuration says it, for the error.
pub fn bind(address: &ListenAddress, key: &str) -> Result<Bound, BuildError> {
    match address {
        ListenAddress::Tcp { host, port } => bind_tcp(host, *port, address, key),
        ListenAddress::Unix(path) => bind_unix(path, key),
    }
}

fn bind_tcp(host: &str, port: u16, address: &ListenAddress, key: &str) -> Result<Bound, BuildError> {
    let failed = |error: &io::Error| failure(error, address, port, key);
    let candidates: Vec<SocketAddr> = match host {
        // Dual stack where there is IPv6, as Go listens on an empty host.
        "" => vec![
            (std::net::Ipv6Addr::UNSPECIFIED, port).into(),
            (std::net::Ipv4Addr::UNSPECIFIED, port).into(),
        ],
        _ => (host, port).to_socket_addrs().map_err(|error| failed(&error))?.collect(),
    };
    // `localhost` may be two addresses; the first that can be bound is the one, IPv4 first, because that
    // is where clients look.
    let mut ordered = candidates;
    if host == "localhost" {
        ordered.sort_by_key(SocketAddr::is_ipv6);
    }
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for candidate in ordered {
        match listen_on(candidate) {
            Ok(listener) => return Ok(Bound::Tcp(listener)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(failed(&error)),
            Err(error) => last = error,
        }
    }
    Err(failed(&last))
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn failure(error: &io::Error, address: &ListenAddress, port: u16, key: &str) -> BuildError {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "bind: address already in use".to_owned(),
        io::ErrorKind::PermissionDenied => "bind: permission denied".to_owned(),
        _ => error.to_string(),
    };
    let holder = match error.kind() {
        io::ErrorKind::AddrInUse => holder::of_tcp_port(port).map(|process| format!(" (held by {process})")),
        _ => None,
    };
    let failure =
        BuildError::new(key, format!("listen tcp {address}: {reason}{}", holder.unwrap_or_default()));
    match error.kind() {
        io::ErrorKind::AddrInUse => failure.help("stop that process, or give this listener another port"),
        io::ErrorKind::PermissionDenied if port < 1024 => {
            failure.help("ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a higher one")
        }
        _ => failure,
    }
}

fn bind_unix(path: &Path, key: &str) -> Result<Bound, BuildError> {
    let failed = |error: io::Error| BuildError::new(key, format!("listen unix {}: {error}", path.display()));
    remove_stale(path).map_err(failed)?;
    let listener = UnixListener::bind(path).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(Bound::Unix(listener, SocketFile(path.to_owned())))
}

/// A socket file that nobody listens on is left over from a process that was killed. Any other file, and
/// a socket of which that is not certain, stays.
fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
    }
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    // A listener whose queue is full would let us wait until it accepts.
    socket.set_nonblocking(true)?;
    match socket.connect(&socket2::SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
    }
}

/// The file of a unix socket.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have removed it already; nothing depends on it.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Bound {
    /// The TCP address it has, with the port the system chose if it was to.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(formatter, "{address}"),
                Err(_) => formatter.write_str("tcp"),
            },
            Self::Unix(_, file) => write!(formatter, "unix://{}", file.0.display()),
        }
    }
}
