//! What follows from the znodes and is kept beside them: owners, sizes, quotas.

use jute::SessionId;

use super::{NodeId, State};
use crate::ephemeral_owner::OwnerKind;
use crate::path;
use crate::quota::{self, Stats};

impl State {
    /// Enters a new znode into the list that its kind asks for.
    pub(crate) fn register_owner(&mut self, id: NodeId, kind: OwnerKind) {
        match kind {
            OwnerKind::Persistent => {}
            OwnerKind::Container => {
                self.containers.insert(id);
            }
            OwnerKind::Ttl { .. } => {
                self.ttls.insert(id);
            }
            OwnerKind::Session => {
                let session = SessionId(self.arena.node(id).stat().ephemeral_owner);
                self.ephemerals.entry(session).or_default().insert(id);
            }
        }
    }

    /// Removes a znode from the list of its kind. A session keeps an empty list until it is closed.
    pub(crate) fn unregister_owner(&mut self, id: NodeId) {
        let session = SessionId(self.arena.node(id).stat().ephemeral_owner);
        if session == SessionId(0) {
            return;
        }
        self.containers.remove(&id);
        self.ttls.remove(&id);
        if let Some(nodes) = self.ephemerals.get_mut(&session) {
            nodes.remove(&id);
        }
    }

    pub(crate) fn data_length(&self, id: NodeId) -> i64 {
        self.arena.node(id).data().map_or(0, <[u8]>::len) as i64
    }

    /// The reference has the root under both of its names when it adds up the sizes of all znodes.
    // zk: DataTree.approximateDataSize
    pub(crate) fn count_root_twice(&mut self) {
        self.data_size += "/".len() as i64 + self.data_length(super::ROOT);
    }

    /// A znode below the quotas was created: registers limits, computes statistics.
    // zk: DataTree.createNode
    pub(super) fn on_quota_node_created(&mut self, parent: &str, name: &str) {
        let Some(limited) = parent.strip_prefix(path::QUOTA) else { return };
        if name == quota::LIMITS {
            self.quota_prefixes.add(limited);
        }
        if name == quota::STATS {
            self.recompute_quota_stats(limited);
        }
    }

    /// A znode below the quotas was deleted: limits no longer hold.
    // zk: DataTree.deleteNode
    // diverges(quota-limits-elsewhere): limits outside /zookeeper/quota, whose path the reference cuts at random or fails on, are left alone
    pub(super) fn on_quota_node_deleted(&mut self, parent: &str, name: &str) {
        if name == quota::LIMITS
            && let Some(limited) = parent.strip_prefix(path::QUOTA)
        {
            self.quota_prefixes.remove(limited);
        }
    }

    /// Adds to the statistics of the quota that a path falls under.
    // zk: DataTree.updateQuotaStat
    // diverges(quota-stats-unreadable): statistics that cannot be parsed are left as they are; the reference's server ends
    pub(super) fn add_to_quota(&mut self, path: &str, bytes: i64, count: i64) {
        let Some(prefix) = self.quota_prefix(path) else { return };
        let Some(id) = self.arena.find(&quota::stats_path(&prefix)) else { return };
        let Some(mut stats) = self.arena.node(id).data().and_then(Stats::parse) else { return };
        stats.set(quota::COUNT, stats.get(quota::COUNT).wrapping_add(count));
        stats.set(quota::BYTES, stats.get(quota::BYTES).wrapping_add(bytes));
        self.arena.set_data(id, Some(stats.format().as_bytes()));
    }

    /// Counts the znodes and bytes under a quota and writes them into its statistics, when these exist.
    // zk: DataTree.updateQuotaForPath
    pub(crate) fn recompute_quota_stats(&mut self, limited: &str) {
        let Some(stats_id) = self.arena.find(&quota::stats_path(limited)) else { return };
        let (mut count, mut bytes) = (0, 0);
        if let Some(top) = self.arena.find(limited) {
            for id in self.subtree(top) {
                count += 1;
                bytes += self.data_length(id);
            }
        }
        let stats = Stats::of_usage(count, bytes);
        self.arena.set_data(stats_id, Some(stats.format().as_bytes()));
    }

    /// Registers all limits and computes all statistics anew, after a snapshot was loaded.
    // zk: DataTree.setupQuota
    pub(crate) fn set_up_quotas(&mut self) {
        let Some(top) = self.arena.find(path::QUOTA) else { return };
        let limits = self.subtree(top).filter(|id| {
            let node = self.arena.node(*id);
            node.name() == quota::LIMITS && node.child_count() == 0
        });
        let limited: alloc::vec::Vec<_> = limits.map(|id| self.arena.path(id)).collect();
        for limits_path in limited {
            let Some((parent, _)) = path::split(&limits_path) else { continue };
            let Some(limited) = parent.strip_prefix(path::QUOTA) else { continue };
            self.recompute_quota_stats(limited);
            self.quota_prefixes.add(limited);
        }
    }
}
