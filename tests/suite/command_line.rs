//! The command line, word for word: what every command prints and the code it ends with.

use std::os::unix::fs::PermissionsExt;

use harness::agent::Agent;
use harness::cli::Session;
use harness::{client, golden, ports, wait};
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

/// Secrets from everywhere they can be written, in every place where something is printed.
#[tokio::test]
async fn secrets_are_shown_nowhere() {
    // Each is different, so that a leak says where it came from.
    let secrets = [
        "hunter-header",
        "hunter-env",
        "hunter-default",
        "hunter-file",
        "hunter-url",
        "hunter-pem",
        "hunter-set",
        "hunter-comment",
        "hunter-response",
    ];
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token.txt"), "hunter-file\n").unwrap();
    let yaml = format!(
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
  telemetry: {{logs: {{level: debug}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_grpc]}}}}
",
        folder = folder.path().display()
    );
    let agent = Agent::with(&yaml)
        .variable("SECRET_TOKEN", "hunter-env")
        .argument("--set")
        .argument("exporters.otlp_grpc.headers.x-set=hunter-set")
        .argument("--shutdown-timeout")
        .argument("1s")
        .start()
        .await;
    let mut load = crate::load::Load::on(&agent).grpc(1).http(1);
    load.wait_for_acknowledged(10).await;
    load.stop().await;
    // The exporter has tried and failed, which it logs.
    agent.process.wait_for_line("Exporting failed").await;
    let mut seen =
        vec![("the metrics page", client::get(&format!("{}/metrics", agent.url("metrics"))).await.unwrap())];
    for file in ["runs/r1/configs/spindle.yaml", "runs/r1/manifest.json"] {
        let path = agent.folder().join(file);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file}");
        seen.push((file, std::fs::read_to_string(path).unwrap()));
    }
    assert!(
        seen[1].1.contains("authorization: '[REDACTED]'") || seen[1].1.contains("[REDACTED]"),
        "{}",
        seen[1].1
    );
    let config = std::fs::read_to_string(agent.folder().join("spindle.yaml")).unwrap();
    let (status, log) = agent.stop().await;
    assert_eq!(status.code(), Some(0));
    seen.push(("the log", log));

    // Errors next to secrets, which quote lines.
    let broken =
        config.replace("Bearer hunter-header", "Bearer hunter-header\n      : [").replace("x-env", "x_env");
    let wrong = config
        .replace("127.0.0.1:$nobody", "x")
        .replace("tls: {insecure: true}", "endpoint: http://u:hunter-url@h:1/p, tsl: {key_pem: hunter-pem}");
    let misplaced = config.replace("headers:", "haeders:");
    let session = Session::new()
        .file("good.yaml", &config)
        .file("broken.yaml", &broken)
        .file("wrong.yaml", &wrong)
        .file("misplaced.yaml", &misplaced)
        .variable("SECRET_TOKEN", "hunter-env");
    for arguments in [
        &["print-config", "--config", "good.yaml"][..],
        &["print-config", "--config", "good.yaml", "--format", "json"],
        &["validate", "--config", "good.yaml"],
        &["validate", "--config", "broken.yaml"],
        &["validate", "--config", "wrong.yaml"],
        &["validate", "--config", "misplaced.yaml"],
        &["print-config", "--validate", "false", "--config", "misplaced.yaml"],
        &["run", "--config", "wrong.yaml"],
        &["validate", "--config", "good.yaml", "--set", "exporters.otlp_grpc.headers.x-set:hunter-set"],
        &["validate", "--config", "good.yaml", "--set", "exporters.otlp_grpc.headers=hunter-set"],
        &["validate", "--config", "good.yaml", "--set", "exporters.otlp_grpc.tls.key_pem={hunter-pem}"],
        &["validate", "--config", "https://u:hunter-url@h/x.yaml"],
        &["--jaeger", "http://u:hunter-url@localhost:4317"],
        &["validate", "--prometheus", "http://u:hunter-url@localhost:9090"],
        &["print-config", "--validate", "false", "--prometheus", "http://u:hunter-url@localhost:9090"],
    ] {
        let ended = session.quietly(arguments).await;
        seen.push(("a command", format!("{arguments:?}\n{}{}", ended.stdout, ended.stderr)));
    }
    for (place, text) in &seen {
        // The command line is quoted by this test, not by the agent.
        let text =
            text.split_once("]\n").filter(|_| *place == "a command").map_or(text.as_str(), |(_, rest)| rest);
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is shown by {place}:\n{text}");
        }
    }
    // Where they are asked for, they are there: what hides everything would pass all of the above.
    let unredacted =
        session.quietly(&["print-config", "--mode", "unredacted", "--config", "good.yaml"]).await;
    for secret in ["hunter-header", "hunter-env", "hunter-default"] {
        assert!(unredacted.stdout.contains(secret), "{}", unredacted.stdout);
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
