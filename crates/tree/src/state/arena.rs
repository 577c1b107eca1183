use alloc::{boxed::Box, string::String, vec::Vec};
use core::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};
use jute::data::StatPersisted;

use super::node::{NONE, Node, NodeId, ROOT};
use crate::acl::AclId;
use crate::snapshot::{OldValues, Original};

/// All znodes and the table by which they are found.
///
/// * The root is always there, at place [`ROOT`].
/// * Each change goes through a method here, so that running snapshots keep what they have not yet read.
#[derive(Debug)]
pub(crate) struct Arena {
    nodes: Vec<Node>,
    first_free: NodeId,
    count: usize,
    table: HashTable<Slot>,
    hash_builder: DefaultHashBuilder,
    old_values: Vec<OldValues>,
}

/// Entry of the table. With the hash beside it, growing the table does not touch the znodes.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    id: NodeId,
}

impl Arena {
    pub(crate) fn new(root_stat: StatPersisted, acl: AclId) -> Self {
        Self {
            nodes: Vec::from([Node::new(NONE, "", Some(&[]), root_stat, acl)]),
            first_free: NONE,
            count: 1,
            table: HashTable::new(),
            hash_builder: DefaultHashBuilder::default(),
            old_values: Vec::new(),
        }
    }

    /// Number of znodes, the root included.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Number of places, those of deleted znodes included.
    pub(crate) fn places(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id as usize).expect("invariant: ids come from the table and from links")
    }

    /// The znode with this path; the root is "" or "/".
    pub(crate) fn find(&self, path: &str) -> Option<NodeId> {
        if matches!(path, "" | "/") {
            return Some(ROOT);
        }
        let mut names = path.strip_prefix('/')?.as_bytes().split(|byte| *byte == b'/');
        names.try_fold(ROOT, |parent, name| self.child_named(parent, name))
    }

    pub(crate) fn child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        self.child_named(parent, name.as_bytes())
    }

    fn child_named(&self, parent: NodeId, name: &[u8]) -> Option<NodeId> {
        let hash = self.hash(parent, name);
        let is_child = |slot: &Slot| {
            slot.hash == hash && {
                let node = self.node(slot.id);
                node.parent == parent && node.name_bytes() == name
            }
        };
        self.table.find(spread(hash), is_child).map(|slot| slot.id)
    }

    pub(crate) fn parent(&self, id: NodeId) -> Option<NodeId> {
        link(self.node(id).parent)
    }

    /// The path of a znode; that of the root is empty.
    pub(crate) fn path(&self, id: NodeId) -> String {
        let upwards = core::iter::successors(Some(id), |id| self.parent(*id)).take_while(|id| *id != ROOT);
        let names: Vec<&str> = upwards.map(|id| self.node(id).name()).collect();
        let mut path = String::with_capacity(names.iter().map(|name| name.len() + 1).sum());
        for name in names.iter().rev() {
            path.push('/');
            path.push_str(name);
        }
        path
    }

    /// The znode after this one when a subtree is walked, parents first.
    pub(crate) fn next_in_subtree(&self, top: NodeId, id: NodeId) -> Option<NodeId> {
        link(self.node(id).first_child).or_else(|| {
            let upwards = core::iter::successors(Some(id), |id| self.parent(*id)).take_while(|id| *id != top);
            upwards.into_iter().find_map(|id| link(self.node(id).next))
        })
    }

    /// Adds a child, which must not be there yet.
    pub(crate) fn insert(
        &mut self,
        parent: NodeId,
        name: &str,
        data: Option<&[u8]>,
        stat: StatPersisted,
        acl: AclId,
    ) -> NodeId {
        self.keep(parent);
        let mut node = Node::new(parent, name, data, stat, acl);
        let sibling = self.node(parent).first_child;
        node.next = sibling;
        let id = self.place(node);
        if let Some(sibling) = link(sibling) {
            self.node_mut(sibling).previous = id;
        }
        let parent_node = self.node_mut(parent);
        parent_node.first_child = id;
        parent_node.child_count += 1;
        let hash = self.hash(parent, name.as_bytes());
        self.table.insert_unique(spread(hash), Slot { hash, id }, |slot| spread(slot.hash));
        self.count += 1;
        id
    }

    /// Removes a znode without children.
    pub(crate) fn remove(&mut self, id: NodeId) {
        let node = self.node(id);
        assert!(id != ROOT && node.child_count == 0, "only leaves are removed");
        let (parent, previous, next) = (node.parent, node.previous, node.next);
        let hash = self.hash(parent, node.name_bytes());
        self.keep(parent);
        match link(previous) {
            Some(previous) => {
                self.keep(previous);
                self.node_mut(previous).next = next;
            }
            None => self.node_mut(parent).first_child = next,
        }
        if let Some(next) = link(next) {
            self.node_mut(next).previous = previous;
        }
        self.node_mut(parent).child_count -= 1;
        if let Ok(slot) = self.table.find_entry(spread(hash), |slot| slot.id == id) {
            slot.remove();
        }
        self.free(id);
        self.count -= 1;
    }

    pub(crate) fn stat_mut(&mut self, id: NodeId) -> &mut StatPersisted {
        self.keep(id);
        &mut self.node_mut(id).stat
    }

    /// Replaces the ACL and returns the one before.
    pub(crate) fn set_acl(&mut self, id: NodeId, acl: AclId) -> AclId {
        self.keep(id);
        core::mem::replace(&mut self.node_mut(id).acl, acl)
    }

    pub(crate) fn set_data(&mut self, id: NodeId, data: Option<&[u8]>) {
        self.keep(id);
        let (payload, shape) = self.node_mut(id).replace_data(data);
        for old in &mut self.old_values {
            old.keep_payload(id, &payload, shape);
        }
    }

    /// Replaces the znode's part of the digest and returns the part before.
    pub(crate) fn set_digest(&mut self, id: NodeId, digest: u32) -> u32 {
        core::mem::replace(&mut self.node_mut(id).digest, digest)
    }

    /// Starts to keep old values for one more snapshot.
    pub(crate) fn keep_old_values(&mut self, old: OldValues) {
        self.old_values.push(old);
    }

    /// Drops what was kept for snapshots that are no longer read.
    pub(crate) fn forget_old_values(&mut self) {
        if !self.old_values.is_empty() {
            self.old_values.retain(OldValues::is_wanted);
        }
    }

    pub(crate) fn old_values(&self) -> &[OldValues] {
        &self.old_values
    }

    /// Lets running snapshots keep what they have not read, before a change.
    fn keep(&mut self, id: NodeId) {
        if self.old_values.is_empty() {
            return;
        }
        let node = self.nodes.get(id as usize).expect("invariant: ids come from the table and from links");
        for old in &mut self.old_values {
            old.keep(id, || Original::of(node));
        }
    }

    fn place(&mut self, node: Node) -> NodeId {
        let id = self.first_free;
        if id == NONE {
            self.nodes.push(node);
            let id = NodeId::try_from(self.nodes.len() - 1).ok().filter(|id| *id != NONE);
            return id.expect("invariant: fewer znodes than ids");
        }
        for old in &mut self.old_values {
            old.skip(id);
        }
        let place = self.node_mut(id);
        let next_free = place.next;
        *place = node;
        self.first_free = next_free;
        id
    }

    fn free(&mut self, id: NodeId) {
        self.keep(id);
        let first_free = self.first_free;
        let node = self.node_mut(id);
        let payload = core::mem::replace(&mut node.payload, Box::from([]));
        let shape = node.payload_shape;
        node.parent = NONE;
        node.first_child = NONE;
        node.next = first_free;
        self.first_free = id;
        for old in &mut self.old_values {
            old.keep_payload(id, &payload, shape);
        }
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(id as usize).expect("invariant: ids come from the table and from links")
    }

    fn hash(&self, parent: NodeId, name: &[u8]) -> u32 {
        let mut hasher = self.hash_builder.build_hasher();
        hasher.write_u32(parent);
        hasher.write(name);
        (hasher.finish() >> 32) as u32
    }
}

/// The table takes places from the low bits and tags from the high ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

pub(crate) fn link(id: NodeId) -> Option<NodeId> {
    (id != NONE).then_some(id)
}
