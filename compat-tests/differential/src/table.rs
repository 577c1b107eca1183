//! How often each operation was answered with each result.

use std::collections::BTreeMap;

use crate::op;

#[derive(Default)]
pub(crate) struct Table(BTreeMap<(&'static str, i32), u64>);

impl Table {
    pub(crate) fn count(&mut self, name: &'static str, code: i32) {
        *self.0.entry((name, code)).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (key, count) in &other.0 {
            *self.0.entry(*key).or_default() += count;
        }
    }

    pub(crate) fn print(&self) {
        println!("{:<22} {:<24} {:>9}", "operation", "result", "times");
        for ((name, code), count) in &self.0 {
            println!("{name:<22} {:<24} {count:>9}", op::error_name(*code));
        }
    }

    /// Replies of requests (operations inside a multi do not count): all, and those that are OK.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let of_requests = self.0.iter().filter(|((name, _), _)| !name.starts_with("multi:"));
        of_requests.fold((0, 0), |(all, ok), ((_, code), count)| {
            (all + count, if *code == 0 { ok + count } else { ok })
        })
    }

    /// The pairs of the list that came fewer than `least` times.
    pub(crate) fn missing(&self, least: u64) -> Vec<String> {
        let times = |name, code| self.0.get(&(name, code)).copied().unwrap_or(0);
        let rare = REQUIRED.iter().flat_map(|(name, codes)| codes.iter().map(move |code| (*name, *code)));
        rare.filter(|(name, code)| times(name, *code) < least)
            .map(|(name, code)| format!("{name} {} ({} of {least})", op::error_name(code), times(name, code)))
            .collect()
    }
}

const CREATES: &[i32] = &[0, -5, -8, -101, -102, -108, -110, -114, -125];
const READS: &[i32] = &[0, -5, -101, -102];

/// Every operation with each error that a standalone server can give to it one request at a time. The errors
/// of a session that is closing (SESSIONEXPIRED, UNKNOWNSESSION) are left out: whether a request finds its
/// session closing or gone is a race in the reference. SESSIONMOVED is a closed connection, and needs a second server.
const REQUIRED: &[(&str, &[i32])] = &[
    ("create", CREATES),
    ("create2", CREATES),
    ("createContainer", CREATES),
    ("createTTL", &[0, -5, -6, -8, -101, -102, -108, -110, -114, -125]),
    ("delete", &[0, -5, -8, -101, -102, -103, -111]),
    ("setData", &[0, -8, -101, -102, -103, -125]),
    ("setACL", &[0, -8, -101, -102, -103, -114]),
    ("multi", &[0, -5]),
    ("multi:create", &[0, -2, -8, -101, -102, -108, -110, -114, -125]),
    ("multi:create2", &[0, -2]),
    ("multi:createContainer", &[0, -2]),
    ("multi:createTTL", &[0, -2]),
    ("multi:delete", &[0, -2, -8, -101, -102, -103, -111]),
    ("multi:setData", &[0, -2, -8, -101, -102, -103, -125]),
    ("multi:check", &[0, -2, -8, -101, -102, -103]),
    ("multiRead", &[0, -5]),
    ("multi:getData", &[0, -101, -102]),
    ("multi:getChildren", &[0, -101, -102]),
    ("reconfig", &[-6, -123]),
    ("exists", &[0, -5, -8, -101, -102]),
    ("getData", READS),
    ("getACL", READS),
    ("getChildren", READS),
    ("getChildren2", READS),
    ("getAllChildrenNumber", READS),
    ("getEphemerals", &[0]),
    ("sync", &[0]),
    ("ping", &[0]),
    ("whoAmI", &[0]),
    ("addWatch", &[0, -5]),
    ("checkWatches", &[0, -5, -121]),
    ("removeWatches", &[0, -5, -121]),
    ("setWatches", &[0]),
    ("setWatches2", &[0]),
    ("auth", &[0, -115]),
    ("sasl", &[0]),
    ("unknown op", &[-6]),
    ("closeSession", &[0]),
    ("connect", &[0, REFUSED, CLOSED]),
];

/// Codes of the table's own for what a handshake can end in.
pub(crate) const REFUSED: i32 = 1;
pub(crate) const CLOSED: i32 = 2;
