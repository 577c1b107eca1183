//! The changes that transactions are made of, with everything that follows from each.

use alloc::string::String;
use alloc::vec::Vec;

use jute::data::{Acl, StatPersisted};
use jute::{SessionId, Zxid};

use super::{NodeId, State, link};
use crate::acl::AclList;
use crate::apply::ApplyErrorKind;
use crate::digest::ZxidDigest;
use crate::ephemeral_owner;
use crate::path;
use crate::watches::{EventKind, Trigger};

/// A znode to be created.
pub(crate) struct NewNode<'a> {
    pub(crate) path: &'a str,
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) acl: Option<&'a [Acl]>,
    pub(crate) owner: i64,
    pub(crate) parent_cversion: i32,
    pub(crate) zxid: Zxid,
    pub(crate) time_ms: i64,
}

impl State {
    /// Creates a znode.
    // zk: DataTree.createNode
    pub(crate) fn create(
        &mut self,
        new: &NewNode<'_>,
        tell: &mut dyn FnMut(Trigger<'_>),
    ) -> Result<NodeId, ApplyErrorKind> {
        let (parent_path, name) = path::split(new.path).ok_or(ApplyErrorKind::InvalidPath)?;
        let parent = self.arena.find(parent_path).ok_or(ApplyErrorKind::NoNode)?;
        if name.is_empty() {
            return Err(ApplyErrorKind::InvalidPath);
        }
        let kind = ephemeral_owner::kind(new.owner, &self.settings)
            .map_err(|unknown| ApplyErrorKind::UnknownOwner(unknown.0))?;
        if self.arena.child(parent, name).is_some() {
            return Err(ApplyErrorKind::NodeExists);
        }
        self.raise_cversion(parent, parent_path, new.parent_cversion, new.zxid);
        let acl = self.acls.acquire(new.acl);
        let id = self.arena.insert(parent, name, new.data, first_stat(new), acl);
        self.refresh_digest(id, new.path);
        self.data_size += path::utf16_len(new.path) as i64 + self.data_length(id);
        self.register_owner(id, kind);
        self.on_quota_node_created(parent_path, name);
        self.add_to_quota(new.path, new.data.map_or(0, <[u8]>::len) as i64, 1);
        let parent_acl = self.acls.list(self.arena.node(parent).acl());
        tell(Trigger { kind: EventKind::Created, path: new.path, zxid: new.zxid, acl: self.acls.list(acl) });
        tell(children_changed(parent_path, new.zxid, parent_acl));
        Ok(id)
    }

    /// Deletes a znode that has no children.
    ///
    /// The parent notes the deletion even when there is no such child.
    // zk: DataTree.deleteNode
    pub(crate) fn delete(
        &mut self,
        path: &str,
        zxid: Zxid,
        tell: &mut dyn FnMut(Trigger<'_>),
    ) -> Result<(), ApplyErrorKind> {
        let (parent_path, name) = path::split(path).ok_or(ApplyErrorKind::InvalidPath)?;
        let parent = self.arena.find(parent_path).ok_or(ApplyErrorKind::NoNode)?;
        let child = self.arena.child(parent, name);
        if child.is_some_and(|id| self.arena.node(id).child_count() > 0) {
            return Err(ApplyErrorKind::NotEmpty);
        }
        if zxid > self.arena.node(parent).stat().pzxid {
            self.arena.stat_mut(parent).pzxid = zxid;
            self.refresh_digest(parent, parent_path);
        }
        let id = child.ok_or(ApplyErrorKind::NoNode)?;
        let acl = self.acls.list(self.arena.node(id).acl()).clone();
        self.remove_leaf(id, path);
        let parent_acl = self.acls.list(self.arena.node(parent).acl());
        tell(Trigger { kind: EventKind::Deleted, path, zxid, acl: &acl });
        tell(children_changed(parent_path, zxid, parent_acl));
        Ok(())
    }

    /// Takes a leaf out of everything it is in.
    fn remove_leaf(&mut self, id: NodeId, path: &str) {
        let bytes = self.data_length(id);
        self.unregister_owner(id);
        self.acls.release(self.arena.node(id).acl());
        let digest = self.arena.set_digest(id, 0);
        self.digest = self.digest.wrapping_sub(i64::from(digest));
        self.data_size -= path::utf16_len(path) as i64 + bytes;
        self.arena.remove(id);
        if let Some((parent_path, name)) = path::split(path) {
            self.on_quota_node_deleted(parent_path, name);
        }
        self.add_to_quota(path, -bytes, -1);
    }

    /// Removes everything below a znode, as only the replay over a fuzzy snapshot needs it.
    pub(crate) fn remove_descendants(&mut self, path: &str) {
        let Some(top) = self.arena.find(path) else { return };
        let mut id = top;
        loop {
            match link(self.arena.node(id).walk_links().0) {
                Some(child) => id = child,
                None if id == top => return,
                None => {
                    let parent = self.arena.parent(id).unwrap_or(top);
                    let path = self.arena.path(id);
                    self.remove_leaf(id, &path);
                    id = parent;
                }
            }
        }
    }

    /// Replaces the data.
    // zk: DataTree.setData
    pub(crate) fn set_data(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        version: i32,
        (zxid, time_ms): (Zxid, i64),
        tell: &mut dyn FnMut(Trigger<'_>),
    ) -> Result<NodeId, ApplyErrorKind> {
        let id = self.arena.find(path).ok_or(ApplyErrorKind::NoNode)?;
        let added = data.map_or(0, <[u8]>::len) as i64 - self.data_length(id);
        self.arena.set_data(id, data);
        let stat = self.arena.stat_mut(id);
        stat.version = version;
        stat.mzxid = zxid;
        stat.mtime = time_ms;
        self.refresh_digest(id, path);
        self.data_size += added;
        self.add_to_quota(path, added, 0);
        let acl = self.acls.list(self.arena.node(id).acl());
        tell(Trigger { kind: EventKind::DataChanged, path, zxid, acl });
        Ok(id)
    }

    /// Replaces the ACL.
    // zk: DataTree.setACL
    pub(crate) fn set_acl(
        &mut self,
        path: &str,
        acl: Option<&[Acl]>,
        version: i32,
    ) -> Result<NodeId, ApplyErrorKind> {
        let id = self.arena.find(path).ok_or(ApplyErrorKind::NoNode)?;
        self.replace_acl(id, acl);
        self.arena.stat_mut(id).aversion = version;
        self.refresh_digest(id, path);
        Ok(id)
    }

    pub(crate) fn replace_acl(&mut self, id: NodeId, acl: Option<&[Acl]>) {
        let new = self.acls.acquire(acl);
        let old = self.arena.set_acl(id, new);
        self.acls.release(old);
    }

    /// Notes the creation of a child: both fields change only when the version grows.
    // zk: DataTree.createNode, DataTree.setCversionPzxid
    pub(crate) fn raise_cversion(&mut self, id: NodeId, path: &str, cversion: i32, zxid: Zxid) {
        let stored = self.arena.node(id).stat().cversion;
        let cversion = if cversion == -1 { stored.wrapping_add(1) } else { cversion };
        if cversion > stored {
            let stat = self.arena.stat_mut(id);
            stat.cversion = cversion;
            stat.pzxid = zxid;
            self.refresh_digest(id, path);
        }
    }

    pub(crate) fn open_session(&mut self, session: SessionId, timeout_ms: i32) {
        self.sessions.insert(session, timeout_ms);
    }

    /// Removes a session and returns the paths of its ephemeral znodes.
    pub(crate) fn close_session(&mut self, session: SessionId) -> Vec<String> {
        self.sessions.remove(&session);
        let nodes = self.ephemerals.remove(&session).unwrap_or_default();
        nodes.into_iter().map(|id| self.arena.path(id)).collect()
    }

    /// The whole of a transaction is applied.
    // zk: DataTree.processTxn: zxid and digest move once, at the end
    pub(crate) fn advance(&mut self, zxid: Zxid) {
        self.last_processed_zxid = self.last_processed_zxid.max(zxid);
    }

    pub(crate) fn record_digest(&mut self, zxid: Zxid) {
        self.history.record(ZxidDigest { zxid, digest: self.digest });
    }
}

// zk: DataTree.createStat
fn first_stat(new: &NewNode<'_>) -> StatPersisted {
    StatPersisted {
        czxid: new.zxid,
        mzxid: new.zxid,
        ctime: new.time_ms,
        mtime: new.time_ms,
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeral_owner: new.owner,
        pzxid: new.zxid,
    }
}

fn children_changed<'a>(parent: &'a str, zxid: Zxid, acl: &'a AclList) -> Trigger<'a> {
    Trigger { kind: EventKind::ChildrenChanged, path: path::shown(parent), zxid, acl }
}
