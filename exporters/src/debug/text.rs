//! Text of bounded length, and numbers, ids and times as Go prints them.

use std::fmt::{self, Display, Formatter, Write};

use jiff::Timestamp;
use spindle_pipeline::otlp::attributes::{Any, AnyValue, to_text};

/// The longest text of one batch, in bytes. Packed numbers of a few bytes become lines of sixty.
const MAX_LENGTH: usize = 16 << 20;

/// A text that is written line by line. Beyond its bound it takes nothing more and says so at its end.
/// Control characters other than the end of a line and the tabulator are escaped, because telemetry is
/// written by strangers and read on terminals.
pub(super) struct Text {
    out: String,
    limit: usize,
}

impl Text {
    pub(super) fn new() -> Self {
        Self::with_limit(MAX_LENGTH)
    }

    pub(super) fn with_limit(limit: usize) -> Self {
        Self { out: String::new(), limit }
    }

    /// Writes a line.
    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        self.put(line);
        self.put(format_args!("\n"));
    }

    /// Writes a part of a line.
    pub(super) fn put(&mut self, part: fmt::Arguments<'_>) {
        // Fails when the text is full, which is what should happen.
        let _ = self.write_fmt(part);
    }

    /// Whether it takes nothing more.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= self.limit
    }

    /// The text.
    pub(super) fn finish(mut self) -> String {
        if self.is_full() {
            self.out.push_str("\n... the rest is not shown\n");
        }
        self.out
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.is_full() {
            return Err(fmt::Error);
        }
        let is_plain = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
        if text.chars().all(is_plain) {
            self.out.push_str(text);
            return Ok(());
        }
        for character in text.chars() {
            if is_plain(character) {
                self.out.push(character);
            } else {
                write!(self.out, "\\u{:04x}", character as u32)?;
            }
        }
        Ok(())
    }
}

/// An id in hexadecimal digits; nothing if it is unset or all zeros.
pub(super) struct Id<'a>(pub(super) &'a [u8]);

impl Display for Id<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.0.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Nanoseconds since 1970 as Go prints a time in UTC: `2020-02-11 20:26:12.000000321 +0000 UTC`.
pub(super) struct Time(pub(super) u64);

impl Display for Time {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        // Go takes the number as signed; 292 years to both sides fit any calendar.
        let time = Timestamp::from_nanosecond(i128::from(self.0 as i64)).unwrap_or_default();
        write!(formatter, "{} +0000 UTC", time.strftime("%Y-%m-%d %H:%M:%S%.f"))
    }
}

/// A double by Go's `%f`: six digits behind the point.
pub(super) struct Fixed(pub(super) f64);

impl Display for Fixed {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match special(self.0) {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "{:.6}", self.0),
        }
    }
}

/// A double by Go's `%v`: as few digits as say which number it is, with an exponent below 1e-4 and from 1e6.
pub(super) struct Shortest(pub(super) f64);

impl Display for Shortest {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if let Some(name) = special(self.0) {
            return formatter.write_str(name);
        }
        let scientific = format!("{:e}", self.0);
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        if (-4..6).contains(&exponent) {
            return write!(formatter, "{}", self.0);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(formatter, "{digits}e{sign}{:02}", exponent.unsigned_abs())
    }
}

fn special(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// A value with its type: `Str(text)`.
pub(super) struct Typed<'a>(pub(super) AnyValue<'a>);

impl Display for Typed<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let name = match self.0.get() {
            Any::Empty => "Empty",
            Any::String(_) => "Str",
            Any::Bool(_) => "Bool",
            Any::Int(_) => "Int",
            Any::Double(_) => "Double",
            Any::Bytes(_) => "Bytes",
            Any::Array(_) => "Slice",
            Any::Map(_) => "Map",
        };
        write!(formatter, "{name}({})", to_text(self.0))
    }
}
