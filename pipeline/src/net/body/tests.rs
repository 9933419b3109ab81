use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Frame, SizeHint};

use super::*;

/// A body in pieces that announces a length, true or not.
struct Pieces {
    announced: u64,
    pieces: VecDeque<Bytes>,
}

impl Pieces {
    fn new(announced: u64, pieces: &[usize]) -> Self {
        let pieces = pieces.iter().map(|length| Bytes::from(vec![7; *length])).collect();
        Self { announced, pieces }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.announced);
        hint
    }
}

/// The whole body arrives, in however many pieces and whatever was announced, up to the limit itself.
#[tokio::test]
async fn bodies_are_read_whole_up_to_the_limit() {
    const LIMIT: usize = 1 << 20;
    let cases: [(u64, &[usize], bool); 8] = [
        (0, &[], true),
        (0, &[10, 0, 10], true),
        (100, &[50, 50], true),
        (0, &[1 << 18; 4], true),
        (1 << 20, &[1 << 16; 16], true),
        (1 << 20, &[1 << 20], true),
        (0, &[1 << 20, 1], false),
        ((1 << 20) + 1, &[1], false),
    ];
    for (announced, pieces, is_taken) in cases {
        let read = read(Pieces::new(announced, pieces), LIMIT).await;
        match read {
            Ok(body) if is_taken => assert_eq!(body.len(), pieces.iter().sum::<usize>(), "{pieces:?}"),
            Err(BodyError::TooLarge(LIMIT)) if !is_taken => {}
            other => panic!("{announced} {pieces:?}: {other:?}"),
        }
    }
}

/// A peer's word alone reserves 64 KiB at most, and what it sends some times that.
#[tokio::test]
async fn an_announced_length_is_not_reserved_before_it_comes() {
    for (announced, pieces, most) in [
        (20 << 20, &[4][..], RESERVED),
        (20 << 20, &[RESERVED], RESERVED),
        (20 << 20, &[RESERVED, 1000], (RESERVED + 1000) * TRUST),
        (300, &[100], 300),
    ] {
        for is_inside in [false, true] {
            let hint = if is_inside { 0 } else { announced };
            let inside = |_: &[u8]| is_inside.then_some(announced as usize);
            let body = read_announced(Pieces::new(hint, pieces), 32 << 20, inside).await.expect("read");
            let capacity = body.try_into_mut().expect("nobody else's").capacity();
            assert!(capacity <= most, "{announced} {pieces:?} {is_inside}: {capacity}");
        }
    }
}
