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
}

impl Watching {
    /// A reply may leave a watch.
    pub(super) fn replied(&mut self, request: &Request, err: i32) {
        const OK: i32 = ErrorCode::Ok.code();
        const NO_NODE: i32 = ErrorCode::NoNode.code();
        let (table, path) = match (request, err) {
            (Request::GetData(body), OK) if body.watch => (&mut self.data, &body.path),
            (Request::Exists(body), OK) if body.watch => (&mut self.data, &body.path),
            (Request::Exists(body), NO_NODE) if body.watch => (&mut self.exist, &body.path),
            (Request::GetChildren2(body), OK) if body.watch => (&mut self.children, &body.path),
            _ => return,
        };
        table.insert(path.clone());
    }

    /// An event takes watches; whether there was one.
    // zk: ZKWatchManager.materialize
    pub(super) fn fired(&mut self, kind: i32, path: &str) -> bool {
        const CREATED: i32 = EventKind::Created.code();
        const DELETED: i32 = EventKind::Deleted.code();
        const DATA_CHANGED: i32 = EventKind::DataChanged.code();
        const CHILDREN_CHANGED: i32 = EventKind::ChildrenChanged.code();
        match kind {
            CREATED | DATA_CHANGED => self.data.remove(path) | self.exist.remove(path),
            DELETED => self.data.remove(path) | self.exist.remove(path) | self.children.remove(path),
            CHILDREN_CHANGED => self.children.remove(path),
            _ => false,
        }
    }

    /// What is set again on a new connection.
    pub(super) fn again(&self, relative_zxid: Zxid) -> Option<proto::SetWatches> {
        let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
        let again = proto::SetWatches {
            relative_zxid,
            data_watches: list(&self.data),
            exist_watches: list(&self.exist),
            child_watches: list(&self.children),
        };
        let is_empty = self.data.is_empty() && self.exist.is_empty() && self.children.is_empty();
        (!is_empty).then_some(again)
    }
}
