//! Many sessions, many watches and many requests at once: nothing may be dropped, and the order must hold.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::acls;
use crate::op;
use crate::session::{Connection, Hello, call, connect, request_frame};
use crate::wire::{Random, Reader, Writer};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The amounts of a run.
pub(crate) struct Amounts {
    pub(crate) idle_sessions: usize,
    pub(crate) watches: usize,
    pub(crate) connections: usize,
    pub(crate) outstanding: usize,
    pub(crate) seconds: u64,
}

const TIMEOUT_MS: i32 = 40_000;
const PING_EVERY: Duration = Duration::from_secs(8);
const NODE: &[u8] = b"/watched";
const NODE_DATA_CHANGED: i32 = 3;
const NODE_CHILDREN_CHANGED: i32 = 4;

/// Runs all of it on one server; an error is what went wrong.
pub(crate) fn run(address: SocketAddr, amounts: &Amounts) -> Result<()> {
    create(&mut session(address)?, 1, NODE)?;
    let began = Instant::now();
    let mut idle = Vec::with_capacity(amounts.idle_sessions);
    for _ in 0..amounts.idle_sessions {
        idle.push(session(address)?);
    }
    println!("{} idle sessions in {:?}", idle.len(), began.elapsed());
    let over = AtomicBool::new(false);
    let mut quiet = || keep_alive(&mut idle, &over);
    std::thread::scope(|scope| -> Result<()> {
        let pings = scope.spawn(move || quiet().map_err(|error| error.to_string()));
        let outcome = outstanding(address, amounts);
        over.store(true, Ordering::Relaxed);
        let pinged = pings.join().map_err(|_| "the pings failed")?;
        println!(
            "{} pings answered on idle sessions",
            pinged.map_err(|error| format!("an idle session: {error}"))?
        );
        outcome
    })?;
    // A session of its own: an earlier one would have been silent for too long by now.
    storm(&mut session(address)?, &mut idle, amounts.watches)
}

fn session(address: SocketAddr) -> Result<Connection> {
    let (connection, welcome) = connect(address, &Hello::new_session(TIMEOUT_MS))?;
    welcome.filter(|welcome| welcome.session != 0).ok_or("a session was refused")?;
    Ok(connection)
}

fn create(connection: &mut Connection, xid: i32, path: &[u8]) -> Result<()> {
    let body = acls::write(Writer::default().buffer(Some(path)).string("0"), acls::OPEN).int(0);
    match call(connection, xid, op::CREATE, &body.0)? {
        (_, 0, _) => Ok(()),
        (_, err, _) => Err(format!("create: {}", op::error_name(err)).into()),
    }
}

/// Pings every idle session in turn until told to end; how many pings were answered.
fn keep_alive(idle: &mut [Connection], over: &AtomicBool) -> Result<u64> {
    let mut answered = 0;
    while !over.load(Ordering::Relaxed) {
        let round = Instant::now();
        for connection in &mut *idle {
            let (_, err, _) = call(connection, op::XID_PING, op::PING, &[])?;
            if err != 0 {
                return Err(op::error_name(err).into());
            }
            answered += 1;
        }
        while round.elapsed() < PING_EVERY && !over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(answered)
}

/// Watches on one node over all idle sessions, one change of data and one of children: each watch fires once.
fn storm(admin: &mut Connection, idle: &mut [Connection], watches: usize) -> Result<()> {
    let watching = watches.div_ceil(2).min(idle.len());
    let body = Writer::default().buffer(Some(NODE)).boolean(true);
    for connection in &mut idle[..watching] {
        for (xid, op) in [(1, op::GET_DATA), (2, op::GET_CHILDREN)] {
            let (_, err, _) = call(connection, xid, op, &body.0)?;
            if err != 0 {
                return Err(format!("a watch: {}", op::error_name(err)).into());
            }
        }
    }
    let began = Instant::now();
    let (_, err, _) =
        call(admin, 2, op::SET_DATA, &Writer::default().buffer(Some(NODE)).string("1").int(-1).0)?;
    let replied = began.elapsed();
    if err != 0 {
        return Err(op::error_name(err).into());
    }
    create(admin, 3, &[NODE, b"/child"].concat())?;
    for connection in &mut idle[..watching] {
        for expected in [NODE_DATA_CHANGED, NODE_CHILDREN_CHANGED] {
            let frame = connection.frame()?.ok_or("a watching session was dropped")?;
            let mut reader = Reader(&frame);
            let (xid, _, _, kind) = (reader.int()?, reader.long()?, reader.int()?, reader.int()?);
            if (xid, kind) != (op::XID_EVENT, expected) {
                return Err(format!("event {expected} was expected, not xid {xid} event {kind}").into());
            }
        }
    }
    println!(
        "{} watches on one node: last event after {:?}, the set's reply after {replied:?}",
        watching * 2,
        began.elapsed()
    );
    for connection in idle {
        // Nothing comes twice: the next frame is the ping's.
        connection.send(&request_frame(op::XID_PING, op::PING, &[]))?;
        let frame = connection.frame()?.ok_or("an idle session was dropped")?;
        if Reader(&frame).int()? != op::XID_PING {
            return Err("an event came twice".into());
        }
    }
    Ok(())
}

/// Connections that keep requests outstanding for the time.
fn outstanding(address: SocketAddr, amounts: &Amounts) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(amounts.seconds);
    let depth = amounts.outstanding.div_ceil(amounts.connections.max(1));
    let results: Vec<std::result::Result<u64, String>> = std::thread::scope(|scope| {
        let one = |number| {
            move || busy(address, number, depth, end).map_err(|error| format!("connection {number}: {error}"))
        };
        let threads: Vec<_> = (0..amounts.connections).map(|number| scope.spawn(one(number))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread failed".to_owned())))
            .collect()
    });
    let total = results.into_iter().sum::<std::result::Result<u64, String>>()?;
    println!("{total} replies in order on {} connections, {depth} outstanding on each", amounts.connections);
    Ok(())
}

/// What the next reply must be.
struct Expected {
    xid: i32,
    op: i32,
    /// The value that the last set before it wrote.
    value: u64,
}

/// Sets and reads its own node; every reply must come in order, no zxid may go back, every read shows the last set.
fn busy(address: SocketAddr, number: usize, depth: usize, end: Instant) -> Result<u64> {
    let mut connection = session(address)?;
    let path = format!("/busy{number}");
    create(&mut connection, 1, path.as_bytes())?;
    let mut random = Random::new(number as u64);
    let mut waiting = std::collections::VecDeque::new();
    let (mut xid, mut value, mut last_zxid, mut replies) = (1, 0, 0, 0);
    while Instant::now() < end || !waiting.is_empty() {
        let mut bytes = Vec::new();
        while waiting.len() < depth && Instant::now() < end {
            xid += 1;
            let write = random.chance(30);
            value += u64::from(write);
            let op = if write { op::SET_DATA } else { op::GET_DATA };
            let body = Writer::default().string(&path);
            let body = if write { body.string(&value.to_string()).int(-1) } else { body.boolean(false) };
            bytes.extend(request_frame(xid, op, &body.0));
            waiting.push_back(Expected { xid, op, value });
        }
        connection.send(&bytes)?;
        let frame = connection.frame()?.ok_or("dropped")?;
        let expected = waiting.pop_front().ok_or("a reply to nothing")?;
        last_zxid = check(&frame, &expected, last_zxid)?;
        replies += 1;
    }
    Ok(replies)
}

fn check(frame: &[u8], expected: &Expected, last_zxid: i64) -> Result<i64> {
    let mut reader = Reader(frame);
    let (xid, zxid, err) = (reader.int()?, reader.long()?, reader.int()?);
    if xid != expected.xid || err != 0 {
        return Err(format!("xid {} was expected, not xid {xid} err {err}", expected.xid).into());
    }
    if zxid < last_zxid {
        return Err(format!("zxid {zxid:#x} after {last_zxid:#x}").into());
    }
    if expected.op == op::GET_DATA {
        let data = reader.string()?;
        if data != expected.value.to_string() {
            return Err(format!("xid {xid} reads {data}, the session had written {}", expected.value).into());
        }
    }
    Ok(zxid)
}
