use alloc::vec::Vec;

use crate::{DecodeError, Reader};

/// A value with one Jute encoding: the concatenation of its fields.
pub trait Record: Sized {
    /// Reads the value; bytes behind it stay in the reader.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Appends the encoding of the value.
    fn encode(&self, out: &mut Vec<u8>);

    /// The encoding of the value in a vector of its own.
    fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// Reads the value from the start of a slice.
    fn from_slice(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(&mut Reader::from_slice(bytes))
    }
}
