use std::path::PathBuf;

use jute::Zxid;

use super::{Candidate, Store};
use crate::StorageError;
use crate::disk::Disk;

/// Fewer snapshots are never kept.
const RETAIN_MIN: usize = 3;

/// What a purge did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Purged {
    /// Files that were removed, in the order in which they were.
    pub removed: Vec<PathBuf>,
    /// Snapshots that do not hold; they do not count among those that are kept.
    pub damaged: Vec<PathBuf>,
}

impl<D: Disk> Store<D> {
    /// Keeps the newest `retain` (at least 3) snapshots that hold, and all logs behind the oldest of them; removes what is
    /// older, oldest first. Nothing is removed when there are fewer, or when a record is missing behind the oldest.
    // zk: PurgeTxnLog.purge
    // diverges(purge-checks): the reference counts snapshots that only look whole, and does not look for gaps
    pub fn purge(&self, retain: usize) -> Result<Purged, StorageError> {
        let mut purged = Purged::default();
        let Some(oldest) = self.oldest_retained(retain.max(RETAIN_MIN), &mut purged)? else {
            return Ok(purged);
        };
        self.records_after(oldest)?.try_for_each(|record| record.map(drop))?;
        for (_, _, path) in self.needless(oldest)? {
            self.remove(&path)?;
            // One by one: an older log must not outlive the snapshot that shows where it has a hole.
            self.sync_dirs()?;
            purged.removed.push(path);
        }
        Ok(purged)
    }

    fn oldest_retained(&self, retain: usize, purged: &mut Purged) -> Result<Option<Zxid>, StorageError> {
        let mut held = 0;
        for candidate in self.candidates()? {
            if self.holds(&candidate)? {
                held += 1;
            } else {
                purged.damaged.push(candidate.path);
            }
            if held == retain {
                return Ok(Some(candidate.zxid));
            }
        }
        Ok(None)
    }

    /// Whether a snapshot can be read to its end; a disk that does not answer is an error.
    pub(super) fn holds(&self, candidate: &Candidate) -> Result<bool, StorageError> {
        match self.read_snapshot(candidate).and_then(|reader| reader.verify()) {
            Ok(_) => Ok(true),
            Err(StorageError::Corrupt(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All that is older than a snapshot and not needed for it, by zxid, snapshots before logs.
    fn needless(&self, oldest: Zxid) -> Result<Vec<(Zxid, bool, PathBuf)>, StorageError> {
        let logs = crate::log::log_files(&self.disk, &self.log_dir)?;
        let needed = logs.iter().rev().map(|(first, _)| *first).find(|first| *first <= oldest);
        let logs = logs.into_iter().filter(|(first, _)| needed.is_some_and(|needed| *first < needed));
        let snapshots = self.snapshots()?.into_iter().filter(|snapshot| snapshot.zxid < oldest);
        let mut files: Vec<_> = snapshots.map(|snapshot| (snapshot.zxid, false, snapshot.path)).collect();
        files.extend(logs.map(|(first, path)| (first, true, path)));
        files.sort();
        Ok(files)
    }
}
