//! The connections to the addresses of one name.
//!
//! * Connecting goes on in a task of its own: a caller that gives up does not end what others wait for, and
//!   an address that never answers keeps nobody from the next.
//! * With `round_robin` there is a connection to each address. Those that are missing are looked for again
//!   while calls come, at growing intervals, beside the calls.
//! * With `pick_first` all calls share the first address that answers, tried in the order of the name
//!   resolution, the next a quarter of a second after the one before.
//! * The name is resolved anew whenever a connection has to be made.
//! * A connection that leaves a call without any answer is not used again ([`Waiting`]): it may have lost its
//!   other end without being told.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use spindle_pipeline::error::ExportError;
use spindle_pipeline::net::grpc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Status;
use tracing::debug;

use super::{CallBody, Pings};
use crate::support::http::chain;
use crate::support::target::{Address, CONNECT_TIMEOUT, Host, PATIENCE, TlsTarget, timed_out};

/// How many streams there may be before the server has said how many it takes: a number that no server says,
/// so that it shows whether one has spoken.
const UNTIL_SETTINGS: usize = 99_991;
/// How rarely it is looked whether the server has spoken.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How long an address is waited for before the next is tried as well (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);
/// The first wait before missing addresses are tried again, by gRPC's connection back-off.
const FIRST_REPAIR: Duration = Duration::from_secs(1);
/// The longest such wait.
const LAST_REPAIR: Duration = Duration::from_mins(2);

/// A connection; clones share it.
#[derive(Clone)]
pub(super) struct Connection {
    address: Address,
    pub(super) sender: SendRequest<CallBody>,
    life: Arc<Life>,
}

/// What is known about a connection beside what its sender knows.
#[derive(Default)]
struct Life {
    answers: AtomicU64,
    is_retired: AtomicBool,
}

impl Connection {
    fn is_usable(&self) -> bool {
        !self.sender.is_closed() && !self.life.is_retired.load(Ordering::Relaxed)
    }

    /// Makes no further calls on it; those on their way go on.
    pub(super) fn retire(&self) {
        self.life.is_retired.store(true, Ordering::Relaxed);
    }

    /// A call starts to wait for its answer.
    pub(super) fn waiting(&self) -> Waiting {
        let answers = self.life.answers.load(Ordering::Relaxed);
        Waiting { connection: self.clone(), since: Instant::now(), answers, is_over: false }
    }
}

/// A call that waits for its answer. Dropped without one, after a while in which its connection gave no
/// answer to anybody, it retires the connection.
pub(super) struct Waiting {
    connection: Connection,
    since: Instant,
    answers: u64,
    is_over: bool,
}

impl Waiting {
    /// Something came: an answer, or the end of the connection.
    pub(super) fn over(mut self) {
        self.connection.life.answers.fetch_add(1, Ordering::Relaxed);
        self.is_over = true;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let is_silent = self.connection.life.answers.load(Ordering::Relaxed) == self.answers;
        if !self.is_over && is_silent && self.since.elapsed() >= PATIENCE {
            debug!(address = %self.connection.address, "no answer; the connection is not used again");
            self.connection.retire();
        }
    }
}

pub(super) struct Pool {
    host: Host,
    tls: Option<TlsTarget>,
    balances: bool,
    pings: Pings,
    turn: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    connections: Vec<Connection>,
    /// The task that connects, as long as there is one.
    progress: Option<watch::Receiver<Progress>>,
    /// Addresses without a connection, and when and after what wait to try them again.
    missing: usize,
    repair_at: Instant,
    repair_wait: Duration,
}

/// What the task that connects has to say.
#[derive(Clone, Debug, Default)]
struct Progress {
    connected: usize,
    /// Set at the end, to the last failure if there was one.
    ended: Option<String>,
}

impl Pool {
    pub(super) fn new(host: Host, tls: Option<TlsTarget>, balances: bool, pings: Pings) -> Arc<Self> {
        let state = State {
            connections: Vec::new(),
            progress: None,
            missing: 0,
            repair_at: Instant::now(),
            repair_wait: FIRST_REPAIR,
        };
        let turn = AtomicUsize::new(0);
        Arc::new(Self { host, tls, balances, pings, turn, state: Mutex::new(state) })
    }

    /// A connection that is open, the next in turn; connects if there is none.
    pub(super) async fn get(self: &Arc<Self>) -> Result<Connection, ExportError> {
        if let Some(connection) = self.open() {
            return Ok(connection);
        }
        let mut progress = self.connecting();
        loop {
            let ended = progress.borrow_and_update().ended.clone();
            if let Some(connection) = self.open() {
                return Ok(connection);
            }
            if let Some(failure) = ended {
                return Err(unavailable(failure));
            }
            if progress.changed().await.is_err() {
                return Err(unavailable("connecting ended without a result".to_owned()));
            }
        }
    }

    fn open(self: &Arc<Self>) -> Option<Connection> {
        let mut state = self.lock();
        let before = state.connections.len();
        state.connections.retain(Connection::is_usable);
        let count = state.connections.len();
        if self.balances && count < before {
            state.missing += before - count;
            state.repair_at = Instant::now();
        }
        if count == 0 {
            return None;
        }
        if state.missing > 0 && state.repair_at <= Instant::now() {
            self.start(&mut state);
        }
        let turn = if self.balances { self.turn.fetch_add(1, Ordering::Relaxed) } else { 0 };
        Some(state.connections[turn % count].clone())
    }

    fn connecting(self: &Arc<Self>) -> watch::Receiver<Progress> {
        let mut state = self.lock();
        self.start(&mut state)
    }

    /// Starts to connect, unless that is going on.
    fn start(self: &Arc<Self>, state: &mut State) -> watch::Receiver<Progress> {
        if let Some(progress) = &state.progress
            && progress.has_changed().is_ok()
            && progress.borrow().ended.is_none()
        {
            return progress.clone();
        }
        let (sender, receiver) = watch::channel(Progress::default());
        state.progress = Some(receiver.clone());
        tokio::spawn(Arc::clone(self).connect(sender));
        receiver
    }

    async fn connect(self: Arc<Self>, progress: watch::Sender<Progress>) {
        let failure = match self.host.resolve().await {
            Ok(addresses) if self.balances => self.connect_all(addresses, &progress).await,
            Ok(addresses) => self.connect_first(addresses, &progress).await,
            Err(error) => {
                self.repaired(1);
                Some(format!("name resolver error: {error}"))
            }
        };
        progress.send_modify(|progress| progress.ended = Some(failure.unwrap_or_default()));
    }

    /// Connects to every address that has no connection, and lets go of those that the name no longer has.
    async fn connect_all(
        self: &Arc<Self>,
        addresses: Vec<Address>,
        progress: &watch::Sender<Progress>,
    ) -> Option<String> {
        let missing: Vec<Address> = {
            let mut state = self.lock();
            state.connections.retain(|connection| addresses.contains(&connection.address));
            let has =
                |address: &Address| state.connections.iter().any(|connection| connection.address == *address);
            addresses.into_iter().filter(|address| !has(address)).collect()
        };
        let mut attempts = JoinSet::new();
        for address in missing {
            attempts.spawn(Arc::clone(self).connect_to(address));
        }
        let (mut failure, mut failures) = (None, 0);
        while let Some(attempt) = attempts.join_next().await {
            match attempt.unwrap_or_else(|panic| Err(panic.to_string())) {
                Ok(connection) => self.connected(connection, progress),
                Err(text) => {
                    failures += 1;
                    failure.get_or_insert(text);
                }
            }
        }
        self.repaired(failures);
        failure
    }

    /// Connects to the first address that answers.
    async fn connect_first(
        self: &Arc<Self>,
        addresses: Vec<Address>,
        progress: &watch::Sender<Progress>,
    ) -> Option<String> {
        let mut waiting = addresses.into_iter();
        let mut attempts = JoinSet::new();
        let mut failure = None;
        loop {
            let next = waiting.next();
            let is_last = next.is_none();
            if let Some(address) = next {
                attempts.spawn(Arc::clone(self).connect_to(address));
            } else if attempts.is_empty() {
                return failure;
            }
            tokio::select! {
                Some(attempt) = attempts.join_next() => {
                    match attempt.unwrap_or_else(|panic| Err(panic.to_string())) {
                        Ok(connection) => {
                            self.connected(connection, progress);
                            return None;
                        }
                        Err(text) => {
                            failure.get_or_insert(text);
                        }
                    }
                }
                () = tokio::time::sleep(HEAD_START), if !is_last => {}
            }
        }
    }

    async fn connect_to(self: Arc<Self>, address: Address) -> Result<Connection, String> {
        let handshake = tokio::time::timeout(CONNECT_TIMEOUT, self.handshake(&address));
        match handshake.await.unwrap_or_else(|_elapsed| Err(timed_out())) {
            Ok(connection) => Ok(connection),
            Err(error) => {
                debug!(address = %address, error = %error, "cannot connect");
                Err(format!(
                    "connection error: desc = \"transport: Error while dialing: dial {address}: {error}\""
                ))
            }
        }
    }

    /// Connects and waits for the server to speak: whoever takes connections and says nothing is no server.
    async fn handshake(&self, address: &Address) -> std::io::Result<Connection> {
        let stream = address.connect(self.tls.as_ref()).await?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_max_send_streams(UNTIL_SETTINGS)
            .keep_alive_interval(self.pings.interval)
            .keep_alive_while_idle(self.pings.while_idle);
        if !self.pings.timeout.is_zero() {
            builder.keep_alive_timeout(self.pings.timeout);
        }
        let (sender, mut driver) =
            builder.handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        // The settings come to another task and wake nobody here.
        let mut pause = Duration::from_millis(1);
        while driver.current_max_send_streams() == UNTIL_SETTINGS {
            tokio::select! {
                ended = &mut driver => {
                    let reason = ended.err().map_or("the server closed it".to_owned(), |error| chain(&error));
                    return Err(std::io::Error::other(reason));
                }
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
        let name = address.clone();
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                debug!(address = %name, error = %error, "connection ended");
            }
        });
        Ok(Connection { address: address.clone(), sender, life: Arc::default() })
    }

    fn connected(&self, connection: Connection, progress: &watch::Sender<Progress>) {
        self.lock().connections.push(connection);
        progress.send_modify(|progress| progress.connected += 1);
    }

    /// An attempt at everything has ended; so many addresses have no connection.
    fn repaired(&self, missing: usize) {
        if !self.balances {
            return;
        }
        let mut state = self.lock();
        state.missing = missing;
        if missing == 0 {
            state.repair_wait = FIRST_REPAIR;
            return;
        }
        state.repair_at = Instant::now() + state.repair_wait;
        // gRPC's factor for the back-off of connections.
        state.repair_wait = state.repair_wait.mul_f64(1.6).min(LAST_REPAIR);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(text: String) -> ExportError {
    grpc::export_error(&Status::unavailable(text))
}
