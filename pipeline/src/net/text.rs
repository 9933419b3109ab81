//! Texts of peers.

/// The longest text of a peer that goes into an error, in bytes.
pub const MAX_TEXT: usize = 1024;

/// A text of a peer as it may stand in a log: one line, of bounded length.
pub fn shown(text: &[u8]) -> String {
    let cut = &text[..text.len().min(MAX_TEXT)];
    let line: String = String::from_utf8_lossy(cut)
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    let line = line.trim().to_owned();
    if text.len() > MAX_TEXT { line + "..." } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer neither writes lines of its own into a log nor fills it.
    #[test]
    fn texts_are_one_line_of_bounded_length() {
        let long = "x".repeat(MAX_TEXT + 1);
        let cut = format!("{}...", "x".repeat(MAX_TEXT));
        let table: [(&[u8], &str); 5] = [
            (b" plain ", "plain"),
            (b"a\r\nb\x1b[31m", "a  b [31m"),
            (b"\xff\x7f", "\u{fffd}"),
            (b"\n", ""),
            (long.as_bytes(), &cut),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected);
        }
    }
}
