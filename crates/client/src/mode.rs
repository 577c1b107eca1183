//! Kinds of nodes and of lasting watches.

use std::time::Duration;

use jute::OpCode;

use crate::error::Error;
use crate::path;

/// How a node lives and what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateMode {
    /// Until somebody deletes it.
    Persistent,
    /// Until its session ends.
    Ephemeral,
    /// Persistent, with a number appended to its name.
    PersistentSequential,
    /// Ephemeral, with a number appended to its name.
    EphemeralSequential,
    /// Until its last child has gone.
    Container,
    /// Until it has been without children and change for this long.
    PersistentWithTtl(Duration),
    /// The same, with a number appended to its name.
    PersistentSequentialWithTtl(Duration),
}

/// The longest time to live that fits the 40 bits it has.
// zk: EphemeralType.TTL.maxValue
const TTL_MS_MAX: i64 = 0xff_ffff_ffff;

impl CreateMode {
    /// The number on the wire.
    pub(crate) fn flags(self) -> i32 {
        match self {
            Self::Persistent => 0,
            Self::Ephemeral => 1,
            Self::PersistentSequential => 2,
            Self::EphemeralSequential => 3,
            Self::Container => 4,
            Self::PersistentWithTtl(_) => 5,
            Self::PersistentSequentialWithTtl(_) => 6,
        }
    }

    /// Which request creates such a node; `plain` is the one for nodes without peculiarities.
    pub(crate) fn op_code(self, plain: OpCode) -> OpCode {
        match self {
            Self::Persistent | Self::Ephemeral | Self::PersistentSequential | Self::EphemeralSequential => {
                plain
            }
            Self::Container => OpCode::CreateContainer,
            Self::PersistentWithTtl(_) | Self::PersistentSequentialWithTtl(_) => OpCode::CreateTtl,
        }
    }

    /// The time to live in milliseconds, for modes that have one.
    pub(crate) fn ttl_ms(self) -> Result<Option<i64>, Error> {
        let (Self::PersistentWithTtl(ttl) | Self::PersistentSequentialWithTtl(ttl)) = self else {
            return Ok(None);
        };
        match i64::try_from(ttl.as_millis()) {
            Ok(ms) if (1..=TTL_MS_MAX).contains(&ms) => Ok(Some(ms)),
            Ok(_) | Err(_) => {
                Err(Error::InvalidArgument(format!("a TTL is from 1 to {TTL_MS_MAX} milliseconds")))
            }
        }
    }

    /// Checks the path as the caller gives it.
    pub(crate) fn validate(self, path: &str) -> Result<(), path::InvalidPath> {
        match self {
            Self::PersistentSequential | Self::EphemeralSequential | Self::PersistentSequentialWithTtl(_) => {
                path::validate_sequential(path)
            }
            Self::Persistent | Self::Ephemeral | Self::Container | Self::PersistentWithTtl(_) => {
                path::validate(path)
            }
        }
    }
}

/// Watches that stay after they have fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddWatchMode {
    /// The node and its list of children.
    Persistent,
    /// The node and all nodes below it.
    PersistentRecursive,
}

impl AddWatchMode {
    /// The number on the wire.
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Persistent => 0,
            Self::PersistentRecursive => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_has_bounds() {
        let ttl = |ms| CreateMode::PersistentWithTtl(Duration::from_millis(ms)).ttl_ms();
        assert_eq!(ttl(1), Ok(Some(1)));
        assert_eq!(ttl(0xff_ffff_ffff), Ok(Some(0xff_ffff_ffff)));
        assert!(ttl(0).is_err());
        assert!(ttl(0x100_0000_0000).is_err());
        assert_eq!(CreateMode::Container.ttl_ms(), Ok(None));
    }
}
