use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use jute::persistence::FileHeader;
use jute::snapshot::SnapshotItem;
use jute::{Record, Zxid};
use simd_adler32::Adler32;

use super::snappy::SnappyWriter;
use super::{Compression, DBID, MAGIC, Trailers, VERSION};
use crate::StorageError;
use crate::disk::{Disk, DiskFile};
use crate::names::{PARTIAL_SNAPSHOT_PREFIX, snapshot_name};

/// How much is written to the disk at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// A complete, durable snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// The file.
    pub path: PathBuf,
    /// The zxid in its name.
    pub zxid: Zxid,
    /// Its length on disk.
    pub len: u64,
}

/// Writes a snapshot under a name that nobody takes for one; [`SnapshotWriter::finish`] gives it its name.
///
/// * A snapshot with its name is complete and durable.
/// * Dropped before the end, the writer leaves a partial file that the next [`Store::open`](crate::Store::open) removes.
pub struct SnapshotWriter<D: Disk> {
    disk: D,
    dir: PathBuf,
    partial: PathBuf,
    zxid: Zxid,
    compression: Compression,
    output: Output<D::File>,
    checksum: Adler32,
    buffer: Vec<u8>,
}

/// A snapshot that is complete and durable, under a name that nobody takes for one.
pub(crate) struct UnnamedSnapshot<D> {
    disk: D,
    dir: PathBuf,
    partial: PathBuf,
    file: SnapshotFile,
}

enum Output<F: DiskFile> {
    Plain(BufWriter<Appender<F>>),
    Gzip(Box<GzEncoder<BufWriter<Appender<F>>>>),
    Snappy(SnappyWriter<BufWriter<Appender<F>>>),
}

/// Writes to a file from its beginning on.
struct Appender<F> {
    file: F,
    position: u64,
}

impl<D: Disk> SnapshotWriter<D> {
    /// Begins the snapshot of the state at `zxid`.
    pub fn create(disk: &D, dir: &Path, zxid: Zxid, compression: Compression) -> Result<Self, StorageError> {
        let name = snapshot_name(zxid, compression);
        let partial = dir.join(format!("{PARTIAL_SNAPSHOT_PREFIX}{name}"));
        let file = disk.create(&partial).map_err(StorageError::io("create", &partial))?;
        let buffered = BufWriter::with_capacity(CHUNK_BYTES, Appender { file, position: 0 });
        let output = match compression {
            Compression::None => Output::Plain(buffered),
            Compression::Gzip => {
                Output::Gzip(Box::new(GzEncoder::new(buffered, flate2::Compression::default())))
            }
            Compression::Snappy => Output::Snappy(SnappyWriter::new(buffered)),
        };
        let mut writer = Self {
            disk: disk.clone(),
            dir: dir.to_owned(),
            partial,
            zxid,
            compression,
            output,
            checksum: Adler32::new(),
            buffer: Vec::new(),
        };
        writer.write(|out| FileHeader { magic: MAGIC, version: VERSION, dbid: DBID }.encode(out))?;
        Ok(writer)
    }

    /// Writes the next item. The last one is [`SnapshotItem::End`]. After an error the partial file is gone, if the disk lets
    /// it go: what failed for lack of space must not keep it.
    pub fn push(&mut self, item: &SnapshotItem) -> Result<(), StorageError> {
        self.write(|out| item.encode(out))
            .inspect_err(|_| self.disk.remove(&self.partial).unwrap_or_default())
    }

    /// Seals the snapshot, makes it durable and gives it its name. After an error the partial file is gone, if the disk lets
    /// it go.
    pub fn finish(self, trailers: Trailers) -> Result<SnapshotFile, StorageError> {
        self.complete(trailers)?.give_name()
    }

    /// Seals the snapshot and makes it durable, still without its name.
    pub(crate) fn complete(self, trailers: Trailers) -> Result<UnnamedSnapshot<D>, StorageError> {
        let (disk, partial) = (self.disk.clone(), self.partial.clone());
        self.seal_all(trailers).inspect_err(|_| disk.remove(&partial).unwrap_or_default())
    }

    /// The zxid of the state that it holds.
    pub(crate) fn zxid(&self) -> Zxid {
        self.zxid
    }

    fn seal_all(mut self, trailers: Trailers) -> Result<UnnamedSnapshot<D>, StorageError> {
        self.seal()?;
        if let Some(digest) = trailers.digest {
            self.write(|out| {
                jute::write::long(out, digest.zxid.0);
                jute::write::int(out, digest.version);
                jute::write::long(out, digest.digest);
            })?;
            self.seal()?;
        }
        if let Some(zxid) = trailers.last_processed {
            self.write(|out| jute::write::long(out, zxid.0))?;
            self.seal()?;
        }
        let path = self.dir.join(snapshot_name(self.zxid, self.compression));
        let mut appender = self.output.finish().map_err(StorageError::io("write", &self.partial))?;
        appender.file.sync().map_err(StorageError::io("sync", &self.partial))?;
        let file = SnapshotFile { path, zxid: self.zxid, len: appender.position };
        Ok(UnnamedSnapshot { disk: self.disk, dir: self.dir, partial: self.partial, file })
    }

    /// Gives up: removes what was written.
    pub fn abort(self) -> Result<(), StorageError> {
        self.disk.remove(&self.partial).map_err(StorageError::io("remove", &self.partial))
    }

    // zk: SnapStream.sealStream: the checksum of all before, earlier seals too
    fn seal(&mut self) -> Result<(), StorageError> {
        let checksum = i64::from(self.checksum.finish());
        self.write(|out| {
            jute::write::long(out, checksum);
            jute::write::string(out, "/");
        })
    }

    fn write(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), StorageError> {
        self.buffer.clear();
        encode(&mut self.buffer);
        self.checksum.write(&self.buffer);
        self.output.write_all(&self.buffer).map_err(StorageError::io("write", &self.partial))
    }
}

impl<D: Disk> UnnamedSnapshot<D> {
    /// Gives it its name, durably. After an error the partial file is gone, if the disk lets it go.
    pub(crate) fn give_name(self) -> Result<SnapshotFile, StorageError> {
        self.rename().inspect_err(|_| self.discard())?;
        Ok(self.file)
    }

    /// Removes it, if the disk lets it go.
    pub(crate) fn discard(&self) {
        self.disk.remove(&self.partial).unwrap_or_default();
    }

    fn rename(&self) -> Result<(), StorageError> {
        self.disk
            .rename(&self.partial, &self.file.path)
            .map_err(StorageError::io("rename", &self.partial))?;
        self.disk.sync_dir(&self.dir).map_err(StorageError::io("sync", &self.dir))
    }
}

impl<F: DiskFile> Output<F> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(output) => output.write_all(bytes),
            Self::Gzip(output) => output.write_all(bytes),
            Self::Snappy(output) => output.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<Appender<F>> {
        let buffered = match self {
            Self::Plain(output) => output,
            Self::Gzip(output) => output.finish()?,
            Self::Snappy(output) => output.finish()?,
        };
        buffered.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl<F: DiskFile> Write for Appender<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.position, bytes)?;
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
