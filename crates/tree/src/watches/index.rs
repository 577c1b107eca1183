use alloc::{boxed::Box, vec::Vec};
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::ConnectionId;
use super::list::WatchId;

/// Place of a path.
pub(super) type PathPlace = u32;
/// Place of a connection.
pub(super) type ConnectionPlace = u32;

/// A path that is watched.
#[derive(Debug, Default)]
pub(super) struct WatchedPath {
    pub(super) path: Box<str>,
    pub(super) first: Option<WatchId>,
    pub(super) last: Option<WatchId>,
    /// Entries that the reference has in its table of data watches.
    pub(super) data_count: usize,
}

/// Paths by name.
#[derive(Debug, Default)]
pub(super) struct PathTable {
    paths: Vec<WatchedPath>,
    free: Vec<PathPlace>,
    table: HashTable<PathPlace>,
    hash_builder: DefaultHashBuilder,
    /// Paths with at least one data watch.
    pub(super) with_data: usize,
}

impl PathTable {
    pub(super) fn find(&self, path: &str) -> Option<PathPlace> {
        let hash = self.hash_builder.hash_one(path);
        self.table.find(hash, |place| *self.get(*place).path == *path).copied()
    }

    pub(super) fn enter(&mut self, path: &str) -> PathPlace {
        if let Some(place) = self.find(path) {
            return place;
        }
        let entry = WatchedPath { path: path.into(), ..WatchedPath::default() };
        let place = match self.free.pop() {
            Some(place) => {
                *self.get_mut(place) = entry;
                place
            }
            None => {
                self.paths.push(entry);
                PathPlace::try_from(self.paths.len() - 1).expect("invariant: fewer paths than ids")
            }
        };
        let Self { paths, table, hash_builder, .. } = self;
        let rehash = |place: &PathPlace| {
            paths.get(*place as usize).map_or(0, |entry| hash_builder.hash_one(&*entry.path))
        };
        table.insert_unique(hash_builder.hash_one(path), place, rehash);
        place
    }

    pub(super) fn remove_when_empty(&mut self, place: PathPlace) {
        if self.get(place).first.is_some() {
            return;
        }
        let hash = self.hash_builder.hash_one(&*self.get(place).path);
        if let Ok(slot) = self.table.find_entry(hash, |slot| *slot == place) {
            slot.remove();
            self.get_mut(place).path = Box::default();
            self.free.push(place);
        }
    }

    /// Keeps [`Self::with_data`] when an entry of this path, whose own count was changed before, gains or loses data.
    pub(super) fn count_data_path(&mut self, place: PathPlace, before: bool, after: bool) {
        let count = self.get(place).data_count;
        if after && !before && count == 1 {
            self.with_data += 1;
        }
        if before && !after && count == 0 {
            self.with_data -= 1;
        }
    }

    pub(super) fn get(&self, place: PathPlace) -> &WatchedPath {
        self.paths.get(place as usize).expect("invariant: places come from the table")
    }

    pub(super) fn get_mut(&mut self, place: PathPlace) -> &mut WatchedPath {
        self.paths.get_mut(place as usize).expect("invariant: places come from the table")
    }

    /// The paths with data watches.
    pub(super) fn iter_data(&self) -> impl Iterator<Item = &WatchedPath> {
        self.paths.iter().filter(|path| path.data_count > 0)
    }
}

/// A connection that watches, or that watched and is still open.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) id: ConnectionId,
    pub(super) first: Option<WatchId>,
    pub(super) entry_count: usize,
    /// Entries that the reference has in its table of data watches.
    pub(super) data_count: usize,
    /// Whether reports name it: from its first data watch until it removes its last one or closes, not until the last
    /// one fires.
    pub(super) is_listed: bool,
    /// The last trigger that it was told of.
    pub(super) told_at: u64,
}

/// Connections by id.
#[derive(Debug, Default)]
pub(super) struct ConnectionTable {
    watchers: Vec<Option<Watcher>>,
    free: Vec<ConnectionPlace>,
    by_id: HashMap<ConnectionId, ConnectionPlace>,
}

impl ConnectionTable {
    pub(super) fn find(&self, id: ConnectionId) -> Option<ConnectionPlace> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn enter(&mut self, id: ConnectionId) -> ConnectionPlace {
        if let Some(place) = self.find(id) {
            return place;
        }
        let watcher =
            Watcher { id, first: None, entry_count: 0, data_count: 0, is_listed: false, told_at: 0 };
        let place = self.free.pop().unwrap_or_else(|| {
            self.watchers.push(None);
            ConnectionPlace::try_from(self.watchers.len() - 1).expect("invariant: fewer connections than ids")
        });
        if let Some(slot) = self.watchers.get_mut(place as usize) {
            *slot = Some(watcher);
        }
        self.by_id.insert(id, place);
        place
    }

    pub(super) fn remove(&mut self, place: ConnectionPlace) {
        if let Some(watcher) = self.watchers.get_mut(place as usize).and_then(Option::take) {
            self.by_id.remove(&watcher.id);
            self.free.push(place);
        }
    }

    /// A connection without watches goes, unless reports still name it.
    pub(super) fn remove_when_idle(&mut self, place: ConnectionPlace) {
        let watcher = self.get(place);
        if watcher.first.is_none() && !watcher.is_listed {
            self.remove(place);
        }
    }

    /// The client removed a data watch: without another one, reports no longer name the connection.
    // zk: WatchManager.unwatch
    pub(super) fn unlist_when_idle(&mut self, place: ConnectionPlace) {
        let watcher = self.get_mut(place);
        if watcher.data_count == 0 {
            watcher.is_listed = false;
            self.remove_when_idle(place);
        }
    }

    pub(super) fn get(&self, place: ConnectionPlace) -> &Watcher {
        let watcher = self.watchers.get(place as usize).and_then(Option::as_ref);
        watcher.expect("invariant: places come from the table")
    }

    pub(super) fn get_mut(&mut self, place: ConnectionPlace) -> &mut Watcher {
        let watcher = self.watchers.get_mut(place as usize).and_then(Option::as_mut);
        watcher.expect("invariant: places come from the table")
    }

    /// The connections that reports name.
    pub(super) fn iter_listed(&self) -> impl Iterator<Item = &Watcher> {
        self.watchers.iter().flatten().filter(|watcher| watcher.is_listed)
    }
}
