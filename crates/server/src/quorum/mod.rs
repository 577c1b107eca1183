//! The ports that peers use among themselves.
//!
//! * [`mesh`]: the election port, one connection for each pair of servers.
//! * [`learners`]: the quorum port of a leader. [`upstream`]: a learner's connection to its leader.
//! * [`peers`]: all of them together, as the replica thread uses them. [`history`]: the log, as a leader reads it.
//! * [`rooms`]: how much of what peers say may wait. [`paths`]: names, and which of several addresses can be reached.
//!
//! Peers have a queue to the replica thread of their own: a client's request that the request throttle holds back must not
//! hold back the commit that would end its wait.

pub(crate) mod history;
pub(crate) mod learners;
pub(crate) mod mesh;
pub(crate) mod paths;
pub(crate) mod peers;
pub(crate) mod rooms;
pub(crate) mod start;
pub(crate) mod upstream;

use std::net::SocketAddr;
use std::time::Duration;

use ensemble::{HostPort, Member};
use replica::Event;
use tokio::net::TcpStream;
use tree::State;
use zab::learner::Upstream;
use zab::{Attempt, LinkId, Packet};

use learners::LinkQueue;
use paths::Paths;
use rooms::{Room, Rooms};

/// Messages of peers that may wait for the replica; who has more waits with them.
pub(crate) const PEER_INBOX_MAX: usize = 8192;
/// Bytes of their packets that may wait.
pub(crate) const PEER_INBOX_BYTES_MAX: u32 = 64 << 20;

/// What peers tell the replica thread.
#[derive(Debug)]
pub(crate) enum PeerMessage {
    /// A message on the election port.
    Notification(Event),
    /// A learner connected.
    LearnerConnected {
        /// Its link.
        link: LinkId,
        /// Where it comes from.
        remote: SocketAddr,
        /// The way to it.
        queue: LinkQueue,
    },
    /// A learner sent a packet.
    LearnerPacket {
        /// Its link.
        link: LinkId,
        /// The packet.
        packet: Packet,
        /// What it takes of the inbox.
        room: Option<Room>,
    },
    /// A learner's link is gone.
    LearnerLost {
        /// Its link.
        link: LinkId,
        /// Why.
        why: String,
    },
    /// The log was looked at.
    LogProbed(Event),
    /// Something happened on the way to the leader.
    Upstream {
        /// In which attempt.
        attempt: Attempt,
        /// What.
        what: Upstream,
        /// What it takes of the inbox.
        room: Option<Room>,
    },
    /// The state behind SNAP.
    SnapshotReceived {
        /// In which attempt.
        attempt: Attempt,
        /// The state.
        state: Box<State>,
    },
}

/// What both ends of quorum links obey.
#[derive(Debug, Clone)]
pub(crate) struct PortSettings {
    /// The own line: where the quorum port listens.
    pub(crate) own: Member,
    /// `quorumListenOnAllIPs`: its ports only.
    pub(crate) listens_on_all: bool,
    /// All members.
    pub(crate) members: Vec<Member>,
    /// `TCP_NODELAY` of the leader's ends.
    pub(crate) leader_no_delay: bool,
    /// `TCP_NODELAY` of a learner's end.
    pub(crate) follower_no_delay: bool,
    /// `SO_KEEPALIVE`.
    pub(crate) keep_alive: bool,
    /// Where followers serve observers, and observers find them.
    pub(crate) observer_master_port: Option<u16>,
    /// How a leader is reached.
    pub(crate) paths: Paths,
    /// Between two attempts to connect to a leader.
    pub(crate) connect_retry: Duration,
    /// Longest field of a packet.
    pub(crate) field_max: usize,
    /// A tick: how often a snapshot that is on its way is told of.
    pub(crate) tick: Duration,
    /// Time for a learner to take what is sent and to acknowledge a history that was streamed to it (`initLimit`).
    pub(crate) sync_time: Duration,
    /// Bytes that may wait for a learner, or for the leader.
    pub(crate) queue_bytes_max: usize,
    /// Room for what peers say.
    pub(crate) inbox: Rooms,
}

impl PortSettings {
    /// Where a follower of this line serves observers.
    // zk: QuorumPeer.updateObserverMasterList, ObserverMaster.start
    fn observer_addresses(&self, follower: &Member) -> Vec<HostPort> {
        let mut addresses = follower.quorum_addresses();
        addresses.iter_mut().for_each(|address| address.port = self.observer_master_port.unwrap_or(0));
        addresses.dedup();
        addresses
    }
}

/// Turns on keep-alive; a connection without it works as well.
fn keep_alive(stream: &TcpStream, on: bool) {
    if let Err(error) = socket2::SockRef::from(stream).set_keepalive(on) {
        tracing::debug!("keep-alive could not be set: {error}");
    }
}
