//! The stream format of snappy-java: a header, then blocks with their compressed length in front.

use std::io::{self, Read, Write};

/// First bytes of the stream.
pub(super) const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Version and least compatible version, which follow the magic bytes.
const VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// The first four magic bytes; where a length should be they begin another stream.
const MAGIC_HEAD: [u8; 4] = [0x82, b'S', b'N', b'A'];
/// How much of the input makes a block.
const BLOCK_BYTES: usize = 32 * 1024;
/// Greatest block that is read, compressed or not; snappy-java's writers can be set to larger blocks, not this large.
const BLOCK_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Compresses what is written to it.
pub(super) struct SnappyWriter<W> {
    inner: W,
    block: Vec<u8>,
    has_header: bool,
}

impl<W: Write> SnappyWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, block: Vec::with_capacity(BLOCK_BYTES), has_header: false }
    }

    /// Writes what is left and gives back the writer below.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.write_block()?;
        Ok(self.inner)
    }

    fn write_block(&mut self) -> io::Result<()> {
        if !self.has_header {
            self.inner.write_all(&MAGIC)?;
            self.inner.write_all(&VERSIONS)?;
            self.has_header = true;
        }
        if self.block.is_empty() {
            return Ok(());
        }
        let compressed = snap::raw::Encoder::new().compress_vec(&self.block).map_err(invalid)?;
        let len = u32::try_from(compressed.len()).map_err(invalid)?;
        self.inner.write_all(&len.to_be_bytes())?;
        self.inner.write_all(&compressed)?;
        self.block.clear();
        Ok(())
    }
}

impl<W: Write> Write for SnappyWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(bytes.get(..count).unwrap_or_default());
        if self.block.len() == BLOCK_BYTES {
            self.write_block()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Decompresses what it reads.
pub(super) struct SnappyReader<R> {
    inner: R,
    compressed: Vec<u8>,
    block: Vec<u8>,
    position: usize,
    has_header: bool,
}

impl<R: Read> SnappyReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, compressed: Vec::new(), block: Vec::new(), position: 0, has_header: false }
    }

    /// Reads the next block; false at the end.
    fn read_block(&mut self) -> io::Result<bool> {
        if !self.has_header {
            let mut head = MAGIC_HEAD;
            self.inner.read_exact(&mut head)?;
            if head != MAGIC_HEAD {
                return Err(invalid("not a snappy stream"));
            }
            self.read_header_rest()?;
            self.has_header = true;
        }
        let mut len = [0; 4];
        if !read_exact_or_end(&mut self.inner, &mut len)? {
            return Ok(false);
        }
        if len == MAGIC_HEAD {
            self.read_header_rest()?;
            return self.read_block_of_next_stream();
        }
        let len = usize::try_from(u32::from_be_bytes(len)).map_err(invalid)?;
        self.read_compressed(len)
    }

    /// Streams written one after the other are read as one.
    fn read_block_of_next_stream(&mut self) -> io::Result<bool> {
        let mut len = [0; 4];
        if !read_exact_or_end(&mut self.inner, &mut len)? {
            return Ok(false);
        }
        self.read_compressed(usize::try_from(u32::from_be_bytes(len)).map_err(invalid)?)
    }

    fn read_header_rest(&mut self) -> io::Result<()> {
        let mut rest = [0; MAGIC.len() + VERSIONS.len() - MAGIC_HEAD.len()];
        self.inner.read_exact(&mut rest)?;
        if rest.starts_with(MAGIC.strip_prefix(&MAGIC_HEAD).unwrap_or_default()) {
            Ok(())
        } else {
            Err(invalid("not a snappy stream"))
        }
    }

    fn read_compressed(&mut self, len: usize) -> io::Result<bool> {
        if len > BLOCK_BYTES_MAX {
            return Err(invalid("the block is too large"));
        }
        self.compressed.clear();
        // The vector grows with what is really there.
        let count = self.inner.by_ref().take(len as u64).read_to_end(&mut self.compressed)?;
        if count != len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let plain_len = snap::raw::decompress_len(&self.compressed).map_err(invalid)?;
        if plain_len > BLOCK_BYTES_MAX {
            return Err(invalid("the block is too large"));
        }
        self.block = snap::raw::Decoder::new().decompress_vec(&self.compressed).map_err(invalid)?;
        self.position = 0;
        Ok(true)
    }
}

impl<R: Read> Read for SnappyReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.position >= self.block.len() {
            if !self.read_block()? {
                return Ok(0);
            }
        }
        let rest = self.block.get(self.position..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        if let (Some(target), Some(source)) = (buf.get_mut(..count), rest.get(..count)) {
            target.copy_from_slice(source);
        }
        self.position += count;
        Ok(count)
    }
}

/// Fills `buf`, or finds the end before its first byte.
fn read_exact_or_end(reader: &mut impl Read, buf: &mut [u8; 4]) -> io::Result<bool> {
    let mut filled = Vec::with_capacity(buf.len());
    reader.take(buf.len() as u64).read_to_end(&mut filled)?;
    match <[u8; 4]>::try_from(filled) {
        Ok(bytes) => {
            *buf = bytes;
            Ok(true)
        }
        Err(filled) if filled.is_empty() => Ok(false),
        Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compress(content: &[u8]) -> Vec<u8> {
        let mut writer = SnappyWriter::new(Vec::new());
        writer.write_all(content).unwrap();
        writer.finish().unwrap()
    }

    fn decompress(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        SnappyReader::new(bytes).read_to_end(&mut content).map(|_| content)
    }

    #[test]
    fn content_comes_back() {
        for len in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7] {
            let content: Vec<u8> = (0..len).map(|index| u8::try_from(index / 3 % 251).unwrap()).collect();
            assert_eq!(decompress(&compress(&content)).unwrap(), content, "{len}");
        }
    }

    #[test]
    fn streams_behind_each_other_are_one() {
        let both = [compress(b"one "), compress(b"two")].concat();
        assert_eq!(decompress(&both).unwrap(), b"one two");
    }

    #[test]
    fn broken_streams_are_errors() {
        let whole = compress(&[5; 100]);
        for len in (1..whole.len()).filter(|len| *len != MAGIC.len() + VERSIONS.len()) {
            assert!(decompress(&whole[..len]).is_err(), "{len}");
        }
        let huge = [&MAGIC[..], &VERSIONS, &[0x7f, 0xff, 0xff, 0xff]].concat();
        assert!(decompress(&huge).is_err());
        let bomb = [&MAGIC[..], &VERSIONS, &[0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
        assert!(decompress(&bomb).is_err());
    }
}
