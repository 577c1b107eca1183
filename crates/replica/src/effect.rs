use alloc::string::String;
use alloc::sync::Arc;

use jute::{ErrorCode, OpCode, SessionId, TxnRecord, Zxid};
use pipeline::event::ConnectionId;
use pipeline::outbox::CloseReason;
use pipeline::time::Millis;

use crate::{Level, Note};

/// What the world is to do. Effects of a step are carried out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Append to the log; once it is synced, `Event::Durable` says so.
    Append {
        /// The transaction.
        record: Arc<TxnRecord>,
    },
    /// Apply to the state, fire watches, then reply.
    Apply {
        /// The transaction.
        record: Arc<TxnRecord>,
        /// Who waits for it here.
        origin: Option<Origin>,
    },
    /// Reply without a transaction.
    Reply {
        /// Who waits.
        origin: Origin,
        /// What is said.
        what: LocalReply,
    },
    /// Tell a client that its session does not exist, then close.
    RefuseSession {
        /// Its connection.
        connection: ConnectionId,
    },
    /// Tell a client that it has its old session again.
    OpenSession {
        /// Its connection.
        connection: ConnectionId,
        /// The session.
        session: SessionId,
        /// Its timeout from now on.
        timeout_ms: i32,
    },
    /// Close a connection.
    Close {
        /// Which one.
        connection: ConnectionId,
        /// Why.
        why: CloseReason,
    },
    /// Something for the log of the process.
    Note {
        /// How loud.
        level: Level,
        /// What.
        what: Note,
    },
    /// This peer found itself wrong: end the process.
    Halt {
        /// Why.
        why: HaltReason,
    },
    /// Everything that was appended is applied; the process may end.
    Stopped,
}

/// Who waits for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Where it goes.
    pub connection: ConnectionId,
    /// The xid of the request; zero for a handshake.
    pub xid: i32,
    /// What was asked for.
    pub op: OpCode,
    /// When.
    pub received: Millis,
    /// Timeout of the session that opens; a handshake reply carries it.
    pub opens: Option<Opening>,
}

/// The handshake reply that a transaction ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The timeout as negotiated on the connection.
    pub timeout_ms: i32,
    /// A handshake waits, not a request.
    pub is_handshake: bool,
}

/// A reply without a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalReply {
    /// The answer to sync: the path.
    Sync {
        /// As the client sent it.
        path: String,
    },
    /// An error.
    Error(ErrorCode),
    /// Silence: the session of the request is gone.
    Dropped,
}

/// Why a peer cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HaltReason {
    /// A committed transaction cannot be applied.
    Apply {
        /// The transaction.
        zxid: Zxid,
        /// What is wrong.
        what: String,
    },
    /// The log says that it holds more than it was given.
    DurableAhead {
        /// What it says.
        durable: Zxid,
        /// What it was given.
        given: Zxid,
    },
}

impl core::fmt::Display for HaltReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Apply { zxid, what } => write!(f, "transaction {zxid} cannot be applied: {what}"),
            Self::DurableAhead { durable, given } => {
                write!(f, "the log claims {durable} although it was given {given} only")
            }
        }
    }
}
