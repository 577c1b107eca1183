//! What a leader may do, by what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ensemble::{ServerId, Verifier};
use jute::Zxid;
use zab::{Leader, LeaderAction, LinkId, Outgoing, Packet};

use super::EPOCH;

pub(super) struct Model {
    verifier: Arc<Verifier>,
    links: BTreeMap<LinkId, Link>,
    /// The epoch that is asked to be written, and whether it is.
    epoch: Option<i32>,
    is_accepted_durable: bool,
    writes_current: bool,
    /// Servers that ever acknowledged NEWLEADER as voters.
    synced: BTreeSet<ServerId>,
    is_established: bool,
    is_over: bool,
    proposed: Option<Zxid>,
    durable: Option<Zxid>,
    committed: Option<Zxid>,
}

#[derive(Default)]
struct Link {
    server: Option<ServerId>,
    is_follower: bool,
    was_asked: bool,
    /// DIFF, TRUNC or SNAP was sent.
    has_plan: bool,
    has_newleader: bool,
    has_uptodate: bool,
    /// It acknowledged NEWLEADER.
    is_synced: bool,
    acked: Option<Zxid>,
    /// The last proposal and the last commit sent.
    proposed: Option<Zxid>,
    committed: Option<Zxid>,
}

impl Model {
    pub(super) fn new(verifier: Arc<Verifier>) -> Self {
        Self {
            verifier,
            links: BTreeMap::new(),
            epoch: None,
            is_accepted_durable: false,
            writes_current: false,
            synced: BTreeSet::new(),
            is_established: false,
            is_over: false,
            proposed: None,
            durable: None,
            committed: None,
        }
    }

    fn first(&self) -> Zxid {
        Zxid::from_parts(self.epoch.expect("an epoch"), 0)
    }

    fn votes(&self, link: &Link) -> Option<ServerId> {
        link.server
            .filter(|server| link.is_follower && self.verifier.voters().any(|member| member.id == *server))
    }

    pub(super) fn connected(&mut self, link: LinkId) {
        self.links.insert(link, Link::default());
    }

    pub(super) fn lost(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    pub(super) fn accepted_written(&mut self) {
        self.is_accepted_durable = self.epoch.is_some();
    }

    pub(super) fn proposed(&mut self, zxid: Zxid) {
        assert!(self.is_established && !self.is_over, "nobody proposes without a quorum");
        let before = self.proposed.unwrap_or(self.first());
        assert_eq!(zxid.0, before.0 + 1, "zxids go on");
        self.proposed = Some(zxid);
    }

    pub(super) fn durable(&mut self, zxid: Zxid) {
        if let Some(proposed) = self.proposed {
            self.durable = self.durable.max(Some(zxid.min(proposed)));
        }
    }

    /// A learner speaks, before the leader hears it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "other packets prove nothing")]
    pub(super) fn heard(&mut self, id: LinkId, packet: &Packet) {
        let (proposed, first) = (self.proposed, self.epoch.map(|epoch| Zxid::from_parts(epoch, 0)));
        let Some(link) = self.links.get_mut(&id) else { return };
        match packet {
            Packet::FollowerInfo(introduction) | Packet::ObserverInfo(introduction)
                if link.server.is_none() =>
            {
                link.server = Some(ServerId(introduction.server.unwrap_or(-1)));
                link.is_follower = matches!(packet, Packet::FollowerInfo(_));
            }
            Packet::Ack(zxid) if Some(*zxid) == first && link.has_newleader => {
                link.is_synced = true;
                let link = self.links.get(&id).expect("it is there");
                self.synced.extend(self.votes(link));
            }
            Packet::Ack(zxid) if link.has_newleader && Some(*zxid) <= proposed => {
                link.acked = link.acked.max(Some(*zxid));
            }
            _ => {}
        }
    }

    pub(super) fn watch(&mut self, action: &LeaderAction) {
        assert!(!self.is_over, "{action:?} after the end");
        match action {
            LeaderAction::WriteAcceptedEpoch(epoch) => {
                assert!(self.epoch.is_none() && *epoch > EPOCH, "one epoch, and a newer one");
                self.epoch = Some(*epoch);
            }
            LeaderAction::WriteCurrentEpoch(epoch) => {
                assert!(self.is_accepted_durable && !self.writes_current, "in its turn");
                assert_eq!(Some(*epoch), self.epoch, "the epoch that was accepted");
                self.writes_current = true;
            }
            LeaderAction::Send { link, what } => self.sent(*link, what),
            LeaderAction::Close { link, .. } => {
                assert!(self.links.remove(link).is_some(), "a link that stands");
            }
            LeaderAction::Established { first } => {
                assert!(self.writes_current && !self.is_established, "once");
                assert_eq!(*first, self.first());
                self.synced.insert(ServerId(1));
                assert!(self.verifier.contains_quorum(&self.synced), "a quorum has the history");
                self.is_established = true;
            }
            LeaderAction::Committed { zxid } => self.commit(*zxid),
            LeaderAction::Forwarded { link, .. } | LeaderAction::Revalidate { link, .. } => {
                assert!(self.links.get(link).is_some_and(|link| link.has_uptodate), "from those who serve");
            }
            LeaderAction::Heard { .. } => assert!(self.is_established),
            LeaderAction::ProbeLog { link, .. } => {
                assert!(self.links.get(link).is_some_and(|link| link.was_asked && !link.has_plan));
            }
            LeaderAction::Abdicate { .. } => self.is_over = true,
            LeaderAction::See(_) | LeaderAction::Activate { .. } => {
                unreachable!("no membership changes here")
            }
            LeaderAction::Note(_) => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        clippy::panic,
        reason = "what a leader never sends breaks the promise"
    )]
    fn sent(&mut self, id: LinkId, what: &Outgoing) {
        let (is_durable, is_established, is_current) =
            (self.is_accepted_durable, self.is_established, self.writes_current);
        let first = self.first();
        let link = self.links.get_mut(&id).expect("a link that stands");
        let packet = match what {
            Outgoing::Snapshot { .. } => return link.begins(is_current),
            Outgoing::Log { after, up_to } => {
                assert!(link.has_plan && !link.has_newleader && after < up_to);
                link.proposed = Some(*up_to);
                link.committed = Some(*up_to);
                return;
            }
            Outgoing::Packet(packet) => packet,
        };
        match packet {
            Packet::LeaderInfo { zxid, .. } => {
                assert!(is_durable && !link.was_asked && *zxid == first, "a promise that is durable");
                link.was_asked = true;
            }
            Packet::Diff(_) | Packet::Trunc(_) => link.begins(is_current),
            Packet::Proposal(record) => link.propose(record.header.zxid),
            Packet::Commit(zxid) => {
                assert!(Some(*zxid) <= link.proposed && Some(*zxid) > link.committed, "of what it was sent");
                link.committed = Some(*zxid);
            }
            Packet::Inform(record) => {
                let zxid = record.header.zxid;
                assert!(!link.is_follower && Some(zxid) > link.committed, "in order");
                link.committed = Some(zxid);
            }
            Packet::NewLeader { zxid, config } => {
                assert!(link.has_plan && !link.has_newleader && config.is_some() && *zxid == first);
                link.has_newleader = true;
            }
            Packet::UpToDate => {
                assert!(is_established && link.is_synced && !link.has_uptodate, "once, behind its answer");
                link.has_uptodate = true;
            }
            Packet::Ping { zxid, heard } => {
                assert!(is_established && link.has_plan && heard.is_none());
                assert_eq!(*zxid, self.proposed.unwrap_or(first));
            }
            other => panic!("a leader sends {}", other.name()),
        }
    }

    /// A commit needs a quorum whose logs hold it.
    fn commit(&mut self, zxid: Zxid) {
        assert!(Some(zxid) > self.committed && Some(zxid) <= self.proposed, "in order");
        let holds = |link: &&Link| link.is_synced && link.acked >= Some(zxid);
        let mut servers: BTreeSet<ServerId> =
            self.links.values().filter(holds).filter_map(|link| self.votes(link)).collect();
        if self.durable >= Some(zxid) {
            servers.insert(ServerId(1));
        }
        assert!(self.verifier.contains_quorum(&servers), "{zxid} is held by {servers:?}");
        self.committed = Some(zxid);
    }

    /// What the leader says of itself.
    pub(super) fn agree(&self, leader: &Leader) {
        assert_eq!(leader.is_established(), self.is_established && !self.is_over);
        let Some(first) = self.epoch.map(|epoch| Zxid::from_parts(epoch, 0)) else { return };
        if self.is_established {
            assert_eq!(leader.last_proposed(), self.proposed.unwrap_or(first));
            assert_eq!(leader.committed(), self.committed.unwrap_or(first));
            let open = leader.last_proposed().0 - leader.committed().0;
            assert_eq!(i64::try_from(leader.outstanding()), Ok(open));
        }
        if !self.is_over {
            let mut counted = BTreeSet::new();
            for learner in leader.learners().iter().filter(|learner| learner.votes) {
                assert!(counted.insert(learner.server), "one link for each server");
            }
            assert!(!counted.contains(&Some(ServerId(1))), "nobody else is us");
        }
    }
}

impl Link {
    fn begins(&mut self, is_current: bool) {
        assert!(self.was_asked && is_current && !self.has_plan, "once, when the epoch is durable");
        self.has_plan = true;
    }

    fn propose(&mut self, zxid: Zxid) {
        assert!(self.has_plan, "behind what it is put on");
        if let Some(before) = self.proposed {
            let goes_on = zxid.epoch() > before.epoch() || zxid.0 == before.0 + 1;
            assert!(goes_on, "{zxid} behind {before}");
        }
        assert!(self.is_follower || !self.has_newleader, "observers are told of commits");
        self.proposed = Some(zxid);
    }
}
