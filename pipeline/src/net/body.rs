//! Reading a request's body into one allocation of its own, with a bound.
//!
//! An announced length is a promise of a peer, not a reason to reserve it: room is made for it as the body
//! comes, so that many peers that announce much and send nothing cost little.

#[cfg(test)]
mod tests;

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

/// What is reserved on the word of a peer alone, in bytes; most requests are smaller and are never moved.
const RESERVED: usize = 64 * 1024;
/// Of a longer body, how many times what has come is reserved.
const TRUST: usize = 8;

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
    let mut announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLarge(limit));
    }
    let mut collected = BytesMut::with_capacity(announced.min(RESERVED));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        let Ok(mut data) = frame.into_data() else { continue };
        let length = collected.len() + data.remaining();
        if length > limit {
            return Err(BodyError::TooLarge(limit));
        }
        if collected.is_empty()
            && let Some(announced_inside) = announced_by(data.chunk())
        {
            if announced_inside > limit {
                return Err(BodyError::TooLarge(limit));
            }
            announced = announced_inside;
            collected.reserve(announced.min(RESERVED));
        }
        if length > collected.capacity() {
            let room = announced.min(RESERVED.max(length.saturating_mul(TRUST)));
            collected.reserve(room.max(length) - collected.len());
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
