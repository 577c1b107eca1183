//! From the connection to the acceptance of the leader's epoch.

use alloc::vec::Vec;

use jute::Zxid;

use super::{Departure, Learner, LearnerAction, LearnerNote, Phase};
use crate::packet::PROTOCOL_VERSION;
use crate::{Introduction, Packet};

impl Learner {
    // zk: Learner.registerWithLeader: the first packet
    pub(super) fn on_connected(&mut self, out: &mut Vec<LearnerAction>) {
        if !matches!(self.phase, Phase::Dialling) {
            return self.unexpected("a second connection", out);
        }
        let introduction = Introduction {
            accepted_epoch: self.accepted_epoch,
            server: Some(self.settings.me.map_or(NO_ID, |me| me.0)),
            protocol_version: PROTOCOL_VERSION,
            config_version: self.settings.config_version,
        };
        out.push(LearnerAction::Send(if self.settings.is_observer {
            Packet::ObserverInfo(introduction)
        } else {
            Packet::FollowerInfo(introduction)
        }));
        self.phase = Phase::Introduced;
    }

    // zk: Learner.registerWithLeader: the leader's answer
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other packets have no place here")]
    pub(super) fn on_first_packet(&mut self, packet: Packet, out: &mut Vec<LearnerAction>) {
        match packet {
            Packet::LeaderInfo { zxid, .. } => self.on_leader_info(zxid.epoch(), out),
            // diverges(leaders-before-zab-1): leaders from before Zab 1.0 are not followed
            Packet::NewLeader { .. } => self.unexpected("NEWLEADER before an epoch was agreed on", out),
            Packet::Unknown(packet_type) => {
                out.push(LearnerAction::Note(LearnerNote::UnknownPacket(packet_type)));
            }
            other => self.unexpected(other.name(), out),
        }
    }

    fn on_leader_info(&mut self, epoch: i32, out: &mut Vec<LearnerAction>) {
        let floor = self.settings.elected_epoch.unwrap_or(i32::MIN).max(self.accepted_epoch);
        if epoch < floor {
            return self.leave(Departure::OldEpoch(epoch), out);
        }
        self.epoch = epoch;
        if epoch > self.accepted_epoch {
            out.push(LearnerAction::WriteAcceptedEpoch(epoch));
            self.phase = Phase::AcceptingEpoch;
        } else {
            // This epoch was acknowledged before and does not count twice, but the leader needs the end of our history.
            self.acknowledge_epoch(None, out);
        }
    }

    pub(super) fn acknowledge_epoch(&mut self, current_epoch: Option<i32>, out: &mut Vec<LearnerAction>) {
        out.push(LearnerAction::Send(Packet::AckEpoch { last: self.history.last(), current_epoch }));
        self.phase = Phase::Awaiting;
    }

    /// The zxid of NEWLEADER, which is also what its ACK and that of UPTODATE carry.
    pub(super) fn epoch_zxid(&self) -> Zxid {
        Zxid::from_parts(self.epoch, 0)
    }
}

/// The id of an observer without one.
// zk: QuorumPeer.OBSERVER_ID
const NO_ID: i64 = i64::MAX;
