//! Reads records across files and checks that none is missing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jute::{DecodeError, OpCode, TxnRecord, Zxid};

use super::marks::{Mark, MarkList};
use super::{HEADER_BYTES, LogFile, Marks, RecordEnd, Scanned, Tear};
use crate::disk::Disk;
use crate::names::parse_log_name;
use crate::{Damage, StorageError};

/// A record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Zxid in its header.
    pub zxid: Zxid,
    /// Type in its header.
    pub op_code: i32,
    /// Header, transaction and digest, as they were appended.
    pub content: Bytes,
    /// The file it stands in.
    pub file: Arc<Path>,
    /// Where in the file its frame begins.
    pub offset: u64,
}

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTail {
    /// The file.
    pub file: Arc<Path>,
    /// Where its records end.
    pub offset: u64,
    /// Why they end there.
    pub end: RecordEnd,
    /// Whether it has no record at all.
    pub is_empty: bool,
}

/// The records above a zxid, over all files, in order.
///
/// * Between two records within an epoch no zxid is missing; an equal zxid is an error transaction. An epoch begins
///   with its first zxid.
/// * A torn end is passed over when the next file goes on without a gap; other damage is an error.
/// * After an error there is nothing more.
#[derive(Debug)]
pub struct LogReader<D: Disk> {
    disk: D,
    dir: PathBuf,
    /// Files not yet opened, the next one last.
    files: Vec<PathBuf>,
    current: Option<(LogFile<D::File>, Arc<Path>, bool)>,
    marks: MarkList,
    after: Zxid,
    /// The zxid that the next record must follow.
    previous: Option<Zxid>,
    tails: Vec<FileTail>,
    is_failed: bool,
}

impl LogRecord {
    /// The transaction. The limit on requests does not hold for our own log.
    pub fn decode(&self) -> Result<TxnRecord, DecodeError> {
        let mut reader = jute::Reader::new(&self.content).with_limit(self.content.len());
        TxnRecord::decode_from(&mut reader)
    }

    /// The damage that a record that cannot be decoded is.
    pub fn undecodable(&self, error: DecodeError) -> StorageError {
        StorageError::corrupt(&self.file, self.offset, Damage::Decode(error))
    }
}

impl<D: Disk> LogReader<D> {
    /// The records that follow the state at `after`.
    pub fn after(disk: &D, dir: &Path, after: Zxid) -> Result<Self, StorageError> {
        Self::open(disk, dir, after, after, Some(after))
    }

    /// The records above `after`, whatever stands before the first of them.
    // zk: FileTxnLog.getLogFiles: from the last file that begins at or below the zxid
    pub fn unanchored(disk: &D, dir: &Path, after: Zxid) -> Result<Self, StorageError> {
        Self::open(disk, dir, after, after, None)
    }

    /// The records from `first` on, whatever stands before it; no file before the one that should hold it is read.
    pub(crate) fn from(disk: &D, dir: &Path, first: Zxid) -> Result<Self, StorageError> {
        Self::open(disk, dir, first, Zxid(first.0.saturating_sub(1)), None)
    }

    fn open(
        disk: &D,
        dir: &Path,
        begin: Zxid,
        after: Zxid,
        previous: Option<Zxid>,
    ) -> Result<Self, StorageError> {
        let mut logs = log_files(disk, dir)?;
        let begin = logs.iter().rposition(|(first, _)| *first <= begin).unwrap_or(0);
        let files = logs.drain(begin..).rev().map(|(_, path)| path).collect();
        let marks = Marks::<D::File>::read(disk, dir)?;
        let disk = disk.clone();
        let dir = dir.to_owned();
        Ok(Self {
            disk,
            dir,
            files,
            current: None,
            marks,
            after,
            previous,
            tails: Vec::new(),
            is_failed: false,
        })
    }

    /// The zxid of the last record that was read, or the one to begin after.
    pub fn last_zxid(&self) -> Zxid {
        self.previous.unwrap_or(self.after)
    }

    /// Where the files are.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// How the files that were read to their end so far, end.
    pub(crate) fn tails(&self) -> &[FileTail] {
        &self.tails
    }

    /// How the files that were read to their end, end.
    pub fn into_tails(self) -> Vec<FileTail> {
        self.tails
    }

    fn read(&mut self) -> Result<Option<LogRecord>, StorageError> {
        loop {
            let Some((log, path, is_empty)) = &mut self.current else {
                let Some(path) = self.files.pop() else { return Ok(None) };
                self.current = Some((LogFile::open(&self.disk, &path)?, Arc::from(path), true));
                continue;
            };
            match log.next()? {
                Scanned::Record { offset, zxid, op_code, content } => {
                    *is_empty = false;
                    if zxid <= self.after && self.previous.is_none_or(|previous| previous <= self.after) {
                        continue;
                    }
                    let record = LogRecord { zxid, op_code, content, file: Arc::clone(path), offset };
                    self.check_order(&record)?;
                    self.previous = Some(zxid);
                    return Ok(Some(record));
                }
                Scanned::End { offset, end } => {
                    let mark = first_of(path).and_then(|first| self.marks.of(first));
                    check_end(log, offset, end, mark)?;
                    self.tails.push(FileTail { file: Arc::clone(path), offset, end, is_empty: *is_empty });
                    self.current = None;
                }
            }
        }
    }

    fn check_order(&self, record: &LogRecord) -> Result<(), StorageError> {
        let Some(previous) = self.previous else { return Ok(()) };
        if follows(previous, record.zxid, record.op_code) {
            return Ok(());
        }
        let gap = Damage::Gap { after: previous, found: record.zxid };
        Err(StorageError::corrupt(&record.file, record.offset, gap))
    }
}

impl<D: Disk> Iterator for LogReader<D> {
    type Item = Result<LogRecord, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_failed {
            return None;
        }
        let record = self.read();
        self.is_failed = record.is_err();
        record.transpose()
    }
}

/// Whether a record may stand behind one with the zxid `previous`.
pub(crate) fn follows(previous: Zxid, zxid: Zxid, op_code: i32) -> bool {
    let is_repeated_error = zxid == previous && op_code == OpCode::Error.code();
    let opens_epoch = zxid.epoch() > previous.epoch() && zxid.counter() <= 1;
    is_repeated_error || opens_epoch || previous.0.checked_add(1) == Some(zxid.0)
}

/// All logs of a directory, oldest first.
pub(crate) fn log_files<D: Disk>(disk: &D, dir: &Path) -> Result<Vec<(Zxid, PathBuf)>, StorageError> {
    let names = disk.list(dir).map_err(StorageError::io("list", dir))?;
    let mut logs: Vec<_> =
        names.iter().filter_map(|name| Some((parse_log_name(name)?, dir.join(name)))).collect();
    logs.sort();
    Ok(logs)
}

/// The zxid in a log's name.
pub(crate) fn first_of(log: &Path) -> Option<Zxid> {
    parse_log_name(log.file_name()?.to_str()?)
}

/// Tells a torn end from damage.
pub(crate) fn check_end<F: crate::disk::DiskFile>(
    log: &mut LogFile<F>,
    offset: u64,
    end: RecordEnd,
    mark: Option<Mark>,
) -> Result<(), StorageError> {
    let damage = match end {
        RecordEnd::Clean => Damage::LostTail,
        RecordEnd::Torn(Tear::Checksum) => Damage::Checksum,
        RecordEnd::Torn(_) => Damage::Framing,
    };
    // With records of its own, a file whose first is another than the mark's is not the one that was marked.
    let is_other =
        |mark: Mark, first_checksum| offset > HEADER_BYTES && mark.first_checksum != first_checksum;
    let mark = match mark {
        Some(mark) if is_other(mark, log.first_checksum()?) => None,
        mark => mark,
    };
    let is_damaged = match (mark, end) {
        // Cut exactly behind a record: a truncation by the reference, which knows no marks.
        (Some(_), RecordEnd::Clean) if log.len() == offset => false,
        (Some(mark), _) => offset < mark.end,
        (None, RecordEnd::Torn(Tear::Checksum)) => {
            let behind = log.frame_end(offset)?;
            !log.is_zero_from(behind)?
        }
        (None, RecordEnd::Clean | RecordEnd::Torn(_)) => false,
    };
    if is_damaged { Err(StorageError::corrupt(log.path(), offset, damage)) } else { Ok(()) }
}
