//! What time brings: steps that take too long, pings, and the search for a quorum that is still there.

use alloc::vec::Vec;

use super::link::{Link, Stage};
use super::{Abdication, Leader, LeaderAction, Phase, Refusal, send};
use crate::{LinkId, Packet};

impl Leader {
    /// Closes links that owe a packet for too long.
    pub(super) fn close_late(&mut self, now_ms: u64, out: &mut Vec<LeaderAction>) {
        let is_late = |link: &Link| link.until_ms.is_some_and(|until_ms| now_ms >= until_ms);
        let what = |stage| match stage {
            Stage::Connected => "no introduction",
            Stage::Asked => "no answer to LEADERINFO",
            Stage::Syncing { .. } => "no acknowledgement of NEWLEADER",
            Stage::Introduced | Stage::Accepted(_) | Stage::Probing(_) | Stage::Synced | Stage::Serving => {
                "nothing came"
            }
        };
        let late: Vec<(LinkId, &str)> = self
            .links
            .iter()
            .filter(|(_, link)| is_late(link))
            .map(|(id, link)| (*id, what(link.stage)))
            .collect();
        for (link, what) in late {
            self.refuse(link, Refusal::TimedOut(what), out);
        }
    }

    pub(super) fn on_phase_deadline(&mut self, now_ms: u64, out: &mut Vec<LeaderAction>) {
        match self.phase {
            Phase::Discovery { .. } | Phase::WritingAccepted | Phase::Agreement { .. } => {
                self.abdicate(Abdication::NoQuorumForEpoch, out);
            }
            Phase::WritingCurrent | Phase::Synchronisation { .. } => {
                self.abdicate(Abdication::NoQuorumForHistory, out);
            }
            Phase::Broadcast { tick, is_half } => {
                // The next half tick is counted from now: after a pause none is made up for, so that what waits to be read is
                // read before anyone is given up.
                self.deadline_ms = now_ms.saturating_add(self.settings.half_tick_ms());
                let tick = tick + u64::from(is_half);
                self.phase = Phase::Broadcast { tick, is_half: !is_half };
                self.on_half_tick(now_ms, is_half, out);
            }
            Phase::Over => {}
        }
    }

    // zk: Leader.lead
    fn on_half_tick(&mut self, now_ms: u64, is_whole: bool, out: &mut Vec<LeaderAction>) {
        if is_whole && !self.quorums_of_both().are_met(&self.heard_of()) {
            return self.abdicate(Abdication::LostQuorum, out);
        }
        let (tick, sync_ms, zxid) = (self.tick(), self.settings.sync_ms(), self.last_proposed);
        for id in self.links_in(|_| true) {
            let Some(link) = self.links.get(&id) else { continue };
            if link.stage == Stage::Serving && tick > link.heard_until_tick {
                self.refuse(id, Refusal::TimedOut("nothing was heard of it"), out);
            } else if link.lag.is_longer_than(sync_ms, now_ms) {
                self.refuse(id, Refusal::TimedOut("a proposal was not acknowledged"), out);
            } else if link.is_forwarding() {
                send(id, Packet::Ping { zxid, heard: None }, out);
            }
        }
    }
}
