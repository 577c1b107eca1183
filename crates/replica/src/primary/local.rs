//! Sessions that are this server's own: no transaction tells of their beginning or end.

use super::*;

impl Primary {
    /// A client asks for a new session.
    // zk: LeaderSessionTracker.createSession
    pub(super) fn begin_local_session<O>(
        &mut self,
        turn: &mut Turn<'_, O>,
        session: SessionId,
        connection: ConnectionId,
        timeout_ms: i32,
    ) {
        self.sessions.track_local(session, timeout_ms, turn.now);
        self.attached.attach(session, connection, timeout_ms);
        turn.out.push(Effect::OpenSession { connection, session, timeout_ms });
    }

    /// What is said to a request that needs no transaction since sessions are local.
    // zk: QuorumZooKeeperServer.setLocalSessionFlag: whoever asks for a session again, has it, as if it were local
    pub(super) fn answer_to_local_session(
        &mut self,
        session: SessionId,
        request: &Request,
    ) -> Option<LocalReply> {
        if matches!(request, Request::CreateSession(_)) && self.modes.local_sessions {
            let timeout_ms = self.attached.get(session)?.timeout_ms;
            return Some(LocalReply::Opened { session, timeout_ms });
        }
        if matches!(request, Request::CloseSession) && self.sessions.is_local(session) {
            self.sessions.remove(session);
            self.attached.detach(session);
            return Some(LocalReply::Closed);
        }
        None
    }

    /// An ephemeral needs a session that all servers know: its beginning is the transaction before.
    // zk: LeaderRequestProcessor.processRequest, QuorumZooKeeperServer.makeUpgradeRequest
    pub(super) fn upgrade_for<O: Order>(
        &mut self,
        turn: &mut Turn<'_, O>,
        session: SessionId,
        request: &Request,
    ) {
        let is_wanted = self.modes.upgrades_sessions && self.sessions.is_local(session);
        if !is_wanted || !request.creates_ephemeral() {
            return;
        }
        if let Some(timeout_ms) = self.sessions.upgrade(session, turn.now) {
            turn.note(Level::Info, Note::SessionUpgraded { session });
            self.order(turn, None, |prepare, stamp| prepare.begin_session(session, timeout_ms, stamp));
        }
    }

    /// A local session was silent for too long. What it asked for before is still answered.
    pub(super) fn end_local_session(&mut self, session: SessionId, out: &mut Vec<Effect>) {
        self.sessions.remove(session);
        if let Some(attached) = self.attached.detach(session) {
            let (connection, why) = (attached.connection, CloseReason::SessionExpired);
            self.behind(Effect::Close { connection, why }, out);
        }
    }
}
