//! The port: bind, accept, and hear who it is.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use ensemble::HostPort;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::Shared;
use super::dial::{prepare, within};
use super::initial_message::{InitialMessage, Progress};
use super::settings::{BACKLOG, BIND_RETRY_EVERY, HANDSHAKES_MAX};
use super::table::Arrival;
use crate::shell::listener::bind_to;
use crate::shell::lock;

/// Where to listen.
pub(super) fn addresses(shared: &Shared) -> Vec<HostPort> {
    let mut addresses = lock(&shared.own_addresses).clone();
    if shared.settings.listen_on_all_ips {
        addresses.iter_mut().for_each(|address| "::".clone_into(&mut address.host));
    }
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Binds one address and accepts on it. Tells `bound` how the binding went, once.
// zk: QuorumCnxManager.Listener.ListenerHandler.acceptConnections
pub(super) async fn run(shared: Arc<Shared>, address: HostPort, bound: mpsc::Sender<io::Result<()>>) {
    let mut places = shared.places.subscribe();
    let outcome = tokio::select! {
        outcome = bind_patiently(&address, shared.settings.bind_attempts) => outcome,
        _ = places.changed() => return,
    };
    match outcome {
        Ok(listener) => {
            tracing::info!(%address, "listening for elections");
            bound.send(Ok(())).await.ok();
            drop(bound);
            tokio::select! {
                () = accept(&shared, listener) => {}
                _ = places.changed() => tracing::info!(%address, "no longer listening for elections"),
            }
        }
        Err(error) => {
            bound.send(Err(error)).await.ok();
        }
    }
}

async fn bind_patiently(address: &HostPort, attempts: u32) -> io::Result<TcpListener> {
    let mut attempt = 1;
    loop {
        let error = match bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        tracing::error!(%address, attempt, "cannot listen for elections: {error}");
        if attempt == attempts {
            return Err(io::Error::new(error.kind(), format!("election address {address}: {error}")));
        }
        attempt = attempt.saturating_add(1);
        sleep(BIND_RETRY_EVERY).await;
    }
}

async fn bind(address: &HostPort) -> io::Result<TcpListener> {
    let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
    for candidate in lookup_host((address.host.as_str(), address.port)).await? {
        outcome = listen(candidate);
        if outcome.is_err() && candidate.ip().is_unspecified() {
            // A machine without IPv6 has IPv4 only.
            outcome = listen(SocketAddr::from(([0, 0, 0, 0], candidate.port()))).or(outcome);
        }
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::from_std(bind_to(address, BACKLOG)?)
}

async fn accept(shared: &Arc<Shared>, listener: TcpListener) {
    let mut is_failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                is_failing = false;
                greet(shared, stream, SocketAddr::new(remote.ip().to_canonical(), remote.port()));
            }
            Err(error) => {
                // Out of descriptors, mostly: the port must not go deaf for it.
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::error!("no election connection can be accepted for now: {error}");
                }
                sleep(BIND_RETRY_EVERY).await;
            }
        }
    }
}

fn greet(shared: &Arc<Shared>, stream: TcpStream, remote: SocketAddr) {
    let (ticket, pushed_out) = shared.handshakes.enter(remote);
    if let Some(oldest) = pushed_out {
        tracing::warn!(remote = %oldest, "connection refused: too many say nothing, it was the first of them");
    }
    shared.spawn_handshake(ticket, stream, remote);
}

/// Hears who it is and does what the table says.
pub(super) async fn handshake(
    shared: Arc<Shared>,
    mut ticket: Ticket,
    mut stream: TcpStream,
    remote: SocketAddr,
) {
    let limit = shared.settings.handshake_timeout;
    let heard = async {
        prepare(&shared.settings, &stream)?;
        within(limit, initial_message(&mut stream)).await
    };
    let outcome = tokio::select! {
        _ = &mut ticket.pushed_out => return,
        outcome = heard => outcome,
    };
    shared.handshakes.leave(ticket.number);
    let initial = match outcome {
        Ok(initial) => initial,
        Err(why) => {
            tracing::warn!(%remote, "connection refused: {why}");
            return;
        }
    };
    let peer = initial.sender;
    let arrival = shared.table().arrive(initial, remote, Instant::now());
    match arrival {
        Arrival::Keep(seat) => shared.spawn_link(seat, stream),
        Arrival::DialBack(order) => {
            tracing::debug!(%peer, %remote, "closed a connection of a server with a smaller id, dialling it");
            drop(stream);
            if let Some(order) = order {
                shared.spawn_dial(order);
            }
        }
        Arrival::Refuse(why) => tracing::warn!(%peer, %remote, "connection refused: {why}"),
    }
}

async fn initial_message(stream: &mut TcpStream) -> io::Result<InitialMessage> {
    let mut bytes = Vec::new();
    loop {
        let progress = InitialMessage::decode(&bytes);
        match progress.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
            Progress::Whole(message, _) => return Ok(message),
            Progress::Needs(len) => {
                // Not a byte more: what follows is the first frame.
                let had = bytes.len();
                bytes.resize(len, 0);
                stream.read_exact(bytes.get_mut(had..).unwrap_or_default()).await?;
            }
        }
    }
}

/// Connections that have not yet said who they are, oldest first.
#[derive(Debug, Default)]
pub(super) struct Handshakes(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    by_age: BTreeMap<u64, (SocketAddr, oneshot::Sender<()>)>,
}

/// A place among them.
#[derive(Debug)]
pub(super) struct Ticket {
    number: u64,
    /// Resolves when the place was taken away.
    pushed_out: oneshot::Receiver<()>,
}

impl Handshakes {
    /// Takes a place, if need be that of the oldest.
    fn enter(&self, remote: SocketAddr) -> (Ticket, Option<SocketAddr>) {
        let mut waiting = lock(&self.0);
        let oldest = if waiting.by_age.len() >= HANDSHAKES_MAX { waiting.by_age.pop_first() } else { None };
        waiting.last += 1;
        let number = waiting.last;
        let (push_out, pushed_out) = oneshot::channel();
        waiting.by_age.insert(number, (remote, push_out));
        (Ticket { number, pushed_out }, oldest.map(|(_, (remote, _))| remote))
    }

    fn leave(&self, number: u64) {
        lock(&self.0).by_age.remove(&number);
    }
}
