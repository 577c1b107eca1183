//! From ACKEPOCH to UPTODATE: the history comes, is made durable and acknowledged.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use jute::{Txn, TxnRecord, Zxid};

use super::history::{Commit, Continuation, History};
use super::{Adoption, Departure, Learner, LearnerAction, LearnerNote, Phase, SyncMode, weight};
use crate::Packet;

impl Learner {
    // zk: Learner.syncWithLeader: the first packet
    // diverges(learner-leaves-and-lives): where the reference ends the process (exit code 13) the learner leaves
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other packets have no place here")]
    pub(super) fn on_sync_packet(&mut self, packet: Packet, out: &mut Vec<LearnerAction>) {
        match packet {
            Packet::Diff(_) if self.history.last() == Zxid::NONE => {
                self.unexpected("DIFF to a server without a history", out);
            }
            Packet::Diff(zxid) => {
                self.begin_sync(SyncMode::Diff, zxid, out);
                self.diff_end = zxid;
                self.phase = Phase::Synchronising(None);
            }
            Packet::Trunc(zxid) if zxid < Zxid::ZERO || zxid > self.history.last() => {
                self.unexpected("TRUNC to what is not in our history", out);
            }
            Packet::Trunc(zxid) | Packet::Snap(zxid) if self.would_lose(&packet) => {
                self.leave(Departure::WouldLose { ours: self.history.last(), theirs: zxid }, out);
            }
            Packet::Trunc(zxid) => {
                self.begin_sync(SyncMode::Trunc, zxid, out);
                out.push(LearnerAction::Truncate(zxid));
                self.phase = Phase::Truncating(zxid);
            }
            Packet::Snap(zxid) if zxid < Zxid::ZERO || zxid.epoch() > self.epoch => {
                self.unexpected("SNAP of an epoch that is not its own", out);
            }
            Packet::Snap(zxid) => {
                self.begin_sync(SyncMode::Snap, zxid, out);
                self.phase = Phase::Receiving(zxid);
            }
            Packet::Ping { .. } => {}
            Packet::Unknown(packet_type) => {
                out.push(LearnerAction::Note(LearnerNote::UnknownPacket(packet_type)));
            }
            other => self.unexpected(other.name(), out),
        }
    }

    /// Whether a history that only this server has would be gone: no snapshot proves that it holds all of ours.
    // diverges(standalone-history): the reference replaces it without a word
    fn would_lose(&self, packet: &Packet) -> bool {
        let last = self.history.last();
        let is_kept = matches!(packet, Packet::Trunc(zxid) if *zxid == last);
        self.keeps_history && last > Zxid::ZERO && !is_kept
    }

    fn begin_sync(&mut self, mode: SyncMode, zxid: Zxid, out: &mut Vec<LearnerAction>) {
        self.mode = Some(mode);
        out.push(LearnerAction::Note(LearnerNote::Synchronising { how: mode.name(), zxid }));
    }

    pub(super) fn on_snapshot_received(&mut self, out: &mut Vec<LearnerAction>) {
        let Phase::Receiving(zxid) = self.phase else { return self.unexpected("a snapshot", out) };
        self.history = History::behind_snapshot(zxid);
        self.phase = Phase::Synchronising(Some(Adoption {
            zxid,
            committed: Vec::new(),
            bytes: 0,
            activations: Vec::new(),
        }));
    }

    /// The cut must end exactly where the leader goes on. Where that is the first zxid of an epoch, which no transaction has, what
    /// is before it proves nothing: the leader decides anew when we come back with that as the end of our history.
    pub(super) fn go_on_truncated(
        &mut self,
        to: Zxid,
        outcome: Result<Zxid, String>,
        out: &mut Vec<LearnerAction>,
    ) {
        let why = match outcome {
            Ok(end) if end == to => {
                self.history = History::new(end);
                self.phase = Phase::Synchronising(None);
                return;
            }
            Ok(end) if to.counter() == 0 && Zxid::ZERO < end && end < to => {
                self.history = History::new(end);
                return self.leave(Departure::NotTruncated(format!("it ends with {end}, below {to}")), out);
            }
            Ok(end) => format!("the log ends with {end} and not with {to}, where the leader goes on"),
            Err(why) => why,
        };
        out.push(LearnerAction::GiveUpHistory { why: why.clone() });
        self.history = History::new(Zxid::ZERO);
        self.leave(Departure::NotTruncated(why), out);
    }

    /// Packets between DIFF, TRUNC or SNAP and UPTODATE.
    // zk: Learner.syncWithLeader: the loop, which ignores what it does not know
    pub(super) fn on_history_packet(&mut self, packet: Packet, out: &mut Vec<LearnerAction>) {
        match packet {
            Packet::Proposal(record) => self.take(record, out),
            Packet::Commit(zxid) => self.commit(zxid, None, out),
            Packet::CommitAndActivate { zxid, leader } => self.commit(zxid, Some(leader), out),
            Packet::Inform(record) => self.inform(record, None, out),
            Packet::InformAndActivate { leader, record } => self.inform(record, Some(leader), out),
            Packet::NewLeader { zxid, config } => self.on_new_leader(zxid, config, out),
            Packet::UpToDate => self.on_up_to_date(out),
            Packet::Ping { .. } => {}
            Packet::Revalidated { .. } => self.ignore("REVALIDATE before UPTODATE", out),
            Packet::Sync => self.ignore("SYNC before UPTODATE", out),
            Packet::Unknown(packet_type) => {
                out.push(LearnerAction::Note(LearnerNote::UnknownPacket(packet_type)));
            }
            Packet::Request(_)
            | Packet::Ack(_)
            | Packet::Revalidate { .. }
            | Packet::FollowerInfo(_)
            | Packet::ObserverInfo(_)
            | Packet::Diff(_)
            | Packet::Trunc(_)
            | Packet::Snap(_)
            | Packet::LeaderInfo { .. }
            | Packet::AckEpoch { .. } => self.unexpected(packet.name(), out),
        }
    }

    /// A proposal, or an inform whose commit follows.
    pub(super) fn take(&mut self, record: Arc<TxnRecord>, out: &mut Vec<LearnerAction>) {
        let (before, came) = (self.history.last(), record.header.zxid);
        if matches!(&self.phase, Phase::Synchronising(Some(adoption)) if came <= adoption.zxid) {
            return;
        }
        if came.epoch() > self.epoch {
            return self.unexpected("a transaction of an epoch above its own", out);
        }
        match self.history.continuation(&record) {
            Continuation::Next => {}
            // The same at the beginning of an epoch. Nobody counts it, so that it waits for nothing.
            Continuation::Jump if self.is_serving() && is_error(&record) && came.counter() == 0 => {
                return out.push(LearnerAction::Note(LearnerNote::Repeated(came)));
            }
            Continuation::Jump => out.push(LearnerAction::Note(LearnerNote::Jumped { before, came })),
            // diverges(error-repeats-are-not-logged): the reference logs the repeat beside the first
            Continuation::Repeat if self.is_serving() => {
                // The leader counts acknowledgements of the repeat, which took the place of the first.
                self.history.owe_acknowledgement(came);
                out.push(LearnerAction::Note(LearnerNote::Repeated(came)));
                self.acknowledge_durable(out);
                return self.check_held(out);
            }
            // diverges(no-hole-in-a-history): in broadcast the reference warns and goes on
            Continuation::Repeat | Continuation::Gap => {
                return self.leave(Departure::Gap { before, came }, out);
            }
        }
        if !self.see(&record, out) {
            return;
        }
        if self.history.appends() {
            out.push(LearnerAction::Append(Arc::clone(&record)));
        }
        self.history.push(record);
        self.check_held(out);
    }

    pub(super) fn commit(&mut self, zxid: Zxid, leader: Option<i64>, out: &mut Vec<LearnerAction>) {
        let record = match self.history.commit(zxid) {
            Commit::Next(record) => record,
            Commit::Known if matches!(self.phase, Phase::Synchronising(Some(_))) => return,
            Commit::Known => return self.ignore("COMMIT of what is applied", out),
            // diverges(learner-leaves-and-lives): where the reference ends the process (exit code 12), or goes on without the transaction, the learner leaves
            Commit::Unknown => return self.leave(Departure::UnknownCommit(zxid), out),
        };
        let activation = match leader {
            None => None,
            Some(leader) => match self.activation(&record, leader) {
                Ok(activation) => activation,
                Err(why) => return self.leave(why, out),
            },
        };
        if let Phase::Synchronising(Some(adoption)) = &mut self.phase {
            adoption.bytes = adoption.bytes.saturating_add(weight::of_record(&record));
            adoption.committed.push(LearnerAction::ApplyFuzzy(record));
            adoption.activations.extend(activation);
            self.check_held(out);
        } else {
            out.push(LearnerAction::Apply(record));
            out.extend(activation);
        }
    }

    /// A proposal and its commit in one.
    pub(super) fn inform(
        &mut self,
        record: Arc<TxnRecord>,
        leader: Option<i64>,
        out: &mut Vec<LearnerAction>,
    ) {
        let zxid = record.header.zxid;
        if zxid > self.history.last() {
            self.take(record, out);
        }
        if !self.has_left() {
            self.commit(zxid, leader, out);
        }
    }

    // zk: Learner.syncWithLeader: NEWLEADER
    fn on_new_leader(&mut self, zxid: Zxid, config: Option<String>, out: &mut Vec<LearnerAction>) {
        if zxid != self.epoch_zxid() {
            return self.unexpected("NEWLEADER of another epoch than LEADERINFO", out);
        }
        let Phase::Synchronising(adoption) = &mut self.phase else {
            return self.unexpected("a second NEWLEADER", out);
        };
        let is_short = self.diff_end.counter() > 0 && self.history.last() < self.diff_end;
        if is_short {
            let why = Departure::Gap { before: self.history.last(), came: self.diff_end };
            return self.leave(why, out);
        }
        let adoption = adoption.take();
        self.see_new_leader(config, out);
        match adoption {
            Some(adoption) => {
                let last = self.history.committed();
                out.push(LearnerAction::AdoptSnapshot { zxid: adoption.zxid });
                out.extend(adoption.committed);
                out.push(LearnerAction::InstallSnapshot { zxid: last });
                out.extend(adoption.activations);
                self.phase = Phase::Installing;
            }
            None => {
                self.phase = Phase::Securing(self.history.last());
                self.secure(out);
            }
        }
    }

    pub(super) fn go_on_installed(&mut self, out: &mut Vec<LearnerAction>) {
        out.extend(self.history.begin_appending().map(|record| LearnerAction::Append(Arc::clone(record))));
        self.phase = Phase::Securing(self.history.last());
        self.secure(out);
    }

    pub(super) fn secure(&mut self, out: &mut Vec<LearnerAction>) {
        let Phase::Securing(up_to) = self.phase else { return };
        if self.history.is_durable(up_to) {
            out.push(LearnerAction::WriteCurrentEpoch(self.epoch));
            self.phase = Phase::WritingEpoch;
        }
    }

    pub(super) fn acknowledge_new_leader(&mut self, out: &mut Vec<LearnerAction>) {
        out.push(LearnerAction::Send(Packet::Ack(self.epoch_zxid())));
        self.phase = Phase::Acknowledged;
        if !self.settings.is_observer {
            self.history.begin_acknowledging();
        }
        self.acknowledge_durable(out);
    }

    // zk: SendAckRequestProcessor: one ACK for each transaction, for the leader counts them one by one
    pub(super) fn acknowledge_durable(&mut self, out: &mut Vec<LearnerAction>) {
        while let Some(zxid) = self.history.next_acknowledgement() {
            out.push(LearnerAction::Send(Packet::Ack(zxid)));
        }
    }

    fn on_up_to_date(&mut self, out: &mut Vec<LearnerAction>) {
        if !matches!(self.phase, Phase::Acknowledged) {
            return self.unexpected("UPTODATE before the ACK of NEWLEADER", out);
        }
        // A leader may have told of one that it proposed and that is not agreed on: its commit puts it into force. What is agreed on
        // is in the history that was sent, or older than the epoch, or has no transaction and began with the epoch.
        // diverges(newleader-membership-in-force): the reference does not wait for that
        let last = self.history.committed().max(self.epoch_zxid());
        let is_agreed_on = |version: Zxid| version <= last || version.counter() == 0;
        let config = mem::take(&mut self.config).filter(|verifier| is_agreed_on(Zxid(verifier.version)));
        out.extend(config.map(|verifier| LearnerAction::Activate { verifier, appointed: None }));
        out.push(LearnerAction::Send(Packet::Ack(self.epoch_zxid())));
        out.push(LearnerAction::Note(LearnerNote::Synchronised { epoch: self.epoch }));
        out.push(LearnerAction::Serve { epoch: self.epoch });
        self.phase = Phase::Broadcasting;
    }

    fn check_held(&mut self, out: &mut Vec<LearnerAction>) {
        let adopted = if let Phase::Synchronising(Some(adoption)) = &self.phase { adoption.bytes } else { 0 };
        if self.history.held_bytes().saturating_add(adopted) > self.held_bytes_max {
            self.leave(Departure::TooMuchHeld, out);
        }
    }

    pub(super) fn ignore(&self, what: &'static str, out: &mut Vec<LearnerAction>) {
        out.push(LearnerAction::Note(LearnerNote::Ignored(what)));
    }
}

fn is_error(record: &TxnRecord) -> bool {
    matches!(record.txn, Txn::Error(_))
}

impl SyncMode {
    fn name(self) -> &'static str {
        match self {
            Self::Diff => "DIFF",
            Self::Trunc => "TRUNC",
            Self::Snap => "SNAP",
        }
    }
}
