//! Reads files one by one, for offline tools: what is in them, and where they are damaged.

use std::path::Path;

use jute::snapshot::SnapshotItem;
use jute::{DecodeError, OpCode, Reader, TxnRecord, Zxid};

use crate::disk::Disk;
use crate::log::{LogFile, RecordEnd, Scanned, Tear};
use crate::names::parse_snapshot_name;
use crate::{Compression, Corruption, Damage, SnapshotReader, StorageError, Trailers};

/// What a log file holds, in order; after the end there is nothing more.
///
/// * A record whose frame is whole but whose checksum does not hold is reported and passed over.
#[derive(Debug)]
pub struct LogInspection<D: Disk> {
    log: LogFile<D::File>,
    report: LogReport,
    is_done: bool,
}

/// One thing found in a log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEntry {
    /// A record.
    Record {
        /// Where its frame begins.
        offset: u64,
        /// Length of its content.
        len: usize,
        /// Checksum of its content, which is the stored one.
        checksum: u64,
        /// Its zxid.
        zxid: Zxid,
        /// The transaction, if it follows its grammar.
        txn: Result<TxnRecord, DecodeError>,
    },
    /// Damage; the next entry stands behind it.
    Damaged(Corruption),
    /// The end of the records.
    End {
        /// Where they end.
        offset: u64,
        /// Why they end there.
        end: RecordEnd,
        /// Whether anything but zeros follows.
        is_followed: bool,
    },
}

/// What an inspection came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogReport {
    /// Number of records whose checksum holds.
    pub records: u64,
    /// Zxid of the first of them.
    pub first: Option<Zxid>,
    /// Zxid of the last of them.
    pub last: Option<Zxid>,
    /// All damage.
    pub damage: Vec<Corruption>,
    /// Where and why the records end.
    pub end: Option<(u64, RecordEnd)>,
}

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnapshotReport {
    /// Number of sessions.
    pub sessions: usize,
    /// Number of ACLs.
    pub acls: usize,
    /// Number of znodes.
    pub nodes: u64,
    /// Bytes of data in all znodes.
    pub data_bytes: u64,
    /// What follows the znodes.
    pub trailers: Trailers,
    /// Why the snapshot cannot be used; the numbers are then those of what came before.
    pub damage: Option<Corruption>,
}

/// Opens a log file.
pub fn log<D: Disk>(disk: &D, path: &Path) -> Result<LogInspection<D>, StorageError> {
    Ok(LogInspection { log: LogFile::open(disk, path)?, report: LogReport::default(), is_done: false })
}

/// Opens a snapshot, compressed as its name says.
pub fn snapshot<D: Disk>(disk: &D, path: &Path) -> Result<SnapshotReader<D>, StorageError> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let by_extension = || path.extension().map(|extension| extension.to_string_lossy().into_owned());
    let compression = match parse_snapshot_name(&name) {
        Some((_, compression)) => compression,
        None => by_extension().map_or(Compression::None, |name| Compression::from_name(&name)),
    };
    SnapshotReader::open(disk, path, compression)
}

/// Reads a snapshot to its end.
pub fn verify_snapshot<D: Disk>(disk: &D, path: &Path) -> Result<SnapshotReport, StorageError> {
    let mut report = SnapshotReport::default();
    let outcome = snapshot(disk, path).and_then(|mut reader| {
        reader.by_ref().try_for_each(|item| {
            report.count(&item?);
            Ok(())
        })?;
        Ok(reader.trailers())
    });
    match outcome {
        Ok(trailers) => report.trailers = trailers,
        Err(StorageError::Corrupt(corruption)) => report.damage = Some(corruption),
        Err(error) => return Err(error),
    }
    Ok(report)
}

impl<D: Disk> LogInspection<D> {
    /// What was found so far.
    pub fn report(&self) -> &LogReport {
        &self.report
    }

    /// Reads to the end.
    pub fn verify(mut self) -> Result<LogReport, StorageError> {
        self.by_ref().try_for_each(|entry| entry.map(drop))?;
        Ok(self.report)
    }

    fn read(&mut self) -> Result<LogEntry, StorageError> {
        match self.log.next()? {
            Scanned::Record { offset, zxid, op_code, content } => {
                if let Some(gap) = self.gap_before(zxid, op_code) {
                    self.damaged(offset, gap);
                }
                let mut reader = Reader::new(&content).with_limit(content.len());
                let txn = TxnRecord::decode_from(&mut reader);
                if let Err(error) = txn {
                    self.damaged(offset, Damage::Decode(error));
                }
                self.report.records += 1;
                self.report.first.get_or_insert(zxid);
                self.report.last = Some(zxid);
                let checksum = crate::log::checksum(&content);
                Ok(LogEntry::Record { offset, len: content.len(), checksum, zxid, txn })
            }
            Scanned::End { offset, end: RecordEnd::Torn(Tear::Checksum) } => {
                let behind = self.log.frame_end(offset)?;
                self.log.seek(behind);
                Ok(LogEntry::Damaged(self.damaged(offset, Damage::Checksum)))
            }
            Scanned::End { offset, end } => {
                self.is_done = true;
                self.report.end = Some((offset, end));
                let is_followed = !self.log.is_zero_from(offset)?;
                Ok(LogEntry::End { offset, end, is_followed })
            }
        }
    }

    /// A gap, unless a damaged record may have stood there.
    fn gap_before(&self, zxid: Zxid, op_code: i32) -> Option<Damage> {
        let after = self.report.last?;
        let is_next = crate::log::follows(after, zxid, op_code);
        (!is_next).then_some(Damage::Gap { after, found: zxid })
    }

    fn damaged(&mut self, offset: u64, what: Damage) -> Corruption {
        let corruption = Corruption { file: self.log.path().to_owned(), offset, what };
        self.report.damage.push(corruption.clone());
        corruption
    }
}

impl<D: Disk> Iterator for LogInspection<D> {
    type Item = Result<LogEntry, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let entry = self.read();
        self.is_done |= entry.is_err();
        Some(entry)
    }
}

impl SnapshotReport {
    fn count(&mut self, item: &SnapshotItem) {
        match item {
            SnapshotItem::Sessions(sessions) => self.sessions = sessions.len(),
            SnapshotItem::Acls(acls) => self.acls = acls.len(),
            SnapshotItem::Node { node, .. } => {
                self.nodes += 1;
                self.data_bytes += node.data.as_ref().map_or(0, |data| data.len() as u64);
            }
            SnapshotItem::End => {}
        }
    }
}

/// The usual name of a type of transactions, for print-outs.
// zk: Request.op2String
pub fn op_code_name(op_code: i32) -> String {
    OpCode::from_code(op_code).map_or_else(|| format!("unknown {op_code}"), |op_code| format!("{op_code:?}"))
}
