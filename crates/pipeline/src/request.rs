//! Typed requests: what a frame asks for.

use alloc::sync::Arc;

use crate::CreateMode;
use jute::multi::{MultiOp, MultiRequest, OPERATIONS_MAX_DEFAULT};

use jute::{DecodeError, OpCode, Reader, Record, data::Id, proto, txn::CreateSessionTxn};

/// Who a client is: its address and what it authenticated as.
pub type Identities = Arc<[Id]>;

/// One request of a client.
///
/// * Every operation of the protocol that may stand in a request header has a variant.
/// * A path is never null; whether it is well formed is checked where the reference checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Creates a znode; the reply carries its path.
    Create(proto::CreateRequest),
    /// Creates a znode; the reply carries path and stat.
    Create2(proto::CreateRequest),
    /// Creates a container.
    CreateContainer(proto::CreateRequest),
    /// Creates a znode with a time to live.
    CreateTtl(proto::CreateTTLRequest),
    /// Deletes a znode.
    Delete(proto::DeleteRequest),
    /// Deletes an empty container or an expired TTL znode.
    DeleteContainer(proto::DeleteContainerRequest),
    /// Asks for the stat.
    Exists(proto::ExistsRequest),
    /// Asks for the data.
    GetData(proto::GetDataRequest),
    /// Replaces the data.
    SetData(proto::SetDataRequest),
    /// Asks for the ACL.
    GetAcl(proto::GetACLRequest),
    /// Replaces the ACL.
    SetAcl(proto::SetACLRequest),
    /// Asks for the names of the children.
    GetChildren(proto::GetChildrenRequest),
    /// Asks for the names of the children and the stat.
    GetChildren2(proto::GetChildren2Request),
    /// Waits until the server has caught up.
    Sync(proto::SyncRequest),
    /// Keeps the session alive.
    Ping,
    /// A check outside a multi, which does not exist.
    Check,
    /// Several writes at once.
    Multi(MultiRequest),
    /// Several reads at once.
    MultiRead(MultiRequest),
    /// Changes the ensemble.
    Reconfig(proto::ReconfigRequest),
    /// Asks whether a watch is there.
    CheckWatches(proto::CheckWatchesRequest),
    /// Removes watches.
    RemoveWatches(proto::RemoveWatchesRequest),
    /// Shows credentials.
    Auth(proto::AuthPacket),
    /// Registers watches again after a reconnect.
    SetWatches(proto::SetWatches),
    /// The same with persistent watches.
    SetWatches2(proto::SetWatches2),
    /// One step of a SASL exchange.
    Sasl(proto::GetSASLRequest),
    /// Asks for the ephemerals of the session.
    GetEphemerals(proto::GetEphemeralsRequest),
    /// Asks for the number of descendants.
    GetAllChildrenNumber(proto::GetAllChildrenNumberRequest),
    /// Registers a persistent watch.
    AddWatch(proto::AddWatchRequest),
    /// Asks for the identities of the connection.
    WhoAmI,
    /// Ends the session.
    CloseSession,
    /// Begins a session; from a client it renews the one it has.
    CreateSession(CreateSessionTxn),
}

impl Request {
    /// Reads the body of a request of type `op`; bytes behind it are ignored, as the reference does.
    // zk: RequestRecord.readRecord
    pub fn decode(op: OpCode, body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode_bounded(op, body, OPERATIONS_MAX_DEFAULT)
    }

    /// The same with a bound on the operations of a multi.
    ///
    /// Types that no request may have are an error; look at [`OpClass::of`] first.
    pub fn decode_bounded(
        op: OpCode,
        body: &mut Reader<'_>,
        multi_ops_max: usize,
    ) -> Result<Self, DecodeError> {
        Ok(match op {
            OpCode::Notification | OpCode::Error => {
                return Err(DecodeError::UnknownType { what: "request", value: op.code() });
            }
            OpCode::Create => Self::Create(Record::decode(body)?),
            OpCode::Create2 => Self::Create2(Record::decode(body)?),
            OpCode::CreateContainer => Self::CreateContainer(Record::decode(body)?),
            OpCode::CreateTtl => Self::CreateTtl(Record::decode(body)?),
            OpCode::Delete => Self::Delete(Record::decode(body)?),
            OpCode::DeleteContainer => Self::DeleteContainer(Record::decode(body)?),
            OpCode::Exists => Self::Exists(Record::decode(body)?),
            OpCode::GetData => Self::GetData(Record::decode(body)?),
            OpCode::SetData => Self::SetData(Record::decode(body)?),
            OpCode::GetAcl => Self::GetAcl(Record::decode(body)?),
            OpCode::SetAcl => Self::SetAcl(Record::decode(body)?),
            OpCode::GetChildren => Self::GetChildren(Record::decode(body)?),
            OpCode::GetChildren2 => Self::GetChildren2(Record::decode(body)?),
            OpCode::Sync => Self::Sync(Record::decode(body)?),
            OpCode::Ping => Self::Ping,
            OpCode::Check => Self::Check,
            OpCode::Multi => Self::Multi(decode_multi(body, multi_ops_max)?),
            OpCode::MultiRead => Self::MultiRead(decode_multi(body, multi_ops_max)?),
            OpCode::Reconfig => Self::Reconfig(Record::decode(body)?),
            OpCode::CheckWatches => Self::CheckWatches(Record::decode(body)?),
            OpCode::RemoveWatches => Self::RemoveWatches(Record::decode(body)?),
            OpCode::Auth => Self::Auth(Record::decode(body)?),
            OpCode::SetWatches => Self::SetWatches(Record::decode(body)?),
            OpCode::SetWatches2 => Self::SetWatches2(Record::decode(body)?),
            OpCode::Sasl => Self::Sasl(Record::decode(body)?),
            OpCode::GetEphemerals => Self::GetEphemerals(Record::decode(body)?),
            OpCode::GetAllChildrenNumber => Self::GetAllChildrenNumber(Record::decode(body)?),
            OpCode::AddWatch => Self::AddWatch(Record::decode(body)?),
            OpCode::WhoAmI => Self::WhoAmI,
            OpCode::CloseSession => Self::CloseSession,
            OpCode::CreateSession => Self::CreateSession(Record::decode(body)?),
        })
    }

    /// The type in the request header.
    pub fn op_code(&self) -> OpCode {
        match self {
            Self::Create(_) => OpCode::Create,
            Self::Create2(_) => OpCode::Create2,
            Self::CreateContainer(_) => OpCode::CreateContainer,
            Self::CreateTtl(_) => OpCode::CreateTtl,
            Self::Delete(_) => OpCode::Delete,
            Self::DeleteContainer(_) => OpCode::DeleteContainer,
            Self::Exists(_) => OpCode::Exists,
            Self::GetData(_) => OpCode::GetData,
            Self::SetData(_) => OpCode::SetData,
            Self::GetAcl(_) => OpCode::GetAcl,
            Self::SetAcl(_) => OpCode::SetAcl,
            Self::GetChildren(_) => OpCode::GetChildren,
            Self::GetChildren2(_) => OpCode::GetChildren2,
            Self::Sync(_) => OpCode::Sync,
            Self::Ping => OpCode::Ping,
            Self::Check => OpCode::Check,
            Self::Multi(_) => OpCode::Multi,
            Self::MultiRead(_) => OpCode::MultiRead,
            Self::Reconfig(_) => OpCode::Reconfig,
            Self::CheckWatches(_) => OpCode::CheckWatches,
            Self::RemoveWatches(_) => OpCode::RemoveWatches,
            Self::Auth(_) => OpCode::Auth,
            Self::SetWatches(_) => OpCode::SetWatches,
            Self::SetWatches2(_) => OpCode::SetWatches2,
            Self::Sasl(_) => OpCode::Sasl,
            Self::GetEphemerals(_) => OpCode::GetEphemerals,
            Self::GetAllChildrenNumber(_) => OpCode::GetAllChildrenNumber,
            Self::AddWatch(_) => OpCode::AddWatch,
            Self::WhoAmI => OpCode::WhoAmI,
            Self::CloseSession => OpCode::CloseSession,
            Self::CreateSession(_) => OpCode::CreateSession,
        }
    }

    /// Who handles the request.
    pub fn class(&self) -> OpClass {
        OpClass::of(self.op_code())
    }

    /// Whether the request creates an ephemeral, for which a local session has to become one that all servers know.
    // zk: QuorumZooKeeperServer.checkUpgradeSession: only these types; a mode that does not exist ends the search
    pub fn creates_ephemeral(&self) -> bool {
        let mode = |request: &proto::CreateRequest| CreateMode::from_flags(request.flags);
        match self {
            Self::Create(request) | Self::Create2(request) => {
                mode(request).is_some_and(CreateMode::is_ephemeral)
            }
            Self::Multi(request) => {
                let creates = request.ops.iter().filter_map(|op| match op {
                    MultiOp::Create(request) | MultiOp::Create2(request) => Some(request),
                    MultiOp::CreateContainer(_)
                    | MultiOp::CreateTtl(_)
                    | MultiOp::Delete(_)
                    | MultiOp::SetData(_)
                    | MultiOp::Check(_)
                    | MultiOp::GetChildren(_)
                    | MultiOp::GetData(_) => None,
                });
                creates.map(mode).map_while(|mode| mode).any(CreateMode::is_ephemeral)
            }
            Self::CreateContainer(_)
            | Self::CreateTtl(_)
            | Self::Delete(_)
            | Self::DeleteContainer(_)
            | Self::Exists(_)
            | Self::GetData(_)
            | Self::SetData(_)
            | Self::GetAcl(_)
            | Self::SetAcl(_)
            | Self::GetChildren(_)
            | Self::GetChildren2(_)
            | Self::Sync(_)
            | Self::Ping
            | Self::Check
            | Self::MultiRead(_)
            | Self::Reconfig(_)
            | Self::CheckWatches(_)
            | Self::RemoveWatches(_)
            | Self::Auth(_)
            | Self::SetWatches(_)
            | Self::SetWatches2(_)
            | Self::Sasl(_)
            | Self::GetEphemerals(_)
            | Self::GetAllChildrenNumber(_)
            | Self::AddWatch(_)
            | Self::WhoAmI
            | Self::CloseSession
            | Self::CreateSession(_) => false,
        }
    }

    /// Whether the connection answers by itself, without the replica.
    pub fn is_local(&self) -> bool {
        self.class() != OpClass::Replica
    }
}

/// Who handles a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpClass {
    /// The connection, at once and outside the order of the session's replies to the replica.
    Credentials,
    /// The connection, from the applied state.
    Local,
    /// The replica: all that may become a transaction, and sync.
    Replica,
    /// Nobody: answered as unimplemented, then the connection ends.
    Unimplemented,
}

impl OpClass {
    /// Who handles requests of this type.
    pub const fn of(op: OpCode) -> Self {
        match op {
            OpCode::Auth | OpCode::Sasl => Self::Credentials,
            OpCode::Notification | OpCode::Error | OpCode::Check => Self::Unimplemented,
            OpCode::Exists
            | OpCode::GetData
            | OpCode::GetAcl
            | OpCode::GetChildren
            | OpCode::GetChildren2
            | OpCode::Ping
            | OpCode::MultiRead
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::SetWatches
            | OpCode::SetWatches2
            | OpCode::GetEphemerals
            | OpCode::GetAllChildrenNumber
            | OpCode::AddWatch
            | OpCode::WhoAmI => Self::Local,
            OpCode::Create
            | OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Delete
            | OpCode::DeleteContainer
            | OpCode::SetData
            | OpCode::SetAcl
            | OpCode::Sync
            | OpCode::Multi
            | OpCode::Reconfig
            | OpCode::CloseSession
            | OpCode::CreateSession => Self::Replica,
        }
    }
}

fn decode_multi(body: &mut Reader<'_>, ops_max: usize) -> Result<MultiRequest, DecodeError> {
    let multi = MultiRequest::decode_bounded(body, ops_max)?;
    // zk: CreateOptions.Builder: a null ACL does not pass, while a create of its own with one is an invalid ACL
    let without_acl = |op: &MultiOp| match op {
        MultiOp::Create(request) | MultiOp::Create2(request) | MultiOp::CreateContainer(request) => {
            request.acl.is_none()
        }
        MultiOp::CreateTtl(_)
        | MultiOp::Delete(_)
        | MultiOp::SetData(_)
        | MultiOp::Check(_)
        | MultiOp::GetChildren(_)
        | MultiOp::GetData(_) => false,
    };
    match multi.ops.iter().any(without_acl) {
        true => Err(DecodeError::Null { field: "CreateRequest.acl" }),
        false => Ok(multi),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn each_operation_has_one_class() {
        let count = |class| OpCode::ALL.iter().filter(|op| OpClass::of(**op) == class).count();
        assert_eq!(count(OpClass::Local), 15);
        assert_eq!(count(OpClass::Replica), 13);
        assert_eq!(count(OpClass::Credentials), 2);
        assert_eq!(count(OpClass::Unimplemented), 3);
    }

    #[test]
    fn a_null_path_is_an_empty_one_where_the_check_of_the_path_is_to_refuse_it() {
        let null_path = [&(-1i32).to_be_bytes()[..], &[0; 32]].concat();
        for (op, decodes) in [
            (OpCode::SetData, true),
            (OpCode::SetAcl, true),
            (OpCode::GetEphemerals, true),
            (OpCode::Create, false),
            (OpCode::CreateTtl, false),
            (OpCode::Delete, false),
            (OpCode::GetData, false),
            (OpCode::Sync, false),
        ] {
            let decoded = Request::decode(op, &mut Reader::from_slice(&null_path));
            assert_eq!(decoded.is_ok(), decodes, "{op}: {decoded:?}");
        }
    }

    #[test]
    fn only_creates_that_may_make_an_ephemeral_ask_for_a_global_session() {
        let create = |flags| proto::CreateRequest { path: "/a".into(), data: None, acl: None, flags };
        let plain = |flags| MultiOp::Create(create(flags));
        let multi = |ops: &[MultiOp]| Request::Multi(MultiRequest { ops: ops.to_vec() });
        for (request, asks) in [
            (Request::Create(create(0)), false),
            (Request::Create(create(1)), true),
            (Request::Create2(create(3)), true),
            (Request::Create(create(2)), false),
            (Request::Create(create(4)), false),
            (Request::Create(create(99)), false),
            (Request::CreateContainer(create(1)), false),
            (multi(&[plain(0), plain(1)]), true),
            (multi(&[plain(0), MultiOp::CreateContainer(create(1))]), false),
            (multi(&[plain(99), plain(1)]), false),
            (Request::CloseSession, false),
        ] {
            assert_eq!(request.creates_ephemeral(), asks, "{request:?}");
        }
    }

    #[test]
    fn an_empty_body_decodes_only_where_none_is_needed() {
        for op in OpCode::ALL {
            let decoded = Request::decode(*op, &mut Reader::from_slice(&[]));
            let without_body =
                matches!(op, OpCode::Ping | OpCode::WhoAmI | OpCode::CloseSession | OpCode::Check);
            assert_eq!(decoded.is_ok(), without_body, "{op}");
            if let Ok(request) = decoded {
                assert_eq!(request.op_code(), *op);
            }
        }
    }
}
