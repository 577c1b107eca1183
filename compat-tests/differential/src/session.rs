//! One connection and the handshake of a session, without any policy.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::wire::{Reader, Writer};

/// How long a server may be silent before the run is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// No reply of these runs is larger.
const FRAME_MAX: usize = 64 << 20;

/// A connection that reads whole frames.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    at: usize,
}

impl Connection {
    fn open(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self { stream, unread: Vec::new(), at: 0 })
    }

    /// How long `frame` waits from now on; silence is an error of the kind `WouldBlock`, after which it may be called again.
    pub(crate) fn listen_for(&self, patience: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next frame; `None` when the server has closed the connection.
    pub(crate) fn frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let have = &self.unread[self.at..];
            if let Some((head, rest)) = have.split_first_chunk::<4>() {
                let length = i32::from_be_bytes(*head);
                let length = usize::try_from(length).ok().filter(|length| *length <= FRAME_MAX);
                let length = length.ok_or_else(|| io::Error::other("a frame of impossible length"))?;
                if let Some(frame) = rest.get(..length) {
                    let frame = frame.to_vec();
                    self.at += 4 + length;
                    return Ok(Some(frame));
                }
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self) -> io::Result<bool> {
        if self.at > 0 {
            self.unread.drain(..self.at);
            self.at = 0;
        }
        let mut chunk = [0; 16384];
        match self.stream.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.unread.extend_from_slice(&chunk[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::new(error.kind(), "the server is silent"))
            }
            Err(error) => Err(error),
        }
    }
}

/// What a client sends first.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) last_zxid: i64,
    pub(crate) timeout_ms: i32,
    pub(crate) session: i64,
    pub(crate) password: Vec<u8>,
    /// `None`: the layout of clients before 3.4, without the byte.
    pub(crate) read_only: Option<bool>,
}

impl Hello {
    pub(crate) fn new_session(timeout_ms: i32) -> Self {
        Self { last_zxid: 0, timeout_ms, session: 0, password: vec![0; 16], read_only: Some(false) }
    }

    fn encode(&self) -> Vec<u8> {
        let body = Writer::default().int(0).long(self.last_zxid).int(self.timeout_ms).long(self.session);
        let body = body.buffer(Some(&self.password));
        framed(&self.read_only.into_iter().fold(body, Writer::boolean).0)
    }
}

/// What a server answers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) timeout_ms: i32,
    pub(crate) session: i64,
    pub(crate) password: Vec<u8>,
    pub(crate) read_only: Option<bool>,
}

/// Opens a connection and shakes hands; `None` for the answer when the server closed without one.
pub(crate) fn connect(address: SocketAddr, hello: &Hello) -> io::Result<(Connection, Option<Welcome>)> {
    connect_within(SILENCE_MAX, address, hello)
}

/// The same, given up when the server is silent for `patience`; the connection keeps that limit.
pub(crate) fn connect_within(
    patience: Duration,
    address: SocketAddr,
    hello: &Hello,
) -> io::Result<(Connection, Option<Welcome>)> {
    let mut connection = Connection::open(address, patience)?;
    connection.send(&hello.encode())?;
    let Some(frame) = connection.frame()? else { return Ok((connection, None)) };
    let welcome = decode_welcome(&frame).map_err(io::Error::other)?;
    Ok((connection, Some(welcome)))
}

fn decode_welcome(frame: &[u8]) -> Result<Welcome, crate::wire::Short> {
    let mut reader = Reader(frame);
    reader.int()?;
    let timeout_ms = reader.int()?;
    let session = reader.long()?;
    let password = reader.buffer()?.unwrap_or_default().to_vec();
    let read_only = if reader.0.is_empty() { None } else { Some(reader.boolean()?) };
    Ok(Welcome { timeout_ms, session, password, read_only })
}

/// Puts the length in front.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    Writer::default().buffer(Some(body)).0
}

/// A request as it goes over the wire.
pub(crate) fn request_frame(xid: i32, op: i32, body: &[u8]) -> Vec<u8> {
    framed(&Writer::default().int(xid).int(op).raw(body).0)
}

/// The password that every server derives from a session id: the first 16 bytes of `java.util.Random`.
pub(crate) fn password_of(session: i64) -> Vec<u8> {
    const MULTIPLIER: i64 = 0x5_DEEC_E66D;
    const MASK: i64 = (1 << 48) - 1;
    let mut seed = ((session ^ 0xB341_5C00) ^ MULTIPLIER) & MASK;
    let mut out = Vec::with_capacity(16);
    for _ in 0..4 {
        seed = seed.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        let word = (seed >> 16) as i32;
        out.extend_from_slice(&word.to_le_bytes());
    }
    out
}

/// Sends one request on a connection of its own use and waits for its reply, passing over events: (zxid, err, body).
pub(crate) fn call(
    connection: &mut Connection,
    xid: i32,
    op: i32,
    body: &[u8],
) -> io::Result<(i64, i32, Vec<u8>)> {
    connection.send(&request_frame(xid, op, body))?;
    loop {
        let frame = connection.frame()?.ok_or_else(|| io::Error::other("closed by the server"))?;
        let mut reader = Reader(&frame);
        let got = reader.int().map_err(io::Error::other)?;
        let zxid = reader.long().map_err(io::Error::other)?;
        let err = reader.int().map_err(io::Error::other)?;
        if got == xid {
            return Ok((zxid, err, reader.0.to_vec()));
        }
    }
}

/// Sends a four-letter word and returns all that is answered.
pub(crate) fn four_letters(address: SocketAddr, word: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, SILENCE_MAX)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.write_all(word.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
