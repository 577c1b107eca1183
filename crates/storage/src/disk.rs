//! The few file operations that storage needs, synchronous, on a real or a simulated disk.

mod real;
mod simulated;

use std::io;
use std::path::Path;

pub use real::{RealDisk, RealFile};
pub use simulated::{Fault, SimulatedDisk, SimulatedFile};

/// A file system.
///
/// * Clones are handles to the same disk.
/// * A new or renamed entry is durable only after [`Disk::sync_dir`] of its directory.
pub trait Disk: Clone + Send + Sync + 'static {
    /// An open file.
    type File: DiskFile;

    /// Creates an empty file, or empties an existing one, for reading and writing.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens an existing file for reading only.
    fn open_read(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens an existing file for reading and writing.
    fn open_write(&self, path: &Path) -> io::Result<Self::File>;
    /// Renames within one directory, replacing what is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names of all entries of a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates one directory in an existing one.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes created, renamed and removed entries of a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Whether there is a file or directory of this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Fails when files cannot be created in the directory.
    fn check_writable(&self, dir: &Path) -> io::Result<()>;
    /// Length of a file.
    fn file_len(&self, path: &Path) -> io::Result<u64>;
}

/// An open file; all access names its offset.
#[expect(clippy::len_without_is_empty, reason = "a file is not a collection")]
pub trait DiskFile: Send + std::fmt::Debug + 'static {
    /// Reads at most `buf.len()` bytes; 0 only at or past the end.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
    /// Writes all bytes; a failure may leave a part written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts, or extends with zeros.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Makes content and length durable, as fdatasync does.
    fn sync(&mut self) -> io::Result<()>;
}

/// Fills as much of `buf` as the file has from `offset` on.
pub(crate) fn read_full_at(file: &impl DiskFile, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(offset + filled as u64, rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Creates a directory and its missing parents, each durable before it returns.
pub(crate) fn create_dir_durably<D: Disk>(disk: &D, dir: &Path) -> io::Result<()> {
    if disk.exists(dir)? {
        return Ok(());
    }
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_dir_durably(disk, parent)?;
    }
    match disk.create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    disk.sync_dir(parent_of(dir))
}

/// The directory that holds the entry; "." for a bare name.
pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Replaces a small file: after an error or a crash either the old or the new content is there.
pub(crate) fn write_atomically<D: Disk>(
    disk: &D,
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
) -> io::Result<()> {
    let mut file = disk.create(temporary)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    drop(file);
    disk.rename(temporary, path)?;
    disk.sync_dir(parent_of(path))
}
