//! The quorum port of a leader: one ordered stream to each learner.

use std::collections::{BTreeMap, VecDeque};

use jute::snapshot::SnapshotItem;
use jute::{DecodeError, Reader, Zxid, write};
use replica::Event;
use tree::snapshot::View;
use zab::{LinkId, LogProbe, Outgoing, Packet};

use super::process::Process;
use crate::agenda::ServerTurn;
use crate::net::{End, WireId};
use crate::universe::Universe;

/// All learners of one server.
#[derive(Default)]
pub(crate) struct Learners {
    links: BTreeMap<LinkId, Link>,
    by_wire: BTreeMap<WireId, LinkId>,
    next: u64,
}

struct Link {
    wire: WireId,
    received: Vec<u8>,
    waiting: VecDeque<Item>,
    streaming: Option<View>,
    /// A bug takes the picture only now.
    is_late: bool,
}

enum Item {
    Packet(Packet),
    Snapshot(View),
    Log { after: Zxid, up_to: Zxid },
    Close(String),
}

/// What stands behind a snapshot that is sent.
// zk: LearnerHandler.run
pub(super) const SIGNATURE: &str = "BenWasHere";
/// Items of a snapshot that are sent at once.
const SLICE_ITEMS: usize = 12;
/// Bytes of the log that may be sent in place of a snapshot.
const LOG_BYTES_MAX: u64 = 64 * 1024;

impl Process {
    /// A learner reached our quorum port.
    pub(crate) fn learner_connected(&mut self, u: &mut Universe, wire: WireId) {
        self.learners.next += 1;
        // No life gives out the numbers of another, though nobody would mind.
        let id = LinkId(self.life << 32 | self.learners.next);
        let link =
            Link { wire, received: Vec::new(), waiting: VecDeque::new(), streaming: None, is_late: false };
        self.learners.links.insert(id, link);
        self.learners.by_wire.insert(wire, id);
        self.push_event(u, Event::LearnerConnected { link: id });
    }

    pub(crate) fn learner_bytes(&mut self, u: &mut Universe, wire: WireId, bytes: &[u8]) {
        let Some(id) = self.learners.by_wire.get(&wire).copied() else { return };
        let Some(link) = self.learners.links.get_mut(&id) else { return };
        link.received.extend_from_slice(bytes);
        loop {
            let Some(link) = self.learners.links.get_mut(&id) else { return };
            match take_packet(zab::packet::From::Learner, &mut link.received) {
                Ok(Some(packet)) => {
                    if u.has_bug("ack-counted-twice") && matches!(packet, Packet::Ack(_)) {
                        for other in self
                            .learners
                            .links
                            .keys()
                            .copied()
                            .filter(|other| *other != id)
                            .collect::<Vec<_>>()
                        {
                            self.push_event(u, Event::LearnerPacket { link: other, packet: packet.clone() });
                        }
                    }
                    self.push_event(u, Event::LearnerPacket { link: id, packet });
                }
                Ok(None) => return,
                Err(why) => return self.lose_learner(u, id, why),
            }
        }
    }

    /// A learner's connection is gone.
    pub(crate) fn learner_lost(&mut self, u: &mut Universe, wire: WireId) {
        if let Some(id) = self.learners.by_wire.get(&wire).copied() {
            self.lose_learner(u, id, "the connection is gone".to_owned());
        }
    }

    pub(super) fn send_to_learner(&mut self, u: &mut Universe, id: LinkId, what: Outgoing) {
        let what = match what {
            Outgoing::Packet(Packet::Revalidated { session, .. }) if u.has_bug("session-resurrected") => {
                Outgoing::Packet(Packet::Revalidated { session, is_valid: true })
            }
            what => what,
        };
        let item = match what {
            Outgoing::Packet(packet) => Item::Packet(packet),
            Outgoing::Log { after, up_to } => Item::Log { after, up_to },
            Outgoing::Snapshot { zxid } => {
                let view = self.view();
                if view.zxid() != zxid {
                    u.check(Err(crate::check::Failure::new(
                        "Z2",
                        format!(
                            "SNAP says {zxid}, the state of server {} is at {}",
                            self.host + 1,
                            view.zxid()
                        ),
                    )));
                }
                Item::Snapshot(view)
            }
        };
        if let Some(link) = self.learners.links.get_mut(&id) {
            link.waiting.push_back(item);
        }
        self.pump(u, id);
    }

    pub(super) fn close_learner(&mut self, u: &mut Universe, id: LinkId, why: String) {
        if let Some(link) = self.learners.links.get_mut(&id) {
            link.waiting.push_back(Item::Close(why));
        }
        self.pump(u, id);
    }

    pub(super) fn probe_log(&mut self, u: &mut Universe, link: LinkId, peer: Zxid) {
        let outcome = self.probe(peer).map_err(|error| error.to_string());
        u.marks.reach("log probed");
        self.push_event(u, Event::LogProbed { link, outcome });
    }

    /// The next slice of a snapshot that is being sent.
    pub(super) fn stream_on(&mut self, u: &mut Universe, id: LinkId) {
        let Some(link) = self.learners.links.get_mut(&id) else { return };
        if std::mem::take(&mut link.is_late) {
            link.streaming = Some(View::begin(&mut self.state));
        }
        let Some(view) = &mut link.streaming else { return };
        let Ok(items) = view.next_slice(&self.state, SLICE_ITEMS) else {
            return self.lose_learner(u, id, "the state was replaced while it was sent".to_owned());
        };
        let mut bytes = Vec::new();
        for item in items {
            match item {
                SnapshotItem::Sessions(_) if u.has_bug("snapshot-without-sessions") => {
                    SnapshotItem::Sessions(Vec::new()).encode(&mut bytes);
                }
                item => item.encode(&mut bytes),
            }
        }
        let is_finished = view.is_finished();
        if is_finished {
            write::string(&mut bytes, SIGNATURE);
            link.streaming = None;
        }
        u.send(link.wire, End::Acceptor, bytes);
        match is_finished {
            true => self.pump(u, id),
            false => {
                let after = u.random.between(50, 1500);
                self.plan(u, after, ServerTurn::Stream(id));
            }
        }
    }

    /// Sends what waits, up to a snapshot.
    fn pump(&mut self, u: &mut Universe, id: LinkId) {
        loop {
            let Some(link) = self.learners.links.get_mut(&id) else { return };
            if link.streaming.is_some() {
                return;
            }
            let wire = link.wire;
            match link.waiting.pop_front() {
                None => return,
                Some(Item::Packet(packet)) => {
                    note_sync(u, &packet);
                    u.trace
                        .say(u.now, || format!("{}: to learner {}: {}", self.host + 1, id.0, brief(&packet)));
                    u.send(wire, End::Acceptor, packet.to_vec());
                }
                Some(Item::Log { after, up_to }) => match self.records_between(after, up_to) {
                    Ok(bytes) => {
                        u.marks.reach("sync: log on disk");
                        u.send(wire, End::Acceptor, bytes);
                    }
                    Err(why) => return self.lose_learner(u, id, why),
                },
                Some(Item::Snapshot(view)) => {
                    link.is_late = u.has_bug("snapshot-taken-late");
                    u.marks.reach("sync: SNAP");
                    u.send(wire, End::Acceptor, Packet::Snap(view.zxid()).to_vec());
                    link.streaming = Some(view);
                    let after = if link.is_late { 20_000 } else { 100 };
                    self.plan(u, after, ServerTurn::Stream(id));
                }
                Some(Item::Close(why)) => return self.lose_learner(u, id, why),
            }
        }
    }

    fn lose_learner(&mut self, u: &mut Universe, id: LinkId, why: String) {
        let Some(link) = self.learners.links.remove(&id) else { return };
        self.learners.by_wire.remove(&link.wire);
        u.close(link.wire, End::Acceptor);
        u.trace.say(u.now, || format!("{}: learner {} lost: {why}", self.host + 1, id.0));
        self.push_event(u, Event::LearnerLost { link: id, why });
    }

    fn records_between(&self, after: Zxid, up_to: Zxid) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for record in self.disk.store.records_between(after, up_to).map_err(|error| error.to_string())? {
            let record = record.and_then(|record| record.decode().map_err(|error| record.undecodable(error)));
            let record = record.map_err(|error| error.to_string())?;
            let zxid = record.header.zxid;
            Packet::Proposal(std::sync::Arc::new(record)).encode(&mut bytes);
            Packet::Commit(zxid).encode(&mut bytes);
        }
        Ok(bytes)
    }

    fn probe(&self, peer: Zxid) -> Result<LogProbe, storage::StorageError> {
        let found = self.disk.store.probe(peer, Some(LOG_BYTES_MAX))?;
        let storage::LogProbe { floor, first_above, last, is_over, bytes_above: _ } = found;
        Ok(LogProbe { floor, first_above, last, is_over })
    }
}

/// The first packet of what was received; `None` until it is whole.
pub(super) fn take_packet(from: zab::packet::From, received: &mut Vec<u8>) -> Result<Option<Packet>, String> {
    if received.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::from_slice(received);
    match Packet::decode(from, &mut reader) {
        Ok(packet) => {
            let taken = reader.position();
            received.drain(..taken);
            Ok(Some(packet))
        }
        Err(error) if error.packet_type.is_none() && matches!(error.what, DecodeError::Truncated { .. }) => {
            Ok(None)
        }
        Err(error) => Err(error.to_string()),
    }
}

/// A packet in a few words.
pub(super) fn brief(packet: &Packet) -> String {
    match packet {
        Packet::Proposal(record) => format!("PROPOSAL {} {:?}", record.header.zxid, record.txn.op_code()),
        Packet::Inform(record) => format!("INFORM {}", record.header.zxid),
        Packet::NewLeader { zxid, .. } => format!("NEWLEADER {zxid}"),
        other => format!("{other:?}"),
    }
}

fn note_sync(u: &mut Universe, packet: &Packet) {
    match packet {
        Packet::Diff(_) => u.marks.reach("sync: DIFF"),
        Packet::Trunc(_) => u.marks.reach("sync: TRUNC"),
        _ => {}
    }
}
