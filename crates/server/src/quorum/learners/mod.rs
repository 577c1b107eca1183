//! The leader's end: the quorum port, and one link for each learner; or a follower's, its port for observers.
//!
//! ```text
//! port ──▶ accept task ──▶ reader task ── PeerMessage ──▶ replica thread
//!                          writer task ◀── queue ──────── LearnerLinks
//! ```
//!
//! * A learner's queue is the one ordered stream to it; what is too much for its limit closes the link.
//! * The port is open while the replica says so.

mod queue;
mod reader;
mod silent;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ensemble::HostPort;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zab::LinkId;

use super::{PeerMessage, PortSettings};
use crate::own_name::{self, LOOKUP_EVERY, SaidLately};
use crate::shell::Shared;

use silent::Silent;

pub(crate) use queue::{Item, LinkQueue};

/// Links that may stand at once. Beyond them the oldest that has said nothing yet gives way to a new one.
const LINKS_MAX: usize = 1024;
/// Pause before the port is bound again for the first time; it doubles up to [`BIND_RETRY_EVERY`].
const BIND_RETRY_FIRST: Duration = Duration::from_millis(10);
/// Pause before the port is bound again.
const BIND_RETRY_EVERY: Duration = Duration::from_secs(1);
/// Pause when no connection can be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that the kernel holds for us, Java's default.
const BACKLOG: i32 = 50;

/// All links of learners, as the replica thread sees them.
pub(crate) struct LearnerLinks {
    links: HashMap<LinkId, LinkQueue>,
    listening: Option<JoinHandle<()>>,
    last: Arc<std::sync::atomic::AtomicU64>,
}

impl LearnerLinks {
    pub(crate) fn new() -> Self {
        Self { links: HashMap::new(), listening: None, last: Arc::default() }
    }

    /// Opens a port, the `name` of which is for the log: the quorum port of a leader, or that of a follower for observers.
    pub(crate) fn listen(
        &mut self,
        name: &'static str,
        addresses: Vec<HostPort>,
        runtime: &Handle,
        shared: &Arc<Shared>,
        settings: &Arc<PortSettings>,
        out: &mpsc::Sender<PeerMessage>,
    ) {
        self.stop_listening();
        let acceptor = Acceptor {
            shared: Arc::clone(shared),
            name,
            addresses,
            settings: Arc::clone(settings),
            out: out.clone(),
            last: Arc::clone(&self.last),
            silent: Silent::default(),
        };
        self.listening = Some(runtime.spawn(acceptor.run()));
    }

    /// Closes the port; links stay.
    pub(crate) fn stop_listening(&mut self) {
        if let Some(task) = self.listening.take() {
            task.abort();
        }
    }

    /// A learner connected.
    pub(crate) fn add(&mut self, link: LinkId, queue: LinkQueue) {
        self.links.insert(link, queue);
    }

    /// Its link is gone.
    pub(crate) fn remove(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// Puts something into the stream to a learner. Links that are gone are passed over: `LearnerLost` is on its way.
    pub(crate) fn send(&self, link: LinkId, item: Item) {
        if let Some(queue) = self.links.get(&link) {
            queue.put(item);
        }
    }
}

impl Drop for LearnerLinks {
    fn drop(&mut self) {
        self.stop_listening();
    }
}

/// The task behind the port.
struct Acceptor {
    shared: Arc<Shared>,
    name: &'static str,
    addresses: Vec<HostPort>,
    settings: Arc<PortSettings>,
    out: mpsc::Sender<PeerMessage>,
    last: Arc<std::sync::atomic::AtomicU64>,
    silent: Silent,
}

impl Acceptor {
    async fn run(self) {
        let mut addresses = self.addresses.clone();
        if self.settings.listens_on_all {
            addresses.iter_mut().for_each(|address| "::".clone_into(&mut address.host));
            addresses.dedup();
        }
        join_all(addresses.iter().map(|address| self.serve(address))).await;
    }

    /// One address; that it cannot be bound keeps no other from being served.
    async fn serve(&self, address: &HostPort) {
        let listener = self.bind(address).await;
        tracing::info!(%address, "waiting for learners at the {}", self.name);
        self.accept(listener).await;
    }

    /// Tries until it works: the name may have no address yet, another process may hold the port, or for a moment our own
    /// listener of before.
    // zk: Leader.createServerSocket
    // diverges(waits-for-own-name): a leader of the reference gives up
    async fn bind(&self, address: &HostPort) -> TcpListener {
        let (mut pause, mut said) = (BIND_RETRY_FIRST, SaidLately::default());
        loop {
            let candidates =
                own_name::wait_for(self.name, address, LOOKUP_EVERY, || own_name::resolve(address)).await;
            match own_name::bind_first(candidates, BACKLOG) {
                Ok(listener) => return listener,
                Err(error) if pause == BIND_RETRY_EVERY && said.is_due(std::time::Instant::now()) => {
                    tracing::error!(%address, "the {} cannot be bound: {error}; tried again", self.name);
                }
                Err(error) => tracing::debug!(%address, "the {} cannot be bound yet: {error}", self.name),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BIND_RETRY_EVERY);
        }
    }

    async fn accept(&self, listener: TcpListener) {
        loop {
            let (stream, remote) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("no learner can be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let count = self.shared.learner_links.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let admitted = LinkCount(Arc::clone(&self.shared));
            if count >= LINKS_MAX && !self.silent.evict() {
                tracing::warn!(%remote, "a learner is refused: {LINKS_MAX} links stand already");
                continue;
            }
            // A failure shows at the first read.
            let _ = stream.set_nodelay(self.settings.leader_no_delay);
            super::keep_alive(&stream, self.settings.keep_alive);
            let link = LinkId(self.last.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1);
            let (read, write) = stream.into_split();
            let (queue, items) = queue::pair(self.settings.queue_bytes_max);
            let connected = PeerMessage::LearnerConnected { link, remote, queue };
            if self.out.send(connected).await.is_err() {
                return;
            }
            let ending = reader::Ending::default();
            let silence = self.silent.add(link, ending.clone());
            let writer =
                writer::run(Arc::clone(&self.shared), items, write, self.settings.sync_time, ending.clone());
            tokio::spawn(writer);
            let (settings, out) = (Arc::clone(&self.settings), self.out.clone());
            tokio::spawn(async move {
                reader::run(settings, link, remote, read, out, ending, silence).await;
                drop(admitted);
            });
        }
    }
}

/// One of the links that stand.
struct LinkCount(Arc<Shared>);

impl Drop for LinkCount {
    fn drop(&mut self) {
        self.0.learner_links.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Runs all until all have ended.
async fn join_all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        pending.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
