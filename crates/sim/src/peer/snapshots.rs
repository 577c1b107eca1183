//! Snapshots beside the serving: a picture, written in slices, sealed when the log holds what is in it.

use tree::snapshot::View;

use super::boot;
use super::disk::Command;
use super::process::Process;
use crate::agenda::ServerTurn;
use crate::clock::MS;
use crate::universe::Universe;

/// A snapshot that is being written.
pub(crate) struct SnapshotJob {
    view: View,
}

/// Items of one slice.
const SLICE_ITEMS: usize = 16;
/// Snapshots that a purge keeps.
const RETAIN: usize = 3;

impl Process {
    /// Begins a snapshot unless one is being written, or the state is one that the log does not lead to.
    pub(super) fn snapshot_begin(&mut self, u: &mut Universe) {
        if self.snapshot.is_some() || self.disk.snapshot.is_some() || self.is_adopting {
            return;
        }
        let view = self.view();
        let Ok(writer) = self.disk.store.snapshot_writer(view.zxid()) else { return };
        self.disk.snapshot = Some((writer, boot::trailers_of(&view)));
        self.snapshot = Some(SnapshotJob { view });
        self.plan(u, MS, ServerTurn::Snapshot);
    }

    /// Writes the next slice. When the state was replaced meanwhile, or the disk fails, the snapshot is given up.
    pub(super) fn snapshot_on(&mut self, u: &mut Universe) {
        let Some(mut job) = self.snapshot.take() else {
            self.disk.snapshot = None;
            return;
        };
        let slice = job.view.next_slice(&self.state, SLICE_ITEMS);
        let written = match (slice, &mut self.disk.snapshot) {
            (Ok(items), Some((writer, _))) => items.iter().all(|item| writer.push(item).is_ok()),
            (Err(_), _) => {
                u.marks.reach("snapshot given up: state replaced");
                false
            }
            (Ok(_), None) => false,
        };
        if !written {
            self.disk.snapshot = None;
            return;
        }
        if !job.view.is_finished() {
            self.snapshot = Some(job);
            let after = u.random.between(100, 2 * MS);
            return self.plan(u, after, ServerTurn::Snapshot);
        }
        // Behind all appends so far, which what is in the picture stands among.
        if self.disk.push(Command::Seal) {
            self.disk_begin(u);
        }
    }

    /// The snapshot has its name, or has failed.
    pub(super) fn snapshot_sealed(&mut self, u: &mut Universe, was_sealed: bool) {
        if !was_sealed {
            return u.marks.reach("snapshot failed");
        }
        u.marks.reach("snapshot written");
        if u.random.chance(100)
            && self.disk.store.purge(RETAIN).is_ok_and(|purged| !purged.removed.is_empty())
        {
            u.marks.reach("purge removed files");
        }
    }
}
