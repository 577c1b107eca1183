use jute::Zxid;
use jute::snapshot::SnapshotItem;

use super::Store;
use crate::disk::Disk;
use crate::log::{Marks, log_files};
use crate::{SnapshotFile, SnapshotWriter, StorageError, Trailers};

/// The state that a leader sent, on its way to become the whole history.
///
/// * Until [`Replacement::finish`] nothing that was there is touched; dropped before, it leaves a partial file that the next
///   [`Store::open`] removes.
/// * A crash at any point of it leaves the old history, perhaps without what stood above the new zxid; or the new one; or, where
///   the old one could not be cut, none, and a server that must not vote ([`Load::Lost`](crate::Load::Lost)).
pub struct Replacement<D: Disk> {
    store: Store<D>,
    snapshot: SnapshotWriter<D>,
}

impl<D: Disk> Store<D> {
    /// Begins to replace the history by a state at `zxid`. No writer may append from now on; once it is finished the log goes
    /// on with [`Store::log_writer`] behind `zxid`.
    pub fn begin_replacement(&self, zxid: Zxid) -> Result<Replacement<D>, StorageError> {
        Ok(Replacement { store: self.clone(), snapshot: self.snapshot_writer(zxid)? })
    }

    /// Cuts the old history above `zxid`, or gives it up when it cannot be cut there. Whether it now leads to `zxid`.
    fn make_room(&self, zxid: Zxid) -> Result<bool, StorageError> {
        if self.is_resync_needed()? {
            return self.move_aside().map(|_| false);
        }
        match self.truncate(zxid) {
            Ok(_) => self.has_log_to(zxid),
            Err(error) if error.is_damage() => self.set_aside().map(|_| false),
            Err(error) => Err(error),
        }
    }

    /// Whether the log ends with a record at `zxid`. A snapshot of that name proves nothing: it may be what an earlier replacement
    /// left that was cut off before it removed the log.
    fn has_log_to(&self, zxid: Zxid) -> Result<bool, StorageError> {
        let mut records = self.records_above(Zxid(zxid.0.saturating_sub(1)))?;
        records.by_ref().try_for_each(|record| record.map(drop))?;
        Ok(records.last_zxid() == zxid)
    }

    /// Removes logs and other snapshots; `keeps_older` keeps what leads to the new one.
    // diverges(snap-removes-older): the reference keeps them, and a log with a hole is replayed and sent like a whole one
    fn remove_all_but(&self, new: &SnapshotFile, keeps_older: bool) -> Result<(), StorageError> {
        let is_old = |zxid: Zxid| zxid == new.zxid || !keeps_older;
        if !keeps_older {
            for (_, path) in log_files(&self.disk, &self.log_dir)?.iter().rev() {
                self.remove(path)?;
                // One by one: a later file must not outlive an earlier one.
                self.sync_log_dir()?;
            }
        }
        for snapshot in self.snapshots()?.iter().rev() {
            if snapshot.path != new.path && is_old(snapshot.zxid) {
                self.remove(&snapshot.path)?;
            }
        }
        self.sync_dirs()?;
        Marks::<D::File>::forget_missing(&self.disk, &self.log_dir)
    }
}

impl<D: Disk> Replacement<D> {
    /// Takes the next item of the state; the last one is [`SnapshotItem::End`].
    pub fn push(&mut self, item: &SnapshotItem) -> Result<(), StorageError> {
        self.snapshot.push(item)
    }

    /// Makes the state durable as the whole history. An error is the disk's: the process must end, as with the log.
    ///
    /// The order: the state is durable without a name; what stands above it goes, for nobody committed that; the state gets its
    /// name; what stands below goes unless it leads to it, lest anybody takes it for a way there.
    pub fn finish(self, trailers: Trailers) -> Result<SnapshotFile, StorageError> {
        let Self { store, snapshot } = self;
        let zxid = snapshot.zxid();
        let unnamed = snapshot.complete(trailers)?;
        let leads_here = store.make_room(zxid).inspect_err(|_| unnamed.discard())?;
        let file = unnamed.give_name()?;
        store.remove_all_but(&file, leads_here)?;
        store.finish_resync()?;
        Ok(file)
    }

    /// Gives up: the history stays as it is.
    pub fn abort(self) -> Result<(), StorageError> {
        self.snapshot.abort()
    }
}
