use std::path::Path;

use jute::Zxid;

use super::run::Waypoints;
use super::{Candidate, Store};
use crate::disk::{Disk, DiskFile};
use crate::log::{LogFile, Mark, Marks, Scanned};
use crate::{LogReader, StorageError};

impl<D: Disk> Store<D> {
    /// Removes every record and every snapshot above `zxid`, newest first, and returns the zxid that the history ends
    /// with now, at most `zxid`. No writer may append any more.
    ///
    /// * Nothing is removed unless a snapshot that holds, and a log without a gap from there, reach a state at or below `zxid`;
    ///   else it is [`StorageError::CannotTruncate`].
    /// * A crash leaves a history that is a part of the old one, from its beginning on, and at least what was to remain.
    // zk: FileTxnLog.truncate
    // diverges(truncate-all): the reference keeps the record above a zxid that is not in the log, and snapshots above it
    pub fn truncate(&self, zxid: Zxid) -> Result<Zxid, StorageError> {
        self.check_base(zxid)?;
        // Logs before snapshots: a snapshot without its log is a state that was; a log without the snapshot in its hole, as a
        // leader's snapshot leaves one, would be taken for a whole log.
        self.cut_logs(zxid)?;
        for snapshot in self.snapshots()?.iter().rev().filter(|snapshot| snapshot.zxid > zxid) {
            self.remove(&snapshot.path)?;
        }
        self.sync_dirs()?;
        Marks::<D::File>::forget_missing(&self.disk, &self.log_dir)?;
        self.check_end(zxid)
    }

    /// Whether what remains can be loaded.
    fn check_base(&self, zxid: Zxid) -> Result<(), StorageError> {
        let mut unusable = Vec::new();
        for base in self.candidates()?.iter().filter(|candidate| candidate.zxid <= zxid) {
            if self.holds(base)? && self.leads_to(base, zxid, &unusable)? {
                return Ok(());
            }
            unusable.push(base.zxid);
        }
        Err(StorageError::CannotTruncate { zxid })
    }

    /// Whether the log goes on from a snapshot, without a gap and through the newer snapshots, up to `zxid`, or ends before it.
    /// What is wrong behind `zxid` goes with the rest.
    fn leads_to(&self, base: &Candidate, zxid: Zxid, newer: &[Zxid]) -> Result<bool, StorageError> {
        let mut waypoints = Waypoints::new(newer.iter().copied().filter(|newer| *newer > base.zxid));
        let mut records = self.records_after(base.zxid)?;
        while records.last_zxid() < zxid {
            match records.next() {
                Some(Ok(record)) if record.zxid > zxid => break,
                Some(Ok(record)) if waypoints.pass(record.zxid).is_err() => return Ok(false),
                Some(Ok(_)) => {}
                Some(Err(error)) if error.is_damage() => return Ok(false),
                Some(Err(error)) => return Err(error),
                None => break,
            }
        }
        Ok(waypoints.next().is_none())
    }

    fn cut_logs(&self, zxid: Zxid) -> Result<(), StorageError> {
        for (first, path) in crate::log::log_files(&self.disk, &self.log_dir)?.iter().rev() {
            if *first <= zxid {
                return self.cut(*first, path, zxid);
            }
            self.remove(path)?;
            // One by one: a later file must not outlive an earlier one.
            self.sync_log_dir()?;
        }
        Ok(())
    }

    /// Cuts a log behind its last record at or below `zxid`, whatever follows. First the mark says so, lest a crash while it is
    /// cut looks like damage.
    fn cut(&self, first: Zxid, path: &Path, zxid: Zxid) -> Result<(), StorageError> {
        let mut log = LogFile::open(&self.disk, path)?;
        let mut end = log.position();
        loop {
            match log.next() {
                Ok(Scanned::Record { zxid: found, .. }) if found <= zxid => end = log.position(),
                Ok(Scanned::Record { .. } | Scanned::End { .. }) => break,
                Err(error) if error.is_damage() => break,
                Err(error) => return Err(error),
            }
        }
        if log.len() == end {
            return Ok(());
        }
        let first_checksum = log.first_checksum()?;
        let mut file = self.disk.open_write(path).map_err(StorageError::io("open", path))?;
        file.sync().map_err(StorageError::io("sync", path))?;
        Marks::new(&self.log_dir).begin(&self.disk, Mark { first, end, first_checksum })?;
        file.set_len(end).map_err(StorageError::io("truncate", path))?;
        file.sync().map_err(StorageError::io("sync", path))
    }

    /// The end of what remains.
    fn check_end(&self, zxid: Zxid) -> Result<Zxid, StorageError> {
        let base = self.newest_candidate()?.map_or(Zxid::NONE, |candidate| candidate.zxid);
        let mut records = LogReader::unanchored(&self.disk, &self.log_dir, base)?;
        records.by_ref().try_for_each(|record| record.map(drop))?;
        let last = records.last_zxid();
        assert!(last <= zxid, "a truncated history ends at or below the zxid");
        Ok(last)
    }
}
