//! From files to a state, through the one recovery there is.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use ::replica::{RecoverError, RecoverSettings, Skipped, Trailer};
use jute::snapshot::SnapshotItem;
use jute::{TxnRecord, Zxid};
use storage::{Candidate, Disk, FileTail, LogReader, SnapshotReader, StorageError, Store};
use tree::StateSettings;

use super::{DataError, Recovery};
use crate::settings::DataSettings;
use crate::shell::alarm::UNEXPECTED;

/// Loads the newest snapshot that holds and the log behind it; then syncs what was read and cuts what is torn.
pub(super) fn from_disk<D: Disk>(
    store: Store<D>,
    state: StateSettings,
    data: &DataSettings,
) -> Result<Recovery<D>, DataError> {
    let candidates = store.candidates()?;
    let tails = Rc::new(RefCell::new(Vec::new()));
    let replay_began = Rc::new(Cell::new(Instant::now()));
    let began = Instant::now();
    let settings = RecoverSettings { state, trust_empty: data.trust_empty_snapshot };
    let readers = candidates.iter().map(|candidate| SnapshotOnDisk::open(&store, candidate));
    let recovered =
        ::replica::recover(readers, |zxid| records(&store, zxid, &tails, &replay_began), &settings).map_err(
            |error| DataError {
                status: UNEXPECTED,
                why: format!("{error}; `rookeeper log` and `rookeeper snapshot` show what the files hold"),
                is_damage: matches!(error, RecoverError::NoValidSnapshot { .. } | RecoverError::Log { .. }),
            },
        )?;
    let (replay_ms, all_ms) = (millis(replay_began.get()), millis(began));
    store.settle(&tails.borrow())?;
    if let Some(loaded) = candidates.iter().find(|candidate| Some(candidate.zxid) == recovered.snapshot) {
        store.settle_snapshot(loaded)?;
    }
    // zk: FileTxnSnapLog.restore: the file is used up by any start, lest it lets a server vote that lost its data later
    store.forget_initialize()?;
    if let Some(zxid) = recovered.uncovered {
        tracing::warn!(
            %zxid,
            last = %recovered.state.last_processed_zxid(),
            "the snapshot may hold parts of transactions up to this zxid, which the log does not reach"
        );
    }
    Ok(Recovery {
        state: recovered.state,
        replayed: recovered.replayed,
        digest_mismatches: recovered.digest_mismatches,
        skipped: recovered.skipped,
        snapshot_ms: all_ms.saturating_sub(replay_ms),
        replay_ms,
        has_history: true,
        store,
    })
}

/// The records behind a zxid. Without a snapshot there is nothing that the first must follow.
fn records<D: Disk>(
    store: &Store<D>,
    zxid: Zxid,
    tails: &Rc<RefCell<Vec<FileTail>>>,
    began: &Rc<Cell<Instant>>,
) -> Result<Records<D>, StorageError> {
    began.set(Instant::now());
    let has_snapshot = !store.candidates()?.is_empty();
    let reader = if has_snapshot { store.records_after(zxid)? } else { store.records_above(zxid)? };
    Ok(Records { reader: Some(reader), tails: Rc::clone(tails) })
}

/// The log, which leaves behind how its files end.
struct Records<D: Disk> {
    reader: Option<LogReader<D>>,
    tails: Rc<RefCell<Vec<FileTail>>>,
}

impl<D: Disk> Iterator for Records<D> {
    type Item = Result<TxnRecord, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.reader.as_mut()?.next()?;
        Some(record.and_then(|record| record.decode().map_err(|error| record.undecodable(error))))
    }
}

impl<D: Disk> Drop for Records<D> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.tails.replace(reader.into_tails());
        }
    }
}

/// A snapshot file as recovery reads it.
struct SnapshotOnDisk<D: Disk> {
    zxid: Zxid,
    reader: SnapshotReader<D>,
}

impl<D: Disk> SnapshotOnDisk<D> {
    fn open(store: &Store<D>, candidate: &Candidate) -> Result<Self, Skipped> {
        let zxid = candidate.zxid;
        match store.read_snapshot(candidate) {
            Ok(reader) => Ok(Self { zxid, reader }),
            Err(error) => Err(Skipped { zxid, why: error.to_string() }),
        }
    }
}

impl<D: Disk> ::replica::SnapshotReader for SnapshotOnDisk<D> {
    type Error = StorageError;

    fn zxid(&self) -> Zxid {
        self.zxid
    }

    fn next_item(&mut self) -> Result<Option<SnapshotItem>, StorageError> {
        self.reader.next().transpose()
    }

    fn finish(mut self) -> Result<Option<Trailer>, StorageError> {
        while self.next_item()?.is_some() {}
        let digest = self.reader.trailers().digest;
        Ok(digest.map(|digest| Trailer { zxid: digest.zxid, version: digest.version, digest: digest.digest }))
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use storage::RealDisk;

    use crate::settings::{ConfigSource, Raw, Settings};

    #[test]
    fn the_file_that_lets_an_empty_server_vote_is_used_up_by_any_start() {
        let dir = crate::scratch::Dir::new("initialize");
        let (config, initialize) = (dir.path().join("zoo.cfg"), dir.path().join("initialize"));
        std::fs::write(&config, format!("dataDir={}\nclientPort=0\n", dir.path().display())).unwrap();
        let raw = Raw::gather(&ConfigSource::File(config), &[], |_| None).unwrap();
        let settings = Settings::check(&raw).unwrap();
        for start in ["empty", "with data"] {
            std::fs::write(&initialize, "").unwrap();
            assert!(crate::data::recover(RealDisk, &settings).is_ok(), "{start}");
            assert!(!initialize.exists(), "{start}");
        }
    }
}
