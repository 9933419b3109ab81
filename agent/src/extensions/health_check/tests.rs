use spindle_pipeline::component::Kind;
use spindle_pipeline::status::{Status, StatusBoard};
use spindle_pipeline::testing::{config, config_with_problems, contract};

use super::*;

fn answers(yaml: &str) -> (Answers, StatusBoard) {
    let board = StatusBoard::default();
    let config = config::<HealthCheckV2>(yaml).0;
    (Answers::new(config, board.clone(), SystemTime::now()), board)
}

fn get(answers: &Answers, path: &str) -> (u16, String) {
    let response = answers.answer(&path.parse().expect("a path"));
    let (parts, body) = response.into_parts();
    let body = text_of(body);
    (parts.status.as_u16(), body)
}

fn text_of(body: http_body_util::Full<bytes::Bytes>) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let bytes = runtime.block_on(http_body_util::BodyExt::collect(body)).expect("infallible").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// The clauses that every component keeps.
#[test]
fn keeps_the_contract() {
    contract::factory::<HealthCheck>();
    contract::factory::<HealthCheckV2>();
}

/// Nothing is sent here before everything is started, nor once it stops.
#[test]
fn both_versions_follow_the_life_of_the_process() {
    let (answers, board) = answers("{}");
    for (status, code) in [(Status::Starting, 503), (Status::Ok, 200), (Status::Stopping, 503)] {
        board.set_process(status);
        assert_eq!(get(&answers, "/status").0, code);
        assert_eq!(get(&answers, "/").0, code);
    }
    board.set_process(Status::Ok);
    assert!(get(&answers, "/").1.starts_with("{\"status\":\"Server available\",\"upSince\":\""));
    assert_eq!(get(&answers, "/elsewhere").0, 404);
}

/// Operators see each component of each pipeline and its error; the order of keys is version 2's.
#[test]
fn verbose_names_every_component() {
    let (answers, board) = answers("{use_v2: true}");
    board.set_process(Status::Ok);
    board.handle(Kind::Receiver, "otlp", &["traces".to_owned()]).report(Status::Ok);
    let error = Status::RecoverableError("connection refused".to_owned());
    board.handle(Kind::Exporter, "otlp_grpc", &["traces".to_owned()]).report(error);
    board.handle(Kind::Extension, "healthcheckv2", &[]).report(Status::Ok);
    let (code, body) = get(&answers, "/status?verbose");
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(code, 200);
    assert_eq!(body["status"], "StatusRecoverableError");
    let exporter = &body["components"]["pipeline:traces"]["components"]["exporter:otlp_grpc"];
    assert_eq!(exporter["error"], "connection refused");
    assert_eq!(
        body["components"]["extensions"]["components"]["extension:healthcheckv2"]["status"],
        "StatusOK"
    );
    assert!(!get(&answers, "/status?verbose=false").1.contains("components"));
}

/// `?pipeline=` asks about one pipeline alone; one that is not there is told as such.
#[test]
fn one_pipeline_can_be_asked_for() {
    let (answers, board) = answers("{}");
    board.set_process(Status::Ok);
    board.handle(Kind::Receiver, "otlp", &["traces".to_owned()]).report(Status::Ok);
    let error = Status::PermanentError("panicked".to_owned());
    board.handle(Kind::Exporter, "file", &["logs".to_owned()]).report(error);
    assert!(get(&answers, "/status?pipeline=traces").1.contains("\"status\":\"StatusOK\""));
    assert!(get(&answers, "/status?pipeline=logs").1.contains("panicked"));
    assert_eq!(get(&answers, "/status?pipeline=metrics").0, 404);
}

/// A failing component fails the check only where the configuration asks for it.
#[test]
fn component_health_decides_what_is_a_failure() {
    for (yaml, status, code) in [
        ("{}", Status::PermanentError("x".to_owned()), 200),
        ("{component_health: {include_permanent_errors: true}}", Status::PermanentError("x".to_owned()), 500),
        (
            "{component_health: {include_recoverable_errors: true}}",
            Status::RecoverableError("x".to_owned()),
            200,
        ),
        (
            "{component_health: {include_recoverable_errors: true, recovery_duration: 0s}}",
            Status::RecoverableError("x".to_owned()),
            500,
        ),
        ("{}", Status::FatalError("x".to_owned()), 500),
    ] {
        let (answers, board) = answers(yaml);
        board.set_process(Status::Ok);
        board.handle(Kind::Exporter, "file", &["logs".to_owned()]).report(status);
        assert_eq!(get(&answers, "/status").0, code, "{yaml}");
    }
}

/// Guide 000's block and version 1's own are both read, wherever the address stands.
#[test]
fn the_address_is_found_in_either_place() {
    for (yaml, key, address) in [
        ("{}", "endpoint", "localhost:13133"),
        ("{endpoint: 0.0.0.0:1}", "endpoint", "0.0.0.0:1"),
        (
            "{use_v2: true, http: {endpoint: 0.0.0.0:13133, status: {enabled: true}}}",
            "http::endpoint",
            "0.0.0.0:13133",
        ),
    ] {
        let config = config::<HealthCheckV2>(yaml).0;
        let (found_key, found) = config.listen();
        assert_eq!((found_key, found.to_string().as_str()), (key, address));
        assert_eq!(config.status_path(), Some("/status"));
    }
}

/// What is not built is said, not ignored.
#[test]
fn says_what_cannot_be() {
    for (yaml, problem) in [
        ("{endpoint: nowhere}", "endpoint: address nowhere: missing port in address"),
        ("{path: status}", "path: path must start with /"),
        (
            "{grpc: {}}",
            "grpc: the gRPC health service is not built into this version of spindle yet; use http",
        ),
    ] {
        assert_eq!(config_with_problems::<HealthCheck>(yaml).1, [problem]);
    }
}
