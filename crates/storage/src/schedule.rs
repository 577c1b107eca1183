//! When a snapshot is due.

/// Counts transactions and log bytes since the last snapshot against limits with a random part, so that the servers of
/// an ensemble do not all write theirs at once.
// zk: SyncRequestProcessor.shouldSnapshot, resetSnapshotStats
#[derive(Debug, Clone)]
pub struct SnapshotSchedule {
    count_half: u64,
    size_half: Option<u64>,
    seed: u64,
    count_extra: u64,
    size_extra: u64,
}

/// Least `snapCount`.
const COUNT_MIN: u64 = 2;

impl SnapshotSchedule {
    /// A schedule with `snapCount` and `snapSizeLimitInKb` in bytes; no size limit with `None`.
    pub fn new(snap_count: u64, size_limit_bytes: Option<u64>, seed: u64) -> Self {
        let mut schedule = Self {
            count_half: snap_count.max(COUNT_MIN) / 2,
            size_half: size_limit_bytes.map(|limit| (limit / 2).max(1)),
            seed,
            count_extra: 0,
            size_extra: 0,
        };
        schedule.reset();
        schedule
    }

    /// Whether a snapshot is due after so many transactions and bytes.
    pub fn is_due(&self, transactions: u64, log_bytes: u64) -> bool {
        let is_large = self.size_half.is_some_and(|half| log_bytes > half + self.size_extra);
        transactions > self.count_half + self.count_extra || is_large
    }

    /// Draws new random parts; to be called with each snapshot.
    pub fn reset(&mut self) {
        self.count_extra = self.random() % self.count_half;
        self.size_extra = self.size_half.map_or(0, |half| self.random() % half);
    }

    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        self.seed >> 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_due_between_half_the_limit_and_the_limit() {
        for seed in 0..100 {
            let mut schedule = SnapshotSchedule::new(1000, Some(1 << 20), seed);
            for _ in 0..5 {
                assert!(
                    !schedule.is_due(500, 1 << 19) && schedule.is_due(1000, 0) && schedule.is_due(0, 1 << 20)
                );
                schedule.reset();
            }
        }
    }

    #[test]
    fn limits_off_and_least() {
        assert!(!SnapshotSchedule::new(1000, None, 1).is_due(0, u64::MAX));
        assert!(SnapshotSchedule::new(0, None, 1).is_due(2, 0));
        assert!(!SnapshotSchedule::new(0, None, 1).is_due(1, 0));
    }
}
