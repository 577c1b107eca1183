//! Transactions go out, acknowledgements come in, commits go out: in one order.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ensemble::ServerId;
use jute::{Txn, TxnRecord, Zxid};

use super::link::Link;
use super::{Leader, LeaderAction, LeaderNote, Refusal, send};
use crate::{LinkId, Packet};

impl Leader {
    // zk: Leader.propose
    pub(super) fn broadcast(&mut self, now_ms: u64, record: Arc<TxnRecord>, out: &mut Vec<LeaderAction>) {
        if self.is_over() {
            return;
        }
        let zxid = record.header.zxid;
        assert!(self.is_established(), "invariant: nothing is proposed before a quorum has the history");
        assert!(zxid.0 == self.last_proposed.0 + 1, "invariant: {zxid} follows {}", self.last_proposed);
        self.last_proposed = zxid;
        self.see_proposal(&record, out);
        for (id, link) in &mut self.links {
            if link.is_forwarding() && link.is_follower() {
                send(*id, Packet::Proposal(Arc::clone(&record)), out);
                if link.is_synced() {
                    link.lag.sent(zxid, now_ms);
                }
            }
        }
        self.outstanding.push_back(record);
    }

    /// Commits what a quorum's logs hold.
    // zk: Leader.tryToCommit
    pub(super) fn commit(&mut self, out: &mut Vec<LeaderAction>) {
        // A membership that comes into force changes what is reached.
        while let Some(record) = self.next_reached() {
            let zxid = record.header.zxid;
            self.committed = zxid;
            self.end = zxid;
            let leader = matches!(record.txn, Txn::Reconfig(_))
                .then(|| self.activate(zxid, |link| (link.acked >= zxid).then_some(link.acked), out));
            for (id, link) in self.links.iter().filter(|(_, link)| link.is_forwarding()) {
                send(*id, commit_for(link, leader, &record), out);
            }
            self.recent.push(record);
            // One by one: what waits behind this transaction stands before the commit of the next in a learner's stream.
            out.push(LeaderAction::Committed { zxid: self.committed });
        }
    }

    fn next_reached(&mut self) -> Option<Arc<TxnRecord>> {
        let reached = self.acks.reached().filter(|_| self.commits())?;
        let is_reached = self.outstanding.front().is_some_and(|record| record.header.zxid <= reached);
        if is_reached { self.outstanding.pop_front() } else { None }
    }

    // zk: LearnerHandler.run, behind UPTODATE
    pub(super) fn on_packet_while_serving(
        &mut self,
        link: LinkId,
        packet: Packet,
        out: &mut Vec<LeaderAction>,
    ) {
        let heard_until_tick = self.tick() + u64::from(self.settings.sync_limit);
        let Some(found) = self.links.get_mut(&link) else { return };
        let Some(who) = found.who else { return };
        found.heard_until_tick = heard_until_tick;
        match packet {
            Packet::Ack(zxid) => self.on_ack(link, zxid, out),
            Packet::Ping { zxid: _, heard } => {
                if let Some(sessions) = heard.filter(|heard| !heard.is_empty()) {
                    out.push(LeaderAction::Heard { sessions });
                }
            }
            Packet::Revalidate { session, timeout_ms } => {
                out.push(LeaderAction::Revalidate { link, session, timeout_ms });
            }
            Packet::Request(request) => out.push(LeaderAction::Forwarded { link, request }),
            Packet::Unknown(packet_type) => {
                out.push(LeaderAction::Note(LeaderNote::UnknownPacket { server: who.server, packet_type }));
            }
            Packet::Proposal(_)
            | Packet::Commit(_)
            | Packet::Revalidated { .. }
            | Packet::Sync
            | Packet::Inform(_)
            | Packet::CommitAndActivate { .. }
            | Packet::InformAndActivate { .. }
            | Packet::NewLeader { .. }
            | Packet::FollowerInfo(_)
            | Packet::ObserverInfo(_)
            | Packet::UpToDate
            | Packet::Diff(_)
            | Packet::Trunc(_)
            | Packet::Snap(_)
            | Packet::LeaderInfo { .. }
            | Packet::AckEpoch { .. } => {
                let note = LeaderNote::Ignored { server: who.server, what: packet.name() };
                out.push(LeaderAction::Note(note));
            }
        }
    }

    // zk: Leader.processAck
    fn on_ack(&mut self, link: LinkId, zxid: Zxid, out: &mut Vec<LeaderAction>) {
        if zxid > self.last_proposed {
            // diverges(wrong-ack): the reference warns and goes on
            return self.refuse(link, Refusal::WrongAck(zxid), out);
        }
        let Some(found) = self.links.get_mut(&link) else { return };
        if zxid <= found.acked {
            return;
        }
        found.acked = zxid;
        found.lag.acked(zxid);
        if found.follower().is_some_and(|server| self.acks.record(server, zxid)) {
            self.commit(out);
        }
    }
}

/// How a learner hears that a transaction is committed; `leader` is who leads from now on, if it changes the membership.
fn commit_for(link: &Link, leader: Option<ServerId>, record: &Arc<TxnRecord>) -> Packet {
    let zxid = record.header.zxid;
    match (link.is_follower(), leader.map(|leader| leader.0)) {
        (true, None) => Packet::Commit(zxid),
        (true, Some(leader)) => Packet::CommitAndActivate { zxid, leader },
        (false, None) => Packet::Inform(Arc::clone(record)),
        (false, Some(leader)) => Packet::InformAndActivate { leader, record: Arc::clone(record) },
    }
}
