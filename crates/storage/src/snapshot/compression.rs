use std::path::Path;

use super::snappy;
use crate::StorageError;
use crate::disk::{Disk, read_full_at};

/// First bytes of a gzip member.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Last bytes of a plain snapshot: the string "/".
const PLAIN_END: [u8; 5] = [0, 0, 0, 1, b'/'];
/// Least length of a plain snapshot.
const PLAIN_BYTES_MIN: u64 = 10;

/// How a snapshot is compressed (`snapshot.compression.method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// One gzip member.
    Gzip,
    /// The stream format of snappy-java.
    Snappy,
}

impl Compression {
    /// The method of this name, or of this last part of a file's name; none for any other name.
    // zk: SnapStream.StreamMode.fromString: case does not count, unknown names mean none
    pub fn from_name(name: &str) -> Self {
        match name {
            _ if name.eq_ignore_ascii_case("gz") => Self::Gzip,
            _ if name.eq_ignore_ascii_case("snappy") => Self::Snappy,
            _ => Self::None,
        }
    }

    /// What the name of a snapshot ends with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Snappy => ".snappy",
        }
    }
}

/// Whether a file looks like a complete snapshot; reading it tells.
// zk: SnapStream.isValidSnapshot
pub(crate) fn looks_whole<D: Disk>(disk: &D, path: &Path, by: Compression) -> Result<bool, StorageError> {
    let failed = |doing| StorageError::io(doing, path);
    let file = disk.open_read(path).map_err(failed("open"))?;
    let begins_with = |magic: &[u8]| -> Result<bool, StorageError> {
        let mut found = vec![0; magic.len()];
        let count = read_full_at(&file, 0, &mut found).map_err(failed("read"))?;
        Ok(count == magic.len() && found == magic)
    };
    match by {
        Compression::Gzip => begins_with(&GZIP_MAGIC),
        Compression::Snappy => begins_with(&snappy::MAGIC),
        Compression::None => {
            let len = disk.file_len(path).map_err(failed("read"))?;
            if len < PLAIN_BYTES_MIN {
                return Ok(false);
            }
            let mut end = [0; PLAIN_END.len()];
            let count = read_full_at(&file, len - end.len() as u64, &mut end).map_err(failed("read"))?;
            Ok(count == end.len() && end == PLAIN_END)
        }
    }
}
