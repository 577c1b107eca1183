//! A membership is proposed, or in force: files first, then the tree.

use std::io;
use std::sync::Arc;

use ensemble::{LearnerType, ServerId, Verifier};
use jute::Zxid;
use replica::Mode;
use storage::disk::Fault;

use super::membership::Membership;
use super::process::{Ending, Process};
use crate::check::Failure;
use crate::plan::Plan;
use crate::universe::Universe;

/// Of a thousand times that the files of a membership are written, the process ends so often while it does.
const CUT_SHORT: u64 = 80;
/// Steps of the disk within which it ends then.
const STEPS: u64 = 12;

impl Process {
    /// One is proposed: its members are talked to, and the next start knows of it.
    pub(super) fn see_membership(&mut self, u: &mut Universe, verifier: &Arc<Verifier>) {
        self.may_end_soon(u);
        let written = match u.has_bug("membership-before-commit") {
            true => self.membership.see_as_in_force(verifier),
            false if u.has_bug("proposed-membership-not-written") => {
                self.membership.last_seen = Arc::clone(verifier);
                Ok(())
            }
            false => self.membership.see(verifier),
        };
        self.wrote(u, Some(verifier.version), None, &written);
    }

    /// One is in force.
    // zk: QuorumPeer.processReconfig
    pub(super) fn activate_membership(
        &mut self,
        u: &mut Universe,
        verifier: &Arc<Verifier>,
        sets_node: bool,
    ) {
        let activated = u.memberships.activated(self.host, verifier);
        u.check(activated);
        self.note_changes(u, verifier);
        self.may_end_soon(u);
        if u.has_bug("membership-named-before-written")
            && let Err(error) = self.membership.name_first(verifier)
        {
            return self.end(Ending::Disk(error.to_string()));
        }
        let written = self.membership.activate(verifier);
        self.wrote(u, None, Some(verifier.version), &written);
        if sets_node {
            self.set_membership_node(u);
        }
    }

    /// The membership node is what this server knows, wherever the state comes from.
    pub(super) fn set_membership_node(&mut self, u: &Universe) {
        if !u.plan.is_standalone && !u.has_bug("membership-node-forgotten") {
            self.membership.set_node(&mut self.state, self.clock.wall_ms(u.now));
        }
    }

    /// R3: who acknowledges a change will ask its members too, even when the power goes now.
    pub(super) fn look_at_membership(&self, u: &mut Universe, zxid: Zxid) {
        let is_change = |record: &jute::TxnRecord| matches!(record.txn, jute::Txn::Reconfig(_));
        if !u.ledger.record(zxid).is_some_and(is_change) {
            return;
        }
        let disk = self.disk.store.disk().fork();
        disk.crash(u.random.next());
        let known = match Membership::read(&disk, Plan::server_id(self.host)) {
            Ok(found) => found.current.version.max(found.last_seen.version),
            // Who joins and is no member yet does not start again by itself, and so does not vote.
            Err(super::NoMembership::NotMember(_)) => return,
            Err(super::NoMembership::Unreadable(why)) => {
                return u
                    .fail(Failure::new("R3", format!("server {} could not start: {why}", self.host + 1)));
            }
        };
        if known < zxid.0 && self.membership.current.version != 0 {
            let what = format!("server {} acknowledges {zxid}, and its files know {known:x}", self.host + 1);
            u.fail(Failure::new("R3", what));
        }
    }

    pub(super) fn note_membership(&self, u: &mut Universe, mode: Mode) {
        let is_new = self.host >= u.plan.members();
        if is_new && mode == Mode::Leader {
            u.marks.reach("a joined member leads");
        }
        if is_new && mode == Mode::Follower && self.membership.votes() {
            u.marks.reach("member joined from empty");
        }
        if mode == Mode::Follower && !self.membership.votes() {
            u.marks.reach("follower without a vote");
        }
    }

    fn note_changes(&self, u: &mut Universe, next: &Verifier) {
        let me = Plan::server_id(self.host);
        let role = |verifier: &Verifier, id: ServerId| verifier.member(id).map(|member| member.learner_type);
        let (was, is) = (role(&self.membership.current, me), role(next, me));
        if self.mode == Some(Mode::Leader) && is != Some(LearnerType::Participant) {
            u.marks.reach("leader removed by a reconfig");
        }
        if (was, is) == (Some(LearnerType::Observer), Some(LearnerType::Participant)) {
            u.marks.reach("observer promoted");
        }
        if (was, is) == (Some(LearnerType::Participant), Some(LearnerType::Observer)) {
            u.marks.reach("voter demoted");
        }
        let ports = |verifier: &Verifier| verifier.member(me).map(|member| member.addresses.clone());
        if was.is_some() && is.is_some() && ports(&self.membership.current) != ports(next) {
            u.marks.reach("member moved to other ports");
        }
    }

    /// A process may end at each step of what it writes.
    fn may_end_soon(&self, u: &mut Universe) {
        if u.plan.has_reconfig && u.random.chance(CUT_SHORT) && !u.is_healing() {
            let disk = self.disk.store.disk();
            disk.fail_at(disk.operations() + u.random.below(STEPS), Fault::Cut);
        }
    }

    /// What was proposed must be in its file; without that of the one in force the server goes on.
    fn wrote(
        &mut self,
        u: &mut Universe,
        proposed: Option<i64>,
        in_force: Option<i64>,
        written: &io::Result<()>,
    ) {
        let is_cut = self.disk.store.disk().is_cut();
        if is_cut || (proposed.is_some() && written.is_err()) {
            self.end(Ending::Disk("no membership written".to_owned()));
        }
        match in_force {
            Some(in_force) if written.is_err() && !is_cut => {
                u.marks.reach("membership in force not written");
                u.memberships.not_written(self.host, in_force);
            }
            _ if written.is_ok() || is_cut => {
                u.memberships.written(self.host, proposed, in_force, is_cut);
            }
            _ => {}
        }
    }
}
