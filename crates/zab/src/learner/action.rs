use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use ensemble::{ServerId, Verifier};
use jute::{SessionId, TxnRecord, Zxid};

use crate::Packet;

/// What a learner obeys.
#[derive(Debug, Clone)]
pub struct LearnerSettings {
    /// Its id; `None` for an observer without one.
    pub me: Option<ServerId>,
    /// Whether it only learns what is committed.
    pub is_observer: bool,
    /// Whom it learns from.
    pub leader: ServerId,
    /// The epoch that the leader had when it was elected, if the election told: an older one is not followed.
    pub elected_epoch: Option<i32>,
    /// Version of the membership that it knows.
    pub config_version: i64,
    /// Length of a tick in milliseconds.
    pub tick_ms: u32,
    /// Ticks for connecting and synchronisation.
    pub init_limit: u32,
    /// Ticks of silence that the leader may have.
    pub sync_limit: u32,
    /// The membership may change (`reconfigEnabled`).
    pub reconfig_enabled: bool,
    /// A member may have several addresses (`multiAddress.enabled`).
    pub multi_address: bool,
}

/// Attempts to connect to a leader, before the next election.
// zk: Learner.LeaderConnector.connectToLeader
pub const DIAL_ATTEMPTS: u32 = 5;

/// Milliseconds between two attempts to connect.
// zk: zookeeper.leaderConnectDelayDuringRetryMs
pub const DIAL_PAUSE_MS: u64 = 100;

/// What a learner begins with.
#[derive(Debug, Clone, Copy)]
pub struct LearnerStart {
    /// The last epoch that this server accepted.
    pub accepted_epoch: i32,
    /// Its current epoch.
    pub current_epoch: i32,
    /// The end of its history: all of it is durable here and applied.
    pub last: Zxid,
    /// Nobody else has the end of it, as far as is known: a history without it is refused.
    pub keeps_history: bool,
}

/// What happens on the way to the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// The connection stands.
    Connected,
    /// The leader sent a packet. Behind SNAP none comes before [`Upstream::SnapshotReceived`].
    Packet(Packet),
    /// More of the state behind SNAP came: the leader lives. Told at least once a tick while it comes.
    Receiving,
    /// The state behind SNAP is here, whole and with its signature, and waits to be adopted.
    SnapshotReceived,
    /// The connection is gone, or never stood.
    Lost {
        /// Why.
        why: String,
    },
}

/// What a learner wants done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LearnerAction {
    /// Connect to the leader: at most [`DIAL_ATTEMPTS`] times with [`DIAL_PAUSE_MS`] between them, and for at most this long
    /// in all.
    Dial {
        /// Whom.
        leader: ServerId,
        /// Milliseconds.
        within_ms: u64,
    },
    /// Send a packet to the leader.
    Send(Packet),
    /// Make this the accepted epoch, durably; then [`Learner::on_accepted_epoch_written`].
    WriteAcceptedEpoch(i32),
    /// Make this the current epoch, durably; then [`Learner::on_current_epoch_written`].
    WriteCurrentEpoch(i32),
    /// Cut log and snapshots above this zxid and bring the state back from what remains; then [`Learner::on_truncated`].
    Truncate(Zxid),
    /// Put the state that was received in place of ours. Its zxid is that of the SNAP packet. The transactions that were
    /// committed meanwhile and [`LearnerAction::InstallSnapshot`] follow in the same step, so memory is never ahead of what the
    /// disk is told.
    AdoptSnapshot {
        /// The zxid of the SNAP packet.
        zxid: Zxid,
    },
    /// Make the state as it is now, `zxid`, durable as a snapshot that replaces all that the log held; then
    /// [`Learner::on_snapshot_installed`].
    InstallSnapshot {
        /// The last transaction in it.
        zxid: Zxid,
    },
    /// Append to the log.
    Append(Arc<TxnRecord>),
    /// Apply: it is committed.
    Apply(Arc<TxnRecord>),
    /// Apply with the tolerance of a fuzzy window: the state may hold it in part.
    ApplyFuzzy(Arc<TxnRecord>),
    /// Serve clients.
    Serve {
        /// The epoch.
        epoch: i32,
    },
    /// The leader asks who was heard of; the answer is PING with `zxid` and the sessions.
    AnswerPing {
        /// What it sent.
        zxid: Zxid,
    },
    /// The leader's answer on a session.
    Revalidated {
        /// The session.
        session: SessionId,
        /// Whether it goes on here.
        is_valid: bool,
    },
    /// The oldest sync that was asked for is reached.
    Synced,
    /// This membership is proposed: from now on its quorum is needed too. Make it durable before what follows.
    See(Arc<Verifier>),
    /// This membership is in force. Where that changes the role or the leader, the learner is to be left behind.
    Activate {
        /// The membership.
        verifier: Arc<Verifier>,
        /// Who leads from now on, by which transaction; nothing is said of it when the leader had it before.
        appointed: Option<(ServerId, Zxid)>,
    },
    /// The history here is of no use: give it up, and come back with nothing and without a vote. [`LearnerAction::Leave`] follows.
    GiveUpHistory {
        /// Why.
        why: String,
    },
    /// Stop following. Nothing follows. What the disk was asked for before goes on: its answers must be awaited before the
    /// history is looked at again.
    Leave {
        /// Why.
        why: Departure,
    },
    /// Something for the log of the process.
    Note(LearnerNote),
}

/// Why a learner leaves its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// The connection is gone.
    Lost(String),
    /// The leader was silent, or did not finish in time.
    TimedOut(&'static str),
    /// The leader's epoch is older than one that was accepted, or that it was elected with.
    OldEpoch(i32),
    /// It sent this where it has no place.
    Unexpected(&'static str),
    /// A transaction does not go on from the one before.
    Gap {
        /// The one before.
        before: Zxid,
        /// What came.
        came: Zxid,
    },
    /// A commit of something that was not proposed.
    UnknownCommit(Zxid),
    /// The log could not be cut to where the leader says.
    NotTruncated(String),
    /// The membership in this transaction cannot be read.
    BadMembership(Zxid),
    /// What was written here standalone would be lost.
    WouldLose {
        /// The end of our history.
        ours: Zxid,
        /// Where the leader's synchronisation begins.
        theirs: Zxid,
    },
    /// It proposes, or has us wait for, more than can be held in memory.
    TooMuchHeld,
}

/// What a learner has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LearnerNote {
    /// How the history comes.
    Synchronising {
        /// In words of the protocol.
        how: &'static str,
        /// The zxid of the packet.
        zxid: Zxid,
    },
    /// The history is here.
    Synchronised {
        /// The epoch.
        epoch: i32,
    },
    /// A repeat of the last zxid, which the reference sends for requests that it cannot read.
    Repeated(Zxid),
    /// The first transaction of a newer epoch is not that epoch's first.
    Jumped {
        /// The one before.
        before: Zxid,
        /// What came.
        came: Zxid,
    },
    /// The membership in NEWLEADER cannot be read, and is ignored.
    BadMembership,
    /// A packet that was ignored.
    Ignored(&'static str),
    /// A packet of an unknown type, which was ignored.
    UnknownPacket(i32),
}

impl Departure {
    /// Whether the two say the same to an operator; the zxids of a leader that goes on do not matter.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::WouldLose { ours, .. }, Self::WouldLose { ours: again, .. }) => ours == again,
            (Self::OldEpoch(_), Self::OldEpoch(_)) => true,
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(why) => write!(f, "the connection to the leader is gone: {why}"),
            Self::TimedOut(what) => write!(f, "the leader took too long: {what}"),
            Self::OldEpoch(epoch) => {
                write!(
                    f,
                    "the leader's epoch {epoch} is older than one that was accepted or elected here; are the data of another ensemble?"
                )
            }
            Self::Unexpected(what) => write!(f, "the leader sent {what}, which has no place here"),
            Self::Gap { before, came } => write!(f, "transaction {came} does not go on from {before}"),
            Self::UnknownCommit(zxid) => write!(f, "commit of {zxid}, which was not proposed"),
            Self::NotTruncated(why) => write!(f, "the log could not be cut: {why}"),
            Self::BadMembership(zxid) => write!(f, "the membership in transaction {zxid} cannot be read"),
            Self::WouldLose { ours, theirs } => write!(
                f,
                "the leader's history ({theirs}) does not contain what was written here standalone up to {ours}; \
                 empty the data directories of the other servers, so that this one leads, or start this one with \
                 --discard-local-data"
            ),
            Self::TooMuchHeld => f.write_str("the leader sends more than can be held in memory"),
        }
    }
}

impl fmt::Display for LearnerNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Synchronising { how, zxid } => write!(f, "the history comes by {how} {zxid}"),
            Self::Synchronised { epoch } => write!(f, "the history of epoch {epoch} is here"),
            Self::Repeated(zxid) => write!(f, "transaction {zxid} came again, with an error"),
            Self::Jumped { before, came } => {
                write!(f, "transaction {came}, which follows {before}, is not the first of its epoch")
            }
            Self::BadMembership => f.write_str("the leader's membership cannot be read and is ignored"),
            Self::Ignored(what) => write!(f, "ignored {what}"),
            Self::UnknownPacket(packet_type) => {
                write!(f, "the leader sent a packet of the unknown type {packet_type}")
            }
        }
    }
}
