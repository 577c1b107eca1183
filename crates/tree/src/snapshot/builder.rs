use alloc::string::{String, ToString};

use hashbrown::HashMap;
use jute::Zxid;
use jute::snapshot::{DataNode, SnapshotItem};

use crate::acl::{AclId, OPEN};
use crate::ephemeral_owner;
use crate::path;
use crate::state::{NodeId, ROOT, State, StateSettings};

/// Key of the open ACL, which is in no table.
const OPEN_KEY: i64 = -1;

/// Makes a state from the items of a snapshot: of our own, or of the reference, which are taken while transactions go on.
///
/// * Items come in the order sessions, ACLs, znodes parents first, end.
/// * What follows from the znodes is computed anew: owners, quotas, users of ACLs, the digest.
// zk: SerializeUtils.deserializeSnapshot, DataTree.deserialize
#[derive(Debug)]
pub struct Builder {
    state: State,
    acl_ids: HashMap<i64, AclId>,
    last_parent: (String, NodeId),
    has_root: bool,
    is_finished: bool,
}

/// Items that make no state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildError {
    /// A znode comes before its parent, or under a path that no znode can have.
    NoParent {
        /// Path of the znode.
        path: String,
    },
    /// The owner of a znode means a kind that is not known.
    UnknownOwner {
        /// Path of the znode.
        path: String,
        /// The owner.
        owner: i64,
    },
    /// The root is missing.
    NoRoot,
    /// The end did not come, or something came after it.
    Unfinished,
}

impl core::fmt::Display for BuildError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoParent { path } => write!(f, "the parent of {path:?} is missing"),
            Self::UnknownOwner { path, owner } => write!(f, "{path:?} has the unknown owner {owner:#x}"),
            Self::NoRoot => f.write_str("the root is missing"),
            Self::Unfinished => f.write_str("the end is missing or not at the end"),
        }
    }
}

impl core::error::Error for BuildError {}

impl Builder {
    /// Starts with nothing.
    pub fn new(settings: StateSettings) -> Self {
        Self {
            state: State::with_root_only(settings),
            acl_ids: HashMap::from_iter([(OPEN_KEY, OPEN)]),
            last_parent: (String::new(), ROOT),
            has_root: false,
            is_finished: false,
        }
    }

    /// Takes the next item.
    pub fn push(&mut self, item: SnapshotItem) -> Result<(), BuildError> {
        if self.is_finished {
            return Err(BuildError::Unfinished);
        }
        match item {
            SnapshotItem::Sessions(sessions) => {
                for (session, timeout_ms) in sessions {
                    self.state.open_session(session, timeout_ms);
                }
            }
            SnapshotItem::Acls(acls) => {
                for (key, list) in acls {
                    self.acl_ids.entry(key).or_insert_with(|| self.state.acl_table_mut().define(key, &list));
                }
            }
            SnapshotItem::Node { path, node } => self.push_node(&path, &node)?,
            SnapshotItem::End => self.is_finished = true,
        }
        Ok(())
    }

    /// The state, as that after the transaction `zxid`.
    pub fn finish(mut self, zxid: Zxid) -> Result<State, BuildError> {
        if !self.is_finished {
            return Err(BuildError::Unfinished);
        }
        if !self.has_root {
            return Err(BuildError::NoRoot);
        }
        self.state.count_root_twice();
        self.state.set_up_quotas();
        self.state.acl_table_mut().purge_unused();
        self.state.set_last_processed_zxid(zxid);
        Ok(self.state)
    }

    fn push_node(&mut self, path: &str, node: &DataNode) -> Result<(), BuildError> {
        let acl = self.acl_id(node.acl_key);
        if path.is_empty() {
            self.has_root = true;
            self.state.restore(ROOT, path, node, acl);
            return Ok(());
        }
        let owner = node.stat.ephemeral_owner;
        let kind = ephemeral_owner::kind(owner, self.state.settings())
            .map_err(|_| BuildError::UnknownOwner { path: path.to_string(), owner })?;
        let (parent, name) =
            self.parent(path).ok_or_else(|| BuildError::NoParent { path: path.to_string() })?;
        let id = match self.state.arena().child(parent, name) {
            None => self.state.restore_new((parent, name), path, node, acl),
            Some(id) => {
                self.state.unregister_owner(id);
                self.state.restore(id, path, node, acl);
                id
            }
        };
        self.state.register_owner(id, kind);
        Ok(())
    }

    /// Parent and name. Znodes that follow each other mostly have the same parent.
    fn parent<'a>(&mut self, path: &'a str) -> Option<(NodeId, &'a str)> {
        // A parent "/" means a path with two slashes in front, which names no znode.
        let (parent_path, name) =
            path::split(path).filter(|(parent, name)| *parent != "/" && !name.is_empty() && self.has_root)?;
        if self.last_parent.0 != parent_path {
            let id = self.state.arena().find(parent_path)?;
            self.last_parent = (parent_path.to_string(), id);
        }
        Some((self.last_parent.1, name))
    }

    fn acl_id(&mut self, key: i64) -> AclId {
        let state = &mut self.state;
        let id = *self.acl_ids.entry(key).or_insert_with(|| state.acl_table_mut().leave_undefined(key));
        state.acl_table_mut().add_user(id);
        id
    }
}
