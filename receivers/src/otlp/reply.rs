//! Answers: the bodies of both protocols in one type.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use spindle_pipeline::error::ConsumeError;
use spindle_pipeline::net::grpc;

/// A body that is at most one frame of data and one of trailers.
#[derive(Default)]
pub(super) struct Reply {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

/// A gRPC message of no bytes: an empty export response, in its frame.
static EMPTY_MESSAGE: [u8; grpc::FRAME] = [0; grpc::FRAME];

impl Reply {
    /// A plain HTTP body.
    pub(super) fn full(data: impl Into<Bytes>) -> Self {
        let data = data.into();
        Self { data: (!data.is_empty()).then_some(data), trailers: None }
    }
}

/// The gRPC answer "taken".
pub(super) fn grpc_ok() -> Response<Reply> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    grpc_response(Reply { data: Some(Bytes::from_static(&EMPTY_MESSAGE)), trailers: Some(trailers) })
}

/// The gRPC answer to a request that was not taken: headers only, as the protocol allows.
pub(super) fn grpc_error(error: &ConsumeError) -> Response<Reply> {
    let mut response = grpc_response(Reply::default());
    response.headers_mut().extend(grpc::error_trailers(error));
    response
}

fn grpc_response(reply: Reply) -> Response<Reply> {
    let mut response = Response::new(reply);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// An HTTP answer in plain text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Reply> {
    let mut response = Response::new(Reply::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take().map(Frame::data);
        Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}
