use jute::Zxid;

use super::Store;
use super::run::Run;
use crate::disk::Disk;
use crate::log::{FRAME_BYTES, LogFile, Scanned, log_files};
use crate::{Damage, LogRecord, StorageError};

/// What the log can prove about a peer whose history ends at some zxid.
///
/// * All of it comes from one run of records that ends with what is durable here, and in which provably none is missing.
/// * When no such run reaches back to the peer there is no floor, and the rest says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogProbe {
    /// The largest zxid at or below the peer's that the log holds.
    pub floor: Option<Zxid>,
    /// The first zxid above the peer's.
    pub first_above: Option<Zxid>,
    /// The end of the run, or of what was read of it.
    pub last: Zxid,
    /// Bytes that the records above the peer's zxid take in the log.
    pub bytes_above: u64,
    /// These are more than were asked for; nothing more was read.
    pub is_over: bool,
}

/// The records that a peer lacks, in order; after an error there is nothing more.
#[derive(Debug)]
pub struct RecordsBetween<D: Disk> {
    run: Run<D>,
    after: Zxid,
    up_to: Zxid,
    is_done: bool,
}

impl LogProbe {
    const NOTHING: Self =
        Self { floor: None, first_above: None, last: Zxid::NONE, bytes_above: 0, is_over: false };
}

impl<D: Disk> Store<D> {
    /// Looks what the log can prove about a peer; goes on beside an open writer. Damage proves nothing and is no error.
    // zk: LearnerHandler.syncFollower, ZKDatabase.getProposalsFromTxnLog
    // diverges(log-sync-proved): the reference sends from any log in which it finds the peer's zxid
    pub fn probe(&self, peer: Zxid, bytes_max: Option<u64>) -> Result<LogProbe, StorageError> {
        let outcome = self.floor(peer).and_then(|floor| match floor {
            Some(floor) => self.measure(floor, peer, bytes_max),
            None => Ok(LogProbe::NOTHING),
        });
        match outcome {
            Err(error) if error.is_damage() || is_gone(&error) => Ok(LogProbe::NOTHING),
            outcome => outcome,
        }
    }

    /// The records above `after` to `up_to`, which must both be in the log: an error comes where one is missing.
    pub fn records_between(&self, after: Zxid, up_to: Zxid) -> Result<RecordsBetween<D>, StorageError> {
        let mut run = Run::from(self, after)?;
        // The record itself: when a purge took it meanwhile, others may be gone that do not show.
        match run.next()? {
            Some(record) if record.zxid == after => {
                Ok(RecordsBetween { run, after, up_to, is_done: after >= up_to })
            }
            Some(record) => Err(missing(&record, after)),
            None => Err(StorageError::corrupt(&self.log_dir, 0, Damage::LostTail)),
        }
    }

    /// Length of the newest snapshot that looks whole.
    // zk: ZKDatabase.calculateTxnLogSizeLimit
    pub fn newest_snapshot_bytes(&self) -> Result<Option<u64>, StorageError> {
        match self.newest_candidate()? {
            Some(newest) => {
                let len = self.disk.file_len(&newest.path);
                len.map(Some).map_err(StorageError::io("read", &newest.path))
            }
            None => Ok(None),
        }
    }

    /// The largest zxid of a record at or below the peer's, in the file that should hold it.
    fn floor(&self, peer: Zxid) -> Result<Option<Zxid>, StorageError> {
        let peer = self.durable_end().map_or(peer, |durable| durable.min(peer));
        let logs = log_files(&self.disk, &self.log_dir)?;
        let Some((_, path)) = logs.iter().rev().find(|(first, _)| *first <= peer) else { return Ok(None) };
        let mut log = LogFile::open(&self.disk, path)?;
        let mut floor = None;
        while let Scanned::Record { zxid, .. } = log.next()? {
            if zxid > peer {
                break;
            }
            floor = Some(zxid);
        }
        Ok(floor)
    }

    fn measure(&self, floor: Zxid, peer: Zxid, bytes_max: Option<u64>) -> Result<LogProbe, StorageError> {
        let mut run = Run::from(self, floor)?;
        let mut probe = LogProbe::NOTHING;
        while let Some(record) = run.next()? {
            probe.last = record.zxid;
            if record.zxid <= peer {
                probe.floor = Some(record.zxid);
                continue;
            }
            probe.first_above.get_or_insert(record.zxid);
            probe.bytes_above += record.content.len() as u64 + FRAME_BYTES;
            if bytes_max.is_some_and(|max| probe.bytes_above > max) {
                probe.is_over = true;
                break;
            }
        }
        Ok(probe)
    }
}

impl<D: Disk> RecordsBetween<D> {
    fn read(&mut self) -> Result<LogRecord, StorageError> {
        loop {
            match self.run.next()? {
                Some(record) if record.zxid <= self.after => {}
                Some(record) if record.zxid > self.up_to => return Err(missing(&record, self.up_to)),
                Some(record) => return Ok(record),
                None => return Err(self.run.ends_early()),
            }
        }
    }
}

impl<D: Disk> Iterator for RecordsBetween<D> {
    type Item = Result<LogRecord, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let record = self.read();
        self.is_done = record.as_ref().map_or(true, |record| record.zxid == self.up_to);
        Some(record)
    }
}

/// A purge removed what was about to be read.
fn is_gone(error: &StorageError) -> bool {
    matches!(error, StorageError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

fn missing(record: &LogRecord, expected: Zxid) -> StorageError {
    let gap = Damage::Gap { after: expected, found: record.zxid };
    StorageError::corrupt(&record.file, record.offset, gap)
}
