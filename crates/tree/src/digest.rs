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
/// Bytes of the stat in the checksum.
const STAT_LEN: usize = 60;
/// Path, data and stat of so many bytes are put together for the checksum.
const TOGETHER_MAX: usize = 512;
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
    checksum_of([path.as_bytes(), data.unwrap_or_default(), &stat_bytes(stat)])
}

/// The checksum of what stands one behind the other. Small parts are put together first: the hasher is several times faster with
/// one long piece than with short ones.
fn checksum_of(parts: [&[u8]; 3]) -> u32 {
    let mut whole = [0; TOGETHER_MAX];
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    let Some(whole) = whole.get_mut(..len) else {
        let mut hasher = crc32fast::Hasher::new();
        parts.iter().for_each(|part| hasher.update(part));
        return hasher.finalize();
    };
    let mut rest = &mut *whole;
    for part in parts {
        let (place, behind) = rest.split_at_mut(part.len());
        place.copy_from_slice(part);
        rest = behind;
    }
    crc32fast::hash(whole)
}

/// The stat in the order in which it enters the checksum.
fn stat_bytes(stat: &StatPersisted) -> [u8; STAT_LEN] {
    let mut bytes = [0; STAT_LEN];
    let (longs, rest) = bytes.split_at_mut(5 * 8);
    let (ints, owner) = rest.split_at_mut(3 * 4);
    let fields = [stat.czxid.0, stat.mzxid.0, stat.pzxid.0, stat.ctime, stat.mtime];
    for (place, long) in longs.as_chunks_mut().0.iter_mut().zip(fields) {
        *place = long.to_be_bytes();
    }
    for (place, int) in ints.as_chunks_mut().0.iter_mut().zip([stat.version, stat.cversion, stat.aversion]) {
        *place = int.to_be_bytes();
    }
    owner.copy_from_slice(&stat.ephemeral_owner.to_be_bytes());
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
        // Parts that are too large to be put together count the same.
        for len in [TOGETHER_MAX - STAT_LEN - 2, TOGETHER_MAX - STAT_LEN - 1, 5000] {
            let data = alloc::vec![7; len];
            let long = [b"/a", data.as_slice(), bytes.get(3..).unwrap()].concat();
            assert_eq!(of_node("/a", Some(&data), &stat), i64::from(crc32fast::hash(&long)), "{len}");
        }
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
