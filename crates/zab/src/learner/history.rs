use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use jute::{Txn, TxnRecord, Zxid};

use super::weight;

/// Bytes of transactions that a learner holds: those not committed yet, those not durable yet, and those that came while the own
/// disk was awaited. A leader of good will stays far below; over it the learner leaves, keeps what its log holds, and comes back.
// diverges(held-transactions): the reference holds any number
pub const HELD_BYTES_MAX: usize = 512 << 20;

/// The end of a learner's history: what came, what is committed, what is durable, what is acknowledged.
///
/// * `committed <= last`, `durable <= last`; both may be behind the other.
/// * `pending` are the transactions behind `committed`, without a hole, up to `last`.
#[derive(Debug)]
pub(super) struct History {
    last: Zxid,
    committed: Zxid,
    durable: Zxid,
    /// Whether what comes is appended; not while a received state is not durable yet: the log would have a hole.
    appends: bool,
    pending: VecDeque<Arc<TxnRecord>>,
    pending_bytes: usize,
    undurable: VecDeque<(Zxid, usize)>,
    undurable_bytes: usize,
    /// Appended and not acknowledged, once acknowledgements have begun.
    unacknowledged: Option<VecDeque<Zxid>>,
}

/// How a transaction goes on from the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Continuation {
    /// One more, or the first of a newer epoch.
    Next,
    /// Some other one of a newer epoch.
    Jump,
    /// The last zxid again, for a request that the leader could not read.
    Repeat,
    /// Something is missing, or it was there before.
    Gap,
}

/// What a commit means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Commit {
    /// The oldest pending transaction is committed.
    Next(Arc<TxnRecord>),
    /// It was committed before.
    Known,
    /// It is not the oldest pending one.
    Unknown,
}

impl History {
    /// All of it is durable and applied.
    pub(super) fn new(last: Zxid) -> Self {
        Self {
            last,
            committed: last,
            durable: last,
            appends: true,
            pending: VecDeque::new(),
            pending_bytes: 0,
            undurable: VecDeque::new(),
            undurable_bytes: 0,
            unacknowledged: None,
        }
    }

    /// It goes on behind a received state that is not durable yet.
    pub(super) fn behind_snapshot(zxid: Zxid) -> Self {
        Self { appends: false, ..Self::new(zxid) }
    }

    /// The received state and what was committed since is durable: what is pending can be appended.
    pub(super) fn begin_appending(&mut self) -> impl Iterator<Item = &Arc<TxnRecord>> {
        self.appends = true;
        self.durable = self.committed;
        for record in &self.pending {
            let bytes = weight::of_record(record);
            self.undurable.push_back((record.header.zxid, bytes));
            self.undurable_bytes = self.undurable_bytes.saturating_add(bytes);
        }
        self.pending.iter()
    }

    pub(super) fn last(&self) -> Zxid {
        self.last
    }

    pub(super) fn committed(&self) -> Zxid {
        self.committed
    }

    pub(super) fn appends(&self) -> bool {
        self.appends
    }

    pub(super) fn is_durable(&self, zxid: Zxid) -> bool {
        self.durable >= zxid
    }

    /// What is neither committed nor durable counts twice.
    pub(super) fn held_bytes(&self) -> usize {
        let unacknowledged = self.unacknowledged.as_ref().map_or(0, VecDeque::len);
        self.pending_bytes
            .saturating_add(self.undurable_bytes)
            .saturating_add(unacknowledged.saturating_mul(size_of::<Zxid>()))
    }

    pub(super) fn into_pending(self) -> Vec<Arc<TxnRecord>> {
        self.pending.into()
    }

    // zk: Learner.enforceContinuousProposal
    pub(super) fn continuation(&self, record: &TxnRecord) -> Continuation {
        let came = record.header.zxid;
        if came.epoch() > self.last.epoch() {
            return if came.counter() == 1 { Continuation::Next } else { Continuation::Jump };
        }
        if came == self.last && matches!(record.txn, Txn::Error(_)) {
            return Continuation::Repeat;
        }
        let is_next = came.epoch() == self.last.epoch()
            && self.last.counter().checked_add(1).is_some_and(|next| next == came.counter());
        if is_next { Continuation::Next } else { Continuation::Gap }
    }

    /// Takes a transaction that goes on from the last one.
    pub(super) fn push(&mut self, record: Arc<TxnRecord>) {
        let zxid = record.header.zxid;
        let bytes = weight::of_record(&record);
        assert!(zxid > self.last, "a history goes forward");
        self.last = zxid;
        self.pending_bytes = self.pending_bytes.saturating_add(bytes);
        self.pending.push_back(record);
        if self.appends {
            self.undurable.push_back((zxid, bytes));
            self.undurable_bytes = self.undurable_bytes.saturating_add(bytes);
        }
        self.owe_acknowledgement(zxid);
    }

    pub(super) fn commit(&mut self, zxid: Zxid) -> Commit {
        if zxid <= self.committed {
            return Commit::Known;
        }
        match pop_front_if(&mut self.pending, |record| record.header.zxid == zxid) {
            Some(record) => {
                self.committed = zxid;
                self.pending_bytes = self.pending_bytes.saturating_sub(weight::of_record(&record));
                Commit::Next(record)
            }
            None => Commit::Unknown,
        }
    }

    pub(super) fn on_durable(&mut self, zxid: Zxid) {
        if !self.appends {
            return;
        }
        self.durable = self.durable.max(zxid.min(self.last));
        while let Some((_, bytes)) = pop_front_if(&mut self.undurable, |(zxid, _)| *zxid <= self.durable) {
            self.undurable_bytes = self.undurable_bytes.saturating_sub(bytes);
        }
    }

    /// From now on each transaction is acknowledged, beginning with those that are not committed.
    // zk: Learner.syncWithLeader: what was committed before NEWLEADER needs no ACK, what was only proposed does
    pub(super) fn begin_acknowledging(&mut self) {
        self.unacknowledged = Some(self.pending.iter().map(|record| record.header.zxid).collect());
    }

    /// One more acknowledgement of this zxid is due, once it is durable.
    pub(super) fn owe_acknowledgement(&mut self, zxid: Zxid) {
        if let Some(unacknowledged) = &mut self.unacknowledged {
            unacknowledged.push_back(zxid);
        }
    }

    /// The next zxid to acknowledge.
    pub(super) fn next_acknowledgement(&mut self) -> Option<Zxid> {
        let durable = self.durable;
        pop_front_if(self.unacknowledged.as_mut()?, |zxid| *zxid <= durable)
    }
}

fn pop_front_if<T>(queue: &mut VecDeque<T>, condition: impl FnOnce(&T) -> bool) -> Option<T> {
    if queue.front().is_some_and(condition) { queue.pop_front() } else { None }
}

#[cfg(test)]
mod tests {
    use jute::SessionId;
    use jute::txn::{ErrorTxn, TxnHeader};

    use super::*;

    fn error(zxid: i64) -> Arc<TxnRecord> {
        let header = TxnHeader { client_id: SessionId(1), cxid: 1, zxid: Zxid(zxid), time: 0, op_code: -1 };
        Arc::new(TxnRecord { header, txn: Txn::Error(ErrorTxn { err: -5 }), digest: None })
    }

    #[test]
    fn a_transaction_goes_on_or_does_not() {
        for (last, came, expected) in [
            (0x1_0000_0007, 0x1_0000_0008, Continuation::Next),
            (0x1_0000_0007, 0x2_0000_0001, Continuation::Next),
            (0x1_0000_0000, 0x1_0000_0001, Continuation::Next),
            (0, 1, Continuation::Next),
            (-1, 1, Continuation::Next),
            (0x1_0000_0007, 0x2_0000_0005, Continuation::Jump),
            (0x1_0000_0007, 0x2_0000_0000, Continuation::Jump),
            (0x1_ffff_ffff, 0x2_0000_0000, Continuation::Jump),
            (0x1_0000_0007, 0x1_0000_0007, Continuation::Repeat),
            (0x1_0000_0007, 0x1_0000_0009, Continuation::Gap),
            (0x1_0000_0007, 0x1_0000_0006, Continuation::Gap),
            (0x2_0000_0001, 0x1_0000_0002, Continuation::Gap),
            (0x1_0000_0007, -1, Continuation::Gap),
        ] {
            let found = History::new(Zxid(last)).continuation(&error(came));
            assert_eq!(found, expected, "{last:#x} then {came:#x}");
        }
    }

    #[test]
    fn only_the_oldest_pending_transaction_can_be_committed() {
        let mut history = History::new(Zxid(4));
        history.push(error(5));
        history.push(error(6));
        assert_eq!(history.commit(Zxid(4)), Commit::Known);
        assert_eq!(history.commit(Zxid(6)), Commit::Unknown);
        assert_eq!(history.commit(Zxid(5)), Commit::Next(error(5)));
        assert_eq!(history.commit(Zxid(5)), Commit::Known);
        assert_eq!(history.commit(Zxid(7)), Commit::Unknown);
        assert_eq!(history.into_pending(), [error(6)]);
    }

    #[test]
    fn what_is_held_is_counted_until_it_is_committed_and_durable() {
        let mut history = History::new(Zxid(4));
        history.push(error(5));
        let both = history.held_bytes();
        assert!(matches!(history.commit(Zxid(5)), Commit::Next(_)));
        assert_eq!(history.held_bytes(), both / 2);
        history.on_durable(Zxid(5));
        assert_eq!(history.held_bytes(), 0);
    }

    #[test]
    fn a_log_cannot_make_durable_what_it_was_not_given() {
        let mut history = History::new(Zxid(4));
        history.on_durable(Zxid(9));
        history.push(error(5));
        assert!(!history.is_durable(Zxid(5)));
    }
}
