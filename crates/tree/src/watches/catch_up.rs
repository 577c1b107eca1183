use alloc::{string::String, vec::Vec};

use jute::Zxid;

use super::{EventKind, WatchKind};
use crate::State;

/// The watches that a client had before it reconnected.
#[derive(Debug, Clone, Copy, Default)]
pub struct SetWatches<'a> {
    /// The last zxid that the client saw.
    pub relative_zxid: Zxid,
    /// Data watches on znodes that existed.
    pub data: &'a [String],
    /// Data watches on znodes that did not exist.
    pub exist: &'a [String],
    /// Child watches.
    pub child: &'a [String],
    /// Persistent watches.
    pub persistent: &'a [String],
    /// Persistent recursive watches.
    pub persistent_recursive: &'a [String],
}

/// What a client has missed, and what it goes on watching.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatchUp<'a> {
    /// Events to send at once, in this order, without a zxid and without a check of permissions.
    pub events: Vec<(EventKind, &'a str)>,
    /// Watches to register.
    pub registrations: Vec<(WatchKind, &'a str)>,
}

/// Compares what a client saw with the state: a watch that would have fired is told at once, another is registered again.
// zk: DataTree.setWatches
pub fn catch_up<'a>(state: &State, watches: &SetWatches<'a>) -> CatchUp<'a> {
    let mut outcome = CatchUp::default();
    let since = watches.relative_zxid;
    for path in watches.data {
        let event = match state.node(path) {
            None => Some(EventKind::Deleted),
            Some(node) => (node.stat_persisted().mzxid > since).then_some(EventKind::DataChanged),
        };
        outcome.add(WatchKind::Data, path, event);
    }
    for path in watches.exist {
        outcome.add(WatchKind::Data, path, state.node(path).map(|_| EventKind::Created));
    }
    for path in watches.child {
        let event = match state.node(path) {
            None => Some(EventKind::Deleted),
            Some(node) => (node.stat_persisted().pzxid > since).then_some(EventKind::ChildrenChanged),
        };
        outcome.add(WatchKind::Children, path, event);
    }
    for path in watches.persistent {
        outcome.add(WatchKind::Persistent, path, None);
    }
    for path in watches.persistent_recursive {
        outcome.add(WatchKind::PersistentRecursive, path, None);
    }
    outcome
}

impl<'a> CatchUp<'a> {
    fn add(&mut self, kind: WatchKind, path: &'a str, event: Option<EventKind>) {
        match event {
            Some(event) => self.events.push((event, path)),
            None => self.registrations.push((kind, path)),
        }
    }
}
