use alloc::vec::Vec;

use jute::Zxid;
use zab::learner::{LearnerState, SyncMode};

use super::forwarder::Forwarder;
use super::read_only::ReadOnly;
use super::{Peer, PeerReport, Phase};
use crate::Mode;
use crate::primary::Primary;

/// How far a leader has come.
// zk: QuorumPeer.ZabState
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// A quorum agrees on an epoch.
    Discovery,
    /// A quorum gets the history.
    Synchronization,
    /// Transactions are broadcast.
    Broadcast,
}

impl Peer {
    /// What it is doing, for words and metrics.
    pub(crate) fn report(&self) -> PeerReport {
        let nobody = PeerReport {
            mode: None,
            peer_state: self.peer_state(),
            leader: None,
            epoch: None,
            master: None,
            learners: Vec::new(),
            local_sessions: 0,
            last_proposed: Zxid::ZERO,
        };
        match &self.phase {
            Phase::Looking(looking) => PeerReport {
                mode: looking.read_only().map(|_| Mode::ReadOnly),
                local_sessions: looking.read_only().map_or(0, ReadOnly::local_count),
                ..nobody
            },
            Phase::Settling(_) | Phase::Stopped => nobody,
            Phase::Leading(leading) => PeerReport {
                mode: leading.primary().map(|_| Mode::Leader),
                leader: Some(self.member.peer.me),
                epoch: leading.leader().epoch(),
                learners: leading.leader().learners(),
                last_proposed: leading.leader().last_proposed(),
                local_sessions: leading.primary().map_or(0, Primary::local_sessions),
                ..nobody
            },
            Phase::Following(following) => PeerReport {
                mode: following.serves_as(),
                local_sessions: following.forwarder().map_or(0, Forwarder::local_sessions),
                leader: Some(following.leader()),
                master: Some(following.master()),
                learners: following.observers(),
                epoch: (following.learner().state() != LearnerState::Discovery)
                    .then(|| following.learner().epoch()),
                ..nobody
            },
        }
    }

    /// Whether clients are served.
    pub(crate) fn is_serving(&self) -> bool {
        self.report_mode().is_some()
    }

    fn report_mode(&self) -> Option<Mode> {
        match &self.phase {
            Phase::Leading(leading) => leading.primary().map(|_| Mode::Leader),
            Phase::Following(following) => following.serves_as(),
            Phase::Looking(looking) => looking.read_only().map(|_| Mode::ReadOnly),
            Phase::Settling(_) | Phase::Stopped => None,
        }
    }

    // zk: QuorumPeer.getDetailedPeerState
    fn peer_state(&self) -> &'static str {
        match &self.phase {
            Phase::Looking(_) | Phase::Settling(_) | Phase::Stopped => "looking",
            Phase::Leading(leading) => match leading.stage() {
                Stage::Discovery => "leading - discovery",
                Stage::Synchronization => "leading - synchronization",
                Stage::Broadcast => "leading - broadcast",
            },
            Phase::Following(following) if following.mode() == Mode::Observer => {
                match following.learner().state() {
                    LearnerState::Discovery => "observing - discovery",
                    LearnerState::Synchronization(None) => "observing - synchronization",
                    LearnerState::Synchronization(Some(SyncMode::Diff)) => {
                        "observing - synchronization - diff"
                    }
                    LearnerState::Synchronization(Some(SyncMode::Snap)) => {
                        "observing - synchronization - snap"
                    }
                    LearnerState::Synchronization(Some(SyncMode::Trunc)) => {
                        "observing - synchronization - trunc"
                    }
                    LearnerState::Broadcast => "observing - broadcast",
                }
            }
            Phase::Following(following) => match following.learner().state() {
                LearnerState::Discovery => "following - discovery",
                LearnerState::Synchronization(None) => "following - synchronization",
                LearnerState::Synchronization(Some(SyncMode::Diff)) => "following - synchronization - diff",
                LearnerState::Synchronization(Some(SyncMode::Snap)) => "following - synchronization - snap",
                LearnerState::Synchronization(Some(SyncMode::Trunc)) => "following - synchronization - trunc",
                LearnerState::Broadcast => "following - broadcast",
            },
        }
    }
}
