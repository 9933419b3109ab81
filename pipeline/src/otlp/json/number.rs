//! Numbers as JSON writes them, in quotes or not, to exact values.

/// A whole number of any sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    is_negative: bool,
    magnitude: u64,
}

/// Why a text is no whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotWhole {
    /// It is no number at all.
    Malformed,
    /// It is a number that is not whole.
    Fraction,
    /// It does not fit into 64 bits.
    TooLarge,
}

impl Whole {
    /// Reads a decimal number. One that is written with a fraction or an exponent is whole if its value
    /// is. A leading `+` and leading zeros are taken as Go's `strconv` takes them in quotes; outside of
    /// quotes the lexer has refused them.
    #[inline]
    pub fn read(text: &[u8]) -> Result<Self, NotWhole> {
        let (is_negative, digits) = split_sign(text);
        // 19 digits always fit.
        if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
            return Ok(Self { is_negative, magnitude: read_unusual(digits)? });
        }
        let magnitude = digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        Ok(Self { is_negative, magnitude })
    }

    /// As a number of a type, if that has it.
    #[inline]
    pub fn to<T: TryFrom<i128>>(self) -> Option<T> {
        let magnitude = i128::from(self.magnitude);
        T::try_from(if self.is_negative { -magnitude } else { magnitude }).ok()
    }
}

/// Whether there is a minus, and what is behind the sign.
#[inline]
fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [sign @ (b'+' | b'-'), digits @ ..] => (*sign == b'-', digits),
        digits => (false, digits),
    }
}

/// The slow way: a number with a fraction, an exponent or many digits, or no number.
#[cold]
fn read_unusual(text: &[u8]) -> Result<u64, NotWhole> {
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], read_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) if at + 1 < mantissa.len() => (&mantissa[..at], &mantissa[at + 1..]),
        Some(_) => return Err(NotWhole::Malformed),
        None => (mantissa, &[][..]),
    };
    let digits = || whole.iter().chain(fraction);
    if whole.is_empty() || !digits().all(u8::is_ascii_digit) {
        return Err(NotWhole::Malformed);
    }
    let length = whole.len() + fraction.len();
    let significant = length - digits().rev().take_while(|digit| **digit == b'0').count();
    if significant == 0 {
        return Ok(0);
    }
    // The digits that count, and how many zeros are to follow them.
    let zeros = exponent.saturating_add(whole.len() as i64 - significant as i64);
    if zeros < 0 {
        return Err(NotWhole::Fraction);
    }
    let zeros = std::iter::repeat_n(&b'0', usize::try_from(zeros.min(20)).unwrap_or(20));
    digits()
        .take(significant)
        .chain(zeros)
        .try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(NotWhole::TooLarge)
}

/// An exponent; one beyond any number's is cut to a value that is still beyond.
fn read_exponent(text: &[u8]) -> Result<i64, NotWhole> {
    let (is_negative, digits) = split_sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NotWhole::Malformed);
    }
    let beyond = 1 << 48;
    let exponent =
        digits.iter().fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(beyond));
    Ok(if is_negative { -exponent } else { exponent })
}
