//! Who votes, and which votes are a quorum, under the membership in force and one that is proposed.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

use ensemble::{LearnerType, ServerId, Verifier};
use jute::Zxid;

use crate::vote::{Candidate, Vote};

/// The memberships that count, and our place in them.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    me: ServerId,
    learner_type: LearnerType,
    current: Arc<Verifier>,
    /// The last one that was proposed; the one in force when none was.
    // zk: QuorumPeer.lastSeenQuorumVerifier
    last_seen: Arc<Verifier>,
}

/// What a new membership changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is not newer than ours, and stays aside.
    Known,
    /// The members are the same; its version is newer.
    Version,
    /// There are other members, or they are elsewhere.
    Members,
}

impl Membership {
    pub(crate) fn new(me: ServerId, learner_type: LearnerType, current: Arc<Verifier>) -> Self {
        let last_seen = Arc::clone(&current);
        Self { me, learner_type, current, last_seen }
    }

    /// Takes over a newer membership, and our role in it.
    // zk: QuorumPeer.setQuorumVerifier, processReconfig
    pub(crate) fn set_current(&mut self, verifier: Arc<Verifier>) -> Change {
        if self.current.version >= verifier.version {
            return Change::Known;
        }
        if self.last_seen.version < verifier.version {
            self.last_seen = Arc::clone(&verifier);
        }
        let has_same_members = self.current.has_same_members(&verifier);
        self.current = verifier;
        if has_same_members {
            return Change::Version;
        }
        self.learner_type = self.learner_type_in_current();
        Change::Members
    }

    // zk: QuorumPeer.updateLearnerType: who is no member is a participant that does not vote
    fn learner_type_in_current(&self) -> LearnerType {
        let me = self.current.members().iter().find(|member| member.id == self.me);
        me.map_or(LearnerType::Participant, |me| me.learner_type)
    }

    // zk: QuorumPeer.setLastSeenQuorumVerifier
    pub(crate) fn set_last_seen(&mut self, verifier: Arc<Verifier>) {
        self.last_seen = verifier;
    }

    pub(crate) fn current(&self) -> &Arc<Verifier> {
        &self.current
    }

    pub(crate) fn learner_type(&self) -> LearnerType {
        self.learner_type
    }

    /// Those who vote, now or under the proposed membership.
    // zk: QuorumPeer.getCurrentAndNextConfigVoters
    pub(crate) fn voters(&self) -> BTreeSet<ServerId> {
        self.current.voters().chain(self.last_seen.voters()).map(|member| member.id).collect()
    }

    // zk: FastLeaderElection.validVoter
    pub(crate) fn is_voter(&self, id: ServerId) -> bool {
        self.current.voters().chain(self.last_seen.voters()).any(|member| member.id == id)
    }

    /// Whether `new` is a better choice than `old`; a server without weight never is.
    // diverges(election-weight-of-a-stranger): where there are groups, one that is in none has no weight
    // zk: FastLeaderElection.totalOrderPredicate
    pub(crate) fn is_better(&self, new: &Candidate, old: &Candidate) -> bool {
        self.current.weight(ServerId(new.leader)) != 0 && new > old
    }

    /// Ourselves as a candidate: who does not vote cannot be elected and knows nothing.
    // zk: FastLeaderElection.getInitId, getInitLastLoggedZxid, getPeerEpoch
    pub(crate) fn ourselves(&self, last_zxid: Zxid, current_epoch: i64) -> Candidate {
        let votes = self.current.voters().any(|member| member.id == self.me);
        let leader = if votes { self.me.0 } else { Candidate::NOBODY };
        match self.learner_type {
            LearnerType::Participant => Candidate { peer_epoch: current_epoch, zxid: last_zxid, leader },
            LearnerType::Observer => Candidate { peer_epoch: i64::MIN, zxid: Zxid(i64::MIN), leader },
        }
    }

    /// Whether those whose votes agree with `vote` are a quorum of each membership that counts.
    // zk: FastLeaderElection.getVoteTracker, SyncedLearnerTracker.hasAllQuorums
    pub(crate) fn has_quorum(&self, votes: &BTreeMap<ServerId, Vote>, vote: &Vote) -> bool {
        let acks = agreeing(votes, vote);
        let is_reconfiguring = self.last_seen.version > self.current.version;
        self.current.contains_quorum(&acks) && (!is_reconfiguring || self.last_seen.contains_quorum(&acks))
    }

    /// Whether those who settled on this leader are a quorum of the membership in force. One that was proposed to us alone may
    /// never have a quorum; and if it was agreed on, no leader is established who does not know it.
    // diverges(election-join-without-the-proposed): the reference asks for a quorum of the proposed one too, and looks for ever
    pub(crate) fn has_quorum_in_force(&self, votes: &BTreeMap<ServerId, Vote>, vote: &Vote) -> bool {
        self.current.contains_quorum(&agreeing(votes, vote))
    }
}

fn agreeing(votes: &BTreeMap<ServerId, Vote>, vote: &Vote) -> BTreeSet<ServerId> {
    votes.iter().filter(|(_, other)| vote.agrees_with(other)).map(|(id, _)| *id).collect()
}
