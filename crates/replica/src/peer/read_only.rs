//! Clients of a server that looks for a leader in vain: they may read what it holds.
//!
//! * Its sessions are its own: nobody else knows them, and they end with the mode.
//! * A session that all servers know is not let in: nobody here may keep it alive.

use jute::{ErrorCode, OpCode, SessionId};
use pipeline::event::{ClientRequest, ConnectionId, Event};
use pipeline::outbox::CloseReason;
use pipeline::sessions::{SessionTracker, is_password_of};
use tree::State;

use super::step::Step;
use crate::attachments::Attachments;
use crate::{Effect, Level, LocalReply, Mode, Note, Origin, PeerEffect, SessionsReport};

/// A server that serves reads only.
// zk: ReadOnlyZooKeeperServer
#[derive(Debug)]
pub(super) struct ReadOnly {
    sessions: SessionTracker,
    attached: Attachments,
    /// Without local sessions nobody new is let in.
    has_sessions: bool,
}

impl ReadOnly {
    pub(super) fn begin(step: &mut Step<'_>) -> Self {
        step.note(Level::Warn, Note::ReadsOnly);
        step.want(PeerEffect::Serve { mode: Mode::ReadOnly });
        Self {
            sessions: SessionTracker::new(step.member.settings.tick_ms, step.now, []),
            attached: Attachments::default(),
            has_sessions: step.member.peer.modes.local_sessions,
        }
    }

    pub(super) fn sessions_report(&self) -> SessionsReport {
        let local = self.has_sessions.then(|| self.sessions.local_report());
        SessionsReport { local, global: None }
    }

    pub(super) fn local_count(&self) -> usize {
        self.sessions.local_count()
    }

    /// Clients and timers.
    pub(super) fn on_server(&mut self, step: &mut Step<'_>, event: Event) {
        match event {
            Event::NewSession { connection, timeout_ms, wall_ms: _ } => {
                self.on_new_session(step, connection, timeout_ms);
            }
            Event::ReopenSession { connection, session, password, timeout_ms, wall_ms: _ } => {
                self.on_reopen_session(step, connection, session, &password, timeout_ms);
            }
            Event::Request(request) | Event::Throttled(request) => self.on_request(step, &request),
            Event::ConnectionLost { connection } => drop(self.attached.lose(connection)),
            Event::Heard { sessions } => {
                for session in sessions {
                    self.sessions.touch(session, step.now);
                }
            }
            Event::Tick { .. } => self.on_tick(step),
            Event::Deadline { .. }
            | Event::ContainerCheck { .. }
            | Event::Durable { .. }
            | Event::Shutdown => {}
        }
    }

    // zk: ZooKeeperServer.createSession, ReadOnlyRequestProcessor.run
    fn on_new_session(&mut self, step: &mut Step<'_>, connection: ConnectionId, timeout_ms: i32) {
        // diverges(read-only-new-session): the reference sends the header of an error where the client waits for a handshake
        if !self.has_sessions {
            let why = CloseReason::GlobalSessionReadOnly;
            return step.out.push(Effect::Close { connection, why });
        }
        let state: &State = step.state;
        let sessions = &self.sessions;
        let session =
            step.member.ids.next(|id| state.session_timeout(id).is_some() || sessions.is_tracked(id));
        self.sessions.track_local(session, timeout_ms, step.now);
        self.attached.attach(session, connection, timeout_ms);
        step.out.push(Effect::OpenSession { connection, session, timeout_ms });
    }

    // zk: ReadOnlyZooKeeperServer.validateSession, ZooKeeperServer.reopenSession
    fn on_reopen_session(
        &mut self,
        step: &mut Step<'_>,
        connection: ConnectionId,
        session: SessionId,
        password: &[u8],
        timeout_ms: i32,
    ) {
        if step.state.session_timeout(session).is_some() {
            let why = CloseReason::GlobalSessionReadOnly;
            return step.out.push(Effect::Close { connection, why });
        }
        if let Some(older) = self.attached.detach(session) {
            let why = CloseReason::ClientReconnect;
            step.out.push(Effect::Close { connection: older.connection, why });
        }
        let wrong_password = !is_password_of(session, password);
        // zk: LearnerSessionTracker.touchSession: without local sessions whoever shows the password is taken at their word
        let is_alive = !self.has_sessions || self.sessions.touch_with(session, timeout_ms, step.now);
        if wrong_password || !is_alive {
            step.note(Level::Info, Note::SessionRefused { session, wrong_password });
            return step.out.push(Effect::RefuseSession { connection });
        }
        self.attached.attach(session, connection, timeout_ms);
        step.out.push(Effect::OpenSession { connection, session, timeout_ms });
    }

    // zk: ReadOnlyRequestProcessor.run
    fn on_request(&mut self, step: &mut Step<'_>, request: &ClientRequest) {
        let ClientRequest { connection, session, xid, request, received, .. } = request;
        let (connection, session, xid, received) = (*connection, *session, *xid, *received);
        let op = request.op_code();
        let origin = Origin { connection, xid, op, received, opens: None };
        if self.has_sessions && !self.sessions.touch(session, step.now) {
            step.note(Level::Debug, Note::RequestDropped { session, xid });
            return step.out.push(Effect::Reply { origin, what: LocalReply::Dropped });
        }
        let attached = self.attached.get(session).filter(|_| self.has_sessions);
        let what = match (op, attached) {
            (OpCode::CloseSession, Some(_)) => {
                self.sessions.remove(session);
                self.attached.detach(session);
                LocalReply::Closed
            }
            (OpCode::CreateSession, Some(attached)) => {
                LocalReply::Opened { session, timeout_ms: attached.timeout_ms }
            }
            _ => LocalReply::Error(ErrorCode::NotReadOnly),
        };
        step.out.push(Effect::Reply { origin, what });
    }

    fn on_tick(&mut self, step: &mut Step<'_>) {
        for session in self.sessions.on_tick(step.now) {
            step.note(Level::Info, Note::SessionExpired { session });
            self.sessions.remove(session);
            if let Some(attached) = self.attached.detach(session) {
                let (connection, why) = (attached.connection, CloseReason::SessionExpired);
                step.out.push(Effect::Close { connection, why });
            }
        }
    }
}
