use alloc::string::String;
use core::fmt;

use jute::SessionId;
use pipeline::prepare::QuotaWarning;

/// How loud a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A human must act.
    Error,
    /// Odd, still serving.
    Warn,
    /// Start, stop, sessions.
    Info,
    /// A decision off the happy path.
    Debug,
}

/// Something worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A session expired.
    SessionExpired {
        /// The session.
        session: SessionId,
    },
    /// Ephemerals were there without their session; it is closed by a transaction.
    OrphanedEphemerals {
        /// The session.
        session: SessionId,
        /// How many.
        count: usize,
    },
    /// A client showed a wrong password or asked for a session that is gone.
    SessionRefused {
        /// The session.
        session: SessionId,
        /// The password was wrong.
        wrong_password: bool,
    },
    /// A request came for a session that is closing or gone; nobody hears of it.
    RequestDropped {
        /// The session.
        session: SessionId,
        /// Its xid.
        xid: i32,
    },
    /// The server deletes an empty container or an expired TTL znode.
    NodeExpired {
        /// Its path.
        path: String,
    },
    /// A create or a change of data went over a quota.
    Quota(QuotaWarning),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionExpired { session } => write!(f, "session {session} expired"),
            Self::OrphanedEphemerals { session, count } => {
                write!(f, "{count} ephemerals of session {session}, which does not exist; closing it")
            }
            Self::SessionRefused { session, wrong_password: true } => {
                write!(f, "wrong password for session {session}")
            }
            Self::SessionRefused { session, wrong_password: false } => {
                write!(f, "session {session} is gone, probably expired")
            }
            Self::RequestDropped { session, xid } => {
                write!(f, "request {xid} of session {session} dropped, the session is closing or gone")
            }
            Self::NodeExpired { path } => write!(f, "deleting candidate container or TTL znode {path}"),
            Self::Quota(warning) => warning.fmt(f),
        }
    }
}
