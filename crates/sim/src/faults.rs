//! What goes wrong, drawn from a stream of its own.

use storage::disk::Fault;

use crate::agenda::Happening;
use crate::clock::{MS, Micros, SECOND};
use crate::peer::SYNC_MAX;
use crate::random::Random;
use crate::world::World;

/// The end of a fault.
#[derive(Debug, Clone)]
pub(crate) enum Mend {
    /// A way is whole again.
    Way(usize, usize),
    /// A way lets bytes through again.
    Clog(usize, usize),
    /// A way is fast again.
    Speed(usize, usize),
    /// A disk is fast again.
    Disk(usize),
}

/// Draws faults.
#[derive(Debug)]
pub(crate) struct Faults {
    random: Random,
}

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The machine goes on: what was written is in its cache.
    Kill,
    /// The machine loses what was not synced.
    PowerLoss,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::stream(seed, "faults") }
    }

    /// When the next one comes.
    pub(crate) fn pause(&mut self, every: Micros) -> Micros {
        self.random.between(every / 5, every * 2)
    }

    /// Does one.
    pub(crate) fn strike(&mut self, world: &mut World) {
        let random = &mut self.random;
        let servers = world.universe.plan.servers();
        let any = random.index(servers);
        let leader = world.leader();
        let victim = if random.chance(400) { leader.unwrap_or(any) } else { any };
        let kind = match world.universe.plan.kinds {
            [] => random.below(109),
            kinds => random.pick(kinds),
        };
        let said = format!("fault {kind} at server {}", victim + 1);
        world.universe.trace.say(world.universe.now, || said);
        match kind {
            0..12 => self.crash(world, victim, Crash::Kill),
            12..24 => self.crash(world, victim, Crash::PowerLoss),
            24..27 => (0..servers).for_each(|server| self.crash(world, server, Crash::PowerLoss)),
            27..30 => (0..servers).for_each(|server| self.crash(world, server, Crash::Kill)),
            30..38 => self.pause_server(world, victim),
            38..46 => self.isolate(world, victim),
            46..54 => self.cut_pair(world, victim),
            54..58 => self.bridge(world),
            58..62 => self.swizzle(world),
            62..67 => self.slow_ways(world, victim),
            67..73 => self.reset(world),
            73..75 => self.leave_behind(world, leader.unwrap_or(any)),
            75..80 => self.slow_disk(world, victim),
            80..85 => self.disk_fault(world, victim),
            85..90 => self.cut_disk(world, victim),
            90..93 => world.ring_again(victim, any),
            93..96 => self.stop(world, victim),
            96..98 => self.jump_wall_clock(world, victim),
            98..100 => self.cut_from_clients(world, victim),
            100..103 => world.rot(random, any),
            103..106 => world.dial_twice(victim),
            _ => self.clog(world, victim),
        }
    }

    fn crash(&mut self, world: &mut World, server: usize, how: Crash) {
        let down = if self.random.chance(500) {
            self.random.between(20 * MS, 500 * MS)
        } else {
            self.random.between(SECOND / 2, 10 * SECOND)
        };
        world.universe.marks.reach(match how {
            Crash::Kill => "killed",
            Crash::PowerLoss => "power lost",
        });
        world.crash(server, how, down);
    }

    fn stop(&mut self, world: &mut World, server: usize) {
        if world.leader() == Some(server) {
            world.universe.marks.reach("leader asked to stop");
        }
        world.ask_to_stop(server);
    }

    fn pause_server(&mut self, world: &mut World, server: usize) {
        let long = 2 * u64::from(world.universe.plan.sync_limit * world.universe.plan.tick_ms) * MS;
        let time = if self.random.chance(300) { long } else { self.random.between(10 * MS, 2 * SECOND) };
        if world.leader() == Some(server) {
            world.universe.marks.reach("leader paused");
        }
        world.pause(server, time);
    }

    fn isolate(&mut self, world: &mut World, server: usize) {
        let time = self.time(world);
        if world.leader() == Some(server) {
            world.universe.marks.reach("leader isolated");
        }
        let direction = self.random.below(3);
        for other in (0..world.universe.plan.servers()).filter(|other| *other != server) {
            if direction != 1 {
                cut(world, server, other, time);
            }
            if direction != 2 {
                cut(world, other, server, time);
            }
        }
        if direction != 0 {
            world.universe.marks.reach("one-way partition");
        }
    }

    /// A leader that is cut off believes in itself for a while; the others begin anew without it, and clients see both.
    fn leave_behind(&mut self, world: &mut World, leader: usize) {
        let servers = world.universe.plan.servers();
        let time = self.time(world);
        world.universe.marks.reach("leader left behind");
        for other in (0..servers).filter(|other| *other != leader) {
            cut(world, leader, other, time);
            cut(world, other, leader, time);
            let down = self.random.between(5 * MS, 50 * MS);
            world.crash(other, Crash::PowerLoss, down);
        }
    }

    fn cut_pair(&mut self, world: &mut World, server: usize) {
        let other = self.random.index(world.universe.plan.servers());
        if other == server {
            return;
        }
        let time = self.time(world);
        cut(world, server, other, time);
        if self.random.chance(500) {
            cut(world, other, server, time);
        }
    }

    /// Two halves that see each other only through one server.
    fn bridge(&mut self, world: &mut World) {
        let servers = world.universe.plan.servers();
        let bridge = self.random.index(servers);
        let time = self.time(world);
        world.universe.marks.reach("bridge partition");
        for a in (0..servers).filter(|a| *a != bridge) {
            for b in (0..servers).filter(|b| *b != bridge && (*b % 2) != (a % 2)) {
                cut(world, a, b, time);
            }
        }
    }

    /// All ways are cut one after the other and mended in another order.
    fn swizzle(&mut self, world: &mut World) {
        let servers = world.universe.plan.servers();
        world.universe.marks.reach("swizzle");
        for a in 0..servers {
            for b in (0..servers).filter(|b| *b != a) {
                let time = self.random.between(SECOND / 4, 4 * SECOND);
                cut(world, a, b, time);
            }
        }
    }

    fn cut_from_clients(&mut self, world: &mut World, server: usize) {
        let time = self.time(world);
        for client in 0..world.universe.plan.clients {
            let host = world.universe.plan.host_of_client(client);
            cut(world, server, host, time);
            if self.random.chance(700) {
                cut(world, host, server, time);
            }
        }
    }

    fn slow_ways(&mut self, world: &mut World, server: usize) {
        let extra = self.random.pick(&[5 * MS, 50 * MS, 400 * MS]);
        let time = self.time(world);
        for other in (0..world.universe.plan.servers()).filter(|other| *other != server) {
            let u = &mut world.universe;
            u.net.set_extra_latency(server, other, extra);
            u.agenda.plan(u.now + time, Happening::Mend(Mend::Speed(server, other)));
        }
    }

    /// Connections stand and are begun, and what is sent on them does not come.
    fn clog(&mut self, world: &mut World, server: usize) {
        let time = self.time(world);
        world.universe.marks.reach("clogged");
        for other in (0..world.universe.plan.servers()).filter(|other| *other != server) {
            let (from, to) = if self.random.chance(500) { (server, other) } else { (other, server) };
            let u = &mut world.universe;
            u.net.clog(from, to);
            u.agenda.plan(u.now + time, Happening::Mend(Mend::Clog(from, to)));
        }
    }

    fn reset(&mut self, world: &mut World) {
        let u = &mut world.universe;
        let open = u.net.open_wires();
        for _ in 0..self.random.between(1, 4) {
            if let Some(wire) = open.get(self.random.index(open.len())) {
                u.net.reset(&mut u.agenda, u.now, *wire);
            }
        }
    }

    fn slow_disk(&mut self, world: &mut World, server: usize) {
        let most = self.random.pick(&[50 * MS, 300 * MS, 2 * SECOND]);
        let time = self.time(world);
        world.universe.marks.reach("slow disk");
        world.set_sync_max(server, most);
        let u = &mut world.universe;
        u.agenda.plan(u.now + time, Happening::Mend(Mend::Disk(server)));
    }

    fn disk_fault(&mut self, world: &mut World, server: usize) {
        let fault = self.random.pick(&[Fault::Eio, Fault::NoSpace]);
        let after = self.random.below(6);
        world.universe.marks.reach(if fault == Fault::Eio { "EIO" } else { "ENOSPC" });
        world.fail_disk(server, after, fault);
    }

    /// The process will end in the middle of what it does with its disk.
    fn cut_disk(&mut self, world: &mut World, server: usize) {
        let after = self.random.below(25);
        world.fail_disk(server, after, Fault::Cut);
    }

    fn jump_wall_clock(&mut self, world: &mut World, server: usize) {
        let hours = i64::try_from(self.random.below(3)).unwrap_or(0) - 1;
        world.universe.marks.reach("wall clock jumped");
        world.set_wall_clock(server, hours * 3_600_000);
    }

    fn time(&mut self, world: &World) -> Micros {
        let ticks = u64::from(world.universe.plan.tick_ms) * MS;
        self.random.pick(&[ticks, 4 * ticks, 12 * ticks, 30 * ticks]) + self.random.below(SECOND)
    }
}

impl Mend {
    /// Ends the fault.
    pub(crate) fn carry_out(self, world: &mut World) {
        let u = &mut world.universe;
        match self {
            Self::Way(from, to) => u.net.mend(&mut u.agenda, u.now, from, to),
            Self::Clog(from, to) => u.net.unclog(&mut u.agenda, u.now, from, to),
            Self::Speed(from, to) => u.net.set_extra_latency(from, to, 0),
            Self::Disk(server) => world.set_sync_max(server, SYNC_MAX),
        }
    }
}

fn cut(world: &mut World, from: usize, to: usize, time: Micros) {
    let u = &mut world.universe;
    u.net.cut(from, to);
    u.agenda.plan(u.now + time, Happening::Mend(Mend::Way(from, to)));
}
