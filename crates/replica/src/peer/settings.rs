use alloc::sync::Arc;
use alloc::vec::Vec;

use ensemble::{LearnerType, ServerId, Verifier};
use zab::LearnerReport;

use crate::Mode;

/// What a member of an ensemble obeys, beside the settings of the pipeline.
#[derive(Debug, Clone)]
pub struct PeerSettings {
    /// Its id.
    pub me: ServerId,
    /// Whether it votes.
    pub learner_type: LearnerType,
    /// The membership that it starts with.
    pub verifier: Arc<Verifier>,
    /// One that was proposed before it started and is not known to be in force.
    pub last_seen: Option<Arc<Verifier>>,
    /// Length of a tick in milliseconds (`tickTime`).
    pub tick_ms: u32,
    /// Ticks for connecting to a leader and synchronisation (`initLimit`).
    pub init_limit: u32,
    /// Ticks of silence (`syncLimit`).
    pub sync_limit: u32,
    /// Committed transactions kept in memory for learners (`zookeeper.commitLogCount`).
    pub commit_log_count: usize,
    /// Every learner gets a snapshot (`zookeeper.forceSnapshotSync`).
    pub forces_snapshot: bool,
    /// Whether learners may get the log on disk in place of a snapshot (`zookeeper.snapshotSizeFactor` >= 0).
    pub sends_log: bool,
    /// How long a leader without an epoch waits although a voter that chose it looks again, in milliseconds; none for as long
    /// as for any other (`zookeeper.leader.maxTimeToWaitForEpoch`).
    pub epoch_patience_ms: Option<u64>,
    /// How long a server waits for a better vote, in milliseconds (`zookeeper.fastleader.finalizeWait` in the code: 200).
    pub finalize_wait_ms: u64,
    /// First wait for notifications, in milliseconds (`zookeeper.fastleader.minNotificationInterval`).
    pub min_notification_ms: u64,
    /// Longest wait for notifications, in milliseconds (`zookeeper.fastleader.maxNotificationInterval`).
    pub max_notification_ms: u64,
    /// What it may do for clients beside the ordinary.
    pub modes: SessionModes,
    /// Observers: it as one, and those behind it.
    pub observers: ObserverSettings,
}

/// How observers find their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ObserverSettings {
    /// Followers serve observers, and observers learn from them (`observerMasterPort`).
    pub uses_masters: bool,
    /// Longest pause before an observer looks for a leader again (`zookeeper.observer.election.DelayMs`).
    pub election_delay_ms: u64,
    /// The same on top for one that learns from the leader (`zookeeper.observer.reconnectDelayMs`).
    pub reconnect_delay_ms: u64,
}

/// What a member may do for its clients beside the ordinary. All are off unless an operator wants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionModes {
    /// Sessions begin as this server's own, without a transaction (`localSessionsEnabled`).
    pub local_sessions: bool,
    /// An ephemeral makes a local session one that all servers know (`localSessionsUpgradingEnabled`).
    pub upgrades_sessions: bool,
    /// Without a leader, reads are served to those who want no more (`readonlymode.enabled`).
    pub read_only: bool,
}

/// What a member has on disk when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerStart {
    /// The last epoch that it accepted.
    pub accepted_epoch: i32,
    /// Its current epoch.
    pub current_epoch: i32,
    /// Whether it has a history at all: a server that lost its own, or never had one and was not told that this is right,
    /// does not vote.
    pub has_history: bool,
    /// Whether a standalone server wrote the end of it, so that nobody else has that: no leader may take it away.
    pub is_standalone_history: bool,
}

/// What a member is doing, for words and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerReport {
    /// What it is to clients; `None` while it serves nobody.
    pub mode: Option<Mode>,
    /// The reference's `peer_state`, such as `following - broadcast`.
    pub peer_state: &'static str,
    /// Who leads, as far as it knows.
    pub leader: Option<ServerId>,
    /// The epoch, once it is known.
    pub epoch: Option<i32>,
    /// From whom it learns: the leader, or a follower that serves observers.
    pub master: Option<ServerId>,
    /// The leader's learners, or the observers of a follower.
    pub learners: Vec<LearnerReport>,
    /// Number of sessions that are this server's own.
    pub local_sessions: usize,
    /// The leader's last proposal.
    pub last_proposed: jute::Zxid,
}
