//! What a leader does for the clients of its learners.

use jute::{OpCode, Reader};
use pipeline::request::OpClass;
use zab::{LinkId, Outgoing, Packet};

use super::*;
use crate::PeerEffect;

impl Primary {
    /// What a learner's client asks for.
    ///
    /// Whatever may commit ends in exactly one transaction, if only in an error: the learner holds its client until it comes.
    // zk: LearnerHandler.run, PrepRequestProcessor.pRequestHelper
    pub(crate) fn on_forwarded<O: Order>(
        &mut self,
        turn: &mut Turn<'_, O>,
        link: LinkId,
        forwarded: &zab::Request,
    ) {
        let zab::Request { session, cxid: xid, op_code, body, identities } = forwarded;
        let (session, xid, owner) = (*session, *xid, Owner::Learner(link.0));
        let op = OpCode::from_code(*op_code);
        if op == Some(OpCode::Sync) {
            // zk: ProposalRequestProcessor.processRequest: a sync is answered whatever the check of the session says
            let _ = self.sessions.check(session, owner);
            return self.answer_sync(link, turn.out);
        }
        let Some(op) = op.filter(|op| commits(*op) && !self.is_stopping) else {
            return turn.note(Level::Debug, Note::RequestDropped { session, xid });
        };
        let mut reader = Reader::new(body).with_limit(body.len());
        let request = Request::decode_bounded(op, &mut reader, self.settings.multi_ops_max);
        // diverges(undecodable-body-forwarded): the reference logs it under the last zxid that it gave out
        let Ok(request) = request else {
            let code = ErrorCode::MarshallingError;
            return self.order(turn, None, |prepare, stamp| prepare.refuse(session, xid, stamp, code));
        };
        if let Request::CreateSession(begun) = &request {
            self.sessions.track(session, begun.time_out, turn.now);
        }
        let asker = Asker { session, xid, owner, identities };
        self.order(turn, None, |prepare, stamp| prepare.request(&asker, stamp, request));
    }

    /// A learner's client came back with its session: whether it goes on there.
    // zk: Leader.revalidateSession, LeaderZooKeeperServer.checkIfValidGlobalSession
    pub(crate) fn on_revalidate(
        &mut self,
        now: Millis,
        link: LinkId,
        session: SessionId,
        timeout_ms: i32,
    ) -> bool {
        self.sessions.is_global(session)
            && self.sessions.touch_with(session, timeout_ms, now)
            && self.sessions.set_owner(session, Owner::Learner(link.0)).is_ok()
    }

    /// Sessions that a learner heard of, with their timeouts there.
    // zk: LearnerHandler.run, LeaderZooKeeperServer.touch
    pub(crate) fn on_learner_heard(&mut self, now: Millis, sessions: &[(SessionId, i32)]) {
        for (session, timeout_ms) in sessions {
            self.sessions.touch_with(*session, *timeout_ms, now);
        }
    }

    /// The answer waits behind all that was proposed before, so that the learner has committed it, and comes before the commit of
    /// what was proposed after it: a learner's client gets its replies in order.
    // zk: Leader.processSync
    fn answer_sync(&mut self, link: LinkId, out: &mut Vec<Effect>) {
        let what = Outgoing::Packet(Packet::Sync);
        self.behind(Effect::Peer(PeerEffect::SendToLearner { link, what }), out);
    }
}

/// Whether a request of this type ends in a transaction when it comes from a learner.
fn commits(op: OpCode) -> bool {
    match OpClass::of(op) {
        OpClass::Replica => true,
        // zk: FollowerRequestProcessor.run forwards it, and holds the client until it comes back
        OpClass::Unimplemented => op == OpCode::Check,
        OpClass::Credentials | OpClass::Local => false,
    }
}
