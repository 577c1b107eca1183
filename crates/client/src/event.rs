//! What the server and the session tell without being asked.

use std::fmt;

/// One event, in the order in which it happened on the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened; [`EventKind::None`] for a change of the session's state.
    pub kind: EventKind,
    /// The session's state at that time.
    pub state: SessionState,
    /// The node, below the chroot; absent for a change of state.
    pub path: Option<String>,
    /// The zxid of the change, −1 when unknown.
    pub zxid: i64,
}

/// What happened to a node, or to a watch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The session changed its state.
    None,
    /// The node came into being.
    NodeCreated,
    /// The node was deleted.
    NodeDeleted,
    /// The node's data was set.
    NodeDataChanged,
    /// A child came or went.
    NodeChildrenChanged,
    /// A data watch was removed on request.
    DataWatchRemoved,
    /// A child watch was removed on request.
    ChildWatchRemoved,
    /// A persistent watch was removed on request.
    PersistentWatchRemoved,
}

/// Where the session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// No connection; the client looks for a server.
    Disconnected,
    /// Connected to a server that takes writes.
    SyncConnected,
    /// Connected to a server that serves reads only.
    ConnectedReadOnly,
    /// An authentication failed; the session is over for this client.
    AuthFailed,
    /// The server has forgotten the session; it is over.
    Expired,
    /// This client has closed the session.
    Closed,
}

impl EventKind {
    /// The kind with this number on the wire.
    pub fn from_wire(number: i32) -> Option<Self> {
        Some(match number {
            -1 => Self::None,
            1 => Self::NodeCreated,
            2 => Self::NodeDeleted,
            3 => Self::NodeDataChanged,
            4 => Self::NodeChildrenChanged,
            5 => Self::DataWatchRemoved,
            6 => Self::ChildWatchRemoved,
            7 => Self::PersistentWatchRemoved,
            _ => return None,
        })
    }
}

impl SessionState {
    /// Nothing more will ever happen on this session.
    pub fn is_final(self) -> bool {
        matches!(self, Self::AuthFailed | Self::Expired | Self::Closed)
    }

    /// Requests are answered now.
    pub fn is_connected(self) -> bool {
        matches!(self, Self::SyncConnected | Self::ConnectedReadOnly)
    }
}

impl Event {
    /// A change of the session's state.
    pub(crate) fn session(state: SessionState) -> Self {
        Self { kind: EventKind::None, state, path: None, zxid: -1 }
    }
}

// zk: WatchedEvent.toString: the line that scripts over the shell's output look for
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.as_deref().unwrap_or("null");
        write!(f, "WatchedEvent state:{:?} type:{:?} path:{path} zxid: {}", self.state, self.kind, self.zxid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_the_reference() {
        let event = Event {
            kind: EventKind::NodeCreated,
            state: SessionState::SyncConnected,
            path: Some("/a".into()),
            zxid: 7,
        };
        assert_eq!(event.to_string(), "WatchedEvent state:SyncConnected type:NodeCreated path:/a zxid: 7");
        assert_eq!(
            Event::session(SessionState::Disconnected).to_string(),
            "WatchedEvent state:Disconnected type:None path:null zxid: -1"
        );
    }

    #[test]
    fn wire_numbers() {
        assert_eq!(EventKind::from_wire(4), Some(EventKind::NodeChildrenChanged));
        assert_eq!(EventKind::from_wire(0), None);
        assert_eq!(EventKind::from_wire(8), None);
    }
}
