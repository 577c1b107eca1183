//! The committed changes, and what each setWatches should tell.

use std::collections::{BTreeMap, BTreeSet};

use jute::Zxid;
use jute::data::Acl;
use tree::{EventKind, State};

use super::Heard;
use crate::client::allows;

/// One change that watchers may be told of.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) path: String,
    pub(super) kind: EventKind,
    /// Who may not read the znode is not told.
    pub(super) acl: Vec<Acl>,
}

/// What of a znode a watch that fires once is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Data,
    Children,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    by_zxid: BTreeMap<Zxid, Vec<Change>>,
    by_path: BTreeMap<String, Vec<(Zxid, usize)>>,
    catch_ups: BTreeMap<(usize, usize), BTreeSet<(i32, String)>>,
}

impl Changes {
    pub(super) fn add(&mut self, zxid: Zxid, change: Change) {
        let at = self.by_zxid.entry(zxid).or_default();
        self.by_path.entry(change.path.clone()).or_default().push((zxid, at.len()));
        at.push(change);
    }

    /// What setWatches should tell on a tree. Watches that stay are told of nothing that they missed (ZK-4655).
    // zk: DataTree.setWatches
    pub(super) fn expect_catch_up(&mut self, key: (usize, usize), state: &State, heard: &Heard) {
        let Heard::WatchesSet { set, .. } = heard else { return };
        let relative = set.relative_zxid;
        let mut expected = BTreeSet::new();
        for path in &set.data_watches {
            match state.node(path).map(|node| node.stat_persisted().mzxid) {
                None => expected.insert((EventKind::Deleted.code(), path.clone())),
                Some(changed) if changed > relative => {
                    expected.insert((EventKind::DataChanged.code(), path.clone()))
                }
                Some(_) => false,
            };
        }
        for path in set.exist_watches.iter().filter(|path| state.node(path).is_some()) {
            expected.insert((EventKind::Created.code(), path.clone()));
        }
        for path in &set.child_watches {
            match state.node(path).map(|node| node.stat_persisted().pzxid) {
                None => expected.insert((EventKind::Deleted.code(), path.clone())),
                Some(changed) if changed > relative => {
                    expected.insert((EventKind::ChildrenChanged.code(), path.clone()))
                }
                Some(_) => false,
            };
        }
        self.catch_ups.insert(key, expected);
    }

    /// What a setWatches should have told.
    pub(super) fn catch_up(&self, key: (usize, usize)) -> Option<&BTreeSet<(i32, String)>> {
        self.catch_ups.get(&key)
    }

    /// The first change behind a zxid that a watch is for, and whether the client may read of it.
    pub(super) fn first_behind(
        &self,
        table: Table,
        path: &str,
        since: Zxid,
        client: usize,
    ) -> Option<(Zxid, bool)> {
        let changes = self.by_path.get(path)?;
        let begin = changes.partition_point(|(zxid, _)| *zxid <= since);
        let (zxid, change) = changes
            .get(begin..)?
            .iter()
            .filter_map(|(zxid, index)| Some((*zxid, self.by_zxid.get(zxid)?.get(*index)?)))
            .find(|(_, change)| is_for(table, change.kind))?;
        Some((zxid, allows(&change.acl, jute::perms::READ, client)))
    }

    /// Whether a transaction made a change that an event may mean.
    pub(super) fn has(&self, path: &str, zxid: Zxid, kind: i32) -> bool {
        self.meant(path, zxid, kind).next().is_some()
    }

    /// How many such changes a client is told of: a multi may delete one path twice, under two ACLs.
    pub(super) fn times(&self, path: &str, zxid: Zxid, kind: i32, client: usize) -> usize {
        self.meant(path, zxid, kind).filter(|change| allows(&change.acl, jute::perms::READ, client)).count()
    }

    fn meant(&self, path: &str, zxid: Zxid, kind: i32) -> impl Iterator<Item = &Change> {
        let changes = self.by_zxid.get(&zxid).into_iter().flatten();
        changes.filter(move |change| change.path == path && change.kind.code() == kind)
    }

    /// All behind one zxid up to another.
    pub(super) fn between(&self, after: Zxid, up_to: Zxid) -> impl Iterator<Item = (Zxid, &Change)> {
        let range = (std::ops::Bound::Excluded(after), std::ops::Bound::Included(up_to.max(after)));
        let range = (after < up_to).then(|| self.by_zxid.range(range));
        range.into_iter().flatten().flat_map(|(zxid, changes)| changes.iter().map(|change| (*zxid, change)))
    }
}

fn is_for(table: Table, kind: EventKind) -> bool {
    match (table, kind) {
        (_, EventKind::Deleted) => true,
        (Table::Data, EventKind::Created | EventKind::DataChanged) => true,
        (Table::Children, EventKind::ChildrenChanged) => true,
        (Table::Data, EventKind::ChildrenChanged)
        | (Table::Children, EventKind::Created | EventKind::DataChanged) => false,
    }
}
