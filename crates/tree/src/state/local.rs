//! Changes that no transaction makes: the server's own nodes, and what a snapshot holds.

use jute::Zxid;
use jute::data::StatPersisted;

use super::{NodeId, State};
use crate::acl::AclId;
use crate::{digest, path};

impl State {
    /// Sets the configuration node locally, and adds it when a snapshot of an old release lacks it.
    // zk: ZKDatabase.initConfigInZKDatabase
    pub fn set_config(&mut self, text: &[u8], version: Zxid, time_ms: i64) {
        self.arena.forget_old_values();
        if self.arena.find(path::CONFIG).is_none() {
            self.add_config_node();
        }
        let Some(id) = self.arena.find(path::CONFIG) else { return };
        let added = text.len() as i64 - self.data_length(id);
        self.arena.set_data(id, Some(text));
        let stat = self.arena.stat_mut(id);
        stat.version = -1;
        stat.mzxid = version;
        stat.mtime = time_ms;
        self.data_size += added;
    }

    /// Adds the configuration node, when the node above it is there.
    // zk: DataTree.addConfigNode
    pub(super) fn add_config_node(&mut self) {
        if let Some(server) = self.arena.find(path::ZOOKEEPER) {
            let stat = StatPersisted { aversion: -1, ..StatPersisted::default() };
            self.add_plain(server, "config", stat, Some(&crate::acl::read_only()));
        }
    }

    pub(super) fn add_plain(
        &mut self,
        parent: NodeId,
        name: &str,
        stat: StatPersisted,
        acl: Option<&[jute::data::Acl]>,
    ) -> NodeId {
        let acl = self.acls.acquire(acl);
        let id = self.arena.insert(parent, name, Some(&[]), stat, acl);
        let path = self.arena.path(id);
        self.refresh_digest(id, &path);
        id
    }

    /// Gives a znode what a snapshot says about it; the snapshot's user of the new ACL was already counted.
    pub(crate) fn restore(&mut self, id: NodeId, path: &str, node: &jute::snapshot::DataNode, acl: AclId) {
        self.data_size -= self.data_length(id);
        self.arena.set_data(id, node.data.as_deref());
        self.data_size += self.data_length(id);
        *self.arena.stat_mut(id) = node.stat;
        let old = self.arena.set_acl(id, acl);
        self.acls.release(old);
        self.refresh_digest(id, path);
    }

    /// Adds a znode of a snapshot; its user of the ACL was already counted.
    pub(crate) fn restore_new(
        &mut self,
        (parent, name): (NodeId, &str),
        path: &str,
        node: &jute::snapshot::DataNode,
        acl: AclId,
    ) -> NodeId {
        let id = self.arena.insert(parent, name, node.data.as_deref(), node.stat, acl);
        self.data_size += path::utf16_len(path) as i64 + self.data_length(id);
        self.refresh_digest(id, path);
        id
    }

    /// Computes the znode's part of the digest anew.
    pub(crate) fn refresh_digest(&mut self, id: NodeId, path: &str) {
        if !self.settings.digest_enabled || digest::is_excluded(path) {
            return;
        }
        let node = self.arena.node(id);
        let new = digest::checksum(path, node.data(), node.stat());
        let old = self.arena.set_digest(id, new);
        self.digest = self.digest.wrapping_add(i64::from(new)).wrapping_sub(i64::from(old));
    }
}
