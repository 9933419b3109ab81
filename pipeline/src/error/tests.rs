use super::*;

/// The whole table, so that no edit of it goes unnoticed: what a receiver answers over HTTP for each
/// code, and whether an exporter sends again on it.
#[test]
fn maps_every_code_to_http_and_retry() {
    let expected = [
        (1, 503, RetryClass::Always),
        (2, 500, RetryClass::Never),
        (3, 400, RetryClass::Never),
        (4, 503, RetryClass::Always),
        (5, 500, RetryClass::Never),
        (6, 500, RetryClass::Never),
        (7, 403, RetryClass::Never),
        (8, 429, RetryClass::IfHinted),
        (9, 500, RetryClass::Never),
        (10, 503, RetryClass::Always),
        (11, 503, RetryClass::Always),
        (12, 404, RetryClass::Never),
        (13, 500, RetryClass::Never),
        (14, 503, RetryClass::Always),
        (15, 503, RetryClass::Always),
        (16, 401, RetryClass::Never),
    ];
    for (grpc, http, retry) in expected {
        let code = Code::from_grpc(grpc);
        assert_eq!(code.grpc(), grpc);
        assert_eq!(code.http().as_u16(), http, "{code:?}");
        assert_eq!(code.retry_class(), retry, "{code:?}");
    }
    assert_eq!(Code::from_grpc(17), Code::Unknown);
    assert_eq!(Code::from_grpc(-1), Code::Unknown);
}

/// Every HTTP status an exporter can meet: exactly 429, 502, 503 and 504 are sent again.
#[test]
fn reads_every_http_status() {
    for status in 100..600u16 {
        let code = Code::from_http(http::StatusCode::from_u16(status).expect("valid"));
        let retries = code.retry_class() == RetryClass::Always;
        assert_eq!(retries, matches!(status, 429 | 502 | 503 | 504), "status {status}");
    }
}

/// A receiver must not answer with a code that a client will not repeat when the error asks for it.
#[test]
fn a_hint_makes_an_error_retryable() {
    let error = ConsumeError::new(Code::ResourceExhausted, "slow down");
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(error.retry_after(Duration::from_secs(2)).retry(), Retry::After(Duration::from_secs(2)));
}

/// When one branch of a fan-out is bad for ever and another only for now, the sender should try again.
#[test]
fn of_two_errors_the_retryable_one_is_reported() {
    let never = ConsumeError::permanent("bad");
    let later = ConsumeError::unavailable("full");
    assert_eq!(never.clone().more_retryable(later.clone()), later);
    assert_eq!(later.clone().more_retryable(never), later);
}
