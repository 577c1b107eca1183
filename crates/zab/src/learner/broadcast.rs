//! From UPTODATE on.

use alloc::sync::Arc;
use alloc::vec::Vec;

use jute::TxnRecord;

use super::history::Continuation;
use super::{Learner, LearnerAction, LearnerNote};
use crate::Packet;

impl Learner {
    // zk: Follower.processPacket, Observer.processPacket
    pub(super) fn on_broadcast_packet(&mut self, packet: Packet, out: &mut Vec<LearnerAction>) {
        let is_observer = self.settings.is_observer;
        match packet {
            Packet::Proposal(_) if is_observer => self.ignore("PROPOSAL to an observer", out),
            Packet::Proposal(record) => self.take(record, out),
            Packet::Commit(_) | Packet::CommitAndActivate { .. } if is_observer => {
                self.ignore("COMMIT to an observer", out);
            }
            Packet::Commit(zxid) => self.commit(zxid, None, out),
            Packet::CommitAndActivate { zxid, leader } => self.commit(zxid, Some(leader), out),
            Packet::Inform(_) | Packet::InformAndActivate { .. } if !is_observer => {
                self.ignore("INFORM to a follower", out);
            }
            Packet::Inform(record) => self.on_inform(record, None, out),
            Packet::InformAndActivate { leader, record } => self.on_inform(record, Some(leader), out),
            Packet::Ping { zxid, .. } => out.push(LearnerAction::AnswerPing { zxid }),
            Packet::Revalidated { session, is_valid } => {
                out.push(LearnerAction::Revalidated { session, is_valid });
            }
            Packet::Sync => out.push(LearnerAction::Synced),
            Packet::UpToDate => self.ignore("a second UPTODATE", out),
            Packet::Unknown(packet_type) => {
                out.push(LearnerAction::Note(LearnerNote::UnknownPacket(packet_type)));
            }
            // diverges(packets-out-of-place): the reference ignores these
            Packet::NewLeader { .. } => self.unexpected("a second NEWLEADER", out),
            Packet::Request(_)
            | Packet::Ack(_)
            | Packet::Revalidate { .. }
            | Packet::FollowerInfo(_)
            | Packet::ObserverInfo(_)
            | Packet::Diff(_)
            | Packet::Trunc(_)
            | Packet::Snap(_)
            | Packet::LeaderInfo { .. }
            | Packet::AckEpoch { .. } => self.unexpected(packet.name(), out),
        }
    }

    fn on_inform(&mut self, record: Arc<TxnRecord>, leader: Option<i64>, out: &mut Vec<LearnerAction>) {
        if self.history.continuation(&record) == Continuation::Repeat {
            out.push(LearnerAction::Note(LearnerNote::Repeated(record.header.zxid)));
            return;
        }
        self.inform(record, leader, out);
    }
}
