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
//! * The digest in a replayed record never prevents a start; it is counted.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use jute::snapshot::SnapshotItem;
use jute::{TxnRecord, Zxid};
use tree::snapshot::Builder;
use tree::{State, StateSettings, digest};

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
            Ok(reader) => (reader.zxid(), from_snapshot(reader, &mut records, settings)),
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
    let mut replay = Replay::new(state, Fuzzy::of(zxid, trailer));
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
    let mut replay = Replay::new(State::new(settings.state), Fuzzy::No);
    replay.run(records).map_err(|why| RecoverError::Log { why })?;
    Ok(replay.recovered(None, Vec::new()))
}

/// How far records may already be in the state.
#[derive(Debug, Clone, Copy)]
enum Fuzzy {
    No,
    To(Trailer),
    ToTheEnd,
}

impl Fuzzy {
    /// A trailer from before the snapshot, or from before any transaction, says nothing about it.
    // zk: DataTree.deserializeZxidDigest
    fn of(snapshot: Zxid, trailer: Option<Trailer>) -> Self {
        match trailer {
            Some(trailer) if trailer.zxid > Zxid::ZERO && trailer.zxid >= snapshot => Self::To(trailer),
            Some(_) | None => Self::ToTheEnd,
        }
    }
}

/// A state while records are added to it.
struct Replay {
    state: State,
    fuzzy: Fuzzy,
    replayed: u64,
    digest_mismatches: u64,
}

impl Replay {
    fn new(state: State, fuzzy: Fuzzy) -> Self {
        Self { state, fuzzy, replayed: 0, digest_mismatches: 0 }
    }

    fn run<E: fmt::Display>(
        &mut self,
        records: impl Iterator<Item = Result<TxnRecord, E>>,
    ) -> Result<(), String> {
        self.check_trailer(self.state.last_processed_zxid())?;
        for record in records {
            let record = record.map_err(|error| error.to_string())?;
            let zxid = record.header.zxid;
            // An error transaction may repeat the zxid before it, as the reference writes them.
            if zxid < self.state.last_processed_zxid() {
                return Err(alloc::format!(
                    "record {zxid} stands behind {}",
                    self.state.last_processed_zxid()
                ));
            }
            self.apply(&record)?;
            self.replayed += 1;
            self.check_trailer(zxid)?;
        }
        Ok(())
    }

    fn apply(&mut self, record: &TxnRecord) -> Result<(), String> {
        match self.fuzzy {
            Fuzzy::ToTheEnd | Fuzzy::To(_) => {
                self.state.apply_fuzzy(record).map_err(|error| error.to_string())
            }
            Fuzzy::No => {
                let mut triggers = Vec::new();
                let result = self.state.apply(record, &mut triggers).map_err(|error| error.to_string())?;
                self.digest_mismatches += u64::from(result.digest_mismatch.is_some());
                Ok(())
            }
        }
    }

    /// Once the replay has reached the trailer's zxid the tree must have its digest, and is fuzzy no longer.
    // zk: DataTree.compareSnapshotDigests
    fn check_trailer(&mut self, zxid: Zxid) -> Result<(), String> {
        let Fuzzy::To(trailer) = self.fuzzy else { return Ok(()) };
        if zxid < trailer.zxid {
            return Ok(());
        }
        self.fuzzy = Fuzzy::No;
        let is_comparable = zxid == trailer.zxid
            && trailer.version == digest::VERSION
            && self.state.settings().digest_enabled;
        let actual = self.state.digest();
        match is_comparable && actual != trailer.digest {
            true => Err(alloc::format!(
                "the tree at {zxid} has digest {actual:#x}, the snapshot says {:#x}",
                trailer.digest
            )),
            false => Ok(()),
        }
    }

    fn recovered(self, snapshot: Option<Zxid>, skipped: Vec<Skipped>) -> Recovered {
        let Self { state, fuzzy, replayed, digest_mismatches } = self;
        let uncovered = match fuzzy {
            Fuzzy::To(trailer) => Some(trailer.zxid),
            Fuzzy::ToTheEnd | Fuzzy::No => None,
        };
        Recovered { state, snapshot, replayed, digest_mismatches, uncovered, skipped }
    }
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
