//! Watches that stay: persistent ones are told of a znode and its children, recursive ones of a znode and all below.
//!
//! * W1, W4: every change behind the registration is told before anything shows a zxid at or above it.
//! * W3: each once. W6: recursive ones hear of every descendant, and never of "children changed".

use std::collections::BTreeMap;

use jute::Zxid;
use tree::EventKind;

use super::changes::{Change, Changes};
use super::{Failure, is_at_or_below};

/// Those of one connection.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Path and whether it is recursive, with the zxid of the state in which it was registered.
    watches: BTreeMap<(String, bool), Zxid>,
    told: BTreeMap<(Zxid, i32, String), usize>,
    looked_at: Zxid,
}

impl Standing {
    pub(super) fn watch(&mut self, path: &str, is_recursive: bool, since: Zxid) {
        self.watches.entry((path.to_owned(), is_recursive)).or_insert(since);
    }

    /// Takes a watch away; whether it was there.
    pub(super) fn remove(&mut self, path: &str, is_recursive: bool) -> bool {
        self.watches.remove(&(path.to_owned(), is_recursive)).is_some()
    }

    /// Whether one is for such an event.
    pub(super) fn covers(&self, path: &str, kind: i32, zxid: Zxid) -> bool {
        self.watches.iter().any(|((watched, is_recursive), since)| {
            *since < zxid
                && match is_recursive {
                    true => kind != EventKind::ChildrenChanged.code() && is_at_or_below(path, watched),
                    false => path == watched,
                }
        })
    }

    /// Whether a recursive one would be, if it heard of children.
    pub(super) fn is_below_recursive(&self, path: &str) -> bool {
        self.watches.keys().any(|(watched, is_recursive)| *is_recursive && is_at_or_below(path, watched))
    }

    /// An event came; how often by now.
    pub(super) fn told(&mut self, path: &str, kind: i32, zxid: Zxid) -> usize {
        let count = self.told.entry((zxid, kind, path.to_owned())).or_default();
        *count += 1;
        *count
    }

    /// Something shows the state at a zxid: all up to there was told.
    pub(super) fn sees(&mut self, changes: &Changes, client: usize, zxid: Zxid) -> Result<(), Failure> {
        let after = self.looked_at;
        self.looked_at = after.max(zxid);
        if self.watches.is_empty() {
            return Ok(());
        }
        for (at, change) in changes.between(after, zxid) {
            let Change { path, kind, .. } = change;
            if !self.covers(path, kind.code(), at) {
                continue;
            }
            let times = changes.times(path, at, kind.code(), client);
            let told = self.told.get(&(at, kind.code(), path.clone())).copied().unwrap_or(0);
            if told < times {
                let is_direct = self.watches.keys().any(|(watched, _)| watched == path);
                let what = format!(
                    "client {client} saw {zxid}, watches {:?} and was told {told} of {times} times of {path} ({kind:?}) at {at}",
                    self.watches
                );
                return Err(Failure::new(if is_direct { "W4" } else { "W6" }, what));
            }
        }
        self.told.retain(|(at, _, _), _| *at >= zxid);
        Ok(())
    }
}
