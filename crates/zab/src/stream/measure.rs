//! How long the next item is, found out from its lengths alone.

use jute::{DecodeError, Reader};

use super::{IDENTITIES_MAX, SIGNATURE, StreamError};
use crate::packet::PacketError;

/// How much of an item is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// All of it, so many bytes.
    Whole(usize),
    /// At least so many bytes are needed.
    Needs(usize),
}

/// Bytes of a packet beside its data and identities.
const ENVELOPE_LEN: usize = 20;

/// Bytes of a znode behind its data: key of the ACL and stat.
const NODE_TAIL_LEN: usize = 8 + 60;

/// A walk over lengths that need not be followed by what they announce.
struct Walk<'a> {
    bytes: &'a [u8],
    end: usize,
}

/// A packet: type, zxid, data, identities.
pub(super) fn packet(bytes: &[u8], field_max: usize) -> Result<Measure, StreamError> {
    let packet_type = Reader::from_slice(bytes).int().ok();
    let unreasonable = |length| {
        let what = DecodeError::UnreasonableLength { length, max: field_max };
        StreamError::Packet(PacketError { packet_type, what })
    };
    let max = field_max.saturating_mul(2).saturating_add(ENVELOPE_LEN);
    let mut walk = Walk { bytes, end: 12 };
    let Some(data) = walk.int() else { return Ok(Measure::Needs(walk.end)) };
    walk.skip(field_len(data, field_max).ok_or_else(|| unreasonable(data))?);
    let Some(count) = walk.int() else { return Ok(Measure::Needs(walk.end)) };
    let count = usize::try_from(count).unwrap_or(0);
    if count > IDENTITIES_MAX {
        return Err(StreamError::TooManyIdentities(count));
    }
    for _ in 0..count.saturating_mul(2) {
        let Some(length) = walk.int() else { break };
        walk.skip(field_len(length, field_max).ok_or_else(|| unreasonable(length))?);
        if walk.end > max {
            return Err(StreamError::TooLong { length: walk.end, max });
        }
    }
    Ok(walk.measure())
}

/// The signature: a string that may not be longer than it is.
pub(super) fn signature(bytes: &[u8]) -> Result<Measure, StreamError> {
    let mut walk = Walk { bytes, end: 0 };
    let Some(length) = walk.int() else { return Ok(Measure::Needs(walk.end)) };
    let what = DecodeError::UnreasonableLength { length, max: SIGNATURE.len() };
    walk.skip(field_len(length, SIGNATURE.len()).ok_or(StreamError::Snapshot(what))?);
    Ok(walk.measure())
}

/// At least so many bytes make a znode, or the end, of a snapshot that is not whole yet. Lengths are checked by who reads them.
pub(super) fn node(bytes: &[u8]) -> usize {
    let mut walk = Walk { bytes, end: 0 };
    let Some(path) = walk.int() else { return walk.end };
    walk.skip(field_len(path, usize::MAX).unwrap_or(0));
    if walk.end > bytes.len() {
        // The path of the end has nothing behind it.
        return walk.end;
    }
    let Some(data) = walk.int() else { return walk.end };
    walk.skip(field_len(data, usize::MAX).unwrap_or(0));
    walk.skip(NODE_TAIL_LEN);
    walk.end
}

/// At least so many bytes make a part of a snapshot whose kind is not known: one more than there are.
pub(super) fn unknown(bytes: &[u8]) -> usize {
    bytes.len().saturating_add(1)
}

/// Length of a field; null takes no more bytes. `None` when it is out of bounds.
fn field_len(length: i32, max: usize) -> Option<usize> {
    if length == -1 { Some(0) } else { usize::try_from(length).ok().filter(|length| *length <= max) }
}

impl Walk<'_> {
    /// Reads a number; `None`, with the end behind where it would stand, when it is not here.
    fn int(&mut self) -> Option<i32> {
        let start = self.end;
        self.skip(size_of::<i32>());
        Reader::from_slice(self.bytes.get(start..)?).int().ok()
    }

    fn skip(&mut self, length: usize) {
        self.end = self.end.saturating_add(length);
    }

    fn measure(&self) -> Measure {
        if self.end <= self.bytes.len() { Measure::Whole(self.end) } else { Measure::Needs(self.end) }
    }
}
