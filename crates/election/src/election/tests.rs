//! All orders in which three servers can begin and their messages can arrive.

extern crate std;

use alloc::collections::{BTreeMap, VecDeque};
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use super::*;

const SERVERS: [i64; 3] = [1, 2, 3];
/// Whenever no message is under way, all timers that are due fire: so often at most until all have settled.
const SILENCES_MAX: u32 = 5;

/// Three servers and what is under way between them.
#[derive(Clone)]
struct World {
    now_ms: u64,
    servers: Vec<Election>,
    started: [bool; 3],
    /// Messages from one server to another, in order.
    under_way: BTreeMap<(usize, usize), VecDeque<Notification>>,
    silences: u32,
}

/// What may happen next.
#[derive(Clone, Copy)]
enum Next {
    Start(usize),
    Deliver(usize, usize),
    Silence,
}

impl World {
    fn new(clocks: [i64; 3]) -> Self {
        let pairs: Vec<(String, String)> =
            SERVERS.iter().map(|id| (alloc::format!("server.{id}"), alloc::format!("zoo{id}:1:2"))).collect();
        let verifier =
            Verifier::from_pairs(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())), false);
        let verifier = Arc::new(verifier.expect("a membership"));
        let server = |(id, clock): (i64, i64)| {
            let settings = ElectionSettings::new(ServerId(id), LearnerType::Participant);
            Election { clock, ..Election::new(settings, Arc::clone(&verifier)) }
        };
        let servers = SERVERS.into_iter().zip(clocks).map(server).collect();
        Self { now_ms: 0, servers, started: [false; 3], under_way: BTreeMap::new(), silences: 0 }
    }

    fn choices(&self) -> Vec<Next> {
        let mut choices: Vec<Next> = (0..3).filter(|at| !self.started[*at]).map(Next::Start).collect();
        choices.extend(self.under_way.keys().map(|(from, to)| Next::Deliver(*from, *to)));
        // One server alone only waits.
        let is_quorum = self.started.iter().filter(|started| **started).count() >= 2;
        let waits = is_quorum && (0..3).any(|at| self.servers[at].next_deadline().is_some());
        if self.under_way.is_empty() && waits {
            choices.push(Next::Silence);
        }
        choices
    }

    fn step(&mut self, next: Next, zxids: [i64; 3]) {
        match next {
            Next::Start(at) => {
                self.started[at] = true;
                self.with(at, |server, now_ms, out| server.look(now_ms, Zxid(zxids[at]), 1, out));
            }
            Next::Deliver(from, to) => {
                let queue = self.under_way.get_mut(&(from, to)).expect("messages");
                let message = queue.pop_front().expect("a message");
                if queue.is_empty() {
                    self.under_way.remove(&(from, to));
                }
                let from = ServerId(SERVERS[from]);
                self.with(to, |server, now_ms, out| server.hear(now_ms, from, message, out));
            }
            Next::Silence => {
                self.silences += 1;
                let due = self.servers.iter().filter_map(Election::next_deadline).min();
                self.now_ms = due.expect("a deadline");
                for at in 0..3 {
                    self.with(at, |server, now_ms, out| server.on_deadline(now_ms, out));
                }
            }
        }
    }

    fn with(&mut self, at: usize, act: impl FnOnce(&mut Election, u64, &mut Vec<Action>)) {
        let mut out = Vec::new();
        act(&mut self.servers[at], self.now_ms, &mut out);
        for action in out {
            if let Action::Send { to, notification } = action {
                let to = SERVERS.iter().position(|id| *id == to.0).expect("a server");
                self.under_way.entry((at, to)).or_default().push_back(notification);
            }
        }
    }

    /// What tells one situation from another.
    fn fingerprint(&self, state: &RandomState) -> u64 {
        let mut hasher = state.build_hasher();
        (self.now_ms, self.started).hash(&mut hasher);
        for server in &self.servers {
            (server.clock, server.state, server.vote, &server.round).hash(&mut hasher);
        }
        for (pair, queue) in &self.under_way {
            (pair, queue.len()).hash(&mut hasher);
            queue.iter().for_each(|message| Vote::of(message).hash(&mut hasher));
        }
        hasher.finish()
    }

    /// All have settled, and nothing is under way: on one leader, who says so.
    fn check(&self) {
        let leader = self.servers[0].vote.expect("a vote").leader;
        for (server, id) in self.servers.iter().zip(SERVERS) {
            let role = if id == leader { PeerState::Leading } else { PeerState::Following };
            assert_eq!((server.state, server.vote.expect("a vote").leader), (role, leader));
        }
    }
}

/// Visits all that can happen; the number of situations and of ends.
fn visit(world: World, zxids: [i64; 3]) -> (usize, usize) {
    let state = RandomState::new();
    let mut seen = HashSet::new();
    let mut to_visit = Vec::from([world]);
    let mut ends = 0;
    while let Some(world) = to_visit.pop() {
        if !seen.insert(world.fingerprint(&state)) {
            continue;
        }
        assert!(world.silences <= SILENCES_MAX, "no end: {:?}", world.servers);
        let choices = world.choices();
        if choices.is_empty() {
            world.check();
            ends += 1;
        }
        for next in choices {
            let mut after = world.clone();
            after.step(next, zxids);
            to_visit.push(after);
        }
    }
    (seen.len(), ends)
}

#[test]
fn three_servers_agree_in_every_order() {
    for (clocks, zxids) in [([0, 0, 0], [5, 5, 5]), ([0, 0, 0], [6, 5, 5]), ([3, 0, 0], [5, 5, 5])] {
        let (situations, ends) = visit(World::new(clocks), zxids);
        std::println!("clocks {clocks:?} zxids {zxids:?}: {situations} situations, {ends} ends");
        assert!(ends > 0);
    }
}
