//! The leader's side.

mod recent;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use ensemble::{ServerId, Verifier};
use jute::{SessionId, TxnRecord, Zxid};

use crate::{LearnerReport, LinkId, LogProbe, Outgoing, Packet, Request};

pub use recent::Recent;

/// What a leader obeys.
#[derive(Debug, Clone)]
pub struct LeaderSettings {
    /// Its id.
    pub me: ServerId,
    /// Length of a tick in milliseconds.
    pub tick_ms: u32,
    /// Ticks for discovery and synchronisation.
    pub init_limit: u32,
    /// Ticks of silence, or of lag, that a learner may have.
    pub sync_limit: u32,
    /// Every learner gets a snapshot (`zookeeper.forceSnapshotSync`).
    pub forces_snapshot: bool,
    /// Whether the log on disk may be sent in place of a snapshot (`zookeeper.snapshotSizeFactor` >= 0).
    pub sends_log: bool,
}

/// What a leader begins with.
#[derive(Debug, Clone)]
pub struct LeaderStart {
    /// The last epoch that this server accepted.
    pub accepted_epoch: i32,
    /// Its current epoch.
    pub current_epoch: i32,
    /// The end of its history: all of it is durable here and applied.
    pub last: Zxid,
    /// The end of its history as a reader of the state sees it: the same, or the first zxid of an epoch without transactions.
    pub last_processed: Zxid,
    /// The last transactions, which need no look at the disk.
    pub recent: Recent,
}

/// What a leader wants done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaderAction {
    /// Make this the accepted epoch, durably; then [`Leader::on_accepted_epoch_written`].
    WriteAcceptedEpoch(i32),
    /// Make this the current epoch, durably; then [`Leader::on_current_epoch_written`].
    WriteCurrentEpoch(i32),
    /// Put this into a learner's stream.
    Send {
        /// Its link.
        link: LinkId,
        /// What it gets.
        what: Outgoing,
    },
    /// Close a learner's link, behind what was put into it.
    Close {
        /// Its link.
        link: LinkId,
        /// Why.
        why: Refusal,
    },
    /// What does the log on disk prove about this history? Then [`Leader::on_log_probed`].
    ProbeLog {
        /// For whom.
        link: LinkId,
        /// The end of the learner's history.
        peer: Zxid,
    },
    /// A quorum has the history; the first transaction of the epoch gets `first` + 1.
    Established {
        /// The first zxid of the epoch, which no transaction has.
        first: Zxid,
    },
    /// Everything up to here is committed.
    Committed {
        /// The last of it.
        zxid: Zxid,
    },
    /// A learner's client asks for something.
    Forwarded {
        /// Where it came from.
        link: LinkId,
        /// What it is.
        request: Request,
    },
    /// A learner asks whether a session may go on at it; the answer is sent as a packet.
    Revalidate {
        /// Where it came from.
        link: LinkId,
        /// The session.
        session: SessionId,
        /// Its timeout in milliseconds.
        timeout_ms: i32,
    },
    /// Sessions that a learner heard of.
    Heard {
        /// The sessions and their timeouts in milliseconds.
        sessions: Vec<(SessionId, i32)>,
    },
    /// This server cannot lead any longer. Nothing follows.
    Abdicate {
        /// Why.
        why: Abdication,
    },
    /// Something for the log of the process.
    Note(LeaderNote),
}

/// Why a learner is sent away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It sent this where it has no place.
    Unexpected(&'static str),
    /// It knows a newer membership than we do.
    NewerConfig(i64),
    /// It did not take part in time, or fell behind.
    TimedOut(&'static str),
    /// The same server came again on another link.
    Replaced,
    /// It acknowledged what it was not sent.
    WrongAck(Zxid),
    /// The leader ends.
    LeaderEnds,
    /// The log could not be read for it.
    Log(String),
}

/// Why a leader ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Abdication {
    /// No quorum agreed on an epoch in time.
    NoQuorumForEpoch,
    /// A follower has a newer history.
    NewerFollower(ServerId),
    /// No quorum got the history in time.
    NoQuorumForHistory,
    /// No quorum was heard of for a tick.
    LostQuorum,
    /// The counter of the epoch is used up.
    EpochUsedUp,
    /// The epochs are used up.
    NoEpochLeft,
}

/// What a leader has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaderNote {
    /// A learner introduced itself.
    Introduced {
        /// Its link.
        link: LinkId,
        /// Its id.
        server: ServerId,
        /// Whether it votes.
        is_follower: bool,
    },
    /// How a learner gets the history.
    Synchronising {
        /// The learner.
        server: ServerId,
        /// The end of its history.
        peer: Zxid,
        /// In words of the protocol.
        how: &'static str,
        /// Where that begins.
        from: Zxid,
    },
    /// A learner has the history.
    Synchronised {
        /// The learner.
        server: ServerId,
    },
    /// A packet of an unknown type.
    UnknownPacket {
        /// The learner.
        server: ServerId,
        /// The type.
        packet_type: i32,
    },
}

/// The leader of an epoch, from its election to its end.
#[derive(Debug)]
pub struct Leader {}

impl Leader {
    /// Begins to lead: waits for a quorum of voters to introduce themselves.
    pub fn new(
        _settings: LeaderSettings,
        _verifier: Arc<Verifier>,
        _start: LeaderStart,
        _now_ms: u64,
        _out: &mut Vec<LeaderAction>,
    ) -> Self {
        Self {}
    }

    /// A learner connected.
    pub fn on_accepted(&mut self, _now_ms: u64, _link: LinkId, _out: &mut Vec<LeaderAction>) {}

    /// A learner sent a packet.
    pub fn on_packet(&mut self, _now_ms: u64, _link: LinkId, _packet: Packet, _out: &mut Vec<LeaderAction>) {}

    /// A link is gone, whoever closed it.
    pub fn on_lost(&mut self, _now_ms: u64, _link: LinkId, _out: &mut Vec<LeaderAction>) {}

    /// The answer to [`LeaderAction::ProbeLog`].
    pub fn on_log_probed(
        &mut self,
        _now_ms: u64,
        _link: LinkId,
        _probe: Result<LogProbe, String>,
        _out: &mut Vec<LeaderAction>,
    ) {
    }

    /// The accepted epoch is durable.
    pub fn on_accepted_epoch_written(&mut self, _now_ms: u64, _out: &mut Vec<LeaderAction>) {}

    /// The current epoch is durable.
    pub fn on_current_epoch_written(&mut self, _now_ms: u64, _out: &mut Vec<LeaderAction>) {}

    /// The own log holds everything up to here.
    pub fn on_durable(&mut self, _now_ms: u64, _zxid: Zxid, _out: &mut Vec<LeaderAction>) {}

    /// The zxid for one more transaction; `None` when the epoch's counter is used up: the leader has abdicated in `out`.
    pub fn next_zxid(&mut self, _out: &mut Vec<LeaderAction>) -> Option<Zxid> {
        None
    }

    /// Proposes a transaction with the zxid that [`Leader::next_zxid`] gave. The caller appends it to the own log.
    pub fn propose(&mut self, _now_ms: u64, _record: Arc<TxnRecord>, _out: &mut Vec<LeaderAction>) {}

    /// A moment that [`Leader::next_deadline`] named has come.
    pub fn on_deadline(&mut self, _now_ms: u64, _out: &mut Vec<LeaderAction>) {}

    /// When something is due.
    pub fn next_deadline(&self) -> Option<u64> {
        None
    }

    /// Whether a quorum has the history.
    pub fn is_established(&self) -> bool {
        false
    }

    /// The epoch, once a quorum agreed on it.
    pub fn epoch(&self) -> Option<i32> {
        None
    }

    /// The last zxid that was given to a transaction.
    pub fn last_proposed(&self) -> Zxid {
        Zxid::ZERO
    }

    /// The last transaction that is committed.
    pub fn committed(&self) -> Zxid {
        Zxid::ZERO
    }

    /// Number of transactions that are proposed and not committed.
    pub fn outstanding(&self) -> usize {
        0
    }

    /// Whether some voter's log holds everything that was proposed: it would win an election at once.
    pub fn has_successor(&self) -> bool {
        false
    }

    /// All learners.
    pub fn learners(&self) -> Vec<LearnerReport> {
        Vec::new()
    }

    /// Ends: the last transactions, for the next role.
    #[must_use]
    pub fn into_recent(self) -> Recent {
        Recent::new(0)
    }
}

impl fmt::Display for Abdication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoQuorumForEpoch => f.write_str("no quorum agreed on an epoch in time"),
            Self::NewerFollower(server) => write!(f, "server {server} has a newer history"),
            Self::NoQuorumForHistory => f.write_str("no quorum got the history in time"),
            Self::LostQuorum => f.write_str("no quorum of synchronised followers was heard of"),
            Self::EpochUsedUp => f.write_str("the counter of the epoch is used up"),
            Self::NoEpochLeft => f.write_str("the epochs are used up"),
        }
    }
}
