//! A load of one kind over many connections.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

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

    let shares = share_out(arguments, connections, |place| Asker::new(work, Arc::clone(&nodes), place))?;
    let Window { tally, time, cost } = measure(arguments, shares)?;
    if !arguments.keep {
        target::clean_up(arguments, &arguments.root, first)?;
    }
    Ok(Report::new(arguments, Measured::Load { tally, time }, cost))
}

/// What was measured in the window.
pub(super) struct Window {
    pub(super) tally: Tally,
    pub(super) time: Duration,
    pub(super) cost: Option<Cost>,
}

/// Drives the connections through warm-up and window, a thread for each share. They stay until it is known what the servers used.
pub(super) fn measure(arguments: &Arguments, mut shares: Vec<Share>) -> Result<Window, String> {
    let is_counted = arguments.each().is_some();
    let warm_up = if is_counted { Duration::ZERO } else { arguments.warm_up() };
    let until = if is_counted { Duration::MAX } else { warm_up + arguments.window() };
    let course = Course {
        began: Instant::now(),
        from_ns: nanos(warm_up),
        until_ns: nanos(until),
        is_over: AtomicBool::new(false),
        keeps_replies: arguments.replies.is_some(),
        done: AtomicU64::new(0),
    };
    let began = SystemTime::now();
    let is_called_off = if arguments.until_eof { at_end_of_input() } else { Arc::default() };
    std::thread::scope(|scope| {
        let threads: Vec<_> = shares.iter_mut().map(|share| scope.spawn(|| drive(share, &course))).collect();
        let is_finished = || threads.iter().all(std::thread::ScopedJoinHandle::is_finished);
        watch(arguments, &course, course.from_ns, is_finished, || {});
        let before = Usage::sum(&arguments.pid);
        let began_ns = course.now_ns();
        let mut resident_most = 0;
        eprintln!("{}: the window begins", arguments.what.name());
        let look = || {
            if is_called_off.load(Relaxed) {
                course.is_over.store(true, Relaxed);
            }
            let seen = Usage::sum(&arguments.pid).map_or(0, |usage| usage.resident);
            resident_most = seen.max(resident_most);
        };
        watch(arguments, &course, course.until_ns, is_finished, look);
        let time = Duration::from_nanos(course.now_ns().saturating_sub(began_ns));
        let cost = Cost::between(before, Usage::sum(&arguments.pid));
        let cost = cost.map(|cost| cost.with_seen(resident_most));
        let mut tally = Tally::keeping(course.keeps_replies);
        for thread in threads {
            let of_thread = thread.join().map_err(|_| "a thread of the load has panicked".to_owned())?;
            tally.add(&of_thread.map_err(|why| format!("a connection has failed: {why}"))?);
        }
        if let Some(file) = &arguments.replies {
            let told = write_replies(file, &tally, began + warm_up);
            told.map_err(|why| format!("--replies {}: {why}", file.display()))?;
        }
        Ok(Window { tally, time, cost })
    })
}

/// The connections in equal parts, one for each thread; `asker` tells what each asks.
pub(super) fn share_out(
    arguments: &Arguments,
    connections: Vec<Connection>,
    asker: impl Fn(usize) -> Asker,
) -> Result<Vec<Share>, String> {
    let threads = arguments.threads.min(arguments.connections).max(1);
    let share = || Share { seats: Vec::new(), pace: arguments.pace(threads), limit: arguments.each() };
    let mut shares: Vec<Share> = (0..threads).map(|_| share()).collect();
    let count = connections.len() as f64;
    for (place, connection) in connections.into_iter().enumerate() {
        let connection = connection.without_waiting().map_err(|why| why.to_string())?;
        let seat = Seat::new(connection, asker(place), place as f64 / count);
        if let Some(share) = shares.get_mut(place % threads) {
            share.seats.push(seat);
        }
    }
    Ok(shares)
}

/// Becomes true when standard input ends. Whoever reads it ends with the process.
fn at_end_of_input() -> Arc<AtomicBool> {
    let is_over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_over);
    std::thread::spawn(move || {
        // An input that fails has ended, too.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        told.store(true, Relaxed);
    });
    is_over
}

/// Times are those of the wall clock, so that they can be held against what somebody else did meanwhile.
fn write_replies(file: &Path, tally: &Tally, window: SystemTime) -> io::Result<()> {
    let window = window.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut out = BufWriter::new(File::create(file)?);
    for (into_ns, latency_ns) in tally.replies.iter().flatten() {
        let came = window + Duration::from_nanos(*into_ns);
        writeln!(out, "{} {}", came.as_micros(), latency_ns / 1_000)?;
    }
    out.flush()
}

/// Waits for a moment of the course, or until all have ended, and says how it goes. `look` is called again and again meanwhile.
fn watch(
    arguments: &Arguments,
    course: &Course,
    until_ns: u64,
    is_finished: impl Fn() -> bool,
    mut look: impl FnMut(),
) {
    let (mut told, mut before) = (Instant::now(), course.done.load(Relaxed));
    while course.now_ns() < until_ns && !is_finished() {
        std::thread::sleep(LOOK_EVERY.min(Duration::from_nanos(until_ns.saturating_sub(course.now_ns()))));
        look();
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
