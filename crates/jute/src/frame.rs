//! Frames of the client port: a 32-bit length and so many bytes.

use bytes::{Buf, Bytes, BytesMut};

use crate::DecodeError;

/// Greatest frame unless told otherwise: the default of `jute.maxbuffer`.
pub const FRAME_MAX_DEFAULT: usize = 1_048_575;

/// Length of the prefix in bytes.
pub const PREFIX_LEN: usize = size_of::<i32>();

/// Takes one frame off the front of what was received, without its prefix; `None` until all of it is there.
///
/// A negative length, or one above `frame_max`, is an error as soon as the prefix is there.
pub fn split(received: &mut BytesMut, frame_max: usize) -> Result<Option<Bytes>, DecodeError> {
    let Some(prefix) = received.first_chunk::<PREFIX_LEN>() else { return Ok(None) };
    let length = i32::from_be_bytes(*prefix);
    let len = match usize::try_from(length) {
        Ok(len) if len <= frame_max => len,
        Ok(_) | Err(_) => return Err(DecodeError::UnreasonableLength { length, max: frame_max }),
    };
    if received.len() - PREFIX_LEN < len {
        return Ok(None);
    }
    received.advance(PREFIX_LEN);
    Ok(Some(received.split_to(len).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_off_one_by_one() {
        let mut received = BytesMut::from(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1][..]);
        assert_eq!(split(&mut received, 2), Ok(Some(Bytes::from_static(&[7, 8]))));
        assert_eq!(split(&mut received, 2), Ok(Some(Bytes::new())));
        assert_eq!(split(&mut received, 2), Ok(None));
        received.extend_from_slice(&[9]);
        assert_eq!(split(&mut received, 2), Ok(Some(Bytes::from_static(&[9]))));
        assert_eq!(split(&mut received, 2), Ok(None));
    }

    #[test]
    fn a_bad_length_fails_at_once() {
        for (prefix, length) in [([0, 0, 0, 3], 3), ([0xff; 4], -1)] {
            let mut received = BytesMut::from(&prefix[..]);
            assert_eq!(split(&mut received, 2), Err(DecodeError::UnreasonableLength { length, max: 2 }));
        }
    }
}
