//! Reading a request's body into one allocation of its own, with a bound.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;

/// Why a body could not be read.
#[derive(Debug)]
pub enum BodyError {
    /// It is longer than the limit, in bytes.
    TooLarge(usize),
    /// The connection broke or the framing was wrong.
    Broken(String),
}

impl fmt::Display for BodyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(limit) => write!(formatter, "request body too large (more than {limit} bytes)"),
            Self::Broken(reason) => write!(formatter, "request body could not be read: {reason}"),
        }
    }
}

/// The most that is reserved because a length was announced; the rest grows as it arrives, so that a
/// header alone cannot make us allocate.
const MAX_RESERVED: usize = 1 << 20;

/// Reads a body of at most `limit` bytes.
pub async fn read<B>(body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: Body + Unpin,
    B::Error: fmt::Display,
{
    read_announced(body, limit, |_| None).await
}

/// Reads a body of at most `limit` bytes whose first bytes say how long it will be, so that it is read
/// into an allocation of the right size.
pub async fn read_announced<B>(
    mut body: B,
    limit: usize,
    announced_by: impl Fn(&[u8]) -> Option<usize>,
) -> Result<Bytes, BodyError>
where
    B: Body + Unpin,
    B::Error: fmt::Display,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLarge(limit));
    }
    let mut collected = BytesMut::with_capacity(announced.min(MAX_RESERVED));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        let Ok(mut data) = frame.into_data() else { continue };
        if collected.len() + data.remaining() > limit {
            return Err(BodyError::TooLarge(limit));
        }
        if collected.is_empty()
            && let Some(length) = announced_by(data.chunk())
        {
            if length > limit {
                return Err(BodyError::TooLarge(limit));
            }
            collected.reserve(length.min(MAX_RESERVED));
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            collected.extend_from_slice(chunk);
            let length = chunk.len();
            data.advance(length);
        }
    }
    Ok(collected.freeze())
}
