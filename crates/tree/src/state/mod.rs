//! The state and what is read from it.

mod arena;
mod bookkeeping;
mod change;
mod local;
mod node;
mod node_view;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use jute::data::StatPersisted;
use jute::{SessionId, Zxid};

pub(crate) use arena::{Arena, link};
pub(crate) use change::NewNode;
pub(crate) use node::{Node, NodeId, PayloadShape, ROOT};
pub use node_view::{Children, NodeView};

use crate::acl::{AclTable, OPEN};
use crate::digest::{History, ZxidDigest};
use crate::path;
use crate::quota::Prefixes;

/// What decides how the state behaves; equal on all servers of an ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateSettings {
    /// The digest is kept and compared (`zookeeper.digest.enabled`).
    pub digest_enabled: bool,
    /// Owners with a high byte of ones mean extended kinds (`zookeeper.extendedTypesEnabled`).
    pub extended_types_enabled: bool,
    /// Negative owners mean TTL, as in 3.5.3 (`zookeeper.emulate353TTLNodes`).
    pub emulate_353_ttl: bool,
}

impl Default for StateSettings {
    fn default() -> Self {
        Self { digest_enabled: true, extended_types_enabled: false, emulate_353_ttl: false }
    }
}

/// The replicated state: znodes, sessions and what follows from them.
///
/// * It changes by [`Self::apply`] only, other than by the few methods that say that they change it locally.
/// * Two states that applied the same transactions are equal in everything that a client can see, the order of children
///   included, and in the digest.
#[derive(Debug)]
pub struct State {
    settings: StateSettings,
    arena: Arena,
    acls: AclTable,
    sessions: BTreeMap<SessionId, i32>,
    ephemerals: BTreeMap<SessionId, BTreeSet<NodeId>>,
    containers: BTreeSet<NodeId>,
    ttls: BTreeSet<NodeId>,
    quota_prefixes: Prefixes,
    last_processed_zxid: Zxid,
    digest: i64,
    history: History,
    data_size: i64,
}

impl State {
    /// The state of a server without any data: the root and the server's own nodes.
    // zk: DataTree.DataTree
    pub fn new(settings: StateSettings) -> Self {
        let mut state = Self::with_root_only(settings);
        let stat = StatPersisted::default();
        let server = state.add_plain(ROOT, "zookeeper", stat, None);
        state.add_plain(server, "quota", stat, None);
        state.add_config_node();
        let paths = [path::ZOOKEEPER, path::QUOTA, path::CONFIG];
        state.data_size = paths.iter().map(|path| path.len() as i64).sum();
        state.count_root_twice();
        state
    }

    /// A state with nothing but the root, whose stat is all zeros.
    pub(crate) fn with_root_only(settings: StateSettings) -> Self {
        let mut state = Self {
            settings,
            arena: Arena::new(StatPersisted::default(), OPEN),
            acls: AclTable::new(),
            sessions: BTreeMap::new(),
            ephemerals: BTreeMap::new(),
            containers: BTreeSet::new(),
            ttls: BTreeSet::new(),
            quota_prefixes: Prefixes::default(),
            last_processed_zxid: Zxid::ZERO,
            digest: 0,
            history: History::default(),
            data_size: 0,
        };
        state.refresh_digest(ROOT, "");
        state
    }

    /// The settings given at the beginning.
    pub fn settings(&self) -> &StateSettings {
        &self.settings
    }

    /// The last transaction that was applied.
    pub fn last_processed_zxid(&self) -> Zxid {
        self.last_processed_zxid
    }

    /// Sets the last zxid locally: to the start of a new leader's epoch, or to -1 when data may be missing.
    // zk: ZKDatabase.setlastProcessedZxid
    pub fn set_last_processed_zxid(&mut self, zxid: Zxid) {
        self.last_processed_zxid = zxid;
    }

    /// The digest of the tree; zero when digests are off.
    pub fn digest(&self) -> i64 {
        self.digest
    }

    /// Digests of past transactions, the oldest first.
    pub fn digest_history(&self) -> impl Iterator<Item = &ZxidDigest> {
        self.history.entries()
    }

    /// The digest after the last transaction outside fuzzy windows, as a snapshot stores it.
    pub fn last_digest(&self) -> Option<ZxidDigest> {
        self.history.last()
    }

    /// Number of znodes as the reference counts them: the root twice.
    // zk: DataTree.getNodeCount
    pub fn node_count(&self) -> usize {
        self.arena.count() + 1
    }

    /// Size of all paths and data as the reference adds it up.
    // zk: DataTree.cachedApproximateDataSize
    pub fn approximate_data_size(&self) -> i64 {
        self.data_size
    }

    /// Number of distinct ACLs, the open one aside.
    pub fn acl_count(&self) -> usize {
        self.acls.len()
    }

    /// The znode with this path; the root is "/" or "".
    pub fn node(&self, path: &str) -> Option<NodeView<'_>> {
        self.arena.find(path).map(|id| NodeView::new(self, id))
    }

    /// All sessions with their timeouts in milliseconds.
    pub fn sessions(&self) -> impl ExactSizeIterator<Item = (SessionId, i32)> {
        self.sessions.iter().map(|(id, timeout_ms)| (*id, *timeout_ms))
    }

    /// The timeout of a session in milliseconds.
    pub fn session_timeout(&self, session: SessionId) -> Option<i32> {
        self.sessions.get(&session).copied()
    }

    /// Number of ephemeral znodes.
    // zk: DataTree.getEphemeralsCount
    pub fn ephemerals_count(&self) -> usize {
        self.ephemerals.values().map(BTreeSet::len).sum()
    }

    /// Paths of a session's ephemeral znodes.
    pub fn ephemerals(&self, session: SessionId) -> impl Iterator<Item = String> {
        self.ephemerals.get(&session).into_iter().flatten().map(|id| self.arena.path(*id))
    }

    /// Paths of a session's ephemeral znodes that begin with a prefix; a blank one and "/" mean all.
    // zk: FinalRequestProcessor: getEphemerals
    pub fn ephemerals_with_prefix(&self, session: SessionId, prefix: &str) -> impl Iterator<Item = String> {
        let is_all = matches!(prefix.trim_matches(|c| c <= ' '), "" | "/");
        self.ephemerals(session).filter(move |path| is_all || path.starts_with(prefix))
    }

    /// Sessions that have, or had until now, ephemeral znodes.
    // zk: DataTree.getSessions
    pub fn sessions_with_ephemerals(&self) -> impl ExactSizeIterator<Item = SessionId> {
        self.ephemerals.keys().copied()
    }

    /// Sessions that own ephemeral znodes and are not in the table of sessions.
    pub fn orphaned_sessions(&self) -> impl Iterator<Item = SessionId> {
        let owners = self.ephemerals.iter().filter(|(_, nodes)| !nodes.is_empty());
        owners.map(|(session, _)| *session).filter(|session| !self.sessions.contains_key(session))
    }

    /// All containers.
    pub fn containers(&self) -> impl ExactSizeIterator<Item = NodeView<'_>> {
        self.containers.iter().map(|id| NodeView::new(self, *id))
    }

    /// All znodes with a time to live.
    pub fn ttls(&self) -> impl ExactSizeIterator<Item = NodeView<'_>> {
        self.ttls.iter().map(|id| NodeView::new(self, *id))
    }

    /// Number of znodes below this path, as the reference counts them.
    // zk: DataTree.getAllChildrenNumber
    pub fn all_children_number(&self, path: &str) -> usize {
        match path {
            "/" => self.node_count() - 2,
            "" => self.node_count() - 1,
            _ => self.arena.find(path).map_or(0, |id| self.subtree(id).count() - 1),
        }
    }

    /// The longest path with a quota that this path equals or lies below.
    // zk: DataTree.getMaxPrefixWithQuota
    pub fn quota_prefix(&self, path: &str) -> Option<String> {
        self.quota_prefixes.longest(path)
    }

    /// All paths with quotas.
    pub fn quota_paths(&self) -> impl Iterator<Item = &str> {
        self.quota_prefixes.iter()
    }

    pub(crate) fn arena(&self) -> &Arena {
        &self.arena
    }

    pub(crate) fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }

    pub(crate) fn acl_table(&self) -> &AclTable {
        &self.acls
    }

    pub(crate) fn acl_table_mut(&mut self) -> &mut AclTable {
        &mut self.acls
    }

    /// A znode and all below it, parents first.
    pub(crate) fn subtree(&self, top: NodeId) -> impl Iterator<Item = NodeId> {
        core::iter::successors(Some(top), move |id| self.arena.next_in_subtree(top, *id))
    }
}
