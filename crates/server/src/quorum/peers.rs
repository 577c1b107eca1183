use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ensemble::{HostPort, ServerId};
use jute::TxnRecord;
use replica::{Event, PeerEffect};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tree::State;
use tree::snapshot::View;
use zab::{Attempt, LinkId, Outgoing, Packet};

use super::learners::{Item, LearnerLinks, LinkQueue};
use super::mesh::{Mesh, members_of};
use super::upstream::{Dialing, Door, UpstreamLink};
use super::{PeerMessage, PortSettings};
use crate::data;
use crate::shell::membership::View as Membership;
use crate::shell::{Shared, lock};

/// What stands around the data of a packet: type, zxid, length, no identities.
const ENVELOPE_BYTES: usize = 20;

/// All connections to other servers. The replica thread owns them.
pub(crate) struct Peers {
    shared: Arc<Shared>,
    runtime: Handle,
    settings: Arc<PortSettings>,
    mesh: Mesh,
    learners: LearnerLinks,
    upstream: Option<UpstreamLink>,
    /// States that came behind SNAP and wait to be adopted.
    received: BTreeMap<Attempt, Box<State>>,
    out: mpsc::Sender<PeerMessage>,
    /// The last transaction that was encoded, as INFORM or not: each learner gets the same bytes.
    encoded: Option<(Arc<TxnRecord>, bool, Bytes)>,
}

impl Peers {
    pub(crate) fn new(
        shared: Arc<Shared>,
        runtime: Handle,
        settings: PortSettings,
        mesh: Mesh,
        out: mpsc::Sender<PeerMessage>,
    ) -> Self {
        Self {
            shared,
            runtime,
            settings: Arc::new(settings),
            mesh,
            learners: LearnerLinks::new(),
            upstream: None,
            received: BTreeMap::new(),
            out,
            encoded: None,
        }
    }

    /// Closes everything, and comes back when the ports are free.
    pub(crate) fn close(mut self) {
        self.upstream = None;
        self.learners.stop_listening();
        self.runtime.block_on(self.mesh.close());
    }

    /// What the replica is told of a message; nothing when it belongs to an attempt that is over.
    pub(crate) fn event_of(&mut self, message: PeerMessage) -> Option<Event> {
        Some(match message {
            PeerMessage::Notification(event) | PeerMessage::LogProbed(event) => event,
            PeerMessage::LearnerConnected { link, remote, queue } => {
                tracing::info!(%remote, link = link.0, "a learner connected");
                self.connected(link, queue)
            }
            PeerMessage::LearnerPacket { link, packet, room } => {
                drop(room);
                Event::LearnerPacket { link, packet }
            }
            PeerMessage::LearnerLost { link, why } => {
                self.learners.remove(link);
                Event::LearnerLost { link, why }
            }
            PeerMessage::Upstream { attempt, what, room } => {
                drop(room);
                self.is_current(attempt).then_some(Event::Upstream { attempt, what })?
            }
            PeerMessage::SnapshotReceived { attempt, state } => {
                self.is_current(attempt).then_some(())?;
                self.received.insert(attempt, state);
                Event::Upstream { attempt, what: zab::learner::Upstream::SnapshotReceived }
            }
        })
    }

    fn connected(&mut self, link: LinkId, queue: LinkQueue) -> Event {
        self.learners.add(link, queue);
        Event::LearnerConnected { link }
    }

    fn is_current(&self, attempt: Attempt) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| upstream.attempt() == attempt)
    }

    /// The state that came in an attempt.
    pub(crate) fn take_received(&mut self, attempt: Attempt) -> Option<Box<State>> {
        self.received.remove(&attempt)
    }

    /// Carries out what concerns connections only; gives back what concerns the state, the disk or clients.
    pub(crate) fn carry_out(&mut self, effect: PeerEffect) -> Option<PeerEffect> {
        match effect {
            PeerEffect::Notify { to, message } => self.mesh.send(to, message),
            PeerEffect::ConnectAll => self.mesh.connect_all(),
            PeerEffect::Listen => self.listen("quorum port", self.settings.own.quorum_addresses()),
            PeerEffect::ListenForObservers => {
                self.listen("port for observers", self.settings.observer_addresses(&self.settings.own));
            }
            PeerEffect::StopListening => self.learners.stop_listening(),
            PeerEffect::Dial { attempt, leader, within_ms } => {
                self.dial(attempt, leader, Door::Leader, within_ms);
            }
            PeerEffect::DialMaster { attempt, master, within_ms } => {
                self.dial(attempt, master, Door::ObserverMaster, within_ms);
            }
            PeerEffect::SendToLeader { attempt, packet } if self.is_current(attempt) => {
                if let Some(upstream) = &self.upstream {
                    upstream.send(packet.to_vec().into());
                }
            }
            PeerEffect::SendToLeader { .. } => {}
            PeerEffect::HangUp { attempt } => {
                self.received.remove(&attempt);
                if self.is_current(attempt) {
                    self.upstream = None;
                }
            }
            PeerEffect::SendToLearner { link, what: Outgoing::Packet(packet) } => {
                if matches!(packet, Packet::Diff(_) | Packet::Trunc(_)) {
                    self.shared.metrics.diff_count.add(1);
                }
                let bytes = self.encode(packet);
                self.learners.send(link, Item::Packet(bytes));
            }
            PeerEffect::SendToLearner { link, what: Outgoing::Log { after, up_to } } => {
                self.learners.send(link, Item::Log { after, up_to });
            }
            PeerEffect::CloseLearner { link, why } => self.learners.send(link, Item::Close(why)),
            PeerEffect::ProbeLog { link, peer } => self.probe(link, peer),
            other @ (PeerEffect::SendToLearner { what: Outgoing::Snapshot { .. }, .. }
            | PeerEffect::WriteAcceptedEpoch { .. }
            | PeerEffect::WriteCurrentEpoch { .. }
            | PeerEffect::Truncate { .. }
            | PeerEffect::AdoptSnapshot { .. }
            | PeerEffect::InstallSnapshot { .. }
            | PeerEffect::ApplyFuzzy { .. }
            | PeerEffect::SetLastProcessed { .. }
            | PeerEffect::GiveUpHistory { .. }
            | PeerEffect::SeeMembership { .. }
            | PeerEffect::ActivateMembership { .. }
            | PeerEffect::Serve { .. }
            | PeerEffect::StopServing) => return Some(other),
        }
        None
    }

    fn listen(&mut self, name: &'static str, addresses: Vec<HostPort>) {
        self.learners.listen(name, addresses, &self.runtime, &self.shared, &self.settings, &self.out);
    }

    fn dial(&mut self, attempt: Attempt, leader: ServerId, door: Door, within_ms: u64) {
        let dialing = Dialing {
            attempt,
            leader,
            door,
            within: Duration::from_millis(within_ms),
            state: data::state_settings(&self.shared.settings),
            settings: Arc::clone(&self.settings),
            out: self.out.clone(),
        };
        self.upstream = Some(UpstreamLink::dial(&self.runtime, dialing));
    }

    /// Talks to the members of both memberships from now on, and is where the own line says.
    // zk: QuorumPeer.connectNewPeers, restartLeaderElection
    pub(crate) fn follow(&mut self, view: &Membership) {
        self.mesh.set_members(members_of([view.current.as_ref(), view.last_seen.as_ref()]));
        self.mesh.move_to(&view.own);
        let mut settings = PortSettings::clone(&self.settings);
        settings.members = view.current.members().to_vec();
        settings.own = view.own.clone();
        self.settings = Arc::new(settings);
    }

    /// Sends the state as it is, behind a SNAP packet.
    pub(crate) fn send_snapshot(&self, link: LinkId, view: View) {
        self.learners.send(link, Item::Packet(Packet::Snap(view.zxid()).to_vec().into()));
        self.learners.send(link, Item::Snapshot(Box::new(view)));
        self.shared.metrics.snap_count.add(1);
    }

    fn probe(&self, link: LinkId, peer: jute::Zxid) {
        let (shared, out) = (Arc::clone(&self.shared), self.out.clone());
        self.runtime.spawn_blocking(move || {
            let outcome = shared.history.probe(peer);
            // The replica thread takes messages until the server has ended.
            let _ = out.blocking_send(PeerMessage::LogProbed(Event::LogProbed { link, outcome }));
        });
    }

    fn encode(&mut self, packet: Packet) -> Bytes {
        let is_inform = matches!(packet, Packet::Inform(_));
        let (Packet::Proposal(record) | Packet::Inform(record)) = &packet else {
            return packet.to_vec().into();
        };
        if let Some((last, was_inform, bytes)) = &self.encoded
            && *was_inform == is_inform
            && Arc::ptr_eq(last, record)
        {
            return bytes.clone();
        }
        let bytes = Bytes::from(packet.to_vec());
        if !is_inform {
            lock(&self.shared.proposal_sizes).add(bytes.len().saturating_sub(ENVELOPE_BYTES));
        }
        self.encoded = Some((Arc::clone(record), is_inform, bytes.clone()));
        bytes
    }
}
