use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Random;

/// What a disk writes at once, or not at all.
const SECTOR: u64 = 512;
const SECTOR_BYTES: usize = 512;

type Sector = [u8; SECTOR_BYTES];

/// A file: what a process sees, what the medium has, and which sectors differ.
#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    cache: Content,
    medium: Content,
    dirty: BTreeSet<u64>,
    /// A sync failed: what it should have written is in the cache alone.
    has_lost: bool,
}

#[derive(Debug, Clone, Default)]
struct Content {
    /// Missing sectors are zero. Cache and medium share those that are the same.
    sectors: BTreeMap<u64, Arc<Sector>>,
    len: u64,
}

impl Inode {
    pub(super) fn len(&self) -> u64 {
        self.cache.len
    }

    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let available = usize::try_from(self.cache.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = buf.len().min(available);
        let mut filled = 0;
        while filled < count {
            let (sector, start) = place(offset + filled as u64);
            let part = (SECTOR_BYTES - start).min(count - filled);
            let Some(target) = buf.get_mut(filled..filled + part) else { break };
            match self.cache.sectors.get(&sector).and_then(|bytes| bytes.get(start..start + part)) {
                Some(bytes) => target.copy_from_slice(bytes),
                None => target.fill(0),
            }
            filled += part;
        }
        filled
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let mut written = 0;
        while written < bytes.len() {
            let (sector, start) = place(offset + written as u64);
            let part = (SECTOR_BYTES - start).min(bytes.len() - written);
            let content = Arc::make_mut(self.cache.sectors.entry(sector).or_insert_with(zeros));
            if let (Some(target), Some(source)) =
                (content.get_mut(start..start + part), bytes.get(written..written + part))
            {
                target.copy_from_slice(source);
            }
            self.dirty.insert(sector);
            written += part;
        }
        self.cache.len = self.cache.len.max(offset + bytes.len() as u64);
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.cache.len {
            self.dirty.extend(self.cache.sectors.range(len / SECTOR..).map(|(sector, _)| *sector));
            self.cache.cut(len);
        }
        self.cache.len = len;
    }

    pub(super) fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            match self.cache.sectors.get(&sector) {
                Some(bytes) => drop(self.medium.sectors.insert(sector, Arc::clone(bytes))),
                None => drop(self.medium.sectors.remove(&sector)),
            }
        }
        self.medium.len = self.cache.len;
    }

    /// After a failed sync: the cache still shows what the medium never got, and no later sync writes it.
    pub(super) fn lose_pending(&mut self) {
        self.dirty.clear();
        self.has_lost = true;
    }

    pub(super) fn flip_bit(&mut self, offset: u64, bit: u8) {
        let (sector, start) = place(offset);
        for content in [&mut self.cache, &mut self.medium] {
            if offset < content.len {
                let bytes = Arc::make_mut(content.sectors.entry(sector).or_insert_with(zeros));
                if let Some(byte) = bytes.get_mut(start) {
                    *byte ^= 1 << (bit % 8);
                }
            }
        }
    }

    /// Whether the medium lacks something.
    pub(super) fn is_unsynced(&self) -> bool {
        self.has_lost || !self.dirty.is_empty() || self.cache.len != self.medium.len
    }

    /// Each unsynced sector and length is lost, kept or (sectors) torn.
    pub(super) fn crash(&mut self, random: &mut Random) {
        for sector in std::mem::take(&mut self.dirty) {
            let old = self.medium.sectors.get(&sector).cloned().unwrap_or_else(zeros);
            let new = self.cache.sectors.get(&sector).cloned().unwrap_or_else(zeros);
            match random.below(5) {
                0 | 1 => {}
                2 | 3 => drop(self.medium.sectors.insert(sector, new)),
                _ => drop(self.medium.sectors.insert(sector, Arc::new(torn(&old, &new, random)))),
            }
        }
        let (low, high) = (self.medium.len.min(self.cache.len), self.medium.len.max(self.cache.len));
        let len = match random.below(3) {
            0 => self.medium.len,
            1 => self.cache.len,
            _ => low + random.below(high - low + 1),
        };
        self.medium.cut(len);
        self.medium.len = len;
        self.cache = self.medium.clone();
        self.has_lost = false;
    }
}

impl Content {
    /// Forgets the bytes from `len` on.
    fn cut(&mut self, len: u64) {
        let (sector, start) = place(len);
        drop(self.sectors.split_off(&(sector + 1)));
        if let Some(tail) =
            self.sectors.get_mut(&sector).and_then(|bytes| Arc::make_mut(bytes).get_mut(start..))
        {
            tail.fill(0);
        }
    }
}

fn zeros() -> Arc<Sector> {
    Arc::new([0; SECTOR_BYTES])
}

fn place(offset: u64) -> (u64, usize) {
    (offset / SECTOR, usize::try_from(offset % SECTOR).expect("invariant: below 512"))
}

/// The first part of the new sector over the old one.
fn torn(old: &Sector, new: &Sector, random: &mut Random) -> Sector {
    let at = usize::try_from(random.below(SECTOR)).expect("invariant: below 512");
    let mut mixed = *old;
    for (target, source) in mixed.iter_mut().zip(new).take(at) {
        *target = *source;
    }
    mixed
}
