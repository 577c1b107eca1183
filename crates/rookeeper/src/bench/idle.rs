//! Sessions that have nothing to ask: each pings at a third of its timeout.

use std::sync::Arc;

use super::arguments::Arguments;
use super::connection::{Connection, Kind};
use super::load::{Asker, Nodes, Work};
use super::report::{Measured, Report};
use super::run::{Window, measure, share_out};
use super::usage::Usage;
use super::{target, wire};

/// The flag of an ephemeral node.
const EPHEMERAL: i32 = 1;

/// The memory of the servers is told over what they had before the sessions came. For a third of the timeout nobody pings: the
/// warm-up should be as long.
pub(super) fn run(arguments: &Arguments) -> Result<Report, String> {
    target::allow_descriptors(arguments.connections)?;
    let servers = target::addresses(&arguments.servers)?;
    let empty = Usage::sum(&arguments.pid).map(|usage| usage.resident);
    let nodes = Arc::new(Nodes::new(&arguments.root, 0, 0));
    if arguments.ephemerals > 0 {
        target::prepare(arguments, &nodes, *servers.first().ok_or("--servers names nobody")?)?;
    }
    let mut sessions = target::open_all(arguments, &servers)?;
    for (place, session) in sessions.iter_mut().enumerate() {
        own(session, arguments.ephemerals, &nodes.own(place))?;
    }
    eprintln!("idle: {} sessions", sessions.len());
    // The pace is none, so nobody is ever asked.
    let shares = share_out(arguments, sessions, |place| Asker::new(Work::Get, Arc::clone(&nodes), place))?;
    let Window { time, cost, .. } = measure(arguments, shares)?;
    Ok(Report::new(arguments, Measured::Idle { sessions: arguments.connections, empty, time }, cost))
}

/// Gives a session its ephemeral nodes.
fn own(session: &mut Connection, count: u64, name: &str) -> Result<(), String> {
    for number in 0..count {
        let path = format!("{name}-{number}");
        session.ask(Kind::Part, 0, |out, number| wire::create(out, number, &path, b"", EPHEMERAL));
    }
    match session.finish() {
        Ok(0) => Ok(()),
        Ok(error) => Err(format!("{name} cannot be made: {}", target::name_of(error))),
        Err(why) => Err(format!("{name}: {why}")),
    }
}
