//! Snapshots: streams of items, sealed, perhaps compressed.

mod compression;
mod reader;
mod snappy;
mod writer;

use jute::Zxid;

pub use compression::Compression;
pub use reader::SnapshotReader;
pub use writer::{SnapshotFile, SnapshotWriter};

pub(crate) use compression::looks_whole;

/// "ZKSN".
const MAGIC: i32 = 0x5a4b_534e;
const VERSION: i32 = 2;
const DBID: i64 = -1;
/// Length of the header.
const HEADER_BYTES: usize = 16;
/// A seal is a checksum and the string "/".
const SEAL_BYTES: usize = 13;

/// The digest of the tree as a snapshot carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotDigest {
    /// The transaction after which the tree had this digest; 0 when the writer knew none.
    pub zxid: Zxid,
    /// Version of the way to compute it.
    pub version: i32,
    /// The digest.
    pub digest: i64,
}

/// What follows the znodes of a snapshot. Each part may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trailers {
    /// Digest of the tree (`digest.enabled`).
    pub digest: Option<SnapshotDigest>,
    /// The last transaction in the snapshot (`serializeLastProcessedZxid.enabled`).
    pub last_processed: Option<Zxid>,
}
