use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jute::Zxid;

use super::format::{frame, header, padded_len, stored_checksum};
use super::marks::Mark;
use super::{HEADER_BYTES, LogFile, Marks, Scanned};
use crate::StorageError;
use crate::disk::{Disk, DiskFile};
use crate::names::log_name;

/// A batch buffer that grew beyond this is given back.
const BUFFER_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// How the log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// By how much a file is extended with zeros; 0 turns it off (`preAllocSize`).
    pub preallocate_bytes: u64,
    /// Whether a commit waits for the disk (`forceSync`).
    pub force_sync: bool,
    /// Written length above which a new file begins (`txnLogSizeLimitInKb`).
    pub size_limit_bytes: Option<u64>,
    /// A sync that takes longer is reported as slow (`fsync.warningthresholdms`).
    pub sync_warning: Duration,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// The last record that is durable now.
    pub zxid: Zxid,
    /// Number of records that this commit wrote.
    pub records: usize,
    /// Time that the sync took; `None` when there was none.
    pub sync_time: Option<Duration>,
    /// Whether it took longer than the warning threshold.
    pub is_slow: bool,
}

/// The end of what is durable in a log, as its writer last said it: those who read beside it stop there.
#[derive(Debug, Clone)]
pub(crate) struct DurableEnd(Arc<AtomicI64>);

/// Appends records.
///
/// * What was appended is durable when [`LogWriter::commit`] returned, its directory entry included.
/// * After an error nothing is ever written again.
/// * A file is never written before the end of its records.
#[derive(Debug)]
pub struct LogWriter<D: Disk> {
    disk: D,
    dir: PathBuf,
    settings: LogSettings,
    marks: Marks<D::File>,
    file: Option<OpenLog<D::File>>,
    batch: Batch,
    committed: Zxid,
    durable_end: DurableEnd,
    /// Bytes in files that were left since the last reset.
    closed_bytes: u64,
    is_poisoned: bool,
}

#[derive(Debug)]
struct OpenLog<F> {
    file: F,
    path: PathBuf,
    first: Zxid,
    first_checksum: u64,
    position: u64,
    padded_len: u64,
    is_new: bool,
}

#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    first: Option<Zxid>,
    last: Zxid,
    records: usize,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            preallocate_bytes: 64 * 1024 * 1024,
            force_sync: true,
            size_limit_bytes: None,
            sync_warning: Duration::from_secs(1),
        }
    }
}

impl DurableEnd {
    /// Nobody writes: all that is there may be read.
    const UNKNOWN: i64 = i64::MAX;

    /// The end, when there is a writer.
    pub(crate) fn get(&self) -> Option<Zxid> {
        let end = self.0.load(Ordering::Acquire);
        (end != Self::UNKNOWN).then_some(Zxid(end))
    }

    fn set(&self, zxid: Zxid) {
        self.0.store(zxid.0, Ordering::Release);
    }
}

impl Default for DurableEnd {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(Self::UNKNOWN)))
    }
}

impl<D: Disk> LogWriter<D> {
    /// A writer that begins a new file with the first record; `last` is the zxid that the log ends with.
    pub fn new(disk: D, dir: &Path, settings: LogSettings, last: Zxid) -> Self {
        Self {
            disk,
            dir: dir.to_owned(),
            settings,
            marks: Marks::new(dir),
            file: None,
            batch: Batch::default(),
            committed: last,
            durable_end: DurableEnd::default(),
            closed_bytes: 0,
            is_poisoned: false,
        }
    }

    /// Says from now on how far the log is durable.
    pub(crate) fn telling(mut self, durable_end: DurableEnd) -> Self {
        durable_end.set(self.committed);
        self.durable_end = durable_end;
        self
    }

    /// Puts a record, already encoded, into the batch.
    pub fn append(&mut self, zxid: Zxid, content: &[u8]) -> Result<(), StorageError> {
        if self.is_poisoned {
            return Err(StorageError::Poisoned);
        }
        if content.is_empty() {
            return Err(StorageError::EmptyRecord { zxid });
        }
        frame(&mut self.batch.bytes, content);
        self.batch.first.get_or_insert(zxid);
        self.batch.last = zxid;
        self.batch.records += 1;
        Ok(())
    }

    /// Makes all that was appended durable: one write, one sync. After an error the process must end; no later call
    /// does anything.
    pub fn commit(&mut self) -> Result<Commit, StorageError> {
        if self.is_poisoned {
            return Err(StorageError::Poisoned);
        }
        let Some(first) = self.batch.first else {
            return Ok(Commit { zxid: self.committed, records: 0, sync_time: None, is_slow: false });
        };
        self.is_poisoned = true;
        let sync_time = self.write_batch(first)?;
        self.is_poisoned = false;

        let is_slow = sync_time.is_some_and(|time| time > self.settings.sync_warning);
        self.committed = self.batch.last;
        self.durable_end.set(self.committed);
        let commit = Commit { zxid: self.committed, records: self.batch.records, sync_time, is_slow };
        self.batch.clear();
        if self.settings.size_limit_bytes.is_some_and(|limit| self.file_bytes() > limit) {
            self.roll();
        }
        Ok(commit)
    }

    /// Lets the next record that is appended begin a new file. What was appended before must be committed first.
    pub fn roll(&mut self) {
        assert!(self.batch.first.is_none(), "invariant: the log is rolled between batches");
        self.closed_bytes += self.file_bytes();
        self.file = None;
    }

    /// The last record that is durable.
    pub fn committed_zxid(&self) -> Zxid {
        self.committed
    }

    /// Number of bytes that wait for a commit.
    pub fn pending_bytes(&self) -> usize {
        self.batch.bytes.len()
    }

    /// Bytes written to the current file.
    // diverges(log-bytes-written): written bytes, not the preallocated length, are held against the size limits
    pub fn file_bytes(&self) -> u64 {
        self.file.as_ref().map_or(0, |log| log.position)
    }

    /// Bytes written since the last reset: what the size of the log since a snapshot is.
    pub fn written_bytes(&self) -> u64 {
        self.closed_bytes + self.file_bytes()
    }

    /// Begins to count the written bytes anew, as with a snapshot.
    pub fn reset_written_bytes(&mut self) {
        self.closed_bytes = 0;
    }

    fn write_batch(&mut self, first: Zxid) -> Result<Option<Duration>, StorageError> {
        if self.file.is_none() {
            self.file = Some(self.open_file(first)?);
        }
        let log = self.file.as_mut().expect("invariant: opened just now");
        log.extend(self.settings.preallocate_bytes, self.batch.records)?;
        log.write(&self.batch.bytes)?;
        if !self.settings.force_sync {
            log.is_new = false;
            return Ok(None);
        }
        let begin = Instant::now();
        log.file.sync().map_err(StorageError::io("sync", &log.path))?;
        let sync_time = begin.elapsed();
        if std::mem::take(&mut log.is_new) {
            self.disk.sync_dir(&self.dir).map_err(StorageError::io("sync", &self.dir))?;
        }
        let (first, end) = (log.first, log.position);
        self.marks.put(Mark { first, end, first_checksum: log.first_checksum })?;
        Ok(Some(sync_time))
    }

    /// Opens the file whose first record has this zxid.
    ///
    /// A file of this name without records is what a crash left. One with records is there when the first of them is
    /// repeated by an error transaction: we go on behind its records, where the reference would begin anew.
    fn open_file(&mut self, first: Zxid) -> Result<OpenLog<D::File>, StorageError> {
        let path = self.dir.join(log_name(first));
        let existing = self.end_of_existing(&path)?;
        let (end, first_checksum) = existing.unwrap_or((0, stored_checksum(&self.batch.bytes)));
        if self.settings.force_sync {
            self.marks.begin(&self.disk, Mark { first, end, first_checksum })?;
        }
        if existing.is_none() {
            let file = self.disk.create(&path).map_err(StorageError::io("create", &path))?;
            let padded_len = HEADER_BYTES;
            return Ok(OpenLog { file, path, first, first_checksum, position: 0, padded_len, is_new: true });
        }
        let mut file = self.disk.open_write(&path).map_err(StorageError::io("open", &path))?;
        file.set_len(end).map_err(StorageError::io("truncate", &path))?;
        Ok(OpenLog { file, path, first, first_checksum, position: end, padded_len: end, is_new: true })
    }

    /// Where the records of a file end, and the checksum of the first; `None` when there are none.
    fn end_of_existing(&self, path: &Path) -> Result<Option<(u64, u64)>, StorageError> {
        if !self.disk.exists(path).map_err(StorageError::io("look for", path))? {
            return Ok(None);
        }
        let mut log = LogFile::open(&self.disk, path)?;
        while let Scanned::Record { .. } = log.next()? {}
        let end = Some(log.position()).filter(|end| *end > HEADER_BYTES);
        end.map(|end| Ok((end, log.first_checksum()?))).transpose()
    }
}

impl<F: DiskFile> OpenLog<F> {
    /// Pads the file as the reference does, which looks at it before each record of a batch.
    // zk: FileTxnLog.append, FilePadding.padFile
    fn extend(&mut self, preallocate_bytes: u64, records: usize) -> Result<(), StorageError> {
        let position = self.position.max(HEADER_BYTES);
        let mut wanted = self.padded_len;
        for _ in 0..records {
            let padded = padded_len(position, wanted, preallocate_bytes);
            if padded == wanted {
                break;
            }
            wanted = padded;
        }
        if wanted != self.padded_len {
            self.file.set_len(wanted).map_err(StorageError::io("extend", &self.path))?;
            self.padded_len = wanted;
        }
        Ok(())
    }

    fn write(&mut self, batch: &[u8]) -> Result<(), StorageError> {
        let with_header: Vec<u8>;
        let bytes = if self.position == 0 {
            with_header = [header().as_slice(), batch].concat();
            &with_header
        } else {
            batch
        };
        self.file.write_at(self.position, bytes).map_err(StorageError::io("write", &self.path))?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

impl Batch {
    fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > BUFFER_KEPT_BYTES {
            self.bytes = Vec::new();
        }
        (self.first, self.records) = (None, 0);
    }
}
