use jute::Zxid;

use crate::acl::AclList;

/// A client connection of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What happened to a znode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It was created; told to watchers of data.
    Created,
    /// It was deleted; told to watchers of data and of children.
    Deleted,
    /// Its data were replaced; told to watchers of data.
    DataChanged,
    /// It has a child more or less; told to watchers of children.
    ChildrenChanged,
}

impl EventKind {
    /// The number in a WatcherEvent.
    // zk: Watcher.Event.EventType
    pub const fn code(self) -> i32 {
        match self {
            Self::Created => 1,
            Self::Deleted => 2,
            Self::DataChanged => 3,
            Self::ChildrenChanged => 4,
        }
    }
}

/// A change that watchers may have to be told of, as it is while its transaction is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger<'a> {
    /// What happened.
    pub kind: EventKind,
    /// To which znode.
    pub path: &'a str,
    /// By which transaction.
    pub zxid: Zxid,
    /// Only connections that this ACL lets read are told.
    pub acl: &'a AclList,
}

/// What a client registers.
// zk: WatcherMode, and the tables that DataTree adds each mode to
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WatchKind {
    /// One event about the znode itself.
    Data,
    /// One event about its children.
    Children,
    /// All events about the znode and its children, until removed.
    Persistent,
    /// All events about the znode itself and everything below, until removed.
    PersistentRecursive,
}

/// What a client removes or asks for.
// zk: Watcher.WatcherType
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WatcherType {
    /// [`WatchKind::Children`].
    Children,
    /// [`WatchKind::Data`].
    Data,
    /// Every kind.
    Any,
    /// [`WatchKind::Persistent`].
    Persistent,
    /// [`WatchKind::PersistentRecursive`].
    PersistentRecursive,
}

impl WatcherType {
    /// The type of a number in a request.
    // zk: Watcher.WatcherType.fromInt
    pub const fn from_code(code: i32) -> Option<Self> {
        match code {
            1 => Some(Self::Children),
            2 => Some(Self::Data),
            3 => Some(Self::Any),
            4 => Some(Self::Persistent),
            5 => Some(Self::PersistentRecursive),
            _ => None,
        }
    }
}

/// How many watchers one trigger found, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fired {
    /// Watchers of data, recursive ones included.
    pub data: usize,
    /// Watchers of children, also those that were already told as watchers of data.
    pub children: usize,
}
