use super::*;

fn text() -> Vec<u8> {
    b"gen_ai.usage.completion_tokens ".repeat(2000)
}

/// What one side writes the other reads, for every encoding.
#[test]
fn every_encoding_reads_what_it_writes() {
    for encoding in Encoding::ALL {
        let compressed = encoding.compress(&text(), None).expect("compresses");
        assert_eq!(encoding.decompress(&compressed, 1 << 20).expect("reads"), text(), "{encoding:?}");
        assert_eq!(Encoding::from_name(encoding.name()), Some(encoding));
    }
}

/// A small body that becomes a large one is refused before it has become it.
#[test]
fn no_decoder_writes_more_than_its_limit() {
    let bomb = vec![0u8; 4 << 20];
    for encoding in Encoding::ALL {
        let compressed = encoding.compress(&bomb, None).expect("compresses");
        let error = encoding.decompress(&compressed, 1 << 20).expect_err("too large");
        assert!(matches!(error, DecompressError::TooLarge(1_048_576)), "{encoding:?}: {error}");
    }
}

/// Exactly the limit is not too much.
#[test]
fn the_limit_itself_is_allowed() {
    for encoding in Encoding::ALL {
        let compressed = encoding.compress(&text(), None).expect("compresses");
        assert!(encoding.decompress(&compressed, text().len()).is_ok(), "{encoding:?}");
    }
}

/// A lie about the encoding is an error with its name, not a crash.
#[test]
fn garbage_is_an_error_that_names_the_encoding() {
    for encoding in Encoding::ALL.into_iter().filter(|encoding| *encoding != Encoding::Identity) {
        for garbage in [
            &b"not compressed at all"[..],
            b"",
            b"\x1f\x8b\x08\x00",
            b"\xff\x06\x00\x00sNaPpY\x00\x01",
            b"\x78\x9c\x01",
        ] {
            if let Err(error) = encoding.decompress(garbage, 1 << 20) {
                assert!(error.to_string().contains(encoding.name()), "{error}");
            }
        }
        assert!(encoding.decompress(b"not compressed at all", 1 << 20).is_err(), "{encoding:?}");
    }
}

/// Senders disagree about what deflate and snappy mean; both readings are accepted.
#[test]
fn both_kinds_of_deflate_and_snappy_are_read() {
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
    raw.write_all(&text()).expect("writes");
    let raw = raw.finish().expect("finishes");
    assert_eq!(Encoding::Deflate.decompress(&raw, 1 << 20).expect("reads"), text());
    let framed = Encoding::SnappyFramed.compress(&text(), None).expect("compresses");
    assert_eq!(Encoding::Snappy.decompress(&framed, 1 << 20).expect("reads"), text());
}

/// Truncated bodies are errors: half a request must not be taken for a whole one.
#[test]
fn truncated_bodies_are_errors() {
    for encoding in Encoding::ALL.into_iter().filter(|encoding| *encoding != Encoding::Identity) {
        let compressed = encoding.compress(&text(), None).expect("compresses");
        let half = &compressed[..compressed.len() / 2];
        assert!(encoding.decompress(half, 1 << 20).is_err(), "{encoding:?}");
    }
}
