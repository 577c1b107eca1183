//! Writes while servers come and go: how long none is acknowledged.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use jute::Zxid;

use super::arguments::Arguments;
use super::connection::Connection;
use super::load::Nodes;
use super::report::{Cost, Measured, Report};
use super::tally::Tally;
use super::usage::Usage;
use super::wire::Session;
use super::{target, wire};

/// So many gaps are told, longest first.
const GAPS: usize = 5;
/// A server that does not open a session by then is left for the next one.
const OPEN_WITHIN: Duration = Duration::from_secs(1);
/// Pause after all servers were tried in vain.
const PAUSE: Duration = Duration::from_millis(5);

/// What one connection has seen.
#[derive(Debug, Default)]
struct Seen {
    acknowledged: Vec<(Instant, Duration)>,
    unknown: u64,
    expired: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, String> {
    let servers = target::addresses(&arguments.servers)?;
    let first = *servers.first().ok_or("--servers names nobody")?;
    let nodes = Nodes::new(&arguments.root, arguments.connections, arguments.size);
    target::prepare(arguments, &nodes, first)?;
    let from = Instant::now() + arguments.warm_up();
    let until = from + arguments.window();
    let before = Usage::sum(&arguments.pid);
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let write = |place: usize| {
            let (servers, nodes) = (&servers, &nodes);
            move || write_on(arguments, servers, nodes, place, until)
        };
        let threads: Vec<_> = (0..arguments.connections).map(|place| scope.spawn(write(place))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
    });
    let cost = Cost::between(before, Usage::sum(&arguments.pid));
    if !arguments.keep {
        servers
            .iter()
            .map(|server| target::clean_up(arguments, &arguments.root, *server))
            .find(Result::is_ok);
    }
    let measured = sum(&seen, from, until);
    Ok(Report::new(arguments, measured, cost))
}

fn sum(seen: &[Seen], from: Instant, until: Instant) -> Measured {
    let mut latencies: Histogram<u64> = Tally::new().writes;
    let mut moments = vec![from, until];
    for (at, latency) in seen.iter().flat_map(|seen| &seen.acknowledged).filter(|(at, _)| *at >= from) {
        moments.push(*at);
        latencies.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }
    moments.sort_unstable();
    let gaps = moments.windows(2).map(|pair| match pair {
        [before, after] => u64::try_from((*after - *before).as_nanos()).unwrap_or(u64::MAX),
        _ => 0,
    });
    let mut gaps_ns: Vec<u64> = gaps.collect();
    gaps_ns.sort_unstable_by(|a, b| b.cmp(a));
    gaps_ns.truncate(GAPS);
    Measured::Failover {
        acknowledged: latencies.len(),
        unknown: seen.iter().map(|seen| seen.unknown).sum(),
        expired: seen.iter().map(|seen| seen.expired).sum(),
        gaps_ns,
        latencies,
    }
}

/// One write after the other, the session kept from server to server.
fn write_on(
    arguments: &Arguments,
    servers: &[SocketAddr],
    nodes: &Nodes,
    place: usize,
    until: Instant,
) -> Seen {
    let mut seen = Seen::default();
    let mut session: Option<Session> = None;
    let (mut zxid, mut turn) = (Zxid::ZERO, place);
    let mut connection: Option<Connection> = None;
    let Some(path) = nodes.paths.get(place) else { return seen };
    while Instant::now() < until {
        let Some(open) = &mut connection else {
            connection = reopen(arguments, servers, &mut turn, &mut session, zxid, &mut seen);
            continue;
        };
        let began = Instant::now();
        match open.call(|out, number| wire::set(out, number, path, &nodes.data)) {
            Ok(0) => {
                let now = Instant::now();
                seen.acknowledged.push((now, now - began));
                zxid = open.seen();
            }
            Ok(_) | Err(_) => {
                seen.unknown += 1;
                connection = None;
            }
        }
    }
    seen
}

fn reopen(
    arguments: &Arguments,
    servers: &[SocketAddr],
    turn: &mut usize,
    session: &mut Option<Session>,
    zxid: Zxid,
    seen: &mut Seen,
) -> Option<Connection> {
    let server = servers.get(turn.checked_rem(servers.len())?)?;
    *turn = turn.wrapping_add(1);
    match Connection::open(*server, None, arguments.timeout, session.as_ref(), zxid, OPEN_WITHIN) {
        Ok(connection) => {
            *session = Some(connection.session().clone());
            Some(connection)
        }
        Err(why) => {
            if why.kind() == ErrorKind::PermissionDenied && session.take().is_some() {
                seen.expired += 1;
            }
            if turn.is_multiple_of(servers.len()) {
                std::thread::sleep(PAUSE);
            }
            None
        }
    }
}
