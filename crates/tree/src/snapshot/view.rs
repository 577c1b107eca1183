use alloc::{string::String, sync::Arc, vec::Vec};
use core::mem;

use jute::snapshot::{DataNode, SnapshotItem};
use jute::{SessionId, Zxid};

use super::old_values::{OldValues, Settled};
use crate::state::{NodeId, ROOT, State, link};

/// Bytes of data after which a slice ends, so that nobody waits long for the state.
const SLICE_BYTES_MAX: usize = 1 << 20;

/// A picture of a state at one zxid, read in slices while the state goes on changing.
///
/// * It holds sessions, ACL table and znodes exactly as they were when it began, parents before children.
/// * From then on the state keeps each znode that changes before it is read; this ends when the view is dropped.
#[derive(Debug)]
pub struct View {
    zxid: Zxid,
    digest: i64,
    settled: Arc<Settled>,
    acl_keys: Vec<i64>,
    header: Vec<SnapshotItem>,
    waiting: Vec<Waiting>,
    path: String,
    is_finished: bool,
}

/// A znode that is read next, once those above it in the stack are done.
#[derive(Debug)]
struct Waiting {
    id: NodeId,
    parent_path_length: usize,
}

/// The view is of another state than the one it is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewLost;

impl core::fmt::Display for ViewLost {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the state that the view was taken of is gone")
    }
}

impl core::error::Error for ViewLost {}

impl View {
    /// Takes the picture; its cost does not depend on the number of znodes, but on that of sessions and ACLs.
    pub fn begin(state: &mut State) -> Self {
        let settled = Arc::new(Settled::new(state.arena().places()));
        state.arena_mut().keep_old_values(OldValues::new(settled.clone()));
        let sessions: Vec<(SessionId, i32)> = state.sessions().collect();
        let (acl_keys, acls) = state.acl_table().copy();
        let acls = acls.into_iter().map(|(key, list)| (key, list.to_vec())).collect();
        Self {
            zxid: state.last_processed_zxid(),
            digest: state.digest(),
            settled,
            acl_keys,
            header: Vec::from([SnapshotItem::Sessions(sessions), SnapshotItem::Acls(acls)]),
            waiting: Vec::from([Waiting { id: ROOT, parent_path_length: 0 }]),
            path: String::new(),
            is_finished: false,
        }
    }

    /// The last transaction that is in the picture.
    pub fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// The digest of the tree in the picture.
    pub fn digest(&self) -> i64 {
        self.digest
    }

    /// The next items, at most about `items_max` of them; none when the end was given.
    pub fn next_slice(&mut self, state: &State, items_max: usize) -> Result<Vec<SnapshotItem>, ViewLost> {
        let all = state.arena().old_values();
        let old = all.iter().find(|old| old.is_for(&self.settled)).ok_or(ViewLost)?;
        let mut items = mem::take(&mut self.header);
        let mut bytes = 0;
        while !self.is_finished && items.len() < items_max.max(1) && bytes < SLICE_BYTES_MAX {
            match self.waiting.pop() {
                Some(waiting) => {
                    let node = self.read(state, old, &waiting);
                    bytes += node.data.as_ref().map_or(0, |data| data.len());
                    items.push(SnapshotItem::Node { path: self.path.clone(), node });
                }
                None => {
                    items.push(SnapshotItem::End);
                    self.is_finished = true;
                }
            }
        }
        Ok(items)
    }

    /// Whether the end was given.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// How many znodes the state keeps for this view.
    pub fn kept(&self, state: &State) -> usize {
        state.arena().old_values().iter().find(|old| old.is_for(&self.settled)).map_or(0, OldValues::len)
    }

    /// Reads one znode as it was, and puts what follows it on the stack.
    fn read(&mut self, state: &State, old: &OldValues, waiting: &Waiting) -> DataNode {
        let node = state.arena().node(waiting.id);
        let original = old.get(waiting.id);
        let (stat, acl) = original.map_or((*node.stat(), node.acl()), |old| (old.stat, old.acl));
        let (first_child, next) =
            original.map_or_else(|| node.walk_links(), |old| (old.first_child, old.next));
        let (name, data) = match original.and_then(|old| old.payload.as_ref()) {
            Some((payload, shape)) => (shape.name(payload), shape.data(payload)),
            None => (node.name(), node.data()),
        };
        self.settled.mark(waiting.id);
        self.path.truncate(waiting.parent_path_length);
        if let Some(next) = link(next) {
            self.waiting.push(Waiting { id: next, parent_path_length: waiting.parent_path_length });
        }
        if waiting.id != ROOT {
            self.path.push('/');
            self.path.push_str(name);
        }
        if let Some(child) = link(first_child) {
            self.waiting.push(Waiting { id: child, parent_path_length: self.path.len() });
        }
        let acl_key = self.acl_keys.get(acl as usize).copied();
        DataNode {
            data: data.map(|data| data.to_vec().into()),
            acl_key: acl_key.expect("invariant: the list was in the table when the view began"),
            stat,
        }
    }
}
