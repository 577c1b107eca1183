//! One server: a machine with a disk and a clock, and the process on it.

pub(crate) mod boot;
mod clients;
mod disk;
mod effects;
mod learners;
mod membership;
mod mesh;
mod process;
mod promises;
mod reconfig;
mod snapshots;
mod upstream;

use storage::SimulatedDisk;

pub(crate) use membership::{Membership, NoMembership, install};
pub(crate) use process::{Ending, Process};

use crate::agenda::{Happening, Life};
use crate::clock::{Clock, MS, Micros};
use crate::sabotage::Sabotage;

/// A machine.
pub(crate) struct Server {
    pub(crate) disk: SimulatedDisk,
    pub(crate) clock: Clock,
    /// How often it was started.
    pub(crate) life: Life,
    pub(crate) process: Option<Process>,
    /// What came while the process was stopped.
    pub(crate) paused: Option<Vec<Happening>>,
    /// Longest time that one sync takes.
    pub(crate) sync_max: Micros,
    /// An operator has given it a configuration.
    pub(crate) is_installed: bool,
}

/// Longest time of a sync on a disk that is well.
pub(crate) const SYNC_MAX: Micros = 4 * MS;

impl Server {
    pub(crate) fn new(clock: Clock, sabotage: Sabotage) -> Self {
        Self {
            disk: empty_disk(sabotage),
            clock,
            life: 0,
            process: None,
            paused: None,
            sync_max: SYNC_MAX,
            is_installed: false,
        }
    }

    /// Whether its process runs, be it stopped for a while.
    pub(crate) fn is_up(&self) -> bool {
        self.process.is_some()
    }
}

/// The disk of a new machine.
pub(crate) fn empty_disk(sabotage: Sabotage) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    if sabotage.is("no-directory-sync") {
        disk.ignore_sync_dir();
    }
    disk
}
