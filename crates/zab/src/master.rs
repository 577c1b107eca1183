//! A follower that serves observers: the observer master.
//!
//! ```text
//! Connected ─ OBSERVERINFO ─▶ Asked ─ ACKEPOCH ─▶ (Probing) ─ DIFF, TRUNC or SNAP ─▶ Syncing ─ ACK, UPTODATE ─▶ Serving
//! ```
//!
//! * It exists while the follower serves, so the epoch stands and there is nothing to wait for.
//! * **Invariant:** observers get what is committed and nothing else, each transaction once and in order: what was committed
//!   when the history is decided on goes in front of NEWLEADER, what comes later behind it.
//! * What observers ask for goes up to the leader, and so does who was heard of; their links know nothing of quorums.
// zk: ObserverMaster, LearnerHandler
// diverges(observer-master-cache): the reference keeps committed packets beside the history, in `observerMaster.sizeLimit` bytes,
// for what is committed while an observer is being synchronised, and drops an observer that needs what fell out of them

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use ensemble::{ServerId, Verifier};
use jute::{SessionId, TxnRecord, Zxid};

use crate::leader::{LeaderNote, Refusal};
use crate::packet::PROTOCOL_VERSION;
use crate::sync::{self, Decision, History, Log, Plan};
use crate::{Introduction, LearnerReport, LinkId, LogProbe, Outgoing, Packet, Request};

/// What an observer master obeys.
#[derive(Debug, Clone)]
pub struct MasterSettings {
    /// Its id.
    pub me: ServerId,
    /// The epoch that it follows in.
    pub epoch: i32,
    /// Length of a tick in milliseconds.
    pub tick_ms: u32,
    /// Ticks for discovery and synchronisation.
    pub init_limit: u32,
    /// Ticks of silence that an observer may have.
    pub sync_limit: u32,
    /// Every observer gets a snapshot (`zookeeper.forceSnapshotSync`).
    pub forces_snapshot: bool,
    /// Whether the log on disk may be sent in place of a snapshot.
    pub sends_log: bool,
}

/// What the follower has at the moment.
#[derive(Debug, Clone, Copy)]
pub struct Follower<'a> {
    /// What is applied here, and the last transactions of that.
    pub history: History<'a>,
    /// The membership in force.
    pub verifier: &'a Verifier,
}

/// What an observer master wants done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterAction {
    /// Put this into an observer's stream.
    Send {
        /// Its link.
        link: LinkId,
        /// What it gets.
        what: Outgoing,
    },
    /// Close an observer's link, behind what was put into it. The master has forgotten it.
    Close {
        /// Its link.
        link: LinkId,
        /// Why.
        why: Refusal,
    },
    /// What does the log on disk prove about this history? Then [`Master::on_log_probed`].
    ProbeLog {
        /// For whom.
        link: LinkId,
        /// The end of the observer's history.
        peer: Zxid,
    },
    /// An observer's client asks for something: it goes up as it is.
    Forwarded {
        /// Where it came from.
        link: LinkId,
        /// What it is.
        request: Request,
    },
    /// An observer asks whether a session may go on at it: the leader decides.
    Revalidate {
        /// Where it came from.
        link: LinkId,
        /// The session.
        session: SessionId,
        /// Its timeout in milliseconds.
        timeout_ms: i32,
    },
    /// Sessions that an observer heard of: the leader is to be told.
    Heard {
        /// The sessions and their timeouts in milliseconds.
        sessions: Vec<(SessionId, i32)>,
    },
    /// Something for the log of the process.
    Note(LeaderNote),
}

/// The observers of a follower.
#[derive(Debug)]
pub struct Master {
    settings: MasterSettings,
    links: BTreeMap<LinkId, Link>,
    /// The id for the next observer that has none.
    nameless: i64,
    ping_ms: u64,
    /// The last transaction that observers were told of.
    last: Zxid,
}

#[derive(Debug)]
struct Link {
    stage: Stage,
    server: Option<ServerId>,
    /// When the observer must have sent what it owes, or anything at all.
    until_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It owes OBSERVERINFO.
    Connected,
    /// It owes ACKEPOCH.
    Asked,
    /// The log on disk is asked about its history, which ends with this.
    Probing(Zxid),
    /// It owes the acknowledgement of NEWLEADER.
    Syncing,
    /// It serves clients.
    Serving,
}

impl Stage {
    /// Whether new transactions go into its stream.
    fn is_forwarding(self) -> bool {
        match self {
            Self::Syncing | Self::Serving => true,
            Self::Connected | Self::Asked | Self::Probing(_) => false,
        }
    }
}

impl Master {
    /// Begins to serve observers.
    #[must_use]
    pub fn new(settings: MasterSettings, last: Zxid, now_ms: u64) -> Self {
        let ping_ms = now_ms.saturating_add(settings.half_tick_ms());
        Self { settings, links: BTreeMap::new(), nameless: -1, ping_ms, last }
    }

    /// Somebody connected.
    pub fn on_accepted(&mut self, now_ms: u64, link: LinkId) {
        let until_ms = Some(now_ms.saturating_add(self.settings.init_ms()));
        self.links.insert(link, Link { stage: Stage::Connected, server: None, until_ms });
    }

    /// An observer sent a packet. Packets of links that are closed are ignored.
    // zk: LearnerHandler.run
    pub fn on_packet(
        &mut self,
        now_ms: u64,
        link: LinkId,
        packet: Packet,
        follower: &Follower<'_>,
        out: &mut Vec<MasterAction>,
    ) {
        let Some(stage) = self.links.get(&link).map(|link| link.stage) else { return };
        match (stage, packet) {
            (Stage::Connected, Packet::ObserverInfo(introduction)) => {
                self.on_introduction(now_ms, link, introduction, follower, out);
            }
            (Stage::Connected, Packet::FollowerInfo(_)) => self.refuse(link, Refusal::NoObserver, out),
            (Stage::Asked, Packet::AckEpoch { last, .. }) => {
                let log = if self.settings.sends_log { Log::Unasked } else { Log::Off };
                self.synchronise(now_ms, link, last, log, follower, out);
            }
            (Stage::Syncing, Packet::Ack(zxid)) if zxid == self.first() => self.let_serve(now_ms, link, out),
            // zk: ZOOKEEPER-4685: those for the history that it was sent may come before that of NEWLEADER
            (Stage::Syncing, Packet::Ack(zxid)) if zxid <= self.last => {}
            (Stage::Syncing, Packet::Ack(zxid)) => self.refuse(link, Refusal::WrongAck(zxid), out),
            (Stage::Serving, packet) => self.on_packet_while_serving(now_ms, link, packet, out),
            (Stage::Connected | Stage::Asked | Stage::Probing(_) | Stage::Syncing, packet) => {
                self.refuse(link, Refusal::Unexpected(packet.name()), out);
            }
        }
    }

    /// A link is gone, whoever closed it.
    pub fn on_lost(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// The answer to [`MasterAction::ProbeLog`].
    pub fn on_log_probed(
        &mut self,
        now_ms: u64,
        link: LinkId,
        probe: Result<LogProbe, String>,
        follower: &Follower<'_>,
        out: &mut Vec<MasterAction>,
    ) {
        let Some(Link { stage: Stage::Probing(peer), server, .. }) = self.links.get(&link) else { return };
        let (peer, server) = (*peer, server.unwrap_or(self.settings.me));
        match probe {
            Ok(probe) => self.synchronise(now_ms, link, peer, Log::Probed(&probe), follower, out),
            Err(why) => {
                out.push(MasterAction::Note(LeaderNote::LogUnreadable { server, why }));
                self.synchronise(now_ms, link, peer, Log::Off, follower, out);
            }
        }
    }

    /// A transaction is committed; `leader` is who leads from now on, if it changes the membership.
    // zk: ObserverMaster.proposalCommitted, informAndActivate
    pub fn commit(&mut self, record: &Arc<TxnRecord>, leader: Option<i64>, out: &mut Vec<MasterAction>) {
        self.last = record.header.zxid;
        for (id, _) in self.links.iter().filter(|(_, link)| link.stage.is_forwarding()) {
            let record = Arc::clone(record);
            let packet = match leader {
                None => Packet::Inform(record),
                Some(leader) => Packet::InformAndActivate { leader, record },
            };
            send(*id, packet, out);
        }
    }

    /// The leader's answer to a sync, or on a session, goes down to who asked, behind what was committed before it.
    pub fn answer(&mut self, link: LinkId, packet: Packet, out: &mut Vec<MasterAction>) {
        if self.links.contains_key(&link) {
            send(link, packet, out);
        }
    }

    /// A moment that [`Master::next_deadline`] named has come.
    // zk: ObserverMaster.ping
    pub fn on_deadline(&mut self, now_ms: u64, out: &mut Vec<MasterAction>) {
        let is_late = |link: &Link| link.until_ms.is_some_and(|until_ms| now_ms >= until_ms);
        let late: Vec<(LinkId, Stage)> =
            self.links.iter().filter(|(_, link)| is_late(link)).map(|(id, link)| (*id, link.stage)).collect();
        for (link, stage) in late {
            let what = match stage {
                Stage::Connected => "no introduction",
                Stage::Asked => "no answer to LEADERINFO",
                Stage::Syncing => "no acknowledgement of NEWLEADER",
                Stage::Probing(_) | Stage::Serving => "nothing was heard of it",
            };
            self.refuse(link, Refusal::TimedOut(what), out);
        }
        if now_ms >= self.ping_ms {
            self.ping_ms = now_ms.saturating_add(self.settings.half_tick_ms());
            for (id, _) in self.links.iter().filter(|(_, link)| link.stage.is_forwarding()) {
                send(*id, Packet::Ping { zxid: self.last, heard: None }, out);
            }
        }
    }

    /// When something is due; nothing while nobody is there.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let until = self.links.values().filter_map(|link| link.until_ms).min();
        (!self.links.is_empty()).then(|| until.map_or(self.ping_ms, |until_ms| until_ms.min(self.ping_ms)))
    }

    /// All observers.
    #[must_use]
    pub fn learners(&self) -> Vec<LearnerReport> {
        let report = |(id, link): (&LinkId, &Link)| LearnerReport {
            link: *id,
            server: link.server,
            is_follower: false,
            votes: false,
            is_synced: link.stage == Stage::Serving,
            acked: Zxid::ZERO,
        };
        self.links.iter().map(report).collect()
    }

    // zk: LearnerHandler.run, ObserverMaster.getEpochToPropose
    fn on_introduction(
        &mut self,
        now_ms: u64,
        link: LinkId,
        introduction: Introduction,
        follower: &Follower<'_>,
        out: &mut Vec<MasterAction>,
    ) {
        if introduction.config_version > follower.verifier.version {
            return self.refuse(link, Refusal::NewerConfig(introduction.config_version), out);
        }
        // diverges(old-learners): the reference speaks the protocol of servers before 3.4 with them
        if introduction.server.is_some() && introduction.protocol_version < PROTOCOL_VERSION {
            return self.refuse(link, Refusal::OldProtocol(introduction.protocol_version), out);
        }
        // diverges(learner-ids): the reference lets two links of one server stand, and takes its own id
        if introduction.server == Some(self.settings.me.0) {
            return self.refuse(link, Refusal::OwnId, out);
        }
        let server = self.name(introduction.server);
        let is_it = |link: &Link| link.server == Some(server) && server.0 >= 0;
        let earlier: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| is_it(link)).map(|(id, _)| *id).collect();
        for link in earlier {
            self.refuse(link, Refusal::Replaced, out);
        }
        let until_ms = Some(now_ms.saturating_add(self.settings.init_ms()));
        self.links.insert(link, Link { stage: Stage::Asked, server: Some(server), until_ms });
        let note = LeaderNote::Introduced { link, server, is_follower: false, votes: false };
        out.push(MasterAction::Note(note));
        let zxid = self.first();
        send(link, Packet::LeaderInfo { zxid, protocol_version: PROTOCOL_VERSION }, out);
    }

    // zk: ObserverMaster.getAndDecrementFollowerCounter
    fn name(&mut self, server: Option<i64>) -> ServerId {
        server.map(ServerId).unwrap_or_else(|| {
            let nameless = ServerId(self.nameless);
            self.nameless -= 1;
            nameless
        })
    }

    // zk: LearnerHandler.syncFollower, ObserverMaster.startForwarding
    fn synchronise(
        &mut self,
        now_ms: u64,
        link: LinkId,
        peer: Zxid,
        log: Log<'_>,
        follower: &Follower<'_>,
        out: &mut Vec<MasterAction>,
    ) {
        let was_probed = matches!(log, Log::Probed(_));
        let plan = match sync::decide(peer, &follower.history, log, self.settings.forces_snapshot) {
            Decision::Send(plan) => plan,
            Decision::AskLog if was_probed => Plan::Snapshot,
            Decision::AskLog => {
                if let Some(found) = self.links.get_mut(&link) {
                    (found.stage, found.until_ms) = (Stage::Probing(peer), None);
                    out.push(MasterAction::ProbeLog { link, peer });
                }
                return;
            }
        };
        let until_ms = now_ms.saturating_add(self.settings.init_ms());
        let Some(found) = self.links.get_mut(&link) else { return };
        found.stage = Stage::Syncing;
        // The end of a long stream is known to its writer only, who bounds the wait from there.
        found.until_ms = matches!(plan, Plan::Transactions { log: None, .. }).then_some(until_ms);
        let server = found.server.unwrap_or(self.settings.me);
        let stream = sync::stream(plan, peer, &follower.history);
        let note = LeaderNote::Synchronising { server, peer, how: stream.how, from: stream.from };
        out.push(MasterAction::Note(note));
        out.extend(stream.items.into_iter().map(|what| MasterAction::Send { link, what }));
        // What comes with NEWLEADER is in force at UPTODATE: one that is only proposed follows with its commit.
        // diverges(newleader-membership-in-force): the reference sends the one that is proposed
        let config = Some(follower.verifier.to_string());
        send(link, Packet::NewLeader { zxid: self.first(), config }, out);
    }

    fn let_serve(&mut self, now_ms: u64, link: LinkId, out: &mut Vec<MasterAction>) {
        let until_ms = Some(now_ms.saturating_add(self.settings.sync_ms()));
        let Some(found) = self.links.get_mut(&link) else { return };
        (found.stage, found.until_ms) = (Stage::Serving, until_ms);
        let server = found.server.unwrap_or(self.settings.me);
        out.push(MasterAction::Note(LeaderNote::Synchronised { server }));
        send(link, Packet::UpToDate, out);
    }

    fn on_packet_while_serving(
        &mut self,
        now_ms: u64,
        link: LinkId,
        packet: Packet,
        out: &mut Vec<MasterAction>,
    ) {
        let Some(found) = self.links.get_mut(&link) else { return };
        found.until_ms = Some(now_ms.saturating_add(self.settings.sync_ms()));
        let server = found.server.unwrap_or(self.settings.me);
        match packet {
            Packet::Ack(zxid) if zxid <= self.last || zxid == self.first() => {}
            Packet::Ack(zxid) => self.refuse(link, Refusal::WrongAck(zxid), out),
            Packet::Ping { zxid: _, heard } => {
                if let Some(sessions) = heard.filter(|heard| !heard.is_empty()) {
                    out.push(MasterAction::Heard { sessions });
                }
            }
            Packet::Revalidate { session, timeout_ms } => {
                out.push(MasterAction::Revalidate { link, session, timeout_ms });
            }
            Packet::Request(request) => out.push(MasterAction::Forwarded { link, request }),
            Packet::Unknown(packet_type) => {
                out.push(MasterAction::Note(LeaderNote::UnknownPacket { server, packet_type }));
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
                out.push(MasterAction::Note(LeaderNote::Ignored { server, what: packet.name() }));
            }
        }
    }

    fn first(&self) -> Zxid {
        Zxid::from_parts(self.settings.epoch, 0)
    }

    fn refuse(&mut self, link: LinkId, why: Refusal, out: &mut Vec<MasterAction>) {
        self.links.remove(&link);
        out.push(MasterAction::Close { link, why });
    }
}

impl MasterSettings {
    fn init_ms(&self) -> u64 {
        u64::from(self.tick_ms) * u64::from(self.init_limit)
    }

    fn sync_ms(&self) -> u64 {
        u64::from(self.tick_ms) * u64::from(self.sync_limit)
    }

    fn half_tick_ms(&self) -> u64 {
        u64::from(self.tick_ms / 2).max(1)
    }
}

fn send(link: LinkId, packet: Packet, out: &mut Vec<MasterAction>) {
    out.push(MasterAction::Send { link, what: Outgoing::Packet(packet) });
}

#[cfg(test)]
mod tests;
