//! Sessions that begin and end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::arguments::Arguments;
use super::connection::Kind;
use super::report::{Cost, Measured, Report};
use super::tally::Tally;
use super::usage::Usage;
use super::{target, wire};

/// A thread for each connection: it opens, and its session stands, which is what is timed; then it closes.
pub(super) fn run(arguments: &Arguments) -> Result<Report, String> {
    let servers = target::addresses(&arguments.servers)?;
    let from = Instant::now() + arguments.warm_up();
    let until = from + arguments.window();
    let (tally, cost) = std::thread::scope(|scope| {
        let turns = servers.iter().cycle().take(arguments.connections);
        let threads: Vec<_> =
            turns.map(|server| scope.spawn(|| again_and_again(arguments, *server, from, until))).collect();
        std::thread::sleep(from.saturating_duration_since(Instant::now()));
        let before = Usage::sum(&arguments.pid);
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        let cost = Cost::between(before, Usage::sum(&arguments.pid));
        let mut sum = Tally::new();
        for thread in threads {
            let tally = thread.join().map_err(|_| "a thread of the load has panicked".to_owned())?;
            sum.add(&tally?);
        }
        Ok::<_, String>((sum, cost))
    })?;
    Ok(Report::new(arguments, Measured::Load { tally, time: arguments.window() }, cost))
}

fn again_and_again(
    arguments: &Arguments,
    server: SocketAddr,
    from: Instant,
    until: Instant,
) -> Result<Tally, String> {
    let mut tally = Tally::new();
    loop {
        let began = Instant::now();
        if began >= until {
            return Ok(tally);
        }
        let mut connection = target::open(server, arguments.timeout)?;
        let stands = Instant::now();
        let error = connection.call(wire::close).map_err(|why| format!("closeSession at {server}: {why}"))?;
        if let Some(into) = stands.checked_duration_since(from).filter(|_| stands < until) {
            let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            tally.record(Kind::Write, nanos(stands - began), error, nanos(into));
        }
    }
}
