use super::*;
use crate::error::Blame;

/// What a client frames a server reads, and every way of framing it wrongly has its own words.
#[test]
fn frames_are_exact() {
    let mut body = frame(true, 3).to_vec();
    body.extend_from_slice(b"abc");
    assert_eq!(unframe(&body), Ok(Framed { is_compressed: true, message: b"abc" }));
    let cases: [(&[u8], &str); 5] = [
        (b"", "missing request message"),
        (b"\0\0\0", "truncated message frame"),
        (b"\0\0\0\0\x05abc", "truncated message"),
        (b"\0\0\0\0\x01abc", "more than one message in a unary call"),
        (b"\x02\0\0\0\x03abc", "invalid compression flag"),
    ];
    for (body, reason) in cases {
        assert_eq!(unframe(body), Err(reason));
    }
}

/// The time to wait reaches clients that read the details and clients that read the trailer.
#[test]
fn the_time_to_wait_stands_in_both_places() {
    let error = ConsumeError::unavailable("full").retry_after(Duration::from_millis(1500));
    let trailers = error_trailers(&error);
    assert_eq!(trailers.get("grpc-status").map(HeaderValue::as_bytes), Some(&b"14"[..]));
    assert!(trailers.contains_key("google.rpc.retryinfo-bin"));
    let read = outcome(&trailers).expect_err("failed");
    assert_eq!(read.retry(), Retry::After(Duration::from_millis(1500)));
}

/// `RESOURCE_EXHAUSTED` is repeated only on the server's word, by the OTLP specification.
#[test]
fn resource_exhausted_needs_a_hint() {
    let bare = export_error(&Status::resource_exhausted("quota"));
    assert_eq!(bare.retry(), Retry::Never);
    let hinted = ConsumeError::new(Code::ResourceExhausted, "quota").retry_after(Duration::from_secs(3));
    assert_eq!(
        outcome(&error_trailers(&hinted)).expect_err("failed").retry(),
        Retry::After(Duration::from_secs(3))
    );
}

/// "Too large" shares its codes with things that pass; the text tells, and a time to wait overrules it.
#[test]
fn too_large_is_told_from_other_limits() {
    const GO: &str = "grpc: received message larger than max (5 vs. 4)";
    let blame = |code: tonic::Code, text: &str| export_error(&Status::new(code, text)).blame();
    assert_eq!(blame(tonic::Code::ResourceExhausted, GO), Blame::Size);
    assert_eq!(blame(tonic::Code::OutOfRange, "decoded message length too large"), Blame::Size);
    assert_eq!(blame(tonic::Code::ResourceExhausted, "quota"), Blame::Nothing);
    assert_eq!(blame(tonic::Code::Internal, GO), Blame::Nothing);
    assert_eq!(blame(tonic::Code::InvalidArgument, "bad"), Blame::Items);
    assert_eq!(export_error(&Status::out_of_range("cursor")).retry(), Retry::Now);
    let hint = ConsumeError::new(Code::ResourceExhausted, GO).retry_after(Duration::from_secs(3));
    let hinted = outcome(&error_trailers(&hint)).expect_err("failed");
    assert_eq!((hinted.blame(), hinted.retry()), (Blame::Nothing, Retry::After(Duration::from_secs(3))));
    let own = ConsumeError::too_large("a request of 9 bytes");
    assert_eq!(outcome(&error_trailers(&own)).expect_err("failed").blame(), Blame::Size);
}

/// A hint does not make bad data worth repeating.
#[test]
fn a_hint_on_invalid_data_is_ignored() {
    let details =
        rpc_status(&ConsumeError::unavailable("x").retry_after(Duration::from_secs(1))).encode_to_vec();
    let status = Status::with_details(tonic::Code::InvalidArgument, "bad", details.into());
    assert_eq!(export_error(&status).retry(), Retry::Never);
}

/// Users paste these texts into searches; they read as Go prints them.
#[test]
fn errors_read_as_go_prints_them() {
    let error = export_error(&Status::unavailable("connection refused"));
    assert_eq!(error.to_string(), "rpc error: code = Unavailable desc = connection refused");
}

/// A server that writes its details wrongly, cut off by a proxy say, still has its status read, and harms
/// nobody; padded or not, right ones are read.
#[test]
fn status_details_that_are_no_base64_are_left_out() {
    let error = ConsumeError::unavailable("full").retry_after(Duration::from_secs(2));
    let mut trailers = error_trailers(&error);
    let written = trailers[STATUS_DETAILS].to_str().expect("base64").trim_end_matches('=').to_owned();
    for (details, retry) in [
        (written.clone(), Retry::After(Duration::from_secs(2))),
        (format!("{written}!"), Retry::Now),
        (written[..written.len() - 3].to_owned(), Retry::Now),
        ("!".to_owned(), Retry::Now),
    ] {
        trailers.insert(STATUS_DETAILS, HeaderValue::from_str(&details).expect("header"));
        let read = outcome(&trailers).expect_err("failed");
        assert_eq!((read.code(), read.retry()), (Code::Unavailable, retry), "{details}");
    }
}

/// What a server says goes into logs: it makes no lines of its own there, and ends.
#[test]
fn a_status_message_is_one_line_of_bounded_length() {
    let text = export_error(&Status::internal("a\nb\u{1b}[31m")).to_string();
    assert_eq!(text, "rpc error: code = Internal desc = a b [31m");
    assert!(export_error(&Status::internal("x".repeat(1 << 20))).to_string().len() < 2048);
}

/// The client's own patience bounds how long we hold its request.
#[test]
fn timeouts_are_read_in_every_unit() {
    let parse = |text: &str| parse_timeout(&HeaderValue::from_str(text).expect("header"));
    assert_eq!(parse("10S"), Some(Duration::from_secs(10)));
    assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
    assert_eq!(parse("1H"), Some(Duration::from_hours(1)));
    for bad in ["", "S", "10", "123456789S", "-1S", "1x"] {
        assert_eq!(parse(bad), None, "{bad}");
    }
}
