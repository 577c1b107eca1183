//! A small Jute writer and reader, written apart from the project's own codec so that the two check each other.

use std::fmt;

/// Builds a request body.
#[derive(Default, Clone)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn int(mut self, value: i32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn long(mut self, value: i64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn boolean(mut self, value: bool) -> Self {
        self.0.push(u8::from(value));
        self
    }

    /// A buffer or a string; `None` is null.
    pub(crate) fn buffer(self, value: Option<&[u8]>) -> Self {
        match value {
            None => self.int(-1),
            Some(bytes) => {
                let mut writer = self.int(bytes.len() as i32);
                writer.0.extend_from_slice(bytes);
                writer
            }
        }
    }

    pub(crate) fn string(self, value: &str) -> Self {
        self.buffer(Some(value.as_bytes()))
    }

    pub(crate) fn strings(self, values: &[Vec<u8>]) -> Self {
        values.iter().fold(self.int(values.len() as i32), |writer, value| writer.buffer(Some(value)))
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// A reply ended before the field that was expected.
#[derive(Debug)]
pub(crate) struct Short;

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reply is shorter than its record")
    }
}

impl std::error::Error for Short {}

/// Takes fields off the front of a reply.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Short)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn int(&mut self) -> Result<i32, Short> {
        let bytes = self.take(4)?.try_into().map_err(|_| Short)?;
        Ok(i32::from_be_bytes(bytes))
    }

    pub(crate) fn long(&mut self) -> Result<i64, Short> {
        let bytes = self.take(8)?.try_into().map_err(|_| Short)?;
        Ok(i64::from_be_bytes(bytes))
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, Short> {
        Ok(self.take(1)?[0] != 0)
    }

    pub(crate) fn buffer(&mut self) -> Result<Option<&'a [u8]>, Short> {
        match self.int()? {
            -1 => Ok(None),
            length => self.take(usize::try_from(length).map_err(|_| Short)?).map(Some),
        }
    }

    pub(crate) fn string(&mut self) -> Result<String, Short> {
        Ok(self.buffer()?.map_or_else(|| "<null>".to_owned(), escaped))
    }

    pub(crate) fn strings(&mut self) -> Result<Vec<String>, Short> {
        let count = self.int()?;
        (0..count.max(0)).map(|_| self.string()).collect()
    }
}

/// Printable ASCII as it is, every other byte as `\xNN`: two strings are equal when their bytes are.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// A random source whose whole state is its seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// True in `percent` of the calls.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}
