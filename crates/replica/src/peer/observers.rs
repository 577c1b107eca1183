//! The observers behind a follower: what they want goes up with what its own clients want, what is committed goes down.
//!
//! * There are some exactly while the follower serves.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use jute::{OpCode, SessionId, TxnRecord, Zxid};
use zab::master::Follower;
use zab::sync::History;
use zab::{LearnerReport, LinkId, LogProbe, Master, MasterAction, MasterSettings, Packet};

use super::forwarder::{Forwarder, Up};
use super::shared_link::{Behind, Revalidation, SharedLink};
use super::step::{Member, Step};
use crate::{Level, Note, PeerEffect};

/// The observers of a follower.
#[derive(Debug)]
pub(super) struct Observers {
    master: Master,
    links: BTreeSet<LinkId>,
    /// What is applied, as soon as all earlier effects are carried out.
    applied: Zxid,
}

/// What a follower does with what its observers want.
pub(super) struct Turn<'a, 'b> {
    pub(super) step: &'a mut Step<'b>,
    pub(super) forwarder: &'a mut Forwarder,
    pub(super) shared: &'a mut SharedLink,
    pub(super) up: &'a mut Up,
}

impl Observers {
    /// Begins to serve them.
    // zk: Follower.followLeader: ObserverMaster.start
    pub(super) fn begin(step: &mut Step<'_>, epoch: i32, applied: Zxid) -> Self {
        let peer = &step.member.peer;
        let settings = MasterSettings {
            me: peer.me,
            epoch,
            tick_ms: peer.tick_ms,
            init_limit: peer.init_limit,
            sync_limit: peer.sync_limit,
            forces_snapshot: peer.forces_snapshot,
            sends_log: peer.sends_log,
        };
        step.want(PeerEffect::ListenForObservers);
        Self { master: Master::new(settings, applied, step.now.0), links: BTreeSet::new(), applied }
    }

    /// The follower has lost its leader, or its role.
    // zk: ObserverMaster.stop
    pub(super) fn end(self, step: &mut Step<'_>) {
        for link in self.links {
            let why = String::from("this server follows no longer");
            step.want(PeerEffect::CloseLearner { link, why });
        }
        step.want(PeerEffect::StopListening);
    }

    pub(super) fn on_connected(&mut self, step: &Step<'_>, link: LinkId) {
        self.links.insert(link);
        self.master.on_accepted(step.now.0, link);
    }

    pub(super) fn on_packet(&mut self, turn: &mut Turn<'_, '_>, link: LinkId, packet: Packet) {
        if self.links.contains(&link) {
            let mut actions = Vec::new();
            let follower = follower(turn.step.member, self.applied);
            self.master.on_packet(turn.step.now.0, link, packet, &follower, &mut actions);
            self.carry(turn, actions);
        }
    }

    pub(super) fn on_lost(&mut self, turn: &mut Turn<'_, '_>, link: LinkId, why: String) {
        if self.links.remove(&link) {
            turn.step.note(Level::Info, Note::LearnerLost { link, why });
            turn.shared.lost(link);
            self.master.on_lost(link);
        }
    }

    pub(super) fn on_log_probed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        link: LinkId,
        outcome: Result<LogProbe, String>,
    ) {
        if self.links.contains(&link) {
            let mut actions = Vec::new();
            let follower = follower(turn.step.member, self.applied);
            self.master.on_log_probed(turn.step.now.0, link, outcome, &follower, &mut actions);
            self.carry(turn, actions);
        }
    }

    pub(super) fn on_deadline(&mut self, turn: &mut Turn<'_, '_>) {
        if self.next_deadline().is_some_and(|deadline| deadline <= turn.step.now.0) {
            let mut actions = Vec::new();
            self.master.on_deadline(turn.step.now.0, &mut actions);
            self.carry(turn, actions);
        }
    }

    /// When something is due.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.master.next_deadline()
    }

    /// A transaction is committed; `leader` is who leads from now on, if it changes the membership.
    pub(super) fn commit(&mut self, turn: &mut Turn<'_, '_>, record: &Arc<TxnRecord>, leader: Option<i64>) {
        self.applied = record.header.zxid;
        turn.shared.committed(record);
        let mut actions = Vec::new();
        self.master.commit(record, leader, &mut actions);
        self.carry(turn, actions);
    }

    /// The leader has answered a sync of this observer.
    pub(super) fn on_synced(&mut self, turn: &mut Turn<'_, '_>, link: LinkId) {
        let mut actions = Vec::new();
        self.master.answer(link, Packet::Sync, &mut actions);
        self.carry(turn, actions);
    }

    /// All of them.
    pub(super) fn learners(&self) -> Vec<LearnerReport> {
        self.master.learners()
    }

    fn carry(&mut self, turn: &mut Turn<'_, '_>, actions: Vec<MasterAction>) {
        for action in actions {
            match action {
                MasterAction::Send { link, what } => {
                    turn.step.want(PeerEffect::SendToLearner { link, what });
                }
                MasterAction::Close { link, why } => {
                    turn.step.want(PeerEffect::CloseLearner { link, why: why.to_string() });
                }
                MasterAction::ProbeLog { link, peer } => {
                    turn.step.want(PeerEffect::ProbeLog { link, peer });
                }
                // zk: FollowerZooKeeperServer.processObserverRequest, FollowerRequestProcessor.run
                MasterAction::Forwarded { link, request } => {
                    let Some(request) = turn.shared.request(link, request) else {
                        let why = String::from("it asks for a session that is known to be elsewhere");
                        turn.step.want(PeerEffect::CloseLearner { link, why: why.clone() });
                        self.on_lost(turn, link, why);
                        continue;
                    };
                    if request.op_code == OpCode::Sync.code() {
                        turn.forwarder.expect_sync_of(link);
                    }
                    turn.up.push(Packet::Request(request));
                }
                // zk: ObserverMaster.revalidateSession
                MasterAction::Revalidate { link, session, timeout_ms } => {
                    turn.shared.ask(session, timeout_ms, Behind::Observer(link));
                    turn.up.push(Packet::Revalidate { session, timeout_ms });
                }
                // zk: ObserverMaster.touch
                MasterAction::Heard { sessions } => turn.forwarder.on_observer_heard(sessions),
                MasterAction::Note(note) => turn.step.note(Level::Info, Note::Leader(note)),
            }
        }
    }
}

/// Who waits for the leader's answer on a session hears of it.
// zk: ObserverMaster.revalidateLearnerSession
pub(super) fn on_revalidated(
    observers: Option<&mut Observers>,
    turn: &mut Turn<'_, '_>,
    session: SessionId,
    is_valid: bool,
) {
    let asked = turn.shared.take(session, is_valid);
    let Some(Revalidation { by: Behind::Observer(link), timeout_ms, .. }) = asked else {
        return turn.forwarder.on_revalidated(session, is_valid, turn.step.out);
    };
    if is_valid {
        turn.forwarder.on_observer_heard([(session, timeout_ms)].into());
    }
    if let Some(observers) = observers {
        let mut actions = Vec::new();
        observers.master.answer(link, Packet::Revalidated { session, is_valid }, &mut actions);
        observers.carry(turn, actions);
    }
}

fn follower(member: &Member, applied: Zxid) -> Follower<'_> {
    let recent = &member.history.recent;
    Follower {
        history: History { end: recent.last().unwrap_or(applied), processed: applied, recent },
        verifier: &member.peer.verifier,
    }
}
