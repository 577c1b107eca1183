//! Dialling one peer: all its addresses, each name resolved anew, until there is a connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ensemble::HostPort;
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Shared;
use super::initial_message::InitialMessage;
use super::settings::{ADDRESS_STAGGER, ADDRESSES_TRIED_MAX, LINK_PROBE, MeshSettings, timer};
use super::table::{Attempt, Check, DialOrder};
use crate::quorum::paths::Paths;
use crate::shell::lock;

/// Carries out an order. Each peer has a task of its own, so that nobody waits for another one's dead address.
pub(super) async fn run(shared: Arc<Shared>, order: DialOrder) {
    loop {
        let attempt = shared.table().attempt(&order, Instant::now());
        let addresses = match attempt {
            Attempt::Now(addresses) => addresses,
            Attempt::At(at) => {
                sleep_until(at).await;
                continue;
            }
            Attempt::Never => return,
        };
        if let Err(failure) = try_once(&shared, &order, addresses).await {
            report(&shared, &order, &failure.to_string());
        }
        let Some(at) = shared.table().retry_at(&order, Instant::now()) else { return };
        tokio::select! {
            () = sleep_until(at) => {}
            () = order.wake.notified() => {}
        }
    }
}

fn report(shared: &Shared, order: &DialOrder, failure: &str) {
    let peer = order.to;
    if shared.table().is_news(order, failure) {
        tracing::warn!(%peer, "cannot dial: {failure}");
    } else {
        tracing::debug!(%peer, "still cannot dial: {failure}");
    }
}

// zk: QuorumCnxManager.initiateConnection
async fn try_once(shared: &Arc<Shared>, order: &DialOrder, addresses: Vec<HostPort>) -> io::Result<()> {
    let settings = &shared.settings;
    let mut stream = connect(settings, addresses, order.is_configured()).await?;
    if !shared.table().is_still_wanted(order) {
        return Ok(());
    }
    let remote = stream.peer_addr()?;
    let hello = InitialMessage { sender: settings.me, addresses: lock(&shared.own_addresses).clone() };
    let hello = hello.encode(settings.multi_address);
    let written = within(settings.handshake_timeout, stream.write_all(&hello)).await;
    written.map_err(|error| at(remote, error))?;
    match shared.table().dialled(order, remote, Instant::now()) {
        Some(seat) => shared.spawn_link(seat, stream),
        None => tracing::debug!(peer = %order.to, %remote, "told a server with a larger id to dial us"),
    }
    Ok(())
}

/// A connection to the first of the addresses that answers.
async fn connect(
    settings: &MeshSettings,
    addresses: Vec<HostPort>,
    is_configured: bool,
) -> io::Result<TcpStream> {
    let (limit, paths) = (settings.connect_timeout, settings.paths.clone());
    let attempt = move |index: usize, address: HostPort| {
        let (paths, delay) = (paths.clone(), stagger(index));
        async move {
            sleep(delay).await;
            let found = within(limit, resolve(&paths, &address, is_configured)).await;
            let found = found.map_err(|error| at(&address, error))?;
            first_of(found.into_iter().map(move |address| async move {
                let stream = within(limit, TcpStream::connect(address)).await;
                stream.and_then(not_ourselves).map_err(|error| at(address, error))
            }))
            .await
        }
    };
    let addresses = addresses.into_iter().take(ADDRESSES_TRIED_MAX).collect();
    let stream = settings.paths.first_of(addresses, attempt).await?;
    prepare(settings, &stream)?;
    Ok(stream)
}

async fn resolve(paths: &Paths, address: &HostPort, is_configured: bool) -> io::Result<Vec<SocketAddr>> {
    let found = paths.resolve(address).await?;
    // Whoever sends us a wildcard means an address of its own, which is none of ours.
    let usable = |ip: IpAddr| is_configured || !ip.is_unspecified();
    Ok(found.into_iter().filter(|address| usable(address.ip())).take(ADDRESSES_TRIED_MAX).collect())
}

/// How long the attempt at one of several addresses waits for those before.
fn stagger(index: usize) -> Duration {
    ADDRESS_STAGGER.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX))
}

/// A socket that dials a free port of this very machine can meet itself.
fn not_ourselves(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

/// Looks whether the address at the other end of a connection still answers; if not, the connection goes, and another
/// address may bring one.
// zk: QuorumCnxManager.SendWorker.asyncValidateIfSocketIsStillReachable
pub(super) async fn check(shared: Arc<Shared>, check: Check) {
    let is_there = any_answers(&shared.settings.paths, check.places, LINK_PROBE).await;
    if let Some(order) = shared.table().end_check(check.id, is_there) {
        shared.spawn_dial(order);
    }
}

/// Asks at all at once, until one answers.
async fn any_answers(paths: &Paths, places: Vec<SocketAddr>, limit: Duration) -> bool {
    let mut asked = JoinSet::new();
    for place in places {
        let paths = paths.clone();
        asked.spawn(async move { paths.answers(place, limit).await });
    }
    while let Some(answer) = asked.join_next().await {
        if answer.unwrap_or(false) {
            return true;
        }
    }
    false
}

/// Options of every connection of the mesh.
// zk: QuorumCnxManager.setSockOpts
pub(super) fn prepare(settings: &MeshSettings, stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(settings.tcp_keep_alive)?;
    // A peer that vanished is noticed when something was sent to it, not after the kernel's quarter of an hour.
    socket.set_tcp_user_timeout(Some(settings.handshake_timeout))
}

/// Starts the attempts one after the other without waiting for the ones before, and takes the first that succeeds.
async fn first_of<T, A>(attempts: impl Iterator<Item = A>) -> io::Result<T>
where
    T: Send + 'static,
    A: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut running = JoinSet::new();
    for (index, attempt) in attempts.enumerate() {
        running.spawn(async move {
            sleep(stagger(index)).await;
            attempt.await
        });
    }
    let mut failures = Vec::new();
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(Ok(success)) => return Ok(success),
            Ok(Err(failure)) => failures.push(failure.to_string()),
            Err(panicked) => failures.push(panicked.to_string()),
        }
    }
    if failures.is_empty() {
        failures.push("no address".to_owned());
    }
    Err(io::Error::other(failures.join("; ")))
}

/// The outcome, or a time-out.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("nothing within {limit:?}"));
    timeout(timer(limit), work).await.map_err(late)?
}

fn at(address: impl std::fmt::Display, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{address}: {error}"))
}
