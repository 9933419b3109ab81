//! Requests from pages of other origins.

use ::http::HeaderValue;

use super::super::config::Cors;
use super::super::cors::CorsPolicy;
use super::*;

const CORS: &str = "{protocols: {grpc: {endpoint: 127.0.0.1:0}, http: {endpoint: 127.0.0.1:0, cors: {
    allowed_origins: [\"https://*.example\", \"http://localhost:3000\"], allowed_headers: [X-Key],
    exposed_headers: [X-One, X-Two], max_age: 60}}}}";

async fn preflight(doors: &Doors, origin: &str, method: &str, headers: &str) -> Answer {
    let mut request = Request::builder()
        .method(Method::OPTIONS)
        .uri(format!("http://{}/v1/traces", doors.http))
        .header("origin", origin)
        .header("access-control-request-method", method);
    if !headers.is_empty() {
        request = request.header("access-control-request-headers", headers);
    }
    send(false, request.body(Full::default()).expect("a request")).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().expect("text"))
}

/// A preflight of an allowed page gets exactly the permissions it asks for; any other gets none at all.
#[tokio::test]
async fn a_preflight_is_permitted_or_refused_as_a_whole() {
    let doors = open(CORS);
    let cases = [
        ("https://ui.example", "POST", "", true),
        ("https://ui.example", "POST", "content-type, X-Key", true),
        ("https://ui.example", "POST", "x-requested-with,x-key", true),
        ("http://localhost:3000", "POST", "content-type", true),
        ("https://ui.example", "GET", "", true),
        ("https://ui.example", "POST", "x-other", false),
        ("https://ui.example", "DELETE", "", false),
        ("https://evil.test", "POST", "", false),
        ("https://ui.example.evil.test", "POST", "", false),
        ("http://localhost:3001", "POST", "", false),
        ("null", "POST", "", false),
    ];
    for (origin, method, headers, is_allowed) in cases {
        let what = format!("{method} from {origin} with {headers}");
        let answer = preflight(&doors, origin, method, headers).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NO_CONTENT, 0), "{what}");
        let expected = |text| is_allowed.then_some(text);
        assert_eq!(header(&answer, "access-control-allow-origin"), expected(origin), "{what}");
        assert_eq!(header(&answer, "access-control-allow-credentials"), expected("true"), "{what}");
        assert_eq!(header(&answer, "access-control-allow-methods"), expected(method), "{what}");
        assert_eq!(header(&answer, "access-control-max-age"), expected("60"), "{what}");
        let headers = expected(headers).filter(|headers| !headers.is_empty());
        assert_eq!(header(&answer, "access-control-allow-headers"), headers, "{what}");
        let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        assert_eq!(header(&answer, "vary"), Some(vary), "{what}");
    }
    assert!(doors.sink.taken().is_empty());
}

/// The request behind a preflight is served to anybody, because that is no browser's business; only pages of
/// allowed origins may read the answer, errors included.
#[tokio::test]
async fn answers_are_for_pages_of_allowed_origins() {
    let doors = open(CORS);
    for (origin, is_allowed) in [("https://ui.example", true), ("https://evil.test", false)] {
        let good = post(&doors, "/v1/traces", &[PROTOBUF, ("origin", origin)], spans::request(1)).await;
        let bad = post(&doors, "/v1/traces", &[JSON, ("origin", origin)], "{").await;
        assert_eq!((good.status.as_u16(), bad.status.as_u16()), (200, 400));
        for answer in [good, bad] {
            let expected = |text| is_allowed.then_some(text);
            assert_eq!(header(&answer, "access-control-allow-origin"), expected(origin));
            assert_eq!(header(&answer, "access-control-allow-credentials"), expected("true"));
            assert_eq!(header(&answer, "access-control-expose-headers"), expected("X-One, X-Two"));
            assert_eq!(header(&answer, "vary"), Some("Origin"));
        }
    }
    assert_eq!(doors.sink.taken().len(), 2);
}

/// Without the section there is no permission, and `OPTIONS` is a method like any other that is wrong.
#[tokio::test]
async fn without_the_section_nothing_is_permitted() {
    let doors = open(BOTH);
    let answer = preflight(&doors, "https://ui.example", "POST", "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(&answer, "access-control-allow-origin"), None);
}

/// A wildcard stands for anything in its place, all hosts of a domain and no others; where everybody is
/// allowed browsers are told so without the name, and then send no credentials.
#[test]
fn wildcards_stand_for_anything_in_their_place() {
    let cases = [
        ("*", "https://a.example", Some("*")),
        ("https://*.example", "https://a.example", Some("https://a.example")),
        ("https://*.example", "https://a.b.example", Some("https://a.b.example")),
        ("https://*.example", "https://a.example.evil", None),
        ("https://*.example", "https://.exampl", None),
        ("https://*.example", "https://.example", Some("https://.example")),
        ("https://ab*ba", "https://aba", None),
        ("https://A.example", "https://a.EXAMPLE", Some("https://a.EXAMPLE")),
        ("https://a.example", "https://b.example", None),
        ("https://a.example", "https://a.example:8443", None),
    ];
    for (pattern, origin, expected) in cases {
        let config = Cors { allowed_origins: vec![pattern.to_owned()], ..Cors::default() };
        let policy = CorsPolicy::new(&config).expect("a policy");
        let mut headers = HeaderMap::new();
        policy.add_headers(&HeaderValue::from_static(origin), &mut headers);
        let allowed = headers.get("access-control-allow-origin").map(|value| value.to_str().expect("text"));
        assert_eq!(allowed, expected, "{pattern} {origin}");
    }
    assert!(CorsPolicy::new(&Cors::default()).is_none(), "nobody is allowed by an empty list");
}
