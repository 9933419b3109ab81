//! Agents that know each other by tokens and passwords, and strangers.

use std::path::Path;

use harness::agent::{Agent, AgentBuilder};
use harness::capture::Capture;
use harness::raw::GrpcConnection;
use harness::{client, raw, wait};
use http::{Method, Request};
use spindle_pipeline::testing::spans;

const TRACES: &str = harness::grpc::path(spindle_pipeline::Signal::Traces);

/// An agent whose doors, and not its health check, are guarded by an extension with this body.
fn gateway(id: &str, body: &str, back_end: &Capture) -> AgentBuilder {
    Agent::with(&format!(
        "extensions:
  {id}: {body}
  health_check: {{endpoint: 127.0.0.1:$health}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: 127.0.0.1:$grpc, auth: {{authenticator: {id}}}}}
      http: {{endpoint: 127.0.0.1:$http, auth: {{authenticator: {id}}}}}
exporters: {{otlp_grpc: {{endpoint: {}, tls: {{insecure: true}}}}}}
service:
  extensions: [{id}, health_check]
  telemetry: {{logs: {{level: debug}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_grpc]}}}}
",
        back_end.grpc()
    ))
}

/// An agent that sends to a gateway by both protocols, signed by an extension with this body.
fn sender(id: &str, body: &str, gateway: &Agent) -> AgentBuilder {
    Agent::with(&format!(
        "extensions: {{{id}: {body}}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: 127.0.0.1:$http, include_metadata: true}}}}}}}}
exporters:
  otlp_grpc: {{endpoint: \"127.0.0.1:{grpc}\", tls: {{insecure: true}}, auth: {{authenticator: {id}}}}}
  otlp_http: {{endpoint: \"http://127.0.0.1:{http}\", auth: {{authenticator: {id}}}}}
service:
  extensions: [{id}]
  telemetry: {{logs: {{level: debug}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_grpc, otlp_http]}}}}
",
        grpc = gateway.port("grpc"),
        http = gateway.port("http"),
    ))
}

/// Sends ten spans and gives the status of the answer and the challenge in it.
async fn post(agent: &Agent, authorization: Option<&str>, first: u64) -> (u16, Option<String>) {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/v1/traces", agent.url("http")))
        .header("content-type", "application/x-protobuf");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let body = spans::request_with(10, first);
    let answer = client::send(request.body(body).unwrap()).await.unwrap();
    let challenge = answer.headers().get("www-authenticate");
    (answer.status().as_u16(), challenge.map(|value| value.to_str().unwrap().to_owned()))
}

/// Makes a call with ten spans and gives its gRPC code.
async fn call(agent: &Agent, authorization: Option<&str>, first: u64) -> i32 {
    let mut headers = vec![("content-type", "application/grpc"), ("te", "trailers")];
    headers.extend(authorization.map(|value| ("authorization", value)));
    let mut connection = GrpcConnection::open(agent.port("grpc")).await;
    let body = raw::framed(false, &spans::request_with(10, first));
    connection.call(Method::POST, TRACES, &headers, body).await.unwrap().code.unwrap()
}

/// Strangers are told 401 and UNAUTHENTICATED, whatever they show; nothing of theirs gets through.
async fn assert_strangers_stay_out(gateway: &Agent, challenge: &str, shown: &[Option<&str>]) {
    for authorization in shown {
        let (status, found) = post(gateway, *authorization, 900).await;
        assert_eq!((status, found.as_deref()), (401, Some(challenge)), "{authorization:?}");
        assert_eq!(call(gateway, *authorization, 900).await, 16, "{authorization:?}");
    }
    for transport in ["grpc", "http"] {
        let label = format!("transport=\"{transport}\"");
        let labels = [label.as_str(), "outcome=\"failure\""];
        let failures = gateway.count("otelcol_receiver_requests", &labels).await;
        assert_eq!(failures, shown.len() as u64, "{transport}");
    }
    let health = client::get(&format!("{}/", gateway.url("health"))).await;
    assert!(health.is_ok(), "the health check is for everybody: {health:?}");
}

/// Waits until both exporters of a sender have delivered so many spans in all.
async fn wait_for_sent(sender: &Agent, spans: u64) {
    for exporter in ["otlp_grpc", "otlp_http"] {
        let label = format!("exporter=\"{exporter}\"");
        sender.wait_for_metric("otelcol_exporter_sent_spans", &[&label], spans as f64).await;
    }
}

async fn stop_without_showing(agent: Agent, secrets: &[&str]) {
    let page = client::get(&format!("{}/metrics", agent.url("metrics"))).await.unwrap();
    let (status, log) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    for secret in secrets {
        assert!(!log.contains(secret), "the log shows {secret}:\n{log}");
        assert!(!page.contains(secret), "the metrics page shows {secret}:\n{page}");
    }
}

fn write(path: &Path, text: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, path).unwrap();
}

/// A token opens both doors of a gateway, and only a token that counts at the moment does: the files of both
/// sides change while the agents run, and what comes in between with the old one is refused, and said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bearer_token_opens_the_doors_until_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let [theirs, ours] = ["theirs", "ours"].map(|name| folder.path().join(name));
    write(&theirs, "hunter-one\nhunter-other\n");
    write(&ours, "hunter-one\n");
    let back_end = Capture::start().await;
    let body = |path: &Path| format!("{{filename: {}}}", path.display());
    let gateway = gateway("bearertokenauth", &body(&theirs), &back_end).start().await;
    let sender = sender("bearertokenauth", &body(&ours), &gateway).start().await;

    let strangers = [None, Some("Bearer hunter-two"), Some("Bearer "), Some("Basic aHVudGVyLW9uZQ==")];
    assert_strangers_stay_out(&gateway, "Bearer", &strangers).await;
    assert_eq!(call(&gateway, Some("Bearer hunter-other"), 0).await, 0);
    assert_eq!(post(&sender, None, 10).await.0, 200);
    wait_for_sent(&sender, 10).await;
    back_end.wait_for_spans(30).await;

    write(&theirs, "hunter-two\n");
    wait::until("the old token counts no more", || async {
        let code = call(&gateway, Some("Bearer hunter-other"), 20).await;
        if code == 16 { Ok(()) } else { Err(code) }
    })
    .await;
    let before = back_end.span_ids().len();
    assert_eq!(post(&sender, None, 30).await.0, 200, "the sender's queue has taken it");
    for exporter in ["otlp_grpc", "otlp_http"] {
        let label = format!("exporter=\"{exporter}\"");
        sender.wait_for_metric("otelcol_exporter_send_failed_spans", &[&label], 10.0).await;
    }
    assert_eq!(back_end.span_ids().len(), before, "nothing came with the old token");

    write(&ours, "hunter-two\n");
    sender.process.wait_for_line("credentials have changed").await;
    assert_eq!(post(&sender, None, 40).await.0, 200);
    wait_for_sent(&sender, 20).await;
    back_end.wait_for_spans(before + 20).await;
    stop_without_showing(sender, &["hunter"]).await;
    stop_without_showing(gateway, &["hunter"]).await;
}

/// Users of an htpasswd, whatever their hashes, come in with their passwords through both doors; with a wrong
/// one nobody does, and an agent that sends as nobody known is refused for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_come_in_with_their_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let (file, password) = (folder.path().join("htpasswd"), folder.path().join("password"));
    write(&file, "apr:$apr1$abcdefgh$ckT15POyCRlen.h6XtGAZ1\nbc:overridden\n");
    write(&password, "hunter2\n");
    let back_end = Capture::start().await;
    // Of hunter2, as htpasswd writes it.
    let inline = "bc:$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.";
    let body = "{htpasswd: {file: FILE, inline: INLINE}}".replace("FILE", &file.display().to_string());
    let gateway = gateway("basicauth/server", &body.replace("INLINE", "\"${env:USERS}\""), &back_end)
        .variable("USERS", inline)
        .start()
        .await;
    // bc:overridden, nobody:hunter2, and no base64 at all.
    let shown = ["Basic YmM6b3ZlcnJpZGRlbg==", "Basic bm9ib2R5Omh1bnRlcjI=", "Basic ***", "Bearer hunter2"];
    let strangers: Vec<Option<&str>> = [None].into_iter().chain(shown.map(Some)).collect();
    let challenge = "Basic realm=\"spindle\", charset=\"UTF-8\"";
    assert_strangers_stay_out(&gateway, challenge, &strangers).await;

    let body =
        |user: &str| format!("{{client_auth: {{username: {user}, password_file: {}}}}}", password.display());
    for (user, spans) in [("apr", 20), ("bc", 40)] {
        let sender = sender("basicauth", &body(user), &gateway).start().await;
        assert_eq!(post(&sender, None, spans).await.0, 200);
        wait_for_sent(&sender, 10).await;
        back_end.wait_for_spans(spans as usize).await;
        stop_without_showing(sender, &["hunter2"]).await;
    }
    let stranger = sender("basicauth", &body("nobody"), &gateway).start().await;
    assert_eq!(post(&stranger, None, 100).await.0, 200);
    for exporter in ["otlp_grpc", "otlp_http"] {
        let label = format!("exporter=\"{exporter}\"");
        stranger.wait_for_metric("otelcol_exporter_send_failed_spans", &[&label], 10.0).await;
    }
    stop_without_showing(stranger, &["hunter2"]).await;
    assert_eq!(back_end.span_ids().len(), 40);
    stop_without_showing(gateway, &["hunter2", "overridden", "apr1"]).await;
}

/// The back end is told whose data it gets, request by request, by both protocols.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_tenant_reaches_the_back_end() {
    let back_end = Capture::start().await;
    let agent = Agent::with(&format!(
        "extensions:
  headers_setter:
    headers:
      - {{key: X-Tenant, from_context: authorization, default_value: nobody}}
      - {{action: insert, key: X-Fixed, value: hunter2}}
      - {{action: delete, key: X-Gone}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: 127.0.0.1:$http, include_metadata: true}}}}}}}}
exporters:
  otlp_grpc: {{endpoint: {}, tls: {{insecure: true}}, headers: {{x-gone: x}}, auth: {{authenticator: headers_setter}}}}
  otlp_http: {{endpoint: \"{}\", headers: {{x-fixed: kept}}, auth: {{authenticator: headers_setter}}}}
service:
  extensions: [headers_setter]
  telemetry: {{logs: {{level: debug}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_grpc, otlp_http]}}}}
",
        back_end.grpc(),
        back_end.http()
    ))
    .start()
    .await;
    for (first, tenant) in [(0, Some("blue")), (10, Some("red")), (20, None)] {
        assert_eq!(post(&agent, tenant, first).await.0, 200);
        back_end.wait_for_spans((first as usize + 10) * 2).await;
    }
    let requests = back_end.arrived();
    for is_grpc in [true, false] {
        let mut tenants = Vec::new();
        for request in requests.iter().filter(|request| request.is_grpc == is_grpc) {
            tenants.push(request.headers["x-tenant"].to_str().unwrap());
            assert_eq!(request.headers["x-fixed"], if is_grpc { "hunter2" } else { "kept" });
            assert!(!request.headers.contains_key("x-gone"));
        }
        assert_eq!(tenants, ["blue", "red", "nobody"], "gRPC: {is_grpc}");
    }
    stop_without_showing(agent, &["hunter2"]).await;
}
