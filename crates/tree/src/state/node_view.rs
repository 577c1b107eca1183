use alloc::{string::String, vec::Vec};

use jute::data::{Acl, Stat, StatPersisted};
use jute::write;

use super::{NodeId, State};
use crate::acl::AclList;
use crate::ephemeral_owner::{self, OwnerKind};

/// A znode as it is read.
#[derive(Debug, Clone, Copy)]
pub struct NodeView<'a> {
    state: &'a State,
    id: NodeId,
}

impl<'a> NodeView<'a> {
    pub(crate) fn new(state: &'a State, id: NodeId) -> Self {
        Self { state, id }
    }

    /// The last name of the path; empty for the root.
    pub fn name(&self) -> &'a str {
        self.state.arena.node(self.id).name()
    }

    /// The whole path; empty for the root.
    pub fn path(&self) -> String {
        self.state.arena.path(self.id)
    }

    /// The data; null and empty differ.
    pub fn data(&self) -> Option<&'a [u8]> {
        self.state.arena.node(self.id).data()
    }

    /// The stat as it is stored.
    pub fn stat_persisted(&self) -> &'a StatPersisted {
        self.state.arena.node(self.id).stat()
    }

    /// The stat as a client sees it.
    // zk: DataNode.copyStat
    pub fn stat(&self) -> Stat {
        let stored = self.stat_persisted();
        let children = wrapped_i32(self.child_count());
        Stat {
            czxid: stored.czxid,
            mzxid: stored.mzxid,
            ctime: stored.ctime,
            mtime: stored.mtime,
            version: stored.version,
            cversion: stored.cversion.wrapping_mul(2).wrapping_sub(children),
            aversion: stored.aversion,
            ephemeral_owner: if self.kind() == OwnerKind::Session { stored.ephemeral_owner } else { 0 },
            data_length: wrapped_i32(self.data().map_or(0, <[u8]>::len)),
            num_children: children,
            pzxid: stored.pzxid,
        }
    }

    /// The ACL; never null, for a null one is stored as the open one.
    pub fn acl(&self) -> &'a [Acl] {
        self.acl_arc()
    }

    /// The ACL, to be shared.
    pub fn acl_arc(&self) -> &'a AclList {
        self.state.acls.list(self.state.arena.node(self.id).acl())
    }

    /// The key by which snapshots refer to the ACL.
    pub fn acl_key(&self) -> i64 {
        self.state.acls.key(self.state.arena.node(self.id).acl())
    }

    /// Names of the children, in an order that means nothing but is the same on equal states.
    pub fn children(&self) -> Children<'a> {
        Children {
            state: self.state,
            next: self.state.arena.node(self.id).walk_links().0,
            left: self.child_count(),
        }
    }

    /// The child with this name.
    pub fn child(&self, name: &str) -> Option<NodeView<'a>> {
        self.state.arena.child(self.id, name).map(|id| Self { id, ..*self })
    }

    /// Number of children.
    pub fn child_count(&self) -> usize {
        self.state.arena.node(self.id).child_count() as usize
    }

    /// The owner as it is stored: a session, zero, or the encoding of another kind.
    pub fn owner(&self) -> i64 {
        self.stat_persisted().ephemeral_owner
    }

    /// The kind of the znode.
    pub fn kind(&self) -> OwnerKind {
        // An owner of an unknown kind is refused when it is created or loaded.
        ephemeral_owner::kind(self.owner(), &self.state.settings).unwrap_or(OwnerKind::Session)
    }

    /// The znode's part of the digest; zero for those that are left out and when digests are off.
    pub fn digest(&self) -> i64 {
        i64::from(self.state.arena.node(self.id).digest())
    }
}

/// Names of the children of a znode.
#[derive(Debug, Clone)]
pub struct Children<'a> {
    state: &'a State,
    next: NodeId,
    left: usize,
}

impl Children<'_> {
    /// Appends the names as a vector of strings.
    pub fn write(self, out: &mut Vec<u8>) {
        let Self { state, mut next, left } = self;
        write::int(out, wrapped_i32(left));
        while let Some(id) = super::link(next) {
            let node = state.arena.node(id);
            node.write_name(out);
            next = node.walk_links().1;
        }
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let node = self.state.arena.node(super::link(self.next)?);
        self.next = node.walk_links().1;
        self.left -= 1;
        Some(node.name())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Children<'_> {}

/// Counts stay below the limits of frames and ids; what is greater wraps as it does in the reference.
#[expect(clippy::cast_possible_truncation, reason = "wraps as the reference's int does")]
fn wrapped_i32(count: usize) -> i32 {
    count as i32
}
