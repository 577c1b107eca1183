use alloc::vec::Vec;

use jute::OpCode;
use pipeline::sessions::is_password_of;

use super::*;
use crate::effect::Opening;

impl Primary {
    /// A client asks for a new session.
    // zk: ZooKeeperServer.createSession
    pub(crate) fn on_new_session<O: Order>(
        &mut self,
        turn: &mut Turn<'_, O>,
        ids: &mut SessionIds,
        connection: ConnectionId,
        timeout_ms: i32,
    ) {
        if self.is_stopping {
            return turn.out.push(Effect::Close { connection, why: CloseReason::Shutdown });
        }
        let session = ids.next(|id| self.sessions.is_tracked(id));
        if self.modes.local_sessions {
            return self.begin_local_session(turn, session, connection, timeout_ms);
        }
        self.sessions.track(session, timeout_ms, turn.now);
        self.attached.attach(session, connection, timeout_ms);
        let opens = Some(Opening { timeout_ms, is_handshake: true });
        let origin = Origin { connection, xid: 0, op: OpCode::CreateSession, received: turn.now, opens };
        self.order(turn, Some(origin), |prepare, stamp| prepare.begin_session(session, timeout_ms, stamp));
    }

    /// A client asks for the session that it had.
    // zk: ZooKeeperServer.processConnectRequest, reopenSession: the older connection ends before the password is looked at
    pub(crate) fn on_reopen_session<O>(
        &mut self,
        turn: &mut Turn<'_, O>,
        connection: ConnectionId,
        session: SessionId,
        password: &[u8],
        timeout_ms: i32,
    ) {
        if let Some(older) = self.attached.detach(session) {
            turn.out.push(Effect::Close { connection: older.connection, why: CloseReason::ClientReconnect });
        }
        if self.is_stopping {
            return turn.out.push(Effect::Close { connection, why: CloseReason::Shutdown });
        }
        let wrong_password = !is_password_of(session, password);
        if wrong_password || !self.sessions.touch_with(session, timeout_ms, turn.now) {
            turn.note(Level::Info, Note::SessionRefused { session, wrong_password });
            return turn.out.push(Effect::RefuseSession { connection });
        }
        // zk: LeaderZooKeeperServer.revalidateSession: whichever server it was attached to, it is here now
        let _ = self.sessions.set_owner(session, Owner::Here);
        self.attached.attach(session, connection, timeout_ms);
        turn.out.push(Effect::OpenSession { connection, session, timeout_ms });
    }

    /// Clients here were heard of.
    pub(crate) fn on_heard(&mut self, now: Millis, sessions: &[SessionId]) {
        for session in sessions {
            self.sessions.touch(*session, now);
        }
    }

    /// A tick has passed: expires what was silent for too long.
    // zk: ZooKeeperServer.expire
    pub(crate) fn on_tick<O: Order>(&mut self, turn: &mut Turn<'_, O>) {
        if self.is_stopping {
            return;
        }
        for session in self.sessions.on_tick(turn.now) {
            turn.note(Level::Info, Note::SessionExpired { session });
            match self.sessions.is_local(session) {
                true => self.end_local_session(session, turn.out),
                false => self.close(turn, session),
            }
        }
    }

    /// Ephemerals without a session go by a transaction, so that every server and the log know of it.
    // zk: ZooKeeperServer.loadData
    // diverges(orphans-closed-by-txn): the reference removes them in memory only
    pub(crate) fn close_orphans<O: Order>(&mut self, turn: &mut Turn<'_, O>) {
        let orphans: Vec<SessionId> = turn.state.orphaned_sessions().collect();
        for session in orphans {
            let count = turn.state.ephemerals(session).count();
            turn.note(Level::Warn, Note::OrphanedEphemerals { session, count });
            self.close(turn, session);
        }
    }

    /// A connection is gone; its session goes on until it expires.
    pub(crate) fn on_connection_lost(&mut self, connection: ConnectionId) {
        self.attached.lose(connection);
    }

    /// What a client gets that asks again for the session it has.
    pub(super) fn renewal(&self, session: SessionId) -> Option<Opening> {
        let attached = self.attached.get(session)?;
        Some(Opening { timeout_ms: attached.timeout_ms, is_handshake: false })
    }

    fn close<O: Order>(&mut self, turn: &mut Turn<'_, O>, session: SessionId) {
        self.order(turn, None, |prepare, stamp| prepare.end_session(session, stamp));
    }
}
