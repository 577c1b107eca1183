use alloc::sync::Arc;

use ensemble::{ServerId, Verifier};
use jute::Zxid;

use super::Recent;

/// What a leader obeys.
#[derive(Debug, Clone)]
pub struct LeaderSettings {
    /// Its id.
    pub me: ServerId,
    /// Length of a tick in milliseconds.
    pub tick_ms: u32,
    /// Ticks for discovery and synchronisation.
    pub init_limit: u32,
    /// Ticks of silence, or of lag, that a learner may have.
    pub sync_limit: u32,
    /// Every learner gets a snapshot (`zookeeper.forceSnapshotSync`).
    pub forces_snapshot: bool,
    /// Whether the log on disk may be sent in place of a snapshot (`zookeeper.snapshotSizeFactor` >= 0).
    pub sends_log: bool,
    /// The membership may change (`reconfigEnabled`).
    pub reconfig_enabled: bool,
    /// Milliseconds after which a voter that chose this server and looks again ends it, while no epoch is agreed on
    /// (`zookeeper.leader.maxTimeToWaitForEpoch`); none: it waits for others.
    pub epoch_patience_ms: Option<u64>,
}

/// What a leader begins with.
#[derive(Debug, Clone)]
pub struct LeaderStart {
    /// The last epoch that this server accepted.
    pub accepted_epoch: i32,
    /// Its current epoch.
    pub current_epoch: i32,
    /// The end of its history: all of it is durable here and applied.
    pub last: Zxid,
    /// The end of its history as a reader of the state sees it: the same, or the first zxid of an epoch without transactions.
    pub last_processed: Zxid,
    /// The last transactions, which need no look at the disk.
    pub recent: Recent,
    /// A membership that was proposed before and is not known to be in force.
    pub last_seen: Option<Arc<Verifier>>,
}

impl LeaderSettings {
    /// Milliseconds for each step of discovery and synchronisation.
    pub(super) fn init_ms(&self) -> u64 {
        u64::from(self.tick_ms) * u64::from(self.init_limit)
    }

    /// Milliseconds that a learner may lag behind.
    pub(super) fn sync_ms(&self) -> u64 {
        u64::from(self.tick_ms) * u64::from(self.sync_limit)
    }

    /// Learners are asked twice a tick.
    pub(super) fn half_tick_ms(&self) -> u64 {
        u64::from(self.tick_ms / 2).max(1)
    }
}
