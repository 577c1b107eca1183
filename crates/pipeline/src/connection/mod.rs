//! One client connection as a pure machine: bytes in; replies, events and what must be done out.
//!
//! ```text
//!               four-letter word
//!  FirstBytes ───────────────────────────────────────────────────────────┐
//!      │ a length                                                        │
//!      ▼                                                                 ▼
//!   Connect ── bad layout, read-only, zxid ahead, too late ───────────▶ Closed
//!      │ ConnectRequest: Forward(NewSession | ReopenSession)             ▲
//!      ▼                                                                 │
//!  Connecting ── refused ────────────────────────────────────────────────┤
//!      │ ConnectResponse stands in the outbox                            │
//!      ▼                                                                 │
//!  Established ── bad frame, unknown op, refused credentials, limit ─────┤
//!      │ closeSession: Forward                                           │
//!      ▼                                                                 │
//!   Closing ── its reply stands in the outbox ───────────────────────────┘
//! ```
//!
//! # Order
//!
//! * Requests are answered in the order in which they came. Writes, sync and closeSession are forwarded, several may be
//!   in flight; what is answered here waits until none is, and everything behind it waits too.
//! * auth and sasl are answered when they are read, before what waits, and requests behind them carry the new
//!   identities, those before them the old. So frames are read ahead, within a bound.
//! * Nothing is handled between ConnectRequest and ConnectResponse, nothing behind a closeSession.
//! * A watch is registered under the same hold of the state as the read that asked for it.
//! * A request of a session that the state no longer has gets no reply, as in the reference, which drops it when it
//!   cannot touch the session; the transaction that ended the session closes the connection. A learner that does not have
//!   it yet answers.
//!
//! # Driving it
//!
//! The shell reads into [`Connection::spare`] (or gives bytes to [`Connection::received`]) while
//! [`Connection::wants_more`], and calls [`Connection::advance`] with the state held for reading
//!
//! * after each read;
//! * when the replica changed the outbox;
//! * when the outbox was flushed, for a connection pauses while much waits for its client;
//! * at its [`Connection::deadline`];
//! * when `throttled` or `serving` changed;
//! * again, when the last call says so: one call does not hold the state longer than for a bounded number of requests.
//!
//! It then carries out the actions in order and writes what is in the outbox. `Close` comes exactly once, for whatever
//! reason; what stands in the outbox is sent first.
//!
//! Locks: `advance` takes the watches while its caller holds the state for reading and this outbox. Only who holds the
//! state for writing takes an outbox while it holds the watches, so the two never meet.

pub mod harness;

mod handshake;
mod input;
mod local;
mod multi_read;
mod redact;
mod requests;
mod turn;
mod watch_requests;
mod words;

use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use core::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use jute::SessionId;
use tree::ConnectionId;

pub use turn::{ConnectionAction, StateView, WatchAccess};
pub use words::{FOUR_LETTER_WORDS, MASK_LEN, SET_TRACE_MASK, TELNET_INTERRUPT};

use crate::{
    auth,
    outbox::{CloseReason, Opened, Outbox},
    request::Identities,
    settings::PipelineSettings,
    time::Millis,
};
use input::Input;
use requests::Waiting;
use turn::{TURN_BYTES_MAX, TURN_REQUESTS_MAX, Turn};

/// Bytes that may be read ahead of a frame that is not complete yet or not allowed to go on.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// Requests that may wait behind one another; each costs memory beyond its bytes.
const WAITING_MAX: usize = 4 * 1024;

/// One client connection.
///
/// * `forwarded - completed` requests are in flight at the replica.
/// * `waiting` holds requests that were read and may not be handled yet, in order; it is empty unless Established.
/// * Exactly one `Close` or `FourLetterWord` is ever emitted.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    settings: Arc<PipelineSettings>,
    phase: Phase,
    input: Input,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    forwarded: u64,
    completed: u64,
    large: VecDeque<Large>,
    large_bytes: usize,
    remote: IpAddr,
    identities: Identities,
    session: SessionId,
    /// The state had the session once.
    session_was_there: bool,
    accepted: Millis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    FirstBytes,
    Connect,
    Connecting,
    Established,
    Closing,
    Closed,
}

/// A large request in flight: its number among the forwarded ones and its length.
#[derive(Debug, Clone, Copy)]
struct Large {
    number: u64,
    len: usize,
}

/// Whether a step changed anything, so that the next one may be worth a try.
type Progress = bool;

impl Connection {
    /// A connection that was accepted just now, from `remote`.
    pub fn new(id: ConnectionId, remote: SocketAddr, now: Millis, settings: Arc<PipelineSettings>) -> Self {
        Self {
            id,
            settings,
            phase: Phase::FirstBytes,
            input: Input::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            forwarded: 0,
            completed: 0,
            large: VecDeque::new(),
            large_bytes: 0,
            remote: remote.ip(),
            identities: auth::identities_of(remote.ip()),
            session: SessionId::NONE,
            session_was_there: false,
            accepted: now,
        }
    }

    /// Takes in bytes from the socket.
    pub fn received(&mut self, bytes: &[u8]) {
        if self.phase != Phase::Closed {
            self.input.buffer_mut().extend_from_slice(bytes);
        }
    }

    /// The buffer to read into, with room for at least `len` more bytes; what is appended to it counts as received.
    pub fn spare(&mut self, len: usize) -> &mut BytesMut {
        let buffer = self.input.buffer_mut();
        buffer.reserve(len);
        buffer
    }

    /// Gives memory back; for a connection that has been idle for a while.
    pub fn release_spare(&mut self) {
        if self.input.is_empty() {
            self.input.clear();
        }
    }

    /// Whether the shell should go on reading: not once closed, nor with a whole frame and more waiting to be handled.
    pub fn wants_more(&self) -> bool {
        self.phase != Phase::Closed && self.buffered() < self.buffered_max()
    }

    /// Handles what is complete and may be handled now. Returns whether there is more: then the state should be let go
    /// of, and taken again for another call.
    #[must_use = "there may be more to handle"]
    pub fn advance(
        &mut self,
        now: Millis,
        wall_ms: i64,
        view: &StateView<'_>,
        watches: &impl WatchAccess,
        outbox: &mut Outbox,
        out: &mut Vec<ConnectionAction>,
    ) -> bool {
        if self.phase == Phase::Closed {
            return false;
        }
        self.on_outbox_progress(outbox.completed(), outbox.opened());
        let outbox_len_max = outbox.len().saturating_add(TURN_BYTES_MAX);
        let requests_left = TURN_REQUESTS_MAX;
        let mut turn = Turn {
            now,
            wall_ms,
            view: *view,
            watches,
            outbox,
            out,
            heard: false,
            requests_left,
            outbox_len_max,
        };
        if let Err(reason) = self.run(&mut turn) {
            turn.outbox.close(reason);
        }
        if turn.heard {
            turn.out.push(ConnectionAction::Heard(self.session));
        }
        if let Some(reason) = turn.outbox.closed() {
            self.finish();
            turn.out.push(ConnectionAction::Close(reason));
        }
        self.phase == Phase::Established && turn.is_used_up()
    }

    /// Learns that replies of the replica stand in the outbox; `advance` does so by itself.
    pub fn on_outbox_progress(&mut self, completed: u64, opened: Option<Opened>) {
        assert!(completed <= self.forwarded, "invariant: only what was forwarded can be completed");
        self.completed = completed;
        while let Some(large) = self.large.front().copied().filter(|large| large.number <= completed) {
            self.large.pop_front();
            self.large_bytes -= large.len;
        }
        if let (Phase::Connecting, Some(opened)) = (self.phase, opened) {
            self.session = opened.session;
            self.phase = Phase::Established;
        }
    }

    /// When `advance` must be called at the latest.
    pub fn deadline(&self) -> Option<Millis> {
        match self.phase {
            Phase::FirstBytes | Phase::Connect => Some(self.handshake_deadline()),
            Phase::Connecting | Phase::Established | Phase::Closing | Phase::Closed => None,
        }
    }

    /// Its number in the whole server.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The session, once there is one.
    pub fn session(&self) -> Option<SessionId> {
        (self.session != SessionId::NONE).then_some(self.session)
    }

    /// Number of requests at the replica.
    pub fn in_flight(&self) -> u64 {
        self.forwarded - self.completed
    }

    /// Bytes of large requests at the replica.
    pub fn large_request_bytes(&self) -> usize {
        self.large_bytes
    }

    /// Whether nothing more will come from this connection.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    fn run(&mut self, turn: &mut Turn<'_>) -> Result<(), CloseReason> {
        self.note_session(turn);
        while turn.outbox.closed().is_none() {
            // diverges(dropped-request): the reference goes on, and its client finds the next xid out of order
            if turn.outbox.has_dropped() {
                return if self.in_flight() == 0 { Err(CloseReason::RequestDropped) } else { Ok(()) };
            }
            let progress = match self.phase {
                Phase::FirstBytes => self.first_bytes(turn)?,
                Phase::Connect => self.connect(turn)?,
                Phase::Established => self.next_request(turn)?,
                Phase::Connecting | Phase::Closing | Phase::Closed => false,
            };
            if !progress {
                break;
            }
        }
        match self.deadline() {
            // diverges(handshake-total-time): in the reference each byte starts the time anew
            Some(deadline) if turn.now >= deadline => {
                Err(CloseReason::HandshakeTimeout { limit_ms: self.settings.handshake_timeout_ms })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Drops everything that will not be handled any more.
    fn finish(&mut self) {
        self.phase = Phase::Closed;
        self.input.clear();
        self.waiting = VecDeque::new();
        self.waiting_bytes = 0;
    }

    fn buffered(&self) -> usize {
        self.input.len() + self.waiting_bytes
    }

    fn buffered_max(&self) -> usize {
        self.settings.jute_max_buffer + READ_AHEAD_BYTES
    }

    fn handshake_deadline(&self) -> Millis {
        self.accepted.plus(self.settings.handshake_timeout_ms)
    }
}

#[cfg(test)]
mod tests;
