//! Snapshots while the server serves, and the purge of what they make needless.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use storage::{Disk, SnapshotFile, StorageError, Store};
use tree::snapshot::View;

use super::{Shared, lock};
use crate::data::{self, TrailerSettings};

/// How long one slice may hold the state.
const SLICE_TIME: Duration = Duration::from_micros(200);
/// Items of the first slice; later ones follow the time that they take.
pub(super) const SLICE_ITEMS: usize = 128;
/// How long a snapshot waits for the log to catch up with the state before it looks again.
const LOG_BEHIND_WAIT: Duration = Duration::from_millis(1);
/// Items of a slice at most.
const SLICE_ITEMS_MAX: usize = 4096;

/// Takes one snapshot at a time, on a thread of its own.
pub(crate) struct Snapshots<D: Disk> {
    shared: Arc<Shared>,
    store: Store<D>,
    running: Option<JoinHandle<()>>,
}

impl<D: Disk> Snapshots<D> {
    pub(crate) fn new(shared: Arc<Shared>, store: Store<D>) -> Self {
        Self { shared, store, running: None }
    }

    /// Begins a snapshot unless one is being written.
    pub(crate) fn start(&mut self) {
        if self.running.as_ref().is_some_and(|thread| !thread.is_finished()) {
            tracing::warn!("a snapshot is still being written; this one is left out");
            return;
        }
        let (shared, store) = (Arc::clone(&self.shared), self.store.clone());
        let spawned = std::thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
            let guard = shared.alarm.guard("the snapshot thread");
            report(&shared, Instant::now(), take(&shared, &store));
            guard.done();
        });
        match spawned {
            Ok(thread) => self.running = Some(thread),
            Err(error) => {
                self.shared.metrics.snapshot_error_count.add(1);
                tracing::error!("no thread for a snapshot: {error}; the logs are kept");
            }
        }
    }

    /// Waits for the one that is being written.
    pub(crate) fn wait(&mut self) {
        if let Some(thread) = self.running.take() {
            // A thread that died has raised the alarm.
            let _ = thread.join();
        }
    }
}

/// A failed snapshot does no harm: the logs are kept, and the next one is tried in its time.
// diverges(snapshot-failure): the reference ends the server
fn report(shared: &Shared, began: Instant, outcome: Result<Option<SnapshotFile>, StorageError>) {
    match outcome {
        Ok(None) => tracing::info!("the state was replaced, its snapshot is left out"),
        Ok(Some(file)) => {
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            shared.metrics.snapshottime.add(ms);
            tracing::info!(zxid = %file.zxid, bytes = file.len, ms, "snapshot written");
        }
        Err(error) => {
            shared.metrics.snapshot_error_count.add(1);
            tracing::error!("snapshot failed, the logs are kept: {error}");
        }
    }
}

/// Nothing when the state went away meanwhile.
fn take<D: Disk>(shared: &Shared, store: &Store<D>) -> Result<Option<SnapshotFile>, StorageError> {
    let Some(mut view) = begin(shared) else { return Ok(None) };
    let mut writer = store.snapshot_writer(view.zxid())?;
    let mut items_max = SLICE_ITEMS;
    while !view.is_finished() {
        let (items, took) = {
            let state = shared.read_state();
            let began = Instant::now();
            let items = view.next_slice(&state, items_max);
            (items, began.elapsed())
        };
        let Ok(items) = items else {
            // A member's state was replaced by its leader's.
            writer.abort()?;
            return Ok(None);
        };
        items_max = if took > SLICE_TIME { items_max / 2 } else { items_max * 2 }.clamp(1, SLICE_ITEMS_MAX);
        data::push_all(&mut writer, &items)?;
    }
    writer.finish(data::trailers_of(&view, TrailerSettings::new(&shared.settings.data))).map(Some)
}

/// No snapshot is ahead of the log: a follower may apply what is durable at a quorum before it is durable here.
/// Nothing when the server stopped serving, since its state may then be replaced by one that is not in the log.
fn begin(shared: &Shared) -> Option<View> {
    loop {
        let mut state = shared.write_state();
        // The mode changes under this lock: what a role that ends applies is not known to be committed.
        if !shared.is_committed() || shared.alarm.failure().is_some() {
            return None;
        }
        if state.last_processed_zxid() <= shared.durable.get() {
            return Some(View::begin(&mut state));
        }
        drop(state);
        std::thread::sleep(LOG_BEHIND_WAIT);
    }
}

/// Removes what newer snapshots make needless.
// zk: DatadirCleanupManager.PurgeTask
pub(crate) fn purge<D: Disk>(shared: &Shared, store: &Store<D>) {
    if !shared.is_committed() || shared.is_purging.swap(true, Relaxed) {
        return;
    }
    let held = lock(&shared.changing_history);
    let retain = usize::try_from(shared.settings.data.purge_retain).unwrap_or(usize::MAX);
    match store.purge(retain) {
        Ok(purged) => {
            for damaged in &purged.damaged {
                tracing::warn!(file = %damaged.display(), "a damaged snapshot does not count among those that are kept");
            }
            tracing::info!(removed = purged.removed.len(), "purge done");
        }
        Err(error) => tracing::error!("purge stopped: {error}"),
    }
    drop(held);
    shared.is_purging.store(false, Relaxed);
}
