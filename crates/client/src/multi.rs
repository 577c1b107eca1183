//! Several operations as one request: writes that happen together or not at all, or a bundle of reads.

use jute::data::{Acl, Stat};
use jute::proto::{
    CheckVersionRequest, Create2Response, CreateRequest, CreateResponse, CreateTTLRequest, DeleteRequest,
    ErrorResponse, GetChildrenRequest, GetChildrenResponse, GetDataRequest, GetDataResponse, MultiHeader,
    SetDataRequest, SetDataResponse,
};
use jute::{DecodeError, ErrorCode, OpCode, Reader, Record};

use crate::call::Effect;
use crate::chroot::Chroot;
use crate::client::Client;
use crate::error::Error;
use crate::mode::CreateMode;
use crate::path::validate;

/// One write of a multi.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Creates a node.
    Create {
        /// The node's path.
        path: String,
        /// The node's data.
        data: Option<Vec<u8>>,
        /// The node's access list.
        acl: Vec<Acl>,
        /// The kind of node.
        mode: CreateMode,
    },
    /// Deletes a node.
    Delete {
        /// The node's path.
        path: String,
        /// The version it must have, −1 for any.
        version: i32,
    },
    /// Sets a node's data.
    SetData {
        /// The node's path.
        path: String,
        /// The new data.
        data: Option<Vec<u8>>,
        /// The version it must have, −1 for any.
        version: i32,
    },
    /// Does nothing but fail if the version is another.
    Check {
        /// The node's path.
        path: String,
        /// The version it must have, −1 for any.
        version: i32,
    },
}

/// One read of a multi.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadOp {
    /// A node's data.
    GetData(String),
    /// A node's children.
    GetChildren(String),
}

/// What the server said to one operation of a multi.
#[derive(Debug, Clone, PartialEq)]
pub enum OpResult {
    /// A node was created.
    Create {
        /// Its path, with a number appended in the sequential modes.
        path: String,
        /// Its stat, where the operation gives one.
        stat: Option<Stat>,
    },
    /// A node was deleted.
    Delete,
    /// A node's data was set.
    SetData(Stat),
    /// The version was the expected one.
    Check,
    /// A node's children.
    GetChildren(Vec<String>),
    /// A node's data and stat.
    GetData(Option<Vec<u8>>, Stat),
    /// The operation failed, or another one did: then 0 before it and −2 after it.
    Error(i32),
}

impl Client {
    /// Does all operations or none.
    pub async fn multi(&self, ops: &[Op]) -> Result<Vec<OpResult>, Error> {
        let mut body = Vec::new();
        for op in ops {
            op.encode(&self.chroot, &mut body)?;
        }
        let results = self.bundle(OpCode::Multi, body).await?;
        match first_failure(&results) {
            Some((index, code)) => Err(Error::Multi { code, index, results }),
            None => Ok(results),
        }
    }

    /// Does all reads, each with a result of its own.
    pub async fn multi_read(&self, ops: &[ReadOp]) -> Result<Vec<OpResult>, Error> {
        let mut body = Vec::new();
        for op in ops {
            op.encode(&self.chroot, &mut body)?;
        }
        self.bundle(OpCode::MultiRead, body).await
    }

    async fn bundle(&self, op: OpCode, mut body: Vec<u8>) -> Result<Vec<OpResult>, Error> {
        MultiHeader { op_code: -1, done: true, err: -1 }.encode(&mut body);
        let reply = self.exchange(op.code(), body, Effect::None).await?;
        reply.ok(None)?;
        Ok(decode_results(&mut reply.reader(), &self.chroot)?)
    }
}

/// The operation that failed: neither undone (0) nor skipped (−2) because of another one.
fn first_failure(results: &[OpResult]) -> Option<(usize, i32)> {
    let failed = |result: &OpResult| match result {
        OpResult::Error(code) if *code != 0 => Some(*code),
        OpResult::Error(_)
        | OpResult::Create { .. }
        | OpResult::Delete
        | OpResult::SetData(_)
        | OpResult::Check
        | OpResult::GetChildren(_)
        | OpResult::GetData(..) => None,
    };
    let mut failures =
        results.iter().enumerate().filter_map(|(index, result)| Some((index, failed(result)?)));
    let first = failures.next()?;
    let skipped = ErrorCode::RuntimeInconsistency.code();
    let cause = std::iter::once(first).chain(failures).find(|(_, code)| *code != skipped);
    Some(cause.unwrap_or(first))
}

impl Op {
    fn encode(&self, chroot: &Chroot, out: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Create { path, data, acl, mode } => {
                mode.validate(path)?;
                let path = chroot.to_server(path);
                let (data, acl) = (data.clone().map(Into::into), Some(acl.clone()));
                let flags = mode.flags();
                header(mode.op_code(OpCode::Create), out);
                match mode.ttl_ms()? {
                    Some(ttl) => CreateTTLRequest { path, data, acl, flags, ttl }.encode(out),
                    None => CreateRequest { path, data, acl, flags }.encode(out),
                }
            }
            Self::Delete { path, version } => {
                validate(path)?;
                header(OpCode::Delete, out);
                DeleteRequest { path: chroot.to_server(path), version: *version }.encode(out);
            }
            Self::SetData { path, data, version } => {
                validate(path)?;
                let data = data.clone().map(Into::into);
                header(OpCode::SetData, out);
                SetDataRequest { path: chroot.to_server(path), data, version: *version }.encode(out);
            }
            Self::Check { path, version } => {
                validate(path)?;
                header(OpCode::Check, out);
                CheckVersionRequest { path: chroot.to_server(path), version: *version }.encode(out);
            }
        }
        Ok(())
    }
}

impl ReadOp {
    fn encode(&self, chroot: &Chroot, out: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::GetData(path) => {
                validate(path)?;
                header(OpCode::GetData, out);
                GetDataRequest { path: chroot.to_server(path), watch: false }.encode(out);
            }
            Self::GetChildren(path) => {
                validate(path)?;
                header(OpCode::GetChildren, out);
                GetChildrenRequest { path: chroot.to_server(path), watch: false }.encode(out);
            }
        }
        Ok(())
    }
}

fn header(op: OpCode, out: &mut Vec<u8>) {
    MultiHeader { op_code: op.code(), done: false, err: -1 }.encode(out);
}

fn decode_results(reader: &mut Reader<'_>, chroot: &Chroot) -> Result<Vec<OpResult>, DecodeError> {
    let mut results = Vec::new();
    loop {
        let header = MultiHeader::decode(reader)?;
        if header.done {
            return Ok(results);
        }
        results.push(decode_result(header.op_code, reader, chroot)?);
    }
}

// zk: MultiResponse.deserialize
fn decode_result(op_code: i32, reader: &mut Reader<'_>, chroot: &Chroot) -> Result<OpResult, DecodeError> {
    if op_code == OpCode::Create.code() {
        let response = CreateResponse::decode(reader)?;
        Ok(OpResult::Create { path: chroot.to_caller(response.path), stat: None })
    } else if op_code == OpCode::Create2.code() {
        let response = Create2Response::decode(reader)?;
        Ok(OpResult::Create { path: chroot.to_caller(response.path), stat: Some(response.stat) })
    } else if op_code == OpCode::Delete.code() {
        Ok(OpResult::Delete)
    } else if op_code == OpCode::SetData.code() {
        SetDataResponse::decode(reader).map(|response| OpResult::SetData(response.stat))
    } else if op_code == OpCode::Check.code() {
        Ok(OpResult::Check)
    } else if op_code == OpCode::GetChildren.code() {
        GetChildrenResponse::decode(reader).map(|response| OpResult::GetChildren(response.children))
    } else if op_code == OpCode::GetData.code() {
        let response = GetDataResponse::decode(reader)?;
        Ok(OpResult::GetData(response.data.map(|data| data.to_vec()), response.stat))
    } else if op_code == OpCode::Error.code() {
        ErrorResponse::decode(reader).map(|response| OpResult::Error(response.err))
    } else {
        Err(DecodeError::UnknownType { what: "multi result", value: op_code })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_failure_is_the_one_that_is_neither_undone_nor_skipped() {
        let no_node = ErrorCode::NoNode.code();
        let rows = [
            (vec![OpResult::Delete, OpResult::Check], None),
            (vec![OpResult::Error(0), OpResult::Error(no_node), OpResult::Error(-2)], Some((1, no_node))),
            (vec![OpResult::Error(-2)], Some((0, -2))),
        ];
        for (results, expected) in rows {
            assert_eq!(first_failure(&results), expected);
        }
    }

    #[test]
    fn results_come_back_as_the_callers_paths() {
        let mut bytes = Vec::new();
        MultiHeader { op_code: 1, done: false, err: 0 }.encode(&mut bytes);
        CreateResponse { path: "/x".into() }.encode(&mut bytes);
        MultiHeader { op_code: -1, done: false, err: -101 }.encode(&mut bytes);
        ErrorResponse { err: -101 }.encode(&mut bytes);
        MultiHeader { op_code: -1, done: true, err: -1 }.encode(&mut bytes);
        let results = decode_results(&mut Reader::from_slice(&bytes), &Chroot::default()).unwrap();
        assert_eq!(results, [OpResult::Create { path: "/x".into(), stat: None }, OpResult::Error(-101)]);
    }

    #[test]
    fn a_result_of_unknown_type_is_an_error() {
        let mut bytes = Vec::new();
        MultiHeader { op_code: 77, done: false, err: 0 }.encode(&mut bytes);
        assert!(decode_results(&mut Reader::from_slice(&bytes), &Chroot::default()).is_err());
        assert!(decode_results(&mut Reader::from_slice(&bytes[..5]), &Chroot::default()).is_err());
    }
}
