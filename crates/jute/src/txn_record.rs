use alloc::vec::Vec;

use bytes::Bytes;

use crate::txn::{
    CheckVersionTxn, CloseSessionTxn, CreateContainerTxn, CreateSessionTxn, CreateTTLTxn, CreateTxn,
    CreateTxnV0, DeleteTxn, ErrorTxn, MultiTxn, SetACLTxn, SetDataTxn, SubTxn, TxnDigest, TxnHeader,
};
use crate::{DecodeError, OpCode, Reader, Record};

/// The parent's version in a create that was logged without it; applying such a create counts on by itself.
pub const PARENT_CVERSION_UNKNOWN: i32 = -1;

/// A transaction with its header and, from a server that keeps one, the digest of the tree after it.
///
/// This is the content of a log record and of a PROPOSAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnRecord {
    /// Who asked, when, and which zxid it got; its type is that of the transaction.
    pub header: TxnHeader,
    /// What changes.
    pub txn: Txn,
    /// Digest of the tree afterwards.
    pub digest: Option<TxnDigest>,
}

/// What one transaction changes.
///
/// * The parts of a multi are never a multi, a session's begin or end, a reconfiguration or a change of ACLs.
/// * `Check` occurs only as a part of a multi.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Txn {
    /// A session begins.
    CreateSession(CreateSessionTxn),
    /// A session ends; old servers do not log which ephemerals end with it.
    CloseSession(Option<CloseSessionTxn>),
    /// A znode is created by create.
    Create(CreateTxn),
    /// A znode is created by create2.
    Create2(CreateTxn),
    /// A container is created.
    CreateContainer(CreateContainerTxn),
    /// A znode with a time to live is created.
    CreateTtl(CreateTTLTxn),
    /// A znode is deleted.
    Delete(DeleteTxn),
    /// A container or TTL znode is deleted by the leader.
    DeleteContainer(DeleteTxn),
    /// Data are replaced.
    SetData(SetDataTxn),
    /// The configuration node is replaced.
    Reconfig(SetDataTxn),
    /// An ACL is replaced.
    SetAcl(SetACLTxn),
    /// A version was checked.
    Check(CheckVersionTxn),
    /// Several parts under one zxid.
    Multi(Vec<Txn>),
    /// A request failed.
    Error(ErrorTxn),
}

impl TxnRecord {
    /// Reads a record from all of `bytes`, with the default limit on fields.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        Self::decode_from(&mut Reader::new(bytes))
    }

    /// Reads a record from a reader that ends with it.
    // zk: SerializeUtils.deserializeTxn
    pub fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let header = TxnHeader::decode(reader)?;
        let txn = Txn::decode(header.op_code, reader)?;
        let digest = TxnDigest::decode(reader).ok();
        Ok(Self { header, txn, digest })
    }

    /// Appends the encoding of the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        self.txn.encode(out);
        if let Some(digest) = &self.digest {
            digest.encode(out);
        }
    }

    /// The encoding of the record in a vector of its own.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

impl Txn {
    /// The type that stands in the header.
    pub fn op_code(&self) -> OpCode {
        match self {
            Self::CreateSession(_) => OpCode::CreateSession,
            Self::CloseSession(_) => OpCode::CloseSession,
            Self::Create(_) => OpCode::Create,
            Self::Create2(_) => OpCode::Create2,
            Self::CreateContainer(_) => OpCode::CreateContainer,
            Self::CreateTtl(_) => OpCode::CreateTtl,
            Self::Delete(_) => OpCode::Delete,
            Self::DeleteContainer(_) => OpCode::DeleteContainer,
            Self::SetData(_) => OpCode::SetData,
            Self::Reconfig(_) => OpCode::Reconfig,
            Self::SetAcl(_) => OpCode::SetAcl,
            Self::Check(_) => OpCode::Check,
            Self::Multi(_) => OpCode::Multi,
            Self::Error(_) => OpCode::Error,
        }
    }

    /// Reads the body of a transaction of this type.
    // zk: SerializeUtils.deserializeTxn: which body belongs to which type
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other op codes are no transactions")]
    pub fn decode(op_code: i32, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let unknown = DecodeError::UnknownType { what: "transaction", value: op_code };
        Ok(match OpCode::from_code(op_code).ok_or(unknown)? {
            OpCode::CreateSession => Self::CreateSession(Record::decode(reader)?),
            OpCode::CloseSession => Self::CloseSession(decode_close_session(reader)?),
            OpCode::Create => Self::Create(decode_create(reader)?),
            OpCode::Create2 => Self::Create2(Record::decode(reader)?),
            OpCode::CreateContainer => Self::CreateContainer(Record::decode(reader)?),
            OpCode::CreateTtl => Self::CreateTtl(Record::decode(reader)?),
            OpCode::Delete => Self::Delete(Record::decode(reader)?),
            OpCode::DeleteContainer => Self::DeleteContainer(Record::decode(reader)?),
            OpCode::SetData => Self::SetData(Record::decode(reader)?),
            OpCode::Reconfig => Self::Reconfig(Record::decode(reader)?),
            OpCode::SetAcl => Self::SetAcl(Record::decode(reader)?),
            OpCode::Multi => Self::Multi(decode_parts(reader)?),
            OpCode::Error => Self::Error(Record::decode(reader)?),
            _ => return Err(unknown),
        })
    }

    /// Appends the body, without a header.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::CreateSession(txn) => txn.encode(out),
            Self::CloseSession(Some(txn)) => txn.encode(out),
            Self::CloseSession(None) => {}
            Self::Create(txn) | Self::Create2(txn) => txn.encode(out),
            Self::CreateContainer(txn) => txn.encode(out),
            Self::CreateTtl(txn) => txn.encode(out),
            Self::Delete(txn) | Self::DeleteContainer(txn) => txn.encode(out),
            Self::SetData(txn) | Self::Reconfig(txn) => txn.encode(out),
            Self::SetAcl(txn) => txn.encode(out),
            Self::Check(txn) => txn.encode(out),
            Self::Multi(parts) => encode_parts(parts, out),
            Self::Error(txn) => txn.encode(out),
        }
    }

    /// Reads the body of a part of a multi.
    // zk: DataTree.processTxn: the types that may stand in a multi, without the fallback to old creates
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other op codes are no parts of a multi")]
    fn decode_part(op_code: i32, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let unknown = DecodeError::UnknownType { what: "part of a multi transaction", value: op_code };
        Ok(match OpCode::from_code(op_code).ok_or(unknown)? {
            OpCode::Create => Self::Create(Record::decode(reader)?),
            OpCode::Create2 => Self::Create2(Record::decode(reader)?),
            OpCode::CreateContainer => Self::CreateContainer(Record::decode(reader)?),
            OpCode::CreateTtl => Self::CreateTtl(Record::decode(reader)?),
            OpCode::Delete => Self::Delete(Record::decode(reader)?),
            OpCode::DeleteContainer => Self::DeleteContainer(Record::decode(reader)?),
            OpCode::SetData => Self::SetData(Record::decode(reader)?),
            OpCode::Check => Self::Check(Record::decode(reader)?),
            OpCode::Error => Self::Error(Record::decode(reader)?),
            _ => return Err(unknown),
        })
    }
}

/// A create that ends too early is one in the form of 3.3 and before.
fn decode_create(reader: &mut Reader<'_>) -> Result<CreateTxn, DecodeError> {
    let start = reader.clone();
    match CreateTxn::decode(reader) {
        Err(DecodeError::Truncated { .. }) => {
            *reader = start;
            let CreateTxnV0 { path, data, acl, ephemeral } = CreateTxnV0::decode(reader)?;
            Ok(CreateTxn { path, data, acl, ephemeral, parent_cversion: PARENT_CVERSION_UNKNOWN })
        }
        outcome => outcome,
    }
}

/// A body that ends too early is none: from a server that does not log the paths. A digest may stand in its place.
fn decode_close_session(reader: &mut Reader<'_>) -> Result<Option<CloseSessionTxn>, DecodeError> {
    let start = reader.clone();
    match CloseSessionTxn::decode(reader) {
        Err(_) if start.is_empty() || start.remaining() == DIGEST_LEN => {
            *reader = start;
            Ok(None)
        }
        Err(DecodeError::Truncated { .. }) => {
            // What is left belongs to the body that ends too early; the reference's stream is at its end by now.
            reader.rest();
            Ok(None)
        }
        outcome => outcome.map(Some),
    }
}

/// Length of a digest in bytes.
const DIGEST_LEN: usize = size_of::<i32>() + size_of::<i64>();

fn decode_parts(reader: &mut Reader<'_>) -> Result<Vec<Txn>, DecodeError> {
    let limit = reader.limit();
    let parts = MultiTxn::decode(reader)?.txns;
    parts
        .into_iter()
        .map(|SubTxn { op_code, data }| {
            let data = data.ok_or(DecodeError::Null { field: "Txn.data" })?;
            Txn::decode_part(op_code, &mut Reader::new(&data).with_limit(limit))
        })
        .collect()
}

fn encode_parts(parts: &[Txn], out: &mut Vec<u8>) {
    crate::write::vector(out, parts, |part, out| {
        crate::write::int(out, part.op_code().code());
        crate::write::with_length(out, |out| part.encode(out));
    });
}

#[cfg(test)]
mod tests;
