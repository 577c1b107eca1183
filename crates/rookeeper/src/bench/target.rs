//! The servers, and the nodes that a load needs there.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use jute::{ErrorCode, OpCode, Record, Zxid};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::arguments::{Arguments, What};
use super::connection::{Connection, Kind};
use super::load::Nodes;
use super::wire;

/// Time for a connection and its session to stand.
const OPEN_WITHIN: Duration = Duration::from_secs(20);
/// Requests put into one burst while nodes are made.
const BURST: usize = 500;
/// Descriptors beside those of the connections.
const OTHER_DESCRIPTORS: u64 = 64;

/// The addresses of the servers, each name's first.
pub(super) fn addresses(servers: &str) -> Result<Vec<SocketAddr>, String> {
    let hosts = client::ConnectString::parse(servers).map_err(|why| format!("--servers: {why}"))?;
    let resolve = |host: &client::Host| {
        let found = (host.name.as_str(), host.port).to_socket_addrs();
        let found = found.map_err(|why| format!("--servers {}:{}: {why}", host.name, host.port))?.next();
        found.ok_or_else(|| format!("--servers {}:{}: the name has no address", host.name, host.port))
    };
    hosts.hosts().iter().map(resolve).collect()
}

/// A new session.
pub(super) fn open(address: SocketAddr, timeout_ms: i32) -> Result<Connection, String> {
    open_from(address, None, timeout_ms)
}

/// So many sessions, the servers and the sources in turn.
pub(super) fn open_all(arguments: &Arguments, servers: &[SocketAddr]) -> Result<Vec<Connection>, String> {
    let sources = &arguments.sources;
    let source = |place: usize| sources.get(place.checked_rem(sources.len())?).copied();
    let turns = servers.iter().cycle().take(arguments.connections).enumerate();
    turns.map(|(place, server)| open_from(*server, source(place), arguments.timeout)).collect()
}

fn open_from(address: SocketAddr, source: Option<IpAddr>, timeout_ms: i32) -> Result<Connection, String> {
    Connection::open(address, source, timeout_ms, None, Zxid::ZERO, OPEN_WITHIN)
        .map_err(|why| format!("no session at {address}: {why}"))
}

/// Makes the nodes of a load; what is there already stays.
pub(super) fn prepare(arguments: &Arguments, nodes: &Nodes, server: SocketAddr) -> Result<(), String> {
    let mut connection = open(server, arguments.timeout)?;
    remove(&mut connection, &nodes.root).map_err(|why| format!("{}: {why}", nodes.root))?;
    let needs_nodes = !matches!(
        arguments.what,
        What::Create | What::CreateDelete | What::Fill | What::Children | What::Watch | What::Idle
    );
    let needs_own = matches!(arguments.what, What::Create | What::CreateDelete | What::Fill | What::Watch);
    let shared = nodes.paths.iter().filter(|_| needs_nodes).cloned();
    let own = (0..arguments.connections).filter(|_| needs_own).map(|connection| nodes.own(connection));
    let paths: Vec<String> = std::iter::once(nodes.root.clone()).chain(shared).chain(own).collect();
    for burst in paths.chunks(BURST) {
        for path in burst {
            connection.ask(Kind::Part, 0, |out, number| wire::create(out, number, path, &nodes.data, 0));
        }
        let error = connection.finish().map_err(|why| format!("{}: {why}", nodes.root))?;
        if error != 0 {
            return Err(format!("{} cannot be made: {}", nodes.root, name_of(error)));
        }
    }
    connection.call(wire::close).map_err(|why| why.to_string()).map(drop)
}

/// Removes what a load has made.
pub(super) fn clean_up(arguments: &Arguments, root: &str, server: SocketAddr) -> Result<(), String> {
    let mut connection = open(server, arguments.timeout)?;
    remove(&mut connection, root).map_err(|why| format!("{root}: {why}"))?;
    connection.call(wire::close).map_err(|why| why.to_string()).map(drop)
}

/// Lifts the limit on open files as far as so many connections need.
pub(super) fn allow_descriptors(connections: usize) -> Result<(), String> {
    let count = connections as u64 + OTHER_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    let current = limit.maximum.map_or(count, |maximum| maximum.min(count));
    let lifted = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum });
    match lifted {
        Ok(()) if current >= count => Ok(()),
        _ => Err(format!("--connections needs {count} open files, and the limit is {current}: ulimit -n")),
    }
}

/// The name of an error code.
pub(super) fn name_of(code: i32) -> String {
    ErrorCode::from_code(code).map_or_else(|| code.to_string(), |error| format!("{error:?}"))
}

/// Removes a node and all below it, deepest first.
fn remove(connection: &mut Connection, path: &str) -> io::Result<()> {
    for child in children(connection, path)? {
        let below = format!("{path}/{child}");
        let grandchildren = children(connection, &below)?;
        for burst in grandchildren.chunks(BURST) {
            for grandchild in burst {
                let path = format!("{below}/{grandchild}");
                connection.ask(Kind::Part, 0, |out, number| wire::delete(out, number, &path));
            }
            connection.finish()?;
        }
        connection.ask(Kind::Part, 0, |out, number| wire::delete(out, number, &below));
        if connection.under_way() >= BURST {
            connection.finish()?;
        }
    }
    connection.finish()?;
    connection.call(|out, number| wire::delete(out, number, path)).map(drop)
}

fn children(connection: &mut Connection, path: &str) -> io::Result<Vec<String>> {
    let ask = |out: &mut Vec<u8>, number| wire::read(out, number, OpCode::GetChildren2, path, false);
    let (error, body) = connection.call_for_body(ask)?;
    if error != 0 {
        return Ok(Vec::new());
    }
    let mut reader = jute::Reader::from_slice(&body).with_limit(body.len());
    let listed = jute::proto::GetChildren2Response::decode(&mut reader);
    listed.map(|listed| listed.children).map_err(|why| io::Error::other(why.to_string()))
}
