//! Random histories of an ensemble, grown by a small model of the protocol: whatever was decided for a learner, carried out it
//! gives the leader's history, to the transaction.
//!
//! The model knows elections by quorums, epochs that never got a quorum, syncs that were broken off, proposals that only some
//! got, leaders that were away meanwhile, and ends of histories that are first zxids of epochs. It uses the decision for every
//! sync, so that a wrong one spoils what follows too.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a model: what does not fit fails the test"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use jute::txn::{SetDataTxn, TxnHeader};
use jute::{OpCode, SessionId, Txn, TxnRecord, Zxid};
use proptest::prelude::*;
use rookeeper_zab as zab;
use zab::LogProbe;
use zab::leader::Recent;
use zab::sync::{Decision, History, Log, Plan, decide};

#[derive(Debug, Clone, Default)]
struct Server {
    /// All transactions, from the first.
    history: Vec<Zxid>,
    current_epoch: i32,
    /// The first zxid of an epoch without transactions, seen by whoever reads the state.
    idle: Option<Zxid>,
    /// How many of its transactions its log has lost to the purge.
    purged: usize,
}

impl Server {
    fn last(&self) -> Zxid {
        self.history.last().copied().unwrap_or(Zxid::ZERO)
    }

    fn processed(&self) -> Zxid {
        self.idle.map_or(self.last(), |idle| idle.max(self.last()))
    }

    /// A vote: the log tells of epochs that the file does not know yet.
    fn vote(&self) -> (i32, Zxid) {
        (self.current_epoch.max(self.last().epoch()), self.processed())
    }
}

/// Numbers that decide what happens; zeros when they are used up.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % bound
    }

    fn some(&mut self, servers: usize) -> BTreeSet<usize> {
        let bits = self.below(256);
        (0..servers).filter(|server| bits >> server & 1 == 1).collect()
    }

    fn is_over(&self) -> bool {
        self.0.len() == 0
    }
}

/// What a leader sends, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Replace(Vec<Zxid>, Zxid),
    Cut(Zxid),
    Append(Zxid),
}

struct Ensemble {
    servers: Vec<Server>,
    epoch: i32,
    memory: usize,
    seen: BTreeSet<&'static str>,
}

impl Ensemble {
    fn new(servers: usize, memory: usize) -> Self {
        Self { servers: vec![Server::default(); servers], epoch: 0, memory, seen: BTreeSet::new() }
    }

    /// A round: an election, a sync of some, transactions, and perhaps late ones.
    fn round(&mut self, choices: &mut Choices<'_>) {
        let count = self.servers.len();
        let mut voters = choices.some(count);
        for server in 0..count {
            if voters.len() <= count / 2 {
                voters.insert((server + self.epoch as usize) % count);
            }
        }
        let best = |server: &usize| (self.servers[*server].vote(), *server);
        let leader = *voters.iter().max_by_key(|server| best(server)).expect("a quorum votes");
        self.epoch += 1 + choices.below(2) as i32;
        self.servers[leader].current_epoch = self.epoch;

        let committed = self.servers[leader].history.len();
        let mut synced = BTreeSet::from([leader]);
        for learner in choices.some(count) {
            if learner != leader && self.sync(leader, learner, committed, choices) {
                synced.insert(learner);
            }
        }
        if synced.len() <= count / 2 {
            return;
        }
        self.servers[leader].idle = Some(Zxid::from_parts(self.epoch, 0));
        self.broadcast(leader, committed, &synced, choices);
    }

    /// The leader proposes; each follower gets some of it, each quorum commits. Then others come, or come again.
    fn broadcast(
        &mut self,
        leader: usize,
        mut committed: usize,
        synced: &BTreeSet<usize>,
        choices: &mut Choices<'_>,
    ) {
        let before = self.servers[leader].history.len();
        for counter in 1..=choices.below(5) as u32 {
            self.servers[leader].history.push(Zxid::from_parts(self.epoch, counter));
        }
        let history = self.servers[leader].history.clone();
        let mut lengths = Vec::new();
        for server in synced {
            let got = if *server == leader {
                history.len()
            } else {
                before + choices.below(history.len() - before + 1)
            };
            self.servers[*server].history = history[..got].to_vec();
            lengths.push(got);
        }
        lengths.sort_unstable_by(|left, right| right.cmp(left));
        let quorum = self.servers.len() / 2;
        if let Some(reached) = lengths.get(quorum) {
            committed = committed.max(*reached);
        }
        for learner in choices.some(self.servers.len()) {
            if learner != leader {
                self.sync(leader, learner, committed, choices);
            }
        }
        if choices.below(3) == 0 {
            self.servers[leader].purged = choices.below(self.servers[leader].history.len() + 1);
        }
    }

    /// Syncs a learner with the committed part of a leader's history, then sends the rest; whether it came to the end.
    fn sync(&mut self, leader: usize, learner: usize, committed: usize, choices: &mut Choices<'_>) -> bool {
        let steps = self.steps(leader, self.servers[learner].processed(), committed);
        let breaks_off = choices.below(4) == 0;
        let count = if breaks_off { choices.below(steps.len() + 1) } else { steps.len() };
        for step in &steps[..count] {
            self.carry_out(learner, step);
        }
        if count < steps.len() || breaks_off {
            return false;
        }
        let server = &self.servers[learner];
        assert_eq!(server.history, self.servers[leader].history, "by {steps:?}");
        self.servers[learner].current_epoch = self.epoch;
        true
    }

    fn steps(&mut self, leader: usize, peer: Zxid, committed: usize) -> Vec<Step> {
        let server = &self.servers[leader];
        let history = &server.history[..committed];
        let mut recent = Recent::new(self.memory);
        recent.go_on_behind(Zxid::ZERO);
        history.iter().for_each(|zxid| recent.push(record(*zxid)));
        let end = history.last().copied().unwrap_or(Zxid::ZERO);
        let processed = if end == server.last() { server.processed() } else { end };
        let what = History { end, processed, recent: &recent };
        let mut decision = decide(peer, &what, Log::Unasked, false);
        let in_log = &history[server.purged.min(committed)..];
        if decision == Decision::AskLog {
            self.seen.insert("log");
            decision = decide(peer, &what, Log::Probed(&probe(in_log, peer)), false);
        }
        let Decision::Send(plan) = decision else { panic!("asks twice") };
        let mut steps = Vec::new();
        match plan {
            Plan::Snapshot => {
                self.seen.insert("snapshot");
                steps.push(Step::Replace(history.to_vec(), processed));
            }
            Plan::Transactions { cut, log, after } => {
                self.seen.insert(match (cut, log) {
                    (Some(_), Some(_)) => "cut and log",
                    (Some(_), None) => "cut",
                    (None, Some(_)) => "diff from the log",
                    (None, None) => "diff",
                });
                steps.extend(cut.map(Step::Cut));
                if let Some((above, up_to)) = log {
                    assert!(in_log.contains(&up_to), "the log holds what it is to send");
                    let sent = in_log.iter().filter(|zxid| **zxid > above && **zxid <= up_to);
                    steps.extend(sent.map(|zxid| Step::Append(*zxid)));
                }
                steps.extend(recent.above(after).map(|record| Step::Append(record.header.zxid)));
            }
        }
        steps.extend(server.history[committed..].iter().map(|zxid| Step::Append(*zxid)));
        steps
    }

    fn carry_out(&mut self, learner: usize, step: &Step) {
        let server = &mut self.servers[learner];
        match step {
            Step::Replace(history, processed) => {
                server.history.clone_from(history);
                server.idle = (*processed > server.last()).then_some(*processed);
                server.purged = server.history.len();
            }
            Step::Cut(to) => {
                assert!(server.history.contains(to), "the learner has what it is cut to");
                server.history.retain(|zxid| zxid <= to);
                server.idle = None;
                server.purged = server.purged.min(server.history.len());
            }
            Step::Append(zxid) => {
                let last = server.last();
                let goes_on = zxid.epoch() > last.epoch() || zxid.0 == last.0 + 1;
                assert!(goes_on, "{zxid} behind {last}");
                server.history.push(*zxid);
            }
        }
    }
}

fn record(zxid: Zxid) -> Arc<TxnRecord> {
    let txn = Txn::SetData(SetDataTxn { path: "/a".to_string(), data: None, version: 1 });
    let header =
        TxnHeader { client_id: SessionId(1), cxid: 0, zxid, time: 0, op_code: OpCode::SetData.code() };
    Arc::new(TxnRecord { header, txn, digest: None })
}

fn probe(log: &[Zxid], peer: Zxid) -> LogProbe {
    LogProbe {
        floor: log.iter().copied().rfind(|zxid| *zxid <= peer),
        first_above: log.iter().copied().find(|zxid| *zxid > peer),
        last: log.last().copied().unwrap_or(Zxid::ZERO),
        is_over: false,
    }
}

fn run(servers: usize, memory: usize, choices: &[u8]) -> BTreeSet<&'static str> {
    let mut ensemble = Ensemble::new(servers, memory);
    let mut choices = Choices(choices.iter());
    while !choices.is_over() {
        ensemble.round(&mut choices);
    }
    ensemble.seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_learner_ends_with_the_leaders_history(
        servers in 2..=5usize,
        memory in 0..12usize,
        choices in prop::collection::vec(any::<u8>(), 0..250),
    ) {
        run(servers, memory, &choices);
    }
}

#[test]
fn every_kind_of_decision_is_met() {
    // Fixed runs of a small generator, so that the property above is known not to be empty.
    let mut state = 1_u32;
    let mut seen = BTreeSet::new();
    for memory in 0..90 {
        let choices: Vec<u8> = (0..400)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect();
        seen.extend(run(5, memory % 3, &choices));
    }
    let all = ["cut", "cut and log", "diff", "diff from the log", "log", "snapshot"];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}
