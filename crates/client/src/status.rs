//! What anybody may know about the session at any time.

use std::time::Duration;

use crate::error::Error;
use crate::event::SessionState;

/// A picture of the session.
#[derive(Debug, Clone)]
pub struct Status {
    /// Where the session stands.
    pub state: SessionState,
    /// The session's id, 0 before the first connection.
    pub session: i64,
    /// The session's password, empty before the first connection.
    pub password: Vec<u8>,
    /// The timeout that the server granted.
    pub session_timeout: Duration,
    /// The server that the client is, or was last, connected to.
    pub server: Option<String>,
    /// Why the last connection, or the last attempt at one, ended.
    pub last_failure: Option<String>,
    /// Attempts that failed since the client was connected last.
    pub failed_attempts: usize,
}

impl Status {
    pub(crate) fn new(session_timeout: Duration) -> Self {
        Self {
            state: SessionState::Disconnected,
            session: 0,
            password: Vec::new(),
            session_timeout,
            server: None,
            last_failure: None,
            failed_attempts: 0,
        }
    }

    /// What a request gets now that the session is over.
    pub(crate) fn final_error(&self) -> Error {
        match self.state {
            SessionState::Expired => Error::SessionExpired,
            SessionState::AuthFailed => Error::AuthFailed,
            SessionState::Closed
            | SessionState::Disconnected
            | SessionState::SyncConnected
            | SessionState::ConnectedReadOnly => Error::Closed,
        }
    }
}
