use alloc::vec::Vec;

use super::END;
use crate::proto::{
    Create2Response, CreateResponse, ErrorResponse, GetChildrenResponse, GetDataResponse, MultiHeader,
    SetDataResponse,
};
use crate::{DecodeError, OpCode, Reader, Record};

/// Answer to multi and multiRead: one result for each operation.
// zk: MultiResponse
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MultiResponse {
    /// The results, in the order of the operations.
    pub results: Vec<MultiResult>,
}

/// How one operation of a multi ended.
// zk: OpResult
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultiResult {
    /// A znode was created by create.
    Create(CreateResponse),
    /// A znode was created by create2, createContainer or createTTL.
    Create2(Create2Response),
    /// A znode was deleted.
    Delete,
    /// The data were replaced.
    SetData(SetDataResponse),
    /// The version is as expected.
    Check,
    /// Children were listed.
    GetChildren(GetChildrenResponse),
    /// Data were read.
    GetData(GetDataResponse),
    /// The operation failed, or was undone (0), or was not tried.
    Error(i32),
}

impl Record for MultiResponse {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut results = Vec::new();
        loop {
            let header = MultiHeader::decode(reader)?;
            if header.done {
                return Ok(Self { results });
            }
            results.push(MultiResult::decode(header.op_code, reader)?);
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        for result in &self.results {
            result.encode(out);
        }
        END.encode(out);
    }
}

impl MultiResult {
    /// The type that stands in the header of this result.
    pub fn op_code(&self) -> OpCode {
        match self {
            Self::Create(_) => OpCode::Create,
            Self::Create2(_) => OpCode::Create2,
            Self::Delete => OpCode::Delete,
            Self::SetData(_) => OpCode::SetData,
            Self::Check => OpCode::Check,
            Self::GetChildren(_) => OpCode::GetChildren,
            Self::GetData(_) => OpCode::GetData,
            Self::Error(_) => OpCode::Error,
        }
    }

    fn decode(op_code: i32, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const CREATE: i32 = OpCode::Create.code();
        const CREATE2: i32 = OpCode::Create2.code();
        const DELETE: i32 = OpCode::Delete.code();
        const SET_DATA: i32 = OpCode::SetData.code();
        const CHECK: i32 = OpCode::Check.code();
        const GET_CHILDREN: i32 = OpCode::GetChildren.code();
        const GET_DATA: i32 = OpCode::GetData.code();
        const ERROR: i32 = OpCode::Error.code();
        Ok(match op_code {
            CREATE => Self::Create(Record::decode(reader)?),
            CREATE2 => Self::Create2(Record::decode(reader)?),
            DELETE => Self::Delete,
            SET_DATA => Self::SetData(Record::decode(reader)?),
            CHECK => Self::Check,
            GET_CHILDREN => Self::GetChildren(Record::decode(reader)?),
            GET_DATA => Self::GetData(Record::decode(reader)?),
            ERROR => Self::Error(ErrorResponse::decode(reader)?.err),
            value => return Err(DecodeError::UnknownType { what: "multi result", value }),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let err = if let Self::Error(err) = self { *err } else { 0 };
        MultiHeader { op_code: self.op_code().code(), done: false, err }.encode(out);
        match self {
            Self::Create(response) => response.encode(out),
            Self::Create2(response) => response.encode(out),
            Self::SetData(response) => response.encode(out),
            Self::GetChildren(response) => response.encode(out),
            Self::GetData(response) => response.encode(out),
            Self::Delete | Self::Check => {}
            Self::Error(err) => ErrorResponse { err: *err }.encode(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec};

    use super::*;

    #[test]
    fn results_survive_and_errors_stand_in_header_and_body() {
        let response = MultiResponse {
            results: vec![
                MultiResult::Error(0),
                MultiResult::Error(-101),
                MultiResult::Create(CreateResponse { path: String::from("/a") }),
                MultiResult::Create2(Create2Response::default()),
                MultiResult::Delete,
                MultiResult::SetData(SetDataResponse::default()),
                MultiResult::Check,
                MultiResult::GetChildren(GetChildrenResponse::default()),
                MultiResult::GetData(GetDataResponse::default()),
            ],
        };
        let bytes = response.to_vec();
        assert_eq!(MultiResponse::from_slice(&bytes), Ok(response));
        let (minus_one, no_node) = ([0xff; 4], (-101_i32).to_be_bytes());
        assert_eq!(bytes[13..26], [&minus_one[..], &[0], &no_node, &no_node].concat());
        assert_eq!(bytes[bytes.len() - 9..], [&minus_one[..], &[1], &minus_one].concat());
    }
}
