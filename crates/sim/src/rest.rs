//! What must hold of the whole world: at any time of what is durable, and of everything when it has come to rest.

use std::collections::BTreeSet;
use std::sync::Arc;

use ensemble::Verifier;
use replica::Mode;

use crate::check::{self, Failure};
use crate::client::Client;
use crate::clock::{Micros, SECOND};
use crate::peer::{Membership, Process, Server, boot};
use crate::plan::Plan;
use crate::world::World;

impl World {
    /// Z1: what a client may know of is durable at a quorum, whatever happens to the machines next.
    pub(crate) fn look_at_durability(&mut self) {
        let end = self.universe.ledger.end();
        if end == self.looked_at || self.universe.now < self.look_next {
            return;
        }
        self.looked_at = end;
        self.look_next = self.universe.now + self.universe.random.between(SECOND / 2, 4 * SECOND);
        let needed = self.universe.memberships.at(end, self.universe.now);
        let votes = |host: usize| needed.iter().any(|verifier| verifier.is_voter(Plan::server_id(host)));
        let mut holders = BTreeSet::new();
        for (host, server) in self.servers.iter().enumerate().filter(|(host, _)| votes(*host)) {
            if self.universe.rotten == Some(host) {
                // It acknowledged what it may have lost since; no other has.
                holders.insert(Plan::server_id(host));
                continue;
            }
            let disk = server.disk.fork();
            disk.crash(self.universe.random.next());
            let held = boot::boot(&disk, &self.universe.plan)
                .is_ok_and(|found| self.universe.ledger.holds(found.state.last_processed_zxid(), end));
            if held {
                holders.insert(Plan::server_id(host));
            }
        }
        self.universe.marks.reach("durability looked at");
        if let Some(verifier) = needed.iter().find(|verifier| !verifier.contains_quorum(&holders)) {
            let version = verifier.version;
            let what = format!(
                "{end} is committed, and durable at {holders:?} only, no quorum of membership {version:x}"
            );
            self.universe.fail(Failure::new("Z1", what));
        }
    }

    /// The next thing comes behind the end. The leader deletes containers at its own times, so a transaction may be under way at the
    /// end: it has a moment to reach all.
    pub(crate) fn is_over(&self, next: Micros) -> bool {
        const UNDER_WAY: Micros = SECOND;
        let end = self.universe.plan.end();
        next > end && (next > end + UNDER_WAY || self.is_even())
    }

    /// Whether all members that run are at the same transaction.
    fn is_even(&self) -> bool {
        let mut zxids = self
            .members()
            .filter_map(|server| server.process.as_ref())
            .map(|process| process.state.last_processed_zxid());
        let first = zxids.next();
        zxids.all(|zxid| Some(zxid) == first)
    }

    /// Z10, E1: the healed world has one leader, equal trees, all clients served and no session of a dead client.
    pub(crate) fn look_at_rest(&mut self) {
        let mut states = Vec::new();
        let mut leaders = 0;
        let newest = Arc::clone(self.universe.memberships.newest());
        let is_member = |host: usize| newest.member(Plan::server_id(host)).is_some();
        for (host, server) in self.servers.iter().enumerate().filter(|(host, _)| is_member(*host)) {
            let Some(process) = server
                .process
                .as_ref()
                .filter(|process| process.mode.is_some_and(|mode| mode != Mode::ReadOnly))
            else {
                return self
                    .universe
                    .fail(Failure::new("Z10", format!("server {} does not serve", host + 1)));
            };
            leaders += usize::from(matches!(process.mode, Some(Mode::Leader | Mode::Standalone)));
            states.push((process.state.last_processed_zxid(), process.state.digest()));
        }
        if leaders != 1 {
            return self.universe.fail(Failure::new("Z10", format!("there are {leaders} leaders")));
        }
        if states.windows(2).any(|pair| pair.first() != pair.last()) {
            return self.universe.fail(Failure::new("Z10", format!("the trees differ: {states:x?}")));
        }
        let healed = self.universe.plan.faulty;
        if let Some(index) = self.clients.iter().position(|client| client.served_at < healed) {
            return self.universe.fail(Failure::new("Z10", format!("client {index} is not served")));
        }
        if let Err(failure) = self.look_at_memberships(&newest) {
            return self.universe.fail(failure);
        }
        if let Some(left) = self.container_left() {
            let what = format!("container {left} has had children, has none, and stays");
            return self.universe.fail(Failure::new("Z10", what));
        }
        self.look_at_sessions();
    }

    /// R4: all members have the newest membership, in memory, in the tree and, unless a disk failed, in their files; nobody else has a vote.
    fn look_at_memberships(&self, newest: &Verifier) -> Result<(), Failure> {
        for (host, server) in self.servers.iter().enumerate() {
            let id = Plan::server_id(host);
            let Some(process) = server.process.as_ref().filter(|_| self.universe.plan.has_reconfig) else {
                continue;
            };
            let wrong = |what: &str| Err(Failure::new("R4", format!("server {id}: {what}")));
            if newest.member(id).is_none() {
                if process.mode == Some(Mode::Leader) {
                    return wrong("leads, and is no member");
                }
                continue;
            }
            if !check::is_told(newest, &process.membership.current, &process.state) {
                return wrong(&format!("has another membership than {newest}"));
            }
            match Membership::read(&server.disk.fork(), id) {
                Ok(found) if check::is_same(&found.current, newest) => {}
                // Its disk had failed when it wrote them, which it said; it goes on, as the reference does.
                Ok(_) if self.universe.memberships.is_unwritten(host, newest.version) => {}
                Ok(found) => {
                    let found = found.current.version;
                    return wrong(&format!("has the files of membership {found:x}, and not of {newest}"));
                }
                Err(why) => return wrong(&format!("has not the files of {newest}: {why:?}")),
            }
        }
        Ok(())
    }

    /// The servers of the newest membership.
    fn members(&self) -> impl Iterator<Item = &Server> {
        let newest = self.universe.memberships.newest();
        let is_member = |host: usize| newest.member(Plan::server_id(host)).is_some();
        let servers = self.servers.iter().enumerate();
        servers.filter(move |(host, _)| is_member(*host)).map(|(_, server)| server)
    }

    /// A member that serves.
    fn member(&self) -> Option<&Process> {
        self.members().next()?.process.as_ref()
    }

    /// Unless clocks have jumped, which nobody can tell from the times of transactions.
    fn container_left(&self) -> Option<String> {
        const LOOK_MS: i64 = 6000;
        let u = &self.universe;
        let process = self.member()?;
        let now_ms = process.clock.wall_ms(u.now);
        let is_long_ago = |zxid| u.ledger.time_of(zxid).is_some_and(|time| time + LOOK_MS < now_ms);
        if u.marks.has("wall clock jumped") {
            return None;
        }
        check::container_left(&process.state, is_long_ago)
    }

    fn look_at_sessions(&mut self) {
        let alive: Vec<_> = self.clients.iter().filter_map(Client::session).collect();
        let Some(process) = self.member() else { return };
        let mut sessions = process.state.sessions();
        let left = sessions.find(|(session, _)| !alive.contains(session)).map(|(session, _)| session);
        let orphaned = process.state.orphaned_sessions().next();
        drop(sessions);
        if let Some(session) = left {
            let what = format!("session {session} has no client and lives on");
            self.universe.fail(Failure::new("E3", what));
        }
        if let Some(session) = orphaned {
            self.universe.fail(Failure::new("E1", format!("ephemerals of session {session}, which is gone")));
        }
    }
}
