//! Several operations in one request: a list of headers and records, ended by a header of its own.

mod request;
mod response;

pub use request::{MultiKind, MultiOp, MultiRequest, OPERATIONS_MAX_DEFAULT};
pub use response::{MultiResponse, MultiResult};

use crate::proto::MultiHeader;

/// Stands where a header has no type or no error to tell.
const NOTHING: i32 = -1;

/// The header that ends a request and a response.
const END: MultiHeader = MultiHeader { op_code: NOTHING, done: true, err: NOTHING };
