//! Applying transactions: the only way in which the replicated state changes.

mod fuzzy;
mod strict;

use alloc::{string::String, vec::Vec};

use jute::data::{Acl, Stat};
use jute::txn::{CreateContainerTxn, CreateTTLTxn, CreateTxn, TxnHeader};
use jute::{OpCode, Zxid};

use crate::digest::DigestCheck;
use crate::ephemeral_owner;
use crate::state::NewNode;

/// What came of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnResult<'r> {
    /// What the reply needs.
    pub result: OpResult<'r>,
    /// What came of the look at its digest.
    pub digest: DigestCheck,
}

/// What came of one operation; stats are those right after it, paths those of the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpResult<'r> {
    /// A session began.
    SessionCreated {
        /// Its timeout.
        timeout_ms: i32,
    },
    /// A session ended, and with it these znodes.
    SessionClosed(Vec<ClosedEphemeral>),
    /// A znode was created.
    Created {
        /// How: by create, create2, createContainer or createTTL.
        op: OpCode,
        /// Its path.
        path: &'r str,
        /// Its stat.
        stat: Stat,
    },
    /// A znode was deleted.
    Deleted {
        /// Its path.
        path: &'r str,
    },
    /// Data were replaced, or the configuration.
    DataSet {
        /// Path of the znode.
        path: &'r str,
        /// Its stat.
        stat: Stat,
    },
    /// An ACL was replaced.
    AclSet {
        /// Path of the znode.
        path: &'r str,
        /// Its stat.
        stat: Stat,
    },
    /// A version was found to be as expected.
    Checked {
        /// Path of the znode.
        path: &'r str,
    },
    /// The operation failed, or another of the same multi did.
    Error {
        /// The error code.
        code: i32,
    },
    /// The operations of a multi, in order; either all of them are errors or none is.
    Multi(Vec<OpResult<'r>>),
}

impl OpResult<'_> {
    /// The error code of the whole: that of the first part which has one.
    // zk: DataTree.processTxn: rc.err
    pub fn error_code(&self) -> i32 {
        match self {
            Self::Error { code } => *code,
            Self::Multi(parts) => {
                parts.iter().map(Self::error_code).find(|code| *code != 0).unwrap_or_default()
            }
            Self::SessionCreated { .. }
            | Self::SessionClosed(_)
            | Self::Created { .. }
            | Self::Deleted { .. }
            | Self::DataSet { .. }
            | Self::AclSet { .. }
            | Self::Checked { .. } => 0,
        }
    }
}

/// A znode that was to end with its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedEphemeral {
    /// Its path.
    pub path: String,
    /// Whether it was there.
    pub was_deleted: bool,
}

/// A committed transaction that cannot be applied: this server's state is not the leader's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyError {
    /// The transaction.
    pub zxid: Zxid,
    /// Path of the operation that cannot be applied; empty when it has none.
    pub path: String,
    /// Why.
    pub kind: ApplyErrorKind,
}

/// Why a transaction cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyErrorKind {
    /// The znode, or its parent, does not exist.
    NoNode,
    /// The znode exists already.
    NodeExists,
    /// The znode has children.
    NotEmpty,
    /// No znode can have this path.
    InvalidPath,
    /// The time to live is out of range.
    InvalidTtl(i64),
    /// The owner means a kind that is not known.
    UnknownOwner(i64),
    /// A multi holds something that cannot be a part of it.
    InvalidPart,
}

impl core::fmt::Display for ApplyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "transaction {} cannot be applied to {:?}: {:?}", self.zxid, self.path, self.kind)
    }
}

impl core::error::Error for ApplyError {}

/// The parts that the four transactions which create znodes have in common.
struct Creation<'a> {
    op: OpCode,
    path: &'a str,
    data: Option<&'a [u8]>,
    acl: Option<&'a [Acl]>,
    owner: Owner,
    parent_cversion: i32,
}

#[derive(Clone, Copy)]
enum Owner {
    Nobody,
    Session,
    Container,
    Ttl(i64),
}

impl<'a> Creation<'a> {
    fn of_create(op: OpCode, txn: &'a CreateTxn) -> Self {
        let owner = if txn.ephemeral { Owner::Session } else { Owner::Nobody };
        let (data, acl) = (txn.data.as_deref(), txn.acl.as_deref());
        Self { op, path: &txn.path, data, acl, owner, parent_cversion: txn.parent_cversion }
    }

    fn of_container(txn: &'a CreateContainerTxn) -> Self {
        let (op, owner) = (OpCode::CreateContainer, Owner::Container);
        let (data, acl) = (txn.data.as_deref(), txn.acl.as_deref());
        Self { op, path: &txn.path, data, acl, owner, parent_cversion: txn.parent_cversion }
    }

    fn of_ttl(txn: &'a CreateTTLTxn) -> Self {
        let (op, owner) = (OpCode::CreateTtl, Owner::Ttl(txn.ttl));
        let (data, acl) = (txn.data.as_deref(), txn.acl.as_deref());
        Self { op, path: &txn.path, data, acl, owner, parent_cversion: txn.parent_cversion }
    }

    fn new_node(&self, header: &TxnHeader) -> Result<NewNode<'a>, ApplyErrorKind> {
        let owner = match self.owner {
            Owner::Nobody => 0,
            Owner::Session => header.client_id.0,
            Owner::Container => ephemeral_owner::CONTAINER,
            Owner::Ttl(ttl) => ephemeral_owner::of_ttl(ttl).ok_or(ApplyErrorKind::InvalidTtl(ttl))?,
        };
        Ok(NewNode {
            path: self.path,
            data: self.data,
            acl: self.acl,
            owner,
            parent_cversion: self.parent_cversion,
            zxid: header.zxid,
            time_ms: header.time,
        })
    }
}

#[cfg(test)]
mod tests;
