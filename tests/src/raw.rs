//! What no client library sends: bytes on a socket, and gRPC calls whose every part is wrong on purpose.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wait;

/// The bytes of an HTTP/1 request that asks for the connection to be closed behind the answer. Headers
/// are `name: value` lines; the length is added unless `transfer-encoding` is among them.
pub fn http_request(method: &str, path: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for header in headers {
        bytes.push_str(&format!("{header}\r\n"));
    }
    if !headers
        .iter()
        .any(|header| header.starts_with("transfer-encoding") || header.starts_with("content-length"))
    {
        bytes.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    bytes.push_str("\r\n");
    [bytes.as_bytes(), body].concat()
}

/// Connects to a port of this machine.
pub async fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // Or each small write waits for the acknowledgement of the one before.
    stream.set_nodelay(true).unwrap();
    stream
}

/// Writes bytes to a port and reads until the other side closes. An answer may come before everything is
/// written; what then cannot be written is nobody's loss.
pub async fn exchange(port: u16, bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = connect(port).await.into_split();
    let bytes = bytes.to_vec();
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(&bytes).await;
        // Dropping the writer would say that nothing more comes, which is an answer of its own.
        writer
    });
    let mut answer = Vec::new();
    let reading = read_to_end(&mut reader, &mut answer);
    tokio::time::timeout(wait::PATIENCE, reading).await.expect("the connection is not closed");
    writing.abort();
    answer
}

/// A connection that is reset has ended as well.
async fn read_to_end(reader: &mut (impl AsyncReadExt + Unpin), answer: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        answer.extend_from_slice(&buffer[..length]);
    }
}

/// The status of an HTTP/1 answer; `None` when the connection was closed without one.
pub fn http_status(answer: &[u8]) -> Option<u16> {
    let line = String::from_utf8_lossy(answer.split(|byte| *byte == b'\r').next()?).into_owned();
    line.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()
}

/// Sends bytes and then breaks the connection as a crash does, without a goodbye.
pub async fn reset_after(port: u16, bytes: &[u8]) {
    let mut stream = connect(port).await;
    let _ = stream.write_all(bytes).await;
    stream.set_zero_linger().unwrap();
}

/// The answer to a gRPC call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcAnswer {
    /// The status of HTTP.
    pub http: StatusCode,
    /// The status of gRPC, if there is one.
    pub code: Option<i32>,
    /// What it says.
    pub message: String,
    /// The headers and the trailers.
    pub headers: HeaderMap,
}

/// An HTTP/2 connection without TLS.
#[derive(Clone)]
pub struct GrpcConnection(http2::SendRequest<Full<Bytes>>);

impl GrpcConnection {
    /// Connects to a port of this machine.
    pub async fn open(port: u16) -> Self {
        let stream = TokioIo::new(connect(port).await);
        let (sender, driver) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        // Its end is seen by the calls.
        tokio::spawn(async move { drop(driver.await) });
        Self(sender)
    }

    /// Makes a call with these headers and this body, frame and all.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<GrpcAnswer, hyper::Error> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = format!("http://localhost{path}").parse().unwrap();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            request.headers_mut().append(name, HeaderValue::try_from(*value).unwrap());
        }
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        let (parts, body) = response.into_parts();
        let mut headers = parts.headers;
        let collected = body.collect().await?;
        headers.extend(collected.trailers().cloned().unwrap_or_default());
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        Ok(GrpcAnswer {
            http: parts.status,
            code: text("grpc-status").map(|code| code.parse().unwrap()),
            message: text("grpc-message").unwrap_or_default(),
            headers,
        })
    }
}

/// A message in its frame.
pub fn framed(is_compressed: bool, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[u8::from(is_compressed)], &length[..], message].concat().into()
}

/// Reads what comes on a connection until it is closed, for at most `limit`; `None` when it stays open.
pub async fn read_until_closed(stream: &mut TcpStream, limit: Duration) -> Option<Vec<u8>> {
    let mut answer = Vec::new();
    tokio::time::timeout(limit, read_to_end(stream, &mut answer)).await.ok()?;
    Some(answer)
}
