//! Who has acknowledged what, and how far a quorum of every membership in force has come.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use jute::Zxid;

use crate::{ServerId, Verifier};

/// The memberships that a decision needs a quorum of: the one in force, and beside it one that is about to be.
#[derive(Debug, Clone)]
pub struct Quorums {
    verifiers: Vec<Arc<Verifier>>,
}

impl Quorums {
    /// One membership.
    #[must_use]
    pub fn new(verifier: Arc<Verifier>) -> Self {
        Self { verifiers: vec![verifier] }
    }

    /// A membership more.
    // zk: SyncedLearnerTracker.addQuorumVerifier
    #[must_use]
    pub fn and(mut self, verifier: Arc<Verifier>) -> Self {
        self.verifiers.push(verifier);
        self
    }

    /// Whether the servers are a quorum of every membership.
    // zk: SyncedLearnerTracker.hasAllQuorums
    #[must_use]
    pub fn are_met(&self, servers: &BTreeSet<ServerId>) -> bool {
        self.verifiers.iter().all(|verifier| verifier.contains_quorum(servers))
    }
}

/// How far each server's log has come, by its acknowledgements.
///
/// * An acknowledgement stands for everything before it: a log has no holes.
/// * Each server counts once, however often and over however many connections it acknowledges.
/// * A membership counts for the transactions behind the one that proposed it; earlier ones need the older ones only.
#[derive(Debug, Clone)]
pub struct Acks {
    rules: Vec<Rule>,
    acked: BTreeMap<ServerId, Zxid>,
}

#[derive(Debug, Clone)]
struct Rule {
    verifier: Arc<Verifier>,
    after: Zxid,
}

impl Acks {
    /// Nobody has acknowledged anything; all transactions need a quorum of this membership.
    #[must_use]
    pub fn new(verifier: Arc<Verifier>) -> Self {
        Self { rules: vec![Rule { verifier, after: Zxid(i64::MIN) }], acked: BTreeMap::new() }
    }

    /// All transactions above `after` need a quorum of this membership too.
    // zk: Leader.propose: a proposal waits for both while a reconfiguration is under way
    pub fn require(&mut self, verifier: Arc<Verifier>, after: Zxid) {
        self.rules.push(Rule { verifier, after });
    }

    /// From now on only the newest membership counts.
    pub fn settle(&mut self) {
        self.rules.drain(..self.rules.len().saturating_sub(1));
    }

    /// A server's log holds everything up to here. Returns whether that is news.
    pub fn record(&mut self, server: ServerId, zxid: Zxid) -> bool {
        let is_news = self.acked.get(&server).is_none_or(|before| *before < zxid);
        if is_news {
            self.acked.insert(server, zxid);
        }
        is_news
    }

    /// What a server acknowledged counts no longer: it may be about to cut its log.
    pub fn forget(&mut self, server: ServerId) {
        self.acked.remove(&server);
    }

    /// The last zxid that a quorum of every membership that it needs has acknowledged; `None` while there is none.
    #[must_use]
    pub fn reached(&self) -> Option<Zxid> {
        let mut reached: Option<Zxid> = None;
        for rule in &self.rules {
            let allowed = self.reached_by(&rule.verifier).map_or(rule.after, |by| by.max(rule.after));
            reached = Some(reached.map_or(allowed, |before| before.min(allowed)));
        }
        reached.filter(|zxid| zxid.0 != i64::MIN)
    }

    /// The last zxid that a quorum of one membership has acknowledged.
    fn reached_by(&self, verifier: &Verifier) -> Option<Zxid> {
        let mut acked: Vec<(Zxid, ServerId)> =
            self.acked.iter().map(|(server, zxid)| (*zxid, *server)).collect();
        acked.sort_unstable_by(|left, right| right.cmp(left));
        let mut servers = BTreeSet::new();
        acked.into_iter().find_map(|(zxid, server)| {
            servers.insert(server);
            verifier.contains_quorum(&servers).then_some(zxid)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier(lines: &[(&str, &str)]) -> Arc<Verifier> {
        Arc::new(Verifier::from_pairs(lines.iter().copied(), false).expect("valid"))
    }

    fn voters(ids: &[i64]) -> Arc<Verifier> {
        let lines: Vec<_> = ids.iter().map(|id| (alloc::format!("server.{id}"), "h:1:2")).collect();
        let lines: Vec<(&str, &str)> = lines.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        verifier(&lines)
    }

    fn acks(verifier: Arc<Verifier>, acked: &[(i64, i64)]) -> Acks {
        let mut acks = Acks::new(verifier);
        for (server, zxid) in acked {
            acks.record(ServerId(*server), Zxid(*zxid));
        }
        acks
    }

    #[test]
    fn the_last_zxid_that_a_majority_has() {
        let rows = [
            (vec![], None),
            (vec![(1, 5)], None),
            (vec![(1, 5), (2, 3)], Some(3)),
            (vec![(1, 5), (2, 3), (3, 4)], Some(4)),
            (vec![(1, 5), (1, 6), (1, 7)], None),
            (vec![(1, 5), (2, 5), (2, 4)], Some(5)),
            (vec![(1, 5), (8, 9), (9, 9)], None),
        ];
        for (acked, reached) in rows {
            assert_eq!(acks(voters(&[1, 2, 3]), &acked).reached(), reached.map(Zxid), "{acked:?}");
        }
    }

    #[test]
    fn weights_and_groups_decide_as_for_any_quorum() {
        let groups = verifier(&[
            ("server.1", "h:1:2"),
            ("server.2", "h:1:2"),
            ("server.3", "h:1:2"),
            ("group.1", "1:2:3"),
            ("weight.1", "3"),
        ]);
        assert_eq!(acks(Arc::clone(&groups), &[(2, 9), (3, 9)]).reached(), None);
        assert_eq!(acks(groups, &[(1, 7), (2, 9)]).reached(), Some(Zxid(7)));
    }

    #[test]
    fn what_is_forgotten_counts_no_longer() {
        let mut acks = acks(voters(&[1, 2, 3]), &[(1, 5), (2, 5)]);
        acks.forget(ServerId(2));
        assert_eq!(acks.reached(), None);
        assert!(acks.record(ServerId(2), Zxid(4)), "it begins anew");
        assert_eq!(acks.reached(), Some(Zxid(4)));
    }

    #[test]
    fn behind_a_reconfiguration_both_memberships_count_and_before_it_the_old_one() {
        let mut acks = acks(voters(&[1, 2, 3]), &[(1, 9), (2, 9)]);
        acks.require(voters(&[3, 4, 5]), Zxid(6));
        assert_eq!(acks.reached(), Some(Zxid(6)), "the new membership has acknowledged nothing");
        acks.record(ServerId(4), Zxid(8));
        acks.record(ServerId(5), Zxid(7));
        assert_eq!(acks.reached(), Some(Zxid(7)));
        acks.record(ServerId(3), Zxid(9));
        assert_eq!(acks.reached(), Some(Zxid(8)));
        acks.forget(ServerId(1));
        acks.forget(ServerId(2));
        assert_eq!(acks.reached(), None, "the old one has lost its quorum");
        acks.settle();
        assert_eq!(acks.reached(), Some(Zxid(8)));
    }

    #[test]
    fn quorums_ask_every_membership() {
        let both = Quorums::new(voters(&[1, 2, 3])).and(voters(&[3, 4, 5]));
        let rows: [(&[i64], bool); 3] = [(&[1, 2], false), (&[1, 3, 4], true), (&[3, 4, 5], false)];
        for (servers, met) in rows {
            assert_eq!(both.are_met(&servers.iter().copied().map(ServerId).collect()), met, "{servers:?}");
        }
    }
}
