//! The machine: rounds, timeouts, and answers to those who look while we do not.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use ensemble::{LearnerType, ServerId, Verifier};
use jute::Zxid;

use crate::action::{Action, Decision, Note, Unheeded};
use crate::config::{self, Gossip};
use crate::membership::{Change, Membership};
use crate::notification::{Notification, PeerState, VERSION};
use crate::round::{Heard, Round};
use crate::settings::ElectionSettings;
use crate::vote::{Candidate, Vote};

/// Leader election as one peer sees it.
///
/// * There is a round only while the state is [`PeerState::Looking`].
/// * A message to ourselves is heard before the call that caused it returns, never sent.
#[derive(Debug, Clone)]
pub struct Election {
    settings: ElectionSettings,
    membership: Membership,
    /// What our messages say of the membership.
    config: String,
    /// Number of the round.
    // zk: FastLeaderElection.logicalclock
    clock: i64,
    state: PeerState,
    /// What we tell those who look while we do not, and strangers always: the last leadership that we settled on.
    // zk: QuorumPeer.currentVote
    vote: Option<Vote>,
    round: Option<Round>,
    /// Our own vote waits to be heard by ourselves.
    owes_itself: bool,
    /// Whose votes made us the leader.
    // zk: FastLeaderElection.leadingVoteSet
    electors: BTreeSet<ServerId>,
}

impl Election {
    /// A peer that did not look for a leader yet.
    #[must_use]
    pub fn new(settings: ElectionSettings, verifier: Arc<Verifier>) -> Self {
        let config = verifier.to_string();
        let membership = Membership::new(settings.me, settings.learner_type, verifier);
        let state = PeerState::Looking;
        Self {
            settings,
            membership,
            config,
            clock: 0,
            state,
            vote: None,
            round: None,
            owes_itself: false,
            electors: BTreeSet::new(),
        }
    }

    /// Takes over a newer membership that is in force; one that is not newer changes nothing.
    ///
    /// With other members than before our role is that of the new membership, and a round under way ends without a decision: true
    /// says so, and [`Election::look`] must follow.
    // zk: QuorumPeer.processReconfig, restartLeaderElection, startLeaderElection
    // diverges(election-rounds-go-on): the reference counts rounds anew; in the same round as before others keep to what we
    // proposed then, also when we may not be elected any more
    pub fn set_verifier(&mut self, verifier: Arc<Verifier>) -> bool {
        let change = self.membership.set_current(verifier);
        self.config = self.membership.current().to_string();
        if change != Change::Members {
            return false;
        }
        if self.state == PeerState::Looking {
            self.vote = None;
        }
        self.round.take().is_some()
    }

    /// A membership was proposed and is not in force yet: its voters are heard, and its quorum is needed too.
    // zk: QuorumPeer.setLastSeenQuorumVerifier
    pub fn set_last_seen_verifier(&mut self, verifier: Arc<Verifier>) {
        if self.settings.reconfig_enabled {
            self.membership.set_last_seen(verifier);
        }
    }

    /// Begins a round: proposes ourselves, with our last logged zxid (−1: we cannot vote) and `currentEpoch`, to all voters.
    // zk: FastLeaderElection.lookForLeader: before its loop
    pub fn look(&mut self, now_ms: u64, last_zxid: Zxid, current_epoch: i64, out: &mut Vec<Action>) {
        let itself = Candidate { peer_epoch: current_epoch, zxid: last_zxid, leader: self.settings.me.0 };
        self.vote.get_or_insert(Vote::new(itself, NO_ROUND));
        self.state = PeerState::Looking;
        self.clock = self.clock.wrapping_add(1);
        let proposal = self.membership.ourselves(last_zxid, current_epoch);
        let timeout_ms = self.settings.min_notification_ms.max(TIMEOUT_MIN_MS);
        self.round = Some(Round::new(proposal, timeout_ms));
        out.push(Action::Note(Note::NewRound { election_epoch: self.clock, proposal }));
        self.wait(now_ms);
        self.tell_all(out);
        self.hear_ourselves(now_ms, out);
    }

    /// A message has come.
    // zk: FastLeaderElection.Messenger.WorkerReceiver.run
    pub fn hear(&mut self, now_ms: u64, from: ServerId, notification: Notification, out: &mut Vec<Action>) {
        if from == self.settings.me {
            return unheeded(from, Unheeded::OurOwnId, out);
        }
        if self.is_looking() && self.hear_config(from, &notification, out) {
            return;
        }
        if !self.membership.is_voter(from) {
            // diverges(election-settled-strangers): the reference answers a stranger that has settled too, which answers a voter that
            // looks: the two would go on for as long as the voter finds no leader. So would two that look and do not vote; only one of
            // them can have the older membership, and is told the newer one
            let is_told = !self.is_looking()
                || self.membership.is_voter(self.settings.me)
                || notification
                    .config
                    .as_deref()
                    .is_some_and(|text| config::is_older(text, self.membership.current()));
            if notification.state == PeerState::Looking && is_told {
                self.answer_stranger(from, out);
            }
            return;
        }
        if self.is_looking() {
            return self.hear_voter(now_ms, from, &notification, out);
        }
        if notification.state == PeerState::Looking {
            self.answer_voter(from, &notification, out);
        }
    }

    /// When [`Election::on_deadline`] is to be called; none while nothing is waited for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.round.as_ref().map(|round| round.deadline_ms)
    }

    /// Time has passed. Nothing happens before the deadline.
    // zk: FastLeaderElection.lookForLeader: what an empty queue means
    pub fn on_deadline(&mut self, now_ms: u64, out: &mut Vec<Action>) {
        let Some(round) = self.round.as_mut().filter(|round| round.deadline_ms <= now_ms) else { return };
        if round.is_final {
            let vote = Vote::new(round.proposal, self.clock);
            return self.decide(vote, out);
        }
        // A verifier with an oracle would be asked here, whether it lets a lone server lead.
        let waited_ms = round.timeout_ms;
        round.timeout_ms =
            waited_ms.saturating_mul(2).min(self.settings.max_notification_ms.max(TIMEOUT_MIN_MS));
        out.push(Action::Note(Note::Silence { waited_ms }));
        // The reference does one or the other. Who resends only replaces what waits unsent by the same, so both at once
        // put the same messages on the wire.
        out.push(Action::ConnectAll);
        self.wait(now_ms);
        self.tell_all(out);
        self.hear_ourselves(now_ms, out);
    }

    /// The peer has become this by other means than an election: a reconfiguration named the leader, or a role has ended
    /// and we do not look yet.
    ///
    /// After [`Action::Decided`] it is not needed.
    // zk: QuorumPeer.updateVote, setPeerState
    pub fn settle(&mut self, state: PeerState, vote: Vote) {
        self.state = state;
        self.vote = Some(vote);
        self.round = None;
    }

    /// The leadership that we settled on is established with this epoch, which is told from now on: those who join later
    /// must hear the same from all (ZOOKEEPER-1732).
    // zk: QuorumPeer.updateElectionVote
    pub fn update_settled_epoch(&mut self, epoch: i64) {
        if let Some(vote) = &mut self.vote {
            vote.peer_epoch = epoch;
            vote.version = 0;
        }
    }

    /// What we are.
    #[must_use]
    pub fn state(&self) -> PeerState {
        self.state
    }

    /// The leadership we settled on last; before the first our own candidacy, and nothing before the first round.
    #[must_use]
    pub fn vote(&self) -> Option<&Vote> {
        self.vote.as_ref()
    }

    /// What we propose while we look.
    #[must_use]
    pub fn proposal(&self) -> Option<&Candidate> {
        self.round.as_ref().map(|round| &round.proposal)
    }

    /// Whether a quorum is for what we propose, and only a better vote can still change it.
    #[must_use]
    pub fn awaits_better_vote(&self) -> bool {
        self.round.as_ref().is_some_and(|round| round.is_final)
    }

    /// The membership in force.
    #[must_use]
    pub fn verifier(&self) -> &Arc<Verifier> {
        self.membership.current()
    }

    /// Number of the round we are in, or settled in.
    #[must_use]
    pub fn logical_clock(&self) -> i64 {
        self.clock
    }

    /// Whether there is no leader for us.
    #[must_use]
    pub fn is_looking(&self) -> bool {
        self.state == PeerState::Looking
    }

    /// Looks at the membership in a message; true when the message is thereby done with.
    fn hear_config(&mut self, from: ServerId, notification: &Notification, out: &mut Vec<Action>) -> bool {
        let Some(text) = &notification.config else { return false };
        match config::read(text, self.membership.current(), self.settings.multi_address) {
            Gossip::Known => false,
            // diverges(election-config-unreadable): some of these end the reference's receiver for good
            Gossip::Unreadable => {
                out.push(Action::Note(Note::ConfigUnreadable { from }));
                false
            }
            // diverges(election-config-not-wanted): the reference starts its election anew, for ever
            Gossip::Newer { version, .. } if !self.settings.reconfig_enabled => {
                out.push(Action::Note(Note::ConfigNotWanted { from, version }));
                false
            }
            Gossip::Newer { has_same_members, .. } => {
                out.push(Action::NewerConfig(text.clone()));
                !has_same_members
            }
        }
    }

    /// Who does not vote and looks is told what we settled on, whatever it said.
    fn answer_stranger(&self, from: ServerId, out: &mut Vec<Action>) {
        match &self.vote {
            Some(vote) => self.send(from, self.state, vote.candidate(), self.clock, out),
            None => unheeded(from, Unheeded::NotStarted, out),
        }
    }

    /// A voter looks while we do not: it is told what we settled on.
    fn answer_voter(&self, from: ServerId, notification: &Notification, out: &mut Vec<Action>) {
        if self.state == PeerState::Leading {
            let candidacy = Some(notification.candidate()).filter(|candidate| candidate.leader == from.0);
            out.push(Action::VoterLooks { voter: from, chose_us: self.electors.contains(&from), candidacy });
        }
        if let Some(vote) = &self.vote {
            self.send(from, self.state, vote.candidate(), vote.election_epoch, out);
        }
    }

    fn hear_voter(
        &mut self,
        now_ms: u64,
        from: ServerId,
        notification: &Notification,
        out: &mut Vec<Action>,
    ) {
        let Some(round) = &self.round else { return unheeded(from, Unheeded::NotStarted, out) };
        // diverges(election-settled-strangers): the reference sends it though it does not vote; a voter that looks answers it without
        // taking over the round, and the two would go on for as long as the voter is behind
        let lags = notification.state == PeerState::Looking && notification.election_epoch < self.clock;
        if lags && self.membership.is_voter(self.settings.me) {
            self.send(from, PeerState::Looking, round.proposal, self.clock, out);
        }
        self.count(now_ms, from, notification, out);
        self.hear_ourselves(now_ms, out);
    }

    /// Hears our own vote, when it was told.
    fn hear_ourselves(&mut self, now_ms: u64, out: &mut Vec<Action>) {
        while mem::take(&mut self.owes_itself) {
            let Some(round) = &self.round else { return };
            let notification = self.notification(PeerState::Looking, round.proposal, self.clock);
            self.count(now_ms, self.settings.me, &notification, out);
        }
    }

    /// Counts the vote of a voter, ourselves included.
    // zk: FastLeaderElection.lookForLeader
    fn count(&mut self, now_ms: u64, from: ServerId, notification: &Notification, out: &mut Vec<Action>) {
        let Some(round) = &mut self.round else { return };
        let was_final = round.is_final;
        if round.is_final {
            // While we wait for a better vote, all others are thrown away, and the wait begins anew.
            round.is_final = !self.membership.is_better(&notification.candidate(), &round.proposal);
            if round.is_final {
                return self.wait(now_ms);
            }
        }
        let heard = round.hear(&self.membership, &mut self.clock, self.settings.me, from, notification);
        match heard {
            // diverges(election-unheeded-wait): in the reference it begins the wait anew, so that a voter without a history, which
            // asks and asks, keeps others from telling theirs again
            Heard::Unheeded(why) if !was_final => return unheeded(from, why, out),
            Heard::Unheeded(why) => unheeded(from, why, out),
            // diverges(election-unheeded-wait): two who tell their worse votes again and again would keep a third from telling its
            // better one again, which they have not heard
            Heard::Again if !was_final => return,
            Heard::Again | Heard::Settled => {}
            Heard::Vote { tell_all, is_overtaken, has_quorum } => {
                round.is_final = has_quorum;
                if is_overtaken {
                    out.push(Action::Note(Note::Overtaken { by: from, election_epoch: self.clock }));
                }
                if tell_all {
                    self.tell_all(out);
                }
            }
            Heard::Join(vote) => return self.decide(Vote::new(vote.candidate(), vote.election_epoch), out),
        }
        self.wait(now_ms);
    }

    /// Begins the wait that the round is in.
    fn wait(&mut self, now_ms: u64) {
        if let Some(round) = &mut self.round {
            let wait_ms = if round.is_final { self.settings.finalize_wait_ms } else { round.timeout_ms };
            round.deadline_ms = now_ms.saturating_add(wait_ms);
        }
    }

    // zk: FastLeaderElection.setPeerState, learningState, leaveInstance
    fn decide(&mut self, vote: Vote, out: &mut Vec<Action>) {
        let leader = ServerId(vote.leader);
        let role = match self.membership.learner_type() {
            _ if leader == self.settings.me => PeerState::Leading,
            LearnerType::Participant => PeerState::Following,
            LearnerType::Observer => PeerState::Observing,
        };
        let round = self.round.as_ref().filter(|_| role == PeerState::Leading);
        self.electors = round.map_or_else(BTreeSet::new, |round| round.supporters(&vote));
        self.settle(role, vote);
        out.push(Action::Decided(Decision { role, leader, vote }));
    }

    /// Tells our proposal to all voters.
    // zk: FastLeaderElection.sendNotifications
    fn tell_all(&mut self, out: &mut Vec<Action>) {
        let Some(round) = &self.round else { return };
        let voters = self.membership.voters();
        for to in voters.iter().filter(|voter| **voter != self.settings.me) {
            self.send(*to, PeerState::Looking, round.proposal, self.clock, out);
        }
        self.owes_itself = voters.contains(&self.settings.me);
    }

    fn send(&self, to: ServerId, state: PeerState, candidate: Candidate, epoch: i64, out: &mut Vec<Action>) {
        out.push(Action::Send { to, notification: self.notification(state, candidate, epoch) });
    }

    fn notification(&self, state: PeerState, candidate: Candidate, election_epoch: i64) -> Notification {
        let Candidate { peer_epoch, zxid, leader } = candidate;
        let config = Some(self.config.clone());
        Notification { state, leader, zxid, election_epoch, peer_epoch, config, version: VERSION }
    }
}

fn unheeded(from: ServerId, why: Unheeded, out: &mut Vec<Action>) {
    out.push(Action::Note(Note::Unheeded { from, why }));
}

/// The round of a vote that was cast in none.
// zk: Vote(long, long, long)
const NO_ROUND: i64 = -1;

/// Least wait for messages.
// diverges(election-wait-min): with 0 a peer would do nothing but send
const TIMEOUT_MIN_MS: u64 = 1;

#[cfg(test)]
mod tests;
