use super::*;

/// The whole table, so that no edit of it goes unnoticed: what a receiver answers over HTTP for each
/// code, whether an exporter sends again on it, and whether on parts.
#[test]
fn maps_every_code_to_http_retry_and_blame() {
    let expected = [
        (0, 200, RetryClass::Never, Blame::Nothing),
        (1, 503, RetryClass::Always, Blame::Nothing),
        (2, 500, RetryClass::Never, Blame::Nothing),
        (3, 400, RetryClass::Never, Blame::Items),
        (4, 503, RetryClass::Always, Blame::Nothing),
        (5, 500, RetryClass::Never, Blame::Nothing),
        (6, 500, RetryClass::Never, Blame::Nothing),
        (7, 403, RetryClass::Never, Blame::Nothing),
        (8, 429, RetryClass::IfHinted, Blame::Nothing),
        (9, 500, RetryClass::Never, Blame::Nothing),
        (10, 503, RetryClass::Always, Blame::Nothing),
        (11, 503, RetryClass::Always, Blame::Nothing),
        (12, 404, RetryClass::Never, Blame::Nothing),
        (13, 500, RetryClass::Never, Blame::Nothing),
        (14, 503, RetryClass::Always, Blame::Nothing),
        (15, 503, RetryClass::Always, Blame::Nothing),
        (16, 401, RetryClass::Never, Blame::Nothing),
    ];
    for (grpc, http, retry, blame) in expected {
        let code = Code::from_grpc(grpc);
        assert_eq!(code.grpc(), grpc);
        assert_eq!(code.http().as_u16(), http, "{code:?}");
        assert_eq!((code.retry_class(), code.blame()), (retry, blame), "{code:?}");
    }
    for unknown in [i32::MIN, -1, 17, 18, 200, i32::MAX] {
        assert_eq!(Code::from_grpc(unknown), Code::Unknown);
    }
}

/// Every HTTP status an exporter can meet: what it means, and that exactly 429, 502, 503 and 504 are sent
/// again as they are.
#[test]
fn reads_every_http_status() {
    for status in 100..600u16 {
        let code = Code::from_http(StatusCode::from_u16(status).expect("valid"));
        let expected = match status {
            200..=299 => Code::Ok,
            400 => Code::InvalidArgument,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            413 => Code::ResourceExhausted,
            429 | 502 | 503 | 504 => Code::Unavailable,
            _ => Code::Unknown,
        };
        assert_eq!(code, expected, "status {status}");
        let retries = code.retry_class() == RetryClass::Always;
        assert_eq!(retries, matches!(status, 429 | 502 | 503 | 504), "status {status}");
    }
}

/// There and back: an error that goes out as an HTTP status comes in as an error of the same class. The one
/// exception is a quota without a time: HTTP has no status for "too much, and do not come again", and the
/// 429 of the Collector is the one that loses nothing.
#[test]
fn a_class_survives_http() {
    for number in 1..=16 {
        let error = ConsumeError::new(Code::from_grpc(number), "no");
        let read = ExportError::new(Code::from_http(error.http_status()), "no");
        let expected = if number == 8 { Retry::Now } else { error.retry() };
        assert_eq!((read.retry(), read.blame()), (expected, error.blame()), "code {number}");
    }
    let too_large = ConsumeError::too_large("more than 5 bytes");
    assert_eq!((too_large.http_status().as_u16(), too_large.retry()), (413, Retry::Never));
}

/// "Too large" is told by words, which are those of the gRPC implementations; a quota is something else.
#[test]
fn too_large_is_known_by_its_words() {
    for text in [
        "grpc: received message larger than max (5000000 vs. 4194304)",
        "CLIENT: Received message larger than max (5 vs. 4)",
        "gRPC message exceeds maximum size 4194304: 5000000",
        "Received message exceeds the maximum configured message size.",
        "Error, decoded message length too large: found 5000000 bytes, the limit is: 4194304 bytes",
        "unexpected HTTP status code received from server: 413 Payload Too Large",
    ] {
        assert!(says_too_large(text), "{text}");
    }
    for text in ["", "quota exceeded", "sending queue is full", "too many requests", "slow down"] {
        assert!(!says_too_large(text), "{text}");
        assert!(says_too_large(ConsumeError::too_large(text).message()), "{text}");
    }
}

/// A receiver must not answer with a code that a client will not repeat when the error asks for it.
#[test]
fn a_hint_makes_an_error_retryable() {
    let error = ConsumeError::new(Code::ResourceExhausted, "slow down");
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(error.retry_after(Duration::from_secs(2)).retry(), Retry::After(Duration::from_secs(2)));
    let permanent = ConsumeError::permanent("broken").retry_after(Duration::from_secs(2));
    assert_eq!(permanent.code(), Code::Unavailable);
}

/// When one branch of a fan-out is bad for ever and another only for now, the sender should try again.
#[test]
fn of_two_errors_the_retryable_one_is_reported() {
    let never = ConsumeError::permanent("bad");
    let later = ConsumeError::unavailable("full");
    assert_eq!(never.clone().more_retryable(later.clone()), later);
    assert_eq!(later.clone().more_retryable(never), later);
}
