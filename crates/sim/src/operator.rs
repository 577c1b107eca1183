//! What an operator does with machines: a new server begins with the membership of the moment and a line of its own.

use std::sync::Arc;

use ensemble::Verifier;

use crate::agenda::Happening;
use crate::clock::{MS, Micros, SECOND};
use crate::faults::Crash;
use crate::peer;
use crate::plan::Plan;
use crate::world::World;

/// How long after the healing the members may find a way by themselves.
const PATIENCE: Micros = 6 * SECOND;

/// Something that an operator does.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// An empty machine gets a configuration and starts. The lines are those of the ensemble and its own.
    Install(usize, Arc<Verifier>),
    /// A server did not start, since the membership of this version in its files does not name it: they are looked at.
    LookAt(usize, i64),
}

impl Operation {
    /// The machine.
    pub(crate) fn host(&self) -> usize {
        match self {
            Self::Install(host, _) | Self::LookAt(host, _) => *host,
        }
    }
}

impl World {
    pub(crate) fn operate(&mut self, operation: Operation) {
        let host = operation.host();
        let newest = Arc::clone(self.universe.memberships.newest());
        let is_member = newest.member(Plan::server_id(host)).is_some();
        match operation {
            // Nobody empties the machine of a member.
            Operation::Install(..) if is_member => {}
            Operation::Install(_, lines) => {
                self.crash(host, Crash::Kill, 100 * MS);
                let sabotage = self.universe.plan.sabotage;
                let Some(server) = self.servers.get_mut(host) else { return };
                server.disk = peer::empty_disk(sabotage);
                self.universe.ledger.forgets(host);
                self.universe.marks.reach("empty machine installed");
                self.give(host, &lines);
            }
            // It missed that it is a member again.
            Operation::LookAt(..) if is_member => self.give(host, &newest),
            Operation::LookAt(_, version) => match self.lines_with(host, &newest) {
                Some(lines) => {
                    self.universe.marks.reach("a server that is to join given its lines again");
                    self.give(host, &lines);
                }
                None => {
                    if version == newest.version && self.universe.now >= self.universe.plan.faulty + PATIENCE
                    {
                        self.pass_on(&newest);
                    }
                    let again = self.universe.now + 2 * SECOND;
                    self.universe.agenda.plan(again, Happening::Operate(Operation::LookAt(host, version)));
                }
            },
        }
    }

    /// Members wait for a server that a proposed membership names, and it ended before it had written that: it gets the lines of
    /// the ensemble and its own, as when it was installed. Without it they may have no quorum.
    fn lines_with(&self, host: usize, newest: &Verifier) -> Option<Arc<Verifier>> {
        let is_member = |host: usize| newest.member(Plan::server_id(host)).is_some();
        let members = self.servers.iter().enumerate().filter(|(host, _)| is_member(*host));
        let proposed = members
            .filter_map(|(_, server)| Some(&server.process.as_ref()?.membership.last_seen))
            .filter(|seen| seen.version > newest.version)
            .find_map(|seen| seen.member(Plan::server_id(host)))?;
        let lines: Vec<(String, String)> = newest
            .members()
            .iter()
            .chain([proposed])
            .map(|member| (format!("server.{}", member.id), member.to_string()))
            .collect();
        let pairs = lines.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Verifier::from_pairs(pairs, false).ok().map(Arc::new)
    }

    /// A leader that was removed may be the only one who knows that this was agreed on: it does not start again, and the others wait
    /// for it. A member that has seen it proposed gets its dynamic file.
    fn pass_on(&mut self, newest: &Verifier) {
        let up = || {
            self.servers
                .iter()
                .enumerate()
                .filter_map(|(host, server)| Some((host, server.process.as_ref()?)))
        };
        if up().any(|(_, process)| process.membership.current.version >= newest.version) {
            return;
        }
        let is_member = |host: usize| newest.member(Plan::server_id(host)).is_some();
        let waits = up().find(|(host, process)| {
            is_member(*host) && process.membership.last_seen.version == newest.version
        });
        if let Some((host, _)) = waits {
            self.universe.marks.reach("what a removed server knew given to a member");
            self.crash(host, Crash::Kill, 100 * MS);
            self.give(host, newest);
        }
    }

    /// Writes the configuration file of a server that is down, and starts it.
    fn give(&mut self, host: usize, lines: &Verifier) {
        let u = &mut self.universe;
        let Some(server) = self.servers.get_mut(host).filter(|server| !server.is_up()) else { return };
        u.trace.say(u.now, || format!("{}: gets {}", host + 1, lines.to_string().replace('\n', " ")));
        u.memberships.forgets(host);
        server.is_installed = peer::install(&server.disk, lines).is_ok();
        u.agenda.plan(u.now + 100 * MS, Happening::Start(host));
    }
}
