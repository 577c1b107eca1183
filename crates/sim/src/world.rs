//! The world: takes what happens next, hands it to whom it concerns, and looks at the end whether all came to rest.

use jute::Zxid;
use replica::Mode;
use storage::SimulatedDisk;
use storage::disk::Fault;

use crate::agenda::{Happening, ServerTurn};
use crate::check::{Failure, History, Remains, replay};
use crate::client::Client;
use crate::clock::{Clock, MS, Micros, SECOND};
use crate::faults::{Crash, Faults};
use crate::net::{Delivery, End, Line, Route, WireId};
use crate::operator::Operation;
use crate::peer::{self, Membership, NoMembership, Process, SYNC_MAX, Server, boot};
use crate::plan::Plan;
use crate::random::Random;
use crate::universe::Universe;

pub(crate) struct World {
    pub(crate) universe: Universe,
    pub(crate) servers: Vec<Server>,
    pub(crate) clients: Vec<Client>,
    pub(crate) history: History,
    faults: Option<Faults>,
    /// How far the durability of what is committed was looked at.
    pub(crate) looked_at: Zxid,
    pub(crate) look_next: Micros,
}

impl World {
    pub(crate) fn new(plan: Plan, is_told: bool) -> Self {
        let mut random = Random::stream(plan.seed, "clocks");
        let drift = random.pick(&[0, 1000, 50_000]);
        let mut servers: Vec<Server> = (0..plan.servers())
            .map(|_| {
                let rate = 1_000_000 - drift + random.below(2 * drift + 1);
                Server::new(
                    Clock { rate, offset: random.below(1000 * SECOND), wall_off_ms: 0 },
                    plan.sabotage,
                )
            })
            .collect();
        for server in servers.iter_mut().take(plan.members()) {
            server.is_installed = peer::install(&server.disk, &plan.verifier).is_ok();
        }
        let history = History::new(plan.clients);
        let faults = Some(Faults::new(plan.seed));
        let mut universe = Universe::new(plan, is_told);
        if drift > 0 {
            universe.marks.reach("clock drift");
        }
        let clients = (0..universe.plan.clients).map(|index| Client::new(index, &universe)).collect();
        Self { universe, servers, clients, history, faults, looked_at: Zxid::ZERO, look_next: 0 }
    }

    /// Runs to the end, or to the first failure.
    pub(crate) fn run(&mut self) {
        let u = &mut self.universe;
        for server in 0..self.servers.len() {
            u.agenda.plan(u.random.below(SECOND), Happening::Start(server));
        }
        for client in 0..self.clients.len() {
            u.agenda.plan(u.random.below(SECOND), Happening::Client(client));
        }
        u.agenda.plan(3 * SECOND, Happening::Fault);
        let end = u.plan.end();
        while let Some((at, what)) = self.universe.agenda.next() {
            if self.universe.failure.is_some() || self.is_over(at) {
                break;
            }
            self.universe.now = at;
            self.happen(what);
            // What must be durable, and where, depends on the membership that this very event may have brought.
            self.follow_memberships();
            self.look_at_durability();
        }
        if self.universe.failure.is_none() {
            self.universe.now = self.universe.now.max(end);
            self.look_at_rest();
        }
        if self.universe.failure.is_none() {
            let checked = replay::check(&self.universe, &self.history);
            self.universe.check(checked);
        }
    }

    /// The server that leads, as it believes itself, in the newest epoch.
    pub(crate) fn leader(&self) -> Option<usize> {
        let leads = |(host, server): (usize, &Server)| {
            let process = server.process.as_ref()?;
            let is_leader = matches!(process.mode, Some(Mode::Leader | Mode::Standalone));
            is_leader.then_some((process.state.last_processed_zxid(), host))
        };
        self.servers.iter().enumerate().filter_map(leads).max().map(|(_, host)| host)
    }

    /// Ends a process; it comes back after a while.
    pub(crate) fn crash(&mut self, host: usize, how: Crash, down: Micros) {
        let Some(server) = self.servers.get_mut(host) else { return };
        let Some(mut process) = server.process.take() else { return };
        let u = &mut self.universe;
        u.quiet_since = u.now;
        u.ledger.reign_ends(host, u.now);
        if process.mode == Some(Mode::Leader) {
            u.marks.reach("leader crashed");
        }
        u.trace.mark(&[u.now, host as u64, how as u64]);
        u.trace.say(u.now, || format!("{}: {how:?}", host + 1));
        if process.disk.is_busy() && u.random.chance(500) {
            // It ends in the middle of what its disk thread does.
            let after = u.random.below(6);
            server.disk.fail_at(server.disk.operations() + after, Fault::Cut);
            drop(process.disk.finish());
        }
        drop(process);
        for (wire, end) in u.net.wires_of(host) {
            match how {
                Crash::PowerLoss => u.net.vanish(wire, end),
                Crash::Kill if u.random.chance(500) => u.net.reset(&mut u.agenda, u.now, wire),
                Crash::Kill => u.net.close(&mut u.agenda, u.now, wire, end),
            }
        }
        match how {
            Crash::Kill => server.disk.kill(),
            Crash::PowerLoss => server.disk.crash(u.random.next()),
        }
        for later in server.paused.take().into_iter().flatten() {
            // Who waits for it hears that nobody is there.
            u.agenda.plan(u.now, later);
        }
        u.agenda.plan(u.now + down, Happening::Start(host));
    }

    pub(crate) fn pause(&mut self, host: usize, time: Micros) {
        let Some(server) = self.servers.get_mut(host) else { return };
        if server.is_up() && server.paused.is_none() {
            let u = &mut self.universe;
            u.quiet_since = u.now;
            u.marks.reach("paused");
            server.paused = Some(Vec::new());
            u.agenda.plan(u.now + time, Happening::Resume(host));
        }
    }

    pub(crate) fn ask_to_stop(&mut self, host: usize) {
        if let Some(process) = self.servers.get_mut(host).and_then(|server| server.process.as_mut()) {
            process.push_event(&mut self.universe, pipeline::event::Event::Shutdown);
        }
    }

    pub(crate) fn ring_again(&mut self, host: usize, other: usize) {
        if let Some(process) = self.servers.get_mut(host).and_then(|server| server.process.as_mut()) {
            process.ring_again(&mut self.universe, other);
        }
    }

    pub(crate) fn set_sync_max(&mut self, host: usize, most: Micros) {
        if let Some(server) = self.servers.get_mut(host) {
            server.sync_max = most;
            if let Some(process) = &mut server.process {
                process.sync_max = most;
            }
        }
    }

    pub(crate) fn fail_disk(&mut self, host: usize, after: u64, fault: Fault) {
        if let Some(server) = self.servers.get(host).filter(|server| server.is_up()) {
            server.disk.fail_at(server.disk.operations() + after, fault);
        }
    }

    /// The disk of a machine.
    pub(crate) fn disk(&self, host: usize) -> Option<SimulatedDisk> {
        self.servers.get(host).map(|server| server.disk.clone())
    }

    /// A learner reaches its leader a second time beside the connection that it has.
    pub(crate) fn dial_twice(&mut self, host: usize) {
        if let Some(process) = self.servers.get_mut(host).and_then(|server| server.process.as_mut()) {
            process.dial_twice(&mut self.universe);
        }
    }

    pub(crate) fn set_wall_clock(&mut self, host: usize, off_ms: i64) {
        if let Some(server) = self.servers.get_mut(host) {
            server.clock.wall_off_ms = off_ms;
            if let Some(process) = &mut server.process {
                process.clock = server.clock;
            }
        }
    }

    fn happen(&mut self, what: Happening) {
        if let Some(host) = self.concerns(&what)
            && let Some(server) = self.servers.get_mut(host)
            && let Some(later) = &mut server.paused
        {
            later.push(what);
            return;
        }
        match what {
            Happening::Ring(wire) => self.ring(wire),
            Happening::Arrive(wire, end, delivery) => self.arrive(wire, end, delivery),
            Happening::DialFailed(wire) => self.dial_failed(wire),
            Happening::Server(host, life, turn) => self.server_turn(host, life, turn),
            Happening::Start(host) => self.start(host),
            Happening::Resume(host) => self.resume(host),
            Happening::Client(client) => {
                if let Some(client) = self.clients.get_mut(client) {
                    client.wake(&mut self.universe, &mut self.history);
                }
            }
            Happening::Fault => self.fault(),
            Happening::Mend(mend) => {
                self.universe.quiet_since = self.universe.now;
                mend.carry_out(self);
            }
            Happening::Operate(operation) => self.operate(operation),
        }
    }

    /// The server that does nothing of it while it is stopped.
    fn concerns(&self, what: &Happening) -> Option<usize> {
        match what {
            Happening::Server(host, ..) => Some(*host),
            Happening::Ring(wire) => self.universe.net.rung(*wire).map(|(host, _, _)| host),
            Happening::Arrive(wire, end, _) => self.universe.net.host(*wire, *end),
            Happening::DialFailed(wire) => self.universe.net.host(*wire, End::Dialer),
            Happening::Start(_)
            | Happening::Resume(_)
            | Happening::Client(_)
            | Happening::Fault
            | Happening::Mend(_)
            | Happening::Operate(_) => None,
        }
    }

    fn server_turn(&mut self, host: usize, life: u64, turn: ServerTurn) {
        let Some(server) = self.servers.get_mut(host) else { return };
        if server.life == life
            && let Some(process) = &mut server.process
        {
            process.turn(&mut self.universe, turn);
            self.look_at_ending(host);
        }
    }

    fn start(&mut self, host: usize) {
        let Some(server) = self.servers.get_mut(host) else { return };
        if server.is_up() || !server.is_installed {
            return;
        }
        let u = &mut self.universe;
        u.quiet_since = u.now;
        server.life += 1;
        if u.random.chance(40) && !u.is_healing() {
            // It may end again while it starts, or soon after.
            server.disk.fail_at(server.disk.operations() + u.random.below(20), Fault::Cut);
        }
        let mut found = boot::boot(&server.disk, &u.plan);
        if found.is_err() && u.rotten == Some(host) && !server.disk.is_cut() {
            u.marks.reach("damaged history set aside");
            found = boot::give_up(&server.disk, &u.plan);
        }
        let found = match found {
            Ok(found) => found,
            Err(_) if server.disk.is_cut() => {
                self.cut_at_start::<()>(host);
                return;
            }
            Err(why) => {
                return u.fail(Failure::new("Z1", format!("server {} cannot start: {why}", host + 1)));
            }
        };
        let Some(membership) = self.membership_of(host) else { return };
        let Some(server) = self.servers.get_mut(host) else { return };
        let u = &mut self.universe;
        if found.had_torn_tail {
            u.marks.reach("torn tail");
        }
        if found.was_healed {
            u.marks.reach("current epoch healed");
        }
        u.trace.say(u.now, || format!("{}: starts at {}", host + 1, found.state.last_processed_zxid()));
        let (accepted, current) =
            (i64::from(found.start.accepted_epoch), i64::from(found.start.current_epoch));
        let epochs = u.ledger.epochs_are(host, accepted, current);
        u.check(epochs);
        let applied = u.ledger.applied(host, found.state.last_processed_zxid(), found.state.digest());
        u.check(applied);
        if u.plan.is_standalone {
            let begins = u.ledger.begins_alone(found.state.last_processed_zxid());
            u.check(begins);
        }
        if u.rotten != Some(host) {
            let chained = boot::look_at_log(&found.store, &u.ledger);
            u.check(chained);
        }
        let found = (found, membership);
        server.process = Some(Process::start(host, server.life, server.clock, server.sync_max, found, u));
    }

    /// R3: what the files say that a server starts with.
    fn membership_of(&mut self, host: usize) -> Option<Membership> {
        let disk = self.disk(host)?;
        let u = &mut self.universe;
        match Membership::read(&disk, Plan::server_id(host)) {
            Ok(membership) => {
                if membership.settle().is_err() {
                    return self.cut_at_start(host);
                }
                let found = u.memberships.found(host, &membership.current, &membership.last_seen);
                match found {
                    Ok(Remains::Whole) => {}
                    Ok(Remains::Old) => u.marks.reach("crash in a reconfig: old membership at the start"),
                    Ok(Remains::New) => u.marks.reach("crash in a reconfig: new membership at the start"),
                    Err(failure) => u.fail(failure),
                }
                if membership.last_seen.version != membership.current.version {
                    u.marks.reach("proposed membership found at a start");
                }
                if u.plan.has_reconfig {
                    membership.back_up();
                }
                if disk.is_cut() {
                    return self.cut_at_start(host);
                }
                Some(membership)
            }
            Err(_) if disk.is_cut() => self.cut_at_start(host),
            Err(NoMembership::NotMember(version)) => {
                u.trace.say(u.now, || format!("{}: no member of {version:x}, does not start", host + 1));
                u.marks.reach("no member: does not start");
                let operation = Operation::LookAt(host, version);
                u.agenda.plan(u.now + 2 * SECOND, Happening::Operate(operation));
                None
            }
            Err(NoMembership::Unreadable(why)) => {
                u.fail(Failure::new("R3", format!("server {} has no membership: {why}", host + 1)));
                None
            }
        }
    }

    /// The process ends while it starts, and comes again.
    fn cut_at_start<T>(&mut self, host: usize) -> Option<T> {
        let disk = self.disk(host)?;
        let u = &mut self.universe;
        u.marks.reach("crashed while starting");
        disk.crash(u.random.next());
        u.agenda.plan(u.now + 100 * MS, Happening::Start(host));
        None
    }

    /// What was committed in the last event may have changed the membership.
    fn follow_memberships(&mut self) {
        let u = &mut self.universe;
        let servers = &self.servers;
        let is_up = |host: usize| servers.get(host).is_some_and(Server::is_up);
        let checked = u.memberships.are_committed(&u.ledger, is_up);
        u.check(checked);
        let Some(newest) = u.memberships.follow(&u.ledger, u.now) else { return };
        u.marks.reach("reconfig committed");
        let is_first = |host: &usize| newest.member(Plan::server_id(*host)).is_some();
        if !(0..u.plan.members()).any(|host| is_first(&host)) {
            u.marks.reach("all members replaced");
        }
        u.trace.say(u.now, || format!("membership {}", newest.to_string().replace('\n', " ")));
    }

    fn resume(&mut self, host: usize) {
        let Some(server) = self.servers.get_mut(host) else { return };
        self.universe.quiet_since = self.universe.now;
        for later in server.paused.take().into_iter().flatten() {
            self.universe.agenda.plan(self.universe.now, later);
        }
    }

    fn ring(&mut self, wire: WireId) {
        let Some((to, from, line)) = self.universe.net.rung(wire) else { return };
        let u = &mut self.universe;
        let process = self.servers.get_mut(to).and_then(|server| server.process.as_mut());
        let Some(process) = process.filter(|process| line != Line::Quorum || process.is_listening) else {
            return u.net.refuse(&mut u.agenda, u.now, wire);
        };
        u.net.accept(&mut u.agenda, u.now, wire);
        match line {
            Line::Election => process.mesh_accepted(u, wire, from),
            Line::Quorum => process.learner_connected(u, wire),
            Line::Client => process.client_connected(u, wire),
        }
        self.look_at_ending(to);
    }

    fn dial_failed(&mut self, wire: WireId) {
        let Some((host, line)) = self.universe.net.dial_failed(wire) else { return };
        self.tell_lost(host, line, wire, End::Dialer, true);
    }

    fn arrive(&mut self, wire: WireId, end: End, delivery: Delivery) {
        let u = &mut self.universe;
        let servers = &self.servers;
        let is_up = |host: usize| servers.get(host).is_none_or(Server::is_up);
        let Route::To(host, line) = u.net.arrive(&mut u.agenda, u.now, wire, end, &delivery, is_up) else {
            return;
        };
        u.trace.mark(&[u.now, wire.0, end as u64]);
        let bytes = match delivery {
            Delivery::Closed => return self.tell_lost(host, line, wire, end, false),
            Delivery::Opened => None,
            Delivery::Bytes(bytes) => Some(bytes),
        };
        if let Some(client) =
            host.checked_sub(self.servers.len()).and_then(|client| self.clients.get_mut(client))
        {
            return match bytes {
                None => client.opened(u, wire),
                Some(bytes) => client.bytes(u, &mut self.history, wire, &bytes),
            };
        }
        let Some(process) = self.servers.get_mut(host).and_then(|server| server.process.as_mut()) else {
            return;
        };
        match (line, end, bytes) {
            (Line::Election, _, None) => process.mesh_opened(u, wire),
            (Line::Quorum, _, None) => process.upstream_opened(u, wire),
            (Line::Client, _, None) => {}
            (Line::Election, _, Some(bytes)) => process.mesh_bytes(u, wire, bytes),
            (Line::Quorum, End::Acceptor, Some(bytes)) => process.learner_bytes(u, wire, &bytes),
            (Line::Quorum, End::Dialer, Some(bytes)) => process.upstream_bytes(u, wire, &bytes),
            (Line::Client, _, Some(bytes)) => process.client_bytes(u, wire, &bytes),
        }
        self.look_at_ending(host);
    }

    fn tell_lost(&mut self, host: usize, line: Line, wire: WireId, end: End, was_dialing: bool) {
        let u = &mut self.universe;
        if let Some(client) =
            host.checked_sub(self.servers.len()).and_then(|client| self.clients.get_mut(client))
        {
            return client.lost(u, &mut self.history, wire);
        }
        let Some(process) = self.servers.get_mut(host).and_then(|server| server.process.as_mut()) else {
            return;
        };
        match (line, end) {
            (Line::Election, _) => process.mesh_lost(u, wire),
            (Line::Quorum, End::Dialer) if was_dialing => process.upstream_failed(u, wire),
            (Line::Quorum, End::Dialer) => process.upstream_lost(u, wire),
            (Line::Quorum, End::Acceptor) => process.learner_lost(u, wire),
            (Line::Client, _) => process.client_lost(u, wire),
        }
        self.look_at_ending(host);
    }

    /// A process may have ended by itself.
    fn look_at_ending(&mut self, host: usize) {
        use crate::peer::Ending;
        let process = self.servers.get_mut(host).and_then(|server| server.process.as_mut());
        let Some(ending) = process.and_then(|process| process.ending.take()) else { return };
        let u = &mut self.universe;
        u.trace.say(u.now, || format!("{}: ends: {ending:?}", host + 1));
        let how = match ending {
            Ending::Wrong(why) => {
                let invariant = if why.starts_with("Z2") { "Z2" } else { "Z8" };
                return u.fail(Failure::new(invariant, format!("server {} stops: {why}", host + 1)));
            }
            Ending::Stopped => {
                u.marks.reach("stopped when asked");
                Crash::Kill
            }
            Ending::Disk(_) => {
                u.marks.reach("process ended by its disk");
                if u.random.chance(500) { Crash::Kill } else { Crash::PowerLoss }
            }
        };
        let down = u.random.between(50 * MS, 4 * SECOND);
        self.crash(host, how, down);
    }

    fn fault(&mut self) {
        let Some(mut faults) = self.faults.take() else { return };
        if self.universe.is_healing() {
            return self.heal();
        }
        self.universe.quiet_since = self.universe.now;
        faults.strike(self);
        let next = self.universe.now + faults.pause(self.universe.plan.fault_every);
        let next = next.min(self.universe.plan.faulty);
        self.universe.agenda.plan(next, Happening::Fault);
        self.faults = Some(faults);
    }

    /// Faults are over: all that is broken is mended, all that is down starts.
    fn heal(&mut self) {
        let u = &mut self.universe;
        u.trace.say(u.now, || "healed".to_owned());
        u.net.mend_all(&mut u.agenda, u.now);
        for host in 0..self.servers.len() {
            self.resume(host);
            self.set_sync_max(host, SYNC_MAX);
            if let Some(disk) = self.disk(host) {
                disk.mend();
            }
            self.universe.agenda.plan(self.universe.now, Happening::Start(host));
        }
    }
}
