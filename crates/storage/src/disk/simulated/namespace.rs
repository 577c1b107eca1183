use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::super::parent_of;
use super::{Random, key};

/// Directories and names: what a process sees, what the medium has, and the changes between them, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Namespace {
    cache: Entries,
    medium: Entries,
    pending: Vec<(PathBuf, Change)>,
}

#[derive(Debug, Clone, Default)]
struct Entries {
    files: BTreeMap<PathBuf, u64>,
    directories: BTreeSet<PathBuf>,
}

#[derive(Debug, Clone)]
enum Change {
    Link(PathBuf, u64),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, u64),
    Directory(PathBuf),
}

impl Namespace {
    pub(super) fn file(&self, path: &Path) -> io::Result<u64> {
        self.cache.files.get(&key(path)).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn directory(&self, dir: &Path) -> io::Result<()> {
        if self.cache.has_directory(dir) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.cache.files.contains_key(&key(path)) || self.cache.has_directory(path)
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.directory(dir)?;
        let dir = key(dir);
        let entries = self.cache.files.keys().chain(&self.cache.directories);
        let mut names: Vec<_> = entries
            .filter(|path| path.parent() == Some(&dir))
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect();
        names.sort();
        Ok(names)
    }

    pub(super) fn link(&mut self, path: &Path, id: u64) {
        self.record(path, Change::Link(key(path), id));
    }

    pub(super) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        self.record(path, Change::Unlink(key(path)));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let id = self.file(from)?;
        self.record(from, Change::Rename(key(from), key(to), id));
        Ok(())
    }

    pub(super) fn create_dir(&mut self, dir: &Path) -> io::Result<()> {
        if self.exists(dir) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.directory(parent_of(dir))?;
        self.record(dir, Change::Directory(key(dir)));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.directory(dir)?;
        let dir = key(dir);
        for (_, change) in self.pending.extract_if(.., |(parent, _)| *parent == dir) {
            self.medium.apply(&change);
        }
        Ok(())
    }

    /// Each unsynced change is kept or lost, whatever came of the others.
    pub(super) fn crash(&mut self, random: &mut Random) {
        for (_, change) in self.pending.drain(..) {
            if random.below(2) == 0 {
                self.medium.apply(&change);
            }
        }
        self.cache = self.medium.clone();
    }

    /// The files that a name leads to, or may after a crash.
    pub(super) fn inodes(&self) -> BTreeSet<u64> {
        let pending = self.pending.iter().filter_map(|(_, change)| match change {
            Change::Link(_, id) | Change::Rename(_, _, id) => Some(*id),
            Change::Unlink(_) | Change::Directory(_) => None,
        });
        self.cache.files.values().chain(self.medium.files.values()).copied().chain(pending).collect()
    }

    pub(super) fn put_durably(&mut self, path: &Path, id: u64) {
        for entries in [&mut self.cache, &mut self.medium] {
            entries.directories.extend(path.ancestors().skip(1).map(key));
            entries.files.insert(key(path), id);
        }
    }

    fn record(&mut self, path: &Path, change: Change) {
        self.cache.apply(&change);
        self.pending.push((key(parent_of(path)), change));
    }
}

impl Entries {
    /// The root and the working directory are always there.
    fn has_directory(&self, dir: &Path) -> bool {
        let dir = key(dir);
        let is_given = dir == Path::new("/") || dir == Path::new(".") || dir.as_os_str().is_empty();
        is_given || self.directories.contains(&dir)
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Link(path, id) => {
                self.files.insert(path.clone(), *id);
            }
            Change::Unlink(path) => {
                self.files.remove(path);
            }
            Change::Rename(from, to, id) => {
                self.files.remove(from);
                self.files.insert(to.clone(), *id);
            }
            Change::Directory(dir) => {
                self.directories.insert(dir.clone());
            }
        }
    }
}
