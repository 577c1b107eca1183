//! The high-water mark: how far the newest log was durable, so that damage below it is told from a torn end.
//!
//! * It lies beside the logs in a file of its own, which the reference does not look at.
//! * It is written after each sync of the log and not synced itself: what it says was true, but more may be durable.
//! * Before a new log is created it is durable that the log has nothing durable in it yet.
//! * It names the first record by its checksum: another log of the same name, of a directory that was emptied and begun
//!   anew by the reference, is none of ours.

use std::path::{Path, PathBuf};

use jute::Zxid;

use super::checksum;
use crate::StorageError;
use crate::disk::{Disk, DiskFile, read_full_at};

const NAME: &str = "durable.mark";
const MAGIC: [u8; 8] = *b"RKMARK\0\x02";
const MARK_BYTES: usize = 40;

/// The newest log that we wrote, and where its durable part ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) first: Zxid,
    pub(crate) end: u64,
    /// Checksum of the first record, from the moment on when the log is created.
    pub(crate) first_checksum: u64,
}

/// The file that holds the mark.
#[derive(Debug)]
pub(crate) struct Marks<F> {
    path: PathBuf,
    file: Option<F>,
}

impl Mark {
    fn encode(self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.first.0.to_be_bytes());
        out.extend_from_slice(&self.end.to_be_bytes());
        out.extend_from_slice(&self.first_checksum.to_be_bytes());
        let seal = checksum(&out);
        out.extend_from_slice(&seal.to_be_bytes());
        out
    }

    fn decode(bytes: &[u8; MARK_BYTES]) -> Option<Self> {
        let (content, seal) = bytes.split_last_chunk::<8>()?;
        let (magic, numbers) = content.split_first_chunk::<8>()?;
        let (first, numbers) = numbers.split_first_chunk::<8>()?;
        let (end, first_checksum) = numbers.split_first_chunk::<8>()?;
        let is_whole = *magic == MAGIC && checksum(content) == u64::from_be_bytes(*seal);
        let first_checksum = u64::from_be_bytes(first_checksum.try_into().ok()?);
        let end = u64::from_be_bytes(*end);
        is_whole.then_some(Self { first: Zxid(i64::from_be_bytes(*first)), end, first_checksum })
    }
}

impl<F: DiskFile> Marks<F> {
    /// The mark of this directory; the file is opened when something is to be written.
    pub(crate) fn new(dir: &Path) -> Self {
        Self { path: dir.join(NAME), file: None }
    }

    /// What the last process left, if it is whole.
    pub(crate) fn read<D: Disk<File = F>>(disk: &D, dir: &Path) -> Result<Option<Mark>, StorageError> {
        let path = dir.join(NAME);
        if !disk.exists(&path).map_err(StorageError::io("look for", &path))? {
            return Ok(None);
        }
        let mut bytes = [0; MARK_BYTES];
        let file = disk.open_read(&path).map_err(StorageError::io("open", &path))?;
        let count = read_full_at(&file, 0, &mut bytes).map_err(StorageError::io("read", &path))?;
        Ok(Mark::decode(&bytes).filter(|_| count == MARK_BYTES))
    }

    /// Writes the mark and makes it durable.
    pub(crate) fn put_durably<D: Disk<File = F>>(
        &mut self,
        disk: &D,
        mark: Mark,
    ) -> Result<(), StorageError> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.open(disk)?,
        };
        let file = self.file.insert(file);
        file.write_at(0, &mark.encode()).map_err(StorageError::io("write", &self.path))?;
        file.sync().map_err(StorageError::io("sync", &self.path))
    }

    /// Writes the mark; it becomes durable when the system likes.
    pub(crate) fn put(&mut self, mark: Mark) -> Result<(), StorageError> {
        match &mut self.file {
            Some(file) => file.write_at(0, &mark.encode()).map_err(StorageError::io("write", &self.path)),
            None => Ok(()),
        }
    }

    /// Removes the mark when the log that it names is gone, lest another log of that name is held against it.
    pub(crate) fn forget_missing<D: Disk<File = F>>(disk: &D, dir: &Path) -> Result<(), StorageError> {
        let Some(mark) = Self::read(disk, dir)? else { return Ok(()) };
        let log = dir.join(crate::names::log_name(mark.first));
        if disk.exists(&log).map_err(StorageError::io("look for", &log))? {
            return Ok(());
        }
        let path = dir.join(NAME);
        disk.remove(&path).map_err(StorageError::io("remove", &path))?;
        disk.sync_dir(dir).map_err(StorageError::io("sync", dir))
    }

    fn open<D: Disk<File = F>>(&self, disk: &D) -> Result<F, StorageError> {
        if disk.exists(&self.path).map_err(StorageError::io("look for", &self.path))? {
            return disk.open_write(&self.path).map_err(StorageError::io("open", &self.path));
        }
        let file = disk.create(&self.path).map_err(StorageError::io("create", &self.path))?;
        let dir = crate::disk::parent_of(&self.path);
        disk.sync_dir(dir).map_err(StorageError::io("sync", dir))?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_and_a_torn_one_is_none() {
        let mark = Mark { first: Zxid(0x1_0000_0001), end: 4711, first_checksum: 12 };
        let bytes: [u8; MARK_BYTES] = mark.encode().try_into().unwrap();
        assert_eq!(Mark::decode(&bytes), Some(mark));
        for at in 0..MARK_BYTES {
            let mut damaged = bytes;
            damaged[at] ^= 1;
            assert_eq!(Mark::decode(&damaged), None, "byte {at}");
        }
    }
}
