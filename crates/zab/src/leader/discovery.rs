//! A quorum agrees on the next epoch, and on who has the newest history.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use ensemble::ServerId;
use jute::Zxid;

use super::link::{Stage, Who};
use super::{Abdication, Leader, LeaderAction, LeaderNote, Phase, Refusal, send};
use crate::packet::PROTOCOL_VERSION;
use crate::{Introduction, LinkId, Packet};

/// Elections that fail one after another get a server no further ahead.
const EPOCHS_AHEAD_MAX: i32 = 1000;

impl Leader {
    /// The own introduction is one like any other.
    pub(super) fn begin(&mut self, accepted_epoch: i32, out: &mut Vec<LeaderAction>) {
        match accepted_epoch.checked_add(1) {
            Some(epoch) => self.epoch = epoch,
            None => return self.abdicate(Abdication::NoEpochLeft, out),
        }
        self.hear(self.settings.me, out);
    }

    pub(super) fn on_introduction(
        &mut self,
        now_ms: u64,
        link: LinkId,
        introduction: Introduction,
        is_follower: bool,
        out: &mut Vec<LeaderAction>,
    ) {
        // diverges(reconfig-leader-that-makes-way): the reference takes it, and with a quorum leads on for ever without a commit
        if !self.may_commit {
            return self.refuse(link, Refusal::LeaderEnds, out);
        }
        let epoch = match self.check(&introduction) {
            Ok(epoch) => epoch,
            Err(why) => return self.refuse(link, why, out),
        };
        let server = self.name(introduction.server);
        self.close_earlier(server, out);
        let who = Who { server, is_follower, votes: is_follower && self.votes(server) };
        let Some(found) = self.links.get_mut(&link) else { return };
        found.who = Some(who);
        found.stage = Stage::Introduced;
        found.until_ms = None;
        let Who { server, is_follower, votes } = who;
        out.push(LeaderAction::Note(LeaderNote::Introduced { link, server, is_follower, votes }));
        match self.phase {
            Phase::Broadcast { .. } if votes && self.is_ahead(server, introduction.accepted_epoch) => {
                out.push(LeaderAction::WriteAcceptedEpoch(introduction.accepted_epoch));
                let epoch = introduction.accepted_epoch;
                self.abdicate(Abdication::VoterAhead { server, epoch }, out);
            }
            Phase::Discovery { .. } => {
                // zk: Leader.getEpochToPropose: whoever comes may raise the epoch, voters only make a quorum
                self.epoch = self.epoch.max(epoch);
                if votes {
                    self.hear(server, out);
                }
            }
            Phase::WritingAccepted | Phase::Over => {}
            Phase::Agreement { .. }
            | Phase::WritingCurrent
            | Phase::Synchronisation { .. }
            | Phase::Broadcast { .. } => self.ask(now_ms, link, out),
        }
    }

    /// The epoch that must come after those the learner accepted.
    // zk: LearnerHandler.run
    fn check(&self, introduction: &Introduction) -> Result<i32, Refusal> {
        if introduction.config_version > self.verifier.version {
            return Err(Refusal::NewerConfig(introduction.config_version));
        }
        // diverges(old-learners): the reference speaks the protocol of servers before 3.4 with them. An empty body, which no
        // such server sends, says nothing about the version.
        if introduction.server.is_some() && introduction.protocol_version < PROTOCOL_VERSION {
            return Err(Refusal::OldProtocol(introduction.protocol_version));
        }
        // diverges(learner-ids): the reference counts it as the leader
        if introduction.server == Some(self.settings.me.0) {
            return Err(Refusal::OwnId);
        }
        introduction.accepted_epoch.checked_add(1).ok_or(Refusal::NoEpochLeft)
    }

    /// Whether a voter may not join, for it has accepted a later epoch, which never began. The data of another ensemble look
    /// alike, with a newer history or many epochs ahead.
    // diverges(accepted-epoch-ahead): the reference leads on, and the voter asks for ever
    fn is_ahead(&self, server: ServerId, accepted_epoch: i32) -> bool {
        let ahead = accepted_epoch.saturating_sub(self.epoch);
        (1..=EPOCHS_AHEAD_MAX).contains(&ahead) && self.outdated.contains(&server)
    }

    // zk: Leader.getAndDecrementFollowerCounter
    fn name(&mut self, server: Option<i64>) -> ServerId {
        let nameless = ServerId(self.nameless);
        server.map_or_else(
            || {
                self.nameless -= 1;
                nameless
            },
            ServerId,
        )
    }

    /// A server has one link: the later one. Negative ids belong to many.
    // diverges(learner-ids): the reference lets both stand
    fn close_earlier(&mut self, server: ServerId, out: &mut Vec<LeaderAction>) {
        let is_it = |who: Who| who.server == server && server.0 >= 0;
        let earlier: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| link.who.is_some_and(is_it)).map(|(id, _)| *id).collect();
        for link in earlier {
            self.refuse(link, Refusal::Replaced, out);
        }
    }

    /// Counts an introduction.
    // zk: Leader.getEpochToPropose
    fn hear(&mut self, server: ServerId, out: &mut Vec<LeaderAction>) {
        let quorums = self.quorums();
        let Phase::Discovery { heard } = &mut self.phase else { return };
        heard.insert(server);
        if quorums.are_met(heard) {
            self.phase = Phase::WritingAccepted;
            self.last_proposed = self.first();
            self.begin_versions(out);
            out.push(LeaderAction::WriteAcceptedEpoch(self.epoch));
        }
    }

    /// The epoch is a promise now: tells it to all who wait.
    pub(super) fn ask_all(&mut self, now_ms: u64, out: &mut Vec<LeaderAction>) {
        self.phase = Phase::Agreement { accepted: BTreeSet::new() };
        self.deadline_ms = now_ms.saturating_add(self.settings.init_ms());
        for link in self.links_in(|stage| stage == Stage::Introduced) {
            self.ask(now_ms, link, out);
        }
        self.accept(self.settings.me, out);
    }

    fn ask(&mut self, now_ms: u64, link: LinkId, out: &mut Vec<LeaderAction>) {
        let (zxid, until_ms) = (self.first(), now_ms.saturating_add(self.settings.init_ms()));
        let Some(found) = self.links.get_mut(&link) else { return };
        found.stage = Stage::Asked;
        found.until_ms = Some(until_ms);
        send(link, Packet::LeaderInfo { zxid, protocol_version: PROTOCOL_VERSION }, out);
    }

    // zk: Leader.waitForEpochAck
    pub(super) fn on_ack_epoch(
        &mut self,
        now_ms: u64,
        link: LinkId,
        last: Zxid,
        current_epoch: Option<i32>,
        out: &mut Vec<LeaderAction>,
    ) {
        let Some(found) = self.links.get_mut(&link) else { return };
        found.stage = Stage::Accepted(last);
        found.until_ms = None;
        let voter = found.voter();
        match self.phase {
            Phase::Agreement { .. } => self.weigh(link, voter, last, current_epoch, out),
            Phase::Synchronisation { .. } | Phase::Broadcast { .. } => {
                self.synchronise(now_ms, link, last, out)
            }
            // They wait until the current epoch is durable.
            Phase::Discovery { .. } | Phase::WritingAccepted | Phase::WritingCurrent | Phase::Over => {}
        }
    }

    /// Nobody follows who has a newer history than we, until a quorum agreed that ours is the one.
    fn weigh(
        &mut self,
        link: LinkId,
        voter: Option<ServerId>,
        last: Zxid,
        current_epoch: Option<i32>,
        out: &mut Vec<LeaderAction>,
    ) {
        // None stands for an epoch that it had accepted before: it says nothing about its history.
        let Some(current_epoch) = current_epoch else { return };
        if (current_epoch, last) > self.summary {
            // diverges(newer-follower): the reference closes the link and waits for others
            return match voter {
                Some(server) => self.abdicate(Abdication::NewerFollower(server), out),
                None => self.refuse(link, Refusal::NewerHistory(last), out),
            };
        }
        if let Some(server) = voter.filter(|_| last != Zxid::NONE) {
            self.accept(server, out);
        }
    }

    fn accept(&mut self, server: ServerId, out: &mut Vec<LeaderAction>) {
        let quorums = self.quorums();
        let Phase::Agreement { accepted } = &mut self.phase else { return };
        accepted.insert(server);
        if accepted.contains(&self.settings.me) && quorums.are_met(accepted) {
            self.phase = Phase::WritingCurrent;
            out.push(LeaderAction::WriteCurrentEpoch(self.epoch));
        }
    }

    pub(super) fn links_in(&self, matches: impl Fn(Stage) -> bool) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| matches(link.stage)).map(|(id, _)| *id).collect()
    }
}
