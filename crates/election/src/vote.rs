//! Votes: their order, and when two of them agree.

use core::fmt;

use jute::Zxid;

use crate::notification::{Notification, PeerState};

/// Whom a vote is for. Candidates compare by epoch, then zxid, then id: the greater is the better.
///
/// * The id of a server that may not be elected is [`Candidate::NOBODY`].
// zk: FastLeaderElection.totalOrderPredicate: the order (the fields stand in it)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Candidate {
    /// Its `currentEpoch`.
    pub peer_epoch: i64,
    /// Its last zxid.
    pub zxid: Zxid,
    /// Its id.
    pub leader: i64,
}

impl Candidate {
    /// What a server that may not be elected proposes in its own place.
    // zk: FastLeaderElection.getInitId
    pub const NOBODY: i64 = i64::MIN;
}

/// A vote as it is kept: for whom, cast in which round, by a peer in which state.
///
/// * `==` compares every field; whether two votes are for the same leadership says [`Vote::agrees_with`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Vote {
    /// Id of the server it is for.
    pub leader: i64,
    /// Last zxid of that server.
    pub zxid: Zxid,
    /// The round it was cast in; −1 before the first.
    pub election_epoch: i64,
    /// Epoch of that server.
    pub peer_epoch: i64,
    /// Version of the message it came in; 0 for our own and wherever the reference drops it.
    pub version: i32,
    /// State of the peer that cast it.
    pub state: PeerState,
}

impl Vote {
    /// A vote of our own making.
    #[must_use]
    pub fn new(candidate: Candidate, election_epoch: i64) -> Self {
        let Candidate { peer_epoch, zxid, leader } = candidate;
        Self { leader, zxid, election_epoch, peer_epoch, version: 0, state: PeerState::Looking }
    }

    /// The vote of a message, with its state and version.
    #[must_use]
    pub fn of(notification: &Notification) -> Self {
        let Notification { state, leader, zxid, election_epoch, peer_epoch, version, .. } = *notification;
        Self { leader, zxid, election_epoch, peer_epoch, version, state }
    }

    /// Whether both are for the same leadership.
    ///
    /// While one of the two peers looks, all numbers must be the same. Between settled ones zxid and round are not
    /// compared, for they may differ among the members of one ensemble (ZOOKEEPER-1805), and the epoch only when both
    /// messages have a version or neither has (ZOOKEEPER-1732).
    // zk: Vote.equals
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        if self.leader != other.leader {
            return false;
        }
        if self.state == PeerState::Looking || other.state == PeerState::Looking {
            return self.zxid == other.zxid
                && self.election_epoch == other.election_epoch
                && self.peer_epoch == other.peer_epoch;
        }
        (self.version > 0) != (other.version > 0) || self.peer_epoch == other.peer_epoch
    }

    /// Whom it is for.
    #[must_use]
    pub fn candidate(&self) -> Candidate {
        Candidate { peer_epoch: self.peer_epoch, zxid: self.zxid, leader: self.leader }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leader={} zxid={} epoch={}", self.leader, self.zxid, self.peer_epoch)
    }
}

impl fmt::Display for Vote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} round={}", self.candidate(), self.election_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PeerState::{Following, Leading, Looking};

    #[test]
    fn epoch_beats_zxid_beats_id() {
        let candidate = |peer_epoch, zxid, leader| Candidate { peer_epoch, zxid: Zxid(zxid), leader };
        let ascending = [
            candidate(i64::MIN, i64::MIN, i64::MIN),
            candidate(0, 0, i64::MIN),
            candidate(0, 0, 1),
            candidate(0, 0, 2),
            candidate(0, 0x5_0000_0000, 1),
            candidate(1, -1, 3),
            candidate(1, 3, 1),
            candidate(1, 3, 2),
            candidate(2, 0, 1),
        ];
        for (index, one) in ascending.iter().enumerate() {
            for (other_index, other) in ascending.iter().enumerate() {
                assert_eq!(one.cmp(other), index.cmp(&other_index), "{one} and {other}");
            }
        }
    }

    fn vote(
        (leader, zxid, election_epoch, peer_epoch): (i64, i64, i64, i64),
        version: i32,
        state: PeerState,
    ) -> Vote {
        Vote { leader, zxid: Zxid(zxid), election_epoch, peer_epoch, version, state }
    }

    #[test]
    fn votes_agree_by_the_two_rules() {
        let base = (3, 5, 1, 1);
        let rows = [
            // While one looks, every number counts, the version never.
            (vote(base, 0, Looking), vote(base, 2, Looking), true),
            (vote(base, 0, Looking), vote(base, 2, Following), true),
            (vote(base, 0, Looking), vote((2, 5, 1, 1), 0, Looking), false),
            (vote(base, 0, Looking), vote((3, 6, 1, 1), 0, Looking), false),
            (vote(base, 0, Looking), vote((3, 5, 2, 1), 0, Looking), false),
            (vote(base, 0, Looking), vote((3, 5, 1, 2), 0, Leading), false),
            (vote(base, 0, Looking), vote((3, 9, 1, 1), 2, Leading), false),
            (vote(base, 0, Looking), vote((3, 5, 7, 1), 2, Following), false),
            // ZOOKEEPER-1805: zxid and round of settled peers may differ.
            (vote(base, 2, Following), vote((3, 9, 7, 1), 2, Leading), true),
            (vote(base, 2, Following), vote((3, 5, 1, 2), 2, Leading), false),
            (vote(base, 0, Following), vote((3, 9, 7, 1), 0, Following), true),
            (vote(base, 0, Following), vote((3, 5, 1, 2), 0, Following), false),
            // ZOOKEEPER-1732: with and without a version the epoch is not compared either.
            (vote(base, 0, Following), vote((3, 9, 7, 2), 1, Leading), true),
            (vote(base, 2, Following), vote((3, 9, 7, 2), 0, Leading), true),
            (vote(base, -1, Following), vote((3, 9, 7, 2), 0, Leading), false),
            (vote(base, 2, Following), vote((2, 5, 1, 1), 0, Leading), false),
        ];
        for (one, other, agree) in rows {
            assert_eq!(one.agrees_with(&other), agree, "{one:?} {other:?}");
            assert_eq!(other.agrees_with(&one), agree, "{other:?} {one:?}");
        }
    }
}
