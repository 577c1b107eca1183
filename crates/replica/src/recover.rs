//! From snapshots and log to a state: the only way in which a server gets what it had before.
//!
//! ```text
//! newest snapshot ─▶ fresh state ─▶ fuzzy replay up to the digest trailer ─▶ digest holds? ─▶ strict replay ─▶ done
//!        │ anything fails: next snapshot, again into a fresh state                  │
//!        ◀──────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! * A state is handed out only when the seals of its snapshot hold, and its digest trailer once replay has passed it.
//! * A snapshot that is not fuzzy, as ours never are, is replayed strictly from its first record on.
//! * An older snapshot is taken in place of a newer one only when the log behind it goes through the zxid of the newer one:
//!   what a leader sent as a snapshot is in no log, and a whole epoch may be missing without a gap in the numbers.
//! * The digest in a replayed record never prevents a start; it is counted.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use jute::snapshot::SnapshotItem;
use jute::{TxnRecord, Zxid};
use tree::snapshot::Builder;
use tree::{State, StateSettings};

mod replay;

use replay::Replay;

/// One snapshot as storage reads it.
pub trait SnapshotReader {
    /// What reading may fail with.
    type Error: fmt::Display;

    /// The zxid in its name: all transactions up to it are in it.
    fn zxid(&self) -> Zxid;

    /// The next item; `None` behind the last.
    fn next_item(&mut self) -> Result<Option<SnapshotItem>, Self::Error>;

    /// Checks the seals and reads what stands behind the nodes.
    fn finish(self) -> Result<Option<Trailer>, Self::Error>;
}

/// The digest that a snapshot carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// The transaction after which the tree had it; later ones may be in the snapshot in part up to here.
    pub zxid: Zxid,
    /// How it was computed.
    pub version: i32,
    /// The digest of the tree.
    pub digest: i64,
}

/// What recovery obeys.
#[derive(Debug, Clone, Copy)]
pub struct RecoverSettings {
    /// The settings of the state.
    pub state: StateSettings,
    /// `zookeeper.snapshot.trust.empty`: a log without any snapshot is complete.
    pub trust_empty: bool,
}

/// A state and how it came about.
#[derive(Debug)]
pub struct Recovered {
    /// The state.
    pub state: State,
    /// The snapshot that it began with, if there was one.
    pub snapshot: Option<Zxid>,
    /// Number of records replayed.
    pub replayed: u64,
    /// Replayed records whose digest is not that of the tree after them.
    pub digest_mismatches: u64,
    /// The snapshot may hold parts of transactions up to here, which the log does not reach: worth a warning.
    pub uncovered: Option<Zxid>,
    /// Newer snapshots that could not be used.
    pub skipped: Vec<Skipped>,
}

/// A snapshot that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The zxid in its name.
    pub zxid: Zxid,
    /// Why.
    pub why: String,
}

/// Why there is no state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoverError {
    /// There are snapshots and none can be used.
    NoValidSnapshot {
        /// All of them, the newest first.
        skipped: Vec<Skipped>,
    },
    /// There are log records and no snapshot.
    NoSnapshot {
        /// The first record.
        first: Zxid,
    },
    /// The log, without any snapshot, cannot be replayed.
    Log {
        /// Why.
        why: String,
    },
}

/// Builds the state from the newest snapshot that can be used and all records behind it.
///
/// `candidates` are the snapshots, the newest first; one that cannot be opened is its zxid and the reason. `records`
/// yields the records above a zxid in order, with an error where the log is damaged or has a gap.
// zk: FileTxnSnapLog.restore
// diverges(snapshot-into-fresh-state): the reference keeps parts of a damaged snapshot in the tables that the next one is read into
pub fn recover<R, C, L, E>(
    candidates: C,
    mut records: impl FnMut(Zxid) -> Result<L, E>,
    settings: &RecoverSettings,
) -> Result<Recovered, RecoverError>
where
    R: SnapshotReader,
    C: IntoIterator<Item = Result<R, Skipped>>,
    L: Iterator<Item = Result<TxnRecord, E>>,
    E: fmt::Display,
{
    let mut skipped = Vec::new();
    for candidate in candidates {
        let (zxid, outcome) = match candidate {
            Ok(reader) => (reader.zxid(), from_snapshot(reader, &skipped, &mut records, settings)),
            Err(unreadable) => (unreadable.zxid, Err(unreadable.why)),
        };
        match outcome {
            Ok(replay) => return Ok(replay.recovered(Some(zxid), skipped)),
            Err(why) => skipped.push(Skipped { zxid, why }),
        }
    }
    match skipped.is_empty() {
        true => from_log_alone(&mut records, settings),
        false => Err(RecoverError::NoValidSnapshot { skipped }),
    }
}

fn from_snapshot<R, L, E>(
    mut reader: R,
    skipped: &[Skipped],
    records: &mut impl FnMut(Zxid) -> Result<L, E>,
    settings: &RecoverSettings,
) -> Result<Replay, String>
where
    R: SnapshotReader,
    L: Iterator<Item = Result<TxnRecord, E>>,
    E: fmt::Display,
{
    let zxid = reader.zxid();
    let mut builder = Builder::new(settings.state);
    while let Some(item) = reader.next_item().map_err(|error| error.to_string())? {
        builder.push(item).map_err(|error| error.to_string())?;
    }
    let trailer = reader.finish().map_err(|error| error.to_string())?;
    let state = builder.finish(zxid).map_err(|error| error.to_string())?;
    let mut replay = Replay::of_snapshot(state, trailer, skipped.iter().map(|skipped| skipped.zxid));
    replay.run(records(zxid).map_err(|error| error.to_string())?)?;
    Ok(replay)
}

fn from_log_alone<L, E>(
    records: &mut impl FnMut(Zxid) -> Result<L, E>,
    settings: &RecoverSettings,
) -> Result<Recovered, RecoverError>
where
    L: Iterator<Item = Result<TxnRecord, E>>,
    E: fmt::Display,
{
    let broken = |error: E| RecoverError::Log { why: error.to_string() };
    let mut records = records(Zxid::ZERO).map_err(broken)?.peekable();
    if let Some(Ok(first)) = records.peek()
        && !settings.trust_empty
    {
        return Err(RecoverError::NoSnapshot { first: first.header.zxid });
    }
    let mut replay = Replay::of_nothing(State::new(settings.state));
    replay.run(records).map_err(|why| RecoverError::Log { why })?;
    Ok(replay.recovered(None, Vec::new()))
}

impl fmt::Display for RecoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValidSnapshot { skipped } => {
                write!(f, "no snapshot can be used:")?;
                skipped.iter().try_for_each(|Skipped { zxid, why }| write!(f, " [{zxid}: {why}]"))
            }
            Self::NoSnapshot { first } => write!(
                f,
                "no snapshot, yet the log begins with {first}; zookeeper.snapshot.trust.empty=true takes it as complete"
            ),
            Self::Log { why } => write!(f, "the log cannot be replayed: {why}"),
        }
    }
}
