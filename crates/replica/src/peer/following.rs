use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use ensemble::ServerId;
use jute::{ErrorCode, TxnRecord, Zxid};
use pipeline::event::Event;
use pipeline::time::Millis;
use zab::learner::{Departure, LearnerStart, Upstream};
use zab::{Attempt, Learner, LearnerAction, LearnerReport, LearnerSettings, LinkId, LogProbe, Packet};

use super::forwarder::{Forwarder, Up};
use super::observers::{self, Observers, Turn};
use super::reconfig::Appointment;
use super::settling::Settling;
use super::shared_link::{Behind, SharedLink};
use super::step::{Member, Step};
use super::{refuse, send_away};
use crate::{Level, Mode, Note, PeerEffect};

/// The role of a follower or an observer, from the election to the end of its link to the leader.
///
/// * There is a [`Forwarder`] exactly while clients are served.
#[derive(Debug)]
pub(super) struct Following {
    attempt: Attempt,
    leader: ServerId,
    /// The follower that stands in the leader's place, if this is an observer behind one.
    master: Option<ServerId>,
    mode: Mode,
    learner: Learner,
    forwarder: Option<Forwarder>,
    observers: Option<Observers>,
    shared: SharedLink,
    /// What is applied, as soon as all earlier effects are carried out.
    applied: Zxid,
    actions: Vec<LearnerAction>,
    has_ended: bool,
    /// Committed when the role had ended, oldest first.
    unapplied: Vec<Arc<TxnRecord>>,
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
        let master = (mode == Mode::Observer).then(|| member.choose_master(leader)).flatten();
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
        let mut following = Self {
            attempt,
            leader,
            master,
            mode,
            learner,
            forwarder: None,
            observers: None,
            shared: SharedLink::default(),
            applied: step.member.history.last_logged,
            actions,
            has_ended: false,
            unapplied: Vec::new(),
        };
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
        if let Some(observers) = self.observers {
            observers.end(step);
        }
        let has_served = self.forwarder.is_some();
        let vain_joins = if has_served { 0 } else { step.member.vain_joins.saturating_add(1) };
        if has_served {
            step.member.departure = None;
        }
        step.member.vain_joins = vain_joins;
        // What came behind the end of the role was not appended: the log ends before it.
        let last_logged = step.member.history.last_logged;
        let pending = self.unapplied.into_iter().chain(self.learner.into_pending());
        let pending = pending.filter(|record| record.header.zxid <= last_logged).collect();
        let settling = Settling::new(pending).after_vain_joins(vain_joins, step.now);
        match self.mode {
            Mode::Observer => settling.after_observing(step.member, step.now),
            Mode::Follower | Mode::Leader | Mode::Standalone | Mode::ReadOnly => settling,
        }
    }

    /// Clients and timers.
    pub(super) fn on_server(&mut self, step: &mut Step<'_>, event: Event) {
        match event {
            Event::Durable { zxid } => self.learner.on_durable(step.now.0, zxid, &mut self.actions),
            Event::Deadline { .. } => {
                if self.learner.next_deadline().is_some_and(|deadline| deadline <= step.now.0) {
                    self.learner.on_deadline(step.now.0, &mut self.actions);
                }
                self.with_observers(step, |observers, turn| observers.on_deadline(turn));
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
        if let Event::Request(request) = &event
            && !self.shared.admits(request.session, request.request.op_code().code(), Behind::Clients)
        {
            return forwarder.refuse(request, ErrorCode::SessionMoved, step.out);
        }
        if let Event::Heard { sessions } = &event {
            self.shared.heard(sessions);
        }
        let mut up = Vec::new();
        forwarder.on_client(step, &mut up, event);
        for packet in &up {
            if let Packet::Revalidate { session, timeout_ms } = packet {
                self.shared.ask(*session, *timeout_ms, Behind::Clients);
            }
        }
        self.send_up(step, up);
    }

    fn send_up(&self, step: &mut Step<'_>, up: Up) {
        for packet in up {
            step.want(PeerEffect::SendToLeader { attempt: self.attempt, packet });
        }
    }

    /// Somebody wants to learn from us.
    pub(super) fn on_connected(&mut self, step: &mut Step<'_>, link: LinkId) {
        match &mut self.observers {
            Some(observers) => observers.on_connected(step, link),
            None => send_away(step, link),
        }
    }

    pub(super) fn on_packet(&mut self, step: &mut Step<'_>, link: LinkId, packet: Packet) {
        self.with_observers(step, |observers, turn| observers.on_packet(turn, link, packet));
    }

    pub(super) fn on_lost(&mut self, step: &mut Step<'_>, link: LinkId, why: String) {
        self.with_observers(step, |observers, turn| observers.on_lost(turn, link, why));
    }

    pub(super) fn on_log_probed(
        &mut self,
        step: &mut Step<'_>,
        link: LinkId,
        outcome: Result<LogProbe, String>,
    ) {
        self.with_observers(step, |observers, turn| observers.on_log_probed(turn, link, outcome));
    }

    fn with_observers(&mut self, step: &mut Step<'_>, run: impl FnOnce(&mut Observers, &mut Turn<'_, '_>)) {
        let (Some(observers), Some(forwarder)) = (&mut self.observers, &mut self.forwarder) else { return };
        let mut up = Up::new();
        let shared = &mut self.shared;
        run(observers, &mut Turn { step, forwarder, shared, up: &mut up });
        self.send_up(step, up);
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
            self.applied = step.state.last_processed_zxid();
            step.forget_unlogged();
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
        let of_observers = self.observers.as_ref().and_then(Observers::next_deadline);
        self.learner.next_deadline().into_iter().chain(of_observers).min().map(Millis)
    }

    /// From whom it learns.
    pub(super) fn master(&self) -> ServerId {
        self.master.unwrap_or(self.leader)
    }

    /// Who learns from it.
    pub(super) fn observers(&self) -> Vec<LearnerReport> {
        self.observers.as_ref().map(Observers::learners).unwrap_or_default()
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
        let mut actions = core::mem::take(&mut self.actions).into_iter().peekable();
        while let Some(action) = actions.next() {
            if self.has_ended {
                // The learner did not know yet; what the log has of it is applied before the next role.
                if let LearnerAction::Apply(record) = action {
                    self.unapplied.push(record);
                }
                continue;
            }
            let leader = actions.peek().and_then(appointed);
            self.act(step, action, leader);
        }
    }

    /// `leader` is who leads from now on, if the action is a transaction that changes the membership.
    fn act(&mut self, step: &mut Step<'_>, action: LearnerAction, leader: Option<i64>) {
        match action {
            LearnerAction::Dial { leader, within_ms } => {
                let attempt = self.attempt;
                step.want(match self.master {
                    Some(master) => PeerEffect::DialMaster { attempt, master, within_ms },
                    None => PeerEffect::Dial { attempt, leader, within_ms },
                });
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
                self.applied = zxid;
                step.want(PeerEffect::AdoptSnapshot { attempt: self.attempt, zxid });
            }
            LearnerAction::InstallSnapshot { zxid } => {
                step.member.history.install_snapshot(zxid, step.out);
            }
            LearnerAction::Append(record) => step.member.history.append(record, step.out),
            LearnerAction::Apply(record) => self.apply(step, record, leader),
            LearnerAction::ApplyFuzzy(record) => {
                self.applied = record.header.zxid;
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
                let Some(forwarder) = &mut self.forwarder else { return };
                let (mut up, shared) = (Up::new(), &mut self.shared);
                let mut turn = Turn { step, forwarder, shared, up: &mut up };
                observers::on_revalidated(self.observers.as_mut(), &mut turn, session, is_valid);
            }
            LearnerAction::Synced => {
                let synced = self.forwarder.as_mut().and_then(|forwarder| forwarder.on_synced(step.out));
                if let Some(link) = synced {
                    self.with_observers(step, |observers, turn| observers.on_synced(turn, link));
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
                let is_known = step.member.departure.as_ref().is_some_and(|before| before.is_like(&why));
                step.member.departure = Some(why.clone());
                let level = match why {
                    // It comes again with every election until the operator decides.
                    _ if is_known => Level::Debug,
                    Departure::WouldLose { .. } => Level::Error,
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

    fn apply(&mut self, step: &mut Step<'_>, record: Arc<TxnRecord>, leader: Option<i64>) {
        step.member.history.recent.push(Arc::clone(&record));
        self.applied = record.header.zxid;
        match &mut self.forwarder {
            Some(forwarder) => forwarder.commit(Arc::clone(&record), step.out),
            None => step.out.push(crate::Effect::Apply { record: Arc::clone(&record), origin: None }),
        }
        self.with_observers(step, |observers, turn| observers.commit(turn, &record, leader));
    }

    // zk: Learner.syncWithLeader: UPTODATE
    fn serve(&mut self, step: &mut Step<'_>, epoch: i32) {
        self.forwarder = Some(Forwarder::new(step));
        step.member.election.update_settled_epoch(i64::from(epoch));
        step.note(Level::Info, Note::Serves { mode: self.mode, epoch });
        step.member.history.is_served();
        step.want(PeerEffect::Serve { mode: self.mode });
        if self.mode == Mode::Follower && step.member.peer.observers.uses_masters {
            self.observers = Some(Observers::begin(step, epoch, self.applied));
        }
    }
}

impl Member {
    /// The next follower to learn from, where followers serve observers.
    // zk: QuorumPeer.findLearnerMaster, nextObserverMaster
    // diverges(observer-master-not-the-leader): the reference tries the leader too, which never serves at that port
    fn choose_master(&mut self, leader: ServerId) -> Option<ServerId> {
        if !self.peer.observers.uses_masters {
            return None;
        }
        let masters: Vec<ServerId> =
            self.peer.verifier.voters().map(|voter| voter.id).filter(|voter| *voter != leader).collect();
        let place = self.next_master.checked_rem(masters.len())?;
        self.next_master = self.next_master.wrapping_add(1);
        masters.get(place).copied()
    }
}

/// Who leads from now on, when this action is that of a transaction that changes the membership.
fn appointed(action: &LearnerAction) -> Option<i64> {
    if let LearnerAction::Activate { appointed: Some((leader, _)), .. } = action {
        Some(leader.0)
    } else {
        None
    }
}

/// The id of an observer that has none.
const NO_ID: i64 = i64::MAX;
