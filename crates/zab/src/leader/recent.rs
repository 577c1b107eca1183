use alloc::collections::VecDeque;
use alloc::sync::Arc;

use jute::{TxnRecord, Zxid};

/// The last committed transactions, kept in memory so that a learner that was away for a moment needs no look at the disk.
///
/// * They are in the order of their zxids, without a hole.
// zk: ZKDatabase.committedLog
#[derive(Debug, Clone, Default)]
pub struct Recent {
    records: VecDeque<Arc<TxnRecord>>,
    max: usize,
}

impl Recent {
    /// Keeps at most so many (`zookeeper.commitLogCount`).
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { records: VecDeque::new(), max }
    }

    /// Adds the next committed transaction.
    pub fn push(&mut self, record: Arc<TxnRecord>) {
        self.records.push_back(record);
        while self.records.len() > self.max {
            self.records.pop_front();
        }
    }

    /// Forgets all: the history behind it was replaced.
    pub fn clear(&mut self) {
        self.records.clear();
    }

    /// Forgets what stands above a zxid: it was cut.
    pub fn truncate(&mut self, zxid: Zxid) {
        while self.records.back().is_some_and(|record| record.header.zxid > zxid) {
            self.records.pop_back();
        }
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<TxnRecord>> {
        self.records.iter()
    }
}
