//! Bit rot: a bit of what was durable turns over, on one machine in a run, so that a majority stays whole.
//!
//! What is damaged is refused: another snapshot is taken, or the history is set aside and a leader's takes its place. All other
//! checkers go on, so nobody may ever see it.

use std::path::Path;

use storage::Disk;

use crate::peer::boot::HISTORY_DIR;
use crate::random::Random;
use crate::world::World;

impl World {
    /// Turns over one bit of a log or a snapshot.
    pub(crate) fn rot(&mut self, random: &mut Random, victim: usize) {
        if self.universe.plan.voters < 3 {
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
        // The first bytes are the likeliest to mean something: the rest of a log may be empty.
        let bound = if random.chance(500) { len.min(4096) } else { len };
        let bit = u8::try_from(random.below(8)).unwrap_or(0);
        if disk.flip_bit(&path, random.below(bound), bit).is_ok() {
            self.universe.rotten = Some(host);
            self.universe.marks.reach("bit rot");
        }
    }
}
