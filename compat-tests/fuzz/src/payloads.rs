//! Requests with lists in them.

use jute::{OpCode, any};

use crate::requests::{body_of, round_trip};

/// The first byte chooses the type, the rest is the body.
pub fn payloads(input: &[u8]) {
    const TYPES: [OpCode; 5] =
        [OpCode::Multi, OpCode::MultiRead, OpCode::SetWatches, OpCode::SetWatches2, OpCode::Reconfig];
    let Some((choice, body)) = input.split_first() else { return };
    match TYPES.get(usize::from(*choice) % (TYPES.len() + 1)) {
        Some(op) => body_of(*op, body),
        None => round_trip(body, any::decode_any_multi_response),
    }
}
