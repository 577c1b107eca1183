use alloc::collections::BTreeMap;

use jute::SessionId;
use pipeline::event::ConnectionId;

/// Which session is attached to which connection here.
///
/// * A session is attached to at most one connection, and a connection has at most one session.
#[derive(Debug, Default)]
pub(crate) struct Attachments {
    sessions: BTreeMap<SessionId, Attached>,
    connections: BTreeMap<ConnectionId, SessionId>,
}

/// Where a session is attached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attached {
    /// The connection.
    pub(crate) connection: ConnectionId,
    /// The timeout as negotiated on it.
    pub(crate) timeout_ms: i32,
}

impl Attachments {
    /// Attaches a session that is attached nowhere.
    pub(crate) fn attach(&mut self, session: SessionId, connection: ConnectionId, timeout_ms: i32) {
        self.sessions.insert(session, Attached { connection, timeout_ms });
        self.connections.insert(connection, session);
    }

    /// Where the session is attached, if it is.
    pub(crate) fn get(&self, session: SessionId) -> Option<Attached> {
        self.sessions.get(&session).copied()
    }

    /// Detaches a session; yields where it was attached.
    pub(crate) fn detach(&mut self, session: SessionId) -> Option<Attached> {
        let attached = self.sessions.remove(&session)?;
        self.connections.remove(&attached.connection);
        Some(attached)
    }

    /// Detaches a connection that is gone; yields the session it had.
    pub(crate) fn lose(&mut self, connection: ConnectionId) -> Option<(SessionId, Attached)> {
        let session = self.connections.remove(&connection)?;
        Some((session, self.sessions.remove(&session)?))
    }
}
