//! Plain functions over byte slices: what fuzzers and recorded vectors are fed through.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::multi::{MultiRequest, MultiResponse};
use crate::snapshot::{SnapshotDecoder, SnapshotItem};
use crate::{OpCode, Reader, Record, TxnRecord, proto};

pub use crate::generated::registry::RECORDS;

/// Decodes bytes as some value and encodes it again; `None` if they are none.
pub type Reencode = fn(&[u8]) -> Option<Vec<u8>>;

/// [`Reencode`] for a record.
pub fn reencode<T: Record>(bytes: &[u8]) -> Option<Vec<u8>> {
    T::decode(&mut Reader::new(&Bytes::copy_from_slice(bytes))).ok().map(|record| record.to_vec())
}

/// [`Reencode`] for the record of this name in the schemas.
pub fn reencode_named(record: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let (_, reencode) = RECORDS.iter().find(|(name, _)| *name == record)?;
    reencode(bytes)
}

/// Decodes the body of a request of this type and encodes it again; `None` if it has no body or is malformed.
///
/// What comes out can be decoded again, but for a multi with a create of the TTL type and other flags: it is taken for a
/// plain create, whose flags and ACL are then not checked.
pub fn decode_any_request(op_code: i32, bytes: &[u8]) -> Option<Vec<u8>> {
    let reencode: Reencode = match OpCode::from_code(op_code)? {
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer => reencode::<proto::CreateRequest>,
        OpCode::CreateTtl => reencode::<proto::CreateTTLRequest>,
        OpCode::Delete => reencode::<proto::DeleteRequest>,
        OpCode::DeleteContainer => reencode::<proto::DeleteContainerRequest>,
        OpCode::Exists => reencode::<proto::ExistsRequest>,
        OpCode::GetData => reencode::<proto::GetDataRequest>,
        OpCode::SetData => reencode::<proto::SetDataRequest>,
        OpCode::GetAcl => reencode::<proto::GetACLRequest>,
        OpCode::SetAcl => reencode::<proto::SetACLRequest>,
        OpCode::GetChildren => reencode::<proto::GetChildrenRequest>,
        OpCode::GetChildren2 => reencode::<proto::GetChildren2Request>,
        OpCode::GetAllChildrenNumber => reencode::<proto::GetAllChildrenNumberRequest>,
        OpCode::GetEphemerals => reencode::<proto::GetEphemeralsRequest>,
        OpCode::Sync => reencode::<proto::SyncRequest>,
        OpCode::Check => reencode::<proto::CheckVersionRequest>,
        OpCode::Multi | OpCode::MultiRead => reencode::<MultiRequest>,
        OpCode::Reconfig => reencode::<proto::ReconfigRequest>,
        OpCode::CheckWatches => reencode::<proto::CheckWatchesRequest>,
        OpCode::RemoveWatches => reencode::<proto::RemoveWatchesRequest>,
        OpCode::SetWatches => reencode::<proto::SetWatches>,
        OpCode::SetWatches2 => reencode::<proto::SetWatches2>,
        OpCode::AddWatch => reencode::<proto::AddWatchRequest>,
        OpCode::Auth => reencode::<proto::AuthPacket>,
        OpCode::Sasl => reencode::<proto::GetSASLRequest>,
        OpCode::Notification
        | OpCode::Ping
        | OpCode::WhoAmI
        | OpCode::CreateSession
        | OpCode::CloseSession
        | OpCode::Error => return None,
    };
    reencode(bytes)
}

/// Decodes a response to multi and encodes it again.
pub fn decode_any_multi_response(bytes: &[u8]) -> Option<Vec<u8>> {
    reencode::<MultiResponse>(bytes)
}

/// Decodes a transaction with its header and encodes it again.
pub fn decode_any_txn(bytes: &[u8]) -> Option<Vec<u8>> {
    TxnRecord::decode(&Bytes::copy_from_slice(bytes)).ok().map(|record| record.to_vec())
}

/// Decodes the items of a snapshot and encodes them again.
pub fn decode_any_snapshot(bytes: &[u8]) -> Option<Vec<u8>> {
    let bytes = Bytes::copy_from_slice(bytes);
    let mut reader = Reader::new(&bytes);
    let mut decoder = SnapshotDecoder::new();
    let mut out = Vec::new();
    while let Some(item) = decoder.next(&mut reader).ok()? {
        item.encode(&mut out);
        if item == SnapshotItem::End {
            return Some(out);
        }
    }
    None
}
