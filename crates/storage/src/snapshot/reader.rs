use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use jute::persistence::FileHeader;
use jute::snapshot::{SnapshotDecoder, SnapshotItem};
use jute::{DecodeError, Reader, Record, Zxid};
use simd_adler32::Adler32;

use super::snappy::SnappyReader;
use super::{Compression, HEADER_BYTES, MAGIC, SEAL_BYTES, SnapshotDigest, Trailers};
use crate::disk::{Disk, DiskFile};
use crate::{Damage, StorageError};

/// How much is read at least at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Greatest string or buffer in a snapshot: what Java can hold. What is allocated grows with what is there.
const FIELD_BYTES_MAX: usize = i32::MAX as usize;
/// Greatest trailer that is read; all known ones are shorter.
const TRAILER_BYTES_MAX: usize = 4096;
/// The trailer with the last zxid, with its seal.
const LAST_ZXID_TRAILER_BYTES: usize = 8 + SEAL_BYTES;
/// Before this version a digest is a hexadecimal string; nobody compares those.
const DIGEST_VERSION_BINARY: i32 = 2;

/// The items of a snapshot, then its trailers.
///
/// * The iterator ends behind [`SnapshotItem::End`], when all seals hold; only then what came before is to be used.
/// * Which trailers there are is told from the file, not from settings.
/// * Memory is bounded by the largest item.
pub struct SnapshotReader<D: Disk> {
    input: Box<dyn Read + Send>,
    path: PathBuf,
    decoder: SnapshotDecoder,
    /// What was read and not yet taken.
    buffer: Vec<u8>,
    position: usize,
    /// Offset of the beginning of the buffer in the uncompressed content.
    buffer_offset: u64,
    checksum: Adler32,
    trailers: Trailers,
    is_done: bool,
    disk: std::marker::PhantomData<D>,
}

impl<D: Disk> SnapshotReader<D> {
    /// Opens a snapshot and checks its header.
    pub fn open(disk: &D, path: &Path, compression: Compression) -> Result<Self, StorageError> {
        let file = disk.open_read(path).map_err(StorageError::io("open", path))?;
        let source = BufReader::with_capacity(CHUNK_BYTES, Source { file, position: 0 });
        let input: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(source),
            Compression::Gzip => Box::new(MultiGzDecoder::new(source)),
            Compression::Snappy => Box::new(SnappyReader::new(source)),
        };
        let mut reader = Self {
            input,
            path: path.to_owned(),
            decoder: SnapshotDecoder::new(),
            buffer: Vec::new(),
            position: 0,
            buffer_offset: 0,
            checksum: Adler32::new(),
            trailers: Trailers::default(),
            is_done: false,
            disk: std::marker::PhantomData,
        };
        reader.read_header()?;
        Ok(reader)
    }

    /// What followed the znodes; known when the iterator has ended.
    pub fn trailers(&self) -> Trailers {
        self.trailers
    }

    /// How much of the uncompressed content was taken.
    pub fn offset(&self) -> u64 {
        self.buffer_offset + self.position as u64
    }

    /// Reads to the end, keeping nothing.
    pub fn verify(mut self) -> Result<Trailers, StorageError> {
        self.by_ref().try_for_each(|item| item.map(drop))?;
        Ok(self.trailers)
    }

    fn read_header(&mut self) -> Result<(), StorageError> {
        let header = self.take(HEADER_BYTES)?;
        match FileHeader::decode(&mut Reader::from_slice(&header)) {
            Ok(header) if header.magic == MAGIC => Ok(()),
            Ok(_) | Err(_) => Err(StorageError::corrupt(&self.path, 0, Damage::Header)),
        }
    }

    fn read_item(&mut self) -> Result<SnapshotItem, StorageError> {
        loop {
            let unread = self.buffer.get(self.position..).unwrap_or_default();
            let mut reader = Reader::from_slice(unread).with_limit(FIELD_BYTES_MAX);
            let item = self.decoder.next(&mut reader);
            let taken = reader.position();
            self.checksum.write(unread.get(..taken).unwrap_or_default());
            let offset = self.offset();
            self.position += taken;
            match item {
                Ok(Some(item)) => return Ok(item),
                Ok(None) => {
                    if self.fill()? == 0 {
                        return Err(self.corrupt(Damage::Length));
                    }
                }
                Err(error) => return Err(StorageError::corrupt(&self.path, offset, Damage::Decode(error))),
            }
        }
    }

    /// Reads the seal of the znodes, and trailers by the length of what is left.
    // zk: FileSnap.deserialize, which goes by its settings instead
    fn read_end(&mut self) -> Result<(), StorageError> {
        self.read_seal()?;
        while self.unread() <= TRAILER_BYTES_MAX && self.fill()? > 0 {}
        if self.unread() > TRAILER_BYTES_MAX {
            return Err(self.corrupt(Damage::Length));
        }
        if self.unread() != 0 && self.unread() != LAST_ZXID_TRAILER_BYTES {
            self.trailers.digest = self.read_digest()?;
            self.read_seal()?;
        }
        if self.unread() == LAST_ZXID_TRAILER_BYTES {
            self.trailers.last_processed = Some(Zxid(self.take_long()?));
            self.read_seal()?;
        }
        if self.unread() == 0 { Ok(()) } else { Err(self.corrupt(Damage::Length)) }
    }

    fn read_digest(&mut self) -> Result<Option<SnapshotDigest>, StorageError> {
        let (zxid, version) = (Zxid(self.take_long()?), self.take_int()?);
        if version >= DIGEST_VERSION_BINARY {
            return Ok(Some(SnapshotDigest { zxid, version, digest: self.take_long()? }));
        }
        let len = self.take_int()?;
        self.take(usize::try_from(len).unwrap_or(0))?;
        Ok(None)
    }

    fn read_seal(&mut self) -> Result<(), StorageError> {
        let expected = i64::from(self.checksum.finish());
        let offset = self.offset();
        let seal = self.take(SEAL_BYTES)?;
        let mut reader = Reader::from_slice(&seal);
        let found = reader.long().and_then(|checksum| Ok((checksum, reader.string()?)));
        match found {
            Ok((checksum, Some(end))) if checksum == expected && end == "/" => Ok(()),
            Ok(_) | Err(_) => Err(StorageError::corrupt(&self.path, offset, Damage::Checksum)),
        }
    }

    fn take_long(&mut self) -> Result<i64, StorageError> {
        self.take(8)
            .and_then(|bytes| Reader::from_slice(&bytes).long().map_err(|error| self.undecodable(error)))
    }

    fn take_int(&mut self) -> Result<i32, StorageError> {
        self.take(4)
            .and_then(|bytes| Reader::from_slice(&bytes).int().map_err(|error| self.undecodable(error)))
    }

    /// Takes bytes into the checksum and gives them out.
    fn take(&mut self, len: usize) -> Result<Vec<u8>, StorageError> {
        while self.unread() < len {
            if self.fill()? == 0 {
                return Err(self.corrupt(Damage::Length));
            }
        }
        let taken = self.buffer.get(self.position..self.position + len).unwrap_or_default().to_vec();
        self.checksum.write(&taken);
        self.position += len;
        Ok(taken)
    }

    fn unread(&self) -> usize {
        self.buffer.len() - self.position
    }

    /// Reads on behind what was not taken: as much again as is there, for an item that is larger than a chunk.
    fn fill(&mut self) -> Result<usize, StorageError> {
        self.buffer.drain(..self.position);
        self.buffer_offset += self.position as u64;
        self.position = 0;
        let wanted = self.buffer.len().max(CHUNK_BYTES) as u64;
        let outcome = self.input.by_ref().take(wanted).read_to_end(&mut self.buffer);
        outcome.map_err(|error| self.unreadable(error))
    }

    /// The disk says what it says; a decompressor that does not understand its input says what is damaged.
    fn unreadable(&self, error: io::Error) -> StorageError {
        if error.raw_os_error().is_some() {
            return StorageError::io("read", &self.path)(error);
        }
        self.corrupt(Damage::Compression)
    }

    fn undecodable(&self, error: DecodeError) -> StorageError {
        self.corrupt(Damage::Decode(error))
    }

    fn corrupt(&self, what: Damage) -> StorageError {
        StorageError::corrupt(&self.path, self.offset(), what)
    }
}

impl<D: Disk> Iterator for SnapshotReader<D> {
    type Item = Result<SnapshotItem, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let item = self.read_item().and_then(|item| {
            if item == SnapshotItem::End {
                self.is_done = true;
                self.read_end()?;
            }
            Ok(item)
        });
        self.is_done |= item.is_err();
        Some(item)
    }
}

/// Reads a file from its beginning on.
struct Source<F> {
    file: F,
    position: u64,
}

impl<F: DiskFile> Read for Source<F> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.position, buf)?;
        self.position += count as u64;
        Ok(count)
    }
}
