//! The data directory: opened, recovered, made durable, and a snapshot taken before anybody is served.

pub(crate) mod foreign;
mod recovery;

use std::time::Duration;

use ::replica::Skipped;
use jute::snapshot::SnapshotItem;
use storage::{
    Disk, Load, LogSettings, SnapshotDigest, SnapshotFile, SnapshotWriter, StorageError, Store,
    StoreSettings, Trailers,
};
use tree::snapshot::View;
use tree::{State, StateSettings};

use crate::settings::{self, DataSettings, Settings};

/// Status of the process when a data directory cannot be used.
// zk: ExitCode.UNABLE_TO_ACCESS_DATADIR
const DATADIR: u8 = 3;

/// Why the data cannot be served.
#[derive(Debug)]
pub(crate) struct DataError {
    /// Status of the process.
    pub(crate) status: u8,
    /// The reason, in one line.
    pub(crate) why: String,
    /// The files are damaged: a member of an ensemble can do without them.
    pub(crate) is_damage: bool,
}

impl From<StorageError> for DataError {
    fn from(error: StorageError) -> Self {
        let status = match error {
            StorageError::DataDir { .. } => DATADIR,
            StorageError::Io { .. } | StorageError::Poisoned | StorageError::EmptyRecord { .. } => {
                crate::shell::alarm::LOG_FAILED
            }
            StorageError::Corrupt(_)
            | StorageError::LogsWithoutSnapshot { .. }
            | StorageError::Epochs { .. }
            | StorageError::CannotTruncate { .. } => crate::shell::alarm::UNEXPECTED,
        };
        let mut why = error.to_string();
        if let StorageError::Corrupt(corruption) = &error {
            let file = corruption.file.display();
            why += &format!("; `rookeeper log {file}` or `rookeeper snapshot {file}` shows it");
        }
        let is_damage = matches!(error, StorageError::Corrupt(_));
        Self { status, why, is_damage }
    }
}

/// What a start found.
pub(crate) struct Recovery<D> {
    pub(crate) store: Store<D>,
    pub(crate) state: State,
    pub(crate) replayed: u64,
    pub(crate) digest_mismatches: u64,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) snapshot_ms: u64,
    pub(crate) replay_ms: u64,
    /// False for a member that has nothing, or gave up what it had: it does not vote until it has a leader's history.
    pub(crate) has_history: bool,
}

/// The trailers that snapshots get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrailerSettings {
    digest: bool,
    last_zxid: bool,
}

impl TrailerSettings {
    pub(crate) fn new(data: &DataSettings) -> Self {
        Self { digest: data.digest_enabled, last_zxid: data.serialize_last_zxid }
    }
}

/// Opens the directory and brings back what it holds. Afterwards all of it is durable.
pub(crate) fn recover<D: Disk>(disk: D, settings: &Settings) -> Result<Recovery<D>, DataError> {
    let store = Store::open(disk, store_settings(&settings.data))?;
    let is_member = settings.ensemble.is_some();
    let recovery = recover_as(store, settings, is_member)?;
    if is_member {
        recovery.store.mark_if_never_a_member(recovery.state.last_processed_zxid())?;
    }
    Ok(recovery)
}

fn recover_as<D: Disk>(
    store: Store<D>,
    settings: &Settings,
    is_member: bool,
) -> Result<Recovery<D>, DataError> {
    let state_settings = state_settings(settings);
    match store.load()? {
        load @ (Load::Snapshots | Load::LogsOnly) if is_member => {
            let mut recovered = match recovery::from_disk(store.clone(), state_settings, &settings.data) {
                Err(error) if error.is_damage => return give_up(store, state_settings, &error.why),
                recovered => recovered?,
            };
            if matches!(load, Load::LogsOnly) {
                // zk: Learner.syncWithLeader: such a follower writes a snapshot even when the leader sends a mere difference
                // diverges(logs-only-snapshot): the leader too, and before the election
                snapshot_at_once(&store, &mut recovered.state, TrailerSettings::new(&settings.data))?;
            }
            Ok(recovered)
        }
        Load::Snapshots | Load::LogsOnly => recovery::from_disk(store, state_settings, &settings.data),
        Load::Fresh => fresh(store, state_settings, &settings.data),
        Load::Lost if is_member => {
            tracing::warn!(
                "no data, and nobody said that this is right: this server votes once it has a leader's history"
            );
            Ok(nothing(store, state_settings))
        }
        Load::Lost => {
            // diverges(empty-standalone): the reference begins at zxid -1 here, which only matters to a vote
            tracing::warn!("no data, and zookeeper.db.autocreate is false: a standalone server starts empty");
            fresh(store, state_settings, &settings.data)
        }
    }
}

/// What is damaged is kept for whoever wants to look, and replaced by what the leader has.
// diverges(damaged-member): the reference does not start
fn give_up<D: Disk>(store: Store<D>, state: StateSettings, why: &str) -> Result<Recovery<D>, DataError> {
    let moved = store.set_aside()?;
    tracing::error!(
        files = moved.len(),
        "the history is damaged and set aside, a leader's will replace it: {why}"
    );
    Ok(nothing(store, state))
}

fn nothing<D: Disk>(store: Store<D>, state: StateSettings) -> Recovery<D> {
    Recovery { has_history: false, ..recovered(store, State::new(state)) }
}

fn recovered<D: Disk>(store: Store<D>, state: State) -> Recovery<D> {
    Recovery {
        store,
        state,
        replayed: 0,
        digest_mismatches: 0,
        skipped: Vec::new(),
        snapshot_ms: 0,
        replay_ms: 0,
        has_history: true,
    }
}

/// How a state counts and understands its znodes.
pub(crate) fn state_settings(settings: &Settings) -> StateSettings {
    StateSettings {
        digest_enabled: settings.data.digest_enabled,
        extended_types_enabled: settings.requests.extended_types,
        emulate_353_ttl: settings.requests.emulate_353_ttl,
    }
}

/// Brings back what is there after the history was cut. Afterwards all of it is durable.
pub(crate) fn recover_again<D: Disk>(store: &Store<D>, settings: &Settings) -> Result<State, DataError> {
    recovery::from_disk(store.clone(), state_settings(settings), &settings.data)
        .map(|recovery| recovery.state)
}

/// An empty server writes its first snapshot before anything else.
fn fresh<D: Disk>(
    store: Store<D>,
    state_settings: StateSettings,
    data: &DataSettings,
) -> Result<Recovery<D>, DataError> {
    let mut state = State::new(state_settings);
    snapshot_at_once(&store, &mut state, TrailerSettings::new(data))?;
    store.forget_initialize()?;
    Ok(recovered(store, state))
}

/// Writes a snapshot while nobody else has the state.
pub(crate) fn snapshot_at_once<D: Disk>(
    store: &Store<D>,
    state: &mut State,
    trailers: TrailerSettings,
) -> Result<SnapshotFile, StorageError> {
    const SLICE_MAX: usize = 4096;
    let mut view = View::begin(state);
    let mut writer = store.snapshot_writer(view.zxid())?;
    while !view.is_finished() {
        push_all(&mut writer, &view.next_slice(state, SLICE_MAX).unwrap_or_default())?;
    }
    writer.finish(trailers_of(&view, trailers))
}

pub(crate) fn push_all<D: Disk>(
    writer: &mut SnapshotWriter<D>,
    items: &[SnapshotItem],
) -> Result<(), StorageError> {
    items.iter().try_for_each(|item| writer.push(item))
}

pub(crate) fn trailers_of(view: &View, settings: TrailerSettings) -> Trailers {
    let digest = SnapshotDigest { zxid: view.zxid(), version: tree::digest::VERSION, digest: view.digest() };
    Trailers {
        digest: settings.digest.then_some(digest),
        last_processed: settings.last_zxid.then_some(view.zxid()),
    }
}

fn store_settings(data: &DataSettings) -> StoreSettings {
    StoreSettings {
        log_dir: data.data_log_dir.clone(),
        creates_directories: data.autocreate,
        creates_database: data.db_autocreate,
        trusts_empty_snapshot: data.trust_empty_snapshot,
        compression: match data.compression {
            settings::Compression::None => storage::Compression::None,
            settings::Compression::Gzip => storage::Compression::Gzip,
            settings::Compression::Snappy => storage::Compression::Snappy,
        },
        log: LogSettings {
            preallocate_bytes: data.pre_alloc_size,
            force_sync: data.force_sync,
            size_limit_bytes: data.txn_log_size_limit,
            sync_warning: Duration::from_millis(data.fsync_warning_ms),
        },
        ..StoreSettings::new(&data.data_dir)
    }
}
