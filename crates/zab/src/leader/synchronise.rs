//! Each learner gets the history; a quorum of those who have it establishes the epoch.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ensemble::ServerId;
use jute::Zxid;

use super::link::{Lag, Stage};
use super::{Leader, LeaderAction, LeaderNote, Phase, Refusal, send};
use crate::sync::{self, Decision, History, Log, Plan};
use crate::{LinkId, LogProbe, Packet};

impl Leader {
    pub(super) fn synchronise_all(&mut self, now_ms: u64, out: &mut Vec<LeaderAction>) {
        self.phase = Phase::Synchronisation { synced: BTreeSet::new() };
        self.deadline_ms = now_ms.saturating_add(self.settings.init_ms());
        for link in self.links_in(|stage| matches!(stage, Stage::Accepted(_))) {
            if let Some(Stage::Accepted(last)) = self.links.get(&link).map(|link| link.stage) {
                self.synchronise(now_ms, link, last, out);
            }
        }
        // Our own history is durable, and so is the epoch.
        self.count_synced(now_ms, self.settings.me, out);
    }

    /// Begins with a learner whose history ends with `last`.
    // zk: LearnerHandler.syncFollower
    pub(super) fn synchronise(&mut self, now_ms: u64, link: LinkId, last: Zxid, out: &mut Vec<LeaderAction>) {
        let log = if self.settings.sends_log { Log::Unasked } else { Log::Off };
        match self.decide(last, log) {
            Decision::Send(plan) => self.send_history(now_ms, link, last, plan, out),
            Decision::AskLog => {
                if let Some(found) = self.links.get_mut(&link) {
                    found.stage = Stage::Probing(last);
                    out.push(LeaderAction::ProbeLog { link, peer: last });
                }
            }
        }
    }

    pub(super) fn on_probe(
        &mut self,
        now_ms: u64,
        link: LinkId,
        probe: Result<LogProbe, String>,
        out: &mut Vec<LeaderAction>,
    ) {
        let Some((Stage::Probing(last), Some(who))) =
            self.links.get(&link).map(|link| (link.stage, link.who))
        else {
            return;
        };
        let log = match &probe {
            Ok(probe) => Log::Probed(probe),
            Err(why) => {
                let note = LeaderNote::LogUnreadable { server: who.server, why: why.clone() };
                out.push(LeaderAction::Note(note));
                Log::Off
            }
        };
        let plan = match self.decide(last, log) {
            Decision::Send(plan) => plan,
            Decision::AskLog => Plan::Snapshot,
        };
        self.send_history(now_ms, link, last, plan, out);
    }

    fn decide(&self, peer: Zxid, log: Log<'_>) -> Decision {
        sync::decide(peer, &self.history(), log, self.settings.forces_snapshot)
    }

    fn history(&self) -> History<'_> {
        History { end: self.end, processed: self.committed, recent: &self.recent }
    }

    /// Puts history, outstanding proposals and NEWLEADER into a learner's stream; all that comes later goes behind them.
    fn send_history(
        &mut self,
        now_ms: u64,
        link: LinkId,
        peer: Zxid,
        plan: Plan,
        out: &mut Vec<LeaderAction>,
    ) {
        let until_ms = now_ms.saturating_add(self.settings.init_ms());
        let Some(found) = self.links.get_mut(&link) else { return };
        let Some(who) = found.who else { return };
        found.stage = Stage::Syncing { early: None };
        // The end of a long stream is known to its writer only, who bounds the wait from there.
        found.until_ms = matches!(plan, Plan::Transactions { log: None, .. }).then_some(until_ms);

        let stream = sync::stream(plan, peer, &self.history());
        let note = LeaderNote::Synchronising { server: who.server, peer, how: stream.how, from: stream.from };
        out.push(LeaderAction::Note(note));
        out.extend(stream.items.into_iter().map(|what| LeaderAction::Send { link, what }));
        // What comes with NEWLEADER is in force at UPTODATE. When the epoch begins that is what was proposed last, for it is agreed on
        // by then. One that is proposed later follows NEWLEADER as any other proposal does.
        // diverges(newleader-membership-in-force): the reference sends one that is not agreed on, and the learner puts it into force
        let is_under_way = self.is_established() && self.last_seen.version > self.verifier.version;
        let config = if is_under_way { &self.verifier } else { &self.last_seen };
        let new_leader = Packet::NewLeader { zxid: self.first(), config: Some(config.to_string()) };
        // zk: Leader.startForwarding: observers hear of transactions once they are committed
        let proposals = self.outstanding.iter().filter(|_| who.is_follower).cloned().map(Packet::Proposal);
        if is_under_way {
            send_all(link, core::iter::once(new_leader).chain(proposals), out);
        } else {
            send_all(link, proposals.chain(core::iter::once(new_leader)), out);
        }
    }

    // zk: Leader.waitForNewLeaderAck
    pub(super) fn on_ack_while_syncing(
        &mut self,
        link: LinkId,
        zxid: Zxid,
        now_ms: u64,
        out: &mut Vec<LeaderAction>,
    ) {
        let (first, last_proposed, end) = (self.first(), self.last_proposed, self.end);
        let heard_until_tick = self.tick() + u64::from(self.settings.sync_limit);
        let Some(found) = self.links.get_mut(&link) else { return };
        let (Stage::Syncing { early }, Some(who)) = (found.stage, found.who) else { return };
        // zk: ZOOKEEPER-4685: up to 3.9.1 two threads of a follower write acknowledgements, also for the history that it was
        // sent. Those of this epoch count in their turn.
        if zxid > first && zxid <= last_proposed {
            found.stage = Stage::Syncing { early: early.max(Some(zxid)) };
            return;
        }
        if zxid < first && zxid <= end {
            return;
        }
        if zxid != first {
            return self.refuse(link, Refusal::WrongAck(zxid), out);
        }
        found.stage = Stage::Synced;
        found.until_ms = None;
        // A long history takes longer than a link has from its beginning.
        found.heard_until_tick = found.heard_until_tick.max(heard_until_tick);
        found.acked = early.unwrap_or(first);
        found.lag = Lag::default();
        out.push(LeaderAction::Note(LeaderNote::Synchronised { server: who.server }));
        if self.is_established() {
            self.let_serve(link, out);
        } else if self.is_counted(who) {
            self.count_synced(now_ms, who.server, out);
        }
    }

    fn count_synced(&mut self, now_ms: u64, server: ServerId, out: &mut Vec<LeaderAction>) {
        let quorums = self.quorums_of_both();
        let Phase::Synchronisation { synced } = &mut self.phase else { return };
        synced.insert(server);
        if synced.contains(&self.settings.me) && quorums.are_met(synced) {
            self.establish(now_ms, out);
        }
    }

    /// The history is committed and the epoch may have transactions.
    // zk: Leader.startZkServer
    fn establish(&mut self, now_ms: u64, out: &mut Vec<LeaderAction>) {
        self.phase = Phase::Broadcast { tick: 0, is_half: false };
        self.deadline_ms = now_ms.saturating_add(self.settings.half_tick_ms());
        self.committed = self.first();
        if self.settings.reconfig_enabled {
            // zk: ZOOKEEPER-1324: what was proposed and sent with NEWLEADER is agreed on
            self.activate_with_epoch(out);
        }
        out.push(LeaderAction::Established { first: self.first() });
        for link in self.links_in(|stage| stage == Stage::Synced) {
            self.let_serve(link, out);
        }
    }

    fn let_serve(&mut self, link: LinkId, out: &mut Vec<LeaderAction>) {
        let Some(found) = self.links.get_mut(&link) else { return };
        found.stage = Stage::Serving;
        let (follower, acked) = (found.follower(), found.acked);
        send(link, Packet::UpToDate, out);
        if follower.is_some_and(|server| self.acks.record(server, acked)) {
            self.commit(out);
        }
    }
}

fn send_all(link: LinkId, packets: impl Iterator<Item = Packet>, out: &mut Vec<LeaderAction>) {
    packets.for_each(|packet| send(link, packet, out));
}
