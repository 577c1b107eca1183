use std::path::Path;

use jute::Zxid;

use super::Store;
use crate::disk::{Disk, DiskFile};
use crate::log::{LogFile, Mark, Marks, Scanned};
use crate::{LogReader, StorageError};

impl<D: Disk> Store<D> {
    /// Removes every record and every snapshot above `zxid`, newest first, and returns the zxid that the history ends
    /// with now, at most `zxid`. No writer may be open.
    ///
    /// Nothing is removed unless a snapshot that holds, and a log without a gap from there, reach a state at or below `zxid`.
    // zk: FileTxnLog.truncate
    // diverges(truncate-all): the reference keeps the record above a zxid that is not in the log, and snapshots above it
    pub fn truncate(&self, zxid: Zxid) -> Result<Zxid, StorageError> {
        self.check_base(zxid)?;
        for snapshot in self.snapshots()?.iter().rev().filter(|snapshot| snapshot.zxid > zxid) {
            self.remove(&snapshot.path)?;
        }
        self.sync_dirs()?;
        let logs = crate::log::log_files(&self.disk, &self.log_dir)?;
        for (_, path) in logs.iter().rev().filter(|(first, _)| *first > zxid) {
            self.remove(path)?;
            // One by one: a later file must not outlive an earlier one.
            self.sync_dirs()?;
        }
        if let Some((first, path)) = logs.iter().rev().find(|(first, _)| *first <= zxid) {
            self.cut(*first, path, zxid)?;
        }
        self.check_end(zxid)
    }

    /// Whether what remains can be loaded.
    fn check_base(&self, zxid: Zxid) -> Result<(), StorageError> {
        for base in self.candidates()?.iter().filter(|candidate| candidate.zxid <= zxid) {
            if self.read_snapshot(base).and_then(|reader| reader.verify()).is_err() {
                continue;
            }
            let mut below = self
                .records_after(base.zxid)?
                .take_while(|record| !record.as_ref().is_ok_and(|record| record.zxid > zxid));
            if below.all(|record| record.is_ok()) {
                return Ok(());
            }
        }
        Err(StorageError::CannotTruncate { zxid })
    }

    /// Cuts a log behind its last record at or below `zxid`. First the mark says so, lest a crash while it is cut looks
    /// like damage.
    fn cut(&self, first: Zxid, path: &Path, zxid: Zxid) -> Result<(), StorageError> {
        let mut log = LogFile::open(&self.disk, path)?;
        let end = loop {
            match log.next()? {
                Scanned::Record { offset, zxid: found, .. } if found > zxid => break offset,
                Scanned::Record { .. } => {}
                Scanned::End { .. } => return Ok(()),
            }
        };
        let first_checksum = log.first_checksum()?;
        let mut file = self.disk.open_write(path).map_err(StorageError::io("open", path))?;
        file.sync().map_err(StorageError::io("sync", path))?;
        Marks::new(&self.log_dir).put_durably(&self.disk, Mark { first, end, first_checksum })?;
        file.set_len(end).map_err(StorageError::io("truncate", path))?;
        file.sync().map_err(StorageError::io("sync", path))
    }

    /// The end of what remains.
    fn check_end(&self, zxid: Zxid) -> Result<Zxid, StorageError> {
        let base = self.candidates()?.first().map_or(Zxid::NONE, |candidate| candidate.zxid);
        let mut records = LogReader::unanchored(&self.disk, &self.log_dir, base)?;
        records.by_ref().try_for_each(|record| record.map(drop))?;
        let last = records.last_zxid();
        assert!(last <= zxid, "a truncated history ends at or below the zxid");
        Ok(last)
    }
}
