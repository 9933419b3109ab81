use std::net::SocketAddr;

use super::*;
use crate::support::target::Address;
use crate::support::testing::{Backend, Reply, Reserved, grpc_ok};

fn client(addresses: &[SocketAddr], balances: bool) -> GrpcClient {
    let addresses = addresses.iter().copied().map(Address::Tcp).collect();
    GrpcClient::new(Host::Fixed(addresses), None, balances, Pings::default())
}

async fn call(client: &GrpcClient) -> Result<Bytes, ExportError> {
    let uri = Uri::from_static("http://back.end/service/method");
    client.call(uri, HeaderMap::new(), false, Bytes::from_static(b"message")).await
}

async fn calls(client: &GrpcClient, times: usize) {
    for _ in 0..times {
        call(client).await.expect("answered");
    }
}

/// Calls until every back end has been called.
async fn until_all_are_called(client: &GrpcClient, back_ends: &[&Backend]) {
    let before: Vec<usize> = back_ends.iter().map(|back_end| back_end.seen().len()).collect();
    let patience = std::time::Instant::now() + Duration::from_secs(10);
    while back_ends.iter().zip(&before).any(|(back_end, before)| back_end.seen().len() == *before) {
        assert!(std::time::Instant::now() < patience, "not every address is called");
        calls(client, 1).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn back_end() -> Backend {
    Backend::start(|_, _| grpc_ok()).await
}

/// An address that takes connections and never says a word on them.
async fn black_hole() -> (tokio::net::TcpListener, SocketAddr) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// Something between client and server that can lose everything, without telling either.
struct Wire {
    address: SocketAddr,
    is_cut: tokio::sync::watch::Sender<bool>,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let (listener, address) = black_hole().await;
        let is_cut = tokio::sync::watch::Sender::new(false);
        let cuts = is_cut.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cut = cuts.subscribe();
                tokio::spawn(async move {
                    let mut far = tokio::net::TcpStream::connect(server).await.expect("connects");
                    let is_lost = tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => false,
                        is_cut = async { cut.wait_for(|is_cut| *is_cut).await.is_ok() } => is_cut,
                    };
                    if is_lost {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { address, is_cut }
    }

    /// What is connected stays so, and nothing passes any more.
    fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// New connections work.
    fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

/// `round_robin`: every address of the name gets its share.
#[tokio::test]
async fn calls_go_to_all_addresses_in_turn() {
    let (one, two) = (back_end().await, back_end().await);
    let client = client(&[one.address, two.address], true);
    until_all_are_called(&client, &[&one, &two]).await;
    let before = (one.seen().len(), two.seen().len());
    calls(&client, 20).await;
    assert_eq!((one.seen().len() - before.0, two.seen().len() - before.1), (10, 10));
}

/// `pick_first`: one connection carries everything, and it is to the first address.
#[tokio::test]
async fn the_first_address_gets_all_calls() {
    let (one, two) = (back_end().await, back_end().await);
    let client = client(&[one.address, two.address], false);
    calls(&client, 10).await;
    assert_eq!((one.seen().len(), two.seen().len()), (10, 0));
    assert!(one.seen().iter().all(|seen| seen.connection == 0));
}

/// An address that is down costs no call anything, with either way of choosing.
#[tokio::test]
async fn addresses_that_are_down_are_passed_over() {
    let down = Reserved::new();
    let up = back_end().await;
    for balances in [true, false] {
        calls(&client(&[down.1, up.address], balances), 5).await;
    }
    assert_eq!(up.seen().len(), 10);
}

/// A back end that starts late gets its share without a restart of ours, and one that dies leaves its share
/// to the other, with no more failures than the calls it took down.
#[tokio::test]
async fn addresses_come_and_go() {
    let reserved = Reserved::new();
    let (address, one) = (reserved.1, back_end().await);
    let client = client(&[one.address, address], true);
    calls(&client, 3).await;
    assert_eq!(one.seen().len(), 3);
    let two = Backend::on_tcp(reserved.listen(), None, |_, _| grpc_ok());
    until_all_are_called(&client, &[&two]).await;
    drop(two);
    let mut failures = 0;
    for _ in 0..20 {
        failures += usize::from(call(&client).await.is_err());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(failures <= 1, "{failures} calls failed");
    calls(&client, 10).await;
}

/// Servers tell their clients to go away so that they look at the name again. The connections that are
/// left carry the calls meanwhile.
#[tokio::test]
async fn goodbye_to_one_of_two_is_no_failure() {
    let (one, two) = (back_end().await, back_end().await);
    let client = client(&[one.address, two.address], true);
    for round in 0..5 {
        until_all_are_called(&client, &[&one, &two]).await;
        assert!(round == 0 || one.last().connection > 0, "a new connection is made to it");
        one.say_goodbye();
        calls(&client, 10).await;
    }
}

/// An address that takes connections and then says nothing is no server: it gets no calls, and keeps nobody
/// from one that is.
#[tokio::test]
async fn a_black_hole_beside_a_server_gets_no_calls() {
    let (_listener, hole) = black_hole().await;
    let up = back_end().await;
    for balances in [true, false] {
        calls(&client(&[hole, up.address], balances), 10).await;
    }
    assert_eq!(up.seen().len(), 20);
}

/// Callers that give up while connecting goes on do not end it for the others.
#[tokio::test]
async fn connecting_survives_callers_that_give_up() {
    let reserved = Reserved::new();
    let address = reserved.1;
    let listener = reserved.listen();
    let client = Arc::new(client(&[address], false));
    // Nobody accepts yet, but the system does: the call waits for an answer.
    let impatient = tokio::time::timeout(Duration::from_millis(20), call(&client)).await;
    assert!(impatient.is_err());
    let waiting = tokio::spawn({
        let client = Arc::clone(&client);
        async move { call(&client).await }
    });
    let back_end = Backend::on_tcp(listener, None, |_, _| grpc_ok());
    waiting.await.expect("no panic").expect("answered");
    assert_eq!(back_end.last().connection, 0, "one connection serves both");
}

/// Many calls at once against a server that is down make one attempt to connect, and each hears of it.
#[tokio::test]
async fn a_server_that_is_down_fails_all_who_wait() {
    let down = Reserved::new();
    let client = Arc::new(client(&[down.1], true));
    let callers = (0..50).map(|_| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { call(&client).await })
    });
    for caller in callers.collect::<Vec<_>>() {
        let error = caller.await.expect("no panic").expect_err("nobody listens");
        assert!(error.to_string().contains("Error while dialing"), "{error}");
        assert!(error.retry().is_possible());
    }
}

/// A peer that answers pings keeps its connection, however quiet it is.
#[tokio::test]
async fn pings_keep_a_quiet_connection() {
    let back_end = back_end().await;
    let pings = Pings {
        interval: Some(Duration::from_millis(50)),
        timeout: Duration::from_millis(50),
        while_idle: true,
    };
    let host = Host::Fixed(vec![Address::Tcp(back_end.address)]);
    let client = GrpcClient::new(host, None, false, pings);
    calls(&client, 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    calls(&client, 1).await;
    assert_eq!(back_end.last().connection, 0);
}

/// A peer that vanished while nothing was sent is noticed by pings: calls that wait for it end, and others
/// find another connection.
#[tokio::test]
async fn pings_end_a_connection_whose_peer_is_gone() {
    let back_end = Backend::start(|index, _| if index == 0 { Reply::Silence } else { grpc_ok() }).await;
    let wire = Wire::to(back_end.address).await;
    let pings = Pings {
        interval: Some(Duration::from_millis(50)),
        timeout: Duration::from_millis(50),
        while_idle: false,
    };
    let host = Host::Fixed(vec![Address::Tcp(wire.address)]);
    let client = Arc::new(GrpcClient::new(host, None, false, pings));
    let waiting = tokio::spawn({
        let client = Arc::clone(&client);
        async move { call(&client).await }
    });
    back_end.wait_for(1).await;
    wire.cut();
    let error = waiting.await.expect("no panic").expect_err("the peer is gone");
    assert!(error.retry().is_possible(), "{error}");
    wire.mend();
    calls(&client, 1).await;
    assert_eq!(back_end.last().connection, 1);
}

/// A thousand calls share one connection and get their own answers.
#[tokio::test]
async fn calls_share_a_connection() {
    let back_end = Backend::start(|index, _| match index % 3 {
        0 => Reply::Late(Duration::from_millis(5), Box::new(grpc_ok())),
        _ => grpc_ok(),
    })
    .await;
    let client = Arc::new(client(&[back_end.address], true));
    let callers = (0..1000).map(|_| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { call(&client).await })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("no panic").expect("answered");
    }
    assert_eq!(back_end.seen().len(), 1000);
    assert!(back_end.seen().iter().all(|seen| seen.connection == 0));
}
