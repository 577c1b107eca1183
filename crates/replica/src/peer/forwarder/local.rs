//! Sessions that are this learner's own: the leader hears of them when they create an ephemeral.

use super::*;
use crate::SessionsReport;

impl Forwarder {
    /// Number of sessions that are this server's own.
    pub(in crate::peer) fn local_sessions(&self) -> usize {
        self.local.local_count()
    }

    /// When each of them expires.
    pub(in crate::peer) fn sessions_report(&self) -> SessionsReport {
        let local = self.modes.local_sessions.then(|| self.local.local_report());
        SessionsReport { local, global: None }
    }

    /// A client asks for a new session.
    // zk: LearnerSessionTracker.createSession
    pub(super) fn begin_local(
        &mut self,
        step: &mut Step<'_>,
        session: SessionId,
        connection: ConnectionId,
        timeout_ms: i32,
    ) {
        self.local.track_local(session, timeout_ms, step.now);
        self.attached.attach(session, connection, timeout_ms);
        step.out.push(Effect::OpenSession { connection, session, timeout_ms });
    }

    /// What is said to a request that does not go up since sessions are local.
    // zk: QuorumZooKeeperServer.setLocalSessionFlag, FollowerRequestProcessor.run
    pub(super) fn answer_to_local(&mut self, session: SessionId, request: &Request) -> Option<LocalReply> {
        if matches!(request, Request::CreateSession(_)) && self.modes.local_sessions {
            let timeout_ms = self.attached.get(session)?.timeout_ms;
            return Some(LocalReply::Opened { session, timeout_ms });
        }
        if matches!(request, Request::CloseSession) && self.local.is_tracked(session) {
            self.local.remove(session);
            self.attached.detach(session);
            return Some(LocalReply::Closed);
        }
        None
    }

    /// An ephemeral needs a session that all servers know: its beginning goes up just before. Where that is not allowed, the
    /// request goes up all the same, and fails there; the client is told why.
    // zk: FollowerRequestProcessor.processRequest, QuorumZooKeeperServer.checkUpgradeSession
    pub(super) fn upgrade_for(
        &mut self,
        step: &mut Step<'_>,
        session: SessionId,
        request: &Request,
        up: &mut Up,
    ) -> What {
        if !self.local.is_tracked(session) || !request.creates_ephemeral() {
            return What::Txn;
        }
        if !self.modes.upgrades_sessions {
            return What::Refused(ErrorCode::EphemeralOnLocalSession);
        }
        if let Some(timeout_ms) = self.local.upgrade(session, step.now) {
            self.local.remove(session);
            step.note(Level::Info, Note::SessionUpgraded { session });
            let mut body = Vec::new();
            CreateSessionTxn { time_out: timeout_ms }.encode(&mut body);
            up.push(packet(session, 0, OpCode::CreateSession, body.into(), Vec::new()));
            let asked = Asked { xid: 0, op: OpCode::CreateSession };
            self.wait(session, Waiting { asked, origin: None, what: What::Txn });
        }
        What::Txn
    }

    /// A tick has passed: ends what was silent for too long.
    pub(super) fn expire_local(&mut self, step: &mut Step<'_>) {
        for session in self.local.on_tick(step.now) {
            step.note(Level::Info, Note::SessionExpired { session });
            self.local.remove(session);
            if let Some(attached) = self.attached.detach(session) {
                let (connection, why) = (attached.connection, CloseReason::SessionExpired);
                step.out.push(Effect::Close { connection, why });
            }
        }
    }
}
