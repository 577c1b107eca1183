//! What is prepared but not yet applied, on top of the applied state.
//!
//! * A record holds a znode exactly as applying will leave it, the digest included.
//! * A record leaves when a step sees that the state has reached its zxid, never earlier.
//! * Preparing reads znodes only through [`View`]; so steps of a batch and the same steps one by one decide the same.
// zk: ZooKeeperServer.outstandingChanges, outstandingChangesForPath

mod usage;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use hashbrown::HashMap;
use hashbrown::hash_map::{Entry, EntryRef};
use jute::data::{Acl, StatPersisted};
use jute::{SessionId, Zxid};
use tree::{NodeView, State, digest};

pub use usage::{Usage, data_len};

/// Records for which there is always room; a multi may take more for a while.
const RECORDS_KEPT: usize = 4096;

/// A znode as it will be.
#[derive(Debug, Clone)]
pub struct Node {
    /// The stat as it is stored.
    pub stat: StatPersisted,
    /// Number of children.
    pub child_count: usize,
    /// Who may do what.
    pub acl: Arc<[Acl]>,
    /// The data.
    pub data: Data,
}

/// Data of a znode under change.
#[derive(Debug, Clone)]
pub enum Data {
    /// What the state has; no transaction under way changes it.
    Applied,
    /// What a transaction under way writes; null and empty differ.
    New(Option<Bytes>),
}

/// A znode that was looked for.
#[derive(Debug)]
pub struct Seen<'s> {
    /// As it will be.
    pub node: Node,
    /// The same as it is in the state; nothing when a transaction under way changes it.
    pub applied: Option<NodeView<'s>>,
}

/// What transactions under way change.
///
/// * `log` is in the order of zxids and holds what each change replaced, so that a failed multi leaves no trace.
/// * `tree_digest` is the digest after the last change of `log`, `None` exactly when that is empty.
/// * `ephemeral_bytes` counts for each session in it all its ephemerals, applied or not.
#[derive(Debug, Default)]
pub struct ChangesInFlight {
    records: HashMap<Arc<str>, Record>,
    log: VecDeque<Logged>,
    tree_digest: Option<i64>,
    ephemeral_bytes: BTreeMap<SessionId, usize>,
}

/// The applied state with the changes on top.
#[derive(Clone, Copy)]
pub struct View<'c, 's> {
    changes: &'c ChangesInFlight,
    state: &'s State,
    /// The transaction whose changes are not looked at.
    without: Option<Zxid>,
}

#[derive(Debug, Clone)]
struct Record {
    zxid: Zxid,
    /// `None` when the znode is deleted.
    node: Option<Arc<Node>>,
    node_digest: i64,
    before: Before,
}

/// The znode before the first change by the transaction of a record.
#[derive(Debug, Clone)]
enum Before {
    /// As it is applied.
    Applied,
    /// As an earlier transaction under way leaves it.
    Changed(Option<Arc<Node>>),
}

#[derive(Debug)]
struct Logged {
    zxid: Zxid,
    path: Arc<str>,
    replaced: Option<Record>,
    /// Owner of the znode before.
    owner_before: i64,
    digest_before: i64,
}

impl ChangesInFlight {
    /// The state as it will be.
    pub fn view<'c, 's>(&'c self, state: &'s State) -> View<'c, 's> {
        View { changes: self, state, without: None }
    }

    /// Forgets what the state has reached.
    // zk: ZooKeeperServer.processTxn
    pub fn retire(&mut self, applied: Zxid) {
        while self.log.front().is_some_and(|entry| entry.zxid <= applied) {
            let Some(entry) = self.log.pop_front() else { break };
            if let Entry::Occupied(record) = self.records.entry(entry.path)
                && record.get().zxid == entry.zxid
            {
                record.remove();
            }
        }
        if self.log.is_empty() {
            self.tree_digest = None;
            self.records.shrink_to(RECORDS_KEPT);
        }
    }

    /// Records that the transaction leaves the znode so, or deletes it.
    pub fn put(&mut self, state: &State, zxid: Zxid, path: &str, node: Option<Node>) {
        self.put_over(state, zxid, path, || state.node(canonical(path)), node);
    }

    /// The same for who has looked at the znode before: `applied` is as it is in the state.
    pub fn put_over<'s>(
        &mut self,
        state: &'s State,
        zxid: Zxid,
        path: &str,
        applied: impl FnOnce() -> Option<NodeView<'s>>,
        node: Option<Node>,
    ) {
        let path = canonical(path);
        let before = self.view(state);
        let digest_before = before.tree_digest();
        let new_digest = node.as_ref().map_or(0, |node| before.digest_of(path, node));
        let owner_after = owner_of(node.as_ref());
        let record = |before| Record { zxid, node: node.map(Arc::new), node_digest: new_digest, before };

        let (key, owner_before, old_digest, replaced) = match self.records.entry_ref(path) {
            EntryRef::Occupied(mut entry) => {
                let earlier = entry.get();
                let owner = owner_of(earlier.node.as_deref());
                let before = match earlier.zxid == zxid {
                    true => earlier.before.clone(),
                    false => Before::Changed(earlier.node.clone()),
                };
                let replaced = entry.insert(record(before));
                (Arc::clone(entry.key()), owner, replaced.node_digest, Some(replaced))
            }
            EntryRef::Vacant(entry) => {
                let (owner, digest) =
                    applied().map_or((0, 0), |node| (node.stat_persisted().ephemeral_owner, node.digest()));
                let key: Arc<str> = path.into();
                entry.insert_with_key(Arc::clone(&key), record(Before::Applied));
                (key, owner, digest, None)
            }
        };
        self.account(path, owner_before, owner_after);
        self.log.push_back(Logged { zxid, path: key, replaced, owner_before, digest_before });
        self.tree_digest = Some(digest_before.wrapping_sub(old_digest).wrapping_add(new_digest));
    }

    /// Undoes all that this transaction, the last one, recorded.
    // zk: PrepRequestProcessor.rollbackPendingChanges
    pub fn roll_back(&mut self, zxid: Zxid) {
        while self.log.back().is_some_and(|entry| entry.zxid == zxid) {
            let Some(entry) = self.log.pop_back() else { break };
            let Logged { path, replaced, owner_before, digest_before, .. } = entry;
            let undone = match replaced {
                Some(record) => self.records.insert(Arc::clone(&path), record),
                None => self.records.remove(&path),
            };
            let owner_after = owner_of(undone.as_ref().and_then(|record| record.node.as_deref()));
            self.account(&path, owner_after, owner_before);
            self.tree_digest = Some(digest_before);
        }
        if self.log.is_empty() {
            self.tree_digest = None;
        }
    }

    /// Number of changes under way.
    pub fn len(&self) -> usize {
        self.log.len()
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Bytes that the ephemerals of a session take in the transaction that closes it.
    pub fn ephemeral_bytes(&mut self, state: &State, session: SessionId) -> usize {
        if let Some(bytes) = self.ephemeral_bytes.get(&session) {
            return *bytes;
        }
        let bytes = self.view(state).ephemerals(session).iter().map(|path| listed_bytes(path)).sum();
        self.ephemeral_bytes.insert(session, bytes);
        bytes
    }

    /// Forgets the count of a session that ends.
    pub fn forget_session(&mut self, session: SessionId) {
        self.ephemeral_bytes.remove(&session);
    }

    fn account(&mut self, path: &str, before: i64, after: i64) {
        if before == after {
            return;
        }
        if let Some(bytes) = self.ephemeral_bytes.get_mut(&SessionId(before)) {
            *bytes = bytes.saturating_sub(listed_bytes(path));
        }
        if let Some(bytes) = self.ephemeral_bytes.get_mut(&SessionId(after)) {
            *bytes += listed_bytes(path);
        }
    }
}

impl<'c, 's> View<'c, 's> {
    /// The znodes as they were before this transaction, the last one; digest, ephemerals and usage stay.
    pub fn before(self, zxid: Zxid) -> Self {
        Self { without: Some(zxid), ..self }
    }

    fn record(&self, path: &str) -> Option<&'c Option<Arc<Node>>> {
        let record = self.changes.records.get(path)?;
        match &record.before {
            _ if self.without != Some(record.zxid) => Some(&record.node),
            Before::Changed(node) => Some(node),
            Before::Applied => None,
        }
    }

    /// The znode, if there will be one.
    pub fn node(&self, path: &str) -> Option<Node> {
        self.look(path).map(|seen| seen.node)
    }

    /// The same with what it is now, for who goes on with both.
    pub fn look(&self, path: &str) -> Option<Seen<'s>> {
        let path = canonical(path);
        if let Some(node) = self.record(path) {
            return node.as_deref().map(|node| Seen { node: node.clone(), applied: None });
        }
        let applied = self.state.node(path)?;
        let node = Node {
            stat: *applied.stat_persisted(),
            child_count: applied.child_count(),
            acl: Arc::clone(applied.acl_arc()),
            data: Data::Applied,
        };
        Some(Seen { node, applied: Some(applied) })
    }

    /// Whether there will be a znode.
    pub fn exists(&self, path: &str) -> bool {
        let path = canonical(path);
        match self.record(path) {
            Some(node) => node.is_some(),
            None => self.state.node(path).is_some(),
        }
    }

    /// The digest of the tree after all changes.
    // zk: PrepRequestProcessor.getCurrentTreeDigest
    pub fn tree_digest(&self) -> i64 {
        self.changes.tree_digest.unwrap_or_else(|| self.state.digest())
    }

    /// Paths of the ephemerals that the session will have, in order.
    pub fn ephemerals(&self, session: SessionId) -> BTreeSet<String> {
        let mut paths: BTreeSet<String> = self.state.ephemerals(session).collect();
        for (path, record) in &self.changes.records {
            match &record.node {
                Some(node) if node.stat.ephemeral_owner == session.0 => paths.insert(String::from(&**path)),
                Some(_) | None => paths.remove(&**path),
            };
        }
        paths
    }

    /// Number of znodes and bytes of data at and below a path.
    pub fn usage(&self, prefix: &str) -> Usage {
        let mut usage = Usage::default();
        let mut waiting = Vec::from([String::from(prefix)]);
        while let Some(path) = waiting.pop() {
            if let Some(node) = self.state.node(&path) {
                usage.add(node.data());
                waiting.extend(node.children().map(|name| alloc::format!("{path}/{name}")));
            }
        }
        for (path, record) in &self.changes.records {
            if is_at_or_below(path, prefix) {
                if let Some(applied) = self.state.node(path) {
                    usage.take_away(applied.data());
                }
                if let Some(node) = &record.node {
                    usage.add(self.data(path, node));
                }
            }
        }
        usage
    }

    /// The data of a znode that came from this view, or is about to be put on top of it.
    pub fn data<'n>(&self, path: &str, node: &'n Node) -> Option<&'n [u8]>
    where
        's: 'n,
    {
        match &node.data {
            Data::New(data) => data.as_deref(),
            Data::Applied => self.state.node(path)?.data(),
        }
    }

    fn digest_of(&self, path: &str, node: &Node) -> i64 {
        match self.state.settings().digest_enabled {
            true => digest::of_node(path, self.data(path, node), &node.stat),
            false => 0,
        }
    }
}

/// Bytes that a path takes in a list of paths.
pub fn listed_bytes(path: &str) -> usize {
    size_of::<i32>() + path.len()
}

/// The root has two names; one is enough for the records.
fn canonical(path: &str) -> &str {
    if path == "/" { "" } else { path }
}

fn is_at_or_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn owner_of(node: Option<&Node>) -> i64 {
    node.map_or(0, |node| node.stat.ephemeral_owner)
}
