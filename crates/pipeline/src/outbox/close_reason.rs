use core::fmt;

use jute::{SessionId, Zxid};

/// Why a connection ends: who is at fault, and what happened.
///
/// * [`CloseReason::name`] is stable: it stands in logs, in connection reports and in the metric `connection_drop_<name>`.
/// * What the reference has too carries its behaviour; limits of ours say so in their comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed its session.
    SessionClosed,
    /// The session expired.
    SessionExpired,
    /// The session is attached elsewhere.
    SessionMoved,
    /// The client attached its session to a newer connection.
    ClientReconnect,
    /// The client asked for a session that does not exist or showed a wrong password.
    UnknownSession,
    /// The client has seen a newer state than ours; it must try another server.
    ZxidAhead {
        /// What the client has seen.
        seen: Zxid,
        /// What we have applied.
        last: Zxid,
    },
    /// The client does not accept a read-only server.
    NotReadOnlyClient,
    /// The client has or wants a session that all servers know, while this one serves reads only.
    GlobalSessionReadOnly,
    /// The client asked for an operation that does not exist.
    UnknownOp {
        /// Type in the request header.
        op_code: i32,
    },
    /// The client's credentials were refused.
    AuthFailed,
    /// The client did not authenticate by a scheme that this server demands.
    AuthRequired,
    /// The client sent a frame that has no place in the protocol.
    MalformedFrame {
        /// Which part of the protocol it should have been.
        what: &'static str,
    },
    /// The client announced a frame of negative length.
    NegativeFrame {
        /// The length.
        length: i32,
    },
    /// The client announced a frame above `jute.maxbuffer`.
    FrameTooLong {
        /// The length.
        len: usize,
        /// What is accepted.
        limit: usize,
    },
    /// The client sent a large request while the large requests under way have used up their limit.
    LargeRequest {
        /// The length.
        len: usize,
        /// What all large requests together may have.
        limit: usize,
    },
    /// The client reads too slowly, or asked for more at once than may wait for it (limit of ours).
    OutboxFull {
        /// Bytes that may wait.
        limit: usize,
    },
    /// The client did not finish its handshake in time (limit of ours; the reference starts anew with each byte).
    HandshakeTimeout {
        /// Time that a handshake may take.
        limit_ms: u64,
    },
    /// The client registered too many watches (limit of ours).
    TooManyWatches {
        /// Watches that one connection may have.
        limit: usize,
    },
    /// The server takes no new sessions at this rate.
    Throttled,
    /// The server does not serve clients at the moment.
    NotServing,
    /// The server stops.
    Shutdown,
    /// The server changed its role.
    RoleChanged,
    /// A request was dropped without an answer: what came behind it must not be answered.
    RequestDropped,
    /// An administrator or a four-letter word ended the connection.
    Requested,
    /// The client closed the connection.
    PeerClosed,
    /// The connection broke.
    Peer {
        /// Kind of the failure.
        what: &'static str,
    },
}

impl CloseReason {
    /// Short stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SessionClosed => "session_closed",
            Self::SessionExpired => "session_expired",
            Self::SessionMoved => "session_moved",
            Self::ClientReconnect => "client_reconnect",
            Self::UnknownSession => "unknown_session",
            Self::ZxidAhead { .. } => "zxid_ahead",
            Self::NotReadOnlyClient => "not_read_only_client",
            Self::GlobalSessionReadOnly => "global_session_in_read_only_mode",
            Self::UnknownOp { .. } => "unknown_op",
            Self::AuthFailed => "auth_failed",
            Self::AuthRequired => "auth_required",
            Self::MalformedFrame { .. } => "malformed_frame",
            Self::NegativeFrame { .. } => "negative_frame",
            Self::FrameTooLong { .. } => "frame_too_long",
            Self::LargeRequest { .. } => "large_request",
            Self::OutboxFull { .. } => "outbox_full",
            Self::HandshakeTimeout { .. } => "handshake_timeout",
            Self::TooManyWatches { .. } => "too_many_watches",
            Self::Throttled => "throttled",
            Self::NotServing => "not_serving",
            Self::Shutdown => "shutdown",
            Self::RoleChanged => "role_changed",
            Self::RequestDropped => "request_dropped",
            Self::Requested => "requested",
            Self::PeerClosed => "peer_closed",
            Self::Peer { .. } => "peer",
        }
    }

    /// All names, for metrics that exist from the start.
    pub const NAMES: &'static [&'static str] = &[
        "session_closed",
        "session_expired",
        "session_moved",
        "client_reconnect",
        "unknown_session",
        "zxid_ahead",
        "not_read_only_client",
        "global_session_in_read_only_mode",
        "unknown_op",
        "auth_failed",
        "auth_required",
        "malformed_frame",
        "negative_frame",
        "frame_too_long",
        "large_request",
        "outbox_full",
        "handshake_timeout",
        "too_many_watches",
        "throttled",
        "not_serving",
        "shutdown",
        "role_changed",
        "request_dropped",
        "requested",
        "peer_closed",
        "peer",
    ];
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionClosed => write!(f, "the client closed its session"),
            Self::SessionExpired => write!(f, "the session expired"),
            Self::SessionMoved => write!(f, "the session is attached to another server"),
            Self::ClientReconnect => write!(f, "the client attached its session to a newer connection"),
            Self::UnknownSession => {
                write!(f, "client: the session does not exist or the password is wrong")
            }
            Self::ZxidAhead { seen, last } => {
                write!(f, "client: it has seen zxid {seen}, ours is {last}; it must try another server")
            }
            Self::NotReadOnlyClient => write!(f, "client: it does not accept a read-only server"),
            Self::GlobalSessionReadOnly => {
                write!(f, "client: its session needs a quorum, and this server serves reads only")
            }
            Self::UnknownOp { op_code } => write!(f, "client: operation {op_code} does not exist"),
            Self::AuthFailed => write!(f, "client: its credentials were refused"),
            Self::AuthRequired => write!(f, "client: it did not authenticate by a scheme that is demanded"),
            Self::MalformedFrame { what } => write!(f, "client: a frame is no {what}"),
            Self::NegativeFrame { length } => {
                write!(f, "client: it announced a frame of negative length {length}")
            }
            Self::FrameTooLong { len, limit } => {
                write!(f, "client: it announced a frame of {len} bytes, jute.maxbuffer is {limit}")
            }
            Self::LargeRequest { len, limit } => {
                write!(f, "client: a large request of {len} bytes does not fit, limit for all is {limit}")
            }
            Self::OutboxFull { limit } => {
                write!(f, "client: more than {limit} bytes wait for it, it reads too slowly")
            }
            Self::HandshakeTimeout { limit_ms } => {
                write!(f, "client: no session within {limit_ms} ms")
            }
            Self::TooManyWatches { limit } => write!(f, "client: more than {limit} watches"),
            Self::Throttled => write!(f, "server: too many new sessions at once"),
            Self::NotServing => write!(f, "server: it does not serve at the moment"),
            Self::Shutdown => write!(f, "server: it stops"),
            Self::RoleChanged => write!(f, "server: its role changed"),
            Self::RequestDropped => {
                write!(f, "server: it dropped a request, for the session ends or the server hands over")
            }
            Self::Requested => write!(f, "server: an administrator asked for it"),
            Self::PeerClosed => write!(f, "the client closed the connection"),
            Self::Peer { what } => write!(f, "the connection broke: {what}"),
        }
    }
}

/// Session that a handshake reply announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The session.
    pub session: SessionId,
    /// Its timeout as the reply says it.
    pub timeout_ms: i32,
}
