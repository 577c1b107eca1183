use bytes::{Buf, Bytes, BytesMut};

use super::{Measure, StreamError};

/// Bytes that came and were not read.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: BytesMut,
    /// Nothing can be read before so many bytes are here.
    needed: usize,
}

impl Buffer {
    pub(super) fn feed(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the next item, once it is here. It gets memory of its own: what is kept of it must not keep its neighbours.
    pub(super) fn take(
        &mut self,
        measure: impl FnOnce(&[u8]) -> Result<Measure, StreamError>,
    ) -> Result<Option<Bytes>, StreamError> {
        if self.len() < self.needed {
            return Ok(None);
        }
        match measure(&self.bytes)? {
            Measure::Whole(length) => {
                let item = self.bytes.get(..length).map(Bytes::copy_from_slice);
                self.consume(length);
                Ok(item)
            }
            Measure::Needs(needed) => {
                self.needed = needed;
                Ok(None)
            }
        }
    }

    /// Lets `read` look at what is here; it says what it made of it and how much it read. When it made nothing, `measure` says how
    /// much the rest needs to become something.
    pub(super) fn read<T, E>(
        &mut self,
        measure: impl FnOnce(&[u8]) -> usize,
        read: impl FnOnce(&[u8]) -> Result<(Option<T>, usize), E>,
    ) -> Result<Option<T>, E> {
        if self.len() < self.needed {
            return Ok(None);
        }
        let (item, length) = read(&self.bytes)?;
        self.consume(length);
        if item.is_none() {
            self.needed = measure(&self.bytes);
        }
        Ok(item)
    }

    fn consume(&mut self, length: usize) {
        self.bytes.advance(length.min(self.bytes.len()));
        self.needed = 0;
    }
}
