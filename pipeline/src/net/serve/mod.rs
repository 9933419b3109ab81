//! Serving HTTP/1 and HTTP/2 on one socket until told to drain.
//!
//! * Connections are served each in a task of its own. A failing accept (out of descriptors) is waited
//!   out, never the end.
//! * On drain no connection is accepted any more; those that are open finish the requests they have and
//!   are told to go away. Only requests are waited for: a peer that has none and does not go is cut off
//!   within two seconds, whatever it has begun (a handshake, a head) or fails to answer.
//! * A panic of the service ends the request it was about (over HTTP/1 with its connection), logged and
//!   counted.
//! * The call returns when the last connection has ended. Dropping it ends them all at once.

mod activity;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use activity::{Activity, Watched, WatchedIo, sleep_or_never};

use super::listen::{Bound, SocketFile};
use crate::panics::Panics;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The client's address, in a request's extensions; absent on unix sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// How connections are kept.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Requests at once on one HTTP/2 connection; none is hyper's default of 200.
    pub max_concurrent_streams: Option<u32>,
    /// How long a client may take for its first bytes, and from the first to the last of a request's line
    /// and headers (HTTP/1) or of the preface (HTTP/2). Cut off after that and within twice that; none is
    /// no limit. The time between requests does not count.
    pub read_header_timeout: Option<Duration>,
    /// HTTP/1 connections serve more than one request.
    pub keep_alive: bool,
    /// Ping a connection on which nothing has come for this long.
    pub ping_interval: Option<Duration>,
    /// Close it when no answer comes within this.
    pub ping_timeout: Duration,
    /// Close connections that are older, as soon as their requests are answered.
    pub max_age: Option<Duration>,
    /// What closing may take then; none is as long as the requests take.
    pub max_age_grace: Option<Duration>,
    /// Close connections that have had no request for this long.
    pub max_idle: Option<Duration>,
    /// Who serves, for panics.
    pub panics: Panics,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            max_concurrent_streams: None,
            read_header_timeout: Some(Duration::from_mins(1)),
            keep_alive: true,
            ping_interval: None,
            ping_timeout: Duration::from_secs(20),
            max_age: None,
            max_age_grace: None,
            max_idle: None,
            panics: Panics::of_part("server"),
        }
    }
}

/// Windows and frames that let one request of usual size come in one piece: fewer wake-ups and fewer
/// system calls per request than the protocol's defaults, by a quarter of a request's cost.
pub const STREAM_WINDOW: u32 = 1 << 20;
/// The same for all streams of a connection.
pub const CONNECTION_WINDOW: u32 = 4 << 20;
/// The largest frame a peer may send: room for one is made when its head has come, so many peers that send
/// only heads cost this much each.
pub const FRAME_SIZE: u32 = 128 << 10;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection without requests may take to end once it was told to.
const GOODBYE: Duration = Duration::from_secs(1);
/// The wait behind an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `service` on a socket until `drain` is cancelled and the last request is answered.
pub async fn serve<S, B>(
    bound: Bound,
    tls: Option<Arc<ServerConfig>>,
    options: ServeOptions,
    service: S,
    drain: CancellationToken,
) -> std::io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let server = Server {
        builder: Arc::new(builder(&options)),
        tls: tls.map(TlsAcceptor::from),
        options,
        service,
        drain: drain.clone(),
    };
    let listener = Listener::new(bound)?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(Accepted::Tcp(stream, peer)) => connections.spawn(server.clone().open(stream, Some(peer))),
                Ok(Accepted::Unix(stream)) => connections.spawn(server.clone().open(stream, None)),
                Err(error) => {
                    warn!(error = %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_ended) = connections.join_next() => continue,
            () = drain.cancelled() => break,
        };
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

fn builder(options: &ServeOptions) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .keep_alive(options.keep_alive)
        // hyper counts the time between two requests as well, which would close connections under
        // clients that send once a minute.
        .header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_SIZE)
        .keep_alive_interval(options.ping_interval)
        .keep_alive_timeout(options.ping_timeout);
    if let Some(streams) = options.max_concurrent_streams {
        builder.http2().max_concurrent_streams(streams);
    }
    builder
}

enum Listener {
    Tcp(TcpListener),
    /// The file goes with the listener.
    Unix(UnixListener, #[expect(dead_code, reason = "held to be dropped")] SocketFile),
}

enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(tokio::net::UnixStream),
}

impl Listener {
    fn new(bound: Bound) -> std::io::Result<Self> {
        Ok(match bound {
            Bound::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Bound::Unix(listener, file) => Self::Unix(UnixListener::from_std(listener)?, file),
        })
    }

    async fn accept(&self) -> std::io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are small; waiting to fill a segment only delays them.
                let _ = stream.set_nodelay(true);
                Ok(Accepted::Tcp(stream, peer))
            }
            Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }
}

#[derive(Clone)]
struct Server<S> {
    builder: Arc<auto::Builder<TokioExecutor>>,
    tls: Option<TlsAcceptor>,
    options: ServeOptions,
    service: S,
    drain: CancellationToken,
}

impl<S, B> Server<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    async fn open<I>(self, stream: I, peer: Option<SocketAddr>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(acceptor) = &self.tls else { return self.connection(stream, peer).await };
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
        tokio::select! {
            handshake = handshake => match handshake {
                Ok(Ok(stream)) => self.connection(stream, peer).await,
                Ok(Err(error)) => warn!(peer = ?peer, error = %error, "TLS handshake failed"),
                Err(_elapsed) => warn!(peer = ?peer, "TLS handshake took too long"),
            },
            () = self.drain.cancelled() => {}
        }
    }

    async fn connection<I>(&self, stream: I, peer: Option<SocketAddr>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::default();
        let service = Watched::new(self.service.clone(), peer, activity.clone(), self.options.panics.clone());
        let stream = TokioIo::new(WatchedIo::new(stream, activity.clone()));
        let mut connection = pin!(self.builder.serve_connection(stream, service));
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = activity.head_is_late(self.options.read_header_timeout) => {
                return debug!(peer = ?peer, "reading the head of a request took too long");
            }
            grace = self.time_to_close(&activity) => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    outcome = connection => outcome,
                    () = sleep_or_never(grace) => return,
                    () = activity.idle_for(Some(GOODBYE)) => return,
                }
            }
        };
        if let Err(error) = outcome {
            debug!(peer = ?peer, error = %error, "connection ended");
        }
    }

    /// Returns when a connection is to be closed, with what its requests may take then.
    async fn time_to_close(&self, activity: &Activity) -> Option<Duration> {
        tokio::select! {
            () = self.drain.cancelled() => None,
            () = activity.idle_for(self.options.max_idle) => None,
            () = sleep_or_never(self.options.max_age) => self.options.max_age_grace,
        }
    }
}
