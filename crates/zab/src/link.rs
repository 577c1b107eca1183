//! Names for the two directions of a link on the quorum port.

use ensemble::ServerId;
use jute::Zxid;

use crate::Packet;

/// One connection of a learner, at the leader; given out by the world, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// One attempt to learn from a leader, at the learner; what belongs to an older attempt is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Attempt(pub u64);

/// What a leader puts into the one ordered stream to a learner. What comes later waits behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A packet.
    Packet(Packet),
    /// SNAP with the zxid of the state as it is when the effect is carried out, which is `zxid`, then the state, then the
    /// signature.
    Snapshot {
        /// What is applied when all earlier effects are carried out.
        zxid: Zxid,
    },
    /// Records of the log, each as PROPOSAL and COMMIT.
    Log {
        /// The first is behind this.
        after: Zxid,
        /// The last is this.
        up_to: Zxid,
    },
}

/// What the log on disk can prove about a learner's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogProbe {
    /// The largest zxid at or below the learner's from which on the log is without a hole; `None` when there is none.
    pub floor: Option<Zxid>,
    /// The first zxid above the learner's.
    pub first_above: Option<Zxid>,
    /// The end of the run without a hole.
    pub last: Zxid,
    /// What stands above the learner's zxid is more than may be sent as single transactions.
    pub is_over: bool,
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnerReport {
    /// Its link.
    pub link: LinkId,
    /// Its id, once it has introduced itself.
    pub server: Option<ServerId>,
    /// Whether it follows, with or without a vote; otherwise it observes.
    pub is_follower: bool,
    /// Whether it is counted in a quorum.
    pub votes: bool,
    /// Whether it has the history and takes part in the broadcast.
    pub is_synced: bool,
    /// The last zxid that it acknowledged.
    pub acked: Zxid,
}
