//! The command line, word for word: what every command prints and the code it ends with.

use harness::agent::Agent;
use harness::cli::Session;
use harness::{golden, ports, wait};
use rustix::process::Signal;

/// The smallest configuration that is good.
const GOOD: &str = "receivers:
  otlp:
    protocols:
      grpc:
exporters:
  otlp_grpc:
    endpoint: jaeger:4317
    tls:
      insecure: true
service:
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [otlp_grpc]
";

/// The help of every command.
#[tokio::test]
async fn help() {
    let mut session = Session::new();
    session.run(&["--help"]).await;
    session.run(&["-h"]).await;
    for command in ["run", "validate", "components", "print-config"] {
        session.run(&[command, "--help"]).await;
    }
    session.check("cli/help.txt");
}

/// The version, in the words of both flags.
#[tokio::test]
async fn version() {
    let mut session = Session::new();
    session.run(&["--version"]).await;
    session.run(&["-V"]).await;
    session.check("cli/version.txt");
}

/// The components of this build, in every format.
#[tokio::test]
async fn components() {
    let mut session = Session::new();
    session.run(&["components"]).await;
    session.run(&["components", "--format", "text"]).await;
    session.run(&["components", "--format", "markdown"]).await;
    session.check("cli/components.txt");
}

/// What cannot be meant ends with 2 and says why.
#[tokio::test]
async fn wrong_use() {
    let mut session = Session::new().file("good.yaml", GOOD).file("empty.yaml", "");
    for arguments in [
        &["serve"][..],
        &["--confg", "good.yaml"],
        &["--config"],
        &["validate", "good.yaml"],
        &["print-config", "--format", "toml", "--config", "good.yaml"],
        &["print-config", "--validate", "maybe", "--config", "good.yaml"],
        &["--shutdown-timeout", "soon", "--config", "good.yaml"],
        &["--config", "good.yaml", "--jaeger", "localhost:14317"],
        &["--jaeger", "localhost:4317"],
        &["--jaeger", "http://localhost:16686"],
        &["--prometheus", "not a url"],
        &["validate", "--config", "good.yaml", "--set", "processors.batch.timeout"],
        &["validate", "--config", "good.yaml", "--set", "a..b=1"],
        &["validate", "--config", "missing.yaml"],
        &["validate", "--config", "."],
        &["validate", "--config", "empty.yaml"],
        &["validate", "--config", "env:UNSET"],
        &["validate", "--config", "https://user:hunter2@example.org/spindle.yaml"],
        &["run", "--config", "missing.yaml"],
    ] {
        assert_eq!(session.run(arguments).await.code, 2, "{arguments:?}");
    }
    session.check("cli/wrong_use.txt");
}

/// A good configuration is no word from `validate`; warnings are, and still end with 0; errors end with 2.
#[tokio::test]
async fn validate() {
    let unused = "processors:\n  batch:\n";
    let old_name = GOOD
        .replace("otlp_grpc", "otlp")
        .replace("      insecure: true", "      insecure: true\n    compression: ${env:UNSET}");
    let bad = GOOD.replace("[otlp_grpc]", "[otlp_grcp]");
    let mut session = Session::new()
        .file("good.yaml", GOOD)
        .file("unused.yaml", &format!("{GOOD}{unused}"))
        .file("old_name.yaml", &old_name)
        .file("bad.yaml", &bad);
    let mut codes = Vec::new();
    for file in ["good.yaml", "unused.yaml", "old_name.yaml", "bad.yaml"] {
        codes.push(session.run(&["validate", "--config", file]).await.code);
    }
    assert_eq!(codes, [0, 0, 0, 2]);
    // Flags may stand before the command or behind it.
    assert_eq!(session.run(&["--config", "good.yaml", "validate", "--feature-gates", "+a,-b"]).await.code, 0);
    session.check("cli/validate.txt");
}

/// What is in effect: several files, every kind of URI, properties over all of them, references with
/// their types, secrets left out unless they are asked for.
#[tokio::test]
async fn print_config() {
    let base = GOOD.replace("jaeger:4317", "${env:BACK_END:-jaeger:4317}");
    let over = "exporters:
  otlp_grpc:
    headers:
      x-tenant: ${env:TENANT}
    sending_queue:
      queue_size: ${env:QUEUE_SIZE}
      num_consumers: ${file:consumers.txt}
    timeout: ${yaml:7s}
receivers:
  otlp:
    protocols:
      http:
        endpoint: localhost:4318
      grpc: null
processors:
  batch:
    timeout: 5s
";
    let mut session = Session::new()
        .file("base.yaml", &base)
        .file("over.yaml", over)
        .file("consumers.txt", "3\n")
        .variable("TENANT", "team a")
        .variable("QUEUE_SIZE", "250")
        .variable("MORE", "processors: {batch: {send_batch_size: 100}}");
    session.run(&["print-config", "--config", "base.yaml"]).await;
    let all = [
        "print-config",
        "--config",
        "base.yaml",
        "--config",
        "file:over.yaml",
        "--config",
        "env:MORE",
        "--config",
        "yaml:service::pipelines::traces::processors: [batch]",
        "--set",
        "processors.batch.timeout=1m30s",
        "--set",
        "exporters.otlp_grpc.endpoint=\"$$literal:1\"",
    ];
    session.run(&all).await;
    session.run(&[&all[..], &["--mode", "unredacted"]].concat()).await;
    session.run(&[&all[..], &["--format", "json"]].concat()).await;
    session.run(&["print-config", "--config", "yaml:{receivers: {otlp: 7}}"]).await;
    session.run(&["print-config", "--validate", "false", "--config", "yaml:{receivers: {otlp: 7}}"]).await;
    session.run(&["print-initial-config", "--config", "base.yaml", "--format", "json"]).await;
    session.check("cli/print_config.txt");
}

/// A port that is taken ends the start with 1, and names the port, the key, and who holds it.
#[tokio::test]
async fn a_busy_port_is_named_with_its_key_and_its_holder() {
    let yaml = "receivers: {otlp: {protocols: {grpc: {endpoint: 127.0.0.1:$grpc}, http: {endpoint: 127.0.0.1:$http}}}}
exporters: {otlp_grpc: {endpoint: 127.0.0.1:$nobody, tls: {insecure: true}}}
extensions: {health_check: {endpoint: 127.0.0.1:$health}}
service:
  extensions: [health_check]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: $metrics}}}}]}}
  pipelines: {traces: {receivers: [otlp], exporters: [otlp_grpc]}}
";
    let first = Agent::with(yaml).start().await;
    let config = std::fs::read_to_string(first.folder().join("spindle.yaml")).unwrap();
    let (mut transcript, mut masks) = (String::new(), Vec::new());
    let mut remaining = config;
    // The page is bound first, then receivers, then extensions.
    for name in ["metrics", "grpc", "http", "health"] {
        let ended =
            Session::new().file("second.yaml", &remaining).quietly(&["--config", "second.yaml"]).await;
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        let holder = format!("(held by process {} (spindle))", first.process.id());
        assert!(ended.stderr.contains(&holder), "{holder} is not in\n{}", ended.stderr);
        assert!(ended.stderr.contains(&first.port(name).to_string()), "{}", ended.stderr);
        let errors = ended.stderr.split_once("error: ").unwrap().1;
        transcript.push_str(&format!("error: {errors}\n"));
        let free = ports::free();
        remaining = remaining.replace(&first.port(name).to_string(), &free.to_string());
        masks.push((free, "free"));
    }
    masks.extend(["metrics", "grpc", "http", "health"].map(|name| (first.port(name), name)));
    for (port, name) in masks {
        transcript = transcript.replace(&port.to_string(), &format!("<{name}>"));
    }
    transcript = transcript.replace(&format!("process {}", first.process.id()), "process <pid>");
    golden::check("cli/busy_port.txt", &transcript);
}

/// Without a pipeline to fail, SIGINT and SIGTERM end it with 0.
#[tokio::test]
async fn signals_end_it_with_zero() {
    for signal in [Signal::INT, Signal::TERM] {
        let yaml = GOOD.replace("      grpc:\n", "      grpc: {endpoint: 127.0.0.1:$grpc}\n");
        let mut agent = Agent::with(&yaml).start().await;
        agent.process.signal(signal);
        assert_eq!(agent.process.wait().await.code(), Some(0), "{}", agent.process.output());
    }
}

/// Standard output that is closed early is no failure.
#[tokio::test]
async fn a_closed_pipe_is_no_failure() {
    let mut command = tokio::process::Command::new("sh");
    let script =
        format!("'{}' components --format markdown | true; echo done", harness::agent::binary().display());
    command.arg("-c").arg(script).kill_on_drop(true);
    let output = tokio::time::timeout(wait::PATIENCE, command.output()).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
