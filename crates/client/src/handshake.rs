//! From a host name to a session on a connection.

use std::io;
use std::time::Duration;

use jute::proto::{ConnectRequest, ConnectResponse};
use jute::{Reader, Record, SessionId, Zxid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};

use crate::address::Host;
use crate::frame::{Input, Output};

/// The longest answer to a connect request; the real one has 37 bytes.
const ANSWER_BYTES_MAX: usize = 1024;

/// What the client knows of its session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    pub(crate) id: i64,
    pub(crate) password: Vec<u8>,
    pub(crate) last_zxid: i64,
}

/// What to ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) session_timeout: Duration,
    pub(crate) read_only: bool,
}

/// A connection with a session on it.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) stream: TcpStream,
    pub(crate) input: Input,
    pub(crate) session: i64,
    pub(crate) password: Vec<u8>,
    pub(crate) session_timeout: Duration,
    pub(crate) read_only: bool,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The server has forgotten the session.
    Expired,
    /// Anything else: try again, elsewhere.
    Unreachable(String),
}

/// Connects to one host, trying all its addresses, and opens or re-attaches the session.
pub(crate) async fn attempt(host: &Host, session: &Session, wish: Wish) -> Result<Established, Refusal> {
    let stream = connect(host).await.map_err(|why| Refusal::Unreachable(format!("{host}: {why}")))?;
    match exchange(stream, session, wish).await {
        Ok(Some(established)) => Ok(established),
        Ok(None) => Err(Refusal::Expired),
        Err(why) => Err(Refusal::Unreachable(format!("{host}: {why}"))),
    }
}

async fn connect(host: &Host) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host.name.as_str(), host.port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(why) => failure = why,
        }
    }
    Err(failure)
}

/// `None`: the server says that the session is gone.
async fn exchange(mut stream: TcpStream, session: &Session, wish: Wish) -> io::Result<Option<Established>> {
    let mut output = Output::default();
    output.frame(|out| connect_request(session, wish).encode(out));
    stream.write_all(output.waiting()).await?;
    let mut input = Input::default();
    let answer = loop {
        match input.next_frame(ANSWER_BYTES_MAX) {
            Ok(Some(frame)) => break frame,
            Ok(None) => {}
            Err(bad) => return Err(invalid(&format!("answer of {} bytes to the handshake", bad.0))),
        }
        if stream.read_buf(input.spare()).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed during the handshake"));
        }
    };
    let response = ConnectResponse::decode(&mut Reader::from_slice(&answer))
        .map_err(|why| invalid(&format!("unreadable answer to the handshake: {why}")))?;
    Ok(established(response, stream, input))
}

fn connect_request(session: &Session, wish: Wish) -> ConnectRequest {
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid(session.last_zxid),
        time_out: i32::try_from(wish.session_timeout.as_millis()).unwrap_or(i32::MAX),
        session_id: SessionId(session.id),
        passwd: Some(if session.password.is_empty() { vec![0; 16] } else { session.password.clone() }.into()),
        read_only: Some(wish.read_only),
    }
}

fn established(response: ConnectResponse, stream: TcpStream, input: Input) -> Option<Established> {
    let timeout_ms = u64::try_from(response.time_out).ok().filter(|ms| *ms > 0)?;
    Some(Established {
        stream,
        input,
        session: response.session_id.0,
        password: response.passwd.map(|password| password.to_vec()).unwrap_or_default(),
        session_timeout: Duration::from_millis(timeout_ms),
        read_only: response.read_only == Some(true),
    })
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}
