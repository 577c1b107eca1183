//! The watches that a client believes in, as the Java client keeps them.

use std::collections::BTreeSet;

use jute::{ErrorCode, Zxid, proto};
use pipeline::request::Request;
use tree::EventKind;

#[derive(Debug, Default)]
pub(super) struct Watching {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    children: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
    /// Paths of which setWatches told on this connection: the server may have another watch of the same path left.
    caught_up: BTreeSet<String>,
}

impl Watching {
    /// A reply may leave a watch, or take some.
    pub(super) fn replied(&mut self, request: &Request, err: i32) {
        const OK: i32 = ErrorCode::Ok.code();
        const NO_NODE: i32 = ErrorCode::NoNode.code();
        let (table, path) = match (request, err) {
            (Request::GetData(body), OK) if body.watch => (&mut self.data, &body.path),
            (Request::Exists(body), OK) if body.watch => (&mut self.data, &body.path),
            (Request::Exists(body), NO_NODE) if body.watch => (&mut self.exist, &body.path),
            (Request::GetChildren2(body), OK) if body.watch => (&mut self.children, &body.path),
            (Request::AddWatch(body), OK) if body.mode == 0 => (&mut self.persistent, &body.path),
            (Request::AddWatch(body), OK) => (&mut self.recursive, &body.path),
            (Request::RemoveWatches(body), OK) => return self.remove(&body.path, body.watcher_type),
            _ => return,
        };
        table.insert(path.clone());
    }

    // zk: ZKWatchManager.removeWatcher
    fn remove(&mut self, path: &str, watcher_type: i32) {
        let tables: &mut [&mut BTreeSet<String>] = match watcher_type {
            1 => &mut [&mut self.children],
            2 => &mut [&mut self.data, &mut self.exist],
            4 => &mut [&mut self.persistent],
            5 => &mut [&mut self.recursive],
            _ => &mut [
                &mut self.data,
                &mut self.exist,
                &mut self.children,
                &mut self.persistent,
                &mut self.recursive,
            ],
        };
        for table in tables {
            table.remove(path);
        }
    }

    /// An event takes watches; whether there was one.
    // zk: ZKWatchManager.materialize
    pub(super) fn fired(&mut self, kind: i32, path: &str) -> bool {
        const CREATED: i32 = EventKind::Created.code();
        const DELETED: i32 = EventKind::Deleted.code();
        const DATA_CHANGED: i32 = EventKind::DataChanged.code();
        const CHILDREN_CHANGED: i32 = EventKind::ChildrenChanged.code();
        let is_above = |watched: &String| crate::check::is_at_or_below(path, watched);
        let stays = self.persistent.contains(path)
            || (kind != CHILDREN_CHANGED && self.recursive.iter().any(is_above));
        let goes = match kind {
            CREATED | DATA_CHANGED => self.data.remove(path) | self.exist.remove(path),
            DELETED => self.data.remove(path) | self.exist.remove(path) | self.children.remove(path),
            CHILDREN_CHANGED => self.children.remove(path),
            _ => return false,
        };
        stays || goes
    }

    /// setWatches told of a path.
    pub(super) fn caught_up(&mut self, path: &str) {
        self.caught_up.insert(path.to_owned());
    }

    /// Whether it did, on this connection.
    pub(super) fn is_caught_up(&self, path: &str) -> bool {
        self.caught_up.contains(path)
    }

    /// What is set again on a new connection.
    pub(super) fn again(&mut self, relative_zxid: Zxid) -> Option<proto::SetWatches2> {
        self.caught_up.clear();
        let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
        let tables = [&self.data, &self.exist, &self.children, &self.persistent, &self.recursive];
        tables.iter().any(|table| !table.is_empty()).then(|| proto::SetWatches2 {
            relative_zxid,
            data_watches: list(&self.data),
            exist_watches: list(&self.exist),
            child_watches: list(&self.children),
            persistent_watches: list(&self.persistent),
            persistent_recursive_watches: list(&self.recursive),
        })
    }
}

/// The older form is used as long as it can say all.
// zk: ClientCnxn.SendThread.primeConnection
pub(super) fn request_again(set: &proto::SetWatches2) -> Request {
    if !set.persistent_watches.is_empty() || !set.persistent_recursive_watches.is_empty() {
        return Request::SetWatches2(set.clone());
    }
    Request::SetWatches(proto::SetWatches {
        relative_zxid: set.relative_zxid,
        data_watches: set.data_watches.clone(),
        exist_watches: set.exist_watches.clone(),
        child_watches: set.child_watches.clone(),
    })
}
