//! What must hold, by the names of the reliability notes: Z1-Z10, C1-C7, W1-W6, E1-E4; R1-R4 are of memberships in motion, R5 of
//! servers that only serve reads.
//!
//! [`Ledger`] looks at every step: histories, leaders, epochs, sessions. [`History`] keeps what clients asked and heard; [`replay`]
//! holds it against the committed transactions, one by one, when the run is over.
//!
//! | | holds | where it is looked at |
//! |---|---|---|
//! | Z1 | what was acknowledged is durable at a quorum, and never lost | `World::look_at_durability`; `Ledger::leads`; `replay::acknowledged` |
//! | Z2 | histories are prefixes of one another; equal zxid, equal tree | `Ledger::committed`, `Ledger::applied` at each apply, start and snapshot |
//! | Z3 | one order of transactions in all logs | `Ledger::appended`: one record stands behind one |
//! | Z4 | one leader for an epoch | `Ledger::leads` |
//! | Z5 | only what was proposed is delivered, once | `Ledger::appended`, `Ledger::applied`; `replay::check`: one zxid for a request |
//! | Z6 | acceptedEpoch and currentEpoch never go back on disk | `Ledger::epochs_are` at each write and start; `Process::look_at_promise` |
//! | Z7 | who joins an epoch has all that its leader began with, durably | `Ledger::promised`, by `Process::look_at_promise`; `Ledger::leads` |
//! | Z8 | memory is what the log leads to | `Ledger::applied` at each start and change of role; `Process::install`; an ending that is `Wrong` |
//! | Z9 | no hole in a log | `Ledger::appended`; on disk `boot::look_at_log` at each start |
//! | Z10 | healed, all come to rest | `World::look_at_rest`: one leader, equal trees, all clients served, no container left |
//! | C1 | zxids respect real time; sync reaches what was answered before | `replay::in_real_time` |
//! | C2 | a session's requests and replies keep their order | `Client::answered`; `replay::check` |
//! | C3, C4 | what a session sees never goes back, on whatever server | `Client::see` |
//! | C5 | a multi happens whole or not at all | `model::expect_multi`; digests in `Ledger::applied` |
//! | C6 | sequential names | `model::created_name` |
//! | C7 | every answer is the one that the tree leads to; the server deletes only what it may | `model::expect`, `model::expires`, `reads::read`, `replay::answered_as` |
//! | W1 | an event comes before what shows the change | `watches`: `Watcher::sees` |
//! | W2 | events come in the order of zxids | `watches`: `Watcher::told` |
//! | W3 | once, and only to who watches; removal removes what was there | `watches`: `Watcher::told`, `Watcher::replied`; `Client::event` |
//! | W4 | nothing is missed; setWatches tells what the rule says | `Watcher::sees`, `Watcher::compare_catch_up`; `standing` |
//! | W5 | who may not read is not told | `Watcher::told`, against the permissions of the moment in `replay` |
//! | W6 | a recursive watch hears of all below, and never of children | `standing`; `Watcher::told` |
//! | E1 | no ephemeral without its session | `replay`: `Replay::sessions`; `World::look_at_sessions` |
//! | E2 | a session's end takes its ephemerals, all, once | `Process::applied`, `Replay::sessions` |
//! | E3 | no session ends early, none outlives its client | `Process::expired`; `World::look_at_sessions` |
//! | E4 | no session comes back | `Ledger::opened`; `Client::greeted` |
//! | R1 | nobody leads under a membership older than the last one that was committed; quorums are those of the membership of the moment | `Memberships::leads`; `World::look_at_durability` |
//! | R2 | one change at a time; a version is one membership, in every tree | `Ledger::appended`; `Memberships::activated`, `Memberships::reads` |
//! | R3 | a start finds the old membership or the new one, and what it acknowledged | `Memberships::found`; `Process::look_at_membership` |
//! | R5 | who only serves reads shows its own history, and takes nothing | `replay::read_only`; `Client::greeted` |
//! | R4 | healed, all members have the same in memory, files and tree | `World::look_at_memberships` |

mod changes;
mod history;
mod ledger;
mod memberships;
mod model;
mod reads;
pub(crate) mod replay;
mod standing;
mod watches;

use std::fmt;

pub(crate) use history::{Asked, Heard, History, Op, OpId, Returned};
pub(crate) use ledger::Ledger;
pub(crate) use memberships::{CONFIG, Memberships, Remains, is_same, is_told};

/// A container that the leader should have deleted by now: its last child went in time for a look at it.
pub(crate) fn container_left(
    state: &tree::State,
    is_long_ago: impl Fn(jute::Zxid) -> bool,
) -> Option<String> {
    let is_left = |node: &tree::NodeView<'_>| {
        let stat = node.stat_persisted();
        node.child_count() == 0 && stat.cversion > 0 && is_long_ago(stat.pzxid)
    };
    state.containers().find(is_left).map(|node| node.path())
}

/// Whether a path is this one or lies below it.
pub(crate) fn is_at_or_below(path: &str, above: &str) -> bool {
    above == "/" || path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Something that must hold does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which of the invariants.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

impl Failure {
    pub(crate) fn new(invariant: &'static str, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}
