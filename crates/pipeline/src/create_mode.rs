/// What kind of znode a create asks for: the flags of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateMode {
    /// Stays until it is deleted.
    Persistent,
    /// Ends with its session.
    Ephemeral,
    /// Persistent, with a sequence number appended to its name.
    PersistentSequential,
    /// Ephemeral, with a sequence number appended to its name.
    EphemeralSequential,
    /// Deleted by the server once its last child is gone.
    Container,
    /// Deleted by the server when it was not changed for a time and has no children.
    PersistentWithTtl,
    /// The same with a sequence number.
    PersistentSequentialWithTtl,
}

impl CreateMode {
    /// The mode of a request's flags.
    // zk: CreateMode.fromFlag
    pub const fn from_flags(flags: i32) -> Option<Self> {
        Some(match flags {
            0 => Self::Persistent,
            1 => Self::Ephemeral,
            2 => Self::PersistentSequential,
            3 => Self::EphemeralSequential,
            4 => Self::Container,
            5 => Self::PersistentWithTtl,
            6 => Self::PersistentSequentialWithTtl,
            _ => return None,
        })
    }

    /// Whether the znode ends with its session.
    pub const fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }

    /// Whether a sequence number is appended to the name.
    pub const fn is_sequential(self) -> bool {
        matches!(
            self,
            Self::PersistentSequential | Self::EphemeralSequential | Self::PersistentSequentialWithTtl
        )
    }

    /// Whether the znode has a time to live.
    pub const fn is_ttl(self) -> bool {
        matches!(self, Self::PersistentWithTtl | Self::PersistentSequentialWithTtl)
    }

    /// Whether the znode is a container.
    pub const fn is_container(self) -> bool {
        matches!(self, Self::Container)
    }
}
