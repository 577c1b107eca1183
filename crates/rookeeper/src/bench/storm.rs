//! Many watchers of one node, and one set.

use std::io;
use std::time::{Duration, Instant};

use jute::OpCode;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use super::arguments::Arguments;
use super::connection::{Arrival, Connection, Kind};
use super::load::Nodes;
use super::report::{Cost, Measured, Report, Round};
use super::usage::Usage;
use super::{target, wire};

/// An event that has not come by then is missing.
const EVENTS_WITHIN: Duration = Duration::from_secs(30);
/// Events taken from the system at once.
const EVENTS_MAX: usize = 1024;

pub(super) fn run(arguments: &Arguments) -> Result<Report, String> {
    target::allow_descriptors(arguments.connections)?;
    let servers = target::addresses(&arguments.servers)?;
    let first = *servers.first().ok_or("--servers names nobody")?;
    let nodes = Nodes::new(&arguments.root, 1, arguments.size);
    target::prepare(arguments, &nodes, first)?;
    let mut watchers = target::open_all(arguments, &servers)?;
    eprintln!("watch-storm: {} watchers", watchers.len());
    let mut setter = target::open(first, arguments.timeout)?;

    let (mut rounds, mut missing, mut cost) = (Vec::new(), 0, None::<Cost>);
    for _ in 0..arguments.rounds() {
        let failed = |why: io::Error| format!("a connection has failed: {why}");
        arm(&mut watchers, &nodes.root).map_err(failed)?;
        let before = Usage::sum(&arguments.pid);
        let (round, came) = fire(&mut watchers, &mut setter, &nodes).map_err(failed)?;
        let of_round = Cost::between(before, Usage::sum(&arguments.pid));
        cost = cost.map_or(of_round, |sum| of_round.map(|of_round| sum.and(of_round)));
        missing += (watchers.len() - came) as u64;
        rounds.push(round);
    }
    drop(watchers);
    if !arguments.keep {
        target::clean_up(arguments, &arguments.root, first)?;
    }
    let watchers = arguments.connections;
    Ok(Report::new(arguments, Measured::Storm { watchers, rounds, missing }, cost))
}

/// Every watcher sets its watch.
fn arm(watchers: &mut [Connection], path: &str) -> io::Result<()> {
    for watcher in watchers {
        watcher.set_waiting(true)?;
        watcher.call(|out, number| wire::read(out, number, OpCode::GetData, path, true))?;
        watcher.set_waiting(false)?;
    }
    Ok(())
}

/// Sets the node and waits for all events; how many came.
fn fire(watchers: &mut [Connection], setter: &mut Connection, nodes: &Nodes) -> io::Result<(Round, usize)> {
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    for (place, watcher) in watchers.iter().enumerate() {
        epoll::add(&poll, watcher, EventData::new_u64(place as u64), EventFlags::IN)?;
    }
    let of_setter = watchers.len() as u64;
    setter.set_waiting(false)?;
    epoll::add(&poll, &*setter, EventData::new_u64(of_setter), EventFlags::IN)?;
    let began = Instant::now();
    setter.ask(Kind::Write, 0, |out, number| wire::set(out, number, &nodes.root, &nodes.data));
    setter.flush()?;
    let (mut round, mut came) = (Round { reply_ns: 0, first_ns: 0, last_ns: 0 }, 0);
    let mut events: Vec<Event> = Vec::with_capacity(EVENTS_MAX);
    while (came < watchers.len() || setter.under_way() > 0) && began.elapsed() < EVENTS_WITHIN {
        events.clear();
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&second))?;
        for event in &events {
            let now_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let data = event.data;
            let place = usize::try_from(data.u64()).unwrap_or(usize::MAX);
            let connection = watchers.get_mut(place).unwrap_or(&mut *setter);
            connection.receive(|arrival, _| match arrival {
                Arrival::Event => {
                    came += 1;
                    round.first_ns = if came == 1 { now_ns } else { round.first_ns };
                    round.last_ns = now_ns;
                }
                Arrival::Reply { .. } => round.reply_ns = now_ns,
            })?;
        }
    }
    setter.set_waiting(true)?;
    Ok((round, came))
}
