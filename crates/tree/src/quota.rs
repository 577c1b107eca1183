//! Quotas: limits that clients set on subtrees, and the statistics that the server keeps about them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

use crate::{State, path};

/// Name of the node with the limits.
pub const LIMITS: &str = "zookeeper_limits";
/// Name of the node with the statistics.
pub const STATS: &str = "zookeeper_stats";

/// Number of znodes: a soft limit, or the count itself.
pub const COUNT: &str = "count";
/// Bytes of data: a soft limit, or the sum itself.
pub const BYTES: &str = "bytes";
/// Hard limit on the number of znodes.
pub const COUNT_HARD_LIMIT: &str = "countHardLimit";
/// Hard limit on the bytes of data.
pub const BYTE_HARD_LIMIT: &str = "byteHardLimit";

/// Path of the node with the limits of a path.
// zk: Quotas.limitPath
pub fn limits_path(limited: &str) -> String {
    format!("{}{limited}/{LIMITS}", path::QUOTA)
}

/// Path of the node with the statistics of a path.
// zk: Quotas.statPath
pub fn stats_path(limited: &str) -> String {
    format!("{}{limited}/{STATS}", path::QUOTA)
}

/// What limits and statistics hold: numbers with names; a number that is absent is -1.
// zk: StatsTrack
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    values: BTreeMap<String, i64>,
}

impl Stats {
    /// The statistics of so many znodes and bytes.
    pub fn of_usage(count: i64, bytes: i64) -> Self {
        let values = [(COUNT, count), (BYTES, bytes)];
        Self { values: values.map(|(key, value)| (key.to_string(), value)).into() }
    }

    /// Reads `key=number` pairs that commas and semicolons separate. `None` when the text is something else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let mut values = BTreeMap::new();
        let pairs = text.trim_end_matches([',', ';']);
        if pairs.is_empty() {
            return text.is_empty().then(Self::default);
        }
        if pairs.starts_with([',', ';']) {
            return None;
        }
        for pair in pairs.split([',', ';']).filter(|pair| !pair.is_empty()) {
            let (key, rest) = pair.trim_end_matches('=').split_once('=')?;
            let value = rest.split('=').next().unwrap_or_default();
            values.insert(key.to_string(), if value.is_empty() { -1 } else { value.parse().ok()? });
        }
        Some(Self { values })
    }

    /// The text form, which parsers of old releases read too.
    // zk: StatsTrack.toString: the odd equals sign hides what follows from old parsers
    pub fn format(&self) -> String {
        let mut text = format!("{COUNT}={},{BYTES}={}", self.get(COUNT), self.get(BYTES));
        let others: Vec<_> = self.values.iter().filter(|(key, _)| *key != COUNT && *key != BYTES).collect();
        if !others.is_empty() {
            text.push('=');
        }
        for (key, value) in others {
            // Writing to a string cannot fail.
            let _ = write!(text, ";{key}={value}");
        }
        text
    }

    /// A number, or -1.
    pub fn get(&self, key: &str) -> i64 {
        self.values.get(key).copied().unwrap_or(-1)
    }

    /// Sets a number.
    pub fn set(&mut self, key: &str, value: i64) {
        self.values.insert(key.to_string(), value);
    }
}

/// A limit that a change would exceed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// The path that the limit is on.
    pub limited: String,
    /// Whether the count or the bytes are limited.
    pub what: Limited,
    /// Whether the change must be refused; otherwise it is worth a line in the log.
    pub is_hard: bool,
    /// What there would be after the change.
    pub usage: i64,
    /// What is allowed.
    pub limit: i64,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// Znodes.
    Count,
    /// Bytes of data.
    Bytes,
}

/// The limits that a change at `path` would exceed. The first hard one ends the list: the change must be refused.
///
/// A creation adds one to the count and the length of its data to the bytes; setData adds to the bytes the difference.
// zk: ZooKeeperServer.checkQuota
pub fn check(state: &State, path: &str, bytes_added: i64, count_added: i64) -> Vec<Exceeded> {
    find_exceeded(state, path, bytes_added, count_added).unwrap_or_default()
}

fn find_exceeded(state: &State, path: &str, bytes_added: i64, count_added: i64) -> Option<Vec<Exceeded>> {
    let limited = state.quota_prefix(path)?;
    let read = |path: String| state.node(&path)?.data().and_then(Stats::parse);
    let limits = read(limits_path(&limited))?;
    let usage = read(stats_path(&limited))?;
    let mut exceeded = Vec::new();
    for (what, soft, hard, added) in [
        (Limited::Count, COUNT, COUNT_HARD_LIMIT, count_added),
        (Limited::Bytes, BYTES, BYTE_HARD_LIMIT, bytes_added),
    ] {
        let is_hard = limits.get(hard) > -1;
        let limit = if is_hard { limits.get(hard) } else { limits.get(soft) };
        let usage = usage.get(soft).wrapping_add(added);
        if added != 0 && limit > -1 && usage > limit {
            exceeded.push(Exceeded { limited: limited.clone(), what, is_hard, usage, limit });
            if is_hard {
                break;
            }
        }
    }
    Some(exceeded)
}

/// Paths with limits.
// zk: PathTrie
#[derive(Debug, Default)]
pub(crate) struct Prefixes {
    paths: BTreeSet<String>,
}

impl Prefixes {
    // diverges(quota-on-root): limits on the root, which make the reference's server end, are not registered
    pub(crate) fn add(&mut self, path: &str) {
        let path = normal(path);
        if !path.is_empty() {
            self.paths.insert(path);
        }
    }

    pub(crate) fn remove(&mut self, path: &str) {
        self.paths.remove(&normal(path));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// The longest of the paths that is a prefix, name by name.
    // zk: PathTrie.findMaxPrefix
    pub(crate) fn longest(&self, path: &str) -> Option<String> {
        if self.paths.is_empty() {
            return None;
        }
        let mut prefix = normal(path);
        while !prefix.is_empty() {
            if self.paths.contains(&prefix) {
                return Some(prefix);
            }
            prefix.truncate(prefix.rfind('/').unwrap_or(0));
        }
        None
    }
}

/// The path without blank names, which the reference leaves out here.
// zk: PathTrie.split
fn normal(path: &str) -> String {
    let names = path.split('/').filter(|name| !name.trim_matches(|c| c <= ' ').is_empty());
    names.flat_map(|name| ["/", name]).collect()
}

#[cfg(test)]
mod tests;
