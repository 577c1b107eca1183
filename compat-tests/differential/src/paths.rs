//! Which path a request names.

use crate::model::Model;
use crate::wire::Random;

/// Where the run lives: its base node, and the numbered children that requests reuse so that they collide.
pub(crate) struct Paths {
    pub(crate) base: Vec<u8>,
    /// Several runs share the servers: nothing outside of `base` may be named, nor any zxid.
    pub(crate) private: bool,
    /// Only what Apache ZooKeeper 3.8.0 replays from a log: it passes over a multi that holds a create2.
    pub(crate) old_replay: bool,
}

/// Paths that no write accepts, by what is wrong with them; some are malformed UTF-8 or surrogates.
const BAD: &[&[u8]] = &[
    b"",
    b"a",
    b"a/b",
    b"/a/",
    b"//",
    b"/a//b",
    b"/a/../b",
    b"/a/.",
    b"/..",
    b"/a\0b",
    b"/\x01",
    b"/a\x7f",
    b"/a\xc2\x80b",
    "/a\u{e000}".as_bytes(),
    "/a\u{fff5}".as_bytes(),
    "/\u{1f600}".as_bytes(),
    b"/\xed\xa0\xbd\xed\xb8\x80",
    b"/\xff\xfe",
    b"/a\xc3",
    b"/\xf0\x9f\x98",
    b"/\xe4\xb8/x",
];

/// Names that are legal and unusual.
const ODD: &[&str] = &["é", "中文", "a b", "...", "x%", "\u{2028}", "-0000000001", "zookeeper", "\u{a0}"];

const SPECIAL: &[&[u8]] = &[b"/", b"/zookeeper", b"/zookeeper/quota", b"/zookeeper/config"];

impl Paths {
    /// A node that cannot be deleted.
    pub(crate) fn special(&self, random: &mut Random) -> Vec<u8> {
        if self.private { self.base.clone() } else { random.pick(SPECIAL).to_vec() }
    }

    pub(crate) fn bad(random: &mut Random) -> Vec<u8> {
        random.pick(BAD).to_vec()
    }

    pub(crate) fn existing(&self, random: &mut Random, model: &Model) -> Vec<u8> {
        model.any(random).map_or_else(|| self.base.clone(), <[u8]>::to_vec)
    }

    pub(crate) fn missing(&self, random: &mut Random) -> Vec<u8> {
        let deep = if random.chance(30) { "/gone/deeper" } else { "/gone" };
        [&self.base, deep.as_bytes()].concat()
    }

    /// A child of `parent`: one of few names, so that some exist already.
    pub(crate) fn child(random: &mut Random, parent: &[u8]) -> Vec<u8> {
        let name =
            if random.chance(5) { (*random.pick(ODD)).to_owned() } else { format!("n{}", random.below(12)) };
        [parent, b"/", name.as_bytes()].concat()
    }

    /// A parent that is not too deep.
    pub(crate) fn parent(&self, random: &mut Random, model: &Model) -> Vec<u8> {
        const DEPTH_MAX: usize = 6;
        let node = self.existing(random, model);
        if node.iter().filter(|byte| **byte == b'/').count() > DEPTH_MAX { self.base.clone() } else { node }
    }

    /// What a read asks for; `None` is null.
    pub(crate) fn read(&self, random: &mut Random, model: &Model) -> Option<Vec<u8>> {
        Some(match random.below(100) {
            0 if !self.private => return None,
            1 => match Self::bad(random) {
                // The root, which is not this run's alone.
                path if path.is_empty() && self.private => self.base.clone(),
                path => path,
            },
            2..4 => self.special(random),
            4 => b"/zookeeper/quota".iter().chain(&self.quota_root(random)).copied().collect(),
            5 => [b"/zookeeper/quota", &self.quota_root(random)[..], b"/zookeeper_stats"].concat(),
            6..18 => self.missing(random),
            18 => [&self.existing(random, model)[..], b"/"].concat(),
            _ => self.existing(random, model),
        })
    }

    /// One of the nodes that may have a quota.
    pub(crate) fn quota_root(&self, random: &mut Random) -> Vec<u8> {
        [&self.base, format!("/q{}", random.below(QUOTAS)).as_bytes()].concat()
    }
}

/// How many nodes have a quota.
pub(crate) const QUOTAS: usize = 4;
