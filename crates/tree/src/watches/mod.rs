//! Who wants to hear of what, and who is told.

mod catch_up;
mod index;
mod kinds;
mod list;
mod report;

use alloc::vec::Vec;

pub use catch_up::{CatchUp, SetWatches, catch_up};
use index::{ConnectionTable, PathTable};
pub use kinds::{ConnectionId, EventKind, Fired, Trigger, WatchKind, WatcherType};
use list::{Flags, WatchArena, WatchId};
pub use report::WatchSummary;

/// All watches of this server.
///
/// * One entry per path and connection, with a flag for each kind that is registered.
/// * Entries of a path are linked, those with a recursive watch first; entries of a connection are linked too.
/// * Adding, removing and firing cost the same however many other watches there are.
// zk: WatchManager, DataTree: its two watch managers in one
#[derive(Debug, Default)]
pub struct Watches {
    paths: PathTable,
    connections: ConnectionTable,
    entries: WatchArena,
    recursive_count: usize,
    data_count: usize,
    children_count: usize,
    firing: u64,
}

impl Watches {
    /// No watches.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a watch. The path may be any string. Returns whether it was not there yet.
    // zk: DataTree.addWatch
    pub fn add(&mut self, path: &str, connection: ConnectionId, kind: WatchKind) -> bool {
        let path = self.paths.enter(path);
        let connection = self.connections.enter(connection);
        let entry = self.entries.enter(path, connection, &mut self.paths, &mut self.connections);
        let old = self.entries.flags(entry);
        let new = old.with(kind);
        if new.has_data() {
            self.connections.get_mut(connection).is_listed = true;
        }
        self.change(entry, new);
        old != new
    }

    /// Removes watches. Returns whether there were any.
    // zk: DataTree.removeWatch
    pub fn remove(&mut self, path: &str, connection: ConnectionId, watcher_type: WatcherType) -> bool {
        let Some(entry) = self.find(path, connection) else { return false };
        let old = self.entries.flags(entry);
        let new = old.without(watcher_type);
        let connection = self.entries.connection(entry);
        self.change(entry, new);
        if old.has_data() && !new.has_data() {
            self.connections.unlist_when_idle(connection);
        }
        old != new
    }

    /// Whether there is such a watch.
    // zk: DataTree.containsWatcher
    pub fn contains(&self, path: &str, connection: ConnectionId, watcher_type: WatcherType) -> bool {
        self.find(path, connection).is_some_and(|entry| self.entries.flags(entry).has(watcher_type))
    }

    /// Removes all watches of a connection.
    // zk: DataTree.removeCnxn
    pub fn remove_connection(&mut self, connection: ConnectionId) {
        let Some(connection) = self.connections.find(connection) else { return };
        // A listed connection stays in the table while its watches go one by one.
        self.connections.get_mut(connection).is_listed = true;
        let mut next = self.connections.get(connection).first;
        while let Some(entry) = next {
            next = self.entries.next_of_connection(entry);
            self.change(entry, Flags::NONE);
        }
        self.connections.remove(connection);
    }

    /// Number of paths that a connection watches.
    pub fn count_of(&self, connection: ConnectionId) -> usize {
        self.connections.find(connection).map_or(0, |place| self.connections.get(place).entry_count)
    }

    /// Number of watches as the reference counts them: data and children apart.
    // zk: DataTree.getWatchCount
    pub fn count(&self) -> usize {
        self.data_count + self.children_count
    }

    /// Appends the connections that must be told of a change, each once, and forgets the watches that fired for good.
    // zk: WatchManager.triggerWatch, and DataTree's calls of it
    pub fn fire(&mut self, trigger: &Trigger<'_>, told: &mut Vec<ConnectionId>) -> Fired {
        let mut fired = Fired::default();
        if self.count() == 0 {
            return fired;
        }
        self.firing += 1;
        match trigger.kind {
            EventKind::Created | EventKind::DataChanged => fired.data = self.fire_data(trigger.path, told),
            EventKind::ChildrenChanged => fired.children = self.fire_children(trigger.path, told),
            EventKind::Deleted => {
                fired.data = self.fire_data(trigger.path, told);
                fired.children = self.fire_children(trigger.path, told);
            }
        }
        fired
    }

    fn fire_data(&mut self, path: &str, told: &mut Vec<ConnectionId>) -> usize {
        let before = told.len();
        self.fire_at(path, Flags::has_data, Flags::after_data_event, told);
        if self.recursive_count > 0 {
            let mut rest = path;
            while let Some(ancestor) = parent(rest) {
                self.tell_recursive(ancestor, told);
                rest = ancestor;
            }
        }
        told.len() - before
    }

    fn fire_children(&mut self, path: &str, told: &mut Vec<ConnectionId>) -> usize {
        self.fire_at(path, Flags::has_children, Flags::after_children_event, told)
    }

    /// Tells the watchers of exactly this path. Returns how many there are, told or not.
    fn fire_at(
        &mut self,
        path: &str,
        is_meant: fn(Flags) -> bool,
        after: fn(Flags) -> Flags,
        told: &mut Vec<ConnectionId>,
    ) -> usize {
        let Some(path) = self.paths.find(path) else { return 0 };
        let mut found = 0;
        let mut next = self.paths.get(path).first;
        // An entry that goes on is moved only when it stops being recursive, which no event does.
        while let Some(entry) = next {
            next = self.entries.next_of_path(entry);
            let flags = self.entries.flags(entry);
            if is_meant(flags) {
                found += 1;
                self.tell(entry, told);
                self.change(entry, after(flags));
            }
        }
        found
    }

    fn tell_recursive(&mut self, path: &str, told: &mut Vec<ConnectionId>) {
        let Some(path) = self.paths.find(path) else { return };
        let mut next = self.paths.get(path).first;
        while let Some(entry) = next.filter(|entry| self.entries.flags(*entry).is_recursive()) {
            self.tell(entry, told);
            next = self.entries.next_of_path(entry);
        }
    }

    /// Appends the connection of an entry, unless this trigger did so already.
    fn tell(&mut self, entry: WatchId, told: &mut Vec<ConnectionId>) {
        let connection = self.connections.get_mut(self.entries.connection(entry));
        if connection.told_at != self.firing {
            connection.told_at = self.firing;
            told.push(connection.id);
        }
    }

    fn find(&self, path: &str, connection: ConnectionId) -> Option<WatchId> {
        let (path, connection) = (self.paths.find(path)?, self.connections.find(connection)?);
        self.entries.find(path, connection)
    }

    /// Gives an entry new flags; one without any goes, and with it a path or connection that has no other.
    fn change(&mut self, entry: WatchId, new: Flags) {
        let old = self.entries.flags(entry);
        let step = |count: &mut usize, before: bool, after: bool| {
            *count = *count + usize::from(after) - usize::from(before);
        };
        step(&mut self.recursive_count, old.is_recursive(), new.is_recursive());
        step(&mut self.data_count, old.has_data(), new.has_data());
        step(&mut self.children_count, old.has_children(), new.has_children());
        let (path, connection) = (self.entries.path(entry), self.entries.connection(entry));
        step(&mut self.paths.get_mut(path).data_count, old.has_data(), new.has_data());
        step(&mut self.connections.get_mut(connection).data_count, old.has_data(), new.has_data());
        self.paths.count_data_path(path, old.has_data(), new.has_data());
        self.entries.set_flags(entry, new, &mut self.paths);
        if new == Flags::NONE {
            self.entries.remove(entry, &mut self.paths, &mut self.connections);
            self.paths.remove_when_empty(path);
            self.connections.remove_when_idle(connection);
        }
    }
}

/// The path above, up to the root.
// zk: PathParentIterator.next
fn parent(path: &str) -> Option<&str> {
    if path == "/" {
        return None;
    }
    path.rfind('/').and_then(|slash| path.get(..slash.max(1)))
}

#[cfg(test)]
mod tests;
