//! What is written for a request.

use spindle_pipeline::Signal;
use spindle_pipeline::error::{Code, ExportError};
use spindle_pipeline::net::compression::Encoding;
use spindle_pipeline::otlp::json;

use super::config::Format;

/// The length in front of each record that is not a line.
pub(super) const LENGTH: usize = 4;

/// How requests become records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) format: Format,
    /// The level of zstd, if records are compressed.
    pub(super) zstd_level: Option<i32>,
}

impl Layout {
    /// Whether records are lines. The others stand behind their length, four bytes with the highest first.
    pub(super) fn is_lines(self) -> bool {
        self.format == Format::Json && self.zstd_level.is_none()
    }

    /// Writes the record of a request in the place of what `out` holds.
    pub(super) fn write(self, signal: Signal, request: &[u8], out: &mut Vec<u8>) -> Result<(), ExportError> {
        out.clear();
        if self.is_lines() {
            json::to_json(signal, request, out);
            out.push(b'\n');
            return Ok(());
        }
        out.extend_from_slice(&[0; LENGTH]);
        match (self.format, self.zstd_level) {
            (Format::Proto, None) => out.extend_from_slice(request),
            (Format::Proto, Some(level)) => compress(request, level, out)?,
            (Format::Json, level) => {
                let mut text = Vec::new();
                json::to_json(signal, request, &mut text);
                compress(&text, level.unwrap_or_default(), out)?;
            }
        }
        let length = u32::try_from(out.len() - LENGTH)
            .map_err(|_| ExportError::new(Code::FailedPrecondition, "a record of 4 GiB cannot be written"))?;
        out[..LENGTH].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

fn compress(bytes: &[u8], level: i32, out: &mut Vec<u8>) -> Result<(), ExportError> {
    let compressed = Encoding::Zstd
        .compress(bytes, Some(level))
        .map_err(|error| ExportError::new(Code::Internal, error.to_string()))?;
    out.extend_from_slice(&compressed);
    Ok(())
}
