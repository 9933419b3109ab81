//! Back ends that answer by a script and remember what they were sent.
//!
//! A [`Backend`] speaks HTTP/1.1 and HTTP/2 on one socket. Dropping it closes every connection.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use spindle_pipeline::batch::Batch;
use spindle_pipeline::testing::spans;
use spindle_pipeline::{RequestContext, Signal};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub(crate) use spindle_pipeline::testing::certificates::{Certificates, Pair};

/// A request as the back end saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Which connection it came on, counted from 0.
    pub(crate) connection: usize,
}

impl Seen {
    /// A header as text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What the back end does with a request.
pub(crate) enum Reply {
    /// Answers.
    Answer(Response<Frames>),
    /// Never answers.
    Silence,
    /// Closes the connection without an answer.
    Hangup,
    /// Resets the stream without an answer (HTTP/2).
    Reset,
    /// Does something after a while.
    Late(Duration, Box<Reply>),
}

/// A body in pieces: data, trailers, or an end that is none.
#[derive(Default)]
pub(crate) struct Frames {
    frames: VecDeque<Frame<Bytes>>,
    /// What came before must have gone out when it breaks.
    breaks_after: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Frames {
    pub(crate) fn of(data: impl Into<Bytes>) -> Self {
        Self { frames: VecDeque::from([Frame::data(data.into())]), breaks_after: None }
    }

    pub(crate) fn then(mut self, trailers: HeaderMap) -> Self {
        self.frames.push_back(Frame::trailers(trailers));
        self
    }

    pub(crate) fn then_break(self) -> Self {
        let pause = tokio::time::sleep(Duration::from_millis(50));
        Self { breaks_after: Some(Box::pin(pause)), ..self }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match &mut self.breaks_after {
            None => Poll::Ready(None),
            Some(pause) => {
                pause.as_mut().poll(context).map(|()| Some(Err(io::Error::other("broken by the script"))))
            }
        }
    }
}

/// An HTTP answer.
pub(crate) fn http(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
    let response = Response::builder().status(status).header("content-type", content_type);
    Reply::Answer(response.body(Frames::of(body)).expect("an answer"))
}

/// An HTTP answer with a header more.
pub(crate) fn http_with(status: u16, name: &str, value: &str) -> Reply {
    let response = Response::builder().status(status).header(name, value);
    Reply::Answer(response.body(Frames::default()).expect("an answer"))
}

/// A gRPC answer: headers, a framed message, trailers.
pub(crate) fn grpc(message: &[u8], trailers: &[(&str, &str)]) -> Reply {
    let mut framed = spindle_pipeline::net::grpc::frame(false, message.len()).to_vec();
    framed.extend_from_slice(message);
    let response = Response::builder().header("content-type", "application/grpc");
    Reply::Answer(response.body(Frames::of(framed).then(header_map(trailers))).expect("an answer"))
}

/// A gRPC answer without a message: its status stands in the headers.
pub(crate) fn trailers_only(headers: &[(&str, &str)]) -> Reply {
    let mut response = Response::new(Frames::default());
    *response.headers_mut() = header_map(headers);
    response.headers_mut().insert("content-type", "application/grpc".parse().expect("a value"));
    Reply::Answer(response)
}

/// The answer "ok".
pub(crate) fn grpc_ok() -> Reply {
    grpc(&[], &[("grpc-status", "0")])
}

pub(crate) fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<http::HeaderName>().expect("a name"), value.parse().expect("a value"))
    };
    headers.iter().map(pair).collect()
}

type Script = Arc<dyn Fn(usize, &Seen) -> Reply + Send + Sync>;
trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Io for S {}

/// A back end.
pub(crate) struct Backend {
    /// Where it listens; of no use for a unix socket.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    leaving: watch::Sender<bool>,
    accepting: AbortHandle,
}

struct Shared {
    script: Script,
    seen: Mutex<Vec<Seen>>,
    arrived: Notify,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Io>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

impl Backend {
    /// Starts one on a free port, without TLS.
    pub(crate) async fn start(script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, script).await
    }

    /// Starts one on a free port, with TLS.
    pub(crate) async fn start_with(
        tls: Option<TlsAcceptor>,
        script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::on_tcp(listener, tls, script)
    }

    /// Starts one on a listener.
    pub(crate) fn on_tcp(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("bound");
        Self::on(Listener::Tcp(listener), address, tls, Arc::new(script))
    }

    /// Starts one on a unix socket.
    pub(crate) fn on_unix(
        path: &Path,
        script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(path).expect("a free path");
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        Self::on(Listener::Unix(listener), nowhere, None, Arc::new(script))
    }

    fn on(listener: Listener, address: SocketAddr, tls: Option<TlsAcceptor>, script: Script) -> Self {
        let shared = Arc::new(Shared { script, seen: Mutex::default(), arrived: Notify::new() });
        let leaving = watch::Sender::new(false);
        let accepting = tokio::spawn(accept(listener, tls, Arc::clone(&shared), leaving.clone()));
        Self { address, shared, leaving, accepting: accepting.abort_handle() }
    }

    /// What came so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last request that came.
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("something came")
    }

    /// Waits until so many requests came.
    pub(crate) async fn wait_for(&self, requests: usize) {
        let waiting = async {
            loop {
                let arrived = self.shared.arrived.notified();
                if self.seen().len() >= requests {
                    return;
                }
                arrived.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("the requests come");
    }

    /// Tells every connection to go away, after what is on its way on it.
    pub(crate) fn say_goodbye(&self) {
        self.leaving.send_replace(true);
        self.leaving.send_replace(false);
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: Listener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    leaving: watch::Sender<bool>,
) {
    let mut connections = JoinSet::new();
    for number in 0.. {
        let Ok(stream) = listener.accept().await else { return };
        let (tls, shared, leaving) = (tls.clone(), Arc::clone(&shared), leaving.subscribe());
        connections.spawn(async move {
            match tls {
                None => serve(stream, shared, number, leaving).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(Box::new(stream), shared, number, leaving).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: Box<dyn Io>, shared: Arc<Shared>, number: usize, mut leaving: watch::Receiver<bool>) {
    let hangup = Arc::new(Notify::new());
    let service = service_fn(|request: Request<Incoming>| {
        let (shared, hangup) = (Arc::clone(&shared), Arc::clone(&hangup));
        async move { answer(request, shared, number, &hangup).await }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            _ = &mut connection => return,
            () = hangup.notified() => return,
            Ok(()) = leaving.changed() => connection.as_mut().graceful_shutdown(),
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    connection: usize,
    hangup: &Notify,
) -> Result<Response<Frames>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let http::request::Parts { method, uri, version, headers, .. } = parts;
    let seen = Seen { method, uri, version, headers, body, connection };
    let index = {
        let mut all = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(seen.clone());
        all.len() - 1
    };
    shared.arrived.notify_waiters();
    let mut reply = (shared.script)(index, &seen);
    loop {
        reply = match reply {
            Reply::Answer(response) => return Ok(response),
            Reply::Silence => std::future::pending::<Reply>().await,
            Reply::Hangup => {
                hangup.notify_one();
                std::future::pending::<Reply>().await
            }
            Reply::Reset => return Err(io::Error::other("reset by the script")),
            Reply::Late(delay, reply) => {
                tokio::time::sleep(delay).await;
                *reply
            }
        }
    }
}

/// A name for an address: not listening yet, and nobody else can take it.
pub(crate) struct Reserved(socket2::Socket, pub(crate) SocketAddr);

impl Reserved {
    pub(crate) fn new() -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
        let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("bound");
        Self(socket, address)
    }

    /// Starts to listen.
    pub(crate) fn listen(self) -> TcpListener {
        self.0.listen(16).expect("listens");
        self.0.set_nonblocking(true).expect("becomes asynchronous");
        TcpListener::from_std(self.0.into()).expect("a listener")
    }
}

/// A batch of so many spans.
pub(crate) fn spans(count: usize) -> Batch {
    Batch::receive(Signal::Traces, spans::request(count)).expect("well formed")
}

/// The batch as a client of this `tenant` has sent it.
pub(crate) fn from_tenant(batch: &Batch, tenant: &str) -> Batch {
    let metadata = vec![("tenant".to_owned(), tenant.to_owned())];
    batch.clone().with_context(Some(Arc::new(RequestContext { metadata, ..RequestContext::default() })))
}
