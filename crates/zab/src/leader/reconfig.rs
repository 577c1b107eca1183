//! Memberships in motion: which ones must agree, who leads under the next one, and when that is in force.
//!
//! * A membership that was proposed counts beside the one in force until it is in force itself.
//! * **Invariant:** at most one is under way.
//! * Once another server is to lead, nothing is committed here any more: the learners leave, and the quorum with them.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ensemble::{Quorums, ServerId, Verifier};
use jute::{Txn, TxnRecord, Zxid};

use super::link::{Link, Who};
use super::{Leader, LeaderAction, Phase};

impl Leader {
    /// The membership in force.
    pub fn verifier(&self) -> &Arc<Verifier> {
        &self.verifier
    }

    /// The last membership that was proposed; the one in force when none is under way.
    pub fn last_seen(&self) -> &Arc<Verifier> {
        &self.last_seen
    }

    /// Whether a quorum of this membership follows and was heard of.
    // zk: Leader.isQuorumSynced
    pub fn has_synced_quorum(&self, verifier: &Verifier) -> bool {
        let tick = self.tick();
        let is_well =
            |link: &&Link| link.is_follower() && link.is_forwarding() && tick <= link.heard_until_tick;
        let synced = self.links.values().filter(is_well).filter_map(Link::follower);
        verifier.contains_quorum(&synced.chain([self.settings.me]).collect())
    }

    /// The memberships that must agree.
    // zk: SyncedLearnerTracker.addQuorumVerifier
    pub(super) fn quorums_of_both(&self) -> Quorums {
        let quorums = Quorums::new(Arc::clone(&self.verifier));
        if self.last_seen.version > self.verifier.version {
            quorums.and(Arc::clone(&self.last_seen))
        } else {
            quorums
        }
    }

    /// A membership from a file has version 0. The first leader gives it one, so that it counts for more than others from
    /// files, which may know a part of the ensemble only. It is in force once a quorum has the history (ZOOKEEPER-1783).
    // zk: Leader.lead
    pub(super) fn begin_versions(&mut self, out: &mut Vec<LeaderAction>) {
        if self.settings.reconfig_enabled && self.verifier.version == 0 && self.last_seen.version == 0 {
            self.see(Arc::new(self.verifier.with_version(self.first().0)), out);
        }
    }

    /// A membership is proposed.
    // zk: QuorumPeer.setLastSeenQuorumVerifier
    fn see(&mut self, verifier: Arc<Verifier>, out: &mut Vec<LeaderAction>) {
        self.last_seen = Arc::clone(&verifier);
        out.push(LeaderAction::See(verifier));
    }

    /// A proposal that changes the membership needs a quorum of the new one too, and so do all behind it.
    // zk: Leader.propose
    pub(super) fn see_proposal(&mut self, record: &TxnRecord, out: &mut Vec<LeaderAction>) {
        if let Some(verifier) = self.membership_of(record) {
            self.acks.require(Arc::clone(&verifier), Zxid(record.header.zxid.0 - 1));
            self.see(verifier, out);
        }
    }

    fn membership_of(&self, record: &TxnRecord) -> Option<Arc<Verifier>> {
        let Txn::Reconfig(txn) = &record.txn else { return None };
        let text = alloc::string::String::from_utf8_lossy(txn.data.as_deref().unwrap_or_default());
        Verifier::from_text(&text, true).ok().map(Arc::new)
    }

    /// An epoch begins with the last membership that was proposed. Who was elected leads it while it votes: those who follow leave,
    /// and come back to where it is now.
    // zk: Leader.startZkServer
    // diverges(reconfig-moved-leader-begins): in the reference a leader whose own address changes with the epoch commits nothing any
    // more, and leads on as long as the others come back to it
    pub(super) fn activate_with_epoch(&mut self, out: &mut Vec<LeaderAction>) {
        let me = self.settings.me;
        let leader = match self.last_seen.is_voter(me) {
            true => me,
            false => self.designate(|link| link.is_synced().then_some(link.acked)),
        };
        self.put_in_force(self.first(), leader, out);
    }

    /// The last membership that was proposed is committed. Who leads from now on.
    // zk: Leader.tryToCommit
    pub(super) fn activate(
        &mut self,
        zxid: Zxid,
        acked: impl Fn(&Link) -> Option<Zxid>,
        out: &mut Vec<LeaderAction>,
    ) -> ServerId {
        let leader = self.designate(acked);
        self.put_in_force(zxid, leader, out);
        leader
    }

    /// It needs no other beside it.
    // zk: QuorumPeer.processReconfig
    fn put_in_force(&mut self, zxid: Zxid, leader: ServerId, out: &mut Vec<LeaderAction>) {
        self.verifier = Arc::clone(&self.last_seen);
        // diverges(reconfig-quorum-behind-the-change): in the reference what was proposed meanwhile needs the old quorum too
        self.acks.require(Arc::clone(&self.last_seen), zxid);
        self.acks.settle();
        let verifier = &self.verifier;
        for who in self.links.values_mut().filter_map(|link| link.who.as_mut()) {
            who.votes = who.is_follower && verifier.is_voter(who.server);
        }
        out.push(LeaderAction::Activate { verifier: Arc::clone(verifier), leader, zxid });
        self.may_commit = leader == self.settings.me;
    }

    /// Ourselves if we vote in the next membership at the same address; or else that of its voters whose log has come
    /// farthest.
    // zk: Leader.getDesignatedLeader
    fn designate(&self, acked: impl Fn(&Link) -> Option<Zxid>) -> ServerId {
        let me = self.settings.me;
        let address = |verifier: &Verifier| verifier.member(me).map(|me| me.quorum_addresses());
        if self.last_seen.is_voter(me) && address(&self.verifier) == address(&self.last_seen) {
            return me;
        }
        let heirs = self.links.values().filter_map(|link| Some((acked(link)?, link.who?.server)));
        let heirs = heirs.filter(|(_, server)| *server != me && self.last_seen.is_voter(*server));
        // The smallest id among those who have come as far.
        heirs
            .max_by_key(|(acked, server)| (*acked, core::cmp::Reverse(*server)))
            .map_or(me, |(_, server)| server)
    }

    /// Those who are to be counted in a quorum by what they say now, whatever membership they vote in.
    pub(super) fn heard_of(&self) -> BTreeSet<ServerId> {
        let tick = self.tick();
        let heard = self.links.values().filter(|link| tick <= link.heard_until_tick);
        heard.filter_map(Link::follower).chain([self.settings.me]).collect()
    }

    /// Whether the history at a server counts: it votes, or is to vote next, whatever it is until then.
    // zk: Leader.waitForNewLeaderAck, SyncedLearnerTracker.addAck
    pub(super) fn is_counted(&self, who: Who) -> bool {
        let is_next = self.last_seen.version > self.verifier.version && self.last_seen.is_voter(who.server);
        match self.verifier.is_voter(who.server) {
            true => who.is_follower,
            false => is_next,
        }
    }

    /// Whether the epoch still may have commits.
    pub(super) fn commits(&self) -> bool {
        self.may_commit && !matches!(self.phase, Phase::Over)
    }
}
