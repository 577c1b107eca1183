use alloc::vec::Vec;

use jute::SessionId;
use tree::{State, Watches};

use crate::{
    event::Event,
    outbox::{CloseReason, Outbox},
    time::Millis,
};

#[cfg(doc)]
use super::{Connection, FOUR_LETTER_WORDS, SET_TRACE_MASK};

/// Requests that one call of `advance` handles at most, so that a writer need not wait long for the state.
pub(super) const TURN_REQUESTS_MAX: usize = 256;

/// Bytes of replies after which one call of `advance` ends.
pub(super) const TURN_BYTES_MAX: usize = 1024 * 1024;

/// The state as one call of [`Connection::advance`] sees it.
#[derive(Clone, Copy)]
pub struct StateView<'a> {
    /// The state, held for reading until the call returns.
    pub state: &'a State,
    /// Whether this server serves clients.
    pub serving: bool,
    /// Whether it serves reads only.
    pub read_only: bool,
    /// Whether more requests than `globalOutstandingLimit` are under way in the whole server.
    pub throttled: bool,
    /// Bytes of large requests under way in the whole server: the sum of [`Connection::large_request_bytes`].
    pub large_request_bytes: usize,
}

/// How a connection gets at the watches.
pub trait WatchAccess {
    /// Calls `f` with the watches; the shell holds their lock as long.
    fn with(&self, f: &mut dyn FnMut(&mut Watches));
}

/// What the shell must do for a connection.
#[derive(Debug)]
pub enum ConnectionAction {
    /// Answer a four-letter word and close; reads end here.
    FourLetterWord {
        /// The word, one of [`FOUR_LETTER_WORDS`].
        word: [u8; 4],
        /// The argument of [`SET_TRACE_MASK`], empty for all others.
        rest: Vec<u8>,
    },
    /// Hand an event to the replica.
    Forward(Event),
    /// The session has been heard of.
    Heard(SessionId),
    /// Send what is in the outbox, then close.
    Close(CloseReason),
}

/// What one call of `advance` works with.
pub(super) struct Turn<'a> {
    pub(super) now: Millis,
    pub(super) wall_ms: i64,
    pub(super) view: StateView<'a>,
    pub(super) watches: &'a dyn WatchAccess,
    pub(super) outbox: &'a mut Outbox,
    pub(super) out: &'a mut Vec<ConnectionAction>,
    pub(super) heard: bool,
    pub(super) requests_left: usize,
    pub(super) outbox_len_max: usize,
}

impl Turn<'_> {
    /// Whether this call has done enough.
    pub(super) fn is_used_up(&self) -> bool {
        self.requests_left == 0 || self.outbox.len() > self.outbox_len_max
    }
}
