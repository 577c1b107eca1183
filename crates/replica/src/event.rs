use alloc::string::String;

use bytes::Bytes;
use ensemble::ServerId;
use jute::Zxid;
use zab::learner::Upstream;
use zab::{Attempt, LinkId, LogProbe, Packet};

/// Everything that can happen to a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Clients, timers, the own log: what concerns a server in every role.
    Server(pipeline::event::Event),
    /// A message on the election port, as it came.
    Notification {
        /// Who sent it, by the handshake of its connection.
        from: ServerId,
        /// The message, at most as long as the port allows.
        message: Bytes,
    },
    /// A learner connected to our quorum port.
    LearnerConnected {
        /// Its link.
        link: LinkId,
    },
    /// A learner sent a packet.
    LearnerPacket {
        /// Its link.
        link: LinkId,
        /// The packet.
        packet: Packet,
    },
    /// A learner's link is gone; comes once for each link, also when we closed it.
    LearnerLost {
        /// Its link.
        link: LinkId,
        /// Why.
        why: String,
    },
    /// The answer to `Effect::ProbeLog`.
    LogProbed {
        /// For whom.
        link: LinkId,
        /// What the log can prove, or why it cannot be read.
        outcome: Result<LogProbe, String>,
    },
    /// Something happened on the way to the leader.
    Upstream {
        /// In which attempt.
        attempt: Attempt,
        /// What.
        what: Upstream,
    },
    /// The accepted epoch is durable.
    AcceptedEpochWritten {
        /// The epoch.
        epoch: i32,
    },
    /// The current epoch is durable.
    CurrentEpochWritten {
        /// The epoch.
        epoch: i32,
    },
    /// The answer to `Effect::Truncate`: the state passed to this step is that of what remains.
    Truncated {
        /// What the history ends with now, or why it could not be cut; then nothing has changed.
        outcome: Result<Zxid, String>,
    },
    /// The answer to `Effect::InstallSnapshot`.
    SnapshotInstalled {
        /// The last transaction in it.
        zxid: Zxid,
    },
    /// The answer to `Effect::GiveUpHistory`: log and snapshots are set aside, the state is empty.
    HistoryGivenUp,
}

impl From<pipeline::event::Event> for Event {
    fn from(event: pipeline::event::Event) -> Self {
        Self::Server(event)
    }
}
