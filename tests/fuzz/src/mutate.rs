//! Damage, from a single bit to pieces of other inputs.

use fastrand::Rng;

/// Damages an input in one to eight places. `others` lend pieces, `words` are put in whole.
pub fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], words: &[&[u8]], longest: usize, rng: &mut Rng) {
    // Mostly little damage: after much of it the first bytes decide everything.
    let places = 1 << rng.u8(..4);
    for _ in 0..rng.usize(1..=places) {
        place(input, others, words, longest, rng);
    }
    input.truncate(longest);
}

fn place(input: &mut Vec<u8>, others: &[Vec<u8>], words: &[&[u8]], longest: usize, rng: &mut Rng) {
    let at = rng.usize(..=input.len());
    match rng.u8(..12) {
        0 => change(input, at, |byte, rng| byte ^ 1 << rng.u8(..8), rng),
        1 => change(input, at, |_, rng| rng.u8(..), rng),
        2 => change(input, at, |byte, rng| byte.wrapping_add(rng.u8(..9)).wrapping_sub(4), rng),
        3 => length(input, at, rng),
        4 => input.truncate(at),
        5 => drop(input.drain(piece(input.len(), rng))),
        6 => insert(input, at, &[rng.u8(..)]),
        7 => repeat(input, longest, rng),
        8 => digits(input, at, rng),
        9 | 10 => {
            if let Some(word) = rng.choice(words) {
                insert(input, at, word);
            }
        }
        _ => splice(input, at, others, rng),
    }
}

/// A range of up to an eighth of the input, now and then of any length.
fn piece(length: usize, rng: &mut Rng) -> std::ops::Range<usize> {
    let start = rng.usize(..=length);
    let most = if rng.u8(..4) == 0 { length } else { length / 8 + 1 };
    start..start + rng.usize(..=most.min(length - start))
}

fn change(input: &mut [u8], at: usize, new: impl Fn(u8, &mut Rng) -> u8, rng: &mut Rng) {
    if let Some(byte) = input.get_mut(at) {
        *byte = new(*byte, rng);
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}

/// What stands there was a length, and now lies.
fn length(input: &mut Vec<u8>, at: usize, rng: &mut Rng) {
    const LIES: [&[u8]; 9] = [
        &[0],
        &[0x7f],
        &[0x80, 1],
        &[0xff, 0xff, 3],
        &[0xff, 0xff, 0xff, 0xff, 7],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        &[0xff, 0xff, 0xff, 0xff],
        &[0, 0, 0, 0],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
    ];
    let lie = LIES[rng.usize(..LIES.len())];
    let replaced = if rng.bool() { 1 } else { lie.len() };
    let end = input.len().min(at + replaced);
    input.splice(at..end, lie.iter().copied());
}

/// A piece of it many times over.
fn repeat(input: &mut Vec<u8>, longest: usize, rng: &mut Rng) {
    let range = piece(input.len(), rng);
    if range.is_empty() {
        return;
    }
    let room = longest.saturating_sub(input.len()) / range.len();
    let most = if rng.u8(..16) == 0 { room } else { room.min(1 << rng.u8(..7)) };
    let copies = input[range.clone()].repeat(rng.usize(..=most));
    insert(input, range.end, &copies);
}

/// The number in decimal digits there becomes one at an edge.
fn digits(input: &mut Vec<u8>, at: usize, rng: &mut Rng) {
    const EDGES: [&str; 12] = [
        "0",
        "-1",
        "4294967296",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e400",
        "-1e-400",
        "0.1",
        "2147483648",
        "100000000000000000000000000000000000000",
    ];
    let Some(start) = (at..input.len()).find(|at| input[*at].is_ascii_digit()) else { return };
    let length = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    input.splice(start..start + length, EDGES[rng.usize(..EDGES.len())].bytes());
}

/// A piece of another input.
fn splice(input: &mut Vec<u8>, at: usize, others: &[Vec<u8>], rng: &mut Rng) {
    let Some(other) = rng.choice(others) else { return };
    let taken = other[piece(other.len(), rng)].to_vec();
    let end = if rng.bool() { at } else { input.len().min(at + taken.len()) };
    input.splice(at..end, taken);
}
