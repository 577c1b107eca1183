use alloc::vec::Vec;

use super::{ConnectionId, Watches};

/// How many data watches there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchSummary {
    /// Connections that have, or had until they fired, data watches.
    pub connections: usize,
    /// Paths with data watches.
    pub paths: usize,
    /// Pairs of a connection and a path.
    pub total: usize,
}

/// Reports; like those of the reference they are about data watches only.
impl Watches {
    /// The numbers of `wchs`.
    // zk: WatchManager.getWatchesSummary
    pub fn summary(&self) -> WatchSummary {
        let connections = self.connections.iter_listed().count();
        WatchSummary { connections, paths: self.paths.with_data, total: self.data_count }
    }

    /// The paths that each connection watches, as `wchc` lists them.
    // zk: WatchManager.getWatches
    pub fn by_connection(&self) -> Vec<(ConnectionId, Vec<&str>)> {
        let listed = self.connections.iter_listed().map(|watcher| {
            let entries = core::iter::successors(watcher.first, |id| self.entries.next_of_connection(*id));
            let data = entries.filter(|id| self.entries.flags(*id).has_data());
            (watcher.id, data.map(|id| &*self.paths.get(self.entries.path(id)).path).collect())
        });
        listed.collect()
    }

    /// The connections that watch each path, as `wchp` lists them.
    // zk: WatchManager.getWatchesByPath
    pub fn by_path(&self) -> Vec<(&str, Vec<ConnectionId>)> {
        let watched = self.paths.iter_data().map(|path| {
            let entries = core::iter::successors(path.first, |id| self.entries.next_of_path(*id));
            let data = entries.filter(|id| self.entries.flags(*id).has_data());
            (&*path.path, data.map(|id| self.connections.get(self.entries.connection(id)).id).collect())
        });
        watched.collect()
    }
}
