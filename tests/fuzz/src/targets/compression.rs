//! Compressed bodies of peers, in every encoding.
//!
//! Every input is read in each encoding, at a limit and at a larger one, which agree; and is compressed and
//! read back with a limit of its own length and of one less.

use fastrand::Rng;
use spindle_pipeline::net::compression::{DecompressError, Encoding};
use spindle_pipeline::net::grpc;

use crate::{PATIENCE, Target, about, kind};

/// See the module.
pub const TARGET: Target = Target {
    name: "compression",
    check,
    longest: 16 << 10,
    words: WORDS,
    patience: PATIENCE,
    fresh: Some(fresh),
};

/// What the formats start with, and their odd blocks.
const WORDS: &[&[u8]] = &[
    b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
    b"\x1f\x8b\x08\x1e",
    b"\x03\0\0\0\0\0\0\0\0\0",
    b"\x78\x9c",
    b"\x78\xbb",
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18\x04\0\0\0",
    b"\xff\x06\0\0sNaPpY",
    b"\xfe\0\0\0",
    b"\x04\x22\x4d\x18",
    b"\x02\x21\x4c\x18",
    b"\xff\xff\xff\xff\x0f",
];

const LIMIT: usize = 64 << 10;
const LARGER: usize = 4 * LIMIT;

fn fresh(rng: &mut Rng) -> Vec<u8> {
    let unit: Vec<u8> = (0..rng.usize(1..64)).map(|_| rng.u8(..)).collect();
    let body = unit.repeat(rng.usize(1..2000));
    let encoding = Encoding::ALL[rng.usize(..Encoding::ALL.len())];
    let level = rng.bool().then(|| rng.i32(1..4));
    encoding.compress(&body[..body.len().min(LARGER)], level).unwrap_or_default()
}

fn check(input: &[u8]) -> u64 {
    round_trip(input);
    let frame = grpc::unframe(input).map(|framed| {
        let rebuilt = [&grpc::frame(framed.is_compressed, framed.message.len()), framed.message].concat();
        assert_eq!(rebuilt, input, "a frame");
        assert_eq!(grpc::announced_length(input), Some(input.len()), "an announced length");
    });
    kind((frame.is_ok(), Encoding::ALL.map(|encoding| read(encoding, input))))
}

fn read(encoding: Encoding, input: &[u8]) -> u64 {
    let body = at_most(encoding, input, LIMIT);
    let larger = at_most(encoding, input, LARGER);
    match (&body, &larger) {
        (Ok(body), Ok(larger)) => assert!(body == larger, "{encoding:?}: limits give different bodies"),
        (Ok(_), Err(error)) => panic!("{encoding:?}: read with less room only: {error}"),
        (Err(DecompressError::TooLarge(_)), Ok(larger)) => {
            assert!(larger.len() > LIMIT, "{encoding:?}: {} bytes are too large", larger.len());
        }
        (Err(error), Ok(_)) => panic!("{encoding:?}: read with more room only: {error}"),
        (Err(_), Err(_)) => {}
    }
    match body {
        Ok(body) => kind(about(body.len())),
        Err(DecompressError::TooLarge(_)) => kind("too large"),
        Err(DecompressError::Corrupt(name, error)) => kind((name, error.to_string().get(..16))),
    }
}

fn at_most(encoding: Encoding, input: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    let body = encoding.decompress(input, limit);
    if let Ok(body) = &body {
        assert!(body.len() <= limit, "{encoding:?}: {} bytes with a limit of {limit}", body.len());
        assert!(body.capacity() <= 2 * limit + 64, "{encoding:?}: room for {} bytes", body.capacity());
    }
    body
}

/// In one encoding, which the input chooses: eight would be most of the time.
fn round_trip(input: &[u8]) {
    let encoding = Encoding::ALL[kind(input) as usize % Encoding::ALL.len()];
    let compressed = encoding.compress(input, None).expect("writing to memory cannot fail");
    match at_most(encoding, &compressed, input.len()) {
        Ok(back) => assert!(back == input, "{encoding:?}: changed on the way"),
        Err(error) => panic!("{encoding:?}: refused its own output: {error}"),
    }
    if let Some(less) = input.len().checked_sub(1) {
        let error = encoding.decompress(&compressed, less).expect_err("one byte more than the limit");
        assert!(matches!(error, DecompressError::TooLarge(_)), "{encoding:?}: {error}");
    }
}
