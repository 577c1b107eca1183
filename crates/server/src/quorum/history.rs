use jute::{TxnRecord, Zxid};
use storage::{Disk, Store};
use zab::LogProbe;

/// The log on disk, as a leader reads it for its learners.
pub(crate) trait History: Send + Sync {
    /// What the log can prove about a learner's history.
    fn probe(&self, peer: Zxid) -> Result<LogProbe, String>;

    /// Hands out the records behind `after` up to `up_to`, until `take` says that it needs no more.
    fn records_between(
        &self,
        after: Zxid,
        up_to: Zxid,
        take: &mut dyn FnMut(TxnRecord) -> bool,
    ) -> Result<(), String>;
}

/// A store, read for learners.
#[derive(Debug)]
pub(crate) struct StoreHistory<D> {
    pub(crate) store: Store<D>,
    /// The log may be sent up to this share of the newest snapshot's size; negative: never.
    // zk: zookeeper.snapshotSizeFactor
    pub(crate) size_factor: f64,
}

impl<D: Disk> History for StoreHistory<D> {
    fn probe(&self, peer: Zxid) -> Result<LogProbe, String> {
        let newest = self.store.newest_snapshot_bytes().map_err(|error| error.to_string())?;
        let bytes_max = newest.map(|newest| share(newest, self.size_factor));
        let probe = self.store.probe(peer, bytes_max).map_err(|error| error.to_string())?;
        Ok(LogProbe {
            floor: probe.floor,
            first_above: probe.first_above,
            last: probe.last,
            is_over: probe.is_over,
        })
    }

    fn records_between(
        &self,
        after: Zxid,
        up_to: Zxid,
        take: &mut dyn FnMut(TxnRecord) -> bool,
    ) -> Result<(), String> {
        for record in self.store.records_between(after, up_to).map_err(|error| error.to_string())? {
            let record = record
                .and_then(|record| record.decode().map_err(|error| record.undecodable(error)))
                .map_err(|error| error.to_string())?;
            if !take(record) {
                break;
            }
        }
        Ok(())
    }
}

/// zk: ZKDatabase.calculateTxnLogSizeLimit
#[expect(clippy::cast_possible_truncation, reason = "a float that is too large is the largest integer")]
fn share(bytes: u64, factor: f64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "a limit, not a count")]
    let limit = bytes as f64 * factor;
    limit as u64
}
