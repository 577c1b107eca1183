//! The files that hold the membership: the configuration file, the dynamic file that it names, and the proposed one.
//!
//! ```text
//! zoo.cfg                   dynamicConfigFile=…/zoo.cfg.dynamic.100000005
//! zoo.cfg.dynamic.100000005 the membership in force
//! zoo.cfg.dynamic.next      one that was proposed
//! zoo.cfg.bak               the configuration file before its membership moved into a dynamic file
//! ```
//!
//! * Each file is replaced as a whole, and what names a file is written behind it: a crash leaves the old or the new.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, parent_of, read_full_at, write_atomically};

/// The configuration file of a member and those beside it.
#[derive(Debug, Clone)]
pub struct MembershipFiles<D> {
    disk: D,
    config: PathBuf,
}

/// No configuration file is longer.
const BYTES_MAX: u64 = 16 << 20;

impl<D: Disk> MembershipFiles<D> {
    /// The files beside a configuration file.
    pub fn new(disk: D, config: PathBuf) -> Self {
        Self { disk, config }
    }

    /// The name of the dynamic file of a version.
    // zk: QuorumPeer.makeDynamicConfigFilename
    pub fn dynamic(&self, version: i64) -> PathBuf {
        self.beside(&format!(".dynamic.{version:x}"))
    }

    /// The name of the file for what was proposed.
    // zk: QuorumPeerConfig.nextDynamicConfigFileSuffix
    pub fn next(&self) -> PathBuf {
        self.beside(".dynamic.next")
    }

    /// Writes what is proposed; durable on return.
    // zk: QuorumPeer.setLastSeenQuorumVerifier
    pub fn propose(&self, text: &[u8]) -> io::Result<()> {
        self.write(&self.next(), text)
    }

    /// Makes a membership the one that the next start finds: its file first, then `edit` of the configuration file, which is
    /// told the name; durable on return.
    // zk: QuorumPeer.setQuorumVerifier
    pub fn activate(
        &self,
        version: i64,
        text: &[u8],
        edit: impl FnOnce(&[u8], &Path) -> Vec<u8>,
    ) -> io::Result<()> {
        let dynamic = self.dynamic(version);
        self.write(&dynamic, text)?;
        let edited = edit(&self.read(&self.config)?, &dynamic);
        self.write(&self.config, &edited)
    }

    /// What was proposed is in force, or is none any longer.
    pub fn forget_proposed(&self) -> io::Result<()> {
        if self.disk.exists(&self.next())? {
            self.disk.remove(&self.next())?;
        }
        Ok(())
    }

    /// A start makes durable what it found: the process before it may have ended between the change of a name and the sync of
    /// the directory.
    pub fn settle(&self) -> io::Result<()> {
        self.disk.sync_dir(parent_of(&self.config))
    }

    /// Keeps the configuration file as it is now.
    // zk: QuorumPeerConfig.backupOldConfig
    pub fn back_up(&self) -> io::Result<()> {
        self.write(&self.beside(".bak"), &self.read(&self.config)?)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.config.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = path.to_owned().into_os_string();
        temporary.push(".tmp");
        write_atomically(&self.disk, Path::new(&temporary), path, bytes)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let len = self.disk.file_len(path)?;
        let len = usize::try_from(len).ok().filter(|_| len <= BYTES_MAX);
        let len = len.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is too long"))?;
        let mut bytes = vec![0; len];
        let file = self.disk.open_read(path)?;
        let read = read_full_at(&file, 0, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}
