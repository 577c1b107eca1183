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

/// What a write was told when it was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    Set { node: usize, number: u64, version: i32 },
    Create { number: u64 },
    Delete { child: u64 },
}

/// An acknowledged write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack {
    pub(super) zxid: i64,
    pub(super) session: i64,
    pub(super) xid: i32,
    pub(super) sent_us: u64,
    pub(super) acknowledged_us: u64,
    pub(super) told: Told,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(version: i32, mzxid: i64) -> Stat {
        Stat {
            zxids: [1, mzxid, 1],
            times: [0; 2],
            versions: [version, 0, 0],
            owner: 0,
            length: 0,
            children: 0,
        }
    }

    /// Write 5 was acknowledged as version 3, zxid 0x30.
    fn model(unknown: &[u64]) -> Model {
        let mut model = Model::new("/load", 0, 3);
        model.values[0] = Value { number: 5, version: 3, mzxid: 0x30, unknown: unknown.to_vec() };
        model
    }

    #[test]
    fn a_set_must_continue_the_count() {
        let table: &[(&str, &[u64], i32, i64, bool)] = &[
            ("the next version", &[], 4, 0x31, true),
            ("a version was lost", &[], 3, 0x31, false),
            ("something else took effect", &[], 5, 0x31, false),
            ("the unknown one took effect", &[6], 5, 0x32, true),
            ("the unknown one did not", &[6], 4, 0x32, true),
            ("it took effect twice", &[6], 6, 0x32, false),
            ("the zxid stands still", &[], 4, 0x30, false),
        ];
        for (name, unknown, version, mzxid, right) in table {
            let wrong = model(unknown).set(0, 9, &stat(*version, *mzxid));
            assert_eq!(wrong.is_none(), *right, "{name}: {wrong:?}");
        }
    }

    /// Name, unknown writes, number shown, version shown, mzxid shown, whether it is right.
    type Shown<'a> = (&'a str, &'a [u64], u64, i32, i64, bool);

    #[test]
    fn a_node_must_show_the_last_write_or_an_unknown_one() {
        let table: &[Shown<'_>] = &[
            ("the acknowledged one", &[], 5, 3, 0x30, true),
            ("an older one", &[], 4, 3, 0x30, false),
            ("an older version", &[], 4, 2, 0x20, false),
            ("another zxid", &[], 5, 3, 0x2f, false),
            ("an unknown one", &[6, 7], 6, 4, 0x31, true),
            ("both unknown ones", &[6, 7], 7, 5, 0x32, true),
            ("one that was never sent", &[6, 7], 8, 4, 0x31, false),
            ("more than were sent", &[6], 6, 5, 0x31, false),
        ];
        for (name, unknown, number, version, mzxid, right) in table {
            let model = model(unknown);
            let data = model.data(*number);
            let wrong = model.shown(0, Some(data.as_bytes()), &stat(*version, *mzxid));
            assert_eq!(wrong.is_none(), *right, "{name}: {wrong:?}");
        }
    }

    #[test]
    fn data_begins_with_its_number() {
        assert_eq!(Model::number_in(Some(b"17 of 2 ...")), Some(17));
        assert_eq!(Model::number_in(Some(b"")), None);
        assert_eq!(Model::number_in(None), None);
    }
}
