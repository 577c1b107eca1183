//! What clients were told of changes, held against the changes that were committed.
//!
//! * W1, W4: no reply shows a zxid at or above a watched change before the event of that change.
//! * W2, W3: events come in the order of zxids, each for a change at its zxid, to one who watched.
//! * W4 after a reconnect: setWatches tells exactly what the rule of the reference does.

use std::collections::{BTreeMap, BTreeSet};

use jute::{ErrorCode, Zxid};
use pipeline::request::Request;
use tree::{EventKind, State};

use super::{Failure, Heard, History};

/// The committed changes by path, and what each setWatches should tell.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    by_path: BTreeMap<String, Vec<(Zxid, EventKind)>>,
    catch_ups: BTreeMap<(usize, usize), BTreeSet<(i32, String)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Data,
    Children,
}

impl Changes {
    pub(crate) fn add(&mut self, path: &str, kind: EventKind, zxid: Zxid) {
        self.by_path.entry(path.to_owned()).or_default().push((zxid, kind));
    }

    /// What setWatches should tell on a tree.
    // zk: DataTree.setWatches
    pub(crate) fn expect_catch_up(&mut self, key: (usize, usize), state: &State, set: &Heard) {
        let Heard::WatchesSet { relative, data, exist, children, .. } = set else { return };
        let mut expected = BTreeSet::new();
        for path in data {
            match state.node(path).map(|node| node.stat_persisted().mzxid) {
                None => expected.insert((EventKind::Deleted.code(), path.clone())),
                Some(changed) if changed > *relative => {
                    expected.insert((EventKind::DataChanged.code(), path.clone()))
                }
                Some(_) => false,
            };
        }
        for path in exist {
            if state.node(path).is_some() {
                expected.insert((EventKind::Created.code(), path.clone()));
            }
        }
        for path in children {
            match state.node(path).map(|node| node.stat_persisted().pzxid) {
                None => expected.insert((EventKind::Deleted.code(), path.clone())),
                Some(changed) if changed > *relative => {
                    expected.insert((EventKind::ChildrenChanged.code(), path.clone()))
                }
                Some(_) => false,
            };
        }
        self.catch_ups.insert(key, expected);
    }

    /// The first change behind a zxid that a watch is for.
    fn first_behind(&self, table: Table, path: &str, since: Zxid) -> Option<Zxid> {
        let is_meant = |kind: EventKind| match (table, kind) {
            (_, EventKind::Deleted) => true,
            (Table::Data, EventKind::Created | EventKind::DataChanged) => true,
            (Table::Children, EventKind::ChildrenChanged) => true,
            (Table::Data, EventKind::ChildrenChanged)
            | (Table::Children, EventKind::Created | EventKind::DataChanged) => false,
        };
        let changes = self.by_path.get(path)?;
        changes.iter().find(|(zxid, kind)| *zxid > since && is_meant(*kind)).map(|(zxid, _)| *zxid)
    }

    fn has(&self, path: &str, zxid: Zxid, kind: i32) -> bool {
        let changes = self.by_path.get(path).map(Vec::as_slice).unwrap_or_default();
        changes.iter().any(|(at, what)| *at == zxid && what.code() == kind)
    }
}

/// Checks what every client heard.
pub(crate) fn check(history: &History, changes: &Changes) -> Result<(), Failure> {
    for (client, heard) in history.heard() {
        let mut watcher =
            Watcher { client, changes, due: BTreeMap::new(), caught_up: BTreeSet::new(), last: Zxid::ZERO };
        for (index, item) in heard.iter().enumerate() {
            watcher.hear(history, index, item)?;
        }
    }
    Ok(())
}

/// One client's connection.
struct Watcher<'a> {
    client: usize,
    changes: &'a Changes,
    /// What is watched, with the first change that must be told.
    due: BTreeMap<(Table, String), Option<Zxid>>,
    caught_up: BTreeSet<(i32, String)>,
    last: Zxid,
}

impl Watcher<'_> {
    fn hear(&mut self, history: &History, index: usize, item: &Heard) -> Result<(), Failure> {
        match item {
            Heard::Connected | Heard::Lost => {
                self.due.clear();
                self.caught_up.clear();
                self.last = Zxid::ZERO;
                Ok(())
            }
            Heard::Pong { zxid } => self.sees(*zxid),
            Heard::Event { kind, path, zxid } if zxid.0 <= 0 => {
                self.caught_up.insert((*kind, path.clone()));
                self.forget(*kind, path);
                Ok(())
            }
            Heard::Event { kind, path, zxid } => self.told(*kind, path, *zxid),
            Heard::WatchesSet { zxid, data, exist, children, .. } => {
                self.sees(*zxid)?;
                self.compare_catch_up(index)?;
                for path in data.iter().chain(exist) {
                    self.watch_unless_told(Table::Data, path, *zxid);
                }
                for path in children {
                    self.watch_unless_told(Table::Children, path, *zxid);
                }
                Ok(())
            }
            Heard::Reply { op } => {
                let Some(op) = history.op(*op) else { return Ok(()) };
                let Some(returned) = &op.returned else { return Ok(()) };
                self.sees(returned.zxid)?;
                if let Some((table, path)) = registered(&op.asked.request, returned.err) {
                    let first = self.changes.first_behind(table, path, returned.zxid);
                    self.due.entry((table, path.to_owned())).or_insert(first);
                }
                Ok(())
            }
        }
    }

    /// Something shows the state at a zxid: all events up to there were told.
    fn sees(&mut self, zxid: Zxid) -> Result<(), Failure> {
        let late = self.due.iter().find(|(_, first)| first.is_some_and(|first| first <= zxid));
        if let Some(((table, path), first)) = late {
            let what = format!(
                "client {} saw {zxid} and was not told of {path} ({table:?}), which changed at {first:?}",
                self.client
            );
            return Err(Failure::new("W1", what));
        }
        Ok(())
    }

    fn told(&mut self, kind: i32, path: &str, zxid: Zxid) -> Result<(), Failure> {
        if !self.changes.has(path, zxid, kind) {
            let what = format!(
                "client {} was told of {path} (event {kind}) at {zxid}, where it did not change",
                self.client
            );
            return Err(Failure::new("W3", what));
        }
        if zxid < self.last {
            let what = format!("client {} was told of {zxid} behind {}", self.client, self.last);
            return Err(Failure::new("W2", what));
        }
        self.last = zxid;
        if !self.forget(kind, path) {
            let what = format!(
                "client {} was told of {path} (event {kind}) at {zxid} and did not watch it",
                self.client
            );
            return Err(Failure::new("W3", what));
        }
        self.sees(Zxid(zxid.0 - 1))
    }

    fn forget(&mut self, kind: i32, path: &str) -> bool {
        let had_data = kind != EventKind::ChildrenChanged.code()
            && self.due.remove(&(Table::Data, path.to_owned())).is_some();
        let ends_children = kind == EventKind::ChildrenChanged.code() || kind == EventKind::Deleted.code();
        let had_children = ends_children && self.due.remove(&(Table::Children, path.to_owned())).is_some();
        had_data || had_children
    }

    fn compare_catch_up(&mut self, index: usize) -> Result<(), Failure> {
        let told = std::mem::take(&mut self.caught_up);
        let expected = self.changes.catch_ups.get(&(self.client, index));
        if expected.is_none_or(|expected| *expected == told) {
            self.caught_up = told;
            return Ok(());
        }
        let what =
            format!("client {} set its watches again and was told {told:?}, not {expected:?}", self.client);
        Err(Failure::new("W4", what))
    }

    fn watch_unless_told(&mut self, table: Table, path: &str, since: Zxid) {
        let is_told = self.caught_up.iter().any(|(kind, told)| {
            let is_children = *kind == EventKind::ChildrenChanged.code();
            let is_deleted = *kind == EventKind::Deleted.code();
            told == path && (is_deleted || is_children == (table == Table::Children))
        });
        if !is_told {
            let first = self.changes.first_behind(table, path, since);
            self.due.entry((table, path.to_owned())).or_insert(first);
        }
    }
}

/// The watch that a reply leaves.
fn registered(request: &Request, err: i32) -> Option<(Table, &str)> {
    const OK: i32 = ErrorCode::Ok.code();
    const NO_NODE: i32 = ErrorCode::NoNode.code();
    match (request, err) {
        (Request::GetData(asked), OK) if asked.watch => Some((Table::Data, &asked.path)),
        (Request::Exists(asked), OK | NO_NODE) if asked.watch => Some((Table::Data, &asked.path)),
        (Request::GetChildren2(asked), OK) if asked.watch => Some((Table::Children, &asked.path)),
        _ => None,
    }
}
