//! The disk thread: all that waits goes into one append and one sync; the next batch gathers meanwhile.

mod command;
mod history;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use storage::{Disk, LogWriter, SnapshotSchedule, StorageError, Store};

use super::Shared;
use super::alarm::LOG_FAILED;
use super::snapshots::Snapshots;

pub(crate) use command::{Batch, DiskAnswer, DiskAnswers, DiskCommand};

/// What the thread owns.
pub(crate) struct DiskThread<D: Disk> {
    shared: Arc<Shared>,
    inbox: Receiver<DiskCommand>,
    /// Came behind the batches that were gathered.
    next: Option<DiskCommand>,
    store: Store<D>,
    log: LogWriter<D>,
    schedule: SnapshotSchedule,
    snapshots: Snapshots<D>,
    /// Transactions since the last snapshot.
    since_snapshot: u64,
    last_flush: Instant,
    buffer: Vec<u8>,
    /// A standalone server that has written nothing yet.
    is_to_be_marked: bool,
    standalone_mark: history::StandaloneMark,
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
    pub(crate) fn new(shared: Arc<Shared>, inbox: Receiver<DiskCommand>, store: Store<D>) -> Self {
        let data = &shared.settings.data;
        let seed = u64::from(std::process::id()) ^ crate::clock::monotonic().0;
        Self {
            log: store.log_writer(shared.durable.get()),
            schedule: SnapshotSchedule::new(u64::from(data.snap_count), data.snap_size_limit, seed),
            snapshots: Snapshots::new(Arc::clone(&shared), store.clone()),
            store,
            next: None,
            since_snapshot: 0,
            last_flush: Instant::now(),
            buffer: Vec::new(),
            is_to_be_marked: shared.settings.ensemble.is_none(),
            standalone_mark: history::StandaloneMark::default(),
            shared,
            inbox,
        }
    }

    /// Runs until the replica thread has let go of its end.
    pub(crate) fn run(mut self) {
        let guard = self.shared.alarm.guard("the disk thread");
        while let Some(command) = self.next_command() {
            let is_well = match command {
                DiskCommand::Append(batch) => self.append(batch),
                other @ (DiskCommand::AcceptedEpoch(_)
                | DiskCommand::CurrentEpoch(_)
                | DiskCommand::ForgetStandalone
                | DiskCommand::Truncate(_)
                | DiskCommand::InstallSnapshot(_)
                | DiskCommand::GiveUpHistory(_)) => self.carry_out(other),
            };
            if !is_well {
                break;
            }
        }
        self.snapshots.wait();
        guard.done();
    }

    fn next_command(&mut self) -> Option<DiskCommand> {
        self.next.take().or_else(|| self.inbox.recv().ok())
    }

    /// Writes a batch and all that may go with it; false when the process is to end.
    fn append(&mut self, batch: Batch) -> bool {
        let gathered = self.gather(batch);
        if let Err(error) = self.write(&gathered) {
            self.shared.metrics.unrecoverable_error_count.add(1);
            self.shared.alarm.raise(LOG_FAILED, format!("the transaction log failed: {error}"));
            return false;
        }
        self.snapshot_when_due();
        true
    }

    /// Takes what else is there, or what comes within `flushDelay`, up to the first command that is no append.
    // zk: SyncRequestProcessor.run
    fn gather(&mut self, first: Batch) -> Gathered {
        let mut gathered = Gathered::default();
        gathered.take(first);
        let records_max = self.shared.settings.data.batch_max.unwrap_or(usize::MAX);
        while gathered.records < records_max && self.next.is_none() {
            match self.next_of_batch() {
                Some(DiskCommand::Append(batch)) => gathered.take(batch),
                other => {
                    self.next = other;
                    break;
                }
            }
        }
        gathered
    }

    fn next_of_batch(&self) -> Option<DiskCommand> {
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
        if self.is_to_be_marked {
            self.store.mark_standalone(self.shared.durable.get())?;
            self.is_to_be_marked = false;
        }
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
        // What is not known to be committed may still be cut: no snapshot holds it.
        let may = self.shared.is_serving() && self.shared.is_committed();
        if !may || !self.schedule.is_due(self.since_snapshot, self.log.written_bytes()) {
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
