//! Serving HTTP/1 and HTTP/2 on one socket until told to drain.
//!
//! Connections are served each in a task of its own. On drain no connection is accepted any more, those
//! that are open finish the requests they have and are told to go away; the call returns when the last
//! one has. A failing accept (out of descriptors) is waited out, never the end. A panic
//! of the service ends the request it was about (over HTTP/1 with its connection), logged and counted.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
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
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

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
    /// How long a client may take for its request line and headers; none is no limit.
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
/// The largest frame a peer may send.
pub const FRAME_SIZE: u32 = 1 << 20;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
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
        connections: TaskTracker::new(),
    };
    let listener = Listener::new(bound)?;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(Accepted::Tcp(stream, peer)) => server.spawn(stream, Some(peer)),
                Ok(Accepted::Unix(stream)) => server.spawn(stream, None),
                Err(error) => {
                    warn!(error = %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = drain.cancelled() => break,
        }
    }
    drop(listener);
    server.connections.close();
    server.connections.wait().await;
    Ok(())
}

fn builder(options: &ServeOptions) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .keep_alive(options.keep_alive)
        .header_read_timeout(options.read_header_timeout);
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
    connections: TaskTracker,
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
    fn spawn<I>(&self, stream: I, peer: Option<SocketAddr>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let server = self.clone();
        self.connections.spawn(async move {
            let Some(acceptor) = &server.tls else { return server.connection(stream, peer).await };
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => server.connection(stream, peer).await,
                Ok(Err(error)) => warn!(peer = ?peer, error = %error, "TLS handshake failed"),
                Err(_elapsed) => warn!(peer = ?peer, "TLS handshake took too long"),
            }
        });
    }

    async fn connection<I>(&self, stream: I, peer: Option<SocketAddr>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::default();
        let service = Watched {
            service: self.service.clone(),
            peer,
            activity: activity.clone(),
            panics: self.options.panics.clone(),
        };
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(stream), service));
        let age = sleep_or_never(self.options.max_age);
        let idle = activity.idle_for(self.options.max_idle);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = self.drain.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = idle => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = age => {
                connection.as_mut().graceful_shutdown();
                match self.options.max_age_grace {
                    Some(grace) => match tokio::time::timeout(grace, connection).await {
                        Ok(outcome) => outcome,
                        Err(_elapsed) => return,
                    },
                    None => connection.await,
                }
            }
        };
        if let Err(error) = outcome {
            debug!(peer = ?peer, error = %error, "connection ended");
        }
    }
}

async fn sleep_or_never(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Requests that a connection has had, and has.
#[derive(Clone, Default)]
struct Activity {
    started: Arc<AtomicU64>,
    open: Arc<AtomicU64>,
}

impl Activity {
    /// Returns when no request has come or been open for a whole `limit`.
    async fn idle_for(&self, limit: Option<Duration>) {
        loop {
            let before = self.started.load(Ordering::Relaxed);
            sleep_or_never(limit).await;
            let is_idle =
                self.open.load(Ordering::Relaxed) == 0 && self.started.load(Ordering::Relaxed) == before;
            if is_idle {
                return;
            }
        }
    }
}

/// A request that is open until this is dropped.
struct OpenRequest(Arc<AtomicU64>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Puts the client's address into every request, notes that there was one, and catches its panic.
#[derive(Clone)]
struct Watched<S> {
    service: S,
    peer: Option<SocketAddr>,
    activity: Activity,
    panics: Panics,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for Watched<S>
where
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = WatchedFuture<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(Peer(peer));
        }
        self.activity.started.fetch_add(1, Ordering::Relaxed);
        self.activity.open.fetch_add(1, Ordering::Relaxed);
        let open = OpenRequest(Arc::clone(&self.activity.open));
        WatchedFuture { future: self.service.call(request), panics: self.panics.clone(), _open: open }
    }
}

pin_project_lite::pin_project! {
    /// A request being answered.
    struct WatchedFuture<F> {
        #[pin]
        future: F,
        panics: Panics,
        _open: OpenRequest,
    }
}

impl<F, R, E> Future for WatchedFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // The future is not polled again: an error is its end.
        match catch_unwind(AssertUnwindSafe(|| this.future.poll(context))) {
            Ok(polled) => polled.map_err(Into::into),
            Err(panic) => Poll::Ready(Err(this.panics.caught(&*panic).to_owned().into())),
        }
    }
}
