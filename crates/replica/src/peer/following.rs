use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use ensemble::ServerId;
use jute::{TxnRecord, Zxid};
use pipeline::event::Event;
use pipeline::time::Millis;
use zab::learner::{Departure, LearnerStart, Upstream};
use zab::{Attempt, Learner, LearnerAction, LearnerSettings, Packet};

use super::forwarder::Forwarder;
use super::reconfig::Appointment;
use super::refuse;
use super::settling::Settling;
use super::step::Step;
use crate::{Level, Mode, Note, PeerEffect};

/// The role of a follower or an observer, from the election to the end of its link to the leader.
///
/// * There is a [`Forwarder`] exactly while clients are served.
#[derive(Debug)]
pub(super) struct Following {
    attempt: Attempt,
    leader: ServerId,
    mode: Mode,
    learner: Learner,
    forwarder: Option<Forwarder>,
    actions: Vec<LearnerAction>,
    has_ended: bool,
}

impl Following {
    pub(super) fn begin(
        step: &mut Step<'_>,
        leader: ServerId,
        mode: Mode,
        elected_epoch: Option<i32>,
    ) -> Self {
        let member = &mut *step.member;
        member.attempts += 1;
        let peer = &member.peer;
        let settings = LearnerSettings {
            me: (peer.me.0 != NO_ID).then_some(peer.me),
            is_observer: mode == Mode::Observer,
            leader,
            elected_epoch,
            config_version: peer.verifier.version,
            tick_ms: peer.tick_ms,
            init_limit: peer.init_limit,
            sync_limit: peer.sync_limit,
            reconfig_enabled: member.settings.reconfig_enabled,
            multi_address: member.settings.multi_address,
        };
        let start = LearnerStart {
            accepted_epoch: member.history.accepted_epoch,
            current_epoch: member.history.current_epoch(),
            // zk: QuorumPeer.getLastLoggedZxid: -1, which leaders do not count, for a history that is not known to be whole
            last: member.history.vote(),
            keeps_history: member.history.is_standalone(),
        };
        let attempt = Attempt(member.attempts);
        let mut actions = Vec::new();
        let learner = Learner::new(settings, start, step.now.0, &mut actions);
        let mut following =
            Self { attempt, leader, mode, learner, forwarder: None, actions, has_ended: false };
        following.carry(step);
        following
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The process is to end.
    pub(super) fn stop(&mut self) {
        self.has_ended = true;
    }

    /// Ends the role: no clients, no leader. What waited is void; the clients ask again elsewhere.
    pub(super) fn end(self, step: &mut Step<'_>) -> Settling {
        if self.forwarder.is_some() {
            step.want(PeerEffect::StopServing);
        }
        step.want(PeerEffect::HangUp { attempt: self.attempt });
        let vain_joins = if self.forwarder.is_some() { 0 } else { step.member.vain_joins.saturating_add(1) };
        step.member.vain_joins = vain_joins;
        Settling::new(self.learner.into_pending().into()).after_vain_joins(vain_joins, step.now)
    }

    /// Clients and timers.
    pub(super) fn on_server(&mut self, step: &mut Step<'_>, event: Event) {
        match event {
            Event::Durable { zxid } => self.learner.on_durable(step.now.0, zxid, &mut self.actions),
            Event::Deadline { .. } => {
                if self.learner.next_deadline().is_some_and(|deadline| deadline <= step.now.0) {
                    self.learner.on_deadline(step.now.0, &mut self.actions);
                }
            }
            Event::NewSession { .. }
            | Event::ReopenSession { .. }
            | Event::Request(_)
            | Event::Throttled(_)
            | Event::ConnectionLost { .. }
            | Event::Heard { .. }
            | Event::Tick { .. }
            | Event::ContainerCheck { .. }
            | Event::Shutdown => self.on_client(step, event),
        }
        self.carry(step);
    }

    fn on_client(&mut self, step: &mut Step<'_>, event: Event) {
        let Some(forwarder) = &mut self.forwarder else { return refuse(event, step.out) };
        let mut up = Vec::new();
        forwarder.on_client(step, &mut up, event);
        for packet in up {
            step.want(PeerEffect::SendToLeader { attempt: self.attempt, packet });
        }
    }

    pub(super) fn on_upstream(&mut self, step: &mut Step<'_>, attempt: Attempt, what: Upstream) {
        if attempt != self.attempt {
            return;
        }
        self.learner.on_upstream(step.now.0, what, &mut self.actions);
        self.carry(step);
    }

    pub(super) fn on_accepted_epoch_written(&mut self, step: &mut Step<'_>) {
        self.learner.on_accepted_epoch_written(step.now.0, &mut self.actions);
        self.carry(step);
    }

    pub(super) fn on_current_epoch_written(&mut self, step: &mut Step<'_>) {
        self.learner.on_current_epoch_written(step.now.0, &mut self.actions);
        self.carry(step);
    }

    pub(super) fn on_truncated(&mut self, step: &mut Step<'_>, outcome: Result<Zxid, String>) {
        if step.member.history.on_truncated(&outcome) {
            self.learner.on_truncated(step.now.0, outcome, &mut self.actions);
            self.carry(step);
        }
    }

    pub(super) fn on_snapshot_installed(&mut self, step: &mut Step<'_>, zxid: Zxid) {
        if step.member.history.on_snapshot_installed(zxid) {
            self.learner.on_snapshot_installed(step.now.0, &mut self.actions);
            self.carry(step);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.learner.next_deadline().map(Millis)
    }

    pub(super) fn outstanding(&self) -> usize {
        self.forwarder.as_ref().map_or(0, Forwarder::outstanding)
    }

    pub(super) fn leader(&self) -> ServerId {
        self.leader
    }

    /// What it is to clients, while it is anything.
    pub(super) fn serves_as(&self) -> Option<Mode> {
        self.forwarder.as_ref().map(|_| self.mode)
    }

    pub(super) fn forwarder(&self) -> Option<&Forwarder> {
        self.forwarder.as_ref()
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn learner(&self) -> &Learner {
        &self.learner
    }

    fn carry(&mut self, step: &mut Step<'_>) {
        for action in core::mem::take(&mut self.actions) {
            if !self.has_ended {
                self.act(step, action);
            }
        }
    }

    fn act(&mut self, step: &mut Step<'_>, action: LearnerAction) {
        match action {
            LearnerAction::Dial { leader, within_ms } => {
                step.want(PeerEffect::Dial { attempt: self.attempt, leader, within_ms });
            }
            LearnerAction::Send(packet) => {
                step.want(PeerEffect::SendToLeader { attempt: self.attempt, packet });
            }
            LearnerAction::WriteAcceptedEpoch(epoch) => {
                step.member.history.write_accepted_epoch(epoch, step.out);
            }
            LearnerAction::WriteCurrentEpoch(epoch) => {
                step.member.history.write_current_epoch(epoch, step.out);
            }
            LearnerAction::Truncate(zxid) => step.member.history.truncate(zxid, step.out),
            LearnerAction::AdoptSnapshot { zxid } => {
                step.member.history.recent.clear();
                step.want(PeerEffect::AdoptSnapshot { attempt: self.attempt, zxid });
            }
            LearnerAction::InstallSnapshot { zxid } => {
                step.member.history.install_snapshot(zxid, step.out);
            }
            LearnerAction::Append(record) => step.member.history.append(record, step.out),
            LearnerAction::Apply(record) => self.apply(step, record),
            LearnerAction::ApplyFuzzy(record) => {
                step.member.history.recent.push(Arc::clone(&record));
                step.want(PeerEffect::ApplyFuzzy { record });
            }
            LearnerAction::Serve { epoch } => self.serve(step, epoch),
            LearnerAction::AnswerPing { zxid } => {
                let heard = self.forwarder.as_mut().map(|forwarder| forwarder.take_heard());
                let packet = Packet::Ping { zxid, heard: Some(heard.unwrap_or_default()) };
                step.want(PeerEffect::SendToLeader { attempt: self.attempt, packet });
            }
            LearnerAction::Revalidated { session, is_valid } => {
                if let Some(forwarder) = &mut self.forwarder {
                    forwarder.on_revalidated(session, is_valid, step.out);
                }
            }
            LearnerAction::Synced => {
                if let Some(forwarder) = &mut self.forwarder {
                    forwarder.on_synced(step.out);
                }
            }
            LearnerAction::See(verifier) => step.see(verifier),
            LearnerAction::Activate { verifier, appointed } => {
                let appointment = appointed.map(|(leader, by)| Appointment { leader, by });
                if step.activate(verifier, Some(self.leader), appointment).is_major {
                    self.has_ended = true;
                    let why = String::from("the membership changes the role or the leader");
                    step.note(Level::Info, Note::LeftLeader { leader: self.leader, why });
                }
            }
            LearnerAction::GiveUpHistory { why } => {
                step.note(Level::Error, Note::HistoryGivenUp { why: why.clone() });
                step.member.history.give_up(why, step.out);
            }
            LearnerAction::Leave { why } => {
                self.has_ended = true;
                let level = match why {
                    // It comes again with every election until the operator decides.
                    Departure::WouldLose { .. } => {
                        let has_told = core::mem::replace(&mut step.member.has_told_of_loss, true);
                        if has_told { Level::Debug } else { Level::Error }
                    }
                    Departure::Lost(_)
                    | Departure::TimedOut(_)
                    | Departure::OldEpoch(_)
                    | Departure::Unexpected(_)
                    | Departure::Gap { .. }
                    | Departure::UnknownCommit(_)
                    | Departure::NotTruncated(_)
                    | Departure::BadMembership(_)
                    | Departure::TooMuchHeld => Level::Warn,
                };
                step.note(level, Note::LeftLeader { leader: self.leader, why: why.to_string() });
            }
            LearnerAction::Note(note) => step.note(Level::Info, Note::Learner(note)),
        }
    }

    fn apply(&mut self, step: &mut Step<'_>, record: Arc<TxnRecord>) {
        step.member.history.recent.push(Arc::clone(&record));
        match &mut self.forwarder {
            Some(forwarder) => forwarder.commit(record, step.out),
            None => step.out.push(crate::Effect::Apply { record, origin: None }),
        }
    }

    // zk: Learner.syncWithLeader: UPTODATE
    fn serve(&mut self, step: &mut Step<'_>, epoch: i32) {
        self.forwarder = Some(Forwarder::new(step));
        step.member.election.update_settled_epoch(i64::from(epoch));
        step.note(Level::Info, Note::Serves { mode: self.mode, epoch });
        step.member.history.is_served();
        step.want(PeerEffect::Serve { mode: self.mode });
    }
}

/// The id of an observer that has none.
const NO_ID: i64 = i64::MAX;
