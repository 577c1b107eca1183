//! Bugs of the past, put in on purpose, so that the checkers show that they see them.
//!
//! All of them sit where the simulator carries out what a server decides, or hands it what came: there each looks to the rest of
//! the world as the bug itself would. Without the feature `sabotage` none can be switched on.

use crate::clock::SECOND;
use crate::plan::Plan;

/// The one that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sabotage(Option<Mutant>);

/// A sabotage and the number of seeds within which it must be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutant {
    /// Its name.
    pub name: &'static str,
    /// What goes wrong, and where that was.
    pub what: &'static str,
    /// So many seeds are tried.
    pub seeds: u64,
    aim: Aim,
}

/// The world in which a bug shows soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aim {
    /// So many servers that vote, and nobody else.
    pub(crate) voters: Option<usize>,
    /// Faults of these kinds only, in quick succession.
    kinds: &'static [u64],
    sync_limit: u32,
    moves: u64,
    /// The membership changes while the run goes on.
    pub(crate) has_reconfig: bool,
    /// Servers without a leader serve reads.
    pub(crate) allows_read_only: bool,
}

/// Any world.
const ANY: Aim =
    Aim { voters: None, kinds: &[], sync_limit: 5, moves: 4, has_reconfig: false, allows_read_only: false };
/// Leaders are cut off with what they proposed last, and come back.
const TAILS: Aim = Aim { voters: Some(3), kinds: &[40, 41, 58], ..ANY };
/// Leaders believe in themselves for long while the others go on, and clients see both.
const LEFT_BEHIND: Aim = Aim { voters: Some(3), kinds: &[73, 73, 98], sync_limit: 20, moves: 60, ..ANY };
/// Memberships change, and processes end all the time.
const RECONFIG: Aim = Aim { has_reconfig: true, kinds: &[0, 12, 24, 85, 85, 40], ..ANY };
/// Servers are cut off for long.
const CUT_OFF: Aim = Aim { allows_read_only: true, kinds: &[40, 40, 58, 98], moves: 20, ..ANY };

impl Aim {
    /// Turns a world into the one that is meant.
    pub(crate) fn at(self, plan: &mut Plan) {
        if self == ANY {
            return;
        }
        plan.kinds = self.kinds;
        plan.fault_every = SECOND;
        plan.think = SECOND / 40;
        plan.snap_count = 1000;
        plan.commit_log_count = 500;
        plan.sends_log = true;
        plan.forces_snapshot = false;
        plan.sync_limit = self.sync_limit;
        plan.moves = self.moves;
    }
}

impl Sabotage {
    /// The sabotage of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        MUTANTS.iter().find(|mutant| mutant.name == name).map(|mutant| Self(Some(*mutant)))
    }

    /// Whether it is this one.
    pub(crate) fn is(self, name: &str) -> bool {
        cfg!(feature = "sabotage") && self.0.is_some_and(|mutant| mutant.name == name)
    }

    /// The world in which it shows.
    pub(crate) fn aim(self) -> Aim {
        self.0.map_or(ANY, |mutant| mutant.aim)
    }
}

const fn mutant(name: &'static str, seeds: u64, what: &'static str) -> Mutant {
    Mutant { name, what, seeds, aim: ANY }
}

const fn aimed(aim: Aim, name: &'static str, seeds: u64, what: &'static str) -> Mutant {
    Mutant { name, what, seeds, aim }
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    mutant("ack-before-durable", 10, "the log says durable when it was given a record (ZK-3911, ZK-4646)"),
    mutant("log-without-sync", 10, "a commit of the log does not wait for the disk"),
    mutant("no-directory-sync", 20, "new and renamed names are not made durable (ZK-2003)"),
    mutant("accepted-epoch-forgotten", 20, "acceptedEpoch is answered and not written (ZK-335, ZK-1081)"),
    mutant("current-epoch-forgotten", 5, "currentEpoch is answered and not written (ZK-2307)"),
    aimed(TAILS, "truncate-keeps-one", 10, "TRUNC leaves one record too many (ZK-1154, L2)"),
    aimed(TAILS, "truncate-one-too-many", 10, "TRUNC takes one record too many (ZK-1156)"),
    aimed(TAILS, "truncate-in-memory-only", 10, "TRUNC is answered, and the log stays (ZK-3701)"),
    aimed(TAILS, "truncate-keeps-state", 10, "TRUNC cuts the log, and memory stays (ZK-2845)"),
    mutant(
        "snapshot-not-installed",
        20,
        "the state behind SNAP is answered as durable and is not (ZK-2872, L7)",
    ),
    mutant(
        "snapshot-beside-old-log",
        40,
        "the state behind SNAP is written beside a log that does not lead to it",
    ),
    mutant("epoch-before-transactions", 5, "currentEpoch is written before what belongs to it (ZK-4643)"),
    mutant(
        "newleader-acknowledged-early",
        5,
        "NEWLEADER is acknowledged before the state of the leader is durable (ZK-3023, ZK-4646)",
    ),
    mutant("snapshot-taken-late", 10, "what follows SNAP is not what it was taken at (ZK-3144)"),
    mutant("snapshot-without-sessions", 10, "a snapshot to a learner has no sessions (ZK-1367)"),
    mutant("ack-counted-twice", 10, "an ACK counts for another learner too (ZK-2959)"),
    mutant("apply-before-commit", 20, "a follower applies what is proposed (ZK-2845)"),
    mutant("commit-lost", 5, "a follower leaves one transaction out (ZK-2355, ZK-4925)"),
    mutant("commit-out-of-order", 5, "two transactions change places when they are applied (ZK-3598)"),
    mutant("multi-in-part", 5, "the last part of a multi is not applied"),
    mutant("heartbeats-unheard", 10, "heard sessions are not handed over (ZK-1049)"),
    mutant("session-resurrected", 20, "every session may be taken up again (ZK-1496)"),
    mutant("ephemeral-outlives-session", 5, "an ephemeral is kept when its session ends (ZK-1208, ZK-1496)"),
    aimed(
        LEFT_BEHIND,
        "seen-not-looked-at",
        10,
        "a server takes up a session that saw more than it has itself",
    ),
    mutant("watch-after-reply", 10, "events stand behind the replies of the same burst"),
    mutant("watch-lost", 5, "one event in ten is not sent (ZK-1412)"),
    mutant("watch-twice", 5, "one event in ten is sent twice"),
    mutant("standing-fires-once", 5, "a persistent watch is gone when it has fired (ZK-4466)"),
    mutant("told-without-permission", 5, "events do not look at permissions (CVE-2024-23944)"),
    mutant("sync-answered-at-once", 5, "a follower answers sync by itself (ZK-2136)"),
    mutant("reply-lost", 10, "one reply in a hundred is not sent, and the connection goes on"),
    mutant("reads-ahead", 5, "a reply shows a zxid above the state it is of"),
    aimed(RECONFIG, "proposed-membership-not-written", 10, "what is proposed is not in the file (ZK-2819)"),
    aimed(
        RECONFIG,
        "membership-before-commit",
        20,
        "what is proposed is what the next start takes for in force",
    ),
    aimed(
        RECONFIG,
        "membership-named-before-written",
        20,
        "the configuration file names a file that is not there yet (ZK-2865)",
    ),
    aimed(RECONFIG, "membership-node-forgotten", 10, "/zookeeper/config is not what is in force (ZK-3829)"),
    aimed(CUT_OFF, "read-only-takes-writes", 20, "a server without a leader says that it has written"),
    mutant("zombie-transactions", 10, "a request is carried out twice"),
];
