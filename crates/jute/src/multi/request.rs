use alloc::vec::Vec;

use super::{END, NOTHING};
use crate::proto::{
    CheckVersionRequest, CreateRequest, CreateTTLRequest, DeleteRequest, GetChildrenRequest, GetDataRequest,
    MultiHeader, SetDataRequest,
};
use crate::{DecodeError, OpCode, Reader, Record};

/// Most operations in one multi unless told otherwise.
///
/// A frame of the default size has room for about 75,000 of the smallest ones; the limit acts only with a raised
/// `jute.maxbuffer`.
// diverges(multi-operations-max): the reference has no such limit, and one frame can make it allocate many times its size
pub const OPERATIONS_MAX_DEFAULT: usize = 131_072;

/// Body of multi and multiRead.
///
/// * Either all operations are writes or all are reads.
// zk: MultiOperationRecord
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MultiRequest {
    /// The operations, in order.
    pub ops: Vec<MultiOp>,
}

/// Whether a multi writes or reads.
// zk: Op.OpKind
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultiKind {
    /// All or nothing, in one transaction.
    Transaction,
    /// Each on its own.
    Read,
}

/// One operation of a multi, named by what the server carries out: the flags of a create count more than its type.
///
/// * Flags of a container make any create a `CreateContainer`.
/// * A create of the TTL type without TTL flags is a plain `Create`; its flags may then be any number.
// zk: Op.create, Op.Create.getOpcode
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultiOp {
    /// Create a znode, answer its path.
    Create(CreateRequest),
    /// Create a znode, answer path and stat.
    Create2(CreateRequest),
    /// Create a container.
    CreateContainer(CreateRequest),
    /// Create a znode with a time to live.
    CreateTtl(CreateTTLRequest),
    /// Delete a znode.
    Delete(DeleteRequest),
    /// Replace the data.
    SetData(SetDataRequest),
    /// Check a version.
    Check(CheckVersionRequest),
    /// List children.
    GetChildren(GetChildrenRequest),
    /// Read data and stat.
    GetData(GetDataRequest),
}

impl MultiRequest {
    /// Reads a multi of at most `operations_max` operations; they are allocated as they arrive.
    // zk: MultiOperationRecord.deserialize
    pub fn decode_bounded(reader: &mut Reader<'_>, operations_max: usize) -> Result<Self, DecodeError> {
        let mut ops: Vec<MultiOp> = Vec::new();
        loop {
            let header = MultiHeader::decode(reader)?;
            if header.done {
                return Ok(Self { ops });
            }
            if ops.len() == operations_max {
                return Err(DecodeError::TooManyOperations { max: operations_max });
            }
            let op = MultiOp::decode(header.op_code, reader)?;
            if ops.first().is_some_and(|first| first.kind() != op.kind()) {
                return Err(DecodeError::MixedMulti);
            }
            ops.push(op);
        }
    }

    /// Whether the operations write or read; `None` without operations.
    pub fn kind(&self) -> Option<MultiKind> {
        self.ops.first().map(MultiOp::kind)
    }
}

impl Record for MultiRequest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode_bounded(reader, OPERATIONS_MAX_DEFAULT)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        for op in &self.ops {
            MultiHeader { op_code: op.op_code().code(), done: false, err: NOTHING }.encode(out);
            op.encode(out);
        }
        END.encode(out);
    }
}

impl MultiOp {
    /// What the operation does.
    pub fn op_code(&self) -> OpCode {
        match self {
            Self::Create(_) => OpCode::Create,
            Self::Create2(_) => OpCode::Create2,
            Self::CreateContainer(_) => OpCode::CreateContainer,
            Self::CreateTtl(_) => OpCode::CreateTtl,
            Self::Delete(_) => OpCode::Delete,
            Self::SetData(_) => OpCode::SetData,
            Self::Check(_) => OpCode::Check,
            Self::GetChildren(_) => OpCode::GetChildren,
            Self::GetData(_) => OpCode::GetData,
        }
    }

    /// Whether the operation writes or reads.
    pub fn kind(&self) -> MultiKind {
        match self {
            Self::Create(_)
            | Self::Create2(_)
            | Self::CreateContainer(_)
            | Self::CreateTtl(_)
            | Self::Delete(_)
            | Self::SetData(_)
            | Self::Check(_) => MultiKind::Transaction,
            Self::GetChildren(_) | Self::GetData(_) => MultiKind::Read,
        }
    }

    /// The path that the operation is about.
    pub fn path(&self) -> &str {
        match self {
            Self::Create(request) | Self::Create2(request) | Self::CreateContainer(request) => &request.path,
            Self::CreateTtl(request) => &request.path,
            Self::Delete(request) => &request.path,
            Self::SetData(request) => &request.path,
            Self::Check(request) => &request.path,
            Self::GetChildren(request) => &request.path,
            Self::GetData(request) => &request.path,
        }
    }

    fn decode(op_code: i32, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const CREATE: i32 = OpCode::Create.code();
        const CREATE2: i32 = OpCode::Create2.code();
        const CREATE_CONTAINER: i32 = OpCode::CreateContainer.code();
        const CREATE_TTL: i32 = OpCode::CreateTtl.code();
        const DELETE: i32 = OpCode::Delete.code();
        const SET_DATA: i32 = OpCode::SetData.code();
        const CHECK: i32 = OpCode::Check.code();
        const GET_CHILDREN: i32 = OpCode::GetChildren.code();
        const GET_DATA: i32 = OpCode::GetData.code();
        Ok(match op_code {
            CREATE => Self::create(Self::Create, CreateRequest::decode(reader)?)?,
            CREATE2 => Self::create(Self::Create2, CreateRequest::decode(reader)?)?,
            CREATE_CONTAINER => Self::create(Self::CreateContainer, CreateRequest::decode(reader)?)?,
            CREATE_TTL => Self::create_ttl(CreateTTLRequest::decode(reader)?),
            DELETE => Self::Delete(Record::decode(reader)?),
            SET_DATA => Self::SetData(Record::decode(reader)?),
            CHECK => Self::Check(Record::decode(reader)?),
            GET_CHILDREN => Self::GetChildren(Record::decode(reader)?),
            GET_DATA => Self::GetData(Record::decode(reader)?),
            value => return Err(DecodeError::UnknownType { what: "multi operation", value }),
        })
    }

    /// A create of a type that has no room for a time to live.
    // zk: MultiOperationRecord.deserialize, CreateOptions: flags with a time to live and a null ACL are refused
    fn create(plain: fn(CreateRequest) -> Self, request: CreateRequest) -> Result<Self, DecodeError> {
        if request.acl.is_none() {
            return Err(DecodeError::Null { field: "CreateRequest.acl" });
        }
        match Flags::of(request.flags) {
            Some(Flags::Plain) => Ok(plain(request)),
            Some(Flags::Container) => Ok(Self::CreateContainer(request)),
            Some(Flags::Ttl) | None => Err(DecodeError::InvalidCreateMode { flags: request.flags }),
        }
    }

    fn create_ttl(request: CreateTTLRequest) -> Self {
        let flags = Flags::of(request.flags);
        if flags == Some(Flags::Ttl) {
            return Self::CreateTtl(request);
        }
        let CreateTTLRequest { path, data, acl, flags: raw, ttl: _ } = request;
        let request = CreateRequest { path, data, acl, flags: raw };
        if flags == Some(Flags::Container) { Self::CreateContainer(request) } else { Self::Create(request) }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Create(request) | Self::Create2(request) | Self::CreateContainer(request) => {
                request.encode(out)
            }
            Self::CreateTtl(request) => request.encode(out),
            Self::Delete(request) => request.encode(out),
            Self::SetData(request) => request.encode(out),
            Self::Check(request) => request.encode(out),
            Self::GetChildren(request) => request.encode(out),
            Self::GetData(request) => request.encode(out),
        }
    }
}

/// What the flags of a create say about its type.
// zk: CreateMode
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flags {
    Plain,
    Container,
    Ttl,
}

impl Flags {
    fn of(flags: i32) -> Option<Self> {
        match flags {
            0..=3 => Some(Self::Plain),
            4 => Some(Self::Container),
            5 | 6 => Some(Self::Ttl),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec};

    use super::*;

    fn create(flags: i32) -> CreateRequest {
        CreateRequest { path: String::from("/a"), data: None, acl: Some(vec![]), flags }
    }

    fn create_ttl(flags: i32, ttl: i64) -> CreateTTLRequest {
        CreateTTLRequest { path: String::from("/a"), data: None, acl: Some(vec![]), flags, ttl }
    }

    fn decoded(op: MultiOp) -> Result<Vec<MultiOp>, DecodeError> {
        MultiRequest::from_slice(&MultiRequest { ops: vec![op] }.to_vec()).map(|multi| multi.ops)
    }

    #[test]
    fn flags_decide_what_a_create_is() {
        let cases = [
            (MultiOp::Create(create(3)), MultiOp::Create(create(3))),
            (MultiOp::Create(create(4)), MultiOp::CreateContainer(create(4))),
            (MultiOp::CreateContainer(create(0)), MultiOp::CreateContainer(create(0))),
            (MultiOp::CreateTtl(create_ttl(6, 9)), MultiOp::CreateTtl(create_ttl(6, 9))),
            (MultiOp::CreateTtl(create_ttl(1, 9)), MultiOp::Create(create(1))),
            (MultiOp::CreateTtl(create_ttl(4, 9)), MultiOp::CreateContainer(create(4))),
            (MultiOp::CreateTtl(create_ttl(77, 9)), MultiOp::Create(create(77))),
        ];
        for (sent, expected) in cases {
            assert_eq!(decoded(sent.clone()), Ok(vec![expected]), "{sent:?}");
        }
        for flags in [5, 7, -1] {
            assert_eq!(
                decoded(MultiOp::Create2(create(flags))),
                Err(DecodeError::InvalidCreateMode { flags })
            );
        }
        let without_acl = MultiOp::Create(CreateRequest { acl: None, ..create(0) });
        assert_eq!(decoded(without_acl), Err(DecodeError::Null { field: "CreateRequest.acl" }));
    }

    #[test]
    fn reads_and_writes_do_not_mix() {
        let read = MultiOp::GetData(GetDataRequest { path: String::from("/a"), watch: false });
        let ops = vec![read, MultiOp::Create(create(0))];
        assert_eq!(MultiRequest::from_slice(&MultiRequest { ops }.to_vec()), Err(DecodeError::MixedMulti));
    }

    #[test]
    fn the_number_of_operations_is_bounded() {
        let multi = MultiRequest { ops: vec![MultiOp::Create(create(0)); 3] };
        let bytes = multi.to_vec();
        assert_eq!(MultiRequest::decode_bounded(&mut Reader::from_slice(&bytes), 3), Ok(multi));
        assert_eq!(
            MultiRequest::decode_bounded(&mut Reader::from_slice(&bytes), 2),
            Err(DecodeError::TooManyOperations { max: 2 })
        );
    }

    #[test]
    fn empty_and_unknown() {
        let empty = MultiRequest::default();
        assert_eq!(empty.kind(), None);
        assert_eq!(MultiRequest::from_slice(&empty.to_vec()), Ok(empty));
        let mut bytes = Vec::new();
        MultiHeader { op_code: OpCode::SetAcl.code(), done: false, err: NOTHING }.encode(&mut bytes);
        assert_eq!(
            MultiRequest::from_slice(&bytes),
            Err(DecodeError::UnknownType { what: "multi operation", value: 7 })
        );
    }
}
