//! One round of looking for a leader: what we propose, and what we heard.

use alloc::collections::{BTreeMap, BTreeSet};

use ensemble::{LearnerType, ServerId};
use jute::Zxid;

use crate::action::Unheeded;
use crate::membership::Membership;
use crate::notification::{Notification, PeerState};
use crate::vote::{Candidate, Vote};

/// What is known while we look.
///
/// * Only voters have entries, so that the tables stay as small as the membership.
/// * `cast` holds votes of the round we are in, whatever their senders do; `established` the votes of settled peers of any
///   round (ZOOKEEPER-1732).
#[derive(Debug, Clone, Hash)]
pub(crate) struct Round {
    /// What we propose without having heard anybody.
    pub(crate) ourselves: Candidate,
    /// What we propose by now.
    pub(crate) proposal: Candidate,
    cast: BTreeMap<ServerId, Vote>,
    established: BTreeMap<ServerId, Vote>,
    /// How long to wait for a message before ours are sent again.
    pub(crate) timeout_ms: u64,
    /// When the present wait is over.
    pub(crate) deadline_ms: u64,
    /// A quorum is for our proposal: the present wait is for a better one.
    pub(crate) is_final: bool,
}

/// What a message brings about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing.
    Unheeded(Unheeded),
    /// A vote of this round that we have already.
    Again,
    /// A vote of this round.
    Vote {
        /// Our proposal has changed, or the round has: all must hear it.
        tell_all: bool,
        /// We came into the round with it.
        is_overtaken: bool,
        /// A quorum is for our proposal.
        has_quorum: bool,
    },
    /// A settled peer, whose leader has not a quorum yet, or has not yet said that it leads.
    Settled,
    /// There is a leader with a quorum; it is to be followed.
    Join(Vote),
}

impl Round {
    pub(crate) fn new(ourselves: Candidate, timeout_ms: u64) -> Self {
        Self {
            ourselves,
            proposal: ourselves,
            cast: BTreeMap::new(),
            established: BTreeMap::new(),
            timeout_ms,
            deadline_ms: 0,
            is_final: false,
        }
    }

    /// Takes in a message from a voter, possibly ourselves.
    // zk: FastLeaderElection.lookForLeader
    pub(crate) fn hear(
        &mut self,
        membership: &Membership,
        clock: &mut i64,
        me: ServerId,
        from: ServerId,
        notification: &Notification,
    ) -> Heard {
        let leader = notification.leader;
        if !membership.is_voter(ServerId(leader)) {
            return Heard::Unheeded(Unheeded::LeaderIsNoVoter { leader });
        }
        match notification.state {
            PeerState::Looking => self.hear_looking(membership, clock, from, notification),
            PeerState::Observing => Heard::Unheeded(Unheeded::Observing),
            PeerState::Following | PeerState::Leading => {
                self.hear_settled(membership, clock, me, from, notification)
            }
        }
    }

    /// Whose votes of this round are for this one.
    pub(crate) fn supporters(&self, vote: &Vote) -> BTreeSet<ServerId> {
        self.cast.iter().filter(|(_, other)| vote.agrees_with(other)).map(|(id, _)| *id).collect()
    }

    fn hear_looking(
        &mut self,
        membership: &Membership,
        clock: &mut i64,
        from: ServerId,
        notification: &Notification,
    ) -> Heard {
        let theirs = notification.candidate();
        let election_epoch = notification.election_epoch;
        if self.ourselves.zxid == Zxid::NONE {
            return Heard::Unheeded(Unheeded::WeHaveNoZxid);
        }
        if theirs.zxid == Zxid::NONE {
            return Heard::Unheeded(Unheeded::NoZxid);
        }
        // diverges(election-rounds-go-on): nobody heeds a vote for nobody, so the others would never come into a later round. They
        // may count on this server, which votes in a membership that was proposed to them, and perhaps not to it
        let is_participant = membership.learner_type() == LearnerType::Participant;
        let comes_back = is_participant && self.proposal.leader == Candidate::NOBODY;
        if election_epoch < *clock && !comes_back {
            return Heard::Unheeded(Unheeded::OldRound { election_epoch });
        }
        let is_overtaken = election_epoch != *clock;
        if is_overtaken {
            *clock = election_epoch;
            self.cast.clear();
            self.proposal = self.ourselves;
        }
        let is_better = membership.is_better(&theirs, &self.proposal);
        if is_better {
            self.proposal = theirs;
        }
        let vote = Vote::new(theirs, election_epoch);
        let is_known = self.cast.insert(from, vote) == Some(vote);
        let has_quorum = membership.has_quorum(&self.cast, &Vote::new(self.proposal, *clock));
        // While it still proposes nobody it tells nobody, and its wait goes on: others may be in several rounds.
        let has_nothing_to_tell = is_participant && self.proposal.leader == Candidate::NOBODY;
        if (is_known || has_nothing_to_tell) && !has_quorum {
            return Heard::Again;
        }
        Heard::Vote { tell_all: is_overtaken || is_better, is_overtaken, has_quorum }
    }

    // zk: FastLeaderElection.receivedFollowingNotification. receivedLeadingNotification differs only where an oracle
    // decides between two servers: it would be asked here, when a leader was heard and nobody can be joined.
    fn hear_settled(
        &mut self,
        membership: &Membership,
        clock: &mut i64,
        me: ServerId,
        from: ServerId,
        notification: &Notification,
    ) -> Heard {
        let vote = Vote::of(notification);
        if vote.election_epoch == *clock {
            // The version is dropped, so that votes of settled peers are compared with the message by their leader alone.
            self.cast.insert(from, Vote { version: 0, ..vote });
            if membership.has_quorum(&self.cast, &vote) && leader_leads(&self.cast, &vote, me, *clock) {
                return Heard::Join(vote);
            }
        }
        self.established.insert(from, vote);
        let has_quorum = membership.has_quorum_in_force(&self.established, &vote);
        if has_quorum && leader_leads(&self.established, &vote, me, *clock) {
            *clock = vote.election_epoch;
            return Heard::Join(vote);
        }
        Heard::Settled
    }
}

/// Whether the leader of a vote has itself said that it leads; for us as the leader, whether the vote is of our round.
///
/// Without it peers would elect a crashed leader again and again.
// zk: FastLeaderElection.checkLeader
fn leader_leads(votes: &BTreeMap<ServerId, Vote>, vote: &Vote, me: ServerId, clock: i64) -> bool {
    let leader = ServerId(vote.leader);
    if leader == me {
        return vote.election_epoch == clock;
    }
    votes.get(&leader).is_some_and(|vote| vote.state == PeerState::Leading)
}
