//! Compressed bodies, with a bound on what they may become.
//!
//! Names are those of `Content-Encoding`, `grpc-encoding` and the key `compression`. Reading is tolerant
//! where senders disagree: `deflate` may come with or without the zlib wrapper, `snappy` as one block or
//! framed. No decoder writes more than its limit, whatever the input claims.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Read, Write};

use flate2::Compression;

/// A way to make bytes fewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As they are.
    #[default]
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which is what HTTP calls deflate.
    Deflate,
    /// The same under the Collector's other name for it.
    Zlib,
    /// RFC 8878.
    Zstd,
    /// One block of Snappy.
    Snappy,
    /// Framed Snappy.
    SnappyFramed,
    /// Framed LZ4.
    Lz4,
}

/// Why a body could not be read.
#[derive(Debug)]
pub enum DecompressError {
    /// It becomes more than the limit, in bytes.
    TooLarge(usize),
    /// It is not what its name says.
    Corrupt(&'static str, io::Error),
}

impl fmt::Display for DecompressError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(limit) => write!(formatter, "the decompressed body is larger than {limit} bytes"),
            Self::Corrupt(name, error) => write!(formatter, "the body is not valid {name}: {error}"),
        }
    }
}

impl std::error::Error for DecompressError {}

impl Encoding {
    /// What a receiver accepts, in the order in which it says so.
    pub const ALL: [Self; 8] = [
        Self::Identity,
        Self::Gzip,
        Self::Zstd,
        Self::Zlib,
        Self::Snappy,
        Self::Deflate,
        Self::Lz4,
        Self::SnappyFramed,
    ];

    /// Its name on the wire; nothing for identity.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
            Self::SnappyFramed => "x-snappy-framed",
            Self::Lz4 => "lz4",
        }
    }

    /// The encoding of a name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("identity") {
            return Some(Self::Identity);
        }
        Self::ALL.into_iter().find(|encoding| encoding.name().eq_ignore_ascii_case(name))
    }

    /// Reads a body into at most `limit` bytes.
    pub fn decompress(self, body: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
        match self {
            Self::Identity if body.len() > limit => Err(DecompressError::TooLarge(limit)),
            Self::Identity => Ok(body.to_vec()),
            Self::Gzip => self.read(flate2::read::MultiGzDecoder::new(body), body, limit),
            Self::Deflate | Self::Zlib if has_zlib_header(body) => {
                self.read(flate2::read::ZlibDecoder::new(body), body, limit)
            }
            Self::Deflate | Self::Zlib => self.read(flate2::read::DeflateDecoder::new(body), body, limit),
            Self::Zstd => match zstd::stream::read::Decoder::with_buffer(body) {
                Ok(mut decoder) => match decoder.window_log_max(MAX_ZSTD_WINDOW_LOG) {
                    Ok(()) => self.read(decoder, body, limit),
                    Err(error) => Err(self.corrupt(error)),
                },
                Err(error) => Err(self.corrupt(error)),
            },
            Self::Snappy | Self::SnappyFramed if body.starts_with(SNAPPY_FRAME_MAGIC) => {
                self.read(snap::read::FrameDecoder::new(body), body, limit)
            }
            Self::Snappy | Self::SnappyFramed => self.snappy_block(body, limit),
            Self::Lz4 => self.read(lz4_flex::frame::FrameDecoder::new(body), body, limit),
        }
    }

    fn read(self, decoder: impl Read, body: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
        // Telemetry shrinks to a fifth or so; what grows beyond that grows the buffer.
        let mut out = Vec::with_capacity(body.len().saturating_mul(5).min(limit));
        decoder.take(limit as u64 + 1).read_to_end(&mut out).map_err(|error| self.corrupt(error))?;
        if out.len() > limit { Err(DecompressError::TooLarge(limit)) } else { Ok(out) }
    }

    fn snappy_block(self, body: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
        let length = snap::raw::decompress_len(body).map_err(|error| self.corrupt(error.into()))?;
        if length > limit {
            return Err(DecompressError::TooLarge(limit));
        }
        snap::raw::Decoder::new().decompress_vec(body).map_err(|error| self.corrupt(error.into()))
    }

    fn corrupt(self, error: io::Error) -> DecompressError {
        DecompressError::Corrupt(self.name(), error)
    }

    /// Writes a body; `level` is the algorithm's own, where it has levels.
    pub fn compress(self, body: &[u8], level: Option<i32>) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity => Ok(body.to_vec()),
            Self::Gzip => {
                let level = deflate_level(level);
                let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), level);
                encoder.write_all(body)?;
                encoder.finish()
            }
            Self::Deflate | Self::Zlib => {
                let level = deflate_level(level);
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::with_capacity(body.len() / 4), level);
                encoder.write_all(body)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(body, level.unwrap_or(1)),
            Self::Snappy => Ok(snap::raw::Encoder::new().compress_vec(body)?),
            Self::SnappyFramed => {
                let mut encoder = snap::write::FrameEncoder::new(Vec::with_capacity(body.len() / 4));
                encoder.write_all(body)?;
                encoder.into_inner().map_err(|error| io::Error::other(error.to_string()))
            }
            Self::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::with_capacity(body.len() / 4));
                encoder.write_all(body)?;
                encoder.finish().map_err(io::Error::other)
            }
        }
    }
}

/// zstd frames may ask for a window of up to 2 GiB; 8 MiB is what its own tool needs at level 19.
const MAX_ZSTD_WINDOW_LOG: u32 = 23;
const SNAPPY_FRAME_MAGIC: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// Level 1 costs a third of level 6 and gains nine tenths of it on telemetry.
fn deflate_level(level: Option<i32>) -> Compression {
    level
        .and_then(|level| u32::try_from(level).ok())
        .map_or(Compression::fast(), |level| Compression::new(level.min(9)))
}

/// RFC 1950: the method is 8 and the two bytes are a multiple of 31.
fn has_zlib_header(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0)
}
