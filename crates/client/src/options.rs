//! What a caller may choose.

use std::time::Duration;

/// How a client connects; every field has a working default.
#[derive(Debug, Clone)]
pub struct Options {
    /// The session timeout to ask for; the server may answer with another one.
    pub session_timeout: Duration,
    /// Accept a server that serves reads only.
    pub read_only: bool,
    /// Longest reply that is accepted, in bytes.
    pub frame_bytes_max: usize,
    /// Requests sent and not yet answered; further ones wait.
    pub in_flight_max: usize,
    /// Requests that wait for their turn; further callers wait to submit.
    pub backlog_max: usize,
    /// Events that wait for the caller; when full, the client stops reading until some are taken.
    pub events_max: usize,
    /// A session to go on with: id and password.
    pub resume: Option<Resume>,
}

/// A session that another client held before.
#[derive(Debug, Clone)]
pub struct Resume {
    /// The session's id.
    pub session: i64,
    /// The session's password.
    pub password: Vec<u8>,
    /// The last zxid that was seen on the session, 0 if unknown.
    pub last_zxid: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_secs(30),
            read_only: false,
            // The reference's clients accept 1 MiB by default; replies of getChildren may be larger.
            frame_bytes_max: 64 << 20,
            // Below the server's own default limit of outstanding requests.
            in_flight_max: 1000,
            backlog_max: 1024,
            events_max: 4096,
            resume: None,
        }
    }
}
