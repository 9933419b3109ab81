//! How much a request may be, before and after decompression.

use super::*;

const MEBIBYTE: usize = 1 << 20;
const ONE_MEBIBYTE: &str = "{protocols: {grpc: {endpoint: 127.0.0.1:0, max_recv_msg_size_mib: 1},
    http: {endpoint: 127.0.0.1:0, max_request_body_size: 1048576}}}";

/// A good request of exactly so many bytes, from 20 KiB to 2 MiB: an unknown field fills it up.
fn request_of(length: usize) -> Vec<u8> {
    let mut request = spans::request(1).to_vec();
    let filling = length - request.len() - 5;
    let low = |shift: usize| (filling >> shift) as u8 & 0x7f;
    request.extend([0xfa, 0x01, low(0) | 0x80, low(7) | 0x80, low(14)]);
    request.resize(length, 0);
    request
}

/// The limit holds for what comes and for what it becomes, in every encoding and by both protocols; the
/// limit itself is allowed.
#[tokio::test]
async fn the_limit_holds_in_every_encoding() {
    let doors = open(ONE_MEBIBYTE);
    for encoding in Encoding::ALL {
        for (length, code, status) in [(MEBIBYTE, 0, 200), (MEBIBYTE + 1, 8, 413)] {
            let body = encoding.compress(&request_of(length), None).expect("compresses");
            let flag = u8::from(encoding != Encoding::Identity);
            let path = grpc::path(Signal::Traces);
            let answer = call(&doors, path, encoding.name(), framed(flag, &body)).await;
            assert_eq!(answer.code(), code, "{encoding:?} {length}: {}", answer.grpc_message());
            assert!(!answer.headers.contains_key("google.rpc.retryinfo-bin"), "never to be repeated");
            let headers = [PROTOBUF, ("content-encoding", encoding.name())];
            let answer = post(&doors, "/v1/traces", &headers, body).await;
            assert_eq!(answer.status.as_u16(), status, "{encoding:?} {length}");
            assert!(!answer.headers.contains_key("retry-after"), "never to be repeated");
        }
    }
    assert_eq!(doors.sink.taken().len(), 2 * Encoding::ALL.len());
}

/// What cannot be compressed is more than the limit before it is decompressed, and refused there.
#[tokio::test]
async fn the_limit_holds_before_decompression() {
    let doors = open(ONE_MEBIBYTE);
    let mut state = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(2 * MEBIBYTE)
    .collect();
    let body = Encoding::Gzip.compress(&noise, None).expect("compresses");
    let answer = call(&doors, grpc::path(Signal::Traces), "gzip", framed(1, &body)).await;
    assert_eq!(answer.code(), 8);
    assert!(answer.grpc_message().contains("received message larger than max (1048576 bytes)"));
    let answer = post(&doors, "/v1/traces", &[PROTOBUF, ("content-encoding", "gzip")], body).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

/// The default of a gRPC server is 4 MiB, that of HTTP 20 MiB.
#[test]
fn defaults_are_the_collectors() {
    let protocols = config::<Otlp>("{protocols: {grpc:, http:}}").protocols;
    assert_eq!(protocols.grpc.as_ref().expect("open").max_message(), 4 << 20);
    assert_eq!(protocols.http.as_ref().expect("open").max_request_body_size, 20 << 20);
}
