//! Connections of clients at a server: the real machine and outbox of each.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use jute::Record;
use jute::proto::ReplyHeader;
use pipeline::connection::{Connection, ConnectionAction, StateView, WatchAccess};
use pipeline::event::{ConnectionId, Event};
use pipeline::outbox::{CloseReason, Outbox};
use replica::Outboxes;
use tree::Watches;
use tree::watches::WatcherType;

use super::process::Process;
use crate::net::{End, WireId};
use crate::universe::Universe;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    ends: BTreeMap<ConnectionId, ClientEnd>,
    by_wire: BTreeMap<WireId, ConnectionId>,
    next: u64,
}

#[derive(Debug)]
struct ClientEnd {
    wire: WireId,
    connection: Connection,
    outbox: Outbox,
}

impl Outboxes for Clients {
    fn with(&mut self, connection: ConnectionId, f: impl FnOnce(&mut Outbox)) -> bool {
        self.ends.get_mut(&connection).map(|end| f(&mut end.outbox)).is_some()
    }
}

struct Access<'a>(RefCell<&'a mut Watches>);

impl WatchAccess for Access<'_> {
    fn with(&self, f: &mut dyn FnMut(&mut Watches)) {
        f(&mut self.0.borrow_mut());
    }
}

impl Process {
    /// A client connected.
    pub(crate) fn client_connected(&mut self, u: &mut Universe, wire: WireId) {
        self.clients.next += 1;
        let id = ConnectionId(self.clients.next);
        let host = u.net.host(wire, End::Dialer).unwrap_or(0);
        let client = host.saturating_sub(u.plan.servers());
        let remote = std::net::SocketAddr::from((crate::client::address_of(client), 40_000));
        let connection = Connection::new(id, remote, self.now(u), Arc::clone(&self.settings));
        let mut identities = pipeline::auth::identities_of(remote.ip());
        if u.has_bug("told-without-permission") {
            let all = (0..u.plan.clients).map(|client| crate::client::address_of(client).into());
            identities = all.flat_map(|ip| pipeline::auth::identities_of(ip).to_vec()).collect();
        }
        let outbox = Outbox::new(Arc::clone(&self.settings), identities);
        self.clients.ends.insert(id, ClientEnd { wire, connection, outbox });
        self.clients.by_wire.insert(wire, id);
        if self.mode.is_none() {
            self.close_client(u, id, CloseReason::NotServing);
        }
    }

    /// Bytes of a client.
    pub(crate) fn client_bytes(&mut self, u: &mut Universe, wire: WireId, bytes: &[u8]) {
        let Some(id) = self.clients.by_wire.get(&wire).copied() else { return };
        if let Some(end) = self.clients.ends.get_mut(&id) {
            end.connection.received(bytes);
        }
        self.advance(u, id);
    }

    /// A client's connection is gone.
    pub(crate) fn client_lost(&mut self, u: &mut Universe, wire: WireId) {
        if let Some(id) = self.clients.by_wire.get(&wire).copied() {
            self.finish_client(u, id);
        }
    }

    /// Lets a connection handle what it can, and sends what it has for its client.
    pub(super) fn advance(&mut self, u: &mut Universe, id: ConnectionId) {
        let mut actions = Vec::new();
        let (now, wall_ms) = (self.now(u), self.clock.wall_ms(u.now));
        let Some(end) = self.clients.ends.get_mut(&id) else { return };
        let view = StateView {
            state: &self.state,
            serving: self.mode.is_some(),
            read_only: self.mode == Some(replica::Mode::ReadOnly),
            throttled: false,
            large_request_bytes: 0,
        };
        let access = Access(RefCell::new(&mut self.watches));
        while end.connection.advance(now, wall_ms, &view, &access, &mut end.outbox, &mut actions) {}
        let bytes = end.outbox.take_bytes();
        let wire = end.wire;
        if u.has_bug("standing-fires-once") {
            for event in events_of(&bytes) {
                for kind in [WatcherType::Persistent, WatcherType::PersistentRecursive] {
                    self.watches.remove(&event.path, id, kind);
                }
            }
        }
        let bytes = spoiled(u, bytes, self.mode == Some(replica::Mode::ReadOnly));
        if !bytes.is_empty() {
            u.send(wire, End::Acceptor, bytes);
        }
        for action in actions {
            match action {
                ConnectionAction::Forward(event) => {
                    if u.has_bug("zombie-transactions")
                        && u.random.chance(20)
                        && matches!(event, Event::Request(_))
                    {
                        self.push_event(u, event.clone());
                    }
                    self.push_event(u, event);
                }
                ConnectionAction::Heard(session) => {
                    u.ledger.heard(session, u.now);
                    self.heard.insert(session);
                }
                ConnectionAction::Close(_) | ConnectionAction::FourLetterWord { .. } => {
                    self.finish_client(u, id)
                }
            }
        }
    }

    /// Closes all connections; a change of role does so.
    pub(super) fn close_clients(&mut self, u: &mut Universe) {
        for id in self.clients.ends.keys().copied().collect::<Vec<_>>() {
            self.close_client(u, id, CloseReason::RoleChanged);
        }
    }

    fn close_client(&mut self, u: &mut Universe, id: ConnectionId, why: CloseReason) {
        if let Some(end) = self.clients.ends.get_mut(&id) {
            end.outbox.close(why);
        }
        self.advance(u, id);
    }

    fn finish_client(&mut self, u: &mut Universe, id: ConnectionId) {
        let Some(end) = self.clients.ends.remove(&id) else { return };
        self.clients.by_wire.remove(&end.wire);
        self.watches.remove_connection(id);
        u.close(end.wire, End::Acceptor);
        self.push_event(u, Event::ConnectionLost { connection: id });
    }
}

/// The events among the frames that a connection sends.
fn events_of(bytes: &[u8]) -> Vec<jute::proto::WatcherEvent> {
    let mut left = bytes::BytesMut::from(bytes);
    let mut events = Vec::new();
    while let Ok(Some(frame)) = jute::frame::split(&mut left, jute::frame::FRAME_MAX_DEFAULT) {
        let mut reader = jute::Reader::new(&frame);
        let header = ReplyHeader::decode(&mut reader);
        if header.is_ok_and(|header| header.xid == jute::xid::NOTIFICATION) {
            events.extend(jute::proto::WatcherEvent::decode(&mut reader));
        }
    }
    events
}

/// What a bug makes of the frames that a connection sends.
fn spoiled(u: &mut Universe, bytes: Vec<u8>, only_reads: bool) -> Vec<u8> {
    const BUGS: &[&str] = &[
        "watch-after-reply",
        "watch-lost",
        "watch-twice",
        "reply-lost",
        "reads-ahead",
        "read-only-takes-writes",
    ];
    let Some(bug) = BUGS.iter().find(|bug| u.has_bug(bug)) else { return bytes };
    let mut left = bytes::BytesMut::from(&bytes[..]);
    let (mut events, mut out) = (Vec::new(), Vec::new());
    while let Ok(Some(frame)) = jute::frame::split(&mut left, jute::frame::FRAME_MAX_DEFAULT) {
        let mut frame = frame.to_vec();
        let xid = frame.first_chunk().map(|xid| i32::from_be_bytes(*xid));
        // A handshake begins with the version of the protocol, which is zero.
        let (is_event, is_reply) = (xid == Some(jute::xid::NOTIFICATION), xid.is_some_and(|xid| xid > 0));
        let copies = match *bug {
            "watch-lost" if is_event && u.random.chance(100) => 0,
            "watch-twice" if is_event && u.random.chance(100) => 2,
            "reply-lost" if is_reply && u.random.chance(10) => 0,
            _ => 1,
        };
        if *bug == "reads-ahead"
            && is_reply
            && u.random.chance(10)
            && let Some(low) = frame.get_mut(11)
        {
            *low = low.saturating_add(1);
        }
        if *bug == "read-only-takes-writes"
            && only_reads
            && is_reply
            && let Some(err) = frame.get_mut(12..16)
            && *err == jute::ErrorCode::NotReadOnly.code().to_be_bytes()
        {
            err.fill(0);
        }
        let to = if is_event && *bug == "watch-after-reply" { &mut events } else { &mut out };
        for _ in 0..copies {
            jute::write::buffer(to, Some(&frame));
        }
    }
    out.append(&mut events);
    out
}
