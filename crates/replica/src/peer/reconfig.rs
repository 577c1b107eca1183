//! Memberships in motion, whatever our role: one that is proposed, one that comes into force, and what that makes of us.

use alloc::sync::Arc;

use election::{Candidate, Decision, PeerState, Vote};
use ensemble::{LearnerType, ServerId, Verifier};
use jute::Zxid;

use super::step::{Member, Step};
use crate::{Level, Note, PeerEffect};

/// Who leads from now on, without an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Appointment {
    pub(super) leader: ServerId,
    /// The transaction that says so.
    pub(super) by: Zxid,
}

/// What a membership that came into force means for us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Activated {
    /// Our role or our leader is another: a learner is to leave.
    pub(super) is_major: bool,
    /// A round of the election has ended without a decision.
    pub(super) ends_round: bool,
}

impl Step<'_> {
    /// A membership is proposed. An older one than the last takes its place too: that one was never agreed on. But what comes with a
    /// history and is older than the one in force was agreed on long ago.
    // zk: QuorumPeer.setLastSeenQuorumVerifier
    // diverges(reconfig-old-proposals): the reference takes it for what is proposed, tells it to its learners, and needs its quorum
    pub(super) fn see(&mut self, verifier: Arc<Verifier>) {
        let member = &mut *self.member;
        let is_known = member.last_seen.version == verifier.version;
        let is_past = verifier.version < member.peer.verifier.version;
        if !member.settings.reconfig_enabled || is_known || is_past {
            return;
        }
        member.last_seen = Arc::clone(&verifier);
        member.election.set_last_seen_verifier(Arc::clone(&verifier));
        self.want(PeerEffect::SeeMembership { verifier });
    }

    /// One that was proposed and whose transaction our log does not hold, or no longer, is proposed to us no more: what was cut was never
    /// agreed on, and who gave up its history does not vote. To be called before the log goes on: behind the zxid nobody can tell.
    // diverges(reconfig-old-proposals): the reference keeps it, and may put it into force with a later epoch
    pub(super) fn forget_unlogged(&mut self) {
        let member = &*self.member;
        let (in_force, proposed) = (Arc::clone(&member.peer.verifier), &member.last_seen);
        if is_unlogged(proposed, member.history.last_logged) && proposed.version > in_force.version {
            self.see(in_force);
        }
    }

    /// A membership is in force. `leader` is the one that we have; `appointment` comes with a transaction.
    // zk: QuorumPeer.processReconfig, setQuorumVerifier
    pub(super) fn activate(
        &mut self,
        verifier: Arc<Verifier>,
        leader: Option<ServerId>,
        appointment: Option<Appointment>,
    ) -> Activated {
        let member = &mut *self.member;
        let previous = Arc::clone(&member.peer.verifier);
        if !member.settings.reconfig_enabled || previous.version >= verifier.version {
            return Activated::default();
        }
        member.peer.verifier = Arc::clone(&verifier);
        if member.last_seen.version < verifier.version {
            member.last_seen = Arc::clone(&verifier);
        }
        let ends_round = member.election.set_verifier(Arc::clone(&verifier));
        let sets_node = appointment.is_none_or(|appointment| appointment.by.counter() == 0);
        self.note(Level::Info, Note::Membership { verifier: Arc::clone(&verifier) });
        self.want(PeerEffect::ActivateMembership { verifier: Arc::clone(&verifier), sets_node });
        if previous.has_same_members(&verifier) {
            return Activated { is_major: false, ends_round };
        }
        let has_new_role = self.member.take_role_from(&verifier);
        let has_new_leader = match (appointment, leader) {
            (Some(appointment), _) => leader != Some(appointment.leader),
            (None, Some(leader)) => has_moved(&previous, &verifier, leader),
            (None, None) => false,
        };
        let is_major = has_new_role || has_new_leader;
        self.member.appointment = appointment.filter(|_| is_major);
        Activated { is_major, ends_round }
    }

    /// What we are to be without an election, if a membership said so.
    // zk: QuorumPeer.updateServerState, updateVote
    pub(super) fn take_appointment(&mut self) -> Option<Decision> {
        let Appointment { leader, by } = self.member.appointment.take()?;
        let role = match self.member.peer.learner_type {
            _ if leader == self.member.peer.me => PeerState::Leading,
            LearnerType::Participant => PeerState::Following,
            LearnerType::Observer => PeerState::Observing,
        };
        let candidate = Candidate { leader: leader.0, zxid: by, peer_epoch: NO_EPOCH };
        let vote = Vote::new(candidate, NO_ROUND);
        self.member.election.settle(role, vote);
        Some(Decision { role, leader, vote })
    }
}

impl Member {
    /// Our role is that of our line; who has none is a participant that does not vote. True when it is another than before.
    // zk: QuorumPeer.updateLearnerType
    fn take_role_from(&mut self, verifier: &Verifier) -> bool {
        let line = verifier.member(self.peer.me);
        let learner_type = line.map_or(LearnerType::Participant, |line| line.learner_type);
        core::mem::replace(&mut self.peer.learner_type, learner_type) != learner_type
    }
}

/// Whether a leader votes no longer, or is elsewhere.
fn has_moved(previous: &Verifier, next: &Verifier, leader: ServerId) -> bool {
    let address = |verifier: &Verifier| {
        verifier.member(leader).filter(|leader| leader.votes()).map(|leader| leader.quorum_addresses())
    };
    let before = address(previous);
    before.is_none() || before != address(next)
}

/// What a vote says that was cast in no election.
// zk: Vote(long, long)
const NO_EPOCH: i64 = -1;
const NO_ROUND: i64 = -1;

/// Whether the transaction of a membership is missing in a log that ends so. None has that of a first epoch, nor what an operator
/// wrote beside the configuration for the next epoch to begin with, as the reference's own tests do.
pub(super) fn is_unlogged(proposed: &Verifier, last_logged: Zxid) -> bool {
    let version = Zxid(proposed.version);
    version > last_logged && version.counter() != 0
}
