use std::collections::BTreeSet;

use jute::Zxid;

use super::Store;
use crate::disk::Disk;
use crate::log::RecordEnd;
use crate::{Damage, LogReader, LogRecord, StorageError};

/// Snapshots that the log must go through. One that a leader sent, or one whose log is lost, leaves a hole in the log that
/// need not show in the zxids.
#[derive(Debug, Default)]
pub(super) struct Waypoints(BTreeSet<Zxid>);

/// Records of the log from one on, as long as it is proved that none is missing.
///
/// * Within an epoch no zxid is missing, and no torn end stands before the first one of an epoch.
/// * The zxid of every snapshot on disk that is above the first record is the zxid of a record. That which an epoch begins
///   with belongs to no transaction, so a snapshot of that name proves nothing.
/// * It ends with what the writer says is durable; what stands behind that is not looked at.
#[derive(Debug)]
pub(super) struct Run<D: Disk> {
    records: LogReader<D>,
    waypoints: Waypoints,
    durable: Option<Zxid>,
    previous: Option<Zxid>,
    tails: usize,
}

impl Waypoints {
    pub(super) fn new(zxids: impl Iterator<Item = Zxid>) -> Self {
        Self(zxids.collect())
    }

    /// Takes a record's zxid; the snapshot that was missed is the error.
    pub(super) fn pass(&mut self, zxid: Zxid) -> Result<(), Zxid> {
        match self.0.first().copied() {
            Some(next) if next < zxid => Err(next),
            Some(next) if next == zxid => {
                self.0.remove(&next);
                Ok(())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The next one, when not all were passed.
    pub(super) fn next(&self) -> Option<Zxid> {
        self.0.first().copied()
    }
}

impl<D: Disk> Run<D> {
    /// From the record `first` on, or the one that stands where it should.
    pub(super) fn from(store: &Store<D>, first: Zxid) -> Result<Self, StorageError> {
        // First of all: what is durable now is there when the files are opened.
        let durable = store.durable_end();
        let is_within = |zxid: &Zxid| *zxid > first && durable.is_none_or(|durable| *zxid <= durable);
        let snapshots = store.snapshots()?.into_iter().map(|snapshot| snapshot.zxid);
        let waypoints = Waypoints::new(snapshots.chain(durable).filter(is_within));
        let records = LogReader::from(store.disk(), store.log_dir(), first)?;
        Ok(Self { records, waypoints, durable, previous: None, tails: 0 })
    }

    /// The next record; an error where something is missing.
    pub(super) fn next(&mut self) -> Result<Option<LogRecord>, StorageError> {
        if self.durable.is_some() && self.previous == self.durable {
            return Ok(None);
        }
        let Some(record) = self.records.next().transpose()? else {
            return self.check_end().map(|()| None);
        };
        self.check(&record)?;
        self.previous = Some(record.zxid);
        Ok(Some(record))
    }

    fn check(&mut self, record: &LogRecord) -> Result<(), StorageError> {
        let tails = self.records.tails();
        let is_torn_before =
            tails.get(self.tails..).unwrap_or_default().iter().any(|tail| tail.end != RecordEnd::Clean);
        self.tails = tails.len();
        let after = self.previous.unwrap_or(record.zxid);
        let is_next = record.zxid.0.saturating_sub(after.0) <= 1;
        if self.waypoints.pass(record.zxid).is_err() || (is_torn_before && !is_next) {
            let gap = Damage::Gap { after, found: record.zxid };
            return Err(StorageError::corrupt(&record.file, record.offset, gap));
        }
        Ok(())
    }

    /// The error for a run that ends although more was expected.
    pub(super) fn ends_early(&self) -> StorageError {
        StorageError::corrupt(self.records.dir(), 0, Damage::LostTail)
    }

    fn check_end(&self) -> Result<(), StorageError> {
        match self.waypoints.next() {
            Some(found) => {
                let gap = Damage::Gap { after: self.records.last_zxid(), found };
                Err(StorageError::corrupt(self.records.dir(), 0, gap))
            }
            None => Ok(()),
        }
    }
}
