/// Znodes and bytes of data in a part of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Number of znodes.
    pub count: i64,
    /// Bytes of their data.
    pub bytes: i64,
}

impl Usage {
    pub(super) fn add(&mut self, data: Option<&[u8]>) {
        self.count += 1;
        self.bytes += data_len(data);
    }

    pub(super) fn take_away(&mut self, data: Option<&[u8]>) {
        self.count -= 1;
        self.bytes -= data_len(data);
    }
}

/// Length of data; null has none.
pub fn data_len(data: Option<&[u8]>) -> i64 {
    i64::try_from(data.map_or(0, <[u8]>::len)).unwrap_or(i64::MAX)
}
