//! How a learner gets the leader's history: one pure decision over both.
//!
//! A zxid names one transaction, and whoever holds a transaction of an epoch holds all that its leader had before it. So
//! two histories that share a transaction are equal up to it, and two that share an epoch are equal up to the smaller of
//! their last zxids in it. A zxid with counter 0 names no transaction: it is the end of a history from which a quorum began
//! that epoch, so every later leader's history goes on from there.
//!
//! * **Invariant:** DIFF and TRUNC are sent for a proved common beginning only; all else gets a snapshot.
//! * **Invariant:** TRUNC names a transaction of ours in the epoch of the learner's last one.
// zk: LearnerHandler.syncFollower, queueCommittedProposals
// diverges(sync-by-proof): the reference also cuts over the border of an epoch and to zxids that name no transaction, trusts
// bounds of its memory that are crossed or 0, and sends a log that need not go on from the learner's history

use alloc::sync::Arc;
use alloc::vec::Vec;

use jute::Zxid;

use crate::leader::Recent;
use crate::{LogProbe, Outgoing, Packet};

/// What a leader has: committed transactions only, and at least all that were when its epoch began.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// The last transaction.
    pub end: Zxid,
    /// The end as a reader of the state sees it: `end`, or a first zxid of an epoch without transactions.
    pub processed: Zxid,
    /// The last transactions.
    pub recent: &'a Recent,
}

/// What is known of the log on disk.
#[derive(Debug, Clone, Copy)]
pub enum Log<'a> {
    /// It is not to be sent.
    Off,
    /// Nothing yet.
    Unasked,
    /// What it can prove about this learner's history.
    Probed(&'a LogProbe),
}

/// What to do for a learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Send this.
    Send(Plan),
    /// Ask what the log on disk can prove, and decide again.
    AskLog,
}

/// How a learner gets the history. What is proposed and not committed follows in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The state as a whole.
    Snapshot,
    /// Transactions on top of what the learner has.
    Transactions {
        /// What it drops first: all above this.
        cut: Option<Zxid>,
        /// What comes from the log on disk: all above the first zxid up to the second, which it holds.
        log: Option<(Zxid, Zxid)>,
        /// What comes from memory: all above this.
        after: Zxid,
    },
}

/// Decides how a learner whose history ends with `peer` gets ours.
#[must_use]
pub fn decide(peer: Zxid, history: &History<'_>, log: Log<'_>, forces_snapshot: bool) -> Decision {
    if forces_snapshot {
        return Decision::Send(Plan::Snapshot);
    }
    if peer == history.end || peer == history.processed {
        return Decision::Send(from_memory(None, history.end));
    }
    // An empty history has nothing in common with one that began before our log did.
    if peer <= Zxid::ZERO {
        return Decision::Send(Plan::Snapshot);
    }
    if peer > history.end {
        return Decision::Send(cut_to_end(peer, history.end));
    }
    if let Some(floor) = history.recent_floor(peer) {
        let plan = common(peer, floor).map(|common| from_memory(common.cut, common.end));
        return Decision::Send(plan.unwrap_or(Plan::Snapshot));
    }
    match log {
        Log::Off => Decision::Send(Plan::Snapshot),
        Log::Unasked => Decision::AskLog,
        Log::Probed(probe) => {
            Decision::Send(from_log(peer, history.recent_first().unwrap_or(history.end), probe))
        }
    }
}

/// A plan as it goes into a learner's stream, in front of what is not committed yet and NEWLEADER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// In words of the protocol.
    pub how: &'static str,
    /// Where that begins.
    pub from: Zxid,
    /// What is sent.
    pub items: Vec<Outgoing>,
}

/// What carries a plan out for a learner whose history ends with `peer`.
#[must_use]
pub fn stream(plan: Plan, peer: Zxid, history: &History<'_>) -> Stream {
    let (cut, log, after) = match plan {
        Plan::Snapshot => {
            let zxid = history.processed;
            return Stream { how: "SNAP", from: zxid, items: [Outgoing::Snapshot { zxid }].into() };
        }
        Plan::Transactions { cut, log, after } => (cut, log, after),
    };
    let (how, from, first) = match cut {
        Some(zxid) => ("TRUNC", zxid, Packet::Trunc(zxid)),
        None => ("DIFF", peer, Packet::Diff(history.end.max(peer))),
    };
    let mut items: Vec<Outgoing> = [Outgoing::Packet(first)].into();
    items.extend(log.map(|(after, up_to)| Outgoing::Log { after, up_to }));
    for record in history.recent.above(after) {
        items.push(Outgoing::Packet(Packet::Proposal(Arc::clone(record))));
        items.push(Outgoing::Packet(Packet::Commit(record.header.zxid)));
    }
    Stream { how, from, items }
}

fn from_memory(cut: Option<Zxid>, after: Zxid) -> Plan {
    Plan::Transactions { cut, log: None, after }
}

/// The learner has more than we have committed.
fn cut_to_end(peer: Zxid, end: Zxid) -> Plan {
    if peer.counter() == 0 {
        // zk: LearnerHandler.syncFollower: there may be no log to cut
        return Plan::Snapshot;
    }
    common(peer, end).map_or(Plan::Snapshot, |common| from_memory(common.cut, common.end))
}

/// `joint` is the oldest zxid that memory knows, or our last: up to there the log must reach.
fn from_log(peer: Zxid, joint: Zxid, probe: &LogProbe) -> Plan {
    let goes_on = probe.first_above.is_some_and(|first| first > peer && first <= joint);
    if probe.is_over || !goes_on || probe.last < joint {
        return Plan::Snapshot;
    }
    let Some(floor) = probe.floor else { return Plan::Snapshot };
    let Some(Common { cut, .. }) = common(peer, floor) else { return Plan::Snapshot };
    // From the floor, which the log holds: a zxid with counter 0 that the learner ends with is no record in it.
    Plan::Transactions { cut, log: Some((floor, joint)), after: joint }
}

/// The beginning that two histories are known to share.
struct Common {
    /// What the learner has above it goes.
    cut: Option<Zxid>,
    /// Our transactions above this follow.
    end: Zxid,
}

/// `floor` is our largest transaction at or below the learner's last zxid.
fn common(peer: Zxid, floor: Zxid) -> Option<Common> {
    let begins_an_epoch = |zxid: Zxid| zxid.counter() == 0;
    if floor == peer || (floor < peer && begins_an_epoch(peer)) {
        return Some(Common { cut: None, end: peer });
    }
    // A cut to what is no transaction would leave the one behind it in logs of the reference.
    let is_cut = floor < peer && floor.epoch() == peer.epoch() && !begins_an_epoch(floor);
    is_cut.then_some(Common { cut: Some(floor), end: floor })
}

impl History<'_> {
    /// The oldest zxid that memory knows, if what is there ends where the history does.
    fn recent_first(&self) -> Option<Zxid> {
        let goes_on = self.recent.last() == Some(self.end);
        self.recent.first().filter(|_| goes_on)
    }

    fn recent_floor(&self, peer: Zxid) -> Option<Zxid> {
        self.recent_first().and_then(|_| self.recent.floor(peer))
    }
}
