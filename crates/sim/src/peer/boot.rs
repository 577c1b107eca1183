//! A server's start: its directory opened, recovered and made durable, as the shell does it.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use jute::snapshot::SnapshotItem;
use jute::{TxnRecord, Zxid};
use replica::{PeerStart, RecoverSettings, Skipped, Trailer};
use storage::{
    Candidate, Disk, FileTail, Load, LogReader, LogSettings, SimulatedDisk, SnapshotDigest, SnapshotReader,
    StorageError, Store, StoreSettings, Trailers, epochs,
};
use tree::snapshot::View;
use tree::{State, StateSettings};

use crate::check::{Failure, Ledger};
use crate::plan::Plan;

/// Where every server keeps its data.
const DATA_DIR: &str = "/data";
/// Where its logs and snapshots lie.
pub(crate) const HISTORY_DIR: &str = "/data/version-2";

/// What a start finds.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) store: Store<SimulatedDisk>,
    pub(crate) state: State,
    pub(crate) start: PeerStart,
    /// A file ended in the middle of a record.
    pub(crate) had_torn_tail: bool,
    /// The current epoch was behind the log.
    pub(crate) was_healed: bool,
}

/// Opens and recovers.
pub(crate) fn boot(disk: &SimulatedDisk, plan: &Plan) -> Result<Found, String> {
    let store = Store::open(disk.clone(), store_settings(plan)).map_err(told)?;
    let settings = plan.pipeline.state();
    let (state, had_torn_tail, has_history) = match store.load().map_err(told)? {
        Load::Snapshots | Load::LogsOnly => {
            let (state, had_torn_tail) = recover(&store, settings)?;
            (state, had_torn_tail, true)
        }
        Load::Fresh => (fresh(&store, settings)?, false, true),
        Load::Lost => (State::new(settings), false, false),
    };
    let last = state.last_processed_zxid();
    let found = epochs::load(disk, store.snapshot_dir(), last).map_err(told)?;
    let start = PeerStart {
        accepted_epoch: i32::try_from(found.accepted).map_err(|error| error.to_string())?,
        current_epoch: i32::try_from(found.current).map_err(|error| error.to_string())?,
        has_history,
        is_standalone_history: false,
    };
    Ok(Found { store, state, start, had_torn_tail, was_healed: found.is_healed })
}

/// A member whose history is damaged sets it aside and begins without one, as the shell does.
pub(crate) fn give_up(disk: &SimulatedDisk, plan: &Plan) -> Result<Found, String> {
    let store = Store::open(disk.clone(), store_settings(plan)).map_err(told)?;
    store.set_aside().map_err(told)?;
    boot(disk, plan)
}

/// Brings the state back from what lies on disk; afterwards all of it is durable.
pub(crate) fn recover(
    store: &Store<SimulatedDisk>,
    settings: StateSettings,
) -> Result<(State, bool), String> {
    let candidates = store.candidates().map_err(told)?;
    let tails = Rc::new(RefCell::new(Vec::new()));
    let readers = candidates.iter().map(|candidate| SnapshotOnDisk::open(store, candidate));
    let settings = RecoverSettings { state: settings, trust_empty: false };
    let records = |zxid| Records::behind(store, zxid, &tails);
    let recovered = replica::recover(readers, records, &settings).map_err(told)?;
    let tails = tails.borrow();
    store.settle(&tails).map_err(told)?;
    if let Some(loaded) = candidates.iter().find(|candidate| Some(candidate.zxid) == recovered.snapshot) {
        store.settle_snapshot(loaded).map_err(told)?;
    }
    store.forget_initialize().map_err(told)?;
    let had_torn_tail = tails.iter().any(|tail| matches!(tail.end, storage::log::RecordEnd::Torn(_)));
    Ok((recovered.state, had_torn_tail))
}

/// What follows the znodes of a snapshot of ours.
pub(crate) fn trailers_of(view: &View) -> Trailers {
    let digest = SnapshotDigest { zxid: view.zxid(), version: tree::digest::VERSION, digest: view.digest() };
    Trailers { digest: Some(digest), last_processed: Some(view.zxid()) }
}

/// Z9: each record that lies in the log stands behind the one that it was proposed after, or a snapshot stands between: one that
/// a leader sent leaves a hole where its old log was not yet removed.
pub(crate) fn look_at_log(store: &Store<SimulatedDisk>, ledger: &Ledger) -> Result<(), Failure> {
    let wrong = |what: String| Failure::new("Z9", what);
    let snapshots: Vec<Zxid> =
        store.candidates().map_err(|error| wrong(told(error)))?.iter().map(|found| found.zxid).collect();
    let mut before = Zxid::ZERO;
    let mut is_first = true;
    for record in store.records_above(Zxid::ZERO).map_err(|error| wrong(told(error)))? {
        let record = match record {
            Ok(record) => record,
            Err(_) if snapshots.iter().any(|zxid| *zxid > before) => return Ok(()),
            Err(error) => return Err(wrong(format!("the log cannot be read: {error}"))),
        };
        let known = ledger.before(record.zxid).unwrap_or(before);
        let is_bridged = snapshots.iter().any(|zxid| *zxid > before && *zxid < record.zxid);
        if !is_first && known != before && !is_bridged {
            return Err(wrong(format!("in a log {} stands behind {before}, not {known}", record.zxid)));
        }
        (before, is_first) = (record.zxid, false);
    }
    Ok(())
}

/// All items of a state.
pub(crate) fn items_of(state: &mut State) -> (Vec<SnapshotItem>, Trailers) {
    const SLICE_MAX: usize = 4096;
    let mut view = View::begin(state);
    let mut items = Vec::new();
    while !view.is_finished() {
        items.extend(view.next_slice(state, SLICE_MAX).expect("invariant: the state is the one of the view"));
    }
    (items, trailers_of(&view))
}

fn fresh(store: &Store<SimulatedDisk>, settings: StateSettings) -> Result<State, String> {
    let mut state = State::new(settings);
    let (items, trailers) = items_of(&mut state);
    let mut writer = store.snapshot_writer(state.last_processed_zxid()).map_err(told)?;
    items.iter().try_for_each(|item| writer.push(item)).map_err(told)?;
    writer.finish(trailers).map_err(told)?;
    store.forget_initialize().map_err(told)?;
    Ok(state)
}

fn store_settings(plan: &Plan) -> StoreSettings {
    let log = LogSettings {
        preallocate_bytes: plan.preallocate_bytes,
        size_limit_bytes: plan.log_size_limit,
        force_sync: !plan.sabotage.is("log-without-sync"),
        ..LogSettings::default()
    };
    StoreSettings { log, ..StoreSettings::new(Path::new(DATA_DIR)) }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The log, which leaves behind how its files end.
struct Records<D: Disk> {
    reader: Option<LogReader<D>>,
    tails: Rc<RefCell<Vec<FileTail>>>,
}

impl<D: Disk> Records<D> {
    fn behind(
        store: &Store<D>,
        zxid: Zxid,
        tails: &Rc<RefCell<Vec<FileTail>>>,
    ) -> Result<Self, StorageError> {
        let has_snapshot = !store.candidates()?.is_empty();
        let reader = if has_snapshot { store.records_after(zxid)? } else { store.records_above(zxid)? };
        Ok(Self { reader: Some(reader), tails: Rc::clone(tails) })
    }
}

impl<D: Disk> Iterator for Records<D> {
    type Item = Result<TxnRecord, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.reader.as_mut()?.next()?;
        Some(record.and_then(|record| record.decode().map_err(|error| record.undecodable(error))))
    }
}

impl<D: Disk> Drop for Records<D> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.tails.replace(reader.into_tails());
        }
    }
}

/// A snapshot file as recovery reads it.
struct SnapshotOnDisk<D: Disk> {
    zxid: Zxid,
    reader: SnapshotReader<D>,
}

impl<D: Disk> SnapshotOnDisk<D> {
    fn open(store: &Store<D>, candidate: &Candidate) -> Result<Self, Skipped> {
        let zxid = candidate.zxid;
        match store.read_snapshot(candidate) {
            Ok(reader) => Ok(Self { zxid, reader }),
            Err(error) => Err(Skipped { zxid, why: error.to_string() }),
        }
    }
}

impl<D: Disk> replica::SnapshotReader for SnapshotOnDisk<D> {
    type Error = StorageError;

    fn zxid(&self) -> Zxid {
        self.zxid
    }

    fn next_item(&mut self) -> Result<Option<SnapshotItem>, StorageError> {
        self.reader.next().transpose()
    }

    fn finish(mut self) -> Result<Option<Trailer>, StorageError> {
        while self.next_item()?.is_some() {}
        let digest = self.reader.trailers().digest;
        Ok(digest.map(|digest| Trailer { zxid: digest.zxid, version: digest.version, digest: digest.digest }))
    }
}
