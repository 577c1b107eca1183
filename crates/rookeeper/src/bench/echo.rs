//! A server that answers without doing anything: one thread, one `epoll`, one write for all that one read has brought.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use jute::data::Stat;
use jute::proto::ConnectResponse;
use jute::{ErrorCode, OpCode, Record, SessionId, write};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use super::arguments::Arguments;
use super::connection::whole_frame;
use super::report::{Measured, Report};
use super::target;
use super::wire::LENGTH_BYTES;

/// Read at once; a request that is longer makes it grow.
const RECEIVED_BYTES: usize = 64 * 1024;
/// Events taken from the system at once.
const EVENTS_MAX: usize = 1024;
/// Between two looks at the clock.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// The listener among the events; connections count from 1.
const LISTENER: u64 = 0;
/// xid and operation.
const REQUEST_HEADER_BYTES: usize = 8;

pub(super) fn run(arguments: &Arguments) -> Result<Report, String> {
    let servers = target::addresses(&arguments.servers)?;
    let address = *servers.first().ok_or("--servers names no address")?;
    let failed = |why: io::Error| format!("echo at {address}: {why}");
    let listener = TcpListener::bind(address).map_err(failed)?;
    let answered = serve(&listener, arguments.size, arguments.window()).map_err(failed)?;
    Ok(Report::new(arguments, Measured::Echo { answered }, None))
}

/// Answers whoever comes; how many requests there were.
fn serve(listener: &TcpListener, size: usize, time: Duration) -> io::Result<u64> {
    let until = Instant::now() + time;
    let body = body(size);
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let (mut peers, mut accepted, mut answered) = (HashMap::<u64, Peer>::new(), 0, 0);
    let mut events: Vec<Event> = Vec::with_capacity(EVENTS_MAX);
    while Instant::now() < until {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&LOOK_EVERY))?;
        for event in &events {
            let number = event.data;
            match number.u64() {
                LISTENER => {
                    accepted += 1;
                    let (socket, _) = listener.accept()?;
                    socket.set_nodelay(true)?;
                    epoll::add(&poll, &socket, EventData::new_u64(accepted), EventFlags::IN)?;
                    peers.insert(accepted, Peer::new(socket));
                }
                number => {
                    let Some(peer) = peers.get_mut(&number) else { continue };
                    match peer.answer(&body) {
                        Ok(count) => answered += count,
                        Err(_) => drop(peers.remove(&number)),
                    }
                }
            }
        }
    }
    Ok(answered)
}

/// A client. Its socket waits: there is something to read whenever it is asked, and clients always read.
struct Peer {
    socket: TcpStream,
    received: Vec<u8>,
    filled: usize,
    to_send: Vec<u8>,
    is_greeted: bool,
}

impl Peer {
    fn new(socket: TcpStream) -> Self {
        let received = vec![0; RECEIVED_BYTES];
        Self { socket, received, filled: 0, to_send: Vec::new(), is_greeted: false }
    }

    /// Reads once and answers all requests that are whole.
    fn answer(&mut self, body: &[u8]) -> io::Result<u64> {
        if self.filled == self.received.len() {
            self.received.resize(self.filled * 2, 0);
        }
        match self.socket.read(self.received.get_mut(self.filled..).unwrap_or_default())? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => self.filled += count,
        }
        let (mut start, mut count) = (0, 0);
        while let Some(frame) = whole_frame(self.received.get(start..self.filled).unwrap_or_default())? {
            start += LENGTH_BYTES + frame.len();
            count += 1;
            match self.is_greeted {
                true => reply(&mut self.to_send, frame, body)?,
                false => greet(&mut self.to_send),
            }
            self.is_greeted = true;
        }
        self.received.copy_within(start..self.filled, 0);
        self.filled -= start;
        self.socket.write_all(&self.to_send)?;
        self.to_send.clear();
        Ok(count)
    }
}

/// Any session is as good as another.
fn greet(out: &mut Vec<u8>) {
    let response = ConnectResponse {
        protocol_version: 0,
        time_out: 30_000,
        session_id: SessionId(1),
        passwd: Some(vec![0; 16].into()),
        read_only: Some(false),
    };
    write::with_length(out, |out| response.encode(out));
}

/// As long as the reply to getData. Nodes have no children, so that a load that cleans up finds none.
fn reply(out: &mut Vec<u8>, frame: &[u8], body: &[u8]) -> io::Result<()> {
    let (head, _) = frame.split_first_chunk::<REQUEST_HEADER_BYTES>().ok_or(ErrorKind::InvalidData)?;
    let (xid, op) = head.split_at(size_of::<i32>());
    let is_list = op == OpCode::GetChildren2.code().to_be_bytes();
    write::with_length(out, |out| {
        out.extend_from_slice(xid);
        write::long(out, 1);
        write::int(out, if is_list { ErrorCode::NoNode.code() } else { 0 });
        out.extend_from_slice(if is_list { &[] } else { body });
    });
    Ok(())
}

/// Data and stat of a node.
fn body(size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    write::buffer(&mut out, Some(&vec![b'x'; size]));
    Stat::default().encode(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use jute::Zxid;

    use super::super::wire::{self, Head};
    use super::*;

    fn answered(op: OpCode) -> (Head, Vec<u8>) {
        let (mut request, mut out) = (Vec::new(), Vec::new());
        wire::read(&mut request, 7, op, "/a", false);
        reply(&mut out, whole_frame(&request).unwrap().unwrap(), &body(3)).unwrap();
        let (head, body) = Head::split(whole_frame(&out).unwrap().unwrap()).unwrap();
        (head, body.to_vec())
    }

    #[test]
    fn replies_are_those_of_a_server() {
        let (head, body) = answered(OpCode::GetData);
        assert_eq!(head, Head { xid: 7, zxid: Zxid(1), error: 0 });
        let data = jute::proto::GetDataResponse::decode(&mut jute::Reader::from_slice(&body)).unwrap();
        assert_eq!(data.data.as_deref(), Some(&b"xxx"[..]));
        let (head, body) = answered(OpCode::GetChildren2);
        assert_eq!((head.error, body.len()), (ErrorCode::NoNode.code(), 0));
        assert!(reply(&mut Vec::new(), &[0; 7], &[]).is_err());
    }

    #[test]
    fn everybody_gets_a_session() {
        let mut out = Vec::new();
        greet(&mut out);
        assert!(wire::connected(whole_frame(&out).unwrap().unwrap()).is_some());
    }
}
