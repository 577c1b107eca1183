//! The port: bind, accept, and hear who it is.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use ensemble::HostPort;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::Shared;
use super::dial::{prepare, within};
use super::initial_message::{InitialMessage, Progress};
use super::settings::{BACKLOG, BIND_RETRY_EVERY, HANDSHAKES_MAX};
use super::table::Arrival;
use crate::own_name::{self, LOOKUP_EVERY, SaidLately};
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

/// How it goes with one of our addresses.
#[derive(Debug)]
pub(super) enum Listening {
    /// It is bound.
    Bound,
    /// Its name has no address yet.
    Waits,
    /// It cannot be bound.
    Failed(io::Error),
}

/// Attempts to bind without an end.
pub(super) const FOR_EVER: u32 = 0;

/// Binds one address and accepts on it. Tells `progress` that it waits, if so, and how the binding went in the end.
// zk: QuorumCnxManager.Listener.ListenerHandler.acceptConnections
pub(super) async fn run(
    shared: Arc<Shared>,
    address: HostPort,
    attempts: u32,
    progress: mpsc::Sender<Listening>,
) {
    let mut places = shared.places.subscribe();
    let outcome = tokio::select! {
        outcome = bind_patiently(&address, attempts, &progress, || own_name::resolve(&address)) => outcome,
        _ = places.changed() => return,
    };
    match outcome {
        Ok(listener) => {
            tracing::info!(%address, "listening for elections");
            // Nobody may wait.
            progress.send(Listening::Bound).await.ok();
            drop(progress);
            // Who has the larger id could not call us back so far.
            shared.connect_all();
            tokio::select! {
                () = accept(&shared, listener) => {}
                _ = places.changed() => tracing::info!(%address, "no longer listening for elections"),
            }
        }
        Err(error) => {
            progress.send(Listening::Failed(error)).await.ok();
        }
    }
}

/// A name without an address is waited for; a port that cannot be bound counts as an attempt.
// diverges(waits-for-own-name): the reference counts both
async fn bind_patiently<F>(
    address: &HostPort,
    attempts: u32,
    progress: &mpsc::Sender<Listening>,
    mut resolve: impl FnMut() -> F,
) -> io::Result<TcpListener>
where
    F: Future<Output = io::Result<Vec<SocketAddr>>>,
{
    let (mut attempt, mut said) = (1, SaidLately::default());
    loop {
        let candidates = match resolve().await {
            Ok(candidates) => candidates,
            Err(_) => {
                progress.send(Listening::Waits).await.ok();
                own_name::wait_for("election port", address, LOOKUP_EVERY, &mut resolve).await
            }
        };
        let error = match own_name::bind_first(candidates, BACKLOG) {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        if attempts != FOR_EVER || said.is_due(Instant::now().into_std()) {
            tracing::error!(%address, attempt, "cannot listen for elections: {error}");
        }
        if attempt == attempts {
            return Err(io::Error::new(error.kind(), format!("election address {address}: {error}")));
        }
        attempt = attempt.saturating_add(1);
        sleep(BIND_RETRY_EVERY).await;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_own_name_is_waited_for_and_a_port_that_is_taken_is_not() {
        let own = HostPort { host: "own".to_owned(), port: 0 };
        let (progress, mut heard) = mpsc::channel(4);
        let mut lookups = 0;
        let bound = bind_patiently(&own, 1, &progress, || {
            lookups += 1;
            let found = if lookups == 1 { None } else { Some(vec![([127, 0, 0, 1], 0).into()]) };
            std::future::ready(found.ok_or(io::ErrorKind::NotFound.into()))
        });
        let listener = bound.await.unwrap();
        assert_eq!(lookups, 2);
        assert!(matches!(heard.try_recv(), Ok(Listening::Waits)));

        let taken = listener.local_addr().unwrap();
        let outcome = bind_patiently(&own, 1, &progress, || std::future::ready(Ok(vec![taken])));
        assert_eq!(outcome.await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(heard.try_recv().is_err(), "no name was waited for");
    }
}
