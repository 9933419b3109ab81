//! Where a client connects to, and the connecting.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a TCP connection and a TLS handshake may take together.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After how long without traffic TCP asks whether the other end is there, and how often then; Go's own.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A call that is given up earlier than this says nothing about its connection.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// The host part of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or address, and a port.
    Tcp(String, u16),
    /// A unix socket.
    Unix(PathBuf),
    /// A name that tests resolve themselves.
    #[cfg(test)]
    Fixed(Vec<Address>),
}

impl Host {
    /// The name and the port, if it has them.
    pub fn name(&self) -> Option<(&str, u16)> {
        if let Self::Tcp(name, port) = self { Some((name, *port)) } else { None }
    }

    /// The addresses behind the name, at least one.
    pub async fn resolve(&self) -> io::Result<Vec<Address>> {
        match self {
            Self::Unix(path) => Ok(vec![Address::Unix(path.clone())]),
            #[cfg(test)]
            Self::Fixed(addresses) => Ok(addresses.clone()),
            Self::Tcp(host, port) => {
                let mut addresses: Vec<SocketAddr> = lookup_host((host.as_str(), *port)).await?.collect();
                if host == "localhost" {
                    // Servers that listen on one of the two listen on IPv4.
                    addresses.sort_by_key(SocketAddr::is_ipv6);
                }
                addresses.dedup();
                if addresses.is_empty() {
                    return Err(io::Error::new(io::ErrorKind::NotFound, format!("no addresses for {host}")));
                }
                Ok(addresses.into_iter().map(Address::Tcp).collect())
            }
        }
    }
}

/// One place to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "tcp {address}"),
            Self::Unix(path) => write!(formatter, "unix {}", path.display()),
        }
    }
}

/// TLS towards a server of a name.
#[derive(Clone)]
pub struct TlsTarget {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsTarget {
    /// TLS by a configuration, to a server that must carry `name`.
    pub fn new(config: ClientConfig, name: &str) -> Result<Self, String> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("\"{name}\" cannot be the name of a TLS server"))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    async fn handshake(&self, stream: TcpStream) -> io::Result<Stream> {
        match self.connector.connect(self.name.clone(), stream).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(error) => {
                Err(io::Error::new(error.kind(), format!("authentication handshake failed: {error}")))
            }
        }
    }
}

/// Without it a peer that vanished is noticed only when there is something to send.
fn keep_alive(stream: &TcpStream) {
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE);
    // A system that cannot do it connects all the same.
    let _ = SockRef::from(stream).set_tcp_keepalive(&keep_alive);
}

/// A connection of any kind.
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Address {
    /// Connects, with TLS if there is a name to check.
    pub async fn connect(&self, tls: Option<&TlsTarget>) -> io::Result<Stream> {
        let connecting = async {
            match self {
                Self::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
                Self::Tcp(address) => {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    keep_alive(&stream);
                    match tls {
                        None => Ok(Stream::Tcp(stream)),
                        Some(tls) => tls.handshake(stream).await,
                    }
                }
            }
        };
        tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_elapsed| Err(timed_out()))
    }
}

/// What Go says of a connection that takes too long.
pub(crate) fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
