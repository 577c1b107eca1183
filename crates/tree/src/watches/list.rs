use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::index::{ConnectionPlace, ConnectionTable, PathPlace, PathTable};
use super::{WatchKind, WatcherType};

/// Place of an entry.
pub(super) type WatchId = u32;

/// Which kinds one connection registered on one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags(u8);

const DATA: u8 = 1;
const CHILDREN: u8 = 2;
const PERSISTENT: u8 = 4;
const RECURSIVE: u8 = 8;

impl Flags {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn with(self, kind: WatchKind) -> Self {
        Self(
            self.0
                | match kind {
                    WatchKind::Data => DATA,
                    WatchKind::Children => CHILDREN,
                    WatchKind::Persistent => PERSISTENT,
                    WatchKind::PersistentRecursive => RECURSIVE,
                },
        )
    }

    pub(super) fn without(self, watcher_type: WatcherType) -> Self {
        Self(self.0 & !mask(watcher_type))
    }

    pub(super) fn has(self, watcher_type: WatcherType) -> bool {
        self.0 & mask(watcher_type) != 0
    }

    /// Whether the reference has this in its table of data watches.
    pub(super) fn has_data(self) -> bool {
        self.0 & (DATA | PERSISTENT | RECURSIVE) != 0
    }

    /// Whether the reference has this in its table of child watches.
    pub(super) fn has_children(self) -> bool {
        self.0 & (CHILDREN | PERSISTENT) != 0
    }

    pub(super) fn is_recursive(self) -> bool {
        self.0 & RECURSIVE != 0
    }

    pub(super) fn after_data_event(self) -> Self {
        Self(self.0 & !DATA)
    }

    pub(super) fn after_children_event(self) -> Self {
        Self(self.0 & !CHILDREN)
    }
}

fn mask(watcher_type: WatcherType) -> u8 {
    match watcher_type {
        WatcherType::Children => CHILDREN,
        WatcherType::Data => DATA,
        WatcherType::Any => u8::MAX,
        WatcherType::Persistent => PERSISTENT,
        WatcherType::PersistentRecursive => RECURSIVE,
    }
}

/// The watches of one connection on one path.
#[derive(Debug)]
struct Entry {
    flags: Flags,
    path: PathPlace,
    connection: ConnectionPlace,
    of_path: Neighbours,
    of_connection: Neighbours,
}

#[derive(Debug, Clone, Copy, Default)]
struct Neighbours {
    previous: Option<Link>,
    next: Option<Link>,
}

/// An id that leaves room for "none" in four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link(core::num::NonZeroU32);

impl Link {
    fn to(id: WatchId) -> Option<Self> {
        id.checked_add(1).and_then(core::num::NonZeroU32::new).map(Self)
    }

    fn id(self) -> WatchId {
        self.0.get() - 1
    }
}

/// All entries, found by path and connection.
#[derive(Debug, Default)]
pub(super) struct WatchArena {
    entries: Vec<Entry>,
    free: Vec<WatchId>,
    table: HashTable<WatchId>,
    hash_builder: DefaultHashBuilder,
}

impl WatchArena {
    pub(super) fn find(&self, path: PathPlace, connection: ConnectionPlace) -> Option<WatchId> {
        let hash = hash(&self.hash_builder, path, connection);
        let is_it = |id: &WatchId| {
            let entry = self.get(*id);
            entry.path == path && entry.connection == connection
        };
        self.table.find(hash, is_it).copied()
    }

    /// The entry of a path and a connection, added without flags when there is none.
    pub(super) fn enter(
        &mut self,
        path: PathPlace,
        connection: ConnectionPlace,
        paths: &mut PathTable,
        connections: &mut ConnectionTable,
    ) -> WatchId {
        if let Some(id) = self.find(path, connection) {
            return id;
        }
        let (of_path, of_connection) = (Neighbours::default(), Neighbours::default());
        let id = self.place(Entry { flags: Flags::NONE, path, connection, of_path, of_connection });
        let Self { entries, table, hash_builder, .. } = self;
        let rehash = |id: &WatchId| {
            entries.get(*id as usize).map_or(0, |entry| hash(hash_builder, entry.path, entry.connection))
        };
        table.insert_unique(hash(hash_builder, path, connection), id, rehash);
        self.append_to_path(id, paths);
        let owner = connections.get_mut(connection);
        let first = owner.first.replace(id);
        owner.entry_count += 1;
        self.get_mut(id).of_connection.next = first.and_then(Link::to);
        if let Some(first) = first {
            self.get_mut(first).of_connection.previous = Link::to(id);
        }
        id
    }

    /// Removes an entry from both lists.
    pub(super) fn remove(&mut self, id: WatchId, paths: &mut PathTable, connections: &mut ConnectionTable) {
        self.unlink_from_path(id, paths);
        let entry = self.get(id);
        let (path, connection, links) = (entry.path, entry.connection, entry.of_connection);
        match links.previous {
            Some(previous) => self.get_mut(previous.id()).of_connection.next = links.next,
            None => connections.get_mut(connection).first = links.next.map(Link::id),
        }
        if let Some(next) = links.next {
            self.get_mut(next.id()).of_connection.previous = links.previous;
        }
        connections.get_mut(connection).entry_count -= 1;
        let hash = hash(&self.hash_builder, path, connection);
        if let Ok(slot) = self.table.find_entry(hash, |slot| *slot == id) {
            slot.remove();
        }
        self.free.push(id);
    }

    /// Sets the flags; an entry that begins or ceases to be recursive moves to the front or the back of its path's list.
    pub(super) fn set_flags(&mut self, id: WatchId, flags: Flags, paths: &mut PathTable) {
        let was_recursive = self.flags(id).is_recursive();
        self.get_mut(id).flags = flags;
        if was_recursive != flags.is_recursive() {
            self.unlink_from_path(id, paths);
            if flags.is_recursive() {
                self.prepend_to_path(id, paths)
            } else {
                self.append_to_path(id, paths)
            }
        }
    }

    pub(super) fn flags(&self, id: WatchId) -> Flags {
        self.get(id).flags
    }

    pub(super) fn path(&self, id: WatchId) -> PathPlace {
        self.get(id).path
    }

    pub(super) fn connection(&self, id: WatchId) -> ConnectionPlace {
        self.get(id).connection
    }

    pub(super) fn next_of_path(&self, id: WatchId) -> Option<WatchId> {
        self.get(id).of_path.next.map(Link::id)
    }

    pub(super) fn next_of_connection(&self, id: WatchId) -> Option<WatchId> {
        self.get(id).of_connection.next.map(Link::id)
    }

    fn append_to_path(&mut self, id: WatchId, paths: &mut PathTable) {
        let path = paths.get_mut(self.path(id));
        let last = path.last.replace(id);
        self.get_mut(id).of_path = Neighbours { previous: last.and_then(Link::to), next: None };
        match last {
            Some(last) => self.get_mut(last).of_path.next = Link::to(id),
            None => path.first = Some(id),
        }
    }

    fn prepend_to_path(&mut self, id: WatchId, paths: &mut PathTable) {
        let path = paths.get_mut(self.path(id));
        let first = path.first.replace(id);
        self.get_mut(id).of_path = Neighbours { previous: None, next: first.and_then(Link::to) };
        match first {
            Some(first) => self.get_mut(first).of_path.previous = Link::to(id),
            None => path.last = Some(id),
        }
    }

    fn unlink_from_path(&mut self, id: WatchId, paths: &mut PathTable) {
        let path = paths.get_mut(self.path(id));
        let links = self.get(id).of_path;
        match links.previous {
            Some(previous) => self.get_mut(previous.id()).of_path.next = links.next,
            None => path.first = links.next.map(Link::id),
        }
        match links.next {
            Some(next) => self.get_mut(next.id()).of_path.previous = links.previous,
            None => path.last = links.previous.map(Link::id),
        }
    }

    fn place(&mut self, entry: Entry) -> WatchId {
        match self.free.pop() {
            Some(id) => {
                *self.get_mut(id) = entry;
                id
            }
            None => {
                self.entries.push(entry);
                WatchId::try_from(self.entries.len() - 1).expect("invariant: fewer watches than ids")
            }
        }
    }

    fn get(&self, id: WatchId) -> &Entry {
        self.entries.get(id as usize).expect("invariant: ids come from the table and from links")
    }

    fn get_mut(&mut self, id: WatchId) -> &mut Entry {
        self.entries.get_mut(id as usize).expect("invariant: ids come from the table and from links")
    }
}

fn hash(builder: &DefaultHashBuilder, path: PathPlace, connection: ConnectionPlace) -> u64 {
    let mut hasher = builder.build_hasher();
    hasher.write_u32(path);
    hasher.write_u32(connection);
    hasher.finish()
}
