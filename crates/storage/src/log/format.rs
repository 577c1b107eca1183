//! Bytes of a log file; FORMAT.md shows them.

use std::path::Path;

use jute::persistence::FileHeader;
use jute::{Reader, Record, Zxid};

use crate::{Damage, StorageError};

/// "ZKLG".
const MAGIC: i32 = 0x5a4b_4c47;
/// Length of the magic number; the rest of a header is not looked at.
pub(crate) const MAGIC_BYTES: usize = 4;
const VERSION: i32 = 2;
const DBID: i64 = 0;

/// Length of the header of a file.
pub(crate) const HEADER_BYTES: u64 = 16;
/// Checksum and length in front of a record's content.
pub(crate) const PREFIX_BYTES: u64 = 12;
/// What a record adds to its content: prefix and end mark.
pub(crate) const FRAME_BYTES: u64 = PREFIX_BYTES + 1;
/// The byte after each record.
pub(crate) const END_OF_RECORD: u8 = 0x42;
/// Least content of a record: the header of a transaction.
pub(crate) const CONTENT_MIN: usize = 32;

/// How near to the end of the padded file a write may come before the file is extended.
const PADDING_MARGIN: u64 = 4096;

/// The header of every log file.
pub(crate) fn header() -> Vec<u8> {
    let mut out = Vec::new();
    FileHeader { magic: MAGIC, version: VERSION, dbid: DBID }.encode(&mut out);
    out
}

/// Only the magic number is checked, as the reference does.
pub(crate) fn check_header(file: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    match FileHeader::decode(&mut Reader::from_slice(bytes)) {
        Ok(header) if header.magic == MAGIC => Ok(()),
        Ok(_) | Err(_) => Err(StorageError::corrupt(file, 0, Damage::Header)),
    }
}

/// Appends one framed record.
pub(crate) fn frame(out: &mut Vec<u8>, content: &[u8]) {
    let checksum = super::checksum(content);
    out.extend_from_slice(&checksum.to_be_bytes());
    jute::write::buffer(out, Some(content));
    out.push(END_OF_RECORD);
}

/// The checksum that stands at the beginning of a frame; 0 when there is none.
pub(crate) fn stored_checksum(frame: &[u8]) -> u64 {
    frame.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Zxid and type in the header of a transaction.
pub(crate) fn zxid_and_type(content: &[u8]) -> Option<(Zxid, i32)> {
    let zxid = content.get(12..20)?.try_into().ok()?;
    let op_code = content.get(28..CONTENT_MIN)?.try_into().ok()?;
    Some((Zxid(i64::from_be_bytes(zxid)), i32::from_be_bytes(op_code)))
}

/// The length to which the file is padded before a record is written at `position`.
// zk: FilePadding.calculateFileSizeWithPadding
pub(crate) fn padded_len(position: u64, current: u64, preallocate_bytes: u64) -> u64 {
    if preallocate_bytes == 0 || position + PADDING_MARGIN < current {
        return current;
    }
    if position <= current {
        return current + preallocate_bytes;
    }
    let wanted = position + preallocate_bytes;
    wanted - wanted % preallocate_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_that_of_the_reference() {
        assert_eq!(header(), *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn padding_follows_the_reference() {
        for (position, current, preallocate, expected) in [
            (16, 16, 65_536, 65_552),
            (61_000, 65_552, 65_536, 65_552),
            (61_456, 65_552, 65_536, 131_088),
            (65_552, 65_552, 65_536, 131_088),
            (70_000, 65_552, 65_536, 131_072),
            (16, 16, 0, 16),
        ] {
            assert_eq!(padded_len(position, current, preallocate), expected, "{position} {current}");
        }
    }
}
