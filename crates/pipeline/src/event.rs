//! What a connection hands to the replica. `replica` exports the same names.

use alloc::vec::Vec;

use bytes::Bytes;
use jute::{SessionId, Zxid};

use crate::request::{Identities, Request};
use crate::time::Millis;

pub use tree::ConnectionId;

/// Everything that can happen to a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A client asks for a new session.
    NewSession {
        /// Its connection.
        connection: ConnectionId,
        /// The timeout as negotiated.
        timeout_ms: i32,
        /// Wall time.
        wall_ms: i64,
    },
    /// A client asks for the session that it had before.
    ReopenSession {
        /// Its connection.
        connection: ConnectionId,
        /// The session.
        session: SessionId,
        /// What it shows as its password; null on the wire is empty here.
        password: Vec<u8>,
        /// The timeout as negotiated.
        timeout_ms: i32,
        /// Wall time.
        wall_ms: i64,
    },
    /// A client's request that the connection cannot answer by itself.
    Request(ClientRequest),
    /// The same for one that waited too long to be carried out: it is answered THROTTLEDOP in its turn.
    Throttled(ClientRequest),
    /// A connection is gone; its session goes on until it expires.
    ConnectionLost {
        /// The connection.
        connection: ConnectionId,
    },
    /// Sessions heard since the last `Heard`; comes just before each `Tick`.
    Heard {
        /// The sessions, in any order.
        sessions: Vec<SessionId>,
    },
    /// A tick passed: time to look for expired sessions.
    Tick {
        /// Wall time.
        wall_ms: i64,
    },
    /// The moment that `Replica::next_deadline` named has come.
    Deadline {
        /// Wall time.
        wall_ms: i64,
    },
    /// Time to look for empty containers and expired TTL znodes.
    ContainerCheck {
        /// Wall time.
        wall_ms: i64,
    },
    /// The log holds everything up to this zxid for good.
    Durable {
        /// Last transaction that is synced.
        zxid: Zxid,
    },
    /// The process is asked to end: no new requests, finish what is appended.
    Shutdown,
}

impl Event {
    /// The wall time that came with it, if any did.
    #[must_use]
    pub fn wall_ms(&self) -> Option<i64> {
        match self {
            Self::NewSession { wall_ms, .. }
            | Self::ReopenSession { wall_ms, .. }
            | Self::Tick { wall_ms }
            | Self::Deadline { wall_ms }
            | Self::ContainerCheck { wall_ms } => Some(*wall_ms),
            Self::Request(request) | Self::Throttled(request) => Some(request.wall_ms),
            Self::ConnectionLost { .. } | Self::Heard { .. } | Self::Durable { .. } | Self::Shutdown => None,
        }
    }
}

/// A request with all that its answer needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRequest {
    /// Where the reply goes.
    pub connection: ConnectionId,
    /// Who asks.
    pub session: SessionId,
    /// The xid of its header.
    pub xid: i32,
    /// What it asks for.
    pub request: Request,
    /// The same as it came, for a leader elsewhere; bytes behind what is decoded included.
    pub body: Bytes,
    /// Who the client was when the request came.
    pub identities: Identities,
    /// When the request came, for the latency.
    pub received: Millis,
    /// Wall time.
    pub wall_ms: i64,
}
