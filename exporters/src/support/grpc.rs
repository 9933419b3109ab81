//! A gRPC client on raw bytes: connections to the addresses of one name, and unary calls on them.
//!
//! A connection is made when a call needs one and kept until it breaks. With `round_robin` there is one
//! for each address of the name and calls go to them in turn, passing over those that cannot be reached;
//! with `pick_first` all calls share the first that works. Names are resolved anew whenever a
//! connection has to be made.

use std::convert::Infallible;
use std::io::Cursor;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use http::{HeaderMap, Method, Request, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use spindle_pipeline::error::{Code, ExportError};
use spindle_pipeline::net::{body, grpc};
use tonic::Status;
use tracing::debug;

use super::target::{Address, Host, TlsTarget};

/// Answers of OTLP services are a few bytes; more than this is not one of them.
const MAX_RESPONSE: usize = 4 << 20;

/// How connections are kept alive.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pings {
    /// Ping when nothing has come for this long.
    pub interval: Option<Duration>,
    /// The connection is dead when no answer comes within this.
    pub timeout: Duration,
    /// Ping also while there are no calls.
    pub while_idle: bool,
}

/// A client of one name.
pub struct GrpcClient {
    host: Host,
    tls: Option<TlsTarget>,
    balances: bool,
    pings: Pings,
    connections: Mutex<Vec<Connection>>,
    /// Held while connecting, so that a down server is not asked by all callers at once.
    connecting: tokio::sync::Mutex<()>,
    turn: AtomicUsize,
}

#[derive(Clone)]
struct Connection {
    address: Address,
    sender: SendRequest<CallBody>,
}

/// A framed message: five bytes and the payload, never copied together.
pub struct CallBody(Option<Chain<Cursor<[u8; grpc::FRAME]>, Bytes>>);

impl CallBody {
    fn new(is_compressed: bool, message: Bytes) -> Self {
        Self(Some(Cursor::new(grpc::frame(is_compressed, message.len())).chain(message)))
    }
}

impl Body for CallBody {
    type Data = Chain<Cursor<[u8; grpc::FRAME]>, Bytes>;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |data| data.remaining() as u64))
    }
}

impl GrpcClient {
    /// A client; connects on the first call.
    pub fn new(host: Host, tls: Option<TlsTarget>, balances: bool, pings: Pings) -> Self {
        Self {
            host,
            tls,
            balances,
            pings,
            connections: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Makes a unary call and returns the response message.
    pub async fn call(
        &self,
        uri: Uri,
        headers: HeaderMap,
        is_compressed: bool,
        message: Bytes,
    ) -> Result<Bytes, ExportError> {
        let mut connection = self.connection().await?;
        let mut request = Request::new(CallBody::new(is_compressed, message));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        if connection.sender.ready().await.is_err() {
            self.forget(&connection);
            return Err(ExportError::new(Code::Unavailable, "the connection was closed by the server"));
        }
        let response = match connection.sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => return Err(self.broken(&connection, error)),
        };
        let (parts, incoming) = response.into_parts();
        if parts.status != http::StatusCode::OK {
            return Err(unexpected_status(parts.status));
        }
        if parts.headers.contains_key("grpc-status") {
            return grpc::outcome(&parts.headers).map(|()| Bytes::new());
        }
        self.response(&connection, incoming).await
    }

    async fn response(
        &self,
        connection: &Connection,
        mut incoming: hyper::body::Incoming,
    ) -> Result<Bytes, ExportError> {
        let mut collected = Vec::new();
        let mut trailers = HeaderMap::new();
        while let Some(frame) = incoming.frame().await {
            match frame.map_err(|error| self.broken(connection, error))?.into_data() {
                Ok(data) if collected.len() + data.len() > MAX_RESPONSE => {
                    let error = body::BodyError::TooLarge(MAX_RESPONSE);
                    return Err(ExportError::new(Code::ResourceExhausted, error.to_string()));
                }
                Ok(data) => collected.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
            }
        }
        grpc::outcome(&trailers)?;
        match grpc::unframe(&collected) {
            Ok(framed) if !framed.is_compressed => Ok(Bytes::copy_from_slice(framed.message)),
            // We do not say that we accept compressed answers; one that comes all the same is not read.
            Ok(_) => Ok(Bytes::new()),
            Err(reason) => Err(ExportError::new(Code::Internal, format!("bad response: {reason}"))),
        }
    }

    fn broken(&self, connection: &Connection, error: hyper::Error) -> ExportError {
        if connection.sender.is_closed() {
            self.forget(connection);
        }
        let mut status = Status::from_error(Box::new(error));
        // Whatever broke below the call may be mended by making it again.
        if matches!(status.code(), tonic::Code::Unknown | tonic::Code::Internal) {
            status = Status::unavailable(status.message());
        }
        grpc::export_error(&status)
    }

    async fn connection(&self) -> Result<Connection, ExportError> {
        if let Some(connection) = self.open_connection() {
            return Ok(connection);
        }
        let _only_one = self.connecting.lock().await;
        match self.open_connection() {
            Some(connection) => Ok(connection),
            None => self.connect().await,
        }
    }

    fn open_connection(&self) -> Option<Connection> {
        let mut connections = self.lock();
        connections.retain(|connection| !connection.sender.is_closed());
        let turn = if self.balances { self.turn.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let count = connections.len();
        (count > 0).then(|| connections[turn % count].clone())
    }

    /// Connects to the addresses of the name: the first that answers, or with balancing all that do.
    async fn connect(&self) -> Result<Connection, ExportError> {
        let addresses = self.host.resolve().await.map_err(|error| {
            let text = format!("name resolver error: {error}");
            grpc::export_error(&Status::unavailable(text))
        })?;
        let mut failure = None;
        for address in addresses {
            match self.connect_to(&address).await {
                Ok(connection) => {
                    self.lock().push(connection);
                    if !self.balances {
                        break;
                    }
                }
                Err(error) => {
                    debug!(address = %address, error = %error, "cannot connect");
                    failure.get_or_insert((address, error));
                }
            }
        }
        if let Some(connection) = self.open_connection() {
            return Ok(connection);
        }
        let text = failure.map_or_else(String::new, |(address, error)| {
            format!("connection error: desc = \"transport: Error while dialing: dial {address}: {error}\"")
        });
        Err(grpc::export_error(&Status::unavailable(text)))
    }

    async fn connect_to(&self, address: &Address) -> std::io::Result<Connection> {
        let stream = address.connect(self.tls.as_ref()).await?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(self.pings.interval)
            .keep_alive_while_idle(self.pings.while_idle);
        if !self.pings.timeout.is_zero() {
            builder.keep_alive_timeout(self.pings.timeout);
        }
        let (sender, driver) =
            builder.handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        let name = address.clone();
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                debug!(address = %name, error = %error, "connection ended");
            }
        });
        Ok(Connection { address: address.clone(), sender })
    }

    fn forget(&self, connection: &Connection) {
        self.lock().retain(|other| other.address != connection.address || !other.sender.is_closed());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An HTTP status in the place of a gRPC one, as a proxy gives it, by gRPC's own mapping.
fn unexpected_status(status: http::StatusCode) -> ExportError {
    let code = match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    let text = format!("unexpected HTTP status code received from server: {status}");
    grpc::export_error(&Status::new(code.grpc().into(), text))
}
