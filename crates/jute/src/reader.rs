use alloc::{string::String, vec::Vec};

use bytes::Bytes;

use crate::{DecodeError, java_string};

/// Greatest string or buffer unless told otherwise: `jute.maxbuffer` plus the extra of the same size, both at their defaults.
// zk: BinaryInputArchive.checkLength: the limit on each field
pub const FIELD_MAX_DEFAULT: usize = 2 * 1_048_575;

/// A cursor over bytes in Jute encoding.
///
/// * Never reads past the end, never panics, never allocates before a length is checked against limit and remainder.
/// * After an error the position is that of the field that failed or behind its length.
/// * Over [`Bytes`] each buffer is a slice of the input that shares its memory; over a plain slice it is a copy.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    data: &'a [u8],
    shared: Option<&'a Bytes>,
    position: usize,
    field_max: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`; buffers share its memory.
    pub fn new(bytes: &'a Bytes) -> Self {
        Self { data: bytes, shared: Some(bytes), position: 0, field_max: FIELD_MAX_DEFAULT }
    }

    /// A reader at the start of a plain slice; buffers are copied.
    pub fn from_slice(data: &'a [u8]) -> Self {
        Self { data, shared: None, position: 0, field_max: FIELD_MAX_DEFAULT }
    }

    /// The same reader with another limit on each string and buffer.
    #[must_use]
    pub fn with_limit(self, field_max: usize) -> Self {
        Self { field_max, ..self }
    }

    /// The limit on each string and buffer.
    pub fn limit(&self) -> usize {
        self.field_max
    }

    /// Number of bytes already read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Number of bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.data.len().saturating_sub(self.position)
    }

    /// Whether all bytes are read.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// Reads all that is left.
    pub fn rest(&mut self) -> Bytes {
        self.shared_or_copied(self.remaining()).unwrap_or_default()
    }

    /// Reads `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let truncated = DecodeError::Truncated { needed: len, remaining: self.remaining() };
        let end = self.position.checked_add(len).ok_or(truncated)?;
        let taken = self.data.get(self.position..end).ok_or(truncated)?;
        self.position = end;
        Ok(taken)
    }

    /// Reads one byte.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Reads a boolean: any byte but zero is true.
    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        self.byte().map(|byte| byte != 0)
    }

    /// Reads a 32-bit number.
    pub fn int(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    /// Reads a 64-bit number.
    pub fn long(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// Reads a buffer; `None` is null.
    pub fn buffer(&mut self) -> Result<Option<Bytes>, DecodeError> {
        self.field_len()?.map(|len| self.shared_or_copied(len)).transpose()
    }

    /// Reads a buffer that must not be null.
    pub fn required_buffer(&mut self, field: &'static str) -> Result<Bytes, DecodeError> {
        self.buffer()?.ok_or(DecodeError::Null { field })
    }

    /// Reads a string; `None` is null. Malformed UTF-8 is replaced as Java replaces it.
    pub fn string(&mut self) -> Result<Option<String>, DecodeError> {
        self.field_len()?.map(|len| self.take(len).map(java_string::decode)).transpose()
    }

    /// Reads a string that must not be null.
    pub fn required_string(&mut self, field: &'static str) -> Result<String, DecodeError> {
        self.string()?.ok_or(DecodeError::Null { field })
    }

    /// Reads the length of a vector; `None` is null, any other negative number is an empty vector.
    ///
    /// The number is what the input claims: it must not be allocated for.
    // zk: BinaryInputArchive.startVector, BinaryIndex.done: only -1 is null, a loop over less than one item is empty
    pub fn vector_len(&mut self) -> Result<Option<usize>, DecodeError> {
        match self.int()? {
            -1 => Ok(None),
            len => Ok(Some(usize::try_from(len).unwrap_or(0))),
        }
    }

    /// Reads a vector; `None` is null. It grows as items arrive.
    pub fn vector<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(len) = self.vector_len()? else { return Ok(None) };
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(item(self)?);
        }
        Ok(Some(items))
    }

    /// Reads a vector that must not be null.
    pub fn required_vector<T>(
        &mut self,
        field: &'static str,
        item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        self.vector(item)?.ok_or(DecodeError::Null { field })
    }

    /// Length of the string or buffer that follows, within the limit; `None` is null.
    fn field_len(&mut self) -> Result<Option<usize>, DecodeError> {
        let length = self.int()?;
        if length == -1 {
            return Ok(None);
        }
        match usize::try_from(length) {
            Ok(len) if len <= self.field_max => Ok(Some(len)),
            Ok(_) | Err(_) => Err(DecodeError::UnreasonableLength { length, max: self.field_max }),
        }
    }

    fn shared_or_copied(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        let start = self.position;
        let taken = self.take(len)?;
        Ok(match self.shared {
            Some(bytes) => bytes.slice(start..self.position),
            None => Bytes::copy_from_slice(taken),
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_big_endian() {
        let mut reader = Reader::from_slice(&[0, 0, 1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 7]);
        assert_eq!(reader.int(), Ok(258));
        assert_eq!(reader.long(), Ok(-2));
        assert_eq!(reader.boolean(), Ok(true));
        assert_eq!(reader.byte(), Err(DecodeError::Truncated { needed: 1, remaining: 0 }));
    }

    #[test]
    fn null_empty_and_bad_lengths_differ() {
        let unreasonable = |length| Err(DecodeError::UnreasonableLength { length, max: 3 });
        let cases: [(&[u8], Result<_, _>); 6] = [
            (&[0xff, 0xff, 0xff, 0xff], Ok(None)),
            (&[0, 0, 0, 0], Ok(Some(Bytes::new()))),
            (&[0, 0, 0, 3, 1, 2, 3], Ok(Some(Bytes::from_static(&[1, 2, 3])))),
            (&[0, 0, 0, 3, 1, 2], Err(DecodeError::Truncated { needed: 3, remaining: 2 })),
            (&[0, 0, 0, 4, 1, 2, 3, 4], unreasonable(4)),
            (&[0xff, 0xff, 0xff, 0xfe], unreasonable(-2)),
        ];
        for (input, expected) in cases {
            assert_eq!(Reader::from_slice(input).with_limit(3).buffer(), expected, "{input:x?}");
        }
    }

    #[test]
    fn only_minus_one_is_a_null_vector() {
        for (len, expected) in [(-1, None), (-2, Some(0)), (i32::MIN, Some(0)), (0, Some(0)), (7, Some(7))] {
            assert_eq!(Reader::from_slice(&len.to_be_bytes()).vector_len(), Ok(expected), "{len}");
        }
    }

    #[test]
    fn a_vector_that_claims_too_much_fails_without_allocating_for_it() {
        let input = i32::MAX.to_be_bytes();
        let outcome = Reader::from_slice(&input).vector(Reader::long);
        assert_eq!(outcome, Err(DecodeError::Truncated { needed: 8, remaining: 0 }));
    }

    #[test]
    fn buffers_share_the_memory_of_the_frame() {
        let frame = Bytes::copy_from_slice(&[0, 0, 0, 2, 8, 9, 1]);
        let mut reader = Reader::new(&frame);
        let buffer = reader.required_buffer("test").unwrap();
        assert_eq!(buffer.as_ptr(), frame[4..].as_ptr());
        assert_eq!(reader.rest().as_ptr(), frame[6..].as_ptr());
        assert!(reader.is_empty());
    }

    #[test]
    fn a_missing_value_names_its_field() {
        let null = [0xff; 4];
        assert_eq!(
            Reader::from_slice(&null).required_string("Id.scheme"),
            Err(DecodeError::Null { field: "Id.scheme" })
        );
    }
}
