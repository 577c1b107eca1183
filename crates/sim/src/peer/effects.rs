//! What the replica decided is carried out, in order.

use std::sync::Arc;

use jute::txn::CreateTxn;
use jute::{SessionId, Txn, TxnRecord, Zxid};
use replica::{CarryReport, Effect, Mode, Note, PeerEffect, carry_out};
use tree::snapshot::View;

use super::boot;
use super::disk::Command;
use super::process::{Ending, Process};
use crate::check::Failure;
use crate::clock::{MS, Micros, SECOND};
use crate::universe::Universe;

/// Time that an ensemble takes to come to rest once it is healed.
const REST: Micros = 6 * SECOND;

impl Process {
    /// Carries out all that was decided.
    pub(super) fn carry_out(&mut self, u: &mut Universe) {
        for effect in std::mem::take(&mut self.effects) {
            if self.ending.is_some() {
                return;
            }
            u.trace.mark(&[u.now, self.host as u64, kind_of(&effect)]);
            u.trace.say(u.now, || format!("{}: {}", self.host + 1, told(&effect)));
            match effect {
                Effect::Append { record } => self.append(u, record),
                Effect::Note { level: _, what } => note(u, &what),
                Effect::Halt { why } => self.end(Ending::Wrong(why.to_string())),
                Effect::Stopped => self.end(Ending::Stopped),
                Effect::Peer(effect) => self.peer_effect(u, effect),
                Effect::Apply { .. }
                | Effect::Reply { .. }
                | Effect::RefuseSession { .. }
                | Effect::OpenSession { .. }
                | Effect::Close { .. } => self.carry(u, effect),
            }
        }
    }

    fn append(&mut self, u: &mut Universe, record: Arc<TxnRecord>) {
        let zxid = record.header.zxid;
        if matches!(record.txn, Txn::CloseSession(_)) && record.header.cxid == 0 && !u.ledger.knows(zxid) {
            self.expired(u, record.header.client_id);
        }
        if let Err(failure) = u.ledger.appended(self.host, self.tail, &record) {
            u.fail(failure);
        }
        self.tail = zxid;
        if u.has_bug("ack-before-durable") {
            self.push_event(u, pipeline::event::Event::Durable { zxid });
        }
        self.command(u, Command::Append(record));
    }

    /// E3: no session expires that was heard of, once nothing goes wrong between it and the leader.
    fn expired(&mut self, u: &mut Universe, session: SessionId) {
        let Some(timeout_ms) = self.state.session_timeout(session) else { return };
        let timeout = u64::try_from(timeout_ms).unwrap_or(0) * MS;
        // Clocks differ by a twentieth at most, and what is heard takes its time to the leader.
        let Some(heard) = u.ledger.last_heard(session) else { return };
        let silent = u.now.saturating_sub(heard);
        let is_quiet = u.is_healing() && heard > u.plan.faulty + REST && u.quiet_since + SECOND < heard;
        if is_quiet && silent < timeout - timeout / 8 {
            let what = format!(
                "session {session} expires {} ms after it was heard of, not {timeout_ms}",
                silent / MS
            );
            u.fail(Failure::new("E3", what));
        }
    }

    fn command(&mut self, u: &mut Universe, command: Command) {
        if self.disk.push(command) {
            self.disk_begin(u);
        }
    }

    /// What concerns the state and clients.
    fn carry(&mut self, u: &mut Universe, effect: Effect) {
        let Some(effect) = self.spoiled(u, effect) else { return };
        let applied = match &effect {
            Effect::Apply { record, .. } => Some(Arc::clone(record)),
            _ => None,
        };
        // Who serves reads without a leader, and has no sessions of its own, believes whoever shows a password.
        if let Effect::OpenSession { session, .. } = &effect
            && self.mode != Some(Mode::ReadOnly)
        {
            let opened = u.ledger.opened(self.host, *session, self.state.last_processed_zxid());
            u.check(opened);
        }
        let mut report = CarryReport::default();
        let now = self.now(u);
        let kept = self.kept(u, &effect);
        let mut effects = vec![effect];
        carry_out(now, &mut self.state, &mut self.watches, &mut effects, &mut self.clients, &mut report);
        if let Some(Err(error)) = kept.map(|kept| self.state.apply_fuzzy(&kept)) {
            self.end(Ending::Wrong(format!("a bug that does not work: {error}")));
        }
        if let Some((zxid, mismatch)) = report.digest_mismatches.first() {
            self.end(Ending::Wrong(format!("Z2: digest mismatch at {zxid}: {mismatch:?}")));
        }
        if let Some(why) = report.halt {
            self.end(Ending::Wrong(why.to_string()));
        }
        if let Some(record) = applied {
            self.applied(u, &record);
        }
        let mut touched = [report.answered, report.told].concat();
        touched.sort_unstable();
        touched.dedup();
        for connection in touched {
            self.advance(u, connection);
        }
    }

    /// A record has changed the state.
    fn applied(&mut self, u: &mut Universe, record: &TxnRecord) {
        let zxid = record.header.zxid;
        self.applied = zxid;
        if matches!(record.txn, Txn::DeleteContainer(_)) {
            u.marks.reach("znode deleted by the server");
        }
        if matches!(record.txn, Txn::CloseSession(_)) {
            let session = record.header.client_id;
            if let Some(left) = self.state.ephemerals(session).next() {
                let what = format!("{left} outlives its session {session} at server {}", self.host + 1);
                u.fail(Failure::new("E2", what));
            }
        }
        let applied = u.ledger.applied(self.host, zxid, self.state.digest());
        u.check(applied);
        if self.mode.is_some() {
            let committed = u.ledger.committed(self.host, zxid);
            u.check(committed);
        }
    }

    fn peer_effect(&mut self, u: &mut Universe, effect: PeerEffect) {
        match effect {
            PeerEffect::Notify { to, message } => self.notify(u, to, message),
            PeerEffect::ConnectAll => self.connect_all(u),
            PeerEffect::Listen => self.is_listening = true,
            PeerEffect::ListenForObservers => {
                u.marks.reach("a follower serves observers");
                self.is_listening = true;
            }
            PeerEffect::StopListening => self.is_listening = false,
            PeerEffect::Dial { attempt, leader, within_ms } => self.dial(u, attempt, leader, within_ms),
            // Whoever comes to the wrong one of the two ports of a server is sent away there.
            PeerEffect::DialMaster { attempt, master, within_ms } => {
                self.dial(u, attempt, master, within_ms);
            }
            PeerEffect::SendToLeader { attempt, packet } => self.send_to_leader(u, attempt, &packet),
            PeerEffect::HangUp { attempt } => self.hang_up(u, attempt),
            PeerEffect::SendToLearner { link, what } => self.send_to_learner(u, link, what),
            PeerEffect::CloseLearner { link, why } => self.close_learner(u, link, why),
            PeerEffect::ProbeLog { link, peer } => self.probe_log(u, link, peer),
            PeerEffect::WriteAcceptedEpoch { epoch } => self.command(u, Command::Accepted(epoch)),
            PeerEffect::WriteCurrentEpoch { epoch } => {
                if self.upstream.is_none() {
                    u.ledger.begins(epoch, self.tail);
                }
                self.command(u, Command::Current(epoch));
            }
            PeerEffect::Truncate { zxid } => self.command(u, Command::Truncate(zxid)),
            PeerEffect::AdoptSnapshot { attempt, zxid } => self.adopt(u, attempt, zxid),
            PeerEffect::InstallSnapshot { zxid } => self.install(u, zxid),
            PeerEffect::ApplyFuzzy { record } => self.apply_fuzzy(u, &record),
            PeerEffect::SetLastProcessed { zxid } => self.state.set_last_processed_zxid(zxid),
            PeerEffect::GiveUpHistory { why: _ } => {
                u.marks.reach("history given up");
                self.command(u, Command::GiveUp);
            }
            PeerEffect::SeeMembership { verifier } => self.see_membership(u, &verifier),
            PeerEffect::ActivateMembership { verifier, sets_node } => {
                self.activate_membership(u, &verifier, sets_node);
            }
            PeerEffect::Serve { mode } => self.serve(u, mode),
            PeerEffect::StopServing => {
                u.ledger.reign_ends(self.host, u.now);
                self.mode = None;
                self.close_clients(u);
            }
        }
    }

    fn apply_fuzzy(&mut self, u: &mut Universe, record: &TxnRecord) {
        match self.state.apply_fuzzy(record) {
            Ok(()) => self.applied(u, record),
            Err(error) => self.end(Ending::Wrong(format!("in a fuzzy window: {error}"))),
        }
    }

    /// The state as it is now becomes the snapshot that voids the log.
    fn install(&mut self, u: &mut Universe, zxid: Zxid) {
        if self.state.last_processed_zxid() != zxid {
            let has = self.state.last_processed_zxid();
            return self.end(Ending::Wrong(format!("InstallSnapshot {zxid} of a state at {has}")));
        }
        let (items, trailers) = boot::items_of(&mut self.state);
        self.snapshot = None;
        self.tail = u.ledger.record_at(zxid);
        self.command(u, Command::Install { zxid, items, trailers });
    }

    /// The state that came behind SNAP takes the place of ours.
    fn adopt(&mut self, u: &mut Universe, attempt: zab::Attempt, zxid: Zxid) {
        let Some(state) = self.take_received(attempt) else {
            return self.end(Ending::Wrong(format!("AdoptSnapshot {zxid} without a snapshot")));
        };
        self.state = state;
        self.set_membership_node(u);
        self.is_adopting = true;
        self.applied = u.ledger.record_at(zxid);
        let applied = u.ledger.applied(self.host, self.applied, self.state.digest());
        u.check(applied);
    }

    pub(super) fn serve(&mut self, u: &mut Universe, mode: Mode) {
        self.mode = Some(mode);
        let epoch = self.state.last_processed_zxid().epoch();
        let applied = u.ledger.applied(self.host, self.applied, self.state.digest());
        u.check(applied);
        let serves = match mode {
            Mode::Leader => u.ledger.leads(self.host, epoch, self.tail),
            Mode::Standalone | Mode::Follower | Mode::Observer => u.ledger.committed(self.host, self.applied),
            // What its log holds need not be committed.
            Mode::ReadOnly => Ok(()),
        };
        u.check(serves);
        if mode == Mode::Leader {
            u.ledger.reigns(self.host, epoch, u.now);
            let leads = u.memberships.leads(self.host, self.membership.current.version, &u.ledger);
            u.check(leads);
        }
        self.note_membership(u, mode);
        u.marks.reach(match mode {
            Mode::Standalone => "standalone serves",
            Mode::Leader => "leader established",
            Mode::Follower => "follower serves",
            Mode::Observer => "observer serves",
            Mode::ReadOnly => "reads are served without a leader",
        });
    }

    /// A picture of the state, for a learner or a file.
    pub(super) fn view(&mut self) -> View {
        View::begin(&mut self.state)
    }
}

impl Process {
    /// What a bug does behind the end of a session: one of its ephemerals is there again.
    fn kept(&self, u: &Universe, effect: &Effect) -> Option<TxnRecord> {
        let Effect::Apply { record, .. } = effect else { return None };
        if !u.has_bug("ephemeral-outlives-session") || !matches!(record.txn, Txn::CloseSession(_)) {
            return None;
        }
        let path = self.state.ephemerals(record.header.client_id).next()?;
        let created = CreateTxn {
            path,
            data: None,
            acl: Some(tree::acl::open()),
            ephemeral: true,
            parent_cversion: i32::MAX,
        };
        Some(TxnRecord { header: record.header, txn: Txn::Create(created), digest: None })
    }

    /// What a bug makes of an effect; `None` when it is left out.
    fn spoiled(&mut self, u: &mut Universe, effect: Effect) -> Option<Effect> {
        let Effect::Apply { record, origin } = effect else { return Some(effect) };
        if u.has_bug("commit-lost") && self.mode == Some(Mode::Follower) && u.random.chance(5) {
            return None;
        }
        if u.has_bug("commit-out-of-order") && self.mode == Some(Mode::Follower) {
            match self.held_back.take() {
                Some(held) => self.effects.push(held),
                None if u.random.chance(5) => {
                    self.held_back = Some(Effect::Apply { record, origin });
                    return None;
                }
                None => {}
            }
        }
        let mut changed = (*record).clone();
        match &mut changed.txn {
            Txn::Multi(parts) if u.has_bug("multi-in-part") && parts.len() > 1 => drop(parts.pop()),
            _ => return Some(Effect::Apply { record, origin }),
        }
        Some(Effect::Apply { record: Arc::new(changed), origin })
    }
}

fn note(u: &mut Universe, what: &Note) {
    if matches!(what, Note::SessionExpired { .. }) {
        u.marks.reach("session expired");
    }
    if matches!(what, Note::SessionUpgraded { .. }) {
        u.marks.reach("local session upgraded");
    }
}

/// A number for each kind of effect.
fn kind_of(effect: &Effect) -> u64 {
    match effect {
        Effect::Append { record } => 1 + (record.header.zxid.0.cast_unsigned() << 8),
        Effect::Apply { record, .. } => 2 + (record.header.zxid.0.cast_unsigned() << 8),
        Effect::Reply { .. } => 3,
        Effect::RefuseSession { .. } => 4,
        Effect::OpenSession { .. } => 5,
        Effect::Close { .. } => 6,
        Effect::Note { .. } => 7,
        Effect::Halt { .. } => 8,
        Effect::Stopped => 9,
        Effect::Peer(_) => 10,
    }
}

fn told(effect: &Effect) -> String {
    match effect {
        Effect::Append { record } => format!("append {} {:?}", record.header.zxid, record.txn.op_code()),
        Effect::Apply { record, origin } => {
            let waits = if origin.is_some() { ", answered" } else { "" };
            format!("apply {}{waits}", record.header.zxid)
        }
        Effect::Note { level, what } => format!("{level:?}: {what}"),
        other => format!("{other:?}"),
    }
}
