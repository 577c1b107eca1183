//! The body of a snapshot, on disk and after SNAP: sessions, ACL table, znodes parent-first, end.

use alloc::{string::String, vec::Vec};
use core::mem;

use bytes::Bytes;

use crate::data::{Acl, StatPersisted};
use crate::{DecodeError, Reader, Record, SessionId, write};

/// The path that ends the list of znodes.
// zk: DataTree.serializeNodes
const END_PATH: &str = "/";

/// One part of a snapshot; parts follow each other in the order of the variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotItem {
    /// All sessions with their timeouts in milliseconds.
    Sessions(Vec<(SessionId, i32)>),
    /// All ACLs with the keys by which znodes refer to them.
    Acls(Vec<(i64, Vec<Acl>)>),
    /// One znode; a parent comes before its children, the root has the path "".
    Node {
        /// Path of the znode.
        path: String,
        /// The znode.
        node: DataNode,
    },
    /// There are no more znodes.
    End,
}

/// A znode as a snapshot holds it.
// zk: DataNode.serialize
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct DataNode {
    /// Data; null and empty differ.
    pub data: Option<Bytes>,
    /// Key in the ACL table; -1 is the open ACL.
    pub acl_key: i64,
    /// Stat as it is stored.
    pub stat: StatPersisted,
}

impl Record for DataNode {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { data: reader.buffer()?, acl_key: reader.long()?, stat: Record::decode(reader)? })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        write::buffer(out, self.data.as_deref());
        write::long(out, self.acl_key);
        self.stat.encode(out);
    }
}

impl SnapshotItem {
    /// Appends the encoding of this part.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sessions(sessions) => write::vector(out, sessions, |(id, timeout_ms), out| {
                write::long(out, id.0);
                write::int(out, *timeout_ms);
            }),
            Self::Acls(acls) => write::vector(out, acls, |(key, acl), out| {
                write::long(out, *key);
                write::vector(out, acl, Acl::encode);
            }),
            Self::Node { path, node } => {
                write::string(out, path);
                node.encode(out);
            }
            Self::End => write::string(out, END_PATH),
        }
    }
}

/// Reads the parts of a snapshot from input that comes in pieces.
///
/// * What was read is never read again: only the entry that the input cuts short stays in the reader.
/// * Data of znodes share the memory of the piece they came in.
// zk: SerializeUtils.deserializeSnapshot, ReferenceCountedACLCache.deserialize, DataTree.deserialize
#[derive(Debug, Default)]
pub struct SnapshotDecoder {
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    SessionCount,
    Sessions {
        left: usize,
        read: Vec<(SessionId, i32)>,
    },
    AclCount,
    Acls {
        left: usize,
        read: Vec<(i64, Vec<Acl>)>,
    },
    Nodes,
    Finished,
}

impl SnapshotDecoder {
    /// A decoder at the start of a snapshot's body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the end was read.
    pub fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Finished)
    }

    /// The next part. `None` before the end means that more input is needed: give what the reader has not read again,
    /// with more behind it. After the end it is always `None`.
    pub fn next(&mut self, reader: &mut Reader<'_>) -> Result<Option<SnapshotItem>, DecodeError> {
        loop {
            let before = reader.clone();
            match self.advance(reader) {
                Ok(Step::Item(item)) => return Ok(Some(item)),
                Ok(Step::Further) => {}
                Ok(Step::Finished) => return Ok(None),
                Err(DecodeError::Truncated { .. }) => {
                    *reader = before;
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads one entry, or one count, or nothing.
    fn advance(&mut self, reader: &mut Reader<'_>) -> Result<Step, DecodeError> {
        match &mut self.stage {
            Stage::SessionCount => {
                self.stage = Stage::Sessions { left: count(reader)?, read: Vec::new() };
                Ok(Step::Further)
            }
            Stage::Sessions { left: 0, read } => {
                let item = SnapshotItem::Sessions(mem::take(read));
                self.stage = Stage::AclCount;
                Ok(Step::Item(item))
            }
            Stage::Sessions { left, read } => {
                read.push((SessionId(reader.long()?), reader.int()?));
                *left -= 1;
                Ok(Step::Further)
            }
            Stage::AclCount => {
                self.stage = Stage::Acls { left: count(reader)?, read: Vec::new() };
                Ok(Step::Further)
            }
            Stage::Acls { left: 0, read } => {
                let item = SnapshotItem::Acls(mem::take(read));
                self.stage = Stage::Nodes;
                Ok(Step::Item(item))
            }
            Stage::Acls { left, read } => {
                let key = reader.long()?;
                read.push((key, reader.required_vector("snapshot ACL", Acl::decode)?));
                *left -= 1;
                Ok(Step::Further)
            }
            Stage::Nodes => {
                let path = reader.required_string("snapshot path")?;
                if path == END_PATH {
                    self.stage = Stage::Finished;
                    return Ok(Step::Item(SnapshotItem::End));
                }
                Ok(Step::Item(SnapshotItem::Node { path, node: DataNode::decode(reader)? }))
            }
            Stage::Finished => Ok(Step::Finished),
        }
    }
}

enum Step {
    Item(SnapshotItem),
    Further,
    Finished,
}

/// Reads a count; a negative one is none.
fn count(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    Ok(usize::try_from(reader.int()?).unwrap_or(0))
}

#[cfg(test)]
mod tests;
