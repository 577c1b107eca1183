//! Quotas as they will be: the statistics that applying will write are records like all others.

use alloc::string::String;
use core::fmt;

use bytes::Bytes;
use jute::ErrorCode;
use tree::path;
use tree::quota::{
    BYTE_HARD_LIMIT, BYTES, COUNT, COUNT_HARD_LIMIT, Exceeded, Limited, STATS, Stats, limits_path, stats_path,
};

use super::{Prepare, Stamp};
use crate::changes::{Data, Node, View, data_len};

/// A change that goes over a quota; refused when the limit is a hard one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaWarning(pub Exceeded);

impl Prepare<'_> {
    /// Whether the quota on the path or above it has room for so much more; earlier parts of the same multi do not count.
    // zk: ZooKeeperServer.checkQuota: the count first, each with its hard limit if there is one, else with the soft one
    // diverges(quota-in-flight): the reference looks at what is applied, so that its answer depends on timing
    pub(super) fn check_quota(
        &mut self,
        stamp: Stamp,
        path: &str,
        bytes_added: i64,
        count_added: i64,
    ) -> Result<(), ErrorCode> {
        if !self.settings.enforce_quota {
            return Ok(());
        }
        let Some((limited, limits, usage)) = find(&self.view().before(stamp.zxid), path) else {
            return Ok(());
        };
        for (what, soft, hard, added) in [
            (Limited::Count, COUNT, COUNT_HARD_LIMIT, count_added),
            (Limited::Bytes, BYTES, BYTE_HARD_LIMIT, bytes_added),
        ] {
            let is_hard = limits.get(hard) > -1;
            let limit = if is_hard { limits.get(hard) } else { limits.get(soft) };
            let usage = usage.get(soft).wrapping_add(added);
            if added == 0 || limit <= -1 || usage <= limit {
                continue;
            }
            let limited = limited.clone();
            self.warnings.push(QuotaWarning(Exceeded { limited, what, is_hard, usage, limit }));
            if is_hard {
                return Err(ErrorCode::QuotaExceeded);
            }
        }
        Ok(())
    }

    /// Counts a znode that was just created, and whatever it says about quotas.
    // zk: DataTree.createNode
    pub(super) fn count_create(&mut self, stamp: Stamp, created: &str) {
        if !self.settings.enforce_quota {
            return;
        }
        if let Some(limited) = limited_by_stats(created) {
            let usage = self.view().usage(limited);
            self.put_stats(stamp, created, &Stats::of_usage(usage.count, usage.bytes));
        }
        let view = self.view();
        let bytes = view.node(created).map_or(0, |node| data_len(view.data(created, &node)));
        self.count(stamp, created, bytes, 1);
    }

    /// Adds to the statistics of the quota on the path or above it.
    // zk: DataTree.updateQuotaStat
    pub(super) fn count(&mut self, stamp: Stamp, path: &str, bytes: i64, count: i64) {
        if !self.settings.enforce_quota {
            return;
        }
        let view = self.view();
        let Some(limited) = limited_prefix(&view, path) else { return };
        let Some(mut stats) = read(&view, &stats_path(limited)) else { return };
        stats.set(COUNT, stats.get(COUNT).wrapping_add(count));
        stats.set(BYTES, stats.get(BYTES).wrapping_add(bytes));
        self.put_stats(stamp, &stats_path(limited), &stats);
    }

    fn put_stats(&mut self, stamp: Stamp, stats_path: &str, stats: &Stats) {
        let Some(node) = self.view().node(stats_path) else { return };
        let data = Data::New(Some(Bytes::from(stats.format())));
        self.put(stamp, stats_path, Some(Node { data, ..node }));
    }
}

/// The quota that a path falls under: which path it is on, its limits and its statistics.
fn find(view: &View<'_, '_>, path: &str) -> Option<(String, Stats, Stats)> {
    let limited = limited_prefix(view, path)?;
    let limits = read(view, &limits_path(limited))?;
    let usage = read(view, &stats_path(limited))?;
    Some((String::from(limited), limits, usage))
}

/// The longest path with limits that this path equals or lies below; limits on the root do not count.
// zk: DataTree.getMaxPrefixWithQuota
fn limited_prefix<'p>(view: &View<'_, '_>, path: &'p str) -> Option<&'p str> {
    let mut prefix = path;
    while !matches!(prefix, "" | "/") {
        if view.exists(&limits_path(prefix)) {
            return Some(prefix);
        }
        (prefix, _) = path::split(prefix)?;
    }
    None
}

fn read(view: &View<'_, '_>, path: &str) -> Option<Stats> {
    let node = view.node(path)?;
    Stats::parse(view.data(path, &node)?)
}

/// The path whose statistics a znode holds, if it does.
fn limited_by_stats(created: &str) -> Option<&str> {
    let (parent, name) = path::split(created)?;
    parent.strip_prefix(path::QUOTA).filter(|_| name == STATS)
}

impl fmt::Display for QuotaWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exceeded { limited, what, is_hard, usage, limit } = &self.0;
        let kind = if *is_hard { "hard" } else { "soft" };
        match what {
            Limited::Count => {
                write!(f, "quota exceeded: {limited} [current count={usage}, {kind}CountLimit={limit}]")
            }
            Limited::Bytes => {
                write!(f, "quota exceeded: {limited} [current bytes={usage}, {kind}ByteLimit={limit}]")
            }
        }
    }
}
