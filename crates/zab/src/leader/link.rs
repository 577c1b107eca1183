//! What the leader knows of one learner's connection.
//!
//! ```text
//! Connected ─ FOLLOWERINFO ─▶ Introduced ─ LEADERINFO ─▶ Asked ─ ACKEPOCH ─▶ Accepted ─▶ (Probing) ─ DIFF, TRUNC or SNAP ─▶
//! Syncing ─ ACK of NEWLEADER ─▶ Synced ─ UPTODATE ─▶ Serving
//! ```

use ensemble::ServerId;
use jute::Zxid;

#[derive(Debug)]
pub(super) struct Link {
    pub(super) stage: Stage,
    /// Who is at the other end, once it has introduced itself.
    pub(super) who: Option<Who>,
    /// When the learner must have sent what it owes.
    pub(super) until_ms: Option<u64>,
    /// The last tick in which it counts as heard of.
    // zk: LearnerHandler.tickOfNextAckDeadline
    pub(super) heard_until_tick: u64,
    /// The last zxid that it acknowledged here.
    pub(super) acked: Zxid,
    pub(super) lag: Lag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) server: ServerId,
    /// It sent FOLLOWERINFO: it gets proposals.
    pub(super) is_follower: bool,
    /// It follows and is a voter of the membership: it is counted.
    pub(super) votes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It owes FOLLOWERINFO or OBSERVERINFO.
    Connected,
    /// It waits for the epoch.
    Introduced,
    /// It owes ACKEPOCH.
    Asked,
    /// It accepted the epoch; its history ends with this.
    Accepted(Zxid),
    /// The log on disk is asked about its history, which ends with this.
    Probing(Zxid),
    /// It owes the acknowledgement of NEWLEADER.
    Syncing {
        /// A proposal that it acknowledged before that.
        early: Option<Zxid>,
    },
    /// It has the history and waits for a quorum.
    Synced,
    /// It serves clients.
    Serving,
}

impl Link {
    pub(super) fn new(until_ms: u64, heard_until_tick: u64) -> Self {
        Self {
            stage: Stage::Connected,
            who: None,
            until_ms: Some(until_ms),
            heard_until_tick,
            acked: Zxid::ZERO,
            lag: Lag::default(),
        }
    }

    /// Whether new proposals and commits go into its stream.
    pub(super) fn is_forwarding(&self) -> bool {
        match self.stage {
            Stage::Syncing { .. } | Stage::Synced | Stage::Serving => true,
            Stage::Connected | Stage::Introduced | Stage::Asked | Stage::Accepted(_) | Stage::Probing(_) => {
                false
            }
        }
    }

    /// Whether it has acknowledged the history.
    pub(super) fn is_synced(&self) -> bool {
        matches!(self.stage, Stage::Synced | Stage::Serving)
    }

    pub(super) fn is_follower(&self) -> bool {
        self.who.is_some_and(|who| who.is_follower)
    }

    /// The server, if it gets proposals. Memberships count it as far as it votes in them.
    pub(super) fn follower(&self) -> Option<ServerId> {
        self.who.filter(|who| who.is_follower).map(|who| who.server)
    }

    /// The server that is counted when this link speaks.
    pub(super) fn voter(&self) -> Option<ServerId> {
        self.who.filter(|who| who.votes).map(|who| who.server)
    }
}

/// How long a follower has owed the acknowledgement of a proposal. Two are watched: when the first is acknowledged, the
/// last one that was sent by then takes its place.
// zk: LearnerHandler.SyncLimitCheck
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Lag {
    current: Option<Owed>,
    next: Option<Owed>,
}

#[derive(Debug, Clone, Copy)]
struct Owed {
    zxid: Zxid,
    since_ms: u64,
}

impl Lag {
    pub(super) fn sent(&mut self, zxid: Zxid, now_ms: u64) {
        let owed = Some(Owed { zxid, since_ms: now_ms });
        if self.current.is_none() {
            self.current = owed;
        } else {
            self.next = owed;
        }
    }

    pub(super) fn acked(&mut self, zxid: Zxid) {
        let is_open = |owed: &Owed| owed.zxid > zxid;
        self.next = self.next.filter(is_open);
        if !self.current.is_some_and(|owed| is_open(&owed)) {
            self.current = self.next.take();
        }
    }

    pub(super) fn is_longer_than(&self, limit_ms: u64, now_ms: u64) -> bool {
        self.current.is_some_and(|owed| now_ms.saturating_sub(owed.since_ms) >= limit_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_that_of_the_oldest_proposal_watched() {
        let mut lag = Lag::default();
        assert!(!lag.is_longer_than(0, 100), "nothing is owed");
        lag.sent(Zxid(1), 10);
        lag.sent(Zxid(2), 20);
        lag.sent(Zxid(3), 30);
        assert!(lag.is_longer_than(10, 20) && !lag.is_longer_than(11, 20));
        lag.acked(Zxid(1));
        assert!(lag.is_longer_than(10, 40) && !lag.is_longer_than(11, 40), "the last one sent is next");
        lag.acked(Zxid(2));
        assert!(lag.is_longer_than(10, 40), "an older acknowledgement changes nothing");
        lag.acked(Zxid(3));
        assert!(!lag.is_longer_than(0, 100));
    }

    #[test]
    fn one_acknowledgement_may_stand_for_all() {
        let mut lag = Lag::default();
        lag.sent(Zxid(1), 10);
        lag.sent(Zxid(2), 20);
        lag.acked(Zxid(2));
        assert!(!lag.is_longer_than(0, 100));
    }
}
