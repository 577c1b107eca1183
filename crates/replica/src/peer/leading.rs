use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use election::Candidate;
use ensemble::Verifier;
use jute::{TxnRecord, Zxid};
use pipeline::event::Event;
use pipeline::prepare::Ensemble;
use pipeline::sessions::{SessionIds, SessionTracker};
use pipeline::time::Millis;
use zab::leader::{LeaderStart, Recent};
use zab::{Leader, LeaderAction, LeaderSettings, LinkId, LogProbe, Outgoing, Packet};

use super::reconfig::Appointment;
use super::settling::Settling;
use super::step::{Step, VoterLooks};
use super::{Stage, refuse};
use crate::primary::{Order, Primary, Turn};
use crate::{Level, Mode, Note, PeerEffect};

/// The role of a leader, from its election to its end.
///
/// * There is a [`Primary`] exactly from the moment on at which a quorum has the history.
#[derive(Debug)]
pub(super) struct Leading {
    leader: Leader,
    links: BTreeSet<LinkId>,
    primary: Option<Primary>,
    actions: Vec<LeaderAction>,
    stage: Stage,
    end: Option<String>,
    /// The process is to end, at the latest then.
    hands_over_until: Option<Millis>,
}

/// Ticks that a leader which is to stop waits for a successor that has everything.
const HANDOVER_TICKS: u64 = 2;

/// Transactions in the order of the ensemble.
struct Broadcast<'a> {
    leader: &'a mut Leader,
    actions: &'a mut Vec<LeaderAction>,
    last_logged: &'a mut Zxid,
}

impl Order for Broadcast<'_> {
    fn next_zxid(&mut self) -> Option<Zxid> {
        self.leader.next_zxid(self.actions)
    }

    fn enter(&mut self, now: Millis, record: &Arc<TxnRecord>) {
        *self.last_logged = record.header.zxid;
        self.leader.propose(now.0, Arc::clone(record), self.actions);
    }

    fn ensemble(&self) -> Option<&dyn Ensemble> {
        Some(self)
    }
}

impl Ensemble for Broadcast<'_> {
    fn current(&self) -> &Verifier {
        self.leader.verifier()
    }

    fn last_seen(&self) -> &Verifier {
        self.leader.last_seen()
    }

    fn has_synced_quorum(&self, verifier: &Verifier) -> bool {
        self.leader.has_synced_quorum(verifier)
    }
}

impl Leading {
    pub(super) fn begin(step: &mut Step<'_>) -> Self {
        let peer = &step.member.peer;
        let settings = LeaderSettings {
            me: peer.me,
            tick_ms: peer.tick_ms,
            init_limit: peer.init_limit,
            sync_limit: peer.sync_limit,
            forces_snapshot: peer.forces_snapshot,
            sends_log: peer.sends_log,
            reconfig_enabled: step.member.settings.reconfig_enabled,
            epoch_patience_ms: peer.epoch_patience_ms,
        };
        let last_seen = Some(Arc::clone(&step.member.last_seen));
        let history = &mut step.member.history;
        let start = LeaderStart {
            accepted_epoch: history.accepted_epoch,
            current_epoch: history.current_epoch(),
            last: history.last_logged,
            last_processed: history.last_logged,
            recent: core::mem::replace(&mut history.recent, Recent::new(0)),
            last_seen,
        };
        let verifier = Arc::clone(&step.member.peer.verifier);
        step.want(PeerEffect::Listen);
        let mut actions = Vec::new();
        let leader = Leader::new(settings, verifier, start, step.now.0, &mut actions);
        let mut leading = Self {
            leader,
            links: BTreeSet::new(),
            primary: None,
            actions,
            stage: Stage::Discovery,
            end: None,
            hands_over_until: None,
        };
        leading.carry(step);
        leading
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Ends the role: no clients, no learners.
    pub(super) fn end(self, step: &mut Step<'_>) -> Settling {
        if self.primary.is_some() {
            step.want(PeerEffect::StopServing);
        }
        let why = self.end.unwrap_or_default();
        for link in self.links {
            step.want(PeerEffect::CloseLearner { link, why: why.clone() });
        }
        step.want(PeerEffect::StopListening);
        step.member.history.recent = self.leader.into_recent();
        let pending = self.primary.map_or_else(VecDeque::new, Primary::into_pending);
        Settling::new(pending)
    }

    /// The process is to end: at once, unless there is something to hand over.
    pub(super) fn stop(&mut self, step: &mut Step<'_>) {
        match &mut self.primary {
            None => self.end = Some(String::from("this server stops")),
            Some(primary) => {
                primary.stop();
                let wait_ms = u64::from(step.member.peer.tick_ms) * HANDOVER_TICKS;
                self.hands_over_until.get_or_insert(step.now.plus(wait_ms));
            }
        }
    }

    /// After each event: whether a leader that is to stop may.
    pub(super) fn hand_over(&mut self, step: &Step<'_>) {
        let Some(until) = self.hands_over_until else { return };
        let is_all_committed = self.leader.outstanding() == 0 && self.outstanding() == 0;
        let has_synced_voter =
            self.leader.learners().iter().any(|learner| learner.votes && learner.is_synced);
        let has_heir = !has_synced_voter || self.leader.has_successor();
        if (is_all_committed && has_heir) || step.now >= until {
            self.end.get_or_insert_with(|| String::from("this server stops"));
        }
    }

    /// A voter looks for a leader.
    pub(super) fn on_voter_looks(&mut self, step: &mut Step<'_>, looks: VoterLooks) {
        let VoterLooks { voter, chose_us, candidacy } = looks;
        if let Some(Candidate { peer_epoch, zxid, .. }) = candidacy {
            self.leader.on_candidacy(voter, peer_epoch, zxid);
        }
        if chose_us {
            self.leader.on_voter_looks(step.now.0, voter, &mut self.actions);
            self.carry(step);
        }
    }

    /// Clients and timers.
    pub(super) fn on_server(&mut self, step: &mut Step<'_>, event: Event) {
        if let Some(primary) = &mut self.primary {
            primary.retire(step.state.last_processed_zxid());
        }
        match event {
            Event::Durable { zxid } => self.leader.on_durable(step.now.0, zxid, &mut self.actions),
            Event::Deadline { .. } => {
                if self.leader.next_deadline().is_some_and(|deadline| deadline <= step.now.0) {
                    self.leader.on_deadline(step.now.0, &mut self.actions);
                }
                self.with_primary(step, |primary, turn, _| primary.delete_due(turn));
            }
            Event::NewSession { .. }
            | Event::ReopenSession { .. }
            | Event::Request(_)
            | Event::Throttled(_)
            | Event::ConnectionLost { .. }
            | Event::Heard { .. }
            | Event::Tick { .. }
            | Event::ContainerCheck { .. }
                if self.primary.is_some() =>
            {
                self.with_primary(step, |primary, turn, ids| on_client(primary, turn, ids, event));
            }
            Event::NewSession { .. }
            | Event::ReopenSession { .. }
            | Event::Request(_)
            | Event::Throttled(_)
            | Event::ConnectionLost { .. }
            | Event::Heard { .. }
            | Event::Tick { .. }
            | Event::ContainerCheck { .. }
            | Event::Shutdown => refuse(event, step.out),
        }
        self.carry(step);
    }

    pub(super) fn on_connected(&mut self, step: &mut Step<'_>, link: LinkId) {
        self.links.insert(link);
        self.leader.on_accepted(step.now.0, link, &mut self.actions);
        self.carry(step);
    }

    pub(super) fn on_packet(&mut self, step: &mut Step<'_>, link: LinkId, packet: Packet) {
        if self.links.contains(&link) {
            if let Some(primary) = &mut self.primary {
                primary.retire(step.state.last_processed_zxid());
            }
            self.leader.on_packet(step.now.0, link, packet, &mut self.actions);
            self.carry(step);
        }
    }

    pub(super) fn on_lost(&mut self, step: &mut Step<'_>, link: LinkId, why: String) {
        if self.links.remove(&link) {
            step.note(Level::Info, Note::LearnerLost { link, why });
            self.leader.on_lost(step.now.0, link, &mut self.actions);
            self.carry(step);
        }
    }

    pub(super) fn on_log_probed(
        &mut self,
        step: &mut Step<'_>,
        link: LinkId,
        outcome: Result<LogProbe, String>,
    ) {
        if self.links.contains(&link) {
            self.leader.on_log_probed(step.now.0, link, outcome, &mut self.actions);
            self.carry(step);
        }
    }

    pub(super) fn on_accepted_epoch_written(&mut self, step: &mut Step<'_>) {
        self.leader.on_accepted_epoch_written(step.now.0, &mut self.actions);
        self.carry(step);
    }

    pub(super) fn on_current_epoch_written(&mut self, step: &mut Step<'_>) {
        self.leader.on_current_epoch_written(step.now.0, &mut self.actions);
        self.carry(step);
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        let containers = self.primary.as_ref().and_then(Primary::next_deadline);
        [self.leader.next_deadline().map(Millis), containers, self.hands_over_until]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn outstanding(&self) -> usize {
        self.primary.as_ref().map_or(0, Primary::outstanding)
    }

    pub(super) fn primary(&self) -> Option<&Primary> {
        self.primary.as_ref()
    }

    pub(super) fn leader(&self) -> &Leader {
        &self.leader
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Does what the protocol wants, and what follows from that, until nothing is left.
    fn carry(&mut self, step: &mut Step<'_>) {
        while !self.actions.is_empty() {
            for action in core::mem::take(&mut self.actions) {
                if self.end.is_none() {
                    self.act(step, action);
                }
            }
        }
    }

    fn act(&mut self, step: &mut Step<'_>, action: LeaderAction) {
        match action {
            LeaderAction::WriteAcceptedEpoch(epoch) => {
                step.member.history.write_accepted_epoch(epoch, step.out);
            }
            LeaderAction::WriteCurrentEpoch(epoch) => {
                self.stage = Stage::Synchronization;
                step.member.history.write_current_epoch(epoch, step.out);
            }
            LeaderAction::Send { link, what } => step.want(PeerEffect::SendToLearner { link, what }),
            LeaderAction::Close { link, why } => {
                step.want(PeerEffect::CloseLearner { link, why: why.to_string() });
            }
            LeaderAction::ProbeLog { link, peer } => step.want(PeerEffect::ProbeLog { link, peer }),
            LeaderAction::See(verifier) => step.see(verifier),
            LeaderAction::Activate { verifier, leader, zxid } => {
                let appointment = Some(Appointment { leader, by: zxid });
                // Who makes way for another leads until the quorum has left: then all have heard of it.
                step.activate(verifier, Some(step.member.peer.me), appointment);
            }
            LeaderAction::Established { first } => self.establish(step, first),
            LeaderAction::Committed { zxid } => {
                if let Some(primary) = &mut self.primary {
                    primary.commit(zxid, step.out);
                }
            }
            LeaderAction::Forwarded { link, request } => {
                self.with_primary(step, |primary, turn, _| primary.on_forwarded(turn, link, &request));
            }
            LeaderAction::Revalidate { link, session, timeout_ms } => {
                let is_valid = (self.primary.as_mut())
                    .is_some_and(|primary| primary.on_revalidate(step.now, link, session, timeout_ms));
                let what = Outgoing::Packet(Packet::Revalidated { session, is_valid });
                step.want(PeerEffect::SendToLearner { link, what });
            }
            LeaderAction::Heard { sessions } => {
                if let Some(primary) = &mut self.primary {
                    primary.on_learner_heard(step.now, &sessions);
                }
            }
            LeaderAction::Abdicate { why } => {
                self.end = Some(why.to_string());
                step.note(Level::Warn, Note::Abdicated { why });
            }
            LeaderAction::Note(note) => step.note(Level::Info, Note::Leader(note)),
        }
    }

    /// A quorum has the history: the epoch begins.
    // zk: Leader.startZkServer
    fn establish(&mut self, step: &mut Step<'_>, first: Zxid) {
        self.stage = Stage::Broadcast;
        step.member.vain_joins = 0;
        step.member.departure = None;
        step.want(PeerEffect::SetLastProcessed { zxid: first });
        let settings = Arc::clone(&step.member.settings);
        let (me, modes) = (step.member.peer.me, step.member.peer.modes);
        let sessions = SessionTracker::new(settings.tick_ms, step.now, step.state.sessions());
        let sessions = match modes.local_sessions {
            true => sessions.of_leader_among_local_sessions(me.0),
            false => sessions.of_leader(),
        };
        self.primary = Some(Primary::new(settings, sessions, step.now).with_modes(modes));
        step.member.election.update_settled_epoch(i64::from(first.epoch()));
        step.note(Level::Info, Note::Serves { mode: Mode::Leader, epoch: first.epoch() });
        step.member.history.is_served();
        step.want(PeerEffect::Serve { mode: Mode::Leader });
        self.with_primary(step, |primary, turn, _| primary.close_orphans(turn));
    }

    fn with_primary(
        &mut self,
        step: &mut Step<'_>,
        run: impl FnOnce(&mut Primary, &mut Turn<'_, Broadcast<'_>>, &mut SessionIds),
    ) {
        let Some(primary) = &mut self.primary else { return };
        let wall_ms = step.wall_ms();
        let member = &mut *step.member;
        let order = &mut Broadcast {
            leader: &mut self.leader,
            actions: &mut self.actions,
            last_logged: &mut member.history.last_logged,
        };
        let mut out = Vec::new();
        let mut turn = Turn { now: step.now, wall_ms, state: step.state, order, out: &mut out };
        run(primary, &mut turn, &mut member.ids);
        self.see_first(step);
        step.out.append(&mut out);
    }

    /// A membership is durable before the transaction that proposes it.
    fn see_first(&mut self, step: &mut Step<'_>) {
        let is_see = |action: &mut LeaderAction| matches!(action, LeaderAction::See(_));
        for action in self.actions.extract_if(.., is_see).collect::<Vec<_>>() {
            self.act(step, action);
        }
    }
}

/// What clients want, and what time brings, of a leader that serves.
fn on_client(primary: &mut Primary, turn: &mut Turn<'_, Broadcast<'_>>, ids: &mut SessionIds, event: Event) {
    match event {
        Event::NewSession { connection, timeout_ms, wall_ms: _ } => {
            primary.on_new_session(turn, ids, connection, timeout_ms);
        }
        Event::ReopenSession { connection, session, password, timeout_ms, wall_ms: _ } => {
            primary.on_reopen_session(turn, connection, session, &password, timeout_ms);
        }
        Event::Request(request) => primary.on_request(turn, request),
        Event::Throttled(request) => primary.on_throttled(turn, &request),
        Event::ConnectionLost { connection } => primary.on_connection_lost(connection),
        Event::Heard { sessions } => primary.on_heard(turn.now, &sessions),
        Event::Tick { .. } => {
            primary.on_tick(turn);
            primary.delete_due(turn);
        }
        Event::ContainerCheck { .. } => primary.on_container_check(turn),
        Event::Deadline { .. } | Event::Durable { .. } | Event::Shutdown => {}
    }
}
