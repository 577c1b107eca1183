//! Fills a server with small nodes, restarts it, and reads them back; memory and times beside each other.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::acls;
use crate::lockstep::SIDES;
use crate::op;
use crate::servers::Server;
use crate::session::{Connection, Hello, call, connect, connect_within, request_frame};
use crate::wire::{Reader, Writer};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const DATA_LENGTH: usize = 128;
const PER_FOLDER: u64 = 1000;
const CONNECTIONS: u64 = 8;
const OUTSTANDING: usize = 64;

/// What was measured of one server.
struct Measured {
    fill: Duration,
    fill_cpu_ms: u64,
    empty_kib: u64,
    full_kib: u64,
    restarted_kib: u64,
    first_read: Duration,
}

pub(crate) fn run(commands: [&str; 2], nodes: u64, folder: &Path) -> Result<()> {
    let mut all = Vec::new();
    for (side, command) in SIDES.iter().zip(commands) {
        println!("{side}: {nodes} nodes of {DATA_LENGTH} bytes");
        all.push(measure(command, nodes, &folder.join(format!("million-{side}")))?);
    }
    println!("{:<34} {:>12} {:>12} {:>8}", "", SIDES[0], SIDES[1], "ratio");
    let row = |name: &str, value: &dyn Fn(&Measured) -> f64| {
        let values = [value(&all[0]), value(&all[1])];
        println!("{name:<34} {:>12.1} {:>12.1} {:>8.3}", values[0], values[1], values[1] / values[0]);
    };
    row("fill, nodes a second", &|one| nodes as f64 / one.fill.as_secs_f64());
    row("fill, CPU us a node", &|one| one.fill_cpu_ms as f64 * 1000.0 / nodes as f64);
    row("RSS of the empty server, KiB", &|one| one.empty_kib as f64);
    row("RSS a node over empty, bytes", &|one| {
        (one.full_kib.saturating_sub(one.empty_kib) * 1024) as f64 / nodes as f64
    });
    row("RSS a node after the restart, bytes", &|one| {
        (one.restarted_kib.saturating_sub(one.empty_kib) * 1024) as f64 / nodes as f64
    });
    row("start to the first read, ms", &|one| one.first_read.as_secs_f64() * 1000.0);
    Ok(())
}

fn measure(command: &str, nodes: u64, folder: &Path) -> Result<Measured> {
    let mut server = Server::start(command, folder, &[], "")?;
    let empty_kib = server.resident_kib()?;
    let cpu = server.cpu_ms()?;
    let began = Instant::now();
    over_connections(server.address, &|address, number| fill(address, number, nodes))?;
    let fill = began.elapsed();
    let fill_cpu_ms = server.cpu_ms()? - cpu;
    let full_kib = server.resident_kib()?;
    server.stop()?;
    let began = Instant::now();
    server.start_again()?;
    let first_read = first_read(server.address, began)?;
    let restarted_kib = server.resident_kib()?;
    over_connections(server.address, &|address, number| read_back(address, number, nodes))?;
    server.stop()?;
    std::fs::remove_dir_all(folder)?;
    Ok(Measured { fill, fill_cpu_ms, empty_kib, full_kib, restarted_kib, first_read })
}

fn over_connections(
    address: SocketAddr,
    work: &(dyn Fn(SocketAddr, u64) -> Result<()> + Sync),
) -> Result<()> {
    let one = |number| move || work(address, number).map_err(|error| format!("connection {number}: {error}"));
    let results: Vec<std::result::Result<(), String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|number| scope.spawn(one(number))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread failed".to_owned())))
            .collect()
    });
    Ok(results.into_iter().collect::<std::result::Result<(), String>>()?)
}

/// Tries until the server answers a read.
fn first_read(address: SocketAddr, began: Instant) -> Result<Duration> {
    const PATIENCE: Duration = Duration::from_secs(120);
    loop {
        // A server that accepts and is not ready yet may never answer that connection.
        let answer = connect_within(Duration::from_millis(200), address, &Hello::new_session(30_000));
        if let Ok((mut connection, Some(welcome))) = answer
            && welcome.session != 0
        {
            let body = Writer::default().string("/").boolean(false);
            if let Ok((_, 0, _)) = call(&mut connection, 1, op::EXISTS, &body.0) {
                return Ok(began.elapsed());
            }
        }
        if began.elapsed() > PATIENCE {
            return Err("no read is answered after the restart".into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The folders of a connection: every CONNECTIONS-th one.
fn folders(number: u64, nodes: u64) -> impl Iterator<Item = u64> {
    (0..nodes.div_ceil(PER_FOLDER)).filter(move |folder| folder % CONNECTIONS == number)
}

fn names(folder: u64, nodes: u64) -> std::ops::Range<u64> {
    folder * PER_FOLDER..((folder + 1) * PER_FOLDER).min(nodes)
}

fn data_of(node: u64) -> String {
    format!("{node:0>DATA_LENGTH$}")
}

fn fill(address: SocketAddr, number: u64, nodes: u64) -> Result<()> {
    let mut pipe = Pipe::begin(address)?;
    for folder in folders(number, nodes) {
        pipe.ask(op::CREATE, &create(&format!("/f{folder}"), ""), None)?;
        for node in names(folder, nodes) {
            pipe.ask(op::CREATE, &create(&format!("/f{folder}/n{node}"), &data_of(node)), None)?;
        }
    }
    pipe.finish()
}

fn create(path: &str, data: &str) -> Writer {
    acls::write(Writer::default().string(path).string(data), acls::OPEN).int(0)
}

fn read_back(address: SocketAddr, number: u64, nodes: u64) -> Result<()> {
    let mut pipe = Pipe::begin(address)?;
    for folder in folders(number, nodes) {
        for node in names(folder, nodes) {
            let body = Writer::default().string(&format!("/f{folder}/n{node}")).boolean(false);
            pipe.ask(op::GET_DATA, &body, Some(node))?;
        }
    }
    pipe.finish()
}

/// Keeps requests outstanding and checks each reply.
struct Pipe {
    connection: Connection,
    xid: i32,
    waiting: std::collections::VecDeque<(i32, Option<u64>)>,
    unsent: Vec<u8>,
}

impl Pipe {
    fn begin(address: SocketAddr) -> Result<Self> {
        let (connection, welcome) = connect(address, &Hello::new_session(30_000))?;
        welcome.filter(|welcome| welcome.session != 0).ok_or("a session was refused")?;
        Ok(Self { connection, xid: 0, waiting: Default::default(), unsent: Vec::new() })
    }

    fn ask(&mut self, op: i32, body: &Writer, node: Option<u64>) -> Result<()> {
        self.xid += 1;
        self.unsent.extend(request_frame(self.xid, op, &body.0));
        self.waiting.push_back((self.xid, node));
        if self.waiting.len() >= OUTSTANDING { self.drain(OUTSTANDING / 2) } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<()> {
        self.drain(0)
    }

    fn drain(&mut self, left: usize) -> Result<()> {
        self.connection.send(&self.unsent)?;
        self.unsent.clear();
        while self.waiting.len() > left {
            let frame = self.connection.frame()?.ok_or("dropped")?;
            let mut reader = Reader(&frame);
            let (xid, _, err) = (reader.int()?, reader.long()?, reader.int()?);
            let (expected, node) = self.waiting.pop_front().ok_or("a reply to nothing")?;
            if xid != expected || err != 0 {
                return Err(format!(
                    "xid {expected} was expected, not xid {xid} err {}",
                    op::error_name(err)
                )
                .into());
            }
            if let Some(node) = node
                && reader.string()? != data_of(node)
            {
                return Err(format!("node {node} has other data").into());
            }
        }
        Ok(())
    }
}
