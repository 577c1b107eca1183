//! The mesh of the election port: one connection for each pair of servers, kept by the one with the larger id.
//!
//! ```text
//!   send, connect_all ──▶ table (one lock, no waiting) ──▶ dial tasks, one a peer
//!                           ▲    │                             │
//!   port ──▶ handshakes ────┘    └──────▶ link tasks ◀─────────┘
//!                                            │
//!            incoming ◀── forwarder ◀── inbox ┘
//! ```
//!
//! * [`initial_message`]: who a connection is, bytes only. [`table`]: all decisions, no sockets.
//! * [`accept`], [`dial`], [`link`]: the sockets. [`inbox`]: what was received. [`settings`]: every limit, with its reason.
//!
//! Nothing here waits for a peer while it holds something that another peer needs. Who is no member is heard and
//! answered, but has places, queues and rates of its own.

mod accept;
mod budget;
mod dial;
mod inbox;
pub(crate) mod initial_message;
mod link;
pub(crate) mod settings;
mod table;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use ensemble::{HostPort, Member, ServerId};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub(crate) use settings::{MeshSettings, members_of};
pub(crate) use table::Members;

use crate::shell::lock;
use accept::{FOR_EVER, Listening};
use inbox::Inbox;
use settings::election_addresses;
use table::{DialOrder, Seat, Table};

/// The election port and all its connections; they close when it is dropped.
// zk: QuorumCnxManager
#[derive(Debug)]
pub(crate) struct Mesh {
    shared: Arc<Shared>,
    closing: watch::Sender<()>,
    ended: mpsc::Receiver<Infallible>,
}

/// What the tasks of a mesh share.
#[derive(Debug)]
struct Shared {
    settings: MeshSettings,
    table: Mutex<Table>,
    /// Our election addresses as they are now.
    own_addresses: Mutex<Vec<HostPort>>,
    /// Counts the places where we listened.
    places: watch::Sender<u64>,
    inbox: Inbox,
    handshakes: accept::Handshakes,
    runtime: Handle,
    closing: watch::Receiver<()>,
    /// Goes with the last task.
    _alive: mpsc::Sender<Infallible>,
}

impl Mesh {
    /// Binds the own addresses and accepts. What peers send goes to `incoming`; while nobody takes it, the oldest is
    /// forgotten. A name that has no address yet is waited for meanwhile.
    ///
    /// # Errors
    /// When none of the addresses can be bound after all attempts: the process cannot take part in elections.
    /// `on_failure` is told so if that turns out later.
    // zk: QuorumCnxManager.Listener.run
    pub(crate) async fn start(
        settings: MeshSettings,
        members: Members,
        incoming: mpsc::Sender<(ServerId, Bytes)>,
        on_failure: impl FnOnce(io::Error) + Send + 'static,
    ) -> io::Result<Self> {
        if settings.own_addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no election address of our own"));
        }
        let (closing, closing_seen) = watch::channel(());
        let (alive, ended) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            table: Mutex::new(Table::new(&settings, members, Instant::now())),
            own_addresses: Mutex::new(settings.own_addresses.clone()),
            places: watch::Sender::new(0),
            settings,
            inbox: Inbox::default(),
            handshakes: accept::Handshakes::default(),
            runtime: Handle::current(),
            closing: closing_seen,
            _alive: alive,
        });
        let mesh = Self { shared, closing, ended };
        mesh.listen(on_failure).await?;
        mesh.shared.spawn(forward(Arc::clone(&mesh.shared), incoming));
        Ok(mesh)
    }

    /// Comes back when one address is bound or waits for its name, the others go on by themselves; or when none is.
    async fn listen(&self, on_failure: impl FnOnce(io::Error) + Send + 'static) -> io::Result<()> {
        let (progress, mut outcomes) = mpsc::channel(1);
        for address in accept::addresses(&self.shared) {
            let attempts = self.shared.settings.bind_attempts;
            self.shared.spawn(accept::run(Arc::clone(&self.shared), address, attempts, progress.clone()));
        }
        drop(progress);
        let mut failure = io::Error::other("the listeners ended");
        while let Some(outcome) = outcomes.recv().await {
            match outcome {
                Listening::Bound => return Ok(()),
                Listening::Waits => {
                    self.shared.spawn(watch_the_rest(outcomes, on_failure));
                    return Ok(());
                }
                Listening::Failed(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Sends `message` to a server, instead of one that still waits for it, and starts to connect if need be. A message
    /// to ourselves comes in at once.
    pub(crate) fn send(&self, to: ServerId, message: Bytes) {
        if !link::can_be_sent(to, &message) {
            return;
        }
        if to == self.shared.settings.me {
            self.shared.inbox.put(to, message, true);
            return;
        }
        let order = self.shared.table().queue(to, message);
        order.into_iter().for_each(|order| self.shared.spawn_dial(order));
        self.check(to);
    }

    /// Tries again, now, to connect to every member that was sent something and is not connected.
    pub(crate) fn connect_all(&self) {
        self.shared.connect_all();
        let linked = self.shared.table().linked_peers();
        linked.into_iter().for_each(|peer| self.check(peer));
    }

    /// Looks whether the connection to a member with several addresses is still of use, where addresses are probed.
    fn check(&self, to: ServerId) {
        if self.shared.settings.paths.probe.is_some()
            && let Some(check) = self.shared.table().begin_check(to)
        {
            self.shared.spawn(dial::check(Arc::clone(&self.shared), check));
        }
    }

    /// We are elsewhere, if our line says so: listens there, and tells whom we dial. Connections stay.
    // zk: QuorumPeer.restartLeaderElection
    // diverges(reconfig-keeps-connections): the reference closes all
    pub(crate) fn move_to(&self, own: &Member) {
        let addresses = election_addresses(own);
        if std::mem::replace(&mut *lock(&self.shared.own_addresses), addresses.clone()) == addresses {
            return;
        }
        self.shared.places.send_modify(|places| *places += 1);
        // Nobody waits: each task goes on until it listens, and says how it goes.
        let (bound, _) = mpsc::channel(1);
        for address in accept::addresses(&self.shared) {
            self.shared.spawn(accept::run(Arc::clone(&self.shared), address, FOR_EVER, bound.clone()));
        }
    }

    /// Other members, committed and proposed ones together. Connections stay.
    pub(crate) fn set_members(&self, members: Members) {
        self.shared.table().set_members(members);
    }

    /// Whether there is a connection to this server.
    #[cfg(test)]
    pub(crate) fn is_connected(&self, peer: ServerId) -> bool {
        self.shared.table().is_connected(peer)
    }

    /// Whether all was sent that waited for at least one server: then the election repeats itself, else it reconnects.
    #[cfg(test)]
    pub(crate) fn has_delivered(&self) -> bool {
        self.shared.table().has_delivered()
    }

    /// Closes the port and all connections, and comes back when they are closed.
    pub(crate) async fn close(self) {
        let Self { shared, closing, mut ended } = self;
        drop(shared);
        drop(closing);
        ended.recv().await;
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// A task that ends with the mesh.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut closing = self.closing.clone();
        self.runtime.spawn(async move {
            tokio::select! {
                _ = closing.changed() => {}
                () = task => {}
            }
        });
    }

    fn connect_all(self: &Arc<Self>) {
        let orders = self.table().connect_all();
        orders.into_iter().for_each(|order| self.spawn_dial(order));
    }

    fn spawn_dial(self: &Arc<Self>, order: DialOrder) {
        self.spawn(dial::run(Arc::clone(self), order));
    }

    fn spawn_link(self: &Arc<Self>, seat: Seat, stream: TcpStream) {
        self.spawn(link::run(Arc::clone(self), seat, stream));
    }

    fn spawn_handshake(self: &Arc<Self>, ticket: accept::Ticket, stream: TcpStream, remote: SocketAddr) {
        self.spawn(accept::handshake(Arc::clone(self), ticket, stream, remote));
    }
}

/// None was bound so far, one waits for its name. Listeners that end because we are elsewhere say nothing.
async fn watch_the_rest(mut outcomes: mpsc::Receiver<Listening>, on_failure: impl FnOnce(io::Error)) {
    let mut failure = None;
    while let Some(outcome) = outcomes.recv().await {
        match outcome {
            Listening::Bound => return,
            Listening::Waits => {}
            Listening::Failed(error) => failure = Some(error),
        }
    }
    if let Some(error) = failure {
        on_failure(error);
    }
}

/// Passes on what was received, as fast as it is taken.
async fn forward(shared: Arc<Shared>, incoming: mpsc::Sender<(ServerId, Bytes)>) {
    while let Ok(place) = incoming.reserve().await {
        place.send(shared.inbox.take().await);
    }
}
