//! What clients were told of changes, held against the changes that were committed.
//!
//! * W1, W4: no reply shows a zxid at or above a watched change before the event of that change.
//! * W2, W3: events come in the order of zxids, each for a change at its zxid, to one who watched.
//! * W4 after a reconnect: setWatches tells exactly what the rule of the reference does.
//! * W5: who may not read a znode is not told of it; a watch that fires once is used up all the same.

use std::collections::{BTreeMap, BTreeSet};

use jute::{ErrorCode, Zxid};
use pipeline::request::Request;
use tree::EventKind;

use super::changes::{Changes, Table};
use super::standing::Standing;
use super::{Failure, Heard, History, Op};

/// Checks what every client heard.
pub(crate) fn check(history: &History, changes: &Changes) -> Result<(), Failure> {
    for (client, heard) in history.heard() {
        let mut watcher = Watcher {
            client,
            changes,
            due: BTreeMap::new(),
            standing: Standing::default(),
            caught_up: BTreeSet::new(),
            last: Zxid::ZERO,
        };
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
    /// What is watched once, with the first change behind and whether it must be told.
    due: BTreeMap<(Table, String), Option<(Zxid, bool)>>,
    standing: Standing,
    caught_up: BTreeSet<(i32, String)>,
    last: Zxid,
}

impl Watcher<'_> {
    fn hear(&mut self, history: &History, index: usize, item: &Heard) -> Result<(), Failure> {
        match item {
            Heard::Connected | Heard::Lost => {
                self.due.clear();
                self.standing = Standing::default();
                self.caught_up.clear();
                self.last = Zxid::ZERO;
                Ok(())
            }
            Heard::Pong { zxid } => self.sees(*zxid),
            Heard::Event { kind, path, zxid } if zxid.0 <= 0 => {
                self.caught_up.insert((*kind, path.clone()));
                self.forget(*kind, path, Zxid::ZERO);
                Ok(())
            }
            Heard::Event { kind, path, zxid } => self.told(*kind, path, *zxid),
            Heard::WatchesSet { zxid, set } => {
                self.sees(*zxid)?;
                self.compare_catch_up(index)?;
                // What is told of one watch of a path leaves another one.
                for path in &set.data_watches {
                    let told = [EventKind::Deleted, EventKind::DataChanged];
                    self.watch_unless_told(Table::Data, path, *zxid, told);
                }
                for path in &set.exist_watches {
                    self.watch_unless_told(Table::Data, path, *zxid, [EventKind::Created; 2]);
                }
                for path in &set.child_watches {
                    let told = [EventKind::Deleted, EventKind::ChildrenChanged];
                    self.watch_unless_told(Table::Children, path, *zxid, told);
                }
                set.persistent_watches.iter().for_each(|path| self.standing.watch(path, false, *zxid));
                let recursive = &set.persistent_recursive_watches;
                recursive.iter().for_each(|path| self.standing.watch(path, true, *zxid));
                Ok(())
            }
            Heard::Reply { op } => history.op(*op).map_or(Ok(()), |op| self.replied(op)),
        }
    }

    fn replied(&mut self, op: &Op) -> Result<(), Failure> {
        const OK: i32 = ErrorCode::Ok.code();
        let Some(returned) = &op.returned else { return Ok(()) };
        self.sees(returned.zxid)?;
        match (&op.asked.request, returned.err) {
            (Request::AddWatch(asked), OK) => {
                self.standing.watch(&asked.path, asked.mode == 1, returned.zxid);
            }
            (Request::RemoveWatches(asked), err) => {
                let had = self.remove(&asked.path, asked.watcher_type, returned.zxid);
                if had != (err == OK) {
                    let what = format!(
                        "client {} xid {} removes watches of {} (type {}), is told {err}, and had some: {had}",
                        self.client, op.xid, asked.path, asked.watcher_type
                    );
                    return Err(Failure::new("W3", what));
                }
            }
            (request, err) => {
                if let Some((table, path)) = registered(request, err) {
                    self.watch_once(table, path, returned.zxid);
                }
            }
        }
        Ok(())
    }

    fn watch_once(&mut self, table: Table, path: &str, since: Zxid) {
        let key = (table, path.to_owned());
        let is_there = self.due.get(&key).is_some_and(|first| !is_used_up(*first, since));
        if !is_there {
            self.due.insert(key, self.changes.first_behind(table, path, since, self.client));
        }
    }

    /// Whether a watch was there that this takes away.
    // zk: Watcher.WatcherType
    fn remove(&mut self, path: &str, watcher_type: i32, at: Zxid) -> bool {
        let mut had = false;
        for (table, codes) in [(Table::Children, [1, 3]), (Table::Data, [2, 3])] {
            if codes.contains(&watcher_type)
                && let Some(first) = self.due.remove(&(table, path.to_owned()))
            {
                had |= !is_used_up(first, at);
            }
        }
        for (is_recursive, codes) in [(false, [4, 3]), (true, [5, 3])] {
            if codes.contains(&watcher_type) {
                had |= self.standing.remove(path, is_recursive);
            }
        }
        had
    }

    /// Something shows the state at a zxid: all events up to there were told.
    fn sees(&mut self, zxid: Zxid) -> Result<(), Failure> {
        let is_late = |first: &Option<(Zxid, bool)>| first.is_some_and(|(at, told)| told && at <= zxid);
        if let Some(((table, path), first)) = self.due.iter().find(|(_, first)| is_late(first)) {
            let what = format!(
                "client {} saw {zxid} and was not told of {path} ({table:?}), which changed at {first:?}",
                self.client
            );
            return Err(Failure::new("W1", what));
        }
        self.standing.sees(self.changes, self.client, zxid)
    }

    fn told(&mut self, kind: i32, path: &str, zxid: Zxid) -> Result<(), Failure> {
        let client = self.client;
        let wrong = |invariant, why: &str| {
            let what = format!("client {client} was told of {path} (event {kind}) at {zxid}{why}");
            Err(Failure::new(invariant, what))
        };
        if !self.changes.has(path, zxid, kind) {
            return wrong("W3", ", where it did not change");
        }
        if zxid < self.last {
            return wrong("W2", &format!(", behind {}", self.last));
        }
        self.last = zxid;
        let times = self.changes.times(path, zxid, kind, client);
        if times == 0 {
            return wrong("W5", " and may not read it");
        }
        if self.standing.told(path, kind, zxid) > times {
            return wrong("W3", " once too often");
        }
        let was_due = self.forget(kind, path, zxid);
        if !was_due && !self.standing.covers(path, kind, zxid) {
            let invariant = if self.standing.is_below_recursive(path) { "W6" } else { "W3" };
            return wrong(invariant, " and did not watch it");
        }
        self.sees(Zxid(zxid.0 - 1))
    }

    /// Takes what an event uses up; whether there was something.
    fn forget(&mut self, kind: i32, path: &str, at: Zxid) -> bool {
        let is_children = kind == EventKind::ChildrenChanged.code();
        let mut had = false;
        for (table, ends) in
            [(Table::Data, !is_children), (Table::Children, is_children || kind == EventKind::Deleted.code())]
        {
            if ends && let Some(first) = self.due.remove(&(table, path.to_owned())) {
                had |= !is_used_up(first, Zxid(at.0 - 1));
            }
        }
        had
    }

    fn compare_catch_up(&mut self, index: usize) -> Result<(), Failure> {
        let told = std::mem::take(&mut self.caught_up);
        let expected = self.changes.catch_up((self.client, index));
        if expected.is_none_or(|expected| *expected == told) {
            self.caught_up = told;
            return Ok(());
        }
        let what =
            format!("client {} set its watches again and was told {told:?}, not {expected:?}", self.client);
        Err(Failure::new("W4", what))
    }

    fn watch_unless_told(&mut self, table: Table, path: &str, since: Zxid, kinds: [EventKind; 2]) {
        let is_told = kinds.iter().any(|kind| self.caught_up.contains(&(kind.code(), path.to_owned())));
        if !is_told {
            self.watch_once(table, path, since);
        }
    }
}

/// Whether a change up to here took the watch and was not told, since the client may not read of it.
fn is_used_up(first: Option<(Zxid, bool)>, up_to: Zxid) -> bool {
    first.is_some_and(|(at, is_told)| !is_told && at <= up_to)
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
