//! Bit rot: a bit of what was durable turns over, on one machine in a run, so that a majority stays whole.
//!
//! What is damaged is refused: another snapshot is taken, or the history is set aside and a leader's takes its place. All other
//! checkers go on, so nobody may ever see it.

use std::path::Path;

use storage::{Disk, DiskFile, SimulatedDisk};

use crate::peer::boot::HISTORY_DIR;
use crate::random::Random;
use crate::world::World;

impl World {
    /// Turns over one bit of a log or a snapshot.
    pub(crate) fn rot(&mut self, random: &mut Random, victim: usize) {
        // Where the membership changes, two servers may be all of it.
        if self.universe.plan.voters < 3 || self.universe.plan.has_reconfig {
            return;
        }
        let host = self.universe.rotten.unwrap_or(victim);
        let Some(disk) = self.disk(host) else { return };
        let dir = Path::new(HISTORY_DIR);
        let mut names = disk.list(dir).unwrap_or_default();
        names.retain(|name| name.starts_with("log.") || name.starts_with("snapshot."));
        let Some(name) = names.get(random.index(names.len())) else { return };
        let path = dir.join(name);
        let Ok(len) = disk.file_len(&path) else { return };
        let newest =
            names.iter().filter(|name| name.starts_with("log.")).max_by_key(|name| (name.len(), *name));
        let len = match name.starts_with("log.") {
            true if newest == Some(name) => written(&disk, &path).saturating_sub(SPARED_BYTES),
            true => written(&disk, &path),
            false => len,
        };
        // The first bytes are the likeliest to mean something.
        let bound = if random.chance(500) { len.min(4096) } else { len };
        // What rots has lain there for long, and the system has written the marks of that back.
        let marks = disk.open_write(&dir.join("durable.mark")).and_then(|mut marks| marks.sync());
        if bound == 0 || marks.is_err() {
            return;
        }
        let bit = u8::try_from(random.below(8)).unwrap_or(0);
        if disk.flip_bit(&path, random.below(bound), bit).is_ok() {
            self.universe.rotten = Some(host);
            self.universe.marks.reach("bit rot");
        }
    }
}

/// The end of the newest log is spared, for it has not lain there for long.
const SPARED_BYTES: u64 = 2048;

/// Bytes up to the last that is not zero.
fn written(disk: &SimulatedDisk, path: &Path) -> u64 {
    let Ok(file) = disk.open_read(path) else { return 0 };
    let len = file.len().unwrap_or(0);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let read = file.read_at(0, &mut bytes).unwrap_or(0);
    let end = bytes.iter().take(read).rposition(|byte| *byte != 0);
    end.map_or(0, |end| end as u64 + 1)
}
