//! Secrets, planted everywhere they can be written, are shown nowhere.

use harness::agent::Agent;
use harness::cli::Session;
use harness::client;

use crate::load::Load;

/// Each is another one, so that a leak says where it came from.
const SECRETS: [&str; 10] = [
    "hunter-header",
    "hunter-env",
    "hunter-default",
    "hunter-file",
    "hunter-url",
    "hunter-pem",
    "hunter-set",
    "hunter-comment",
    "hunter-response",
    "hunter-run",
];

/// `folder` holds `token.txt`.
fn config(folder: &std::path::Path) -> String {
    format!(
        "# password: hunter-comment
run: {{id: r1, directory: runs}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: 127.0.0.1:$grpc}}
      http: {{endpoint: 127.0.0.1:$http, response_headers: {{x-session: hunter-response}}}}
exporters:
  otlp_grpc:
    endpoint: 127.0.0.1:$nobody
    tls: {{insecure: true}}
    headers:
      authorization: Bearer hunter-header
      x-env: ${{env:SECRET_TOKEN}}
      x-default: ${{env:UNSET_TOKEN:-hunter-default}}
      x-file: ${{file:{folder}/token.txt}}
service:
  telemetry:
    logs: {{level: debug, initial_fields: {{source: \"https://u:hunter-url@example.org/repo\"}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_grpc]}}}}
",
        folder = folder.display()
    )
}

/// A running agent at its most talkative: log, metrics page, run folder.
#[tokio::test]
async fn a_running_agent_shows_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token.txt"), "hunter-file\n").unwrap();
    let agent = Agent::with(&config(folder.path()))
        .variable("SECRET_TOKEN", "hunter-env")
        .argument("--set=exporters.otlp_grpc.headers.x-set=hunter-set")
        .argument("--shutdown-timeout=1s")
        .start()
        .await;
    let mut load = Load::on(&agent).grpc(1).http(1);
    load.wait_for_acknowledged(10).await;
    load.stop().await;
    // The exporter has tried and failed, which is said.
    agent.process.wait_for_line("Exporting failed").await;
    let page = client::get(&format!("{}/metrics", agent.url("metrics"))).await.unwrap();
    let read = |file: &str| std::fs::read_to_string(agent.folder().join("runs/r1").join(file)).unwrap();
    let (written, manifest) = (read("configs/spindle.yaml"), read("manifest.json"));
    assert!(written.contains("authorization: '[REDACTED]'"), "{written}");
    let (status, log) = agent.stop().await;
    assert_eq!(status.code(), Some(0));
    for (place, text) in [
        ("the metrics page", page),
        ("configs/spindle.yaml", written),
        ("the manifest", manifest),
        ("the log", log),
    ] {
        assert_shows_none(place, &text);
    }
}

/// Commands and their errors, which quote the lines that secrets stand on.
#[tokio::test]
async fn no_command_shows_secrets() {
    let session = session();
    for arguments in [
        &["print-config", "--config", "good.yaml"][..],
        &["print-config", "--config", "good.yaml", "--format", "json"],
        &["validate", "--config", "good.yaml"],
        &["validate", "--config", "broken.yaml"],
        &["validate", "--config", "wrong.yaml"],
        &["run", "--config", "wrong.yaml"],
        &["validate", "--config", "misplaced.yaml"],
        &["print-config", "--validate", "false", "--config", "misplaced.yaml"],
        &["validate", "--config", "env:WHOLE"],
        &["validate", "--config", "yaml:exporters::otlp_grpc::headers: hunter-set"],
        &["validate", "--config", "good.yaml", "--set", "exporters.otlp_grpc.headers.x-set:hunter-set"],
        &["validate", "--config", "good.yaml", "--set", "exporters.otlp_grpc.headers=hunter-set"],
        &["validate", "--config", "good.yaml", "--set", "exporters.otlp_grpc.headers.x={a: hunter-set}"],
        &["validate", "--config", "good.yaml", "--set", "exporters.otlp_grpc.tls.key_pem={hunter-pem}"],
        &["validate", "--config", "https://u:hunter-url@h/x.yaml"],
        &["--jaeger", "http://u:hunter-url@localhost:4317"],
        &["validate", "--prometheus", "http://u:hunter-url@localhost:9090"],
        &["validate", "--prometheus", "http://u:hunter-url@local host:9090"],
        &["print-config", "--validate", "false", "--prometheus", "http://u:hunter-url@localhost:9090"],
    ] {
        let ended = session.quietly(arguments).await;
        assert_shows_none(&format!("{arguments:?}"), &format!("{}{}", ended.stdout, ended.stderr));
    }
    // Where they are asked for, they are there: what hides everything would pass all of the above.
    let unredacted =
        session.quietly(&["print-config", "--mode", "unredacted", "--config", "good.yaml"]).await;
    for secret in ["hunter-header", "hunter-env", "hunter-default", "hunter-file", "hunter-response"] {
        assert!(unredacted.stdout.contains(secret), "{}", unredacted.stdout);
    }
}

fn session() -> Session {
    let session = Session::new();
    let good = config(session.folder())
        .replace("$grpc", "24317")
        .replace("$http", "24318")
        .replace("$nobody", "24319");
    let broken = good.replace("Bearer hunter-header", "Bearer hunter-header\n      : [");
    let wrong = good
        .replace("endpoint: 127.0.0.1:24319", "endpoint: http://u:hunter-url@h:1/p")
        .replace("tls: {insecure: true}", "tsl: {key_pem: hunter-pem}");
    let misplaced = good
        .replace("headers:", "haeders:")
        .replace("initial_fields: {", "initial_feilds: {password: hunter-run, ");
    session
        .file("token.txt", "hunter-file\n")
        .file("good.yaml", &good)
        .file("broken.yaml", &broken)
        .file("wrong.yaml", &wrong)
        .file("misplaced.yaml", &misplaced)
        .variable("SECRET_TOKEN", "hunter-env")
        .variable("WHOLE", &wrong)
}

fn assert_shows_none(place: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is shown by {place}:\n{text}");
    }
}
