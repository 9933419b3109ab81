//! What differs between two things, in as few lines as tell it.

use std::fmt::Debug;

/// How many equal lines are shown around what differs.
const AROUND: usize = 3;

/// Panics with the lines that differ.
pub fn assert_same<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) {
    let differ = || lines(&format!("{found:#?}"), &format!("{expected:#?}"));
    assert!(found == expected, "{what}:\n{}", differ());
}

/// The same for lists, item by item.
pub fn assert_all_same<T: PartialEq + Debug>(what: &str, found: &[T], expected: &[T]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_same(&format!("{what}, number {index}"), found, expected);
    }
}

/// The lines between the common beginning and the common end of two texts, `-` expected, `+` found.
pub fn lines(found: &str, expected: &str) -> String {
    let (found, expected): (Vec<&str>, Vec<&str>) = (found.lines().collect(), expected.lines().collect());
    let same = found.iter().zip(&expected).take_while(|(one, other)| one == other).count();
    let shorter = found.len().min(expected.len()) - same;
    let same_end = found.iter().rev().zip(expected.iter().rev()).take(shorter);
    let same_end = same_end.take_while(|(one, other)| one == other).count();
    let mut text = String::new();
    let mut add = |mark: &str, lines: &[&str]| {
        for line in lines {
            text.push_str(&format!("{mark}{line}\n"));
        }
    };
    add("  ", &found[same.saturating_sub(AROUND)..same]);
    add("- ", &expected[same..expected.len() - same_end]);
    add("+ ", &found[same..found.len() - same_end]);
    let end = found.len() - same_end;
    add("  ", &found[end..found.len().min(end + AROUND)]);
    text
}
