use std::path::{Path, PathBuf};

use super::Store;
use crate::StorageError;
use crate::disk::{Disk, DiskFile};
use crate::names::{parse_log_name, parse_snapshot_name};

/// Says that the history here was given up and no other has come yet.
const MARKER: &str = "resync.needed";
/// What the name of a file that was set aside begins with; neither server takes it for one of its own.
const ASIDE_PREFIX: &str = "aside";

/// Why a server has no history and must not vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostReason {
    /// There is nothing, and nobody said that this is right (`initialize`, `db.autocreate`).
    Empty,
    /// A damaged history was given up, and no leader's has come yet.
    GivenUp,
}

impl<D: Disk> Store<D> {
    /// Gives up a damaged history: renames all snapshots and logs, so that they can be looked at, and says so durably
    /// first. Until [`Store::finish_resync`] there is nothing to load, and the server must not vote.
    ///
    /// A crash in between is made good by the next [`Store::open`].
    pub fn set_aside(&self) -> Result<Vec<PathBuf>, StorageError> {
        let marker = self.log_dir.join(MARKER);
        let mut file = self.disk.create(&marker).map_err(StorageError::io("create", &marker))?;
        file.sync().map_err(StorageError::io("sync", &marker))?;
        self.sync_dirs()?;
        self.move_aside()
    }

    /// Whether the history was given up and not yet replaced.
    pub fn is_resync_needed(&self) -> Result<bool, StorageError> {
        let marker = self.log_dir.join(MARKER);
        self.disk.exists(&marker).map_err(StorageError::io("look for", &marker))
    }

    /// What [`Load::Lost`](crate::Load::Lost) means here.
    pub fn why_lost(&self) -> Result<LostReason, StorageError> {
        Ok(if self.is_resync_needed()? { LostReason::GivenUp } else { LostReason::Empty })
    }

    /// To be called when the snapshot of a leader is durable here.
    pub fn finish_resync(&self) -> Result<(), StorageError> {
        if self.is_resync_needed()? {
            self.remove(&self.log_dir.join(MARKER))?;
            self.sync_dirs()?;
        }
        Ok(())
    }

    /// Renames what is there; nothing when it was done before.
    pub(super) fn move_aside(&self) -> Result<Vec<PathBuf>, StorageError> {
        let mut moved = Vec::new();
        for (dir, is_ours) in [
            (&self.snapshot_dir, (|name| parse_snapshot_name(name).is_some()) as fn(&str) -> bool),
            (&self.log_dir, |name| parse_log_name(name).is_some()),
        ] {
            let names = self.disk.list(dir).map_err(StorageError::io("list", dir))?;
            for name in names.iter().filter(|name| is_ours(name)) {
                let from = dir.join(name);
                let to = self.free_name(dir, name)?;
                self.disk.rename(&from, &to).map_err(StorageError::io("rename", &from))?;
                moved.push(to);
            }
        }
        self.sync_dirs()?;
        Ok(moved)
    }

    /// A name that is not taken by what was set aside earlier.
    fn free_name(&self, dir: &Path, name: &str) -> Result<PathBuf, StorageError> {
        let mut path = dir.join(format!("{ASIDE_PREFIX}-{name}"));
        let mut count = 1;
        while self.disk.exists(&path).map_err(StorageError::io("look for", &path))? {
            count += 1;
            path = dir.join(format!("{ASIDE_PREFIX}-{count}-{name}"));
        }
        Ok(path)
    }
}
