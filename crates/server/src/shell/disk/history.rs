//! The commands of the disk thread that only a member of an ensemble gives: epochs, and histories cut, replaced, given up.

use std::sync::Arc;

use jute::Zxid;
use replica::Event;
use storage::{Disk, StorageError, Store, epochs};
use tree::State;
use tree::snapshot::View;

use super::super::alarm::LOG_FAILED;
use super::super::lock;
use super::super::snapshots::SLICE_ITEMS;
use super::{DiskAnswer, DiskCommand, DiskThread};
use crate::data::{self, TrailerSettings};

/// What a member does with the mark that a standalone server left. One that cannot be removed is not kept either, so that it
/// counts no more from the next epoch on.
#[derive(Debug, Default)]
pub(super) struct StandaloneMark {
    /// An ensemble has the history, and the mark could not be removed yet.
    is_to_go: bool,
}

impl StandaloneMark {
    /// An ensemble has the history.
    fn forget<D: Disk>(&mut self, store: &Store<D>) {
        let outcome = store.forget_standalone();
        self.is_to_go = outcome.is_err();
        if let Err(error) = outcome {
            tracing::warn!(
                "the mark of a standalone history could not be removed; tried again with the next epoch: {error}"
            );
        }
    }

    /// To be called before `epoch` becomes the current one.
    fn before_epoch<D: Disk>(&mut self, store: &Store<D>, epoch: i64) -> Result<(), StorageError> {
        if self.is_to_go {
            self.forget(store);
            return Ok(());
        }
        store.keep_standalone_mark(epoch)
    }
}

impl<D: Disk> DiskThread<D> {
    /// Carries out anything but an append; false when the process is to end.
    pub(super) fn carry_out(&mut self, command: DiskCommand) -> bool {
        let outcome = match command {
            DiskCommand::Append(_) => return true,
            DiskCommand::AcceptedEpoch(epoch) => self.write_accepted(epoch),
            DiskCommand::CurrentEpoch(epoch) => self.write_current(epoch),
            DiskCommand::ForgetStandalone => {
                self.standalone_mark.forget(&self.store);
                return true;
            }
            DiskCommand::Truncate(zxid) => self.truncate(zxid),
            DiskCommand::InstallSnapshot(view) => self.install(*view),
            DiskCommand::GiveUpHistory(why) => self.give_up(&why),
        };
        match outcome {
            Ok(answer) => {
                self.shared.answers.push(answer);
                self.shared.durable.bell.notify_one();
                true
            }
            Err(why) => {
                self.shared.metrics.unrecoverable_error_count.add(1);
                self.shared.alarm.raise(LOG_FAILED, why);
                false
            }
        }
    }

    fn write_accepted(&self, epoch: i32) -> Result<DiskAnswer, String> {
        epochs::write_accepted(self.store.disk(), self.store.snapshot_dir(), i64::from(epoch))
            .map_err(|error| format!("acceptedEpoch could not be written: {error}"))?;
        Ok(event(Event::AcceptedEpochWritten { epoch }))
    }

    fn write_current(&mut self, epoch: i32) -> Result<DiskAnswer, String> {
        self.standalone_mark
            .before_epoch(&self.store, i64::from(epoch))
            .map_err(|error| format!("the mark of a standalone history could not be written: {error}"))?;
        epochs::write_current(self.store.disk(), self.store.snapshot_dir(), i64::from(epoch))
            .map_err(|error| format!("currentEpoch could not be written: {error}"))?;
        Ok(event(Event::CurrentEpochWritten { epoch }))
    }

    /// Everything that was appended is synced: batches before this command are written.
    fn truncate(&mut self, zxid: Zxid) -> Result<DiskAnswer, String> {
        self.snapshots.wait();
        let shared = Arc::clone(&self.shared);
        let _held = lock(&shared.changing_history);
        match self.store.truncate(zxid) {
            Ok(_) => {}
            Err(error @ StorageError::CannotTruncate { .. }) => {
                return Ok(event(Event::Truncated { outcome: Err(error.to_string()) }));
            }
            Err(error) => return Err(format!("the log could not be cut above {zxid}: {error}")),
        }
        let recovered = data::recover_again(&self.store, &self.shared.settings)
            .map_err(|error| format!("the history could not be read after it was cut: {}", error.why))?;
        let last = recovered.last_processed_zxid();
        tracing::info!(to = %zxid, %last, "the history was cut");
        self.restart_log(last);
        Ok(DiskAnswer { event: Event::Truncated { outcome: Ok(last) }, state: Some(Box::new(recovered)) })
    }

    fn install(&mut self, mut view: View) -> Result<DiskAnswer, String> {
        self.snapshots.wait();
        let zxid = view.zxid();
        let failed =
            |error: StorageError| format!("the leader's snapshot could not be made durable: {error}");
        let mut replacement = self.store.begin_replacement(zxid).map_err(failed)?;
        while !view.is_finished() {
            let slice = view.next_slice(&self.shared.read_state(), SLICE_ITEMS);
            // The state is replaced by this thread's answers only, and by a SNAP, which a role change goes before.
            let items =
                slice.map_err(|_| "the state was replaced while its snapshot was written".to_owned())?;
            items.iter().try_for_each(|item| replacement.push(item)).map_err(failed)?;
        }
        let shared = Arc::clone(&self.shared);
        let _held = lock(&shared.changing_history);
        let trailers = data::trailers_of(&view, TrailerSettings::new(&self.shared.settings.data));
        let file = replacement.finish(trailers).map_err(failed)?;
        tracing::info!(%zxid, bytes = file.len, "the leader's snapshot is durable");
        self.restart_log(zxid);
        Ok(event(Event::SnapshotInstalled { zxid }))
    }

    fn give_up(&mut self, why: &str) -> Result<DiskAnswer, String> {
        self.snapshots.wait();
        let shared = Arc::clone(&self.shared);
        let _held = lock(&shared.changing_history);
        let moved =
            self.store.set_aside().map_err(|error| format!("the history could not be set aside: {error}"))?;
        tracing::warn!(
            files = moved.len(),
            "the history is set aside, a leader's snapshot will replace it: {why}"
        );
        let state = State::new(data::state_settings(&self.shared.settings));
        self.restart_log(Zxid::ZERO);
        Ok(DiskAnswer { event: Event::HistoryGivenUp, state: Some(Box::new(state)) })
    }

    /// The log goes on behind `last`, in a new file.
    fn restart_log(&mut self, last: Zxid) {
        self.log = self.store.log_writer(last);
        self.since_snapshot = 0;
        self.shared.durable.set(last);
    }
}

fn event(event: Event) -> DiskAnswer {
    DiskAnswer { event, state: None }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use storage::disk::Fault;
    use storage::{SimulatedDisk, StoreSettings};

    use super::*;

    fn store(disk: &SimulatedDisk) -> Store<SimulatedDisk> {
        Store::open(disk.clone(), StoreSettings::new(Path::new("/data"))).unwrap()
    }

    fn is_marked_in(disk: &SimulatedDisk, mark: &mut StandaloneMark, epoch: i64) -> bool {
        let store = store(disk);
        mark.before_epoch(&store, epoch).unwrap();
        epochs::write_current(disk, store.snapshot_dir(), epoch).unwrap();
        store.is_standalone_history().unwrap()
    }

    #[test]
    fn a_mark_that_could_not_be_removed_is_not_renewed() {
        for epochs_of_failure in 0..3 {
            let disk = SimulatedDisk::new();
            store(&disk).mark_standalone(Zxid(5)).unwrap();
            let mut mark = StandaloneMark::default();
            assert!(is_marked_in(&disk, &mut mark, 1), "nobody has the history yet");
            if epochs_of_failure > 0 {
                disk.fail_at(disk.operations(), Fault::Eio);
            }
            mark.forget(&store(&disk));
            assert_eq!(store(&disk).is_standalone_history().unwrap(), epochs_of_failure > 0);
            if epochs_of_failure > 1 {
                disk.fail_at(disk.operations(), Fault::Eio);
            }
            assert!(!is_marked_in(&disk, &mut mark, 2), "{epochs_of_failure}");
            assert_eq!(mark.is_to_go, epochs_of_failure > 1);
            assert!(!is_marked_in(&disk, &mut mark, 3), "{epochs_of_failure}");
            assert!(!mark.is_to_go);
            disk.crash(1);
            assert!(!store(&disk).is_standalone_history().unwrap(), "{epochs_of_failure}");
        }
    }
}
