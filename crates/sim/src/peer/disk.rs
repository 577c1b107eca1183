//! The disk thread: commands in the order in which they came, all appends that wait in one commit.
//!
//! What it took is carried out when its time is over. A crash before that carries out a part of it.

use std::collections::VecDeque;
use std::sync::Arc;

use jute::snapshot::SnapshotItem;
use jute::{TxnRecord, Zxid};
use replica::Event;
use storage::{
    LogWriter, SimulatedDisk, SnapshotSchedule, SnapshotWriter, StorageError, Store, Trailers, epochs,
};
use tree::{State, StateSettings};

use super::boot;
use super::process::Input;
use crate::sabotage::Sabotage;

/// Something for the disk thread.
#[derive(Debug)]
pub(crate) enum Command {
    Append(Arc<TxnRecord>),
    Accepted(i32),
    Current(i32),
    Truncate(Zxid),
    Install {
        zxid: Zxid,
        items: Vec<SnapshotItem>,
        trailers: Trailers,
    },
    GiveUp,
    /// The snapshot thread has written all: what is in it is durable in the log by now.
    Seal,
}

/// What the disk thread has.
pub(crate) struct DiskThread {
    pub(crate) store: Store<SimulatedDisk>,
    settings: StateSettings,
    log: LogWriter<SimulatedDisk>,
    waiting: VecDeque<Command>,
    running: Vec<Command>,
    schedule: SnapshotSchedule,
    since_snapshot: u64,
    /// The snapshot that is being written beside.
    pub(crate) snapshot: Option<(SnapshotWriter<SimulatedDisk>, Trailers)>,
    buffer: Vec<u8>,
    sabotage: Sabotage,
}

/// What carrying out a batch led to.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) inputs: Vec<Input>,
    pub(crate) was_truncated: bool,
    pub(crate) was_installed: bool,
    pub(crate) sealed: Option<bool>,
    pub(crate) committed: usize,
}

impl DiskThread {
    pub(crate) fn new(
        store: Store<SimulatedDisk>,
        settings: StateSettings,
        durable: Zxid,
        snap_count: u64,
        seed: u64,
        sabotage: Sabotage,
    ) -> Self {
        Self {
            log: store.log_writer(durable),
            store,
            settings,
            waiting: VecDeque::new(),
            running: Vec::new(),
            schedule: SnapshotSchedule::new(snap_count, None, seed),
            since_snapshot: 0,
            snapshot: None,
            buffer: Vec::new(),
            sabotage,
        }
    }

    /// Takes a command; whether the thread was idle and has to begin.
    pub(crate) fn push(&mut self, command: Command) -> bool {
        self.waiting.push_back(command);
        self.running.is_empty()
    }

    /// Takes what can be done at once; whether there was anything.
    pub(crate) fn begin(&mut self) -> bool {
        while let Some(command) = self.waiting.pop_front() {
            let is_append = matches!(command, Command::Append(_));
            self.running.push(command);
            if !is_append || !matches!(self.waiting.front(), Some(Command::Append(_))) {
                break;
            }
        }
        !self.running.is_empty()
    }

    /// Whether something is being written.
    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// Carries out what was taken.
    pub(crate) fn finish(&mut self) -> Result<Done, StorageError> {
        let mut done = Done::default();
        for command in std::mem::take(&mut self.running) {
            self.carry_out(command, &mut done)?;
        }
        if self.log.pending_bytes() > 0 {
            let commit = self.log.commit()?;
            self.since_snapshot += commit.records as u64;
            done.committed = commit.records;
            done.inputs.push(Input::event(pipeline::event::Event::Durable { zxid: commit.zxid }));
        }
        Ok(done)
    }

    /// Whether it is time for a snapshot; then the log goes on in a new file.
    pub(crate) fn is_snapshot_due(&mut self) -> bool {
        if !self.schedule.is_due(self.since_snapshot, self.log.written_bytes()) {
            return false;
        }
        self.schedule.reset();
        self.since_snapshot = 0;
        self.log.roll();
        self.log.reset_written_bytes();
        true
    }

    fn carry_out(&mut self, command: Command, done: &mut Done) -> Result<(), StorageError> {
        let (disk, dir) = (self.store.disk().clone(), self.store.snapshot_dir().to_owned());
        match command {
            Command::Append(record) => {
                self.buffer.clear();
                record.encode(&mut self.buffer);
                self.log.append(record.header.zxid, &self.buffer)?;
            }
            Command::Accepted(epoch) => {
                if !self.sabotage.is("accepted-epoch-forgotten") {
                    epochs::write_accepted(&disk, &dir, i64::from(epoch))?;
                }
                done.inputs.push(Input::Event(Event::AcceptedEpochWritten { epoch }));
            }
            Command::Current(epoch) => {
                if !self.sabotage.is("current-epoch-forgotten") {
                    epochs::write_current(&disk, &dir, i64::from(epoch))?;
                }
                done.inputs.push(Input::Event(Event::CurrentEpochWritten { epoch }));
            }
            Command::Truncate(zxid) => {
                self.truncate(zxid, done)?;
            }
            Command::Install { zxid, items, trailers } => {
                self.install(zxid, &items, trailers)?;
                self.since_snapshot = 0;
                done.was_installed = true;
                done.inputs.push(Input::Event(Event::SnapshotInstalled { zxid }));
            }
            Command::GiveUp => {
                self.store.set_aside()?;
                self.log = self.store.log_writer(Zxid::ZERO);
                let fresh = Box::new(State::new(self.settings));
                done.inputs.push(Input::Swap(fresh, Event::HistoryGivenUp));
            }
            Command::Seal => {
                // A snapshot that fails does no harm.
                let sealed = self.snapshot.take().map(|(writer, trailers)| writer.finish(trailers));
                done.sealed = sealed.map(|sealed| sealed.is_ok());
            }
        }
        Ok(())
    }

    fn truncate(&mut self, zxid: Zxid, done: &mut Done) -> Result<(), StorageError> {
        if self.sabotage.is("truncate-in-memory-only") {
            done.inputs.push(Input::Event(Event::Truncated { outcome: Ok(zxid) }));
            return Ok(());
        }
        let cut = match self.sabotage {
            bug if bug.is("truncate-keeps-one") => Zxid(zxid.0 + 1),
            bug if bug.is("truncate-one-too-many") => Zxid(zxid.0 - 1),
            _ => zxid,
        };
        match self.store.truncate(cut) {
            Ok(last) => {
                let last = if cut == zxid { last } else { zxid };
                self.log = self.store.log_writer(last);
                let (state, _) =
                    boot::recover(&self.store, self.settings).map_err(|_| StorageError::Poisoned)?;
                done.was_truncated = true;
                if self.sabotage.is("truncate-keeps-state") {
                    done.inputs.push(Input::Event(Event::Truncated { outcome: Ok(last) }));
                    return Ok(());
                }
                done.inputs.push(Input::Swap(Box::new(state), Event::Truncated { outcome: Ok(last) }));
                Ok(())
            }
            Err(error) if error.is_damage() => {
                let why = error.to_string();
                done.inputs.push(Input::Event(Event::Truncated { outcome: Err(why) }));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn install(
        &mut self,
        zxid: Zxid,
        items: &[SnapshotItem],
        trailers: Trailers,
    ) -> Result<(), StorageError> {
        if self.sabotage.is("snapshot-not-installed") {
            self.log = self.store.log_writer(zxid);
            return Ok(());
        }
        if self.sabotage.is("snapshot-beside-old-log") {
            let mut writer = self.store.snapshot_writer(zxid)?;
            items.iter().try_for_each(|item| writer.push(item))?;
            writer.finish(trailers)?;
            self.log = self.store.log_writer(zxid);
            return Ok(());
        }
        let mut replacement = self.store.begin_replacement(zxid)?;
        items.iter().try_for_each(|item| replacement.push(item))?;
        replacement.finish(trailers)?;
        self.log = self.store.log_writer(zxid);
        Ok(())
    }
}
