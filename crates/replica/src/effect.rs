use alloc::string::String;
use alloc::sync::Arc;

use bytes::Bytes;
use ensemble::{ServerId, Verifier};
use jute::{ErrorCode, OpCode, SessionId, TxnRecord, Zxid};
use pipeline::event::ConnectionId;
use pipeline::outbox::CloseReason;
use pipeline::time::Millis;
use zab::{Attempt, LinkId, Outgoing, Packet};

use crate::{Level, Note};

/// What the world is to do. Effects of a step are carried out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Append to the log; once it is synced, `Event::Durable` says so.
    Append {
        /// The transaction.
        record: Arc<TxnRecord>,
    },
    /// Apply to the state, fire watches, then reply.
    Apply {
        /// The transaction.
        record: Arc<TxnRecord>,
        /// Who waits for it here.
        origin: Option<Origin>,
    },
    /// Reply without a transaction.
    Reply {
        /// Who waits.
        origin: Origin,
        /// What is said.
        what: LocalReply,
    },
    /// Tell a client that its session does not exist, then close.
    RefuseSession {
        /// Its connection.
        connection: ConnectionId,
    },
    /// Tell a client that it has its old session again.
    OpenSession {
        /// Its connection.
        connection: ConnectionId,
        /// The session.
        session: SessionId,
        /// Its timeout from now on.
        timeout_ms: i32,
    },
    /// Close a connection.
    Close {
        /// Which one.
        connection: ConnectionId,
        /// Why.
        why: CloseReason,
    },
    /// Something for the log of the process.
    Note {
        /// How loud.
        level: Level,
        /// What.
        what: Note,
    },
    /// This peer found itself wrong: end the process.
    Halt {
        /// Why.
        why: HaltReason,
    },
    /// Everything that was appended is applied; the process may end.
    Stopped,
    /// Something that only a member of an ensemble wants.
    Peer(PeerEffect),
}

/// What a member of an ensemble wants of the world. Carried out in order with all other effects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEffect {
    /// Send a message to a server's election port. It takes the place of one that still waits.
    Notify {
        /// To whom.
        to: ServerId,
        /// The message.
        message: Bytes,
    },
    /// Try again to reach all members' election ports.
    ConnectAll,
    /// Open our quorum port to learners.
    Listen,
    /// Open our port for observers, while we follow.
    ListenForObservers,
    /// Close whichever of these is open; links that stand are closed one by one.
    StopListening,
    /// Connect to a leader's quorum port, trying again until the time is over; then `Event::Upstream`.
    Dial {
        /// Names this attempt in all that follows.
        attempt: Attempt,
        /// Whom.
        leader: ServerId,
        /// Milliseconds.
        within_ms: u64,
    },
    /// The same with the port for observers of a follower, which then stands in the leader's place.
    DialMaster {
        /// Names this attempt in all that follows.
        attempt: Attempt,
        /// Whom.
        master: ServerId,
        /// Milliseconds.
        within_ms: u64,
    },
    /// Send a packet to the leader.
    SendToLeader {
        /// On which attempt's connection.
        attempt: Attempt,
        /// The packet.
        packet: Packet,
    },
    /// Close the connection to the leader, if there is one; no event of this attempt is of interest any longer.
    HangUp {
        /// Which.
        attempt: Attempt,
    },
    /// Put this into a learner's stream.
    SendToLearner {
        /// Its link.
        link: LinkId,
        /// What it gets. `Outgoing::Snapshot` is the state as it is when this effect is carried out.
        what: Outgoing,
    },
    /// Close a learner's link, behind what was put into it; then `Event::LearnerLost`.
    CloseLearner {
        /// Its link.
        link: LinkId,
        /// Why.
        why: String,
    },
    /// Look what the log on disk can prove about a learner's history; then `Event::LogProbed`.
    ProbeLog {
        /// For whom.
        link: LinkId,
        /// The end of its history.
        peer: Zxid,
    },
    /// Write `acceptedEpoch`, behind all appends before; then `Event::AcceptedEpochWritten`.
    WriteAcceptedEpoch {
        /// The epoch.
        epoch: i32,
    },
    /// Write `currentEpoch`, behind all appends before; then `Event::CurrentEpochWritten`.
    WriteCurrentEpoch {
        /// The epoch.
        epoch: i32,
    },
    /// Behind all appends before: cut the history above this zxid and bring the state back from what remains; then
    /// `Event::Truncated`. Clients and watches are gone already.
    Truncate {
        /// The last zxid that remains.
        zxid: Zxid,
    },
    /// Put the state that came behind SNAP in place of ours.
    AdoptSnapshot {
        /// In which attempt it came.
        attempt: Attempt,
        /// Its zxid.
        zxid: Zxid,
    },
    /// Write the state, as it is when this effect is carried out, as a snapshot that voids the log before it; the log goes
    /// on behind it. Then `Event::SnapshotInstalled`.
    InstallSnapshot {
        /// The last transaction in the state.
        zxid: Zxid,
    },
    /// Apply with the tolerance of a fuzzy window; nobody waits for it here.
    ApplyFuzzy {
        /// The transaction.
        record: Arc<TxnRecord>,
    },
    /// The last processed zxid becomes this, without a transaction: a leader's epoch begins, or its role ends.
    SetLastProcessed {
        /// The zxid.
        zxid: Zxid,
    },
    /// Set log and snapshots aside and go on with nothing; then `Event::HistoryGivenUp`.
    GiveUpHistory {
        /// Why.
        why: String,
    },
    /// This membership is proposed: its members may be talked to. Make it durable before what follows.
    SeeMembership {
        /// The membership.
        verifier: Arc<Verifier>,
    },
    /// This membership is in force: files, ports and who is talked to follow.
    ActivateMembership {
        /// The membership.
        verifier: Arc<Verifier>,
        /// The membership node is to be set to it: no transaction does that.
        sets_node: bool,
    },
    /// Clients may connect from now on.
    Serve {
        /// As what.
        mode: Mode,
    },
    /// No clients any longer: all connections close, all watches go.
    StopServing,
}

/// What a server is to its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It has no ensemble.
    Standalone,
    /// It leads.
    Leader,
    /// It follows and votes.
    Follower,
    /// It follows without a vote.
    Observer,
    /// It looks for a leader, and serves reads meanwhile.
    ReadOnly,
}

impl core::fmt::Display for Mode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Standalone => "standalone",
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::ReadOnly => "read-only",
        })
    }
}

/// Who waits for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Where it goes.
    pub connection: ConnectionId,
    /// The xid of the request; zero for a handshake.
    pub xid: i32,
    /// What was asked for.
    pub op: OpCode,
    /// When.
    pub received: Millis,
    /// Timeout of the session that opens; a handshake reply carries it.
    pub opens: Option<Opening>,
}

/// The handshake reply that a transaction ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The timeout as negotiated on the connection.
    pub timeout_ms: i32,
    /// A handshake waits, not a request.
    pub is_handshake: bool,
}

/// A reply without a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalReply {
    /// The answer to sync: the path.
    Sync {
        /// As the client sent it.
        path: String,
    },
    /// The session is there again, as at its beginning.
    Opened {
        /// The session.
        session: SessionId,
        /// Its timeout.
        timeout_ms: i32,
    },
    /// The session is closed, and nobody else knew it.
    Closed,
    /// An error.
    Error(ErrorCode),
    /// Silence: the session of the request is gone.
    Dropped,
}

/// Why a peer cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HaltReason {
    /// A committed transaction cannot be applied.
    Apply {
        /// The transaction.
        zxid: Zxid,
        /// What is wrong.
        what: String,
    },
    /// The log says that it holds more than it was given.
    DurableAhead {
        /// What it says.
        durable: Zxid,
        /// What it was given.
        given: Zxid,
    },
}

impl core::fmt::Display for HaltReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Apply { zxid, what } => write!(f, "transaction {zxid} cannot be applied: {what}"),
            Self::DurableAhead { durable, given } => {
                write!(f, "the log claims {durable} although it was given {given} only")
            }
        }
    }
}
