//! What a client hears of a transaction that it asked for.

use alloc::borrow::ToOwned as _;
use alloc::vec::Vec;

use jute::multi::{MultiResponse, MultiResult};
use jute::{ErrorCode, OpCode, Record, proto};
use tree::OpResult;

/// How a request ends that became a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A reply with this code in its header; with code 0 the body follows.
    Reply(i32),
    /// No reply: the session is attached elsewhere, the connection closes.
    // zk: FinalRequestProcessor.processRequest, SessionMovedException
    Moved,
}

/// How a request ends with this result.
// zk: FinalRequestProcessor.processRequest: a failed multi has its errors in the body, and none in the header
pub fn ending(result: &OpResult<'_>) -> Ending {
    const MOVED: i32 = ErrorCode::SessionMoved.code();
    match result {
        OpResult::Error { code: MOVED } => Ending::Moved,
        OpResult::Error { code } => Ending::Reply(*code),
        OpResult::Multi(parts) if parts.iter().any(|part| part.error_code() == MOVED) => Ending::Moved,
        OpResult::Multi(_)
        | OpResult::SessionCreated { .. }
        | OpResult::SessionClosed(_)
        | OpResult::Created { .. }
        | OpResult::Deleted { .. }
        | OpResult::DataSet { .. }
        | OpResult::AclSet { .. }
        | OpResult::Checked { .. } => Ending::Reply(ErrorCode::Ok.code()),
    }
}

/// Appends the body of a reply without error.
pub fn encode_body(result: &OpResult<'_>, out: &mut Vec<u8>) {
    match result {
        OpResult::Created { op: OpCode::Create, path, .. } => {
            proto::CreateResponse { path: (*path).to_owned() }.encode(out);
        }
        OpResult::Created { path, stat, .. } => {
            proto::Create2Response { path: (*path).to_owned(), stat: *stat }.encode(out);
        }
        OpResult::DataSet { stat, .. } => proto::SetDataResponse { stat: *stat }.encode(out),
        OpResult::AclSet { stat, .. } => proto::SetACLResponse { stat: *stat }.encode(out),
        OpResult::Multi(parts) => {
            let results = parts.iter().map(part).collect();
            MultiResponse { results }.encode(out);
        }
        OpResult::SessionCreated { .. }
        | OpResult::SessionClosed(_)
        | OpResult::Deleted { .. }
        | OpResult::Checked { .. }
        | OpResult::Error { .. } => {}
    }
}

fn part(result: &OpResult<'_>) -> MultiResult {
    match result {
        OpResult::Created { op: OpCode::Create, path, .. } => {
            MultiResult::Create(proto::CreateResponse { path: (*path).to_owned() })
        }
        OpResult::Created { path, stat, .. } => {
            MultiResult::Create2(proto::Create2Response { path: (*path).to_owned(), stat: *stat })
        }
        OpResult::Deleted { .. } => MultiResult::Delete,
        OpResult::DataSet { stat, .. } => MultiResult::SetData(proto::SetDataResponse { stat: *stat }),
        OpResult::Checked { .. } => MultiResult::Check,
        OpResult::Error { code } => MultiResult::Error(*code),
        // No multi has such parts; the state refuses to apply one.
        OpResult::AclSet { .. }
        | OpResult::SessionCreated { .. }
        | OpResult::SessionClosed(_)
        | OpResult::Multi(_) => MultiResult::Error(ErrorCode::RuntimeInconsistency.code()),
    }
}
