//! What a service manager hears from the agent, by the protocol of `sd_notify(3)`.

use harness::agent::Agent;
use harness::wait;
use tokio::net::UnixDatagram;

/// Waits for the next message.
async fn message(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = tokio::time::timeout(wait::PATIENCE, socket.recv(&mut buffer)).await.unwrap().unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap().trim_end().to_owned()
}

/// systemd starts what depends on the agent when it is ready, restarts it when it is silent, and knows
/// when it stops.
#[tokio::test]
async fn systemd_hears_that_it_is_ready_lives_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let agent = Agent::with(
        "receivers: {otlp: {protocols: {grpc: {endpoint: 127.0.0.1:$grpc}}}}
exporters: {nop: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}
",
    )
    .variable("NOTIFY_SOCKET", path.to_str().unwrap())
    .variable("WATCHDOG_USEC", "100000")
    .start()
    .await;
    assert_eq!(message(&socket).await, "READY=1");
    for _ in 0..3 {
        assert_eq!(message(&socket).await, "WATCHDOG=1");
    }
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
    let mut last = message(&socket).await;
    while last == "WATCHDOG=1" {
        last = message(&socket).await;
    }
    assert_eq!(last, "STOPPING=1");
}
