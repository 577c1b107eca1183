//! The watches that this session holds, so that a new connection can have them again.
//!
//! Paths here are the server's. The tables follow what the server does with its own: one-shot watches go when
//! they fire, persistent ones stay.

use std::collections::BTreeSet;

use jute::ErrorCode;

use crate::event::EventKind;

/// Bytes of paths in one setWatches frame, so that each stays far below the server's frame limit.
// zk: ClientCnxn.SET_WATCHES_MAX_LENGTH
const BATCH_BYTES: usize = 128 * 1024;

/// A watch that a request asks for; it counts once the request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registration {
    pub(crate) table: Table,
    pub(crate) path: String,
}

/// Which kind of watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Set by getData.
    Data,
    /// Set by exists: on data if the node is there, else on its creation.
    Exists,
    /// Set by getChildren.
    Child,
    /// Set by addWatch.
    Persistent,
    /// Set by addWatch, for the node and all below.
    Recursive,
}

/// Which watches of a path to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatcherType {
    /// One-shot watches on children.
    Children,
    /// One-shot watches on data or existence.
    Data,
    /// All watches.
    Any,
    /// Persistent watches.
    Persistent,
    /// Persistent recursive watches.
    PersistentRecursive,
}

impl WatcherType {
    /// The number on the wire.
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Children => 1,
            Self::Data => 2,
            Self::Any => 3,
            Self::Persistent => 4,
            Self::PersistentRecursive => 5,
        }
    }
}

/// All watches of one session.
#[derive(Debug, Default)]
pub(crate) struct WatchSet {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

/// What one setWatches frame carries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) data: Vec<String>,
    pub(crate) exist: Vec<String>,
    pub(crate) child: Vec<String>,
    pub(crate) persistent: Vec<String>,
    pub(crate) recursive: Vec<String>,
}

impl WatchSet {
    /// A request that asked for a watch was answered with this code.
    // zk: ZooKeeper.WatchRegistration.shouldAddWatch
    pub(crate) fn answered(&mut self, registration: Registration, code: i32) {
        let Registration { table, path } = registration;
        let found = code == 0;
        let missing = code == ErrorCode::NoNode.code();
        match table {
            Table::Data | Table::Exists if found => self.data.insert(path),
            Table::Exists if missing => self.exist.insert(path),
            Table::Child if found => self.child.insert(path),
            Table::Persistent if found => self.persistent.insert(path),
            Table::Recursive if found => self.recursive.insert(path),
            Table::Data | Table::Exists | Table::Child | Table::Persistent | Table::Recursive => false,
        };
    }

    /// The server told of a change: one-shot watches on it are spent.
    // zk: ZKWatchManager.materialize
    pub(crate) fn fired(&mut self, kind: EventKind, path: &str) {
        match kind {
            EventKind::NodeCreated | EventKind::NodeDataChanged => {
                self.data.remove(path);
                self.exist.remove(path);
            }
            EventKind::NodeChildrenChanged => {
                self.child.remove(path);
            }
            EventKind::NodeDeleted => {
                self.data.remove(path);
                self.exist.remove(path);
                self.child.remove(path);
            }
            EventKind::None
            | EventKind::DataWatchRemoved
            | EventKind::ChildWatchRemoved
            | EventKind::PersistentWatchRemoved => {}
        }
    }

    /// Forgets the watches of a path; returns which events tell so.
    pub(crate) fn remove(&mut self, path: &str, which: WatcherType) -> Vec<EventKind> {
        let any = which == WatcherType::Any;
        let mut gone = Vec::new();
        if any || which == WatcherType::Children {
            note(&mut gone, self.child.remove(path), EventKind::ChildWatchRemoved);
        }
        if any || which == WatcherType::Data {
            let existed = self.exist.remove(path);
            note(&mut gone, self.data.remove(path) || existed, EventKind::DataWatchRemoved);
        }
        if any || which == WatcherType::Persistent {
            note(&mut gone, self.persistent.remove(path), EventKind::PersistentWatchRemoved);
        }
        if any || which == WatcherType::PersistentRecursive {
            note(&mut gone, self.recursive.remove(path), EventKind::PersistentWatchRemoved);
        }
        gone
    }

    /// What to send on a new connection, in frames of bounded size.
    // zk: ClientCnxn.SendThread.primeConnection: a frame may exceed the bound by its last path
    pub(crate) fn batches(&self) -> Vec<Batch> {
        let mut batches = Vec::new();
        let mut batch = Batch::default();
        let mut bytes = 0;
        for (table, path) in self.all() {
            if bytes >= BATCH_BYTES {
                batches.push(std::mem::take(&mut batch));
                bytes = 0;
            }
            bytes += path.len();
            batch.list(table).push(path.clone());
        }
        if bytes > 0 {
            batches.push(batch);
        }
        batches
    }

    fn all(&self) -> impl Iterator<Item = (Table, &String)> {
        let of = |table: Table| move |path| (table, path);
        self.data
            .iter()
            .map(of(Table::Data))
            .chain(self.exist.iter().map(of(Table::Exists)))
            .chain(self.child.iter().map(of(Table::Child)))
            .chain(self.persistent.iter().map(of(Table::Persistent)))
            .chain(self.recursive.iter().map(of(Table::Recursive)))
    }
}

impl Batch {
    /// Only the newer request carries persistent watches.
    pub(crate) fn needs_set_watches2(&self) -> bool {
        !self.persistent.is_empty() || !self.recursive.is_empty()
    }

    fn list(&mut self, table: Table) -> &mut Vec<String> {
        match table {
            Table::Data => &mut self.data,
            Table::Exists => &mut self.exist,
            Table::Child => &mut self.child,
            Table::Persistent => &mut self.persistent,
            Table::Recursive => &mut self.recursive,
        }
    }
}

fn note(gone: &mut Vec<EventKind>, removed: bool, kind: EventKind) {
    if removed {
        gone.push(kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_with(rows: &[(Table, &str)]) -> WatchSet {
        let mut set = WatchSet::default();
        for (table, path) in rows {
            let (table, path) = (*table, (*path).to_owned());
            let code = if table == Table::Exists { ErrorCode::NoNode.code() } else { 0 };
            set.answered(Registration { table, path }, code);
        }
        set
    }

    #[test]
    fn an_answer_decides_whether_a_watch_counts() {
        let no_node = ErrorCode::NoNode.code();
        let rows = [
            (Table::Data, 0, 1),
            (Table::Data, no_node, 0),
            (Table::Exists, 0, 1),
            (Table::Exists, no_node, 1),
            (Table::Exists, ErrorCode::NoAuth.code(), 0),
            (Table::Child, no_node, 0),
            (Table::Recursive, 0, 1),
        ];
        for (table, code, expected) in rows {
            let mut set = WatchSet::default();
            set.answered(Registration { table, path: "/a".into() }, code);
            assert_eq!(set.all().count(), expected, "{table:?} {code}");
        }
    }

    #[test]
    fn one_shot_watches_go_when_they_fire_and_persistent_ones_stay() {
        let mut set = set_with(&[
            (Table::Data, "/a"),
            (Table::Child, "/a"),
            (Table::Persistent, "/a"),
            (Table::Recursive, "/a"),
        ]);
        set.fired(EventKind::NodeDataChanged, "/a");
        assert_eq!(set.all().count(), 3);
        set.fired(EventKind::NodeDeleted, "/a");
        assert_eq!(set.all().count(), 2);
    }

    #[test]
    fn removal_tells_what_went() {
        let mut set = set_with(&[(Table::Data, "/a"), (Table::Child, "/a"), (Table::Persistent, "/a")]);
        assert_eq!(set.remove("/a", WatcherType::PersistentRecursive), []);
        assert_eq!(set.remove("/a", WatcherType::Children), [EventKind::ChildWatchRemoved]);
        assert_eq!(
            set.remove("/a", WatcherType::Any),
            [EventKind::DataWatchRemoved, EventKind::PersistentWatchRemoved]
        );
    }

    #[test]
    fn batches_are_bounded_and_complete() {
        let long = "x".repeat(BATCH_BYTES / 2);
        let set = set_with(&[
            (Table::Data, &format!("/a{long}")),
            (Table::Exists, "/e"),
            (Table::Child, &format!("/c{long}")),
            (Table::Recursive, "/r"),
        ]);
        let batches = set.batches();
        assert_eq!(batches.len(), 2);
        assert_eq!((batches[0].data.len(), batches[0].child.len()), (1, 1));
        assert!(!batches[0].needs_set_watches2());
        assert_eq!(batches[1].recursive, ["/r"]);
        assert!(batches[1].needs_set_watches2());
        assert_eq!(WatchSet::default().batches(), []);
    }
}
