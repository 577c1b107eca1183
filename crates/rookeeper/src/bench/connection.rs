//! A connection that has many requests under way.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use jute::{Zxid, xid};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::wire::{self, Head, LENGTH_BYTES, Session};

/// Room for replies at first: a connection that only pings needs no more, and there may be very many of them.
const RECEIVED_FIRST: usize = 4 * 1024;
/// Whoever fills its room gets more, up to this; a reply that is longer makes it grow further.
const RECEIVED_BYTES: usize = 128 * 1024;
/// No server sends more.
const FRAME_MAX: usize = 64 << 20;

/// What a request is, and so its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An operation that reads.
    Read,
    /// An operation that writes.
    Write,
    /// A part of an operation whose end is seen elsewhere.
    Part,
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The reply to a request of this kind, which was due at this moment.
    Reply { kind: Kind, since_ns: u64, error: i32 },
    /// A watch event.
    Event,
}

/// * Requests are answered in their order; a reply with another number ends the connection.
#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
    session: Session,
    to_send: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
    filled: usize,
    under_way: VecDeque<UnderWay>,
    number: i32,
    seen: Zxid,
}

#[derive(Debug)]
struct UnderWay {
    number: i32,
    kind: Kind,
    since_ns: u64,
}

impl Connection {
    /// Connects, from an address of this machine if one is given, and waits for the session.
    pub(super) fn open(
        address: SocketAddr,
        source: Option<IpAddr>,
        timeout_ms: i32,
        known: Option<&Session>,
        seen: Zxid,
        within: Duration,
    ) -> io::Result<Self> {
        let mut socket = match source {
            Some(source) => connect_from(source, address, within)?,
            None => TcpStream::connect_timeout(&address, within)?,
        };
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(within))?;
        let mut out = Vec::new();
        wire::connect(&mut out, timeout_ms, known, seen);
        socket.write_all(&out)?;
        let session = wire::connected(&read_frame(&mut socket)?)
            .ok_or_else(|| io::Error::new(ErrorKind::PermissionDenied, "the session has expired"))?;
        Ok(Self {
            socket,
            session,
            to_send: out.split_off(out.len()),
            sent: 0,
            received: Vec::new(),
            filled: 0,
            under_way: VecDeque::new(),
            number: 0,
            seen,
        })
    }

    /// From now on reads and writes do not wait.
    pub(super) fn without_waiting(self) -> io::Result<Self> {
        self.set_waiting(false).map(|()| self)
    }

    /// Whether reads and writes wait.
    pub(super) fn set_waiting(&self, waits: bool) -> io::Result<()> {
        self.socket.set_nonblocking(!waits)
    }

    /// Its session.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// The newest zxid that it has seen.
    pub(super) fn seen(&self) -> Zxid {
        self.seen
    }

    /// Number of requests without a reply.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Puts a request into the next burst; `write` appends it, given its number.
    pub(super) fn ask(&mut self, kind: Kind, since_ns: u64, write: impl FnOnce(&mut Vec<u8>, i32)) {
        self.number = self.number.checked_add(1).unwrap_or(1);
        self.under_way.push_back(UnderWay { number: self.number, kind, since_ns });
        write(&mut self.to_send, self.number);
    }

    /// Puts a ping into the next burst.
    pub(super) fn ping(&mut self) {
        wire::ping(&mut self.to_send);
    }

    /// Sends what the socket takes; whether that was all.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        while let Some(rest) = self.to_send.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.socket.write(rest) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.to_send.clear();
        self.sent = 0;
        Ok(true)
    }

    /// Reads once, and tells what came, each with what stands behind its head.
    pub(super) fn receive(&mut self, mut on: impl FnMut(Arrival, &[u8])) -> io::Result<()> {
        if self.received.len() == self.filled {
            let room = (self.received.len() * 2).max(RECEIVED_FIRST);
            self.received.resize(room, 0);
        }
        let room = self.received.get_mut(self.filled..).unwrap_or_default();
        match self.socket.read(room) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.filled += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let mut start = 0;
        while let Some(frame) = whole_frame(self.received.get(start..self.filled).unwrap_or_default())? {
            let (head, body) = Head::split(frame).ok_or(ErrorKind::InvalidData)?;
            start += LENGTH_BYTES + frame.len();
            match head.xid {
                xid::PING => {}
                xid::NOTIFICATION => on(Arrival::Event, body),
                number => {
                    let asked = self.under_way.pop_front().filter(|asked| asked.number == number);
                    let asked = asked.ok_or(ErrorKind::InvalidData)?;
                    self.seen = self.seen.max(head.zxid);
                    let (kind, since_ns, error) = (asked.kind, asked.since_ns, head.error);
                    on(Arrival::Reply { kind, since_ns, error }, body);
                }
            }
        }
        self.received.copy_within(start..self.filled, 0);
        let was_full = self.received.len() == self.filled;
        self.filled -= start;
        if was_full && self.received.len() < RECEIVED_BYTES {
            self.received.resize(self.received.len() * 2, 0);
        }
        Ok(())
    }

    /// Asks and waits for the reply: its error code. For a connection that waits, as all that follow.
    pub(super) fn call(&mut self, write: impl FnOnce(&mut Vec<u8>, i32)) -> io::Result<i32> {
        self.call_for_body(write).map(|(error, _)| error)
    }

    /// The same with what stands behind the head of the reply.
    pub(super) fn call_for_body(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, i32),
    ) -> io::Result<(i32, Vec<u8>)> {
        self.ask(Kind::Part, 0, write);
        let mut last = (0, Vec::new());
        self.finish_with(|error, body| last = (error, body.to_vec()))?;
        Ok(last)
    }

    /// Sends and waits for all replies: the last error code that was not zero, or zero.
    pub(super) fn finish(&mut self) -> io::Result<i32> {
        let mut worst = 0;
        self.finish_with(|error, _| {
            if error != 0 {
                worst = error;
            }
        })?;
        Ok(worst)
    }

    fn finish_with(&mut self, mut on: impl FnMut(i32, &[u8])) -> io::Result<()> {
        self.flush()?;
        while !self.under_way.is_empty() {
            self.receive(|arrival, body| match arrival {
                Arrival::Reply { error, .. } => on(error, body),
                Arrival::Event => {}
            })?;
        }
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A stream that comes from this address.
fn connect_from(source: IpAddr, address: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddr::new(source, 0))?;
    // On Linux this is the time that a connect may take, too.
    set_socket_timeout(&socket, Timeout::Send, Some(within))?;
    connect(&socket, &address)?;
    Ok(socket.into())
}

/// The first frame of what was received, without its length; none when it is not all there.
pub(super) fn whole_frame(received: &[u8]) -> io::Result<Option<&[u8]>> {
    let Some((length, rest)) = received.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    Ok(rest.get(..frame_len(*length)?))
}

fn frame_len(length: [u8; LENGTH_BYTES]) -> io::Result<usize> {
    let len = usize::try_from(i32::from_be_bytes(length)).ok().filter(|len| *len <= FRAME_MAX);
    len.ok_or_else(|| {
        io::Error::new(ErrorKind::InvalidData, "this is no ZooKeeper server: the length of a reply")
    })
}

fn read_frame(socket: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; LENGTH_BYTES];
    socket.read_exact(&mut length)?;
    let mut frame = vec![0; frame_len(length)?];
    socket.read_exact(&mut frame)?;
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_when_it_is_whole() {
        assert_eq!(whole_frame(&[0, 0, 0]).unwrap(), None);
        assert_eq!(whole_frame(&[0, 0, 0, 2, 7]).unwrap(), None);
        assert_eq!(whole_frame(&[0, 0, 0, 2, 7, 8, 9]).unwrap(), Some(&[7, 8][..]));
        assert!(whole_frame(b"HTTP/1.1").is_err() && whole_frame(&[0xff; 8]).is_err());
    }
}
