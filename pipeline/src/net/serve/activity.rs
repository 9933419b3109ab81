//! What a connection is doing: which requests it has, and whether a head of one has begun.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{BoxError, Peer};
use crate::panics::Panics;

pub(super) async fn sleep_or_never(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Requests that a connection has had, and has. Only its own tasks write here.
#[derive(Clone)]
pub(super) struct Activity(Arc<Counts>);

struct Counts {
    /// Requests whose head is complete.
    started: AtomicU64,
    /// Those that are not answered.
    open: AtomicU64,
    /// Requests of which the first byte is here, or is expected.
    begun: AtomicU64,
}

impl Default for Activity {
    /// A connection is opened for a request, which is therefore expected.
    fn default() -> Self {
        Self(Arc::new(Counts { started: 0.into(), open: 0.into(), begun: 1.into() }))
    }
}

impl Activity {
    fn started(&self) -> u64 {
        self.0.started.load(Ordering::Relaxed)
    }

    fn has_open(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) > 0
    }

    /// Returns when no request has come or been open for a whole `limit`, which is noticed within twice
    /// the limit.
    pub(super) async fn idle_for(&self, limit: Option<Duration>) {
        loop {
            let (started, was_open) = (self.started(), self.has_open());
            sleep_or_never(limit).await;
            if !was_open && self.started() == started {
                return;
            }
        }
    }

    /// Returns when a request has begun and its head is not complete after `limit`, which is noticed within
    /// twice the limit.
    pub(super) async fn head_is_late(&self, limit: Option<Duration>) {
        loop {
            let (started, begun) = (self.started(), self.0.begun.load(Ordering::Relaxed));
            sleep_or_never(limit).await;
            if begun > started && self.started() == started && self.0.begun.load(Ordering::Relaxed) == begun {
                return;
            }
        }
    }

    fn bytes_came(&self) {
        if !self.has_open() {
            self.0.begun.store(self.started() + 1, Ordering::Relaxed);
        }
    }

    /// From here on nothing is a head that could be late.
    fn no_heads(&self) {
        self.0.begun.store(0, Ordering::Relaxed);
    }
}

/// A request that is open until this is dropped.
struct OpenRequest(Activity);

impl OpenRequest {
    fn new(activity: Activity) -> Self {
        activity.0.open.fetch_add(1, Ordering::Relaxed);
        activity.0.started.fetch_add(1, Ordering::Relaxed);
        Self(activity)
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Puts the client's address into every request, notes that there was one, and catches its panic.
#[derive(Clone)]
pub(super) struct Watched<S> {
    service: S,
    peer: Option<SocketAddr>,
    activity: Activity,
    panics: Panics,
}

impl<S> Watched<S> {
    pub(super) fn new(service: S, peer: Option<SocketAddr>, activity: Activity, panics: Panics) -> Self {
        Self { service, peer, activity, panics }
    }
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
        let open = OpenRequest::new(self.activity.clone());
        WatchedFuture { future: self.service.call(request), panics: self.panics.clone(), _open: open }
    }
}

pin_project_lite::pin_project! {
    /// A request being answered.
    pub(super) struct WatchedFuture<F> {
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

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Which protocol a connection speaks, as far as it has been heard.
enum Protocol {
    /// So many bytes of the preface.
    Unknown(usize),
    Http1,
    Http2,
}

/// Notes the bytes with which an HTTP/1 request begins. HTTP/2 has frames that are no requests, so behind
/// its preface nothing is noted.
pub(super) struct WatchedIo<I> {
    io: I,
    protocol: Protocol,
    activity: Activity,
}

impl<I> WatchedIo<I> {
    pub(super) fn new(io: I, activity: Activity) -> Self {
        Self { io, protocol: Protocol::Unknown(0), activity }
    }

    fn note(&mut self, bytes: &[u8]) {
        if let Protocol::Unknown(heard) = self.protocol {
            let rest = &PREFACE[heard..];
            self.protocol = if bytes.starts_with(rest) {
                self.activity.no_heads();
                Protocol::Http2
            } else if rest.starts_with(bytes) {
                Protocol::Unknown(heard + bytes.len())
            } else {
                Protocol::Http1
            };
        }
        if !matches!(self.protocol, Protocol::Http2) {
            self.activity.bytes_came();
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for WatchedIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        if !matches!(self.protocol, Protocol::Http2) {
            self.note(&buffer.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for WatchedIo<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
