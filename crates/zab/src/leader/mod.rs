//! The leader's side.
//!
//! ```text
//! Discovery ─ a quorum introduced itself ─▶ WritingAccepted ─▶ Agreement ─ a quorum accepted the epoch ─▶ WritingCurrent ─▶
//! Synchronisation ─ a quorum has the history ─▶ Broadcast ─▶ Over
//! ```
//!
//! * A step that takes longer than `initLimit` ticks ends the leader; in Broadcast a tick without a quorum does.
//! * **Invariant:** a server is counted once, by its id; only voters of a membership are in it, and only as followers.
//! * **Invariant:** commits come in the order of the zxids, each when a quorum's logs hold it, the own one like any other.
//! * **Invariant:** an acknowledgement counts while its link stands: a learner that comes again may cut its log first.
// zk: Leader.lead

mod action;
mod broadcast;
mod discovery;
mod link;
mod recent;
mod reconfig;
mod settings;
mod synchronise;
mod ticks;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ensemble::{Acks, Quorums, ServerId, Verifier};
use jute::{TxnRecord, Zxid};

use crate::{LearnerReport, LinkId, LogProbe, Outgoing, Packet};

pub use action::{Abdication, LeaderAction, LeaderNote, Refusal};
use link::{Link, Stage};
pub use recent::Recent;
pub use settings::{LeaderSettings, LeaderStart};

/// The leader of an epoch, from its election to its end.
#[derive(Debug)]
pub struct Leader {
    settings: LeaderSettings,
    /// The membership in force.
    verifier: Arc<Verifier>,
    /// The last one that was proposed.
    // zk: QuorumPeer.lastSeenQuorumVerifier
    last_seen: Arc<Verifier>,
    /// Nothing is committed any more once another server is to lead.
    // zk: Leader.allowedToCommit
    may_commit: bool,
    /// The epoch and the end of the history that this server was elected with.
    summary: (i32, Zxid),
    phase: Phase,
    /// When the phase is over, or the next half tick.
    deadline_ms: u64,
    links: BTreeMap<LinkId, Link>,
    /// The id for the next learner that has none.
    nameless: i64,
    /// The epoch, once a quorum agreed on it; before that the smallest that it can be.
    epoch: i32,
    /// The last committed transaction.
    end: Zxid,
    /// What a reader of the state sees as its end.
    committed: Zxid,
    recent: Recent,
    last_proposed: Zxid,
    outstanding: VecDeque<Arc<TxnRecord>>,
    acks: Acks,
    /// Voters that looked for a leader while we led, with a history that is not newer than ours.
    outdated: BTreeSet<ServerId>,
}

/// Who was heard so far, or what is waited for.
#[derive(Debug)]
enum Phase {
    /// Servers that introduced themselves.
    Discovery {
        heard: BTreeSet<ServerId>,
    },
    WritingAccepted,
    /// Servers that accepted the epoch and have no newer history.
    Agreement {
        accepted: BTreeSet<ServerId>,
    },
    WritingCurrent,
    /// Servers that have the history.
    Synchronisation {
        synced: BTreeSet<ServerId>,
    },
    Broadcast {
        tick: u64,
        is_half: bool,
    },
    Over,
}

impl Leader {
    /// Begins to lead: waits for a quorum of voters to introduce themselves.
    pub fn new(
        settings: LeaderSettings,
        verifier: Arc<Verifier>,
        start: LeaderStart,
        now_ms: u64,
        out: &mut Vec<LeaderAction>,
    ) -> Self {
        let mut recent = start.recent;
        recent.go_on_behind(start.last);
        // One that is older than the one in force was agreed on long ago, or never.
        let is_newer = |seen: &Arc<Verifier>| seen.version > verifier.version;
        let mut leader = Self {
            summary: (start.current_epoch, start.last_processed),
            phase: Phase::Discovery { heard: BTreeSet::new() },
            deadline_ms: now_ms.saturating_add(settings.init_ms()),
            links: BTreeMap::new(),
            nameless: -1,
            epoch: 0,
            end: start.last,
            committed: start.last_processed,
            recent,
            last_proposed: start.last_processed,
            outstanding: VecDeque::new(),
            acks: Acks::new(Arc::clone(&verifier)),
            outdated: BTreeSet::new(),
            last_seen: start.last_seen.filter(is_newer).unwrap_or_else(|| Arc::clone(&verifier)),
            may_commit: true,
            verifier,
            settings,
        };
        leader.begin(start.accepted_epoch, out);
        leader
    }

    /// A learner connected.
    pub fn on_accepted(&mut self, now_ms: u64, link: LinkId, _out: &mut Vec<LeaderAction>) {
        let until_ms = now_ms.saturating_add(self.settings.init_ms());
        // zk: Leader.getTickOfInitialAckDeadline
        let ticks = u64::from(self.settings.init_limit) + u64::from(self.settings.sync_limit);
        self.links.insert(link, Link::new(until_ms, self.tick() + ticks));
    }

    /// A learner sent a packet. Packets of links that are closed are ignored.
    pub fn on_packet(&mut self, now_ms: u64, link: LinkId, packet: Packet, out: &mut Vec<LeaderAction>) {
        let Some(stage) = self.links.get(&link).map(|link| link.stage) else { return };
        if self.is_over() {
            return;
        }
        match (stage, packet) {
            (Stage::Connected, Packet::FollowerInfo(introduction)) => {
                self.on_introduction(now_ms, link, introduction, true, out);
            }
            (Stage::Connected, Packet::ObserverInfo(introduction)) => {
                self.on_introduction(now_ms, link, introduction, false, out);
            }
            (Stage::Asked, Packet::AckEpoch { last, current_epoch }) => {
                self.on_ack_epoch(now_ms, link, last, current_epoch, out);
            }
            (Stage::Syncing { .. }, Packet::Ack(zxid)) => self.on_ack_while_syncing(link, zxid, now_ms, out),
            // zk: ZOOKEEPER-4685: those for the history that it was sent may come behind that of NEWLEADER too
            (Stage::Synced, Packet::Ack(zxid)) if zxid == self.first() || zxid <= self.end => {}
            (Stage::Serving, packet) => self.on_packet_while_serving(link, packet, out),
            (
                Stage::Connected
                | Stage::Introduced
                | Stage::Asked
                | Stage::Accepted(_)
                | Stage::Probing(_)
                | Stage::Syncing { .. }
                | Stage::Synced,
                packet,
            ) => self.refuse(link, Refusal::Unexpected(packet.name()), out),
        }
    }

    /// A link is gone, whoever closed it.
    pub fn on_lost(&mut self, _now_ms: u64, link: LinkId, _out: &mut Vec<LeaderAction>) {
        self.forget(link);
    }

    /// The answer to [`LeaderAction::ProbeLog`].
    pub fn on_log_probed(
        &mut self,
        now_ms: u64,
        link: LinkId,
        probe: Result<LogProbe, String>,
        out: &mut Vec<LeaderAction>,
    ) {
        if !self.is_over() {
            self.on_probe(now_ms, link, probe, out);
        }
    }

    /// The accepted epoch is durable.
    pub fn on_accepted_epoch_written(&mut self, now_ms: u64, out: &mut Vec<LeaderAction>) {
        if matches!(self.phase, Phase::WritingAccepted) {
            self.ask_all(now_ms, out);
        }
    }

    /// The current epoch is durable.
    pub fn on_current_epoch_written(&mut self, now_ms: u64, out: &mut Vec<LeaderAction>) {
        if matches!(self.phase, Phase::WritingCurrent) {
            self.synchronise_all(now_ms, out);
        }
    }

    /// The own log holds everything up to here.
    pub fn on_durable(&mut self, _now_ms: u64, zxid: Zxid, out: &mut Vec<LeaderAction>) {
        if self.is_established() && self.acks.record(self.settings.me, zxid.min(self.last_proposed)) {
            self.commit(out);
        }
    }

    /// The zxid for one more transaction; `None` when the epoch's counter is used up: the leader has abdicated in `out`.
    /// The same one until [`Leader::propose`] uses it. Before [`LeaderAction::Established`] and after the end there is none.
    pub fn next_zxid(&mut self, out: &mut Vec<LeaderAction>) -> Option<Zxid> {
        if !self.is_established() {
            return None;
        }
        // zk: Leader.propose, ZOOKEEPER-1277: the last counter is never used
        if self.last_proposed.counter() >= u32::MAX - 1 {
            self.abdicate(Abdication::EpochUsedUp, out);
            return None;
        }
        Some(Zxid(self.last_proposed.0 + 1))
    }

    /// For tests: the counter of the epoch is this far, without transactions. Only right behind
    /// [`LeaderAction::Established`].
    // zk: Leader.lead, zookeeper.testingonly.initialZxid
    pub fn skip_to(&mut self, counter: u32) {
        if self.is_established() && self.last_proposed == self.first() {
            self.last_proposed = Zxid::from_parts(self.epoch, counter);
        }
    }

    /// Proposes a transaction with the zxid that [`Leader::next_zxid`] gave. The caller appends it to the own log.
    ///
    /// # Panics
    /// When it has another zxid.
    pub fn propose(&mut self, now_ms: u64, record: Arc<TxnRecord>, out: &mut Vec<LeaderAction>) {
        self.broadcast(now_ms, record, out);
    }

    /// A voter that chose us looks for a leader again.
    // zk: Leader.reportLookingSid
    pub fn on_voter_looks(&mut self, now_ms: u64, server: ServerId, out: &mut Vec<LeaderAction>) {
        let began_ms = self.deadline_ms.saturating_sub(self.settings.init_ms());
        let is_late =
            self.settings.epoch_patience_ms.is_some_and(|max| now_ms > began_ms.saturating_add(max));
        if matches!(self.phase, Phase::Discovery { .. }) && is_late {
            self.abdicate(Abdication::VoterLeft(server), out);
        }
    }

    /// A voter proposes itself while we lead, with a history that ends so.
    pub fn on_candidacy(&mut self, server: ServerId, peer_epoch: i64, last: Zxid) {
        let is_newer = (peer_epoch, last) > (i64::from(self.epoch), self.last_proposed);
        match self.is_established() && !is_newer {
            true => self.outdated.insert(server),
            false => self.outdated.remove(&server),
        };
    }

    /// A moment that [`Leader::next_deadline`] named has come.
    pub fn on_deadline(&mut self, now_ms: u64, out: &mut Vec<LeaderAction>) {
        if self.is_over() {
            return;
        }
        self.close_late(now_ms, out);
        if now_ms >= self.deadline_ms {
            self.on_phase_deadline(now_ms, out);
        }
    }

    /// When something is due.
    pub fn next_deadline(&self) -> Option<u64> {
        if self.is_over() {
            return None;
        }
        let links = self.links.values().filter_map(|link| link.until_ms).min();
        Some(links.map_or(self.deadline_ms, |until_ms| until_ms.min(self.deadline_ms)))
    }

    /// Whether a quorum has the history.
    pub fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Broadcast { .. })
    }

    /// The epoch, once a quorum agreed on it.
    pub fn epoch(&self) -> Option<i32> {
        (!matches!(self.phase, Phase::Discovery { .. })).then_some(self.epoch)
    }

    /// The last zxid that was given to a transaction; the first of the epoch before.
    pub fn last_proposed(&self) -> Zxid {
        self.last_proposed
    }

    /// What a reader of the state sees as its end: the last transaction that is committed, or, once the epoch is established
    /// and until it has one, its first zxid.
    pub fn committed(&self) -> Zxid {
        self.committed
    }

    /// Number of transactions that are proposed and not committed.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// The transactions that are proposed and not committed, oldest first.
    pub fn outstanding_records(&self) -> impl ExactSizeIterator<Item = &Arc<TxnRecord>> {
        self.outstanding.iter()
    }

    /// Whether some voter's log holds everything that was proposed: it would win an election at once.
    pub fn has_successor(&self) -> bool {
        let holds_all =
            |link: &Link| link.is_synced() && link.voter().is_some() && link.acked >= self.last_proposed;
        self.links.values().any(holds_all)
    }

    /// All learners.
    pub fn learners(&self) -> Vec<LearnerReport> {
        let report = |(id, link): (&LinkId, &Link)| LearnerReport {
            link: *id,
            server: link.who.map(|who| who.server),
            is_follower: link.is_follower(),
            votes: link.voter().is_some(),
            is_synced: link.is_synced(),
            acked: link.acked,
        };
        self.links.iter().map(report).collect()
    }

    /// Ends: the last committed transactions, for the next role. Those of [`Leader::outstanding_records`] stand behind them
    /// in the own log.
    #[must_use]
    pub fn into_recent(self) -> Recent {
        self.recent
    }
}

/// What all parts use.
impl Leader {
    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// The first zxid of the epoch, which no transaction has.
    fn first(&self) -> Zxid {
        Zxid::from_parts(self.epoch, 0)
    }

    fn tick(&self) -> u64 {
        if let Phase::Broadcast { tick, .. } = self.phase { tick } else { 0 }
    }

    fn votes(&self, server: ServerId) -> bool {
        self.verifier.is_voter(server)
    }

    /// The membership that an epoch is agreed on in.
    fn quorums(&self) -> Quorums {
        Quorums::new(Arc::clone(&self.verifier))
    }

    fn abdicate(&mut self, why: Abdication, out: &mut Vec<LeaderAction>) {
        self.phase = Phase::Over;
        out.push(LeaderAction::Abdicate { why });
    }

    fn refuse(&mut self, link: LinkId, why: Refusal, out: &mut Vec<LeaderAction>) {
        self.forget(link);
        out.push(LeaderAction::Close { link, why });
    }

    // diverges(acks-of-lost-links): in the reference they go on counting, also while the learner is cut back below them
    fn forget(&mut self, link: LinkId) {
        if let Some(follower) = self.links.remove(&link).and_then(|link| link.follower()) {
            self.acks.forget(follower);
        }
    }
}

fn send(link: LinkId, packet: Packet, out: &mut Vec<LeaderAction>) {
    out.push(LeaderAction::Send { link, what: Outgoing::Packet(packet) });
}
