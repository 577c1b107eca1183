//! A disk in memory with a page cache that a crash loses.
//!
//! * A file is a set of 512-byte sectors; a write reaches the cache, [`DiskFile::sync`] the medium.
//! * Directory entries are durable only after [`Disk::sync_dir`].
//! * [`SimulatedDisk::crash`] decides for each unsynced sector, length and entry, by the seed, whether it survived.
//! * A failed sync leaves the sectors readable but clean: a later sync does not write them (as Linux does).

mod namespace;
mod sectors;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::namespace::Namespace;
use self::sectors::Inode;
use super::{Disk, DiskFile, parent_of};

const EIO: i32 = 5;
const EROFS: i32 = 30;
const ENOSPC: i32 = 28;

/// What an operation fails with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The medium fails; a sync loses what it should have written.
    Eio,
    /// There is no space; a write may leave its first part.
    NoSpace,
    /// The process ends here: this and all later operations fail, reads too, until [`SimulatedDisk::crash`].
    Cut,
}

/// A deterministic disk; clones are handles to the same one.
///
/// Operations that change something (create, write, set_len, sync, rename, remove, create_dir, sync_dir) are counted.
#[derive(Debug, Clone, Default)]
pub struct SimulatedDisk(Arc<Mutex<Machine>>);

/// A file of a simulated disk.
#[derive(Debug)]
pub struct SimulatedFile {
    disk: SimulatedDisk,
    inode: u64,
    boot: u64,
}

#[derive(Debug, Clone, Default)]
struct Machine {
    inodes: BTreeMap<u64, Arc<Inode>>,
    names: Namespace,
    next_inode: u64,
    boot: u64,
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    is_cut: bool,
    ignores_sync_dir: bool,
}

impl SimulatedDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy that goes its own way from here on.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().clone())))
    }

    /// Number of changing operations so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Makes the changing operation with this number fail; the first one has the number 0.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.lock().faults.insert(operation, fault);
    }

    /// Forgets the faults that are planned and have not come; what a reached [`Fault::Cut`] ended stays ended.
    pub fn mend(&self) {
        self.lock().faults.clear();
    }

    /// Lets [`Disk::sync_dir`] do nothing from now on: for those who want to see what it is good for.
    pub fn ignore_sync_dir(&self) {
        self.lock().ignores_sync_dir = true;
    }

    /// Whether a [`Fault::Cut`] was reached.
    pub fn is_cut(&self) -> bool {
        self.lock().is_cut
    }

    /// Loses power: each unsynced sector, length and directory entry is kept, lost or torn by the seed. Open files fail from
    /// now on, planned faults are forgotten.
    pub fn crash(&self, seed: u64) {
        let mut machine = self.lock();
        let mut random = Random(seed);
        let Machine { inodes, names, .. } = &mut *machine;
        for inode in inodes.values_mut().filter(|inode| inode.is_unsynced()) {
            Arc::make_mut(inode).crash(&mut random);
        }
        names.crash(&mut random);
        machine.restart();
    }

    /// Ends the process but not the machine: what was written stays in the cache, unsynced.
    pub fn kill(&self) {
        self.lock().restart();
    }

    /// Inverts one bit of a file, in cache and on the medium; nothing happens past the end.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        let mut machine = self.lock();
        let id = machine.names.file(path)?;
        machine.inode(id)?.flip_bit(offset, bit);
        Ok(())
    }

    /// The content of a file as a process would read it.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open_read(path)?;
        let mut content = vec![0; usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?];
        file.read_at(0, &mut content)?;
        Ok(content)
    }

    /// Puts a durable file there; its directories come to be as needed. Not a counted operation.
    pub fn put(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut machine = self.lock();
        machine.next_inode += 1;
        let id = machine.next_inode;
        let mut inode = Inode::default();
        inode.write(0, content);
        inode.sync();
        machine.inodes.insert(id, Arc::new(inode));
        machine.names.put_durably(path, id);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, path: &Path) -> io::Result<SimulatedFile> {
        let machine = self.lock();
        machine.check_running()?;
        let inode = machine.names.file(path)?;
        Ok(SimulatedFile { disk: self.clone(), inode, boot: machine.boot })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Machine) -> io::Result<T>) -> io::Result<T> {
        let mut machine = self.lock();
        match machine.count_operation()? {
            None => change(&mut machine),
            Some(fault) => Err(fault.into()),
        }
    }
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn create(&self, path: &Path) -> io::Result<SimulatedFile> {
        self.change(|machine| {
            machine.names.directory(parent_of(path))?;
            let inode = match machine.names.file(path) {
                Ok(id) => {
                    machine.inode(id)?.set_len(0);
                    id
                }
                Err(_) => {
                    machine.next_inode += 1;
                    let id = machine.next_inode;
                    machine.inodes.insert(id, Arc::default());
                    machine.names.link(path, id);
                    id
                }
            };
            Ok(SimulatedFile { disk: self.clone(), inode, boot: machine.boot })
        })
    }

    fn open_read(&self, path: &Path) -> io::Result<SimulatedFile> {
        self.open(path)
    }

    fn open_write(&self, path: &Path) -> io::Result<SimulatedFile> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|machine| machine.names.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|machine| machine.names.unlink(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let machine = self.lock();
        machine.check_running()?;
        machine.names.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(|machine| machine.names.create_dir(dir))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(|machine| match machine.ignores_sync_dir {
            true => Ok(()),
            false => machine.names.sync_dir(dir),
        })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let machine = self.lock();
        machine.check_running()?;
        Ok(machine.names.exists(path))
    }

    fn check_writable(&self, dir: &Path) -> io::Result<()> {
        let machine = self.lock();
        machine.check_running()?;
        machine.names.directory(dir)
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        self.open(path)?.len()
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let machine = self.disk.lock();
        machine.check_handle(self.boot)?;
        Ok(machine.inode_below(self.inode)?.read(offset, buf))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut machine = self.disk.lock();
        machine.check_handle(self.boot)?;
        let fault = machine.count_operation()?;
        let inode = machine.inode(self.inode)?;
        match fault {
            None => inode.write(offset, bytes),
            Some(fault) => {
                inode.write(offset, bytes.get(..bytes.len() / 2).unwrap_or_default());
                return Err(fault.into());
            }
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let machine = self.disk.lock();
        machine.check_handle(self.boot)?;
        Ok(machine.inode_below(self.inode)?.len())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.disk.change(|machine| {
            machine.check_handle(self.boot)?;
            machine.inode(self.inode)?.set_len(len);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut machine = self.disk.lock();
        machine.check_handle(self.boot)?;
        let fault = machine.count_operation()?;
        let inode = machine.inode(self.inode)?;
        match fault {
            None => inode.sync(),
            Some(Fault::Cut) => return Err(Fault::Cut.into()),
            Some(fault) => {
                inode.lose_pending();
                return Err(fault.into());
            }
        }
        Ok(())
    }
}

impl Machine {
    fn restart(&mut self) {
        self.boot += 1;
        self.is_cut = false;
        self.faults.clear();
        // No process has a file open that has no name.
        let named = self.names.inodes();
        self.inodes.retain(|id, _| named.contains(id));
    }

    fn count_operation(&mut self) -> io::Result<Option<Fault>> {
        self.check_running()?;
        let fault = self.faults.remove(&self.operations);
        self.operations += 1;
        self.is_cut = fault == Some(Fault::Cut);
        Ok(fault)
    }

    fn check_running(&self) -> io::Result<()> {
        if self.is_cut { Err(Fault::Cut.into()) } else { Ok(()) }
    }

    fn check_handle(&self, boot: u64) -> io::Result<()> {
        if self.boot == boot { self.check_running() } else { Err(Fault::Cut.into()) }
    }

    fn inode(&mut self, id: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&id).map(Arc::make_mut).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn inode_below(&self, id: u64) -> io::Result<&Inode> {
        self.inodes.get(&id).map(Arc::as_ref).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::from_raw_os_error(match fault {
            Fault::Eio => EIO,
            Fault::NoSpace => ENOSPC,
            Fault::Cut => EROFS,
        })
    }
}

/// A small generator (splitmix64), so that the same seed loses the same sectors.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The path without a trailing difference in notation.
fn key(path: &Path) -> PathBuf {
    path.components().collect()
}

#[cfg(test)]
mod tests;
