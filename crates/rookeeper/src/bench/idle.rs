//! Sessions that have nothing to ask: each pings at a third of its timeout.

use std::sync::Arc;

use super::arguments::Arguments;
use super::load::{Asker, Nodes, Work};
use super::report::{Measured, Report};
use super::run::{Window, measure, share_out};
use super::target;
use super::usage::Usage;

/// The memory of the servers is told over what they had before the sessions came. For a third of the timeout nobody pings: the
/// warm-up should be as long.
pub(super) fn run(arguments: &Arguments) -> Result<Report, String> {
    target::allow_descriptors(arguments.connections)?;
    let servers = target::addresses(&arguments.servers)?;
    let empty = Usage::sum(&arguments.pid).map(|usage| usage.resident);
    let sessions = target::open_all(arguments, &servers)?;
    eprintln!("idle: {} sessions", sessions.len());
    // The pace is none, so nobody is ever asked.
    let nodes = Arc::new(Nodes::new(&arguments.root, 0, 0));
    let shares = share_out(arguments, sessions, |place| Asker::new(Work::Get, Arc::clone(&nodes), place))?;
    let Window { time, cost, .. } = measure(arguments, shares)?;
    Ok(Report::new(arguments, Measured::Idle { sessions: arguments.connections, empty, time }, cost))
}
