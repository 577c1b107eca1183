use alloc::collections::VecDeque;
use alloc::sync::Arc;

use jute::{TxnRecord, Zxid};

/// The last committed transactions, kept in memory so that a learner that was away for a moment needs no look at the disk.
///
/// * They are in the order of their zxids, without a hole: each is its predecessor's zxid + 1, or of a newer epoch.
/// * What stands right before the oldest is known by its zxid, as long as it is known.
// zk: ZKDatabase.committedLog
#[derive(Debug, Clone, Default)]
pub struct Recent {
    before: Option<Zxid>,
    records: VecDeque<Arc<TxnRecord>>,
    max: usize,
}

impl Recent {
    /// Keeps at most so many (`zookeeper.commitLogCount`).
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { before: None, records: VecDeque::new(), max }
    }

    /// Adds the next committed transaction. A repeat of the last zxid is left out: logs of the reference hold such, with an
    /// error behind it.
    ///
    /// # Panics
    /// When a transaction is missing before it.
    pub fn push(&mut self, record: Arc<TxnRecord>) {
        let zxid = record.header.zxid;
        if let Some(last) = self.last() {
            if last == zxid {
                return;
            }
            assert!(goes_on(last, zxid), "invariant: {zxid} follows {last} with a hole between them");
        }
        self.records.push_back(record);
        while self.records.len() > self.max {
            self.before = self.records.pop_front().map(|record| record.header.zxid);
        }
    }

    /// Forgets all: the history behind it was replaced.
    pub fn clear(&mut self) {
        self.before = None;
        self.records.clear();
    }

    /// What comes next follows a history that ends with this zxid; forgets what does not.
    pub fn go_on_behind(&mut self, end: Zxid) {
        if self.last() != Some(end) {
            self.records.clear();
            self.before = Some(end);
        }
    }

    /// Forgets what stands above a zxid: it was cut.
    pub fn truncate(&mut self, zxid: Zxid) {
        while self.records.back().is_some_and(|record| record.header.zxid > zxid) {
            self.records.pop_back();
        }
        self.before = self.before.filter(|before| *before <= zxid);
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<TxnRecord>> {
        self.records.iter()
    }

    /// The oldest zxid that is known: that of the oldest transaction, or of the one before it.
    #[must_use]
    pub fn first(&self) -> Option<Zxid> {
        self.before.or_else(|| self.records.front().map(|record| record.header.zxid))
    }

    /// The newest zxid that is known.
    #[must_use]
    pub fn last(&self) -> Option<Zxid> {
        self.records.back().map(|record| record.header.zxid).or(self.before)
    }

    /// The largest known zxid at or below this one.
    #[must_use]
    pub fn floor(&self, zxid: Zxid) -> Option<Zxid> {
        let count = self.records.partition_point(|record| record.header.zxid <= zxid);
        let found = count.checked_sub(1).and_then(|index| self.records.get(index));
        found.map(|record| record.header.zxid).or(self.before.filter(|before| *before <= zxid))
    }

    /// Those above a zxid, oldest first.
    pub fn above(&self, zxid: Zxid) -> impl Iterator<Item = &Arc<TxnRecord>> {
        let count = self.records.partition_point(|record| record.header.zxid <= zxid);
        self.records.range(count..)
    }
}

/// Whether a transaction may follow another: without a hole, or in a newer epoch.
pub(crate) fn goes_on(last: Zxid, next: Zxid) -> bool {
    next.epoch() > last.epoch() || last.0.checked_add(1) == Some(next.0)
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use jute::txn::{ErrorTxn, TxnHeader};
    use jute::{OpCode, SessionId, Txn};

    use super::*;

    fn record(zxid: i64) -> Arc<TxnRecord> {
        let header = TxnHeader {
            client_id: SessionId(1),
            cxid: 0,
            zxid: Zxid(zxid),
            time: 0,
            op_code: OpCode::Error.code(),
        };
        Arc::new(TxnRecord { header, txn: Txn::Error(ErrorTxn { err: -1 }), digest: None })
    }

    fn recent(zxids: &[i64]) -> Recent {
        let mut recent = Recent::new(4);
        zxids.iter().for_each(|zxid| recent.push(record(*zxid)));
        recent
    }

    fn zxids(recent: &Recent) -> Vec<i64> {
        recent.iter().map(|record| record.header.zxid.0).collect()
    }

    #[test]
    fn the_oldest_go_first_and_a_cut_takes_the_newest() {
        let mut recent = recent(&[1, 2, 3, 4, 5, 0x1_0000_0001]);
        assert_eq!(zxids(&recent), [3, 4, 5, 0x1_0000_0001]);
        recent.truncate(Zxid(4));
        assert_eq!(zxids(&recent), [3, 4]);
        recent.truncate(Zxid(1));
        assert_eq!((recent.first(), recent.last()), (None, None));
        recent.push(record(9));
        assert_eq!((recent.first(), recent.last()), (Some(Zxid(9)), Some(Zxid(9))));
    }

    #[test]
    fn zxids_are_found_between_the_first_and_the_last() {
        let recent = recent(&[3, 4, 0x1_0000_0001]);
        for (zxid, floor, above) in [
            (2, None, &[3, 4, 0x1_0000_0001][..]),
            (3, Some(3), &[4, 0x1_0000_0001]),
            (9, Some(4), &[0x1_0000_0001]),
            (0x1_0000_0001, Some(0x1_0000_0001), &[]),
        ] {
            assert_eq!(recent.floor(Zxid(zxid)), floor.map(Zxid), "{zxid:#x}");
            let found: Vec<i64> = recent.above(Zxid(zxid)).map(|record| record.header.zxid.0).collect();
            assert_eq!(found, above, "{zxid:#x}");
        }
    }

    #[test]
    fn what_stands_before_the_oldest_is_known() {
        let mut recent = recent(&[3, 4, 5, 6, 7]);
        assert_eq!((zxids(&recent), recent.first()), (vec![4, 5, 6, 7], Some(Zxid(3))));
        assert_eq!(recent.floor(Zxid(3)), Some(Zxid(3)));
        assert_eq!(recent.floor(Zxid(2)), None);
        recent.truncate(Zxid(2));
        assert_eq!((recent.first(), recent.last()), (None, None));

        recent.go_on_behind(Zxid(8));
        recent.push(record(9));
        recent.go_on_behind(Zxid(9));
        assert_eq!((zxids(&recent), recent.first()), (vec![9], Some(Zxid(8))));
        recent.go_on_behind(Zxid(20));
        assert_eq!((zxids(&recent), recent.first()), (vec![], Some(Zxid(20))), "a hole in between");
    }

    #[test]
    fn a_repeat_of_the_last_zxid_is_left_out() {
        assert_eq!(zxids(&recent(&[1, 2, 2, 3])), [1, 2, 3]);
    }

    #[test]
    #[should_panic(expected = "with a hole")]
    fn zk_4925_a_hole_is_never_taken_in() {
        recent(&[1, 3]);
    }

    #[test]
    #[should_panic(expected = "with a hole")]
    fn a_step_back_is_never_taken_in() {
        recent(&[0x1_0000_0001, 2]);
    }
}
