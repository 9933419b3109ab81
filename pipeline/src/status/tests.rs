use super::*;

/// A load balancer must see the worst component, and nothing but the process while it starts or stops.
#[test]
fn the_worst_component_decides_once_the_process_runs() {
    let board = StatusBoard::default();
    let good = board.handle(Kind::Receiver, "otlp", &["traces".to_owned()]);
    let bad = board.handle(Kind::Exporter, "otlp_grpc", &["traces".to_owned()]);
    good.report(Status::Ok);
    bad.report(Status::RecoverableError("connection refused".to_owned()));
    board.set_process(Status::Starting);
    assert_eq!(board.overall().status, Status::Starting);
    board.set_process(Status::Ok);
    assert_eq!(board.overall().status.error(), Some("connection refused"));
    bad.report(Status::Ok);
    assert_eq!(board.overall().status, Status::Ok);
}

/// A component that failed for good is not healed by a later success elsewhere in it.
#[test]
fn a_permanent_error_stays() {
    let board = StatusBoard::default();
    let handle = board.handle(Kind::Extension, "health_check", &[]);
    handle.report(Status::PermanentError("panicked".to_owned()));
    handle.report(Status::Ok);
    let states = board.snapshot();
    assert_eq!(states.values().next().map(|event| event.status.name()), Some("StatusPermanentError"));
}

/// A receiver shared by two pipelines shows in both.
#[test]
fn a_shared_component_shows_in_each_pipeline() {
    let board = StatusBoard::default();
    board.handle(Kind::Receiver, "otlp", &["logs".to_owned(), "traces".to_owned()]).report(Status::Ok);
    let pipelines: Vec<String> = board.snapshot().into_keys().map(|key| key.pipeline).collect();
    assert_eq!(pipelines, ["logs", "traces"]);
}
