//! What one writer was told of its own nodes, and what must therefore be there.
//!
//! Nobody else writes to them, so that a node's version counts the writes that took effect: an acknowledged write that was lost,
//! or one of unknown outcome that took effect too late, breaks the count.

use std::collections::BTreeMap;

use crate::walk::Stat;

/// Nodes that a writer sets again and again.
pub(super) const NODES: usize = 16;
/// Children that a writer has created and not deleted, at most.
pub(super) const CHILDREN_MAX: usize = 100;

/// An acknowledged write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack {
    pub(super) zxid: i64,
    pub(super) session: i64,
    pub(super) xid: i32,
    pub(super) sent_us: u64,
    pub(super) acknowledged_us: u64,
}

/// A node that is set.
#[derive(Default)]
pub(super) struct Value {
    /// The number in the last acknowledged write.
    pub(super) number: u64,
    pub(super) version: i32,
    pub(super) mzxid: i64,
    /// Later writes whose outcome is unknown.
    pub(super) unknown: Vec<u64>,
}

/// A node that is created and deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Child {
    Created {
        czxid: i64,
    },
    MayExist,
    /// Deleted, perhaps.
    MayBeGone {
        czxid: i64,
    },
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) number: usize,
    /// All its nodes are below it.
    pub(super) folder: String,
    pub(super) values: Vec<Value>,
    pub(super) children: BTreeMap<u64, Child>,
    /// Children of unknown fate.
    pub(super) adrift: usize,
    pub(super) acks: Vec<Ack>,
    pub(super) by_server: Vec<u64>,
    pub(super) unknown_total: u64,
    pub(super) reads: u64,
}

impl Model {
    pub(super) fn new(base: &str, number: usize, servers: usize) -> Self {
        let values = (0..NODES).map(|_| Value { version: -1, ..Value::default() }).collect();
        Self {
            folder: format!("{base}/w{number}"),
            number,
            values,
            by_server: vec![0; servers],
            ..Self::default()
        }
    }

    /// Children that may still be deleted.
    pub(super) fn created(&self) -> usize {
        self.children.len().saturating_sub(self.adrift)
    }

    pub(super) fn value_path(&self, node: usize) -> String {
        format!("{}/n{node}", self.folder)
    }

    pub(super) fn child_path(&self, number: u64) -> String {
        format!("{}/c/{number}", self.folder)
    }

    /// 0 is the number of what a node is created with.
    pub(super) fn data(&self, number: u64) -> String {
        format!("{number} of {} {}", self.number, ".".repeat(80))
    }

    /// The number that `data` put in front.
    pub(super) fn number_in(data: Option<&[u8]>) -> Option<u64> {
        let text = std::str::from_utf8(data?).ok()?;
        text.split(' ').next()?.parse().ok()
    }

    /// An acknowledged set; says what is wrong with it.
    pub(super) fn set(&mut self, node: usize, number: u64, stat: &Stat) -> Option<String> {
        let path = self.value_path(node);
        let value = self.values.get_mut(node)?;
        let (version, mzxid) = (stat.versions[0], stat.zxids[1]);
        let highest = value.version + 1 + value.unknown.len() as i32;
        let wrong = if version <= value.version || version > highest {
            let range = (value.version + 1, highest);
            Some(format!(
                "{path}: version {version} after write {number}, must be in {range:?}: a write was lost or came late"
            ))
        } else if mzxid <= value.mzxid {
            Some(format!("{path}: mzxid {mzxid:#x} after {:#x}", value.mzxid))
        } else {
            None
        };
        *value = Value { number, version, mzxid, unknown: Vec::new() };
        wrong
    }

    /// A node as a read shows it; says what is wrong with it.
    pub(super) fn shown(&self, node: usize, data: Option<&[u8]>, stat: &Stat) -> Option<String> {
        let (path, value) = (self.value_path(node), self.values.get(node)?);
        let (version, number) = (stat.versions[0], Self::number_in(data));
        if version == value.version {
            // No reply told the zxid of the creation.
            let right = number == Some(value.number) && (stat.zxids[1] == value.mzxid || version == 0);
            return (!right).then(|| {
                let mzxid = stat.zxids[1];
                format!(
                    "{path}: write {number:?} mzxid {mzxid:#x}, must be {} {:#x}",
                    value.number, value.mzxid
                )
            });
        }
        let extra = version - value.version;
        if extra < 0 || extra > value.unknown.len() as i32 {
            let range = (value.version, value.version + value.unknown.len() as i32);
            return Some(format!("{path}: version {version}, must be in {range:?}"));
        }
        let known = number.is_some_and(|number| value.unknown.contains(&number));
        (!known).then(|| format!("{path}: write {number:?}, must be one of {:?}", value.unknown))
    }
}
