use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use ensemble::{ServerId, Verifier};
use jute::{SessionId, Zxid};

use crate::{LinkId, Outgoing, Request};

/// What a leader wants done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaderAction {
    /// Make this the accepted epoch, durably; then [`super::Leader::on_accepted_epoch_written`].
    WriteAcceptedEpoch(i32),
    /// Make this the current epoch, durably; then [`super::Leader::on_current_epoch_written`].
    WriteCurrentEpoch(i32),
    /// Put this into a learner's stream.
    Send {
        /// Its link.
        link: LinkId,
        /// What it gets.
        what: Outgoing,
    },
    /// Close a learner's link, behind what was put into it. The leader has forgotten it.
    Close {
        /// Its link.
        link: LinkId,
        /// Why.
        why: Refusal,
    },
    /// What does the log on disk prove about this history? Then [`super::Leader::on_log_probed`].
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
    /// This membership is proposed: from now on its quorum is needed too. Make it durable before what follows.
    See(Arc<Verifier>),
    /// This membership, the last that was proposed, is in force.
    Activate {
        /// The membership.
        verifier: Arc<Verifier>,
        /// Who leads from now on: this server, or one that it makes way for.
        leader: ServerId,
        /// The transaction that made it, or the first zxid of the epoch.
        zxid: Zxid,
    },
    /// This transaction, which follows the last one told, is committed; COMMIT and INFORM of it are sent, of later ones not yet.
    Committed {
        /// Its zxid.
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
    /// It speaks a protocol from before epochs were agreed on.
    OldProtocol(i32),
    /// It wants to follow one who only serves observers.
    NoObserver,
    /// It says that it is us.
    OwnId,
    /// It accepted the last epoch that there is.
    NoEpochLeft,
    /// It has no vote and a newer history than we, before a quorum agreed that ours is the one.
    NewerHistory(Zxid),
    /// It did not take part in time, or fell behind.
    TimedOut(&'static str),
    /// The same server came again on another link.
    Replaced,
    /// It acknowledged what it was not sent.
    WrongAck(Zxid),
    /// The leader ends.
    LeaderEnds,
}

/// Why a leader ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Abdication {
    /// No quorum agreed on an epoch in time.
    NoQuorumForEpoch,
    /// Nor so far, and this voter, which chose us, looks for a leader again.
    VoterLeft(ServerId),
    /// A follower has a newer history.
    NewerFollower(ServerId),
    /// No quorum got the history in time.
    NoQuorumForHistory,
    /// No quorum was heard of for a tick.
    LostQuorum,
    /// A voter with an older history has accepted a later epoch than ours, and cannot join before one that is later still.
    VoterAhead {
        /// Who.
        server: ServerId,
        /// What it has accepted.
        epoch: i32,
    },
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
        /// Whether it gets proposals: it follows, with or without a vote.
        is_follower: bool,
        /// Whether it votes.
        votes: bool,
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
    /// The log on disk could not be asked; the learner gets a snapshot.
    LogUnreadable {
        /// The learner.
        server: ServerId,
        /// What is wrong with the log.
        why: String,
    },
    /// A learner has the history.
    Synchronised {
        /// The learner.
        server: ServerId,
    },
    /// A packet that learners do not send, which changes nothing.
    Ignored {
        /// The learner.
        server: ServerId,
        /// The packet.
        what: &'static str,
    },
    /// A packet of an unknown type.
    UnknownPacket {
        /// The learner.
        server: ServerId,
        /// The type.
        packet_type: i32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected(what) => write!(f, "it sent {what}, which has no place here"),
            Self::NewerConfig(version) => write!(f, "it knows the newer membership of version {version:x}"),
            Self::OldProtocol(version) => {
                write!(f, "its protocol {version:#x} is from before epochs were agreed on")
            }
            Self::NoObserver => f.write_str("it is no observer, and this server does not lead"),
            Self::OwnId => f.write_str("it has the id of this server"),
            Self::NoEpochLeft => f.write_str("it accepted the last epoch that there is"),
            Self::NewerHistory(zxid) => write!(f, "its history up to {zxid} is newer than the leader's"),
            Self::TimedOut(what) => write!(f, "it took too long: {what}"),
            Self::Replaced => f.write_str("the same server came again"),
            Self::WrongAck(zxid) => write!(f, "it acknowledged {zxid}, which it was not sent"),
            Self::LeaderEnds => f.write_str("the leader ends"),
        }
    }
}

impl fmt::Display for Abdication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoQuorumForEpoch => f.write_str("no quorum agreed on an epoch in time"),
            Self::VoterLeft(server) => {
                write!(f, "server {server} chose us and looks for a leader again, no epoch is agreed on yet")
            }
            Self::NewerFollower(server) => write!(f, "server {server} has a newer history"),
            Self::NoQuorumForHistory => f.write_str("no quorum got the history in time"),
            Self::LostQuorum => f.write_str("no quorum of synchronised followers was heard of"),
            Self::VoterAhead { server, epoch } => {
                write!(f, "server {server} has accepted epoch {epoch} and can only join a later one")
            }
            Self::EpochUsedUp => f.write_str("the counter of the epoch is used up"),
            Self::NoEpochLeft => f.write_str("the epochs are used up"),
        }
    }
}

impl fmt::Display for LeaderNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Introduced { link: _, server, is_follower, votes } => {
                let what = match (is_follower, votes) {
                    (true, true) => "follower",
                    (true, false) => "follower without a vote",
                    (false, _) => "observer",
                };
                write!(f, "server {server} introduced itself as {what}")
            }
            Self::Synchronising { server, peer, how, from } => {
                write!(f, "server {server}, whose history ends with {peer}, gets {how} {from}")
            }
            Self::LogUnreadable { server, why } => {
                write!(f, "server {server} gets a snapshot, for the log cannot be read: {why}")
            }
            Self::Synchronised { server } => write!(f, "server {server} has the history"),
            Self::Ignored { server, what } => write!(f, "server {server} sent {what}, which is ignored"),
            Self::UnknownPacket { server, packet_type } => {
                write!(f, "server {server} sent a packet of the unknown type {packet_type}")
            }
        }
    }
}
