//! Reads the records of one log file and says how it ends.

use std::mem;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use jute::Zxid;

use super::format::{
    END_OF_RECORD, FRAME_BYTES, HEADER_BYTES, MAGIC_BYTES, PREFIX_BYTES, check_header, header,
    stored_checksum, zxid_and_type,
};
use crate::disk::{Disk, DiskFile, read_full_at};
use crate::{Damage, StorageError};

/// How much is read at once.
const WINDOW_BYTES: usize = 256 * 1024;

/// A log file, open for reading.
///
/// * Nothing is allocated for a record before its end mark was seen within the file.
#[derive(Debug)]
pub struct LogFile<F> {
    file: F,
    path: PathBuf,
    len: u64,
    has_header: bool,
    position: u64,
    window: Vec<u8>,
    window_start: u64,
}

/// Where the records of a file end, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordEnd {
    /// Nothing, or the zeros of preallocation, follows the last record.
    Clean,
    /// What follows was not completely written.
    Torn(Tear),
}

/// What shows that the end of a file was not completely written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tear {
    /// The file is shorter than its header.
    Header,
    /// The length is zero although a checksum stands before it, or negative, or the file ends within the prefix.
    Prefix,
    /// The record would go on past the end of the file.
    Length,
    /// The end mark is missing.
    EndMark,
    /// The checksum does not hold.
    Checksum,
}

/// One step through a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scanned {
    Record { offset: u64, zxid: Zxid, op_code: i32, content: Bytes },
    End { offset: u64, end: RecordEnd },
}

impl<F: DiskFile> LogFile<F> {
    /// Opens a file and checks its header; a file shorter than a header, or with a torn one, has no records.
    pub fn open<D: Disk<File = F>>(disk: &D, path: &Path) -> Result<Self, StorageError> {
        let file = disk.open_read(path).map_err(StorageError::io("open", path))?;
        let len = file.len().map_err(StorageError::io("read", path))?;
        let path = path.to_owned();
        let mut log =
            Self { file, path, len, has_header: false, position: 0, window: Vec::new(), window_start: 0 };
        if len >= HEADER_BYTES {
            let header = log.bytes_at(0, HEADER_BYTES)?;
            if !is_torn_header(&header) {
                check_header(&log.path, &header)?;
                log.has_header = true;
                log.position = HEADER_BYTES;
            }
        }
        Ok(log)
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file, preallocation included.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next record, or the end. After the end it is the end again.
    pub(crate) fn next(&mut self) -> Result<Scanned, StorageError> {
        let offset = self.position;
        let end = |end| Ok(Scanned::End { offset, end });
        if !self.has_header {
            return end(if self.is_empty() { RecordEnd::Clean } else { RecordEnd::Torn(Tear::Header) });
        }
        let remaining = self.len.saturating_sub(offset);
        if remaining < FRAME_BYTES {
            let is_clean = self.is_zero_from(offset)?;
            return end(if is_clean { RecordEnd::Clean } else { RecordEnd::Torn(Tear::Prefix) });
        }
        let (stored, stored_len) = parse_prefix(self.window_at(offset, PREFIX_BYTES)?);
        let Some(len) = u64::try_from(stored_len).ok().filter(|len| *len > 0) else {
            let is_clean = stored == 0 && stored_len == 0;
            return end(if is_clean { RecordEnd::Clean } else { RecordEnd::Torn(Tear::Prefix) });
        };
        if len > remaining - FRAME_BYTES {
            return end(RecordEnd::Torn(Tear::Length));
        }
        if self.window_at(offset + PREFIX_BYTES + len, 1)? != [END_OF_RECORD] {
            return end(RecordEnd::Torn(Tear::EndMark));
        }
        let content = Bytes::from(self.bytes_at(offset + PREFIX_BYTES, len)?);
        if super::checksum(&content) != stored {
            return end(RecordEnd::Torn(Tear::Checksum));
        }
        let Some((zxid, op_code)) = zxid_and_type(&content) else {
            return Err(StorageError::corrupt(&self.path, offset, Damage::Framing));
        };
        self.position = offset + FRAME_BYTES + len;
        Ok(Scanned::Record { offset, zxid, op_code, content })
    }

    /// Where the next record begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Goes on behind a record that cannot be used.
    pub(crate) fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// The checksum that stands in front of the first record; 0 in a file without any.
    pub(crate) fn first_checksum(&mut self) -> Result<u64, StorageError> {
        if self.len < HEADER_BYTES + PREFIX_BYTES {
            return Ok(0);
        }
        self.window_at(HEADER_BYTES, PREFIX_BYTES).map(stored_checksum)
    }

    /// Where the record at `offset`, whose frame is whole, ends.
    pub(crate) fn frame_end(&mut self, offset: u64) -> Result<u64, StorageError> {
        let (_, len) = parse_prefix(self.window_at(offset, PREFIX_BYTES)?);
        Ok(offset + FRAME_BYTES + u64::try_from(len).unwrap_or(0))
    }

    /// Whether only zeros, or nothing, stand from `offset` on.
    pub(crate) fn is_zero_from(&mut self, mut offset: u64) -> Result<bool, StorageError> {
        while offset < self.len {
            let part = (self.len - offset).min(WINDOW_BYTES as u64);
            if self.window_at(offset, part)?.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            offset += part;
        }
        Ok(true)
    }

    /// A copy of bytes that lie within the file.
    fn bytes_at(&mut self, offset: u64, len: u64) -> Result<Vec<u8>, StorageError> {
        if len <= WINDOW_BYTES as u64 {
            return self.window_at(offset, len).map(<[u8]>::to_vec);
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| self.shrunk(offset))?];
        match self.read_at(offset, &mut bytes)? == bytes.len() {
            true => Ok(bytes),
            false => Err(self.shrunk(offset)),
        }
    }

    /// Bytes that lie within the file, at most a window of them.
    fn window_at(&mut self, offset: u64, len: u64) -> Result<&[u8], StorageError> {
        let len = usize::try_from(len).map_err(|_| self.shrunk(offset))?;
        if self.window_slice(offset, len).is_none() {
            let mut window = mem::take(&mut self.window);
            let left = self.len.saturating_sub(offset);
            window.resize(usize::try_from(left).unwrap_or(WINDOW_BYTES).min(WINDOW_BYTES), 0);
            let count = self.read_at(offset, &mut window)?;
            window.truncate(count);
            (self.window, self.window_start) = (window, offset);
        }
        self.window_slice(offset, len).ok_or_else(|| self.shrunk(offset))
    }

    fn window_slice(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.window_start)?).ok()?;
        self.window.get(start..start.checked_add(len)?)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        read_full_at(&self.file, offset, buf).map_err(StorageError::io("read", &self.path))
    }

    /// The file became shorter while we read it.
    fn shrunk(&self, offset: u64) -> StorageError {
        StorageError::corrupt(&self.path, offset, Damage::Length)
    }
}

/// Whether only a first part of the header, perhaps nothing of it, reached the disk.
fn is_torn_header(bytes: &[u8]) -> bool {
    let whole = header();
    let kept = bytes.iter().zip(&whole).take_while(|(found, expected)| found == expected).count();
    kept < MAGIC_BYTES && bytes.iter().skip(kept).all(|byte| *byte == 0)
}

/// Checksum and length in front of a record.
fn parse_prefix(prefix: &[u8]) -> (u64, i32) {
    let checksum = stored_checksum(prefix);
    let len = prefix.last_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes));
    (checksum, len)
}
