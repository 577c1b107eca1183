//! High-water marks: how far each log was durable, so that damage below a mark is told from a torn end.
//!
//! * They lie beside the logs in a file of their own, which the reference does not look at: one for each log that was closed or
//!   found whole at a start, or is written now.
//! * That of the log which is written stands once more at the beginning, and is written there after each sync of the log and not
//!   synced itself: what it says was true, but more may be durable. It goes from sector to sector, lest one that is torn takes with it
//!   what was durable before.
//! * Before a new log is created it is durable that the log has nothing durable in it yet, and where those before it end.
//! * Each names the first record by its checksum: another log of the same name, of a directory that was emptied and begun
//!   anew by the reference, is none of ours.

use std::path::{Path, PathBuf};

use jute::Zxid;

use super::checksum;
use crate::StorageError;
use crate::disk::{Disk, DiskFile, read_full_at};

const NAME: &str = "durable.mark";
const NEW_NAME: &str = "durable.mark.new";
const MAGIC: [u8; 8] = *b"RKMARK\0\x02";
const MARK_BYTES: usize = 40;
const SECTOR_BYTES: usize = 512;
/// The newest mark is written into one of these sectors after the other.
const NEWEST_SECTORS: usize = 8;
/// Where the marks begin that are never written again.
const SETTLED_OFFSET: usize = NEWEST_SECTORS * SECTOR_BYTES;
/// More is not read; it holds the marks of more logs than any directory has.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A log of ours, and where its durable part ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) first: Zxid,
    pub(crate) end: u64,
    /// Checksum of the first record, from the moment on when the log is created.
    pub(crate) first_checksum: u64,
}

/// What the marks of a directory say, oldest log first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MarkList(Vec<Mark>);

/// The file that holds the marks.
#[derive(Debug)]
pub(crate) struct Marks<F> {
    dir: PathBuf,
    /// The file, once a log is begun.
    file: Option<F>,
    /// The sector for the next mark.
    next: usize,
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

impl MarkList {
    /// The mark of the log whose first record has this zxid.
    pub(crate) fn of(&self, first: Zxid) -> Option<Mark> {
        self.0.iter().copied().find(|mark| mark.first == first)
    }

    /// The mark of the newest log that has one.
    pub(crate) fn newest(&self) -> Option<Mark> {
        self.0.last().copied()
    }

    /// Takes a mark in its place; it replaces an older one of the same log.
    fn insert(&mut self, mark: Mark) {
        self.0.retain(|other| other.first != mark.first);
        let at = self.0.partition_point(|other| other.first < mark.first);
        self.0.insert(at, mark);
    }

    /// A mark that is torn says nothing, and the others hold.
    fn decode(bytes: &[u8]) -> Self {
        let mut list = Self::default();
        let (settled, _) = bytes.get(SETTLED_OFFSET..).unwrap_or_default().as_chunks();
        settled.iter().filter_map(Mark::decode).for_each(|mark| list.insert(mark));
        let sectors = bytes.chunks(SECTOR_BYTES).take(NEWEST_SECTORS);
        for mark in sectors.filter_map(<[u8]>::first_chunk).filter_map(Mark::decode) {
            if list.of(mark.first).is_none_or(|old| old.end < mark.end) {
                list.insert(mark);
            }
        }
        list
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = self.newest().map(Mark::encode).unwrap_or_default();
        out.resize(SETTLED_OFFSET, 0);
        self.0.iter().for_each(|mark| out.extend_from_slice(&mark.encode()));
        out
    }
}

impl<F: DiskFile> Marks<F> {
    /// The marks of this directory; the file is opened when something is to be written.
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), file: None, next: 0 }
    }

    /// What the last process left.
    pub(crate) fn read<D: Disk<File = F>>(disk: &D, dir: &Path) -> Result<MarkList, StorageError> {
        let path = dir.join(NAME);
        if !disk.exists(&path).map_err(StorageError::io("look for", &path))? {
            return Ok(MarkList::default());
        }
        let file = disk.open_read(&path).map_err(StorageError::io("open", &path))?;
        let len = file.len().map_err(StorageError::io("read", &path))?.min(FILE_BYTES_MAX);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let count = read_full_at(&file, 0, &mut bytes).map_err(StorageError::io("read", &path))?;
        Ok(MarkList::decode(bytes.get(..count).unwrap_or_default()))
    }

    /// Makes durable how far a log is, which is the newest from now on: marks of newer ones are dropped.
    pub(crate) fn begin<D: Disk<File = F>>(&mut self, disk: &D, mark: Mark) -> Result<(), StorageError> {
        let mut list = self.existing(disk)?;
        list.0.retain(|other| other.first < mark.first);
        list.0.push(mark);
        self.replace(disk, &list)
    }

    /// Says how far the newest log is; it becomes durable when the system likes.
    pub(crate) fn put(&mut self, mark: Mark) -> Result<(), StorageError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let offset = (self.next * SECTOR_BYTES) as u64;
        self.next = (self.next + 1) % NEWEST_SECTORS;
        file.write_at(offset, &mark.encode()).map_err(StorageError::io("write", &self.dir.join(NAME)))
    }

    /// Makes durable where logs end that were found whole and synced, and forgets those that are gone.
    pub(crate) fn settle<D: Disk<File = F>>(&mut self, disk: &D, ends: &[Mark]) -> Result<(), StorageError> {
        let mut list = self.existing(disk)?;
        ends.iter().for_each(|mark| list.insert(*mark));
        self.replace_changed(disk, &list)
    }

    /// Forgets the marks of logs that are gone, lest another log of that name is held against them.
    pub(crate) fn forget_missing<D: Disk<File = F>>(disk: &D, dir: &Path) -> Result<(), StorageError> {
        let mut marks = Self::new(dir);
        let list = marks.existing(disk)?;
        marks.replace_changed(disk, &list)
    }

    /// The marks whose logs are there.
    fn existing<D: Disk<File = F>>(&self, disk: &D) -> Result<MarkList, StorageError> {
        let mut list = Self::read(disk, &self.dir)?;
        let logs = super::log_files(disk, &self.dir)?;
        list.0.retain(|mark| logs.binary_search_by_key(&mark.first, |(first, _)| *first).is_ok());
        Ok(list)
    }

    fn replace_changed<D: Disk<File = F>>(&mut self, disk: &D, list: &MarkList) -> Result<(), StorageError> {
        if *list == Self::read(disk, &self.dir)? { Ok(()) } else { self.replace(disk, list) }
    }

    /// Puts a new file in the place of the old one, so that a crash leaves the one or the other.
    fn replace<D: Disk<File = F>>(&mut self, disk: &D, list: &MarkList) -> Result<(), StorageError> {
        let (path, new) = (self.dir.join(NAME), self.dir.join(NEW_NAME));
        let mut file = disk.create(&new).map_err(StorageError::io("create", &new))?;
        file.write_at(0, &list.encode()).map_err(StorageError::io("write", &new))?;
        file.sync().map_err(StorageError::io("sync", &new))?;
        disk.rename(&new, &path).map_err(StorageError::io("rename", &new))?;
        disk.sync_dir(&self.dir).map_err(StorageError::io("sync", &self.dir))?;
        self.file = Some(file);
        Ok(())
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

    #[test]
    fn a_torn_mark_among_others_says_nothing_and_the_others_hold() {
        let mark = |first| Mark { first: Zxid(first), end: first as u64 * 10, first_checksum: 1 };
        let mut list = MarkList::default();
        [2, 1, 3].into_iter().for_each(|first| list.insert(mark(first)));
        assert_eq!(list.0, [1, 2, 3].map(mark));
        let bytes = list.encode();
        assert_eq!(MarkList::decode(&bytes), list);
        let with = |offset: usize, mark: &[u8]| {
            let mut bytes = bytes.clone();
            bytes[offset..offset + mark.len()].copy_from_slice(mark);
            MarkList::decode(&bytes).0
        };
        assert_eq!(with(SETTLED_OFFSET + MARK_BYTES, &[0; MARK_BYTES]), [1, 3].map(mark));
        // The newest one that is torn has not got further than where it was begun.
        assert_eq!(with(0, &[0; MARK_BYTES]), list.0);
        let further = Mark { end: 31, ..mark(3) };
        for sector in 0..NEWEST_SECTORS {
            assert_eq!(with(sector * SECTOR_BYTES, &further.encode()), [mark(1), mark(2), further]);
        }
        assert_eq!(MarkList::decode(&further.encode()).0, [further]);
        assert_eq!(MarkList::decode(&[0; 700]), MarkList::default());
    }
}
