//! The running server: who owns what, and who talks to whom.
//!
//! ```text
//!  accept ──▶ connection threads (tokio) ─ Message, bounded ──▶ replica thread ── Batch, bounded ──▶ disk thread
//!                   │  ▲                                        │      ▲                               │
//!                   │  └── outbox changed: one bell a thread ───┘      └── durable zxid: atomic+Notify ─┘
//!                   └── state (read), watches, own outbox       └── state (write), watches, outboxes
//! ```
//!
//! * Locks are taken in the order state, watches, clients, outbox or a thread's list of changed connections; nobody waits for anything else while holding one.
//! * The disk thread never waits for the replica thread, so that the two cannot stop each other.
//! * A thread or task that ends unexpectedly ends the process: [`alarm`].

pub(crate) mod alarm;
pub(crate) mod clients;
mod connection;
mod digests;
pub(crate) mod disk;
pub(crate) mod listener;
pub(crate) mod membership;
mod parker;
pub(crate) mod replica;
pub(crate) mod snapshots;
pub(crate) mod threads;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ::pipeline::event::Event;
use ::pipeline::settings::PipelineSettings;
use ::pipeline::time::Millis;
use ::replica::{Mode, PeerReport, SessionsReport};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tree::{State, Watches};

use crate::metrics::Metrics;
use crate::quorum::history::History;
use crate::settings::Settings;
use crate::throttle::BlueThrottle;
use crate::words::member::ProposalSizes;
use alarm::Alarm;
use clients::Clients;
use disk::DiskAnswers;
use threads::ConnectionThreads;

/// Messages that may wait for the replica; who has more waits with them.
pub(crate) const INBOX_MAX: usize = 8192;

/// What the replica thread is told.
#[expect(clippy::large_enum_variant, reason = "nearly all are events")]
#[derive(Debug)]
pub(crate) enum Message {
    /// Something for the replica.
    Event(Event),
    /// When does each session expire? For `dump`.
    Sessions(oneshot::Sender<SessionsReport>),
    /// What is a member of an ensemble doing? For words and metrics.
    Peer(oneshot::Sender<Option<PeerReport>>),
}

/// How far the server has come in stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It serves.
    Serving,
    /// It accepts nobody and takes no new requests.
    Draining,
    /// All that was accepted is answered; connections close.
    Closing,
}

/// What all threads and tasks share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) pipeline: Arc<PipelineSettings>,
    pub(crate) state: RwLock<State>,
    pub(crate) watches: Mutex<Watches>,
    pub(crate) clients: Clients,
    pub(crate) threads: ConnectionThreads,
    /// Where all tasks run but those of connections.
    pub(crate) tasks: tokio::runtime::Handle,
    pub(crate) metrics: Metrics,
    pub(crate) throttle: Mutex<BlueThrottle>,
    pub(crate) inbox: mpsc::Sender<Message>,
    pub(crate) stage: watch::Sender<Stage>,
    /// What it is to clients; nothing while a member of an ensemble has no leader. Changes under the state's write lock.
    pub(crate) mode: ModeCell,
    pub(crate) answers: DiskAnswers,
    /// The log, as a leader reads it.
    pub(crate) history: Box<dyn History>,
    /// Sizes of what was proposed to learners.
    pub(crate) proposal_sizes: Mutex<ProposalSizes>,
    /// When clients were served from, in milliseconds of the monotonic clock.
    pub(crate) serving_since: AtomicU64,
    /// Links of learners that stand.
    pub(crate) learner_links: AtomicUsize,
    pub(crate) durable: Durable,
    pub(crate) alarm: Alarm,
    pub(crate) started: Millis,
    /// Forwarded requests without an answer.
    pub(crate) in_process: AtomicUsize,
    /// Bytes of large requests in process.
    pub(crate) large_bytes: AtomicUsize,
    /// `stmk`.
    pub(crate) trace_mask: AtomicI64,
    /// The client port, wherever it is at the moment.
    pub(crate) client_port: listener::ClientPort,
    /// What a member of an ensemble knows of the others.
    pub(crate) membership: Option<membership::Membership>,
    /// `version-2` directories of snapshots and of logs.
    pub(crate) dirs: Dirs,
    pub(crate) is_purging: AtomicBool,
    /// Held by whoever removes files of the history: a purge, or the disk thread when it cuts or replaces.
    pub(crate) changing_history: Mutex<()>,
}

/// Where the files are.
#[derive(Debug, Clone)]
pub(crate) struct Dirs {
    pub(crate) snapshots: PathBuf,
    pub(crate) logs: PathBuf,
}

impl Shared {
    pub(crate) fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server has come so far; all connections learn it.
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
        self.threads.wake(self.clients.all().iter());
    }

    pub(crate) fn is_serving(&self) -> bool {
        *self.stage.borrow() == Stage::Serving && self.mode().is_some()
    }

    /// Whether clients and words are answered: a leader may leave them to the others (`leaderServes`).
    // zk: Leader.lead: setZooKeeperServer
    pub(crate) fn serves_clients(&self) -> bool {
        let leads_only = self.settings.ensemble.as_ref().is_some_and(|member| !member.leader_serves);
        self.is_serving() && !(leads_only && self.mode() == Some(Mode::Leader))
    }

    pub(crate) fn mode(&self) -> Option<Mode> {
        self.mode.get()
    }

    /// Whether what is applied is known to be committed.
    pub(crate) fn is_committed(&self) -> bool {
        self.mode().is_some_and(|mode| mode != Mode::ReadOnly)
    }

    /// zk: ZooKeeperServer.shouldThrottle
    pub(crate) fn is_throttled(&self) -> bool {
        self.in_process.load(Relaxed) > self.pipeline.global_outstanding_limit
    }
}

/// A mode that every connection looks at in each of its turns.
#[derive(Debug)]
pub(crate) struct ModeCell(AtomicU8);

impl ModeCell {
    pub(crate) fn new(mode: Option<Mode>) -> Self {
        Self(AtomicU8::new(Self::number(mode)))
    }

    pub(crate) fn get(&self) -> Option<Mode> {
        match self.0.load(std::sync::atomic::Ordering::Acquire) {
            1 => Some(Mode::Standalone),
            2 => Some(Mode::Leader),
            3 => Some(Mode::Follower),
            4 => Some(Mode::Observer),
            5 => Some(Mode::ReadOnly),
            _ => None,
        }
    }

    pub(crate) fn set(&self, mode: Option<Mode>) {
        self.0.store(Self::number(mode), std::sync::atomic::Ordering::Release);
    }

    fn number(mode: Option<Mode>) -> u8 {
        match mode {
            None => 0,
            Some(Mode::Standalone) => 1,
            Some(Mode::Leader) => 2,
            Some(Mode::Follower) => 3,
            Some(Mode::Observer) => 4,
            Some(Mode::ReadOnly) => 5,
        }
    }
}

/// Takes a lock; a thread that died while holding it has already ended the process.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last zxid that the log holds for good, and a bell for who waits for more.
#[derive(Debug)]
pub(crate) struct Durable {
    zxid: AtomicI64,
    pub(crate) bell: Notify,
}

impl Durable {
    pub(crate) fn new(zxid: jute::Zxid) -> Self {
        Self { zxid: AtomicI64::new(zxid.0), bell: Notify::new() }
    }

    pub(crate) fn get(&self) -> jute::Zxid {
        jute::Zxid(self.zxid.load(std::sync::atomic::Ordering::Acquire))
    }

    pub(crate) fn set(&self, zxid: jute::Zxid) {
        self.zxid.store(zxid.0, std::sync::atomic::Ordering::Release);
        self.bell.notify_one();
    }
}
