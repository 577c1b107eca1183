//! What the replica thread does for a member of an ensemble.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ensemble::Verifier;
use jute::SessionId;
use pipeline::event::Event as ServerEvent;
use pipeline::outbox::CloseReason;
use pipeline::time::Millis;
use replica::{Event, Mode, Note, PeerEffect};
use tree::snapshot::View as StateView;
use tree::{State, Watches};
use zab::leader::Abdication;
use zab::learner::Upstream;
use zab::{Outgoing, Packet};

use super::super::alarm::UNEXPECTED;
use super::super::disk::DiskCommand;
use super::super::membership::View;
use super::super::{digests, listener, lock};
use super::{Member, ReplicaThread};
use crate::clock;
use crate::quorum::PeerMessage;

/// Messages of peers that one hold of the state steps through at most.
const BATCH_MAX: usize = 1024;

/// Takes what peers have said, and waits when there is nothing; never comes back for a server without peers.
pub(super) async fn take(member: &mut Option<Member>) {
    let Some(member) = member else { return std::future::pending().await };
    let room = BATCH_MAX.saturating_sub(member.waiting.len());
    if room == 0 {
        return;
    }
    if member.inbox.recv_many(&mut member.waiting, room).await == 0 {
        // All senders are gone, which the peers' own is not while there are any.
        std::future::pending().await
    }
}

impl ReplicaThread {
    /// Takes one answer of the disk thread: a state that it brought takes the place of ours before the replica is told.
    pub(super) fn take_answer(&mut self, now: Millis) {
        let shared = Arc::clone(&self.shared);
        while let Some(answer) = shared.answers.pop() {
            if let Some(state) = answer.state {
                self.replace_state(*state);
            }
            if matches!(
                answer.event,
                Event::Truncated { .. } | Event::SnapshotInstalled { .. } | Event::HistoryGivenUp
            ) {
                self.durable = shared.durable.get();
            }
            let state = shared.read_state();
            self.replica.step(now, answer.event, &state, &mut self.effects);
        }
    }

    /// Hands the replica what peers said.
    pub(super) fn step_peers(&mut self, now: Millis, state: &State) {
        let Some(member) = &mut self.member else { return };
        while member.waiting.len() < BATCH_MAX
            && let Ok(message) = member.inbox.try_recv()
        {
            member.waiting.push(message);
        }
        for message in member.waiting.drain(..) {
            if asks_who_was_heard(&message) {
                let heard: Vec<SessionId> = self.shared.clients.take_heard();
                self.replica.step(now, ServerEvent::Heard { sessions: heard }, state, &mut self.effects);
            }
            if let Some(event) = member.peers.event_of(message) {
                self.replica.step(now, event, state, &mut self.effects);
            }
        }
    }

    // zk: ServerMetrics.ELECTION_TIME, LOOKING_COUNT
    pub(super) fn time_elections(&mut self, note: &Note) {
        let Some(member) = &mut self.member else { return };
        let metrics = &self.shared.metrics;
        if matches!(note, Note::Abdicated { .. } | Note::LeftLeader { .. }) {
            metrics.looking_count.add(1);
            member.looking_since.get_or_insert(clock::monotonic());
        }
        if matches!(note, Note::Abdicated { why: Abdication::VoterLeft(_) }) {
            metrics.quit_leading_due_to_disloyal_voter.add(1);
        }
        if matches!(note, Note::Elected { .. })
            && let Some(since) = member.looking_since.take()
        {
            metrics.election_time.add(clock::monotonic().since(since));
        }
    }

    /// What goes into the log of a member was proposed, by it or to it.
    pub(super) fn count_proposals(&self, count: u64) {
        match self.shared.mode() {
            Some(Mode::Leader) => self.shared.metrics.proposal_count.add(count),
            Some(Mode::Follower | Mode::Observer | Mode::ReadOnly) | None => {
                self.shared.metrics.learner_proposal_received_count.add(count);
            }
            Some(Mode::Standalone) => {}
        }
    }

    /// What is applied was committed.
    pub(super) fn count_commits(&self, count: u64) {
        match self.shared.mode() {
            Some(Mode::Leader) => self.shared.metrics.commit_count.add(count),
            Some(Mode::Follower | Mode::Observer | Mode::ReadOnly) | None => {
                self.shared.metrics.learner_commit_received_count.add(count);
            }
            Some(Mode::Standalone) => {}
        }
    }

    /// What needs neither state nor disk nor clients; the rest comes back.
    pub(super) fn carry_out_connections(&mut self, effect: PeerEffect) -> Option<PeerEffect> {
        match &mut self.member {
            Some(member) => member.peers.carry_out(effect),
            None => Some(effect),
        }
    }

    /// The rest, when everything before it is carried out.
    pub(super) fn carry_out_peer(&mut self, effect: PeerEffect) {
        match effect {
            PeerEffect::SendToLearner { link, what: Outgoing::Snapshot { zxid } } => {
                let view = StateView::begin(&mut self.shared.write_state());
                if view.zxid() != zxid {
                    let why = format!("a snapshot for a learner is at {}, not at {zxid}", view.zxid());
                    return self.shared.alarm.raise(UNEXPECTED, why);
                }
                if let Some(member) = &self.member {
                    member.peers.send_snapshot(link, view);
                }
            }
            PeerEffect::WriteAcceptedEpoch { epoch } => self.tell_disk(DiskCommand::AcceptedEpoch(epoch)),
            PeerEffect::WriteCurrentEpoch { epoch } => self.tell_disk(DiskCommand::CurrentEpoch(epoch)),
            PeerEffect::Truncate { zxid } => self.tell_disk(DiskCommand::Truncate(zxid)),
            PeerEffect::GiveUpHistory { why } => self.tell_disk(DiskCommand::GiveUpHistory(why)),
            PeerEffect::InstallSnapshot { zxid } => {
                let view = StateView::begin(&mut self.shared.write_state());
                if view.zxid() != zxid {
                    let why = format!("the state to be made durable is at {}, not at {zxid}", view.zxid());
                    return self.shared.alarm.raise(UNEXPECTED, why);
                }
                self.tell_disk(DiskCommand::InstallSnapshot(Box::new(view)));
            }
            PeerEffect::AdoptSnapshot { attempt, .. } => {
                let received = self.member.as_mut().and_then(|member| member.peers.take_received(attempt));
                match received {
                    Some(state) => self.replace_state(*state),
                    None => self.shared.alarm.raise(UNEXPECTED, "a leader's state is missing".to_owned()),
                }
            }
            PeerEffect::SeeMembership { verifier } => {
                let Some(membership) = &self.shared.membership else { return };
                match membership.see(&verifier) {
                    Ok(view) => self.follow(&view),
                    Err(error) => {
                        let why = format!("the proposed membership could not be written: {error}");
                        self.shared.alarm.raise(UNEXPECTED, why);
                    }
                }
            }
            PeerEffect::ActivateMembership { verifier, sets_node } => self.activate(&verifier, sets_node),
            PeerEffect::Serve { mode } => {
                let held = self.shared.write_state();
                self.shared.mode.set(Some(mode));
                self.digests.synced(clock::monotonic()).iter().for_each(digests::log);
                self.shared.serving_since.store(clock::monotonic().0, Relaxed);
                tracing::debug!(?mode, "clients are served");
                drop(held);
                if mode != Mode::ReadOnly {
                    self.tell_disk(DiskCommand::ForgetStandalone);
                }
            }
            PeerEffect::StopServing => self.stop_serving(),
            PeerEffect::Notify { .. }
            | PeerEffect::ConnectAll
            | PeerEffect::Listen
            | PeerEffect::ListenForObservers
            | PeerEffect::StopListening
            | PeerEffect::Dial { .. }
            | PeerEffect::DialMaster { .. }
            | PeerEffect::SendToLeader { .. }
            | PeerEffect::HangUp { .. }
            | PeerEffect::SendToLearner { .. }
            | PeerEffect::CloseLearner { .. }
            | PeerEffect::ProbeLog { .. }
            | PeerEffect::ApplyFuzzy { .. }
            | PeerEffect::SetLastProcessed { .. } => {
                self.shared.alarm.raise(UNEXPECTED, "a peer effect without a peer".to_owned());
            }
        }
    }

    /// All clients go, and all watches with them.
    // zk: ZooKeeperServer.shutdown, NIOServerCnxnFactory.closeAll
    fn stop_serving(&mut self) {
        let _held = self.shared.write_state();
        if self.shared.mode().is_none() {
            return;
        }
        self.shared.mode.set(None);
        self.digests.begin();
        *lock(&self.shared.watches) = Watches::new();
        let clients = self.shared.clients.all();
        tracing::info!(clients = clients.len(), "clients are no longer served");
        clients.iter().for_each(|client| lock(&client.outbox).close(CloseReason::RoleChanged));
        self.shared.threads.wake(clients.iter());
    }

    /// A membership is in force: files first, then ports and peers.
    // zk: QuorumPeer.processReconfig
    fn activate(&mut self, verifier: &Arc<Verifier>, sets_node: bool) {
        let Some(membership) = &self.shared.membership else { return };
        let view = membership.activate(verifier);
        if sets_node {
            set_config(&mut self.shared.write_state(), verifier);
        }
        if let Some(client) = verifier.member(view.own.id).and_then(|own| own.client.as_ref()) {
            listener::move_to(&self.shared, &self.runtime, client);
        }
        self.follow(&view);
    }

    fn follow(&mut self, view: &View) {
        if let Some(member) = &mut self.member {
            member.peers.follow(view);
        }
    }

    /// The membership node is what this server knows, wherever the state comes from.
    // zk: Learner.syncWithLeader, ZKDatabase.initConfigInZKDatabase
    fn replace_state(&mut self, mut state: State) {
        self.digests.begin();
        if let Some(membership) = &self.shared.membership {
            set_config(&mut state, &membership.view().current);
        }
        let old = std::mem::replace(&mut *self.shared.write_state(), state);
        // A large tree takes a while to drop.
        drop(std::thread::Builder::new().name("old state".to_owned()).spawn(move || drop(old)));
    }
}

// zk: ZKDatabase.initConfigInZKDatabase
fn set_config(state: &mut State, verifier: &Verifier) {
    state.set_config(verifier.to_string().as_bytes(), jute::Zxid(verifier.version), clock::wall_ms());
}

fn asks_who_was_heard(message: &PeerMessage) -> bool {
    matches!(message, PeerMessage::Upstream { what: Upstream::Packet(Packet::Ping { .. }), .. })
}
