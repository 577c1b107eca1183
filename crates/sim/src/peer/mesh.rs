//! The election port: one connection between two servers, begun by the one with the greater id, a queue of one message.

use std::collections::BTreeMap;

use bytes::Bytes;
use ensemble::ServerId;
use replica::Event;

use super::process::Process;
use crate::net::{End, Line, WireId};
use crate::plan::Plan;
use crate::universe::Universe;

/// The connections of one server.
#[derive(Debug, Default)]
pub(crate) struct Mesh {
    peers: BTreeMap<usize, Peer>,
    hosts: BTreeMap<WireId, usize>,
}

#[derive(Debug, Default)]
struct Peer {
    standing: Option<(WireId, End)>,
    dialing: Option<WireId>,
    /// What waits; a newer message takes its place.
    waiting: Option<Bytes>,
    /// Sent again when a connection stands and nothing waits.
    last: Option<Bytes>,
}

impl Process {
    pub(super) fn notify(&mut self, u: &mut Universe, to: ServerId, message: Bytes) {
        let Some(host) = u.plan.host_of(to) else { return };
        if host == self.host {
            return self.push_event(u, Event::Notification { from: to, message });
        }
        // A server that is no member is heard when it comes by itself.
        let is_known = self.membership.knows(to);
        if !is_known && self.mesh.peers.get(&host).is_none_or(|peer| peer.standing.is_none()) {
            return;
        }
        let peer = self.mesh.peers.entry(host).or_default();
        peer.waiting = Some(message);
        match peer.standing {
            Some(_) => self.flush(u, host),
            None => self.ring(u, host),
        }
    }

    pub(super) fn connect_all(&mut self, u: &mut Universe) {
        let me = self.host;
        for host in (0..u.plan.servers()).filter(|host| *host != me) {
            if self.membership.knows(Plan::server_id(host))
                && self.mesh.peers.entry(host).or_default().standing.is_none()
            {
                self.ring(u, host);
            }
        }
    }

    /// Dials whether or not there is a connection: what a restarted or confused peer does.
    pub(crate) fn ring_again(&mut self, u: &mut Universe, host: usize) {
        if host != self.host {
            self.ring(u, host);
        }
    }

    /// Another server reached our election port.
    pub(crate) fn mesh_accepted(&mut self, u: &mut Universe, wire: WireId, from: usize) {
        if from > self.host {
            return self.stand(u, from, wire, End::Acceptor);
        }
        // The one with the smaller id only makes itself known: what stood is of no use to it, we dial back.
        u.close(wire, End::Acceptor);
        if let Some((old, end)) = self.mesh.peers.entry(from).or_default().standing.take() {
            self.mesh.hosts.remove(&old);
            u.close(old, end);
        }
        self.ring(u, from);
    }

    /// Our dial was accepted.
    pub(crate) fn mesh_opened(&mut self, u: &mut Universe, wire: WireId) {
        let Some(host) = self.mesh.hosts.get(&wire).copied() else { return };
        self.mesh.peers.entry(host).or_default().dialing = None;
        match host < self.host {
            true => self.stand(u, host, wire, End::Dialer),
            false => {
                self.mesh.hosts.remove(&wire);
                u.close(wire, End::Dialer);
            }
        }
    }

    pub(crate) fn mesh_bytes(&mut self, u: &mut Universe, wire: WireId, bytes: Vec<u8>) {
        if let Some(host) = self.mesh.hosts.get(&wire).copied() {
            let from = Plan::server_id(host);
            self.push_event(u, Event::Notification { from, message: Bytes::from(bytes) });
        }
    }

    /// A connection or a dial is gone.
    pub(crate) fn mesh_lost(&mut self, u: &mut Universe, wire: WireId) {
        let Some(host) = self.mesh.hosts.remove(&wire) else { return };
        let peer = self.mesh.peers.entry(host).or_default();
        if peer.dialing == Some(wire) {
            peer.dialing = None;
        }
        if let Some((standing, end)) = peer.standing
            && standing == wire
        {
            peer.standing = None;
            u.close(wire, end);
        }
    }

    fn ring(&mut self, u: &mut Universe, host: usize) {
        let peer = self.mesh.peers.entry(host).or_default();
        if peer.dialing.is_none() {
            let wire = u.dial(Line::Election, self.host, host);
            peer.dialing = Some(wire);
            self.mesh.hosts.insert(wire, host);
        }
    }

    /// A connection stands; one that stood before is closed.
    fn stand(&mut self, u: &mut Universe, host: usize, wire: WireId, end: End) {
        self.mesh.hosts.insert(wire, host);
        let peer = self.mesh.peers.entry(host).or_default();
        if let Some((old, old_end)) = peer.standing.replace((wire, end)) {
            self.mesh.hosts.remove(&old);
            u.close(old, old_end);
            u.marks.reach("election connection replaced");
        }
        if peer.waiting.is_none() {
            peer.waiting = peer.last.clone();
        }
        self.flush(u, host);
    }

    fn flush(&mut self, u: &mut Universe, host: usize) {
        let Some(peer) = self.mesh.peers.get_mut(&host) else { return };
        if let (Some((wire, end)), Some(message)) = (peer.standing, peer.waiting.take()) {
            peer.last = Some(message.clone());
            u.send(wire, end, message.to_vec());
        }
    }
}
