//! The client port: accepts while there is room, and says so once when there is none.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ensemble::HostPort;
use pipeline::auth::identities_of;
use pipeline::outbox::Outbox;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::clients::{Client, Full};
use super::{Shared, Stage, connection, lock};
use crate::clock;
use crate::own_name::{self, LOOKUP_EVERY, SaidLately};
use crate::settings::{ClientSettings, client_host};

/// What Java takes when no backlog is given.
const BACKLOG_DEFAULT: i32 = 50;
/// Pause when the process is out of descriptors.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// The process is no longer out of descriptors when it was not for so long: one line, however often it runs out.
const EXHAUSTED_OVER: Duration = Duration::from_secs(5);
/// Between two attempts to bind the port anew.
const BIND_RETRY_EVERY: Duration = Duration::from_millis(200);
/// Refusals of this time share one line in the log.
const REFUSAL_LINE_EVERY: Duration = Duration::from_secs(1);

/// Binds the client port.
pub(crate) fn bind(settings: &ClientSettings, address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let backlog = if settings.backlog > 0 { settings.backlog } else { BACKLOG_DEFAULT };
    let bound = bind_to(address, backlog);
    if bound.is_err() && settings.any_host {
        // A machine without IPv6 has IPv4 only.
        return bind_to(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()), backlog)
            .or(bound);
    }
    bound
}

/// Binds one address and listens; a wildcard IPv6 address takes IPv4 too.
pub(crate) fn bind_to(address: SocketAddr, backlog: i32) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Where clients are accepted, which a change of the membership may change.
#[derive(Debug)]
pub(crate) struct ClientPort {
    place: Mutex<Place>,
    /// Counts the places so far.
    turn: watch::Sender<u64>,
}

#[derive(Debug)]
struct Place {
    /// The client address of the membership, as it was asked for last.
    asked: Option<HostPort>,
    /// The address that it has.
    wanted: Option<SocketAddr>,
    /// As it is bound.
    bound: Option<SocketAddr>,
    /// Who accepts there.
    task: Option<JoinHandle<()>>,
    /// Who looks up the name of the next place.
    lookup: Option<JoinHandle<()>>,
}

/// What asking for a client address comes to.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// It is what was asked for before.
    Same,
    /// It is an address.
    Address { wanted: SocketAddr, any_host: bool },
    /// It is a name.
    Name,
}

impl Place {
    /// Never looks a name up.
    fn ask(&mut self, client: &HostPort) -> Asked {
        if self.asked.as_ref() == Some(client) {
            return Asked::Same;
        }
        self.asked = Some(client.clone());
        if let Some(lookup) = self.lookup.take() {
            lookup.abort();
        }
        match client_host(&client.host) {
            None => {
                let wanted = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), client.port);
                Asked::Address { wanted, any_host: true }
            }
            Some(host) => host.parse().map_or(Asked::Name, |ip: IpAddr| Asked::Address {
                wanted: SocketAddr::new(ip, client.port),
                any_host: false,
            }),
        }
    }

    /// Whether clients are to be accepted elsewhere now.
    fn move_to(&mut self, wanted: SocketAddr) -> bool {
        let before = self.wanted.replace(wanted);
        let moves = before.is_none_or(|before| !is_same(before, wanted));
        if moves {
            self.bound = None;
        }
        moves
    }
}

impl ClientPort {
    pub(crate) fn new(
        asked: Option<HostPort>,
        wanted: Option<SocketAddr>,
        bound: Option<SocketAddr>,
    ) -> Self {
        let place = Place { asked, wanted, bound, task: None, lookup: None };
        Self { place: Mutex::new(place), turn: watch::Sender::new(0) }
    }

    /// Where it is bound.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        lock(&self.place).bound
    }

    /// The port itself.
    pub(crate) fn number(&self) -> Option<u16> {
        self.address().map(|address| address.port())
    }
}

/// Accepts at the place of the start.
pub(crate) fn begin(shared: &Arc<Shared>, runtime: &Handle, listener: TcpListener) {
    let task = runtime.spawn(accept(Arc::clone(shared), listener, shared.client_port.turn.subscribe()));
    lock(&shared.client_port.place).task = Some(task);
}

/// Accepts elsewhere, if that is elsewhere; connections that stand go on. Until a name has an address, all stays as it is.
// zk: NIOServerCnxnFactory.reconfigure
// diverges(client-port-bound-later): the reference tries once
pub(crate) fn move_to(shared: &Arc<Shared>, runtime: &Handle, client: &HostPort) {
    let mut place = lock(&shared.client_port.place);
    match place.ask(client) {
        Asked::Same => {}
        Asked::Address { wanted, any_host } => settle(shared, runtime, &mut place, wanted, any_host),
        Asked::Name => {
            let lookup = look_up(Arc::clone(shared), runtime.clone(), client.clone());
            place.lookup = Some(runtime.spawn(lookup));
        }
    }
}

/// Accepts at the address of a name, once it has one.
// diverges(waits-for-own-name): the reference does not start
async fn look_up(shared: Arc<Shared>, runtime: Handle, client: HostPort) {
    let mut stage = shared.stage.subscribe();
    let found = tokio::select! {
        found = own_name::wait_for("client port", &client, LOOKUP_EVERY, || own_name::resolve(&client)) => found,
        _ = stage.wait_for(|stage| *stage != Stage::Serving) => return,
    };
    let mut place = lock(&shared.client_port.place);
    if let (true, Some(wanted)) = (place.asked.as_ref() == Some(&client), found.first()) {
        settle(&shared, &runtime, &mut place, *wanted, false);
    }
}

/// Ends accepting where it was, and begins at `wanted`.
fn settle(shared: &Arc<Shared>, runtime: &Handle, place: &mut Place, wanted: SocketAddr, any_host: bool) {
    if !place.move_to(wanted) {
        return;
    }
    let port = &shared.client_port;
    port.turn.send_modify(|turn| *turn += 1);
    let before = place.task.take();
    let (shared, mut turn) = (Arc::clone(shared), port.turn.subscribe());
    place.task = Some(runtime.spawn(async move {
        if let Some(before) = before {
            // A task that panicked has raised the alarm.
            let _ = before.await;
        }
        if let Some(listener) = bind_again(&shared, wanted, any_host, &mut turn).await {
            accept(shared, listener, turn).await;
        }
    }));
}

fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let both_are_wildcards = one.ip().is_unspecified() && other.ip().is_unspecified();
    one == other || (both_are_wildcards && one.port() == other.port())
}

/// Tries until the port is free, or another one is wanted.
async fn bind_again(
    shared: &Shared,
    wanted: SocketAddr,
    any_host: bool,
    turn: &mut watch::Receiver<u64>,
) -> Option<TcpListener> {
    let settings = ClientSettings { any_host, ..shared.settings.client.clone() };
    let mut said = SaidLately::default();
    while !turn.has_changed().unwrap_or(true) && *shared.stage.borrow() == Stage::Serving {
        match bind(&settings, wanted).and_then(TcpListener::from_std) {
            Ok(listener) => {
                let mut place = lock(&shared.client_port.place);
                // Turns change under this lock.
                if turn.has_changed().unwrap_or(true) {
                    return None;
                }
                place.bound = listener.local_addr().ok();
                tracing::info!(address = %wanted, "clients are accepted here from now on");
                return Some(listener);
            }
            Err(error) if said.is_due(Instant::now()) => {
                tracing::error!(address = %wanted, "the client port cannot be bound: {error}; tried again");
            }
            Err(_) => {}
        }
        tokio::time::sleep(BIND_RETRY_EVERY).await;
    }
    None
}

/// Accepts until the server drains, or clients are to be accepted elsewhere.
async fn accept(shared: Arc<Shared>, listener: TcpListener, mut turn: watch::Receiver<u64>) {
    let guard = shared.alarm.guard("the listener");
    let mut stage = shared.stage.subscribe();
    let mut exhausted: Option<Instant> = None;
    let mut refusals = Refusals::default();
    while *stage.borrow_and_update() == Stage::Serving {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stage.changed() => continue,
            _ = turn.changed() => break,
        };
        match accepted {
            Ok((stream, remote)) => {
                if exhausted.is_some_and(|since| since.elapsed() > EXHAUSTED_OVER) {
                    exhausted = None;
                    tracing::warn!("descriptors are free again, connections are accepted");
                }
                if let Err(full) = admit(&shared, stream, canonical(remote)) {
                    shared.metrics.connection_rejected.add(1);
                    refusals.log(remote, full);
                }
            }
            Err(error) if is_out_of_resources(&error) => {
                if exhausted.replace(Instant::now()).is_none() {
                    tracing::error!("no connection can be accepted until some close: {error}");
                }
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
            Err(error) => tracing::debug!("a connection was gone before it was accepted: {error}"),
        }
    }
    guard.done();
}

fn admit(shared: &Arc<Shared>, stream: TcpStream, remote: SocketAddr) -> Result<(), Full> {
    let limits = &shared.settings.client;
    let admitted = shared.clients.admit(remote, limits.total_max, limits.per_address_max, |id| {
        let outbox = Outbox::new(Arc::clone(&shared.pipeline), identities_of(remote.ip()));
        Client::new(id, remote, outbox, shared.threads.place(), clock::monotonic(), clock::wall_ms())
    });
    let socket = SockRef::from(&stream);
    let client = match admitted {
        Ok(client) => client,
        Err(full) => {
            // The client learns at once; nothing of ours waits for it.
            let _ = socket.set_linger(Some(Duration::ZERO));
            return Err(full);
        }
    };
    // zk: NIOServerCnxn: no delay, no linger, keep-alive by setting; a socket that is gone fails at its first read
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_keepalive(limits.keep_alive);
    client.place.spawn(connection::serve(Arc::clone(shared), stream.into_std(), Arc::clone(&client)));
    Ok(())
}

/// An IPv4 client of a port for both families is an IPv4 client.
fn canonical(remote: SocketAddr) -> SocketAddr {
    SocketAddr::new(remote.ip().to_canonical(), remote.port())
}

fn is_out_of_resources(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// One line a second, with the number of those that it stands for.
#[derive(Default)]
struct Refusals {
    last_line: Option<Instant>,
    unsaid: u64,
}

impl Refusals {
    fn log(&mut self, remote: SocketAddr, full: Full) {
        if self.last_line.is_some_and(|at| at.elapsed() < REFUSAL_LINE_EVERY) {
            self.unsaid += 1;
            return;
        }
        tracing::warn!(%remote, unsaid = self.unsaid, "connection refused: {full}");
        self.last_line = Some(Instant::now());
        self.unsaid = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_clients_of_a_dual_port_are_ipv4_clients() {
        assert_eq!(canonical("[::ffff:10.0.0.1]:7".parse().unwrap()), "10.0.0.1:7".parse().unwrap());
        assert_eq!(canonical("[::1]:7".parse().unwrap()), "[::1]:7".parse().unwrap());
    }

    #[test]
    fn running_out_of_descriptors_is_known() {
        assert!(is_out_of_resources(&io::Error::from_raw_os_error(24)));
        assert!(!is_out_of_resources(&io::ErrorKind::ConnectionAborted.into()));
    }

    fn place(asked: Option<&str>, wanted: &str) -> Place {
        let wanted = Some(wanted.parse().unwrap());
        Place { asked: asked.map(host_port), wanted, bound: wanted, task: None, lookup: None }
    }

    fn host_port(text: &str) -> HostPort {
        let (host, port) = text.rsplit_once(':').unwrap();
        HostPort { host: host.to_owned(), port: port.parse().unwrap() }
    }

    #[test]
    fn the_same_client_address_is_neither_looked_up_nor_moved_to() {
        for own in ["no-such-name.invalid:7", "10.0.0.1:7", "0.0.0.0:7"] {
            let mut place = place(Some(own), "10.0.0.1:7");
            assert_eq!(place.ask(&host_port(own)), Asked::Same, "{own}");
            assert_eq!(place.bound, Some("10.0.0.1:7".parse().unwrap()), "{own}");
        }
    }

    #[test]
    fn a_client_port_moves_when_the_address_is_known_to_be_another() {
        let mut place = place(Some("own:7"), "10.0.0.1:7");
        // A name is looked up elsewhere, and until then all stays.
        assert_eq!(place.ask(&host_port("new:7")), Asked::Name);
        assert_eq!(place.ask(&host_port("new:7")), Asked::Same, "one lookup at a time");
        assert_eq!(place.bound, Some("10.0.0.1:7".parse().unwrap()));
        assert!(!place.move_to("10.0.0.1:7".parse().unwrap()), "another name of the same place");
        assert!(place.bound.is_some());
        for (client, at, is_any, moves) in [
            ("10.0.0.2:7", "10.0.0.2:7", false, true),
            ("0.0.0.0:7", "[::]:7", true, true),
            (":::7", "[::]:7", true, false),
            ("::1:7", "[::1]:7", false, true),
        ] {
            let wanted = at.parse().unwrap();
            let asked = place.ask(&host_port(client));
            assert_eq!(asked, Asked::Address { wanted, any_host: is_any }, "{client}");
            assert_eq!(place.move_to(wanted), moves, "{client}");
        }
        assert_eq!(place.bound, None);
    }
}
