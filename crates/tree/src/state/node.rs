use alloc::{boxed::Box, vec::Vec};
use core::str;

use jute::data::StatPersisted;
use jute::write;

use crate::acl::AclId;

/// Place of a znode in the arena.
pub(crate) type NodeId = u32;

/// No znode.
pub(crate) const NONE: NodeId = NodeId::MAX;
/// The root.
pub(crate) const ROOT: NodeId = 0;

/// Set in the length of the name when the data are null.
const NULL_DATA: u32 = 1 << 31;
/// Set in it when the name's UTF-8 is what stands on the wire.
const PLAIN_NAME: u32 = 1 << 30;

/// A znode: 112 bytes and one allocation for name and data.
///
/// * Children are a doubly linked list through `first_child`, `previous` and `next`, the newest first.
/// * The place of a deleted znode is linked into the free list through `next`.
#[derive(Debug)]
pub(crate) struct Node {
    pub(super) stat: StatPersisted,
    pub(super) payload: Box<[u8]>,
    pub(super) payload_shape: PayloadShape,
    pub(super) parent: NodeId,
    pub(super) first_child: NodeId,
    pub(super) previous: NodeId,
    pub(super) next: NodeId,
    pub(super) child_count: u32,
    pub(super) acl: AclId,
    pub(super) digest: u32,
}

impl Node {
    pub(super) fn new(
        parent: NodeId,
        name: &str,
        data: Option<&[u8]>,
        stat: StatPersisted,
        acl: AclId,
    ) -> Self {
        let (payload, payload_shape) = PayloadShape::join(name, data);
        Self {
            stat,
            payload,
            payload_shape,
            parent,
            first_child: NONE,
            previous: NONE,
            next: NONE,
            child_count: 0,
            acl,
            digest: 0,
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.payload_shape.name(&self.payload)
    }

    pub(crate) fn data(&self) -> Option<&[u8]> {
        self.payload_shape.data(&self.payload)
    }

    pub(super) fn name_bytes(&self) -> &[u8] {
        self.payload_shape.name_bytes(&self.payload)
    }

    /// Appends the name as it stands on the wire; lists of children are made of nothing else.
    pub(super) fn write_name(&self, out: &mut Vec<u8>) {
        match self.payload_shape.0 & PLAIN_NAME != 0 {
            true => write::plain_string(out, self.name_bytes()),
            false => write::string(out, self.name()),
        }
    }

    pub(crate) fn stat(&self) -> &StatPersisted {
        &self.stat
    }

    pub(crate) fn acl(&self) -> AclId {
        self.acl
    }

    pub(crate) fn child_count(&self) -> u32 {
        self.child_count
    }

    pub(crate) fn digest(&self) -> u32 {
        self.digest
    }

    /// What a walk follows: the first child and the next sibling.
    pub(crate) fn walk_links(&self) -> (NodeId, NodeId) {
        (self.first_child, self.next)
    }

    /// Replaces the data and returns the payload as it was.
    pub(super) fn replace_data(&mut self, data: Option<&[u8]>) -> (Box<[u8]>, PayloadShape) {
        let (payload, shape) = PayloadShape::join(self.name(), data);
        let old = core::mem::replace(&mut self.payload, payload);
        (old, core::mem::replace(&mut self.payload_shape, shape))
    }
}

/// Where the name ends in an allocation that holds name and data, and whether the data are null.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PayloadShape(u32);

impl PayloadShape {
    fn join(name: &str, data: Option<&[u8]>) -> (Box<[u8]>, Self) {
        let name_length = u32::try_from(name.len()).ok().filter(|length| *length < PLAIN_NAME);
        let name_length = name_length.expect("invariant: a name is shorter than any frame that is let in");
        let null = if data.is_none() { NULL_DATA } else { 0 };
        let plain = if write::is_plain(name) { PLAIN_NAME } else { 0 };
        let data = data.unwrap_or_default();
        let mut payload = Vec::with_capacity(name.len() + data.len());
        payload.extend_from_slice(name.as_bytes());
        payload.extend_from_slice(data);
        (payload.into_boxed_slice(), Self(name_length | null | plain))
    }

    pub(crate) fn name(self, payload: &[u8]) -> &str {
        str::from_utf8(self.name_bytes(payload)).expect("invariant: the name was a string")
    }

    fn name_bytes(self, payload: &[u8]) -> &[u8] {
        payload.get(..self.name_length()).unwrap_or_default()
    }

    pub(crate) fn data(self, payload: &[u8]) -> Option<&[u8]> {
        (self.0 & NULL_DATA == 0).then(|| payload.get(self.name_length()..).unwrap_or_default())
    }

    fn name_length(self) -> usize {
        (self.0 & !(NULL_DATA | PLAIN_NAME)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_small() {
        assert_eq!(size_of::<Node>(), 112);
    }

    #[test]
    fn a_name_is_written_as_any_string() {
        for name in ["", "n", "n\u{e9}", "n\u{ffef}", "n\u{1f600}"] {
            let mut node = Node::new(ROOT, name, None, StatPersisted::default(), 0);
            node.replace_data(Some(b"x"));
            let (mut written, mut wanted) = (Vec::new(), Vec::new());
            node.write_name(&mut written);
            write::string(&mut wanted, name);
            assert_eq!((node.name(), written), (name, wanted));
        }
    }

    #[test]
    fn null_and_empty_data_differ() {
        let mut node = Node::new(ROOT, "n", None, StatPersisted::default(), 0);
        for data in [None, Some(&b""[..]), Some(b"xyz"), None] {
            node.replace_data(data);
            assert_eq!((node.name(), node.data()), ("n", data));
        }
    }
}
