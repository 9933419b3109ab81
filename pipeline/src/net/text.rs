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
