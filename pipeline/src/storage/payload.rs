//! The payload of a record: a [`Batch`], its context in front and its very bytes behind.
//!
//! The client's deadline is not stored; it means nothing after a restart. `docs/queue-format.md` is the
//! specification.

use std::sync::Arc;

use bytes::Bytes;

use super::Payload;
use crate::batch::{Batch, RequestContext};
use crate::signal::Signal;

/// The version of the layout that is written, and the only one that is read.
pub const VERSION: u8 = 1;

const HAS_CONTEXT: u8 = 1;
const HAS_PEER: u8 = 2;
/// A batch may be a slice of a record's bytes only if it pins no more than this beside its own.
const MOST_PINNED: usize = 64;

/// Why a payload is not a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Written by another version.
    #[error("unknown payload version {0}, allowed is {VERSION}")]
    Version(u8),
    /// The bytes end early, or say something that is not allowed.
    #[error("malformed {0} in a stored payload")]
    Malformed(&'static str),
}

/// A batch as the queue stores it. The request's bytes are not copied.
pub fn encode(batch: &Batch) -> Payload {
    let mut head = vec![VERSION, signal_code(batch.signal()), 0, 0];
    if let Some(context) = batch.context() {
        write_context(context, &mut head);
    }
    Payload { head: head.into(), body: batch.bytes(), items: batch.items().try_into().unwrap_or(u32::MAX) }
}

fn write_context(context: &RequestContext, head: &mut Vec<u8>) {
    let flags = HAS_CONTEXT | if context.peer.is_some() { HAS_PEER } else { 0 };
    if let Some(place) = head.get_mut(2) {
        *place = flags;
    }
    head.extend_from_slice(&(context.metadata.len() as u32).to_le_bytes());
    for text in context.metadata.iter().flat_map(|(name, value)| [name, value]) {
        write_text(text, head);
    }
    if let Some(peer) = context.peer {
        write_text(&peer.to_string(), head);
    }
}

fn write_text(text: &str, to: &mut Vec<u8>) {
    to.extend_from_slice(&(text.len() as u32).to_le_bytes());
    to.extend_from_slice(text.as_bytes());
}

/// The batch of a record's payload; `items` is what the record says.
pub fn decode(payload: &Bytes, items: u32) -> Result<Batch, PayloadError> {
    let mut rest: &[u8] = payload;
    let [version, signal, flags, reserved] = *take(&mut rest, "head")?;
    if version != VERSION {
        return Err(PayloadError::Version(version));
    }
    let signal = signal_of(signal).ok_or(PayloadError::Malformed("signal"))?;
    if reserved != 0 || ![0, HAS_CONTEXT, HAS_CONTEXT | HAS_PEER].contains(&flags) {
        return Err(PayloadError::Malformed("flags"));
    }
    let context = if flags == 0 { None } else { Some(Arc::new(read_context(&mut rest, flags)?)) };
    let before = payload.len() - rest.len();
    let bytes = if before <= MOST_PINNED { payload.slice(before..) } else { Bytes::copy_from_slice(rest) };
    Ok(Batch::from_parts(signal, bytes, items as usize).with_context(context))
}

fn read_context(rest: &mut &[u8], flags: u8) -> Result<RequestContext, PayloadError> {
    let count = u32::from_le_bytes(*take(rest, "metadata")?);
    let mut context = RequestContext::default();
    // Grown as texts are found: a count alone reserves nothing.
    for _ in 0..count {
        let name = read_text(rest, "metadata")?.to_owned();
        context.metadata.push((name, read_text(rest, "metadata")?.to_owned()));
    }
    if flags & HAS_PEER != 0 {
        let peer = read_text(rest, "peer")?.parse().map_err(|_| PayloadError::Malformed("peer"))?;
        context.peer = Some(peer);
    }
    Ok(context)
}

fn take<'a, const N: usize>(rest: &mut &'a [u8], what: &'static str) -> Result<&'a [u8; N], PayloadError> {
    let (taken, left) = rest.split_first_chunk().ok_or(PayloadError::Malformed(what))?;
    *rest = left;
    Ok(taken)
}

fn read_text<'a>(rest: &mut &'a [u8], what: &'static str) -> Result<&'a str, PayloadError> {
    let length = u32::from_le_bytes(*take(rest, what)?) as usize;
    let (text, left) = rest.split_at_checked(length).ok_or(PayloadError::Malformed(what))?;
    *rest = left;
    std::str::from_utf8(text).map_err(|_| PayloadError::Malformed(what))
}

/// Numbers of their own, so that reordering the enum does not change files.
const fn signal_code(signal: Signal) -> u8 {
    match signal {
        Signal::Traces => 1,
        Signal::Metrics => 2,
        Signal::Logs => 3,
    }
}

fn signal_of(code: u8) -> Option<Signal> {
    Signal::ALL.into_iter().find(|signal| signal_code(*signal) == code)
}
