//! Ensembles of three and five: messages late, lost and overwritten, servers killed and started again; then quiet, and
//! one leader that all follow. Every run is a function of its seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use election::{Action, Election, ElectionSettings, Notification, PeerState};
use ensemble::{LearnerType, ServerId, Verifier};
use jute::Zxid;

const SEEDS: u64 = 60;
/// Servers are killed and messages lost so long; then all must settle within the time that follows.
const FAULTS_MS: u64 = 60_000;
const HEALED_MS: u64 = 180_000;
const STEP_MS: u64 = 10;
/// A role that does not come to life, or whose other side is gone, is given up after so long.
const ESTABLISH_MS: u64 = 2_000;

#[test]
fn ensembles_settle_on_one_leader() {
    let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..SEEDS {
        for count in [3, 5] {
            let mut world = World::new(seed, count);
            world.run();
            for what in ["killed", "gives up", "leading with", "following with"] {
                *reached.entry(what).or_default() +=
                    world.trace.iter().filter(|line| line.contains(what)).count();
            }
        }
    }
    // A run in which nothing happens shows nothing.
    println!("{reached:?}");
    assert!(reached.values().all(|times| *times > 300), "{reached:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [3, 77] {
        let trace = |()| {
            let mut world = World::new(seed, 5);
            world.run();
            world.trace
        };
        assert_eq!(trace(()), trace(()), "seed {seed}");
    }
}

struct World {
    seed: u64,
    random: Random,
    now_ms: u64,
    servers: BTreeMap<ServerId, Server>,
    /// From, to, when it arrives, and what; a newer message of the pair takes the place of one that was not sent yet.
    under_way: Vec<(ServerId, ServerId, u64, Vec<u8>)>,
    trace: Vec<String>,
}

struct Server {
    is_up: bool,
    election: Election,
    /// What the disk holds.
    zxid: Zxid,
    current_epoch: i64,
    /// Since when it has its role, and whether that came to life.
    since_ms: u64,
    is_established: bool,
}

impl World {
    fn new(seed: u64, count: i64) -> Self {
        let mut random = Random(seed.wrapping_mul(31).wrapping_add(count.unsigned_abs()));
        let lines: Vec<(String, String)> =
            (1..=count).map(|id| (format!("server.{id}"), format!("zoo{id}:2888:3888"))).collect();
        let pairs = lines.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let verifier = Arc::new(Verifier::from_pairs(pairs, false).expect("a membership"));
        let servers = (1..=count).map(|id| {
            let me = ServerId(id);
            let epoch = random.below(2);
            let zxid = Zxid((epoch.cast_signed() << 32) + random.below(3).cast_signed());
            let settings = ElectionSettings::new(me, LearnerType::Participant);
            let election = Election::new(settings, Arc::clone(&verifier));
            let current_epoch = epoch.cast_signed();
            let server =
                Server { is_up: false, election, zxid, current_epoch, since_ms: 0, is_established: false };
            (me, server)
        });
        let servers = servers.collect();
        Self { seed, random, now_ms: 0, servers, under_way: Vec::new(), trace: Vec::new() }
    }

    fn run(&mut self) {
        while self.now_ms < FAULTS_MS {
            self.faults();
            self.pass();
        }
        let down: Vec<ServerId> = self.ids().into_iter().filter(|id| !self.server(*id).is_up).collect();
        for id in down {
            self.start(id);
        }
        while self.now_ms < FAULTS_MS + HEALED_MS && !self.has_settled() {
            self.pass();
        }
        assert!(self.has_settled(), "seed {} of {}: {:#?}", self.seed, self.servers.len(), self.trace);
    }

    fn ids(&self) -> Vec<ServerId> {
        self.servers.keys().copied().collect()
    }

    fn server(&self, id: ServerId) -> &Server {
        self.servers.get(&id).expect("a server")
    }

    fn server_mut(&mut self, id: ServerId) -> &mut Server {
        self.servers.get_mut(&id).expect("a server")
    }

    /// Once in a while a server is killed, or one that is down comes back.
    fn faults(&mut self) {
        for id in self.ids() {
            if self.server(id).is_up {
                if self.random.below(800) == 0 {
                    self.kill(id);
                }
            } else if self.random.below(100) == 0 {
                self.start(id);
            }
        }
    }

    fn kill(&mut self, id: ServerId) {
        self.trace.push(format!("{} {id} killed", self.now_ms));
        self.server_mut(id).is_up = false;
        self.under_way.retain(|(from, to, ..)| *from != id && *to != id);
    }

    /// A new process on the same disk: it knows nothing of rounds.
    fn start(&mut self, id: ServerId) {
        let server = self.server_mut(id);
        let verifier = Arc::new(server.verifier());
        server.election = Election::new(ElectionSettings::new(id, LearnerType::Participant), verifier);
        server.is_up = true;
        self.look(id);
    }

    fn look(&mut self, id: ServerId) {
        self.with(id, |server, now_ms, out| {
            server.is_established = false;
            server.election.look(now_ms, server.zxid, server.current_epoch, out);
        });
    }

    /// Time passes: what is due arrives, timers fire, roles come to life or are given up.
    fn pass(&mut self) {
        self.now_ms += STEP_MS;
        let now_ms = self.now_ms;
        let (due, later) =
            std::mem::take(&mut self.under_way).into_iter().partition(|(.., at, _)| *at <= now_ms);
        self.under_way = later;
        for (from, to, _, bytes) in due {
            let notification = Notification::decode(&bytes).expect("our own message");
            self.with(to, |server, now_ms, out| server.election.hear(now_ms, from, notification, out));
        }
        for id in self.ids() {
            self.with(id, |server, now_ms, out| server.election.on_deadline(now_ms, out));
            self.supervise(id);
        }
    }

    fn with(&mut self, id: ServerId, act: impl FnOnce(&mut Server, u64, &mut Vec<Action>)) {
        let now_ms = self.now_ms;
        let server = self.server_mut(id);
        if !server.is_up {
            return;
        }
        let mut out = Vec::new();
        act(server, now_ms, &mut out);
        for action in out {
            match action {
                Action::Send { to, notification } => self.send(id, to, &notification),
                Action::Decided(decision) => {
                    self.trace.push(format!("{now_ms} {id} {} with {}", decision.role, decision.leader));
                    self.server_mut(id).since_ms = now_ms;
                    self.check_decision(id, decision.role);
                }
                Action::ConnectAll | Action::NewerConfig(_) | Action::VoterLooks { .. } | Action::Note(_) => {
                }
            }
        }
    }

    /// Messages of a pair arrive in order; while there are faults some are lost.
    fn send(&mut self, from: ServerId, to: ServerId, notification: &Notification) {
        let is_lost = self.now_ms < FAULTS_MS && self.random.below(20) == 0;
        if is_lost || !self.server(to).is_up {
            return;
        }
        let earlier =
            self.under_way.iter().filter(|(f, t, ..)| (*f, *t) == (from, to)).map(|(.., at, _)| *at).max();
        let at = (self.now_ms + 1 + self.random.below(60)).max(earlier.unwrap_or(0));
        self.under_way.push((from, to, at, notification.encode()));
    }

    /// Nobody leads whose history is behind that of most voters.
    fn check_decision(&self, id: ServerId, role: PeerState) {
        let of = |id: ServerId| (self.server(id).current_epoch, self.server(id).zxid, id);
        if role == PeerState::Leading {
            let behind = self.servers.keys().filter(|other| of(**other) <= of(id)).count();
            assert!(behind > self.servers.len() / 2, "seed {}: {id} leads: {:#?}", self.seed, self.trace);
        }
    }

    /// What the rest of a server does: a role without its other side is given up.
    fn supervise(&mut self, id: ServerId) {
        let server = self.server(id);
        if !server.is_up || server.election.is_looking() {
            return;
        }
        let leader = ServerId(server.election.vote().expect("a vote").leader);
        let has_other_side = match server.election.state() {
            PeerState::Leading => self.followers(id).len() > self.servers.len() / 2,
            PeerState::Following | PeerState::Observing | PeerState::Looking => {
                let leader = self.server(leader);
                leader.is_up && leader.election.state() == PeerState::Leading
            }
        };
        let is_late = self.now_ms > server.since_ms + ESTABLISH_MS;
        if !has_other_side && (is_late || server.is_established) {
            self.trace.push(format!("{} {id} gives up", self.now_ms));
            self.look(id);
        } else if has_other_side && leader == id {
            self.lead(id);
        }
    }

    /// The leader itself and those that follow it.
    fn followers(&self, leader: ServerId) -> Vec<ServerId> {
        let follows = |(id, server): (&ServerId, &Server)| {
            let vote = server.election.vote().filter(|vote| vote.leader == leader.0);
            let is_settled = server.is_up && !server.election.is_looking() && vote.is_some();
            is_settled.then_some(*id)
        };
        self.servers.iter().filter_map(follows).collect()
    }

    /// A leader with a quorum opens an epoch, brings its followers up to date, and writes.
    fn lead(&mut self, id: ServerId) {
        let followers = self.followers(id);
        let leader = self.server(id);
        let is_new = !leader.is_established;
        let epoch = if is_new {
            1 + followers.iter().map(|id| self.server(*id).current_epoch).max().unwrap_or(0)
        } else {
            leader.current_epoch
        };
        let zxid = match is_new {
            true => Zxid::from_parts(i32::try_from(epoch).expect("small"), 0),
            false => Zxid(leader.zxid.0 + i64::from(self.random.below(50) == 0)),
        };
        for follower in followers {
            let is_slow = follower != id && self.random.below(4) == 0;
            let server = self.server_mut(follower);
            if !server.is_established {
                server.is_established = true;
                server.current_epoch = epoch;
                server.election.update_settled_epoch(epoch);
            }
            if !is_slow {
                server.zxid = zxid;
            }
        }
    }

    fn has_settled(&self) -> bool {
        let leaders = self.servers.iter().filter(|(_, server)| server.election.state() == PeerState::Leading);
        let leaders: Vec<ServerId> = leaders.map(|(id, _)| *id).collect();
        matches!(leaders[..], [leader] if self.followers(leader).len() == self.servers.len())
            && self.servers.values().all(|server| server.is_established)
    }
}

impl Server {
    fn verifier(&self) -> Verifier {
        self.election.verifier().as_ref().clone()
    }
}

/// A generator of numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}
