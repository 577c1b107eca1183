use alloc::vec::Vec;

use jute::{OpCode, SessionId};
use pipeline::event::ConnectionId;
use pipeline::outbox::CloseReason;
use pipeline::sessions::is_password_of;
use pipeline::time::Millis;
use tree::State;

use super::{Attached, Standalone, note};
use crate::effect::Opening;
use crate::{Effect, Level, Note, Origin};

impl Standalone {
    // zk: ZooKeeperServer.createSession
    pub(super) fn on_new_session(
        &mut self,
        now: Millis,
        connection: ConnectionId,
        timeout_ms: i32,
        wall_ms: i64,
        state: &State,
        out: &mut Vec<Effect>,
    ) {
        if self.is_stopping {
            return out.push(Effect::Close { connection, why: CloseReason::Shutdown });
        }
        let session = self.ids.next(|id| self.sessions.is_tracked(id));
        self.sessions.track(session, timeout_ms, now);
        self.attach(session, connection, timeout_ms);
        let opens = Some(Opening { timeout_ms, is_handshake: true });
        let origin = Origin { connection, xid: 0, op: OpCode::CreateSession, received: now, opens };
        let stamp = self.next_stamp(wall_ms);
        let prepared = self.prepare(state, out, |prepare| prepare.begin_session(session, timeout_ms, stamp));
        self.append(prepared, Some(origin), out);
    }

    // zk: ZooKeeperServer.processConnectRequest, reopenSession: the older connection ends before the password is looked at
    pub(super) fn on_reopen_session(
        &mut self,
        now: Millis,
        connection: ConnectionId,
        session: SessionId,
        password: &[u8],
        timeout_ms: i32,
        out: &mut Vec<Effect>,
    ) {
        if let Some(older) = self.attached.remove(&session) {
            self.connections.remove(&older.connection);
            out.push(Effect::Close { connection: older.connection, why: CloseReason::ClientReconnect });
        }
        if self.is_stopping {
            return out.push(Effect::Close { connection, why: CloseReason::Shutdown });
        }
        let wrong_password = !is_password_of(session, password);
        if wrong_password || !self.sessions.touch_with(session, timeout_ms, now) {
            out.push(note(Level::Info, Note::SessionRefused { session, wrong_password }));
            return out.push(Effect::RefuseSession { connection });
        }
        self.attach(session, connection, timeout_ms);
        out.push(Effect::OpenSession { connection, session, timeout_ms });
    }

    pub(super) fn on_heard(&mut self, now: Millis, sessions: &[SessionId]) {
        for session in sessions {
            self.sessions.touch(*session, now);
        }
    }

    // zk: ZooKeeperServer.expire
    pub(super) fn on_tick(&mut self, now: Millis, wall_ms: i64, state: &State, out: &mut Vec<Effect>) {
        if self.is_stopping {
            return;
        }
        for session in self.sessions.on_tick(now) {
            out.push(note(Level::Info, Note::SessionExpired { session }));
            self.close(session, wall_ms, state, out);
        }
    }

    /// Ephemerals without a session go by a transaction, so that every server and the log know of it.
    // zk: ZooKeeperServer.loadData
    // diverges(orphans-closed-by-txn): the reference removes them in memory only
    pub(super) fn close_orphans(&mut self, wall_ms: i64, state: &State, out: &mut Vec<Effect>) {
        let orphans: Vec<SessionId> = state.orphaned_sessions().collect();
        for session in orphans {
            let count = state.ephemerals(session).count();
            out.push(note(Level::Warn, Note::OrphanedEphemerals { session, count }));
            self.close(session, wall_ms, state, out);
        }
    }

    pub(super) fn detach(&mut self, connection: ConnectionId) {
        if let Some(session) = self.connections.remove(&connection) {
            self.attached.remove(&session);
        }
    }

    /// What a client gets that asks again for the session it has.
    pub(super) fn renewal(&self, session: SessionId) -> Option<Opening> {
        let attached = self.attached.get(&session)?;
        Some(Opening { timeout_ms: attached.timeout_ms, is_handshake: false })
    }

    fn attach(&mut self, session: SessionId, connection: ConnectionId, timeout_ms: i32) {
        self.attached.insert(session, Attached { connection, timeout_ms });
        self.connections.insert(connection, session);
    }

    fn close(&mut self, session: SessionId, wall_ms: i64, state: &State, out: &mut Vec<Effect>) {
        let stamp = self.next_stamp(wall_ms);
        let prepared = self.prepare(state, out, |prepare| prepare.end_session(session, stamp));
        self.append(prepared, None, out);
    }
}
