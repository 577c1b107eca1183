use bytes::{Buf, Bytes, BytesMut};

use crate::outbox::CloseReason;

/// Length of a frame's prefix, and of a four-letter word.
pub(super) const PREFIX_LEN: usize = 4;

/// Bytes received and not yet handled, cut into frames.
///
/// * Memory follows what arrived, never what a prefix announces.
/// * Once a prefix is accepted it is gone from `buffer` and stands in `announced`.
#[derive(Debug, Default)]
pub(super) struct Input {
    buffer: BytesMut,
    announced: Option<usize>,
}

impl Input {
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether nothing is there, not even the prefix of a frame.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.announced.is_none()
    }

    pub(super) fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Drops everything; nothing more will be handled.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next four bytes, if they are there and no frame has begun.
    pub(super) fn peek_prefix(&self) -> Option<[u8; PREFIX_LEN]> {
        if self.announced.is_some() {
            return None;
        }
        self.buffer.first_chunk().copied()
    }

    /// The bytes behind the next four.
    pub(super) fn behind_prefix(&self) -> &[u8] {
        self.buffer.get(PREFIX_LEN..).unwrap_or_default()
    }

    /// Reads the prefix of the next frame; tells its length once, when the prefix is new.
    // zk: NIOServerCnxn.readLength
    pub(super) fn announce(&mut self, limit: usize) -> Result<Option<usize>, CloseReason> {
        let Some(prefix) = self.peek_prefix() else { return Ok(None) };
        let length = i32::from_be_bytes(prefix);
        let len = usize::try_from(length).map_err(|_| CloseReason::NegativeFrame { length })?;
        if len > limit {
            return Err(CloseReason::FrameTooLong { len, limit });
        }
        self.buffer.advance(PREFIX_LEN);
        self.announced = Some(len);
        Ok(Some(len))
    }

    /// Takes the announced frame without its prefix, once all of it is there.
    pub(super) fn take_frame(&mut self) -> Option<Bytes> {
        let len = self.announced.filter(|&len| self.buffer.len() >= len)?;
        self.announced = None;
        Some(self.buffer.split_to(len).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(bytes: &[u8]) -> Input {
        Input { buffer: BytesMut::from(bytes), announced: None }
    }

    #[test]
    fn a_frame_is_told_once_and_taken_whole() {
        let mut input = input(&[0, 0, 0, 2, 7]);
        assert_eq!(input.announce(2), Ok(Some(2)));
        assert_eq!(input.announce(2), Ok(None));
        assert_eq!(input.take_frame(), None);
        input.buffer_mut().extend_from_slice(&[8, 0, 0, 0, 0]);
        assert_eq!(input.take_frame().as_deref(), Some(&[7, 8][..]));
        assert_eq!(input.take_frame(), None);
        assert_eq!(input.announce(2), Ok(Some(0)));
        assert_eq!(input.take_frame().as_deref(), Some(&[][..]));
    }

    #[test]
    fn bad_lengths_have_their_own_reasons() {
        for (prefix, expected) in [
            ([0xff; 4], CloseReason::NegativeFrame { length: -1 }),
            ([0x80, 0, 0, 0], CloseReason::NegativeFrame { length: i32::MIN }),
            ([0, 0, 0, 3], CloseReason::FrameTooLong { len: 3, limit: 2 }),
            ([0x7f, 0xff, 0xff, 0xff], CloseReason::FrameTooLong { len: 0x7fff_ffff, limit: 2 }),
        ] {
            assert_eq!(input(&prefix).announce(2), Err(expected));
        }
        assert_eq!(input(&[0xff, 0xff, 0xff]).announce(2), Ok(None));
    }
}
