//! A gRPC client on raw bytes: connections to the addresses of one name, and unary calls on them.
//!
//! A connection is made when a call needs one and kept until it breaks (how they are chosen: the module
//! `pool`). A call that its connection did not take, because the server was closing it, is made
//! once more on another. Whatever else breaks below a call is `UNAVAILABLE`, so that it is repeated.

mod pool;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io::Cursor;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use spindle_pipeline::error::{Code, ExportError};
use spindle_pipeline::net::compression::Encoding;
use spindle_pipeline::net::grpc;
use spindle_pipeline::net::text::shown;
use tonic::Status;

use super::http::chain;
use super::target::{Host, TlsTarget};
use pool::{Connection, Pool};

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
    pool: Arc<Pool>,
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

/// Why a call has no response.
enum Broken {
    /// The connection did not take it: no server has seen it.
    Unsent(ExportError),
    /// It may have arrived.
    Sent(ExportError),
}

impl GrpcClient {
    /// A client; connects on the first call. `balances` spreads calls over all addresses of the name.
    pub fn new(host: Host, tls: Option<TlsTarget>, balances: bool, pings: Pings) -> Self {
        Self { pool: Pool::new(host, tls, balances, pings) }
    }

    /// Makes a unary call and returns the response message.
    pub async fn call(
        &self,
        uri: Uri,
        headers: HeaderMap,
        is_compressed: bool,
        message: Bytes,
    ) -> Result<Bytes, ExportError> {
        let mut attempts_left = 2;
        loop {
            attempts_left -= 1;
            let connection = self.pool.get().await?;
            let mut request = Request::new(CallBody::new(is_compressed, message.clone()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = uri.clone();
            *request.version_mut() = Version::HTTP_2;
            *request.headers_mut() = headers.clone();
            match send(&connection, request).await {
                Ok(response) => return read(response).await,
                Err(Broken::Unsent(_)) if attempts_left > 0 => {}
                Err(Broken::Unsent(error) | Broken::Sent(error)) => return Err(error),
            }
        }
    }
}

async fn send(connection: &Connection, request: Request<CallBody>) -> Result<Response<Incoming>, Broken> {
    let waiting = connection.waiting();
    let mut sender = connection.sender.clone();
    match sender.try_send_request(request).await {
        Ok(response) => {
            waiting.over();
            Ok(response)
        }
        Err(mut error) => {
            waiting.over();
            let is_unsent = error.take_message().is_some();
            let error = broken(&error.into_error());
            if is_unsent {
                connection.retire();
                Err(Broken::Unsent(error))
            } else {
                Err(Broken::Sent(error))
            }
        }
    }
}

/// Reads an answer to its end. A gRPC status counts wherever it stands; without one the HTTP status does.
async fn read(response: Response<Incoming>) -> Result<Bytes, ExportError> {
    let (parts, incoming) = response.into_parts();
    if parts.headers.contains_key("grpc-status") {
        return grpc::outcome(&parts.headers).map(|()| Bytes::new());
    }
    if parts.status != http::StatusCode::OK {
        return Err(unexpected_status(parts.status));
    }
    let content_type = parts.headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if !content_type.starts_with(b"application/grpc") {
        let content_type = String::from_utf8_lossy(content_type);
        let text = format!("unexpected content-type \"{content_type}\": this is no gRPC server");
        return Err(grpc::export_error(&Status::unknown(text)));
    }
    let (message, trailers) = collect(incoming).await?;
    grpc::outcome(&trailers)?;
    unpack(&parts.headers, &message)
}

async fn collect(mut incoming: Incoming) -> Result<(Vec<u8>, HeaderMap), ExportError> {
    let mut collected = Vec::new();
    let mut trailers = HeaderMap::new();
    while let Some(frame) = incoming.frame().await {
        match frame.map_err(|error| broken(&error))?.into_data() {
            Ok(data) if collected.len() + data.len() > MAX_RESPONSE => {
                // Not read as a status: it is the answer that is too large, not the request.
                let text = format!(
                    "rpc error: code = ResourceExhausted desc = received message larger than max ({MAX_RESPONSE} bytes)"
                );
                return Err(ExportError::new(Code::ResourceExhausted, text));
            }
            Ok(data) => collected.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    Ok((collected, trailers))
}

/// The message of a response. Servers in Go compress it as the request was, whether we ask for it or not.
pub(crate) fn unpack(headers: &HeaderMap, body: &[u8]) -> Result<Bytes, ExportError> {
    let bad = |reason: String| ExportError::new(Code::Internal, format!("bad response: {reason}"));
    let framed = grpc::unframe(body).map_err(|reason| bad(reason.replace("request", "response")))?;
    if !framed.is_compressed {
        return Ok(Bytes::copy_from_slice(framed.message));
    }
    let name = headers.get("grpc-encoding").and_then(|name| name.to_str().ok()).unwrap_or_default();
    let encoding = Encoding::from_name(name).ok_or_else(|| {
        bad(format!("it is compressed by \"{}\", which is not supported", shown(name.as_bytes())))
    })?;
    encoding.decompress(framed.message, MAX_RESPONSE).map(Bytes::from).map_err(|error| bad(error.to_string()))
}

/// Whatever broke below the call may be mended by making it again.
fn broken(error: &hyper::Error) -> ExportError {
    grpc::export_error(&Status::unavailable(chain(error)))
}

/// An HTTP status in the place of a gRPC one, as a proxy gives it. gRPC's own mapping is that of OTLP/HTTP, but
/// for a bad request.
fn unexpected_status(status: http::StatusCode) -> ExportError {
    let code = match Code::from_http(status) {
        Code::InvalidArgument => Code::Internal,
        // A success that is not 200 is not gRPC's.
        Code::Ok => Code::Unknown,
        code => code,
    };
    let text = format!("unexpected HTTP status code received from server: {status}");
    grpc::export_error(&Status::new(code.grpc().into(), text))
}
