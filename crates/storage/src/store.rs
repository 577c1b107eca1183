//! A data directory: which snapshots and logs there are, and what may be done with them.

mod alone;
mod aside;
mod probe;
mod purge;
mod replace;
mod run;
mod truncate;

use std::path::{Path, PathBuf};

use jute::Zxid;

use crate::disk::{Disk, DiskFile, create_dir_durably};
use crate::log::{DurableEnd, HEADER_BYTES, LogFile, Mark, MarkList, Marks, RecordEnd, first_of};
use crate::names::{PARTIAL_SNAPSHOT_PREFIX, parse_snapshot_name};
use crate::snapshot::looks_whole;
use crate::{
    Compression, FileTail, LogReader, LogSettings, LogWriter, SnapshotReader, SnapshotWriter, StorageError,
};

pub use aside::LostReason;
pub use probe::{LogProbe, RecordsBetween};
pub use purge::Purged;
pub use replace::Replacement;

/// Both directories keep their files in this one.
const VERSION_DIR: &str = "version-2";
/// Says that an empty server may vote; it lies beside the log's `version-2`.
const INITIALIZE: &str = "initialize";
/// Bytes that are written again at once.
const WRITE_AGAIN_BYTES: usize = 64 * 1024;
/// So many snapshots are tried.
const CANDIDATES_MAX: usize = 100;

/// Where the data are and how they are kept.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// `dataDir`: snapshots and epochs.
    pub data_dir: PathBuf,
    /// `dataLogDir`: logs; the same as `data_dir` unless set.
    pub log_dir: PathBuf,
    /// Whether missing directories are created (`datadir.autocreate`).
    pub creates_directories: bool,
    /// Whether an empty server may vote (`db.autocreate`).
    pub creates_database: bool,
    /// Whether logs without a snapshot are accepted (`snapshot.trust.empty`).
    pub trusts_empty_snapshot: bool,
    /// How snapshots are compressed (`snapshot.compression.method`).
    pub compression: Compression,
    /// How the log is written.
    pub log: LogSettings,
}

/// A data directory on a disk.
#[derive(Debug, Clone)]
pub struct Store<D> {
    disk: D,
    settings: StoreSettings,
    snapshot_dir: PathBuf,
    log_dir: PathBuf,
    durable_end: DurableEnd,
}

/// A snapshot that may be loaded; reading it to the end tells whether it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The zxid in its name: replay begins behind it.
    pub zxid: Zxid,
    /// The file.
    pub path: PathBuf,
    /// How it is compressed.
    pub compression: Compression,
}

/// What a start finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// There are snapshots: load the newest that holds, replay behind it.
    Snapshots,
    /// There are logs only, and they are trusted: replay all into an empty state.
    LogsOnly,
    /// There is nothing and that is right: write the snapshot at zxid 0, then [`Store::forget_initialize`].
    Fresh,
    /// There is nothing, or it was given up, and nobody said that this is right: zxid -1, no vote. [`Store::why_lost`] says
    /// which.
    Lost,
}

impl StoreSettings {
    /// The settings of the reference for one directory.
    pub fn new(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            log_dir: data_dir.to_owned(),
            creates_directories: true,
            creates_database: true,
            trusts_empty_snapshot: false,
            compression: Compression::None,
            log: LogSettings::default(),
        }
    }
}

impl<D: Disk> Store<D> {
    /// Opens the directories, creating what may be created, and removes snapshots that were never finished.
    // zk: FileTxnSnapLog
    pub fn open(disk: D, settings: StoreSettings) -> Result<Self, StorageError> {
        let log_dir = settings.log_dir.join(VERSION_DIR);
        let snapshot_dir = settings.data_dir.join(VERSION_DIR);
        let store = Self { disk, settings, snapshot_dir, log_dir, durable_end: DurableEnd::default() };
        store.check_dir(&store.log_dir)?;
        store.check_dir(&store.snapshot_dir)?;
        if store.log_dir != store.snapshot_dir {
            store.check_absent(&store.log_dir, "snapshot.", "has snapshot files")?;
            store.check_absent(&store.snapshot_dir, "log.", "has log files")?;
        }
        store.remove_unfinished()?;
        if store.is_resync_needed()? {
            store.move_aside()?;
        }
        Ok(store)
    }

    /// Where the logs are.
    pub fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    /// Where snapshots and epochs are.
    pub fn snapshot_dir(&self) -> &Path {
        &self.snapshot_dir
    }

    /// The disk below.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// What there is to load.
    // zk: FileTxnSnapLog.restore
    pub fn load(&self) -> Result<Load, StorageError> {
        if self.is_resync_needed()? {
            return Ok(Load::Lost);
        }
        if !self.candidates()?.is_empty() {
            return Ok(Load::Snapshots);
        }
        if self.has_log()? {
            let is_trusted = self.settings.trusts_empty_snapshot;
            let refusal = StorageError::LogsWithoutSnapshot { path: self.log_dir.clone() };
            return if is_trusted { Ok(Load::LogsOnly) } else { Err(refusal) };
        }
        let is_fresh = self.settings.creates_database || self.is_initialize_present()?;
        Ok(if is_fresh { Load::Fresh } else { Load::Lost })
    }

    /// Snapshots that look whole, newest first.
    // zk: FileSnap.findNValidSnapshots
    pub fn candidates(&self) -> Result<Vec<Candidate>, StorageError> {
        self.whole_snapshots(CANDIDATES_MAX)
    }

    /// Opens a snapshot.
    pub fn read_snapshot(&self, candidate: &Candidate) -> Result<SnapshotReader<D>, StorageError> {
        SnapshotReader::open(&self.disk, &candidate.path, candidate.compression)
    }

    /// The records behind a state; none may be missing.
    pub fn records_after(&self, zxid: Zxid) -> Result<LogReader<D>, StorageError> {
        LogReader::after(&self.disk, &self.log_dir, zxid)
    }

    /// The records above a zxid, whether or not they go on from it: for [`Load::LogsOnly`] and for a learner's sync.
    pub fn records_above(&self, zxid: Zxid) -> Result<LogReader<D>, StorageError> {
        LogReader::unanchored(&self.disk, &self.log_dir, zxid)
    }

    /// Makes durable what recovery read, perhaps from a cache only, and cuts torn ends; to be called before the first
    /// vote and before the log is written. Files without any record are removed.
    ///
    /// What no mark calls durable is written once more: after a sync that failed the cache holds bytes that the disk does not
    /// have and that no later sync would write, since the kernel takes them for clean.
    pub fn settle(&self, tails: &[FileTail]) -> Result<(), StorageError> {
        let marks = Marks::<D::File>::read(&self.disk, &self.log_dir)?;
        let mut ends = Vec::new();
        for (index, tail) in tails.iter().enumerate() {
            if tail.is_empty {
                self.disk.remove(&tail.file).map_err(StorageError::io("remove", &tail.file))?;
                continue;
            }
            let mut file = self.disk.open_write(&tail.file).map_err(StorageError::io("open", &tail.file))?;
            if let RecordEnd::Torn(_) = tail.end {
                file.set_len(tail.offset.max(HEADER_BYTES))
                    .map_err(StorageError::io("truncate", &tail.file))?;
            }
            if let Some(from) = unproved_from(&marks, &tail.file, index + 1 == tails.len()) {
                write_again(&mut file, from, tail.offset).map_err(StorageError::io("write", &tail.file))?;
            }
            file.sync().map_err(StorageError::io("sync", &tail.file))?;
            ends.extend(self.mark_of(tail)?);
        }
        self.sync_dirs()?;
        Marks::new(&self.log_dir).settle(&self.disk, &ends)
    }

    /// The mark of a log that is durable up to its tail.
    fn mark_of(&self, tail: &FileTail) -> Result<Option<Mark>, StorageError> {
        let first_checksum = LogFile::open(&self.disk, &tail.file)?.first_checksum()?;
        Ok(first_of(&tail.file).map(|first| Mark { first, end: tail.offset, first_checksum }))
    }

    /// Makes the snapshot durable that recovery loaded, which its writer may not have synced.
    pub fn settle_snapshot(&self, loaded: &Candidate) -> Result<(), StorageError> {
        let mut file = self.disk.open_write(&loaded.path).map_err(StorageError::io("open", &loaded.path))?;
        file.sync().map_err(StorageError::io("sync", &loaded.path))?;
        self.sync_dirs()
    }

    /// A writer for the records behind `last`, the only one from now on. This store and its clones read beside it what is
    /// durable.
    pub fn log_writer(&self, last: Zxid) -> LogWriter<D> {
        LogWriter::new(self.disk.clone(), &self.log_dir, self.settings.log.clone(), last)
            .telling(self.durable_end.clone())
    }

    /// Begins a snapshot.
    pub fn snapshot_writer(&self, zxid: Zxid) -> Result<SnapshotWriter<D>, StorageError> {
        SnapshotWriter::create(&self.disk, &self.snapshot_dir, zxid, self.settings.compression)
    }

    /// Whether the file that lets an empty server vote is there.
    pub fn is_initialize_present(&self) -> Result<bool, StorageError> {
        let path = self.initialize_path();
        self.disk.exists(&path).map_err(StorageError::io("look for", &path))
    }

    /// Removes that file: the server is no longer empty.
    pub fn forget_initialize(&self) -> Result<(), StorageError> {
        if !self.is_initialize_present()? {
            return Ok(());
        }
        let path = self.initialize_path();
        self.disk.remove(&path).map_err(StorageError::io("remove", &path))?;
        self.disk.sync_dir(&self.settings.log_dir).map_err(StorageError::io("sync", &self.settings.log_dir))
    }

    /// Bytes in all files of the log directory.
    pub fn log_dir_bytes(&self) -> Result<u64, StorageError> {
        self.dir_bytes(&self.log_dir)
    }

    /// Bytes in all files of the snapshot directory.
    pub fn snapshot_dir_bytes(&self) -> Result<u64, StorageError> {
        self.dir_bytes(&self.snapshot_dir)
    }

    /// Where the durable part of the log ends, when there is a writer.
    fn durable_end(&self) -> Option<Zxid> {
        self.durable_end.get()
    }

    fn newest_candidate(&self) -> Result<Option<Candidate>, StorageError> {
        Ok(self.whole_snapshots(1)?.pop())
    }

    /// The newest so many snapshots that look whole.
    fn whole_snapshots(&self, count_max: usize) -> Result<Vec<Candidate>, StorageError> {
        let mut whole = Vec::new();
        for candidate in self.snapshots()?.into_iter().rev() {
            if whole.len() == count_max {
                break;
            }
            if looks_whole(&self.disk, &candidate.path, candidate.compression)? {
                whole.push(candidate);
            }
        }
        Ok(whole)
    }

    /// All snapshots by name, oldest first.
    fn snapshots(&self) -> Result<Vec<Candidate>, StorageError> {
        let names =
            self.disk.list(&self.snapshot_dir).map_err(StorageError::io("list", &self.snapshot_dir))?;
        let mut found: Vec<_> = names
            .iter()
            .filter_map(|name| {
                let (zxid, compression) = parse_snapshot_name(name)?;
                Some(Candidate { zxid, path: self.snapshot_dir.join(name), compression })
            })
            .collect();
        found.sort_by(|a, b| (a.zxid, &a.path).cmp(&(b.zxid, &b.path)));
        Ok(found)
    }

    /// Whether any log holds a record.
    fn has_log(&self) -> Result<bool, StorageError> {
        Ok(self.records_above(Zxid::NONE)?.next().transpose()?.is_some())
    }

    fn initialize_path(&self) -> PathBuf {
        self.settings.log_dir.join(INITIALIZE)
    }

    fn check_dir(&self, dir: &Path) -> Result<(), StorageError> {
        let refuse = |what: String| StorageError::DataDir { path: dir.to_owned(), what };
        let exists = self.disk.exists(dir).map_err(StorageError::io("look for", dir))?;
        if !exists && !self.settings.creates_directories {
            return Err(refuse(
                "missing, and zookeeper.datadir.autocreate is false: create it by hand".to_owned(),
            ));
        }
        create_dir_durably(&self.disk, dir).map_err(|error| refuse(format!("cannot be created: {error}")))?;
        self.disk.check_writable(dir).map_err(|error| refuse(format!("cannot be written: {error}")))
    }

    fn check_absent(&self, dir: &Path, prefix: &str, what: &str) -> Result<(), StorageError> {
        let names = self.disk.list(dir).map_err(StorageError::io("list", dir))?;
        if !names.iter().any(|name| name.starts_with(prefix)) {
            return Ok(());
        }
        let what = format!("{what}; check dataDir and dataLogDir");
        Err(StorageError::DataDir { path: dir.to_owned(), what })
    }

    fn remove_unfinished(&self) -> Result<(), StorageError> {
        let dir = &self.snapshot_dir;
        for name in self.disk.list(dir).map_err(StorageError::io("list", dir))? {
            if name.starts_with(PARTIAL_SNAPSHOT_PREFIX) {
                self.remove(&dir.join(name))?;
            }
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        self.disk.remove(path).map_err(StorageError::io("remove", path))
    }

    fn sync_log_dir(&self) -> Result<(), StorageError> {
        self.disk.sync_dir(&self.log_dir).map_err(StorageError::io("sync", &self.log_dir))
    }

    fn sync_dirs(&self) -> Result<(), StorageError> {
        self.sync_log_dir()?;
        if self.log_dir != self.snapshot_dir {
            self.disk.sync_dir(&self.snapshot_dir).map_err(StorageError::io("sync", &self.snapshot_dir))?;
        }
        Ok(())
    }

    fn dir_bytes(&self, dir: &Path) -> Result<u64, StorageError> {
        let names = self.disk.list(dir).map_err(StorageError::io("list", dir))?;
        // A file that is purged meanwhile counts nothing.
        Ok(names.iter().filter_map(|name| self.disk.file_len(&dir.join(name)).ok()).sum())
    }
}

/// Where the part of a log begins that no mark calls durable; `None` when there is none. Logs before the newest marked one
/// were synced before it was made; without a mark only the last one is in doubt.
fn unproved_from(marks: &MarkList, log: &Path, is_last: bool) -> Option<u64> {
    let first = first_of(log)?;
    match marks.newest() {
        Some(mark) if mark.first == first => Some(mark.end),
        Some(mark) => (first > mark.first).then_some(0),
        None => is_last.then_some(0),
    }
}

/// Writes what a file has between two offsets to where it is.
fn write_again(file: &mut impl DiskFile, from: u64, to: u64) -> std::io::Result<()> {
    let mut chunk = vec![0; WRITE_AGAIN_BYTES];
    let mut offset = from;
    while offset < to {
        let room = usize::try_from(to - offset).unwrap_or(usize::MAX).min(WRITE_AGAIN_BYTES);
        let count = file.read_at(offset, chunk.get_mut(..room).unwrap_or_default())?;
        if count == 0 {
            break;
        }
        file.write_at(offset, chunk.get(..count).unwrap_or_default())?;
        offset += count as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
