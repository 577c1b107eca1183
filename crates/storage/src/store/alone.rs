use jute::Zxid;

use super::Store;
use crate::disk::Disk;
use crate::{StorageError, epochs};

/// Says that the end of the history here was written by a standalone server: nobody else has it.
const MARKER: &str = "standalone.mark";

/// The mark holds the current epoch; one that is behind `currentEpoch` is from before the server joined an ensemble, for instance
/// with the reference, which does not know the mark. So a member writes it anew before each new epoch, for as long as it counts.
impl<D: Disk> Store<D> {
    /// Marks a history that ends with `last` as that of a standalone server; durable on return. To be called before such a
    /// server writes its first record: a crash between the two leaves a mark without a record, never the other way.
    pub fn mark_standalone(&self, last: Zxid) -> Result<(), StorageError> {
        let epoch = self.current_epoch()?.max(i64::from(last.epoch()));
        self.write_mark(epoch)
    }

    /// Marks what was written without the mark: no epoch was ever accepted here, and members write nothing in the epoch 0.
    pub fn mark_if_never_a_member(&self, last: Zxid) -> Result<(), StorageError> {
        let accepted =
            epochs::read_number(&self.disk, &self.snapshot_dir.join(epochs::ACCEPTED))?.unwrap_or(0);
        let was_member = accepted > 0 || self.current_epoch()? > 0 || last.epoch() > 0;
        if was_member || last <= Zxid::ZERO { Ok(()) } else { self.write_mark(0) }
    }

    /// Whether nobody else has the end of this history, as far as the mark tells.
    pub fn is_standalone_history(&self) -> Result<bool, StorageError> {
        let marked = epochs::read_number(&self.disk, &self.snapshot_dir.join(MARKER))?;
        let current = self.current_epoch()?;
        Ok(marked.is_some_and(|marked| marked >= current))
    }

    /// To be called before `epoch` becomes the current one: what is marked stays so.
    pub fn keep_standalone_mark(&self, epoch: i64) -> Result<(), StorageError> {
        if self.is_standalone_history()? { self.write_mark(epoch) } else { Ok(()) }
    }

    /// To be called when an ensemble has this history, or when the operator does without it.
    pub fn forget_standalone(&self) -> Result<(), StorageError> {
        let path = self.snapshot_dir.join(MARKER);
        if self.disk.exists(&path).map_err(StorageError::io("look for", &path))? {
            self.remove(&path)?;
            self.sync_dirs()?;
        }
        Ok(())
    }

    fn write_mark(&self, epoch: i64) -> Result<(), StorageError> {
        let path = self.snapshot_dir.join(MARKER);
        match epochs::read_number(&self.disk, &path)? {
            Some(marked) if marked == epoch => Ok(()),
            Some(_) | None => epochs::write_number(&self.disk, &self.snapshot_dir, MARKER, epoch),
        }
    }

    fn current_epoch(&self) -> Result<i64, StorageError> {
        Ok(epochs::read_number(&self.disk, &self.snapshot_dir.join(epochs::CURRENT))?.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::StoreSettings;
    use crate::disk::SimulatedDisk;

    fn store(disk: &SimulatedDisk) -> Store<SimulatedDisk> {
        Store::open(disk.clone(), StoreSettings::new(Path::new("/data"))).unwrap()
    }

    #[test]
    fn the_mark_lasts_over_a_crash_and_until_it_is_forgotten() {
        let disk = SimulatedDisk::new();
        assert!(!store(&disk).is_standalone_history().unwrap());
        store(&disk).mark_standalone(Zxid(5)).unwrap();
        disk.crash(1);
        assert!(store(&disk).is_standalone_history().unwrap());
        store(&disk).keep_standalone_mark(1).unwrap();
        epochs::write_current(&disk, store(&disk).snapshot_dir(), 1).unwrap();
        assert!(store(&disk).is_standalone_history().unwrap(), "it led nobody yet");
        store(&disk).forget_standalone().unwrap();
        disk.crash(2);
        assert!(!store(&disk).is_standalone_history().unwrap());
        store(&disk).keep_standalone_mark(2).unwrap();
        assert!(!store(&disk).is_standalone_history().unwrap());
    }

    #[test]
    fn a_history_that_no_epoch_was_accepted_for_is_a_standalone_server_s() {
        let rows = [
            ("as the reference leaves it", Zxid(7), None, true),
            ("nothing was written", Zxid(0), None, false),
            ("a member's", Zxid::from_parts(1, 0), None, false),
            ("a member that was sent a part of it", Zxid(7), Some(1), false),
        ];
        for (what, last, accepted, is_marked) in rows {
            let disk = SimulatedDisk::new();
            if let Some(epoch) = accepted {
                epochs::write_accepted(&disk, store(&disk).snapshot_dir(), epoch).unwrap();
            }
            store(&disk).mark_if_never_a_member(last).unwrap();
            disk.crash(1);
            assert_eq!(store(&disk).is_standalone_history().unwrap(), is_marked, "{what}");
        }
    }

    #[test]
    fn a_mark_from_before_another_server_joined_an_ensemble_counts_no_more() {
        let disk = SimulatedDisk::new();
        store(&disk).mark_standalone(Zxid::from_parts(3, 5)).unwrap();
        epochs::write_current(&disk, store(&disk).snapshot_dir(), 3).unwrap();
        assert!(store(&disk).is_standalone_history().unwrap(), "what a member writes at its start");
        epochs::write_current(&disk, store(&disk).snapshot_dir(), 4).unwrap();
        assert!(!store(&disk).is_standalone_history().unwrap());
        store(&disk).mark_standalone(Zxid::from_parts(4, 9)).unwrap();
        assert!(store(&disk).is_standalone_history().unwrap(), "alone once more");
    }
}
