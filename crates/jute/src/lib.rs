//! The vocabulary of wire and disk; `FORMAT.md` beside this crate describes the encoding.
//!
//! * [`Reader`] and [`write`](mod@write): the Jute binary encoding, bounds-checked, without panics on input.
//! * [`data`], [`proto`], [`quorum`], [`persistence`], [`txn`]: records generated from `jute-schemas/`.
//! * [`Txn`], [`TxnRecord`], [`multi`], [`snapshot`], [`frame`]: what is not a plain record and is written by hand.
//! * [`Zxid`], [`SessionId`], [`OpCode`], [`ErrorCode`], [`perms`], [`xid`]: identifiers and codes.
//! * [`any`]: plain functions over byte slices, for fuzzers and recorded vectors.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod any;
mod codes;
mod delete_container;
mod error;
pub mod frame;
mod generated;
mod identifiers;
mod java_string;
pub mod multi;
mod reader;
mod record;
pub mod snapshot;
mod txn_record;
pub mod write;

pub use codes::{ErrorCode, OpCode, perms, xid};
pub use error::DecodeError;
pub use generated::{data, persistence, quorum, txn};
pub use identifiers::{SessionId, Zxid};
pub use java_string::decode as decode_java_string;
pub use reader::{FIELD_MAX_DEFAULT, Reader};
pub use record::Record;
pub use txn_record::{PARENT_CVERSION_UNKNOWN, Txn, TxnRecord};

/// Records of the client port: handshake, headers, requests and responses.
pub mod proto {
    pub use crate::delete_container::DeleteContainerRequest;
    pub use crate::generated::proto::*;
}
