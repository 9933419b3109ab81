//! The keys `compression` and `compression_params`, and the compressing of request bodies.

use bytes::Bytes;
use serde::Deserialize;
use spindle_config::{Check, Diagnostic, quoted_list};
use spindle_pipeline::error::{Code, ExportError};
use spindle_pipeline::net::compression::Encoding;

/// Work on bodies above this many bytes is done beside the event loop.
const LARGE: usize = 64 * 1024;

/// `compression_params`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompressionParams {
    /// The algorithm's own level; 0 is its default. gzip, zlib and deflate take -2 to 9 (-1 default, -2 the
    /// fastest), zstd any number, the others none.
    pub level: i32,
}

/// How request bodies are compressed.
#[derive(Clone, Copy, Debug, Default)]
pub struct BodyCompression {
    /// By which algorithm.
    pub encoding: Encoding,
    /// How hard; the algorithm's default if there is none.
    pub level: Option<i32>,
}

impl BodyCompression {
    /// From the keys; the check has refused what is unknown.
    pub fn from_keys(name: &str, params: CompressionParams) -> Self {
        let encoding = match name {
            "" | "none" => Encoding::Identity,
            name => Encoding::from_name(name).unwrap_or_default(),
        };
        Self { encoding, level: (params.level != 0).then_some(params.level) }
    }

    /// Whether it changes anything.
    pub fn is_none(self) -> bool {
        self.encoding == Encoding::Identity
    }

    /// Compresses a body, beside the event loop if it is large.
    pub async fn apply(self, body: Bytes) -> Result<Bytes, ExportError> {
        if self.is_none() {
            return Ok(body);
        }
        beside_the_loop(body.len(), move || self.compress(body)).await?
    }

    /// Compresses a body, here and now.
    pub fn compress(self, body: Bytes) -> Result<Bytes, ExportError> {
        if self.is_none() {
            return Ok(body);
        }
        let compressed = self.encoding.compress(&body, self.level);
        compressed.map(Bytes::from).map_err(|error| ExportError::new(Code::Internal, error.to_string()))
    }
}

/// Does work on `size` bytes: where it is if they are few, else on a thread that may block. A panic in
/// there is an error.
pub async fn beside_the_loop<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ExportError> {
    if size <= LARGE {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|failure| ExportError::new(Code::Internal, failure.to_string()))
}

/// Checks `compression` and `compression_params`, with the Collector's texts.
pub fn check_compression(name: &str, params: CompressionParams, check: &mut Check<'_>) {
    let encoding = match name {
        "" | "none" => return,
        name => Encoding::from_name(name),
    };
    let Some(encoding) = encoding else {
        let names =
            Encoding::ALL.map(Encoding::name).into_iter().filter(|name| !name.is_empty()).chain(["none"]);
        let problem = Diagnostic::error(format!("unsupported compression type \"{name}\""));
        return check.report("compression", problem.note(format!("supported: {}", quoted_list(names))));
    };
    let is_possible = match encoding {
        Encoding::Gzip | Encoding::Zlib | Encoding::Deflate => (-2..=9).contains(&params.level),
        Encoding::Zstd => true,
        _ => params.level == 0,
    };
    if !is_possible {
        let message =
            format!("unsupported parameters {{Level:{}}} for compression type \"{name}\"", params.level);
        check.error("compression_params::level", message);
    }
}
