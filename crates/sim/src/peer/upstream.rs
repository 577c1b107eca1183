//! A learner's way to its leader: dial, packets, and the snapshot behind SNAP.

use ensemble::ServerId;
use jute::snapshot::{SnapshotDecoder, SnapshotItem};
use jute::{OpCode, Reader, Zxid};
use replica::Event;
use tree::State;
use tree::snapshot::Builder;
use zab::learner::Upstream;
use zab::{Attempt, Packet};

use super::learners::{SIGNATURE, brief, take_packet};
use super::process::Process;
use crate::agenda::ServerTurn;
use crate::clock::{MS, Micros};
use crate::net::{End, Line, WireId};
use crate::universe::Universe;

/// The link of one attempt.
pub(crate) struct Link {
    attempt: Attempt,
    leader: usize,
    until: Micros,
    wire: Option<WireId>,
    received: Vec<u8>,
    incoming: Option<Incoming>,
    /// The first packet that went to the leader.
    introduction: Vec<u8>,
    /// A connection beside this one.
    second: Option<WireId>,
}

/// A snapshot on its way.
struct Incoming {
    zxid: Zxid,
    decoder: SnapshotDecoder,
    builder: Builder,
}

/// Time between two tries.
const RETRY: Micros = 100 * MS;

impl Process {
    pub(super) fn dial(&mut self, u: &mut Universe, attempt: Attempt, leader: ServerId, within_ms: u64) {
        let until = u.now + within_ms * MS;
        let Some(host) = u.plan.host_of(leader) else { return };
        self.upstream = Some(Link {
            attempt,
            leader: host,
            until,
            wire: None,
            received: Vec::new(),
            incoming: None,
            introduction: Vec::new(),
            second: None,
        });
        self.dial_on(u, attempt);
    }

    /// One more try.
    pub(super) fn dial_on(&mut self, u: &mut Universe, attempt: Attempt) {
        let host = self.host;
        let Some(link) = self.upstream.as_mut().filter(|link| link.attempt == attempt) else { return };
        if link.wire.is_none() {
            link.wire = Some(u.dial(Line::Quorum, host, link.leader));
        }
    }

    /// Dials the leader once more and introduces itself again, as after a connection that only one end has lost.
    pub(crate) fn dial_twice(&mut self, u: &mut Universe) {
        let Some(link) = &mut self.upstream else { return };
        if !link.introduction.is_empty() {
            u.marks.reach("learner dialled twice");
            link.second = Some(u.dial(Line::Quorum, self.host, link.leader));
        }
    }

    /// Our dial was accepted.
    pub(crate) fn upstream_opened(&mut self, u: &mut Universe, wire: WireId) {
        if let Some(link) = self.upstream.as_mut().filter(|link| link.second == Some(wire)) {
            return u.send(wire, End::Dialer, link.introduction.clone());
        }
        let Some(link) = self.link_of(wire) else { return u.close(wire, End::Dialer) };
        let attempt = link.attempt;
        self.push_event(u, Event::Upstream { attempt, what: Upstream::Connected });
    }

    /// Our dial came to nothing: again, while there is time.
    pub(crate) fn upstream_failed(&mut self, u: &mut Universe, wire: WireId) {
        let now = u.now;
        let Some(link) = self.link_of(wire) else { return };
        let attempt = link.attempt;
        if now + RETRY < link.until {
            link.wire = None;
            return self.plan(u, RETRY, ServerTurn::Dial(attempt));
        }
        self.lose_upstream(u, attempt, "nobody listens");
    }

    pub(crate) fn upstream_bytes(&mut self, u: &mut Universe, wire: WireId, bytes: &[u8]) {
        let Some(link) = self.link_of(wire) else { return };
        link.received.extend_from_slice(bytes);
        let settings = self.settings.state();
        loop {
            let Some(link) = self.link_of(wire) else { return };
            let attempt = link.attempt;
            let what = if link.incoming.is_some() {
                match link.take_snapshot() {
                    Ok(None) => return,
                    Ok(Some(state)) => {
                        // It waits to be adopted, whatever becomes of the link.
                        self.received = Some((attempt, state));
                        Upstream::SnapshotReceived
                    }
                    Err(why) => return self.lose_upstream(u, attempt, &why),
                }
            } else {
                match take_packet(zab::packet::From::Leader, &mut link.received) {
                    Ok(None) => return,
                    Ok(Some(packet)) => {
                        if let Packet::Snap(zxid) = packet {
                            let (decoder, builder) = (SnapshotDecoder::new(), Builder::new(settings));
                            link.incoming = Some(Incoming { zxid, decoder, builder });
                        }
                        Upstream::Packet(packet)
                    }
                    Err(why) => return self.lose_upstream(u, attempt, &why),
                }
            };
            let committed = match &what {
                Upstream::Packet(Packet::Proposal(record)) if u.has_bug("apply-before-commit") => {
                    Some(record.header.zxid)
                }
                Upstream::Packet(Packet::Commit(_)) if u.has_bug("apply-before-commit") => continue,
                _ => None,
            };
            let new_leader = match &what {
                Upstream::Packet(Packet::NewLeader { zxid, .. }) => Some(*zxid),
                _ => None,
            };
            self.push_event(u, Event::Upstream { attempt, what });
            if let Some(zxid) = new_leader {
                self.spoil_new_leader(u, attempt, zxid);
            }
            if let Some(zxid) = committed {
                let what = Upstream::Packet(Packet::Commit(zxid));
                self.push_event(u, Event::Upstream { attempt, what });
            }
        }
    }

    /// The connection to the leader is gone.
    pub(crate) fn upstream_lost(&mut self, u: &mut Universe, wire: WireId) {
        if let Some(link) = self.link_of(wire) {
            let attempt = link.attempt;
            self.lose_upstream(u, attempt, "the connection is gone");
        }
    }

    pub(super) fn send_to_leader(&mut self, u: &mut Universe, attempt: Attempt, packet: &Packet) {
        if u.has_bug("sync-answered-at-once")
            && matches!(packet, Packet::Request(request) if request.op_code == OpCode::Sync.code())
        {
            return self.push_event(u, Event::Upstream { attempt, what: Upstream::Packet(Packet::Sync) });
        }
        let Some(link) = self.upstream.as_mut().filter(|link| link.attempt == attempt) else { return };
        if link.introduction.is_empty() {
            link.introduction = packet.to_vec();
        }
        u.trace.say(u.now, || format!("{}: to leader: {}", self.host + 1, brief(packet)));
        if let Some(wire) = link.wire {
            u.send(wire, End::Dialer, packet.to_vec());
        }
        if let Packet::Ack(zxid) = packet {
            self.acknowledges(u, *zxid);
        }
    }

    pub(super) fn hang_up(&mut self, u: &mut Universe, attempt: Attempt) {
        if let Some(link) = self.upstream.take_if(|link| link.attempt == attempt)
            && let Some(wire) = link.wire
        {
            u.close(wire, End::Dialer);
        }
    }

    /// The state that came behind SNAP.
    pub(super) fn take_received(&mut self, attempt: Attempt) -> Option<State> {
        self.received.take_if(|(of, _)| *of == attempt).map(|(_, state)| state)
    }

    /// The connection goes; what came by it stays until the replica hangs up, which has not heard all of it yet.
    fn lose_upstream(&mut self, u: &mut Universe, attempt: Attempt, why: &str) {
        if let Some(link) = self.upstream.as_mut().filter(|link| link.attempt == attempt)
            && let Some(wire) = link.wire.take()
        {
            u.close(wire, End::Dialer);
        }
        let what = Upstream::Lost { why: why.to_owned() };
        self.push_event(u, Event::Upstream { attempt, what });
    }

    fn link_of(&mut self, wire: WireId) -> Option<&mut Link> {
        self.upstream.as_mut().filter(|link| link.wire == Some(wire))
    }
}

impl Link {
    /// Takes what has come of the snapshot: the state, once it is whole.
    fn take_snapshot(&mut self) -> Result<Option<State>, String> {
        let Some(incoming) = &mut self.incoming else { return Ok(None) };
        while !incoming.decoder.is_finished() {
            let mut reader = Reader::from_slice(&self.received);
            let item = incoming.decoder.next(&mut reader).map_err(|error| error.to_string())?;
            let taken = reader.position();
            self.received.drain(..taken);
            match item {
                None => return Ok(None),
                Some(item @ SnapshotItem::End) => {
                    incoming.builder.push(item).map_err(|error| error.to_string())?;
                    break;
                }
                Some(item) => incoming.builder.push(item).map_err(|error| error.to_string())?,
            }
        }
        let signature = self.received.get(..4 + SIGNATURE.len());
        let Some(signature) = signature else { return Ok(None) };
        if signature.get(4..) != Some(SIGNATURE.as_bytes()) {
            return Err("a snapshot without a signature".to_owned());
        }
        self.received.drain(..4 + SIGNATURE.len());
        let Some(incoming) = self.incoming.take() else { return Ok(None) };
        incoming.builder.finish(incoming.zxid).map(Some).map_err(|error| error.to_string())
    }
}
