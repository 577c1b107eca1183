use alloc::vec::Vec;

use jute::{ErrorCode, Zxid, proto, write};
use tree::{
    ConnectionId, Watches,
    watches::{SetWatches, WatchKind, WatcherType, catch_up},
};

use super::local::{Failure, Local};
use crate::outbox::CloseReason;

impl Local<'_> {
    pub(super) fn set_watches(&mut self, request: &proto::SetWatches) -> Result<(), Failure> {
        self.catch_up(&SetWatches {
            relative_zxid: request.relative_zxid,
            data: &request.data_watches,
            exist: &request.exist_watches,
            child: &request.child_watches,
            persistent: &[],
            persistent_recursive: &[],
        })
    }

    pub(super) fn set_watches2(&mut self, request: &proto::SetWatches2) -> Result<(), Failure> {
        self.catch_up(&SetWatches {
            relative_zxid: request.relative_zxid,
            data: &request.data_watches,
            exist: &request.exist_watches,
            child: &request.child_watches,
            persistent: &request.persistent_watches,
            persistent_recursive: &request.persistent_recursive_watches,
        })
    }

    /// Tells what happened since the client last looked, registers what did not happen yet, and only then answers.
    // zk: DataTree.setWatches: these events pass no ACL and carry zxid -1
    fn catch_up(&mut self, request: &SetWatches<'_>) -> Result<(), Failure> {
        let outcome = catch_up(self.view.state, request);
        for (kind, path) in outcome.events {
            self.outbox.unfiltered_event(kind, path, Zxid::NONE);
        }
        // The reference registers the one-shot watches before it finds out that it cannot register the others.
        let (stay, fire_once): (Vec<_>, Vec<_>) =
            outcome.registrations.into_iter().partition(|(kind, _)| stays(*kind));
        self.watch(&fire_once)?;
        if !stay.is_empty() {
            self.check_that_watches_may_stay()?;
            self.watch(&stay)?;
        }
        self.ok(|_| ());
        Ok(())
    }

    // zk: DataTree.addWatch
    pub(super) fn add_watch(&mut self, request: &proto::AddWatchRequest) -> Result<(), Failure> {
        let kind = match request.mode {
            0 => WatchKind::Persistent,
            1 => WatchKind::PersistentRecursive,
            _ => return Err(ErrorCode::MarshallingError.into()),
        };
        self.check_that_watches_may_stay()?;
        self.watch(&[(kind, &request.path)])?;
        self.ok(|out| write::int(out, ErrorCode::Ok.code()));
        Ok(())
    }

    // diverges(null-path): a null path, here and in addWatch, removeWatches and sync, is a marshalling error, and one in
    // setWatches or multiRead stops everything; the reference takes it for a path, or does what stands before it
    pub(super) fn check_watches(&mut self, request: &proto::CheckWatchesRequest) -> Result<(), Failure> {
        let watcher_type = self.watcher_type(request.watcher_type)?;
        self.found(|watches, id| watches.contains(&request.path, id, watcher_type))
    }

    pub(super) fn remove_watches(&mut self, request: &proto::RemoveWatchesRequest) -> Result<(), Failure> {
        let watcher_type = self.watcher_type(request.watcher_type)?;
        self.found(|watches, id| watches.remove(&request.path, id, watcher_type))
    }

    /// Registers watches, within the limit of the connection.
    // diverges(watches-max): the reference has no limit
    pub(super) fn watch(&self, wanted: &[(WatchKind, &str)]) -> Result<(), Failure> {
        let limit = self.settings.watches_per_connection_max;
        let mut full = false;
        self.watches.with(&mut |watches| {
            for (kind, path) in wanted {
                full |= watches.count_of(self.connection) >= limit;
                if !full {
                    watches.add(path, self.connection, *kind);
                }
            }
        });
        if full { Err(Failure::Close(CloseReason::TooManyWatches { limit })) } else { Ok(()) }
    }

    fn watcher_type(&self, code: i32) -> Result<WatcherType, Failure> {
        let watcher_type = WatcherType::from_code(code).ok_or(ErrorCode::MarshallingError)?;
        match watcher_type {
            WatcherType::Persistent | WatcherType::PersistentRecursive => {
                self.check_that_watches_may_stay()?
            }
            WatcherType::Children | WatcherType::Data | WatcherType::Any => (),
        }
        Ok(watcher_type)
    }

    // zk: IWatchManager.addWatch: other managers than the default one know only watches that fire once
    fn check_that_watches_may_stay(&self) -> Result<(), Failure> {
        if self.settings.watch_manager_optimized { Err(ErrorCode::MarshallingError.into()) } else { Ok(()) }
    }

    /// Answers without a body when `look` finds something.
    fn found(&mut self, look: impl Fn(&mut Watches, ConnectionId) -> bool) -> Result<(), Failure> {
        let mut found = false;
        self.watches.with(&mut |watches| found = look(watches, self.connection));
        if !found {
            return Err(ErrorCode::NoWatcher.into());
        }
        self.ok(|_| ());
        Ok(())
    }
}

const fn stays(kind: WatchKind) -> bool {
    match kind {
        WatchKind::Persistent | WatchKind::PersistentRecursive => true,
        WatchKind::Data | WatchKind::Children => false,
    }
}
