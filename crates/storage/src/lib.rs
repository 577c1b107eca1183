//! The transaction log, snapshots and epoch files, in the formats of the reference (`FORMAT.md`).
//!
//! * [`Disk`] is what storage needs of a file system: [`RealDisk`], or [`SimulatedDisk`] which loses what was not synced.
//! * [`Store`] is a data directory. To start: [`Store::open`], [`Store::load`] says what is there; then for each of
//!   [`Store::candidates`], newest first, [`Store::read_snapshot`] into a fresh state until one holds to its end, then
//!   [`Store::records_after`] its zxid; last [`Store::settle`] with the reader's tails, before the first vote.
//! * [`LogWriter`] ([`Store::log_writer`]): `append` each record, `commit` the batch: one write, one sync. An error is
//!   returned once; the writer is dead then and the process ends.
//! * [`SnapshotWriter`] ([`Store::snapshot_writer`]) takes the items of `tree::snapshot`.
//! * [`Store::set_aside`] gives up a damaged history ([`StorageError::is_damage`]), for a peer that comes back by SNAP.
//! * [`Store::truncate`] cuts the history for TRUNC, [`Store::begin_replacement`] makes the state behind SNAP the history;
//!   [`Store::purge`] removes what is not needed any more.
//! * [`Store::probe`] tells a leader what the log proves about a learner's history, [`Store::records_between`] reads what the
//!   learner lacks; both beside the writer.
//! * [`epochs`] keeps `acceptedEpoch` and `currentEpoch`; [`SnapshotSchedule`] says when a snapshot is due.
//! * [`inspect`] is for offline tools.
//!
//! All calls block. Nothing here retries.
#![forbid(unsafe_code)]

pub mod disk;
pub mod epochs;
mod error;
pub mod inspect;
pub mod log;
pub mod membership;
mod names;
mod schedule;
pub mod snapshot;
mod store;

pub use disk::{Disk, DiskFile, RealDisk, SimulatedDisk};
pub use error::{Corruption, Damage, StorageError};
pub use log::{Commit, FileTail, LogReader, LogRecord, LogSettings, LogWriter};
pub use membership::MembershipFiles;
pub use names::{log_name, parse_log_name, parse_snapshot_name, snapshot_name};
pub use schedule::SnapshotSchedule;
pub use snapshot::{Compression, SnapshotDigest, SnapshotFile, SnapshotReader, SnapshotWriter, Trailers};
pub use store::{
    Candidate, Load, LogProbe, LostReason, Purged, RecordsBetween, Replacement, Store, StoreSettings,
};
