use alloc::string::String;
use core::fmt;

use ensemble::ServerId;

use crate::notification::{Notification, PeerState};
use crate::vote::{Candidate, Vote};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send it to that server, in place of an older one that still waits for it; connect when there is no connection.
    Send {
        /// Who is to have it; never ourselves.
        to: ServerId,
        /// What it is to have.
        notification: Notification,
    },
    /// Nothing was heard for a while: connect to every server for which a message waits and to which there is no
    /// connection. Our votes follow as [`Action::Send`].
    ConnectAll,
    /// The election is over, and [`Election`](crate::Election) has settled on this.
    Decided(Decision),
    /// The text of a membership newer than ours came while we look. When it has other members than ours, the message
    /// was not heeded any further, and the election begins anew once the membership is set.
    NewerConfig(String),
    /// While we lead, this voter looks for a leader: it may have left us before we were established (ZOOKEEPER-3109).
    // zk: Leader.reportLookingSid, which the reference heeds once `zookeeper.leader.maxTimeToWaitForEpoch` is over
    VoterLooks {
        /// Who.
        voter: ServerId,
        /// Whether its vote made us the leader.
        chose_us: bool,
        /// What it would bring, when it proposes itself.
        candidacy: Option<Candidate>,
    },
    /// Something worth a line in the log.
    Note(Note),
}

/// How an election ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What we are to be: anything but [`PeerState::Looking`].
    pub role: PeerState,
    /// Who leads.
    pub leader: ServerId,
    /// The vote that this is told with from now on.
    pub vote: Vote,
}

/// How loud a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Odd, and the election goes on.
    Warn,
    /// A round, what comes in.
    Info,
    /// A decision off the happy path.
    Debug,
}

/// Something worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A round begins with this proposal.
    NewRound {
        /// Its number.
        election_epoch: i64,
        /// Whom we propose.
        proposal: Candidate,
    },
    /// Another server is rounds ahead of us; we go on in its round.
    Overtaken {
        /// Who.
        by: ServerId,
        /// Number of the round.
        election_epoch: i64,
    },
    /// A message is without effect on the election.
    Unheeded {
        /// Who sent it.
        from: ServerId,
        /// Why.
        why: Unheeded,
    },
    /// The membership in a message cannot be read; the rest of the message counts.
    ConfigUnreadable {
        /// Who sent it.
        from: ServerId,
    },
    /// The membership in a message is newer than ours, but memberships do not change here (`reconfigEnabled`).
    ConfigNotWanted {
        /// Who sent it.
        from: ServerId,
        /// Version of its membership.
        version: i64,
    },
    /// Nothing was heard; what we said is said again.
    Silence {
        /// For how long.
        waited_ms: u64,
    },
}

impl Note {
    /// How loud it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::ConfigUnreadable { .. } | Self::ConfigNotWanted { .. } => Level::Warn,
            Self::NewRound { .. } | Self::Silence { .. } => Level::Info,
            Self::Overtaken { .. } => Level::Debug,
            Self::Unheeded { why, .. } => match why {
                Unheeded::LeaderIsNoVoter { .. } | Unheeded::OurOwnId => Level::Warn,
                Unheeded::WeHaveNoZxid
                | Unheeded::NoZxid
                | Unheeded::OldRound { .. }
                | Unheeded::Observing
                | Unheeded::NotStarted => Level::Debug,
            },
        }
    }
}

/// Why a message has no effect on the election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unheeded {
    /// It is for a server that may not be elected.
    LeaderIsNoVoter {
        /// That server.
        leader: i64,
    },
    /// It came from another server and claims to be ours.
    OurOwnId,
    /// Our database is at zxid −1: it cannot take part in choosing one.
    WeHaveNoZxid,
    /// It is for a server whose database is at zxid −1.
    NoZxid,
    /// It is of a round that is over.
    OldRound {
        /// That round.
        election_epoch: i64,
    },
    /// Its sender observes.
    Observing,
    /// We did not look for a leader yet.
    NotStarted,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewRound { election_epoch, proposal } => {
                write!(f, "election round {election_epoch} begins, proposing {proposal}")
            }
            Self::Overtaken { by, election_epoch } => {
                write!(f, "server {by} is in election round {election_epoch}, and so are we now")
            }
            Self::Unheeded { from, why } => write!(f, "vote of server {from} not heeded: {why}"),
            Self::ConfigUnreadable { from } => {
                write!(f, "the membership that server {from} sent cannot be read")
            }
            Self::ConfigNotWanted { from, version } => {
                write!(f, "server {from} has membership {version:#x}, but reconfigEnabled is off here")
            }
            Self::Silence { waited_ms } => {
                write!(f, "no new vote heard for {waited_ms} ms, telling ours again")
            }
        }
    }
}

impl fmt::Display for Unheeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeaderIsNoVoter { leader } => write!(f, "server {leader} may not be elected"),
            Self::OurOwnId => f.write_str("it has our own id"),
            Self::WeHaveNoZxid => f.write_str("our database is at zxid -1 and cannot vote"),
            Self::NoZxid => f.write_str("its database is at zxid -1"),
            Self::OldRound { election_epoch } => write!(f, "round {election_epoch} is over"),
            Self::Observing => f.write_str("it observes"),
            Self::NotStarted => f.write_str("we do not look for a leader yet"),
        }
    }
}
