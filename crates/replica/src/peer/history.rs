use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use jute::{TxnRecord, Zxid};
use zab::leader::Recent;

use super::PeerStart;
use crate::{Effect, HaltReason, PeerEffect};

/// What this server has on disk, and what is on its way there.
///
/// * Nothing is told of an epoch before it is durable.
/// * While the history is being replaced, nothing is appended.
#[derive(Debug)]
pub(super) struct History {
    /// The last epoch accepted.
    pub(super) accepted_epoch: i32,
    current_epoch: i32,
    /// The last record appended, or a snapshot's zxid above it.
    pub(super) last_logged: Zxid,
    durable: Zxid,
    /// Whether there is one that can vote.
    is_known: bool,
    /// A standalone server wrote its end, which no ensemble has served yet.
    is_standalone: bool,
    /// The last transactions that are applied.
    pub(super) recent: Recent,
    epochs_on_the_way: usize,
    replacement: Option<Replacement>,
}

/// How the history is being replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replacement {
    /// It is cut.
    Cut,
    /// A snapshot takes its place.
    Snapshot,
    /// It is set aside.
    GivenUp,
}

impl History {
    pub(super) fn new(start: PeerStart, last: Zxid, recent_max: usize) -> Self {
        Self {
            accepted_epoch: start.accepted_epoch,
            current_epoch: start.current_epoch,
            last_logged: last,
            durable: last,
            is_known: start.has_history,
            is_standalone: start.is_standalone_history,
            recent: Recent::new(recent_max),
            epochs_on_the_way: 0,
            replacement: None,
        }
    }

    /// The zxid of our vote: -1 when we cannot say what we should have.
    pub(super) fn vote(&self) -> Zxid {
        if self.is_known { self.last_logged } else { Zxid::NONE }
    }

    /// The epoch that our history ends in. One that is lost ends in none.
    pub(super) fn current_epoch(&self) -> i32 {
        if self.is_known { self.current_epoch } else { 0 }
    }

    /// Whether nobody else may have its end.
    pub(super) fn is_standalone(&self) -> bool {
        self.is_standalone
    }

    /// An ensemble serves with it.
    pub(super) fn is_served(&mut self) {
        self.is_standalone = false;
    }

    /// Everything is on disk.
    pub(super) fn is_settled(&self) -> bool {
        self.durable >= self.last_logged && self.epochs_on_the_way == 0 && self.replacement.is_none()
    }

    pub(super) fn append(&mut self, record: Arc<TxnRecord>, out: &mut Vec<Effect>) {
        self.last_logged = record.header.zxid;
        out.push(Effect::Append { record });
    }

    /// What the log says; true when it is news.
    pub(super) fn on_durable(&mut self, durable: Zxid) -> Result<bool, HaltReason> {
        // What is told meanwhile is of the old history or of the new one, and nobody waits for it.
        if self.replacement.is_some() || durable <= self.durable {
            return Ok(false);
        }
        if durable > self.last_logged {
            return Err(HaltReason::DurableAhead { durable, given: self.last_logged });
        }
        self.durable = durable;
        Ok(true)
    }

    pub(super) fn write_accepted_epoch(&mut self, epoch: i32, out: &mut Vec<Effect>) {
        self.epochs_on_the_way += 1;
        out.push(Effect::Peer(PeerEffect::WriteAcceptedEpoch { epoch }));
    }

    pub(super) fn write_current_epoch(&mut self, epoch: i32, out: &mut Vec<Effect>) {
        self.epochs_on_the_way += 1;
        out.push(Effect::Peer(PeerEffect::WriteCurrentEpoch { epoch }));
    }

    /// False when none was asked for.
    pub(super) fn on_accepted_epoch_written(&mut self, epoch: i32) -> bool {
        let was_asked_for = self.on_epoch_written();
        if was_asked_for {
            self.accepted_epoch = epoch;
        }
        was_asked_for
    }

    /// The history is that of an epoch's leader: it counts. False when none was asked for.
    pub(super) fn on_current_epoch_written(&mut self, epoch: i32) -> bool {
        let was_asked_for = self.on_epoch_written();
        if was_asked_for {
            self.current_epoch = epoch;
            // A quorum may count on what we have from the acknowledgement on, whatever becomes of the role meanwhile.
            self.is_known = true;
        }
        was_asked_for
    }

    fn on_epoch_written(&mut self) -> bool {
        let left = self.epochs_on_the_way.checked_sub(1);
        self.epochs_on_the_way = left.unwrap_or_default();
        left.is_some()
    }

    pub(super) fn truncate(&mut self, zxid: Zxid, out: &mut Vec<Effect>) {
        self.replacement = Some(Replacement::Cut);
        out.push(Effect::Peer(PeerEffect::Truncate { zxid }));
    }

    /// False when it was not asked for.
    pub(super) fn on_truncated(&mut self, outcome: &Result<Zxid, String>) -> bool {
        if self.replacement != Some(Replacement::Cut) {
            return false;
        }
        self.replacement = None;
        if let Ok(zxid) = outcome {
            self.recent.truncate(*zxid);
            self.ends_with(*zxid);
        }
        true
    }

    pub(super) fn install_snapshot(&mut self, zxid: Zxid, out: &mut Vec<Effect>) {
        self.replacement = Some(Replacement::Snapshot);
        out.push(Effect::Peer(PeerEffect::InstallSnapshot { zxid }));
    }

    /// False when none was asked for.
    pub(super) fn on_snapshot_installed(&mut self, zxid: Zxid) -> bool {
        let was_asked_for = self.replacement == Some(Replacement::Snapshot);
        if was_asked_for {
            self.replacement = None;
            self.ends_with(zxid);
        }
        was_asked_for
    }

    pub(super) fn give_up(&mut self, why: String, out: &mut Vec<Effect>) {
        self.replacement = Some(Replacement::GivenUp);
        out.push(Effect::Peer(PeerEffect::GiveUpHistory { why }));
    }

    pub(super) fn on_given_up(&mut self) {
        if self.replacement == Some(Replacement::GivenUp) {
            self.replacement = None;
            self.is_known = false;
            self.recent.clear();
            self.ends_with(Zxid::ZERO);
        }
    }

    fn ends_with(&mut self, zxid: Zxid) {
        self.last_logged = zxid;
        self.durable = zxid;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: i32 = 3;

    /// The role that asked for it may end before the disk answers: the epoch is on disk all the same.
    #[test]
    fn a_lost_history_counts_again_once_the_epoch_of_a_leader_is_written() {
        let start = PeerStart {
            accepted_epoch: EPOCH,
            current_epoch: 2,
            has_history: false,
            is_standalone_history: false,
        };
        let (last, mut out) = (Zxid::from_parts(2, 7), Vec::new());
        let mut history = History::new(start, last, 1);
        assert_eq!((history.vote(), history.current_epoch()), (Zxid::NONE, 0));
        assert!(!history.on_current_epoch_written(EPOCH), "nobody asked");
        assert_eq!((history.vote(), history.current_epoch()), (Zxid::NONE, 0));
        history.write_current_epoch(EPOCH, &mut out);
        assert!(!history.is_settled());
        assert!(history.on_current_epoch_written(EPOCH));
        assert_eq!((history.vote(), history.current_epoch()), (last, EPOCH));
        assert!(history.is_settled());
    }
}
