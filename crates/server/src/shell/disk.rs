//! The disk thread: all that waits goes into one append and one sync; the next batch gathers meanwhile.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use storage::{Disk, LogWriter, SnapshotSchedule, StorageError, Store};

use super::Shared;
use super::alarm::LOG_FAILED;
use super::replica::Batch;
use super::snapshots::Snapshots;

/// What the thread owns.
pub(crate) struct DiskThread<D: Disk> {
    shared: Arc<Shared>,
    inbox: Receiver<Batch>,
    log: LogWriter<D>,
    schedule: SnapshotSchedule,
    snapshots: Snapshots<D>,
    /// Transactions since the last snapshot.
    since_snapshot: u64,
    last_flush: Instant,
    buffer: Vec<u8>,
}

/// Batches that go into one sync.
#[derive(Default)]
struct Gathered {
    batches: Vec<Batch>,
    records: usize,
}

impl Gathered {
    fn take(&mut self, batch: Batch) {
        self.records += batch.records.len();
        self.batches.push(batch);
    }
}

impl<D: Disk> DiskThread<D> {
    pub(crate) fn new(shared: Arc<Shared>, inbox: Receiver<Batch>, store: Store<D>) -> Self {
        let data = &shared.settings.data;
        let seed = u64::from(std::process::id()) ^ crate::clock::monotonic().0;
        Self {
            log: store.log_writer(shared.durable.get()),
            schedule: SnapshotSchedule::new(u64::from(data.snap_count), data.snap_size_limit, seed),
            snapshots: Snapshots::new(Arc::clone(&shared), store),
            since_snapshot: 0,
            last_flush: Instant::now(),
            buffer: Vec::new(),
            shared,
            inbox,
        }
    }

    /// Runs until the replica thread has let go of its end.
    pub(crate) fn run(mut self) {
        let guard = self.shared.alarm.guard("the disk thread");
        while let Some(gathered) = self.gather() {
            if let Err(error) = self.write(&gathered) {
                self.shared.metrics.unrecoverable_error_count.add(1);
                self.shared.alarm.raise(LOG_FAILED, format!("the transaction log failed: {error}"));
                break;
            }
            self.snapshot_when_due();
        }
        self.snapshots.wait();
        guard.done();
    }

    /// Waits for a batch, then takes what else is there, or what comes within `flushDelay`.
    // zk: SyncRequestProcessor.run
    fn gather(&mut self) -> Option<Gathered> {
        let mut gathered = Gathered::default();
        gathered.take(self.inbox.recv().ok()?);
        let records_max = self.shared.settings.data.batch_max.unwrap_or(usize::MAX);
        while gathered.records < records_max {
            match self.next_of_batch() {
                Some(batch) => gathered.take(batch),
                None => break,
            }
        }
        Some(gathered)
    }

    fn next_of_batch(&self) -> Option<Batch> {
        let data = &self.shared.settings.data;
        let delay = Duration::from_millis(data.flush_delay_ms).saturating_sub(self.last_flush.elapsed());
        let poll = Duration::from_millis(data.write_queue_poll_ms).min(delay);
        if poll.is_zero() {
            return self.inbox.try_recv().ok();
        }
        self.inbox.recv_timeout(poll).ok()
    }

    fn write(&mut self, gathered: &Gathered) -> Result<(), StorageError> {
        let metrics = &self.shared.metrics;
        let began = Instant::now();
        metrics.sync_processor_queue_size.add(count(gathered.batches.len()));
        for batch in &gathered.batches {
            metrics.sync_processor_queue_time_ms.add(millis(began.duration_since(batch.queued)));
            for record in &batch.records {
                self.buffer.clear();
                record.encode(&mut self.buffer);
                self.log.append(record.header.zxid, &self.buffer)?;
            }
        }
        metrics.sync_process_time.add(millis(began.elapsed()));
        let flush_began = Instant::now();
        let commit = self.log.commit()?;
        self.last_flush = Instant::now();
        self.shared.durable.set(commit.zxid);
        metrics.sync_processor_batch_size.add(count(gathered.records));
        metrics.sync_processor_queue_flush_time_ms.add(millis(flush_began.elapsed()));
        for batch in &gathered.batches {
            metrics.sync_processor_queue_and_flush_time_ms.add(millis(batch.queued.elapsed()));
        }
        if let Some(sync_time) = commit.sync_time {
            metrics.fsynctime.add(millis(sync_time));
            if commit.is_slow {
                tracing::warn!(ms = millis(sync_time), records = commit.records, "sync of the log took long");
            }
        }
        self.since_snapshot += count(gathered.records);
        Ok(())
    }

    // zk: SyncRequestProcessor.shouldSnapshot
    fn snapshot_when_due(&mut self) {
        if !self.schedule.is_due(self.since_snapshot, self.log.written_bytes()) {
            return;
        }
        self.schedule.reset();
        self.since_snapshot = 0;
        self.log.roll();
        self.log.reset_written_bytes();
        self.snapshots.start();
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
