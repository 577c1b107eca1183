//! The digest of the tree, version 2: a wrapping sum of one checksum per znode.

use alloc::collections::VecDeque;

use jute::Zxid;
use jute::data::StatPersisted;

/// Version of the way in which the digest is computed.
// zk: DigestCalculator.DIGEST_VERSION
pub const VERSION: i32 = 2;

/// Nodes below this path are changed locally and therefore left out.
const EXCLUDED: &str = "/zookeeper/";
/// One zxid of so many enters the history.
// zk: DataTree.DIGEST_LOG_INTERVAL
const HISTORY_INTERVAL: i64 = 128;
/// Entries of the history.
// zk: DataTree.DIGEST_LOG_LIMIT
const HISTORY_MAX: usize = 1024;

/// The digest of the tree after a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZxidDigest {
    /// The transaction.
    pub zxid: Zxid,
    /// The digest of the tree after it.
    pub digest: i64,
}

/// The leader's digest differs from ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestMismatch {
    /// What the transaction says.
    pub expected: i64,
    /// What we have.
    pub actual: i64,
}

/// What the digest in a transaction proves of the tree after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestCheck {
    /// Nothing: it has none, or one that is computed in another way, or digests are off.
    NotCompared,
    /// Paths, data and stats outside `/zookeeper` are those of the server that made the transaction.
    Equal,
    /// It is another.
    Differs(DigestMismatch),
}

impl DigestCheck {
    /// The difference, if there is one.
    pub fn mismatch(self) -> Option<DigestMismatch> {
        match self {
            Self::Differs(mismatch) => Some(mismatch),
            Self::Equal | Self::NotCompared => None,
        }
    }
}

/// Digest of one znode as part of the sum; zero for those that are left out. The root is "" or "/".
// zk: DigestCalculator.calculateDigest
pub fn of_node(path: &str, data: Option<&[u8]>, stat: &StatPersisted) -> i64 {
    i64::from(checksum(path, data, stat))
}

/// Whether the znode is left out of the digest.
pub fn is_excluded(path: &str) -> bool {
    path.starts_with(EXCLUDED)
}

pub(crate) fn checksum(path: &str, data: Option<&[u8]>, stat: &StatPersisted) -> u32 {
    if is_excluded(path) {
        return 0;
    }
    let path = if path == "/" { "" } else { path };
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(path.as_bytes());
    hasher.update(data.unwrap_or_default());
    hasher.update(&stat_bytes(stat));
    hasher.finalize()
}

/// The stat in the order in which it enters the checksum.
fn stat_bytes(stat: &StatPersisted) -> [u8; 60] {
    let mut bytes = [0; 60];
    let longs = [stat.czxid.0, stat.mzxid.0, stat.pzxid.0, stat.ctime, stat.mtime];
    let ints = [stat.version, stat.cversion, stat.aversion];
    let fields = longs.iter().flat_map(|long| long.to_be_bytes());
    let fields = fields.chain(ints.iter().flat_map(|int| int.to_be_bytes()));
    let fields = fields.chain(stat.ephemeral_owner.to_be_bytes());
    for (byte, field) in bytes.iter_mut().zip(fields) {
        *byte = field;
    }
    bytes
}

/// Digests of past transactions, for comparing servers by hand.
// zk: DataTree.logZxidDigest
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: VecDeque<ZxidDigest>,
    last: Option<ZxidDigest>,
}

impl History {
    pub(crate) fn record(&mut self, entry: ZxidDigest) {
        self.last = Some(entry);
        if entry.zxid.0 % HISTORY_INTERVAL == 0 {
            if self.entries.len() == HISTORY_MAX {
                self.entries.pop_front();
            }
            self.entries.push_back(entry);
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &ZxidDigest> {
        self.entries.iter()
    }

    pub(crate) fn last(&self) -> Option<ZxidDigest> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_has_two_names_and_server_nodes_have_no_digest() {
        let stat = StatPersisted { czxid: Zxid(3), version: 4, ..StatPersisted::default() };
        assert_eq!(of_node("/", None, &stat), of_node("", Some(&[]), &stat));
        assert_ne!(of_node("/", None, &stat), of_node("/zookeeper", None, &stat));
        assert_eq!(of_node("/zookeeper/quota", Some(b"x"), &stat), 0);
        assert_ne!(of_node("/zookeeperx/a", None, &stat), 0);
    }

    #[test]
    fn the_checksum_covers_path_data_and_stat_in_this_order() {
        let stat = StatPersisted {
            czxid: Zxid(1),
            mzxid: Zxid(2),
            pzxid: Zxid(3),
            ctime: 4,
            mtime: 5,
            version: 6,
            cversion: 7,
            aversion: 8,
            ephemeral_owner: -9,
        };
        let mut bytes = alloc::vec::Vec::from(*b"/ab");
        for long in [1_i64, 2, 3, 4, 5] {
            bytes.extend(long.to_be_bytes());
        }
        for int in [6_i32, 7, 8] {
            bytes.extend(int.to_be_bytes());
        }
        bytes.extend((-9_i64).to_be_bytes());
        assert_eq!(of_node("/a", Some(b"b"), &stat), i64::from(crc32fast::hash(&bytes)));
    }

    #[test]
    fn the_history_keeps_each_128th_of_the_last() {
        let mut history = History::default();
        for zxid in 1..=200_000 {
            history.record(ZxidDigest { zxid: Zxid(zxid), digest: zxid });
        }
        assert_eq!(history.entries().count(), 1024);
        assert!(history.entries().all(|entry| entry.zxid.0 % 128 == 0));
        assert_eq!(history.last().map(|entry| entry.zxid), Some(Zxid(200_000)));
    }
}
