//! A load of one kind over many connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::arguments::Arguments;
use super::connection::Connection;
use super::driver::{Course, Seat, Share, drive};
use super::load::{Asker, Nodes};
use super::report::{Cost, Measured, Report};
use super::tally::Tally;
use super::target;
use super::usage::Usage;

/// Between two lines of progress.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at whether all have ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) fn run(arguments: &Arguments) -> Result<Report, String> {
    let work = arguments.work().ok_or("this is no load of operations")?;
    let servers = target::addresses(&arguments.servers)?;
    let first: SocketAddr = *servers.first().ok_or("--servers names nobody")?;
    let nodes = Arc::new(Nodes::new(&arguments.root, arguments.nodes, arguments.size));
    target::prepare(arguments, &nodes, first)?;
    let connections = target::open_all(arguments, &servers)?;

    let seat = |(place, connection): (usize, Connection)| {
        let connection = connection.without_waiting().map_err(|why| why.to_string())?;
        Ok::<_, String>(Seat::new(connection, Asker::new(work, Arc::clone(&nodes), place)))
    };
    let mut shares = share_out(arguments, connections.into_iter().enumerate().map(seat))?;
    let is_counted = arguments.limit().is_some();
    let warm_up = if is_counted { Duration::ZERO } else { arguments.warm_up() };
    let until = if is_counted { Duration::MAX } else { warm_up + arguments.window() };
    let course = Course {
        began: Instant::now(),
        from_ns: nanos(warm_up),
        until_ns: nanos(until),
        is_over: AtomicBool::new(false),
        done: AtomicU64::new(0),
    };
    let (tally, cost, time) = std::thread::scope(|scope| {
        let threads: Vec<_> = shares.drain(..).map(|share| scope.spawn(|| drive(share, &course))).collect();
        let is_finished = || threads.iter().all(std::thread::ScopedJoinHandle::is_finished);
        watch(arguments, &course, course.from_ns, is_finished);
        let before = Usage::sum(&arguments.pid);
        let began = course.now_ns();
        watch(arguments, &course, course.until_ns, is_finished);
        let time = Duration::from_nanos(course.now_ns().saturating_sub(began));
        let cost = Cost::between(before, Usage::sum(&arguments.pid));
        let mut sum = Tally::new();
        for thread in threads {
            let tally = thread.join().map_err(|_| "a thread of the load has panicked".to_owned())?;
            sum.add(&tally.map_err(|why| format!("a connection has failed: {why}"))?);
        }
        Ok::<_, String>((sum, cost, time))
    })?;
    if !arguments.keep {
        target::clean_up(arguments, &arguments.root, first)?;
    }
    Ok(Report::new(arguments, Measured::Load { tally, time }, cost))
}

/// The connections in equal parts, one for each thread.
fn share_out(
    arguments: &Arguments,
    seats: impl Iterator<Item = Result<Seat, String>>,
) -> Result<Vec<Share>, String> {
    let threads = arguments.threads.min(arguments.connections).max(1);
    let limit = arguments.limit().map(|limit| limit.div_ceil(arguments.connections as u64));
    let share = || Share { seats: Vec::new(), pace: arguments.pace(threads), limit };
    let mut shares: Vec<Share> = (0..threads).map(|_| share()).collect();
    for (place, seat) in seats.enumerate() {
        if let Some(share) = shares.get_mut(place % threads) {
            share.seats.push(seat?);
        }
    }
    Ok(shares)
}

/// Waits for a moment of the course, or until all have ended, and says how it goes.
fn watch(arguments: &Arguments, course: &Course, until_ns: u64, is_finished: impl Fn() -> bool) {
    let (mut told, mut before) = (Instant::now(), course.done.load(Relaxed));
    while course.now_ns() < until_ns && !is_finished() {
        std::thread::sleep(LOOK_EVERY.min(Duration::from_nanos(until_ns.saturating_sub(course.now_ns()))));
        if told.elapsed() >= TOLD_EVERY {
            let done = course.done.load(Relaxed);
            let rate = (done - before) as f64 / told.elapsed().as_secs_f64();
            eprintln!("{}: {done} done, {rate:.0} a second", arguments.what.name());
            (told, before) = (Instant::now(), done);
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
