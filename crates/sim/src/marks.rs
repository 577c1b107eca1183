//! Marks of what should happen now and then: a rare event that never comes is a test that does not test.

use std::collections::BTreeMap;

/// How often each mark was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<&'static str, u64>);

impl Marks {
    /// It happened.
    pub(crate) fn reach(&mut self, mark: &'static str) {
        *self.0.entry(mark).or_default() += 1;
    }

    /// Whether it ever happened.
    pub(crate) fn has(&self, mark: &str) -> bool {
        self.0.contains_key(mark)
    }

    /// Adds those of another run.
    pub fn merge(&mut self, other: &Self) {
        for (mark, count) in &other.0 {
            *self.0.entry(mark).or_default() += count;
        }
    }

    /// All of them with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(mark, count)| (*mark, *count))
    }

    /// Those of `wanted` that were never reached.
    pub fn missing<'a>(&self, wanted: &'a [&'static str]) -> Vec<&'a str> {
        wanted.iter().filter(|mark| !self.0.contains_key(*mark)).copied().collect()
    }
}

/// What a long session must have reached.
pub const WANTED: &[&str] = &[
    "EIO",
    "ENOSPC",
    "TTL znode created",
    "another leader",
    "bit rot",
    "bridge partition",
    "client gave a silent server up",
    "client heard: session expired",
    "client moved",
    "clock drift",
    "clogged",
    "container created",
    "crashed while starting",
    "current epoch healed",
    "damaged history set aside",
    "descendants counted",
    "durability looked at",
    "election connection replaced",
    "ephemerals listed",
    "follower serves",
    "group commit",
    "history truncated",
    "killed",
    "leader asked to stop",
    "leader crashed",
    "leader established",
    "leader isolated",
    "leader left behind",
    "leader paused",
    "learner dialled twice",
    "local session upgraded",
    "log probed",
    "multi refused",
    "observer serves",
    "one-way partition",
    "paused",
    "permissions changed",
    "power lost",
    "process ended by its disk",
    "promise looked at",
    "purge removed files",
    "refused: no permission",
    "session expired",
    "session left to expire",
    "session reattached",
    "slow disk",
    "snapshot given up: state replaced",
    "snapshot installed",
    "snapshot written",
    "standing watch",
    "stopped when asked",
    "swizzle",
    "sync: DIFF",
    "sync: SNAP",
    "sync: TRUNC",
    "sync: log on disk",
    "torn tail",
    "wall clock jumped",
    "watch fired",
    "watches removed",
    "znode deleted by the server",
];

/// The same where memberships change, and servers without a leader serve reads.
pub const WANTED_BEYOND_PLAIN: &[&str] = &[
    "follower without a vote",
    "client left a server that only serves reads",
    "a follower serves observers",
    "read-only refused a write",
    "read-only served",
    "reads are served without a leader",
    "a joined member leads",
    "all members replaced",
    "crash in a reconfig: new membership at the start",
    "crash in a reconfig: old membership at the start",
    "empty machine installed",
    "leader removed by a reconfig",
    "member joined from empty",
    "member moved to other ports",
    "no member: does not start",
    "observer promoted",
    "proposed membership found at a start",
    "reconfig answered",
    "reconfig committed",
    "reconfig refused: arguments",
    "reconfig refused: no permission",
    "reconfig refused: no quorum",
    "reconfig refused: one under way",
    "reconfig refused: version",
    "voter demoted",
];
