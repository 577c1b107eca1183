//! The clients of a learner: what they ask for goes to the leader, and comes back as a commit.
//!
//! * Each request that went up ends in one transaction with its session and xid, or, a sync, in the leader's answer.
//! * Replies of a session come in the order of its requests: one that is ready waits for those before it.
//! * A session has no deadline here: who was heard of is told to the leader.

mod local;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use jute::txn::CreateSessionTxn;
use jute::{ErrorCode, OpCode, Record, SessionId, Txn, TxnRecord};
use pipeline::event::{ClientRequest, ConnectionId, Event};
use pipeline::outbox::CloseReason;
use pipeline::request::Request;
use pipeline::sessions::{SessionIds, SessionTracker, is_password_of};
use tree::State;
use zab::{LinkId, Packet};

use super::step::Step;
use crate::attachments::{Attached, Attachments};
use crate::effect::Opening;
use crate::primary::end_of_session;
use crate::{Effect, Level, LocalReply, Note, Origin, SessionModes};

/// The clients of a learner that serves.
#[derive(Debug)]
pub(super) struct Forwarder {
    modes: SessionModes,
    /// Sessions that are this server's own; no other stands here.
    local: SessionTracker,
    attached: Attachments,
    /// Requests of each session, oldest first; no queue is empty.
    waiting: BTreeMap<SessionId, VecDeque<Waiting>>,
    /// Whose syncs went up, oldest first.
    syncs: VecDeque<SyncOf>,
    /// Sessions that the leader was asked about, with their connections.
    reopening: BTreeMap<SessionId, Attached>,
    /// How many answers on a session are still to come.
    asked: BTreeMap<SessionId, usize>,
    /// Sessions that the leader is to hear of, with their timeouts.
    heard: BTreeMap<SessionId, i32>,
    /// Sessions whose connection is gone since the leader asked last: what they sent before counts.
    lost: BTreeMap<SessionId, i32>,
}

/// A request whose reply is not written yet.
#[derive(Debug)]
struct Waiting {
    asked: Asked,
    /// Nobody waits for what this server asks for by itself.
    origin: Option<Origin>,
    what: What,
}

/// Who asked for a sync.
#[derive(Debug, Clone, Copy)]
enum SyncOf {
    /// A client here.
    Session(SessionId),
    /// A client of the observer behind this link.
    Observer(LinkId),
}

/// By what the answer is known.
#[derive(Debug, Clone, Copy)]
struct Asked {
    xid: i32,
    op: OpCode,
}

impl Waiting {
    fn of(origin: Origin, what: What) -> Self {
        Self { asked: Asked { xid: origin.xid, op: origin.op }, origin: Some(origin), what }
    }
}

#[derive(Debug)]
enum What {
    /// It comes back as a transaction.
    Txn,
    /// The same; whatever the transaction says, the client is told this.
    Refused(ErrorCode),
    /// The leader has to say that we have caught up.
    Sync { path: String },
    /// This is the reply.
    Ready(LocalReply),
}

/// What goes up to the leader.
pub(super) type Up = Vec<Packet>;

impl Forwarder {
    pub(super) fn new(step: &Step<'_>) -> Self {
        Self {
            modes: step.member.peer.modes,
            local: SessionTracker::new(step.member.settings.tick_ms, step.now, []),
            attached: Attachments::default(),
            waiting: BTreeMap::new(),
            syncs: VecDeque::new(),
            reopening: BTreeMap::new(),
            asked: BTreeMap::new(),
            heard: BTreeMap::new(),
            lost: BTreeMap::new(),
        }
    }

    /// Clients and timers.
    pub(super) fn on_client(&mut self, step: &mut Step<'_>, up: &mut Up, event: Event) {
        match event {
            Event::NewSession { connection, timeout_ms, wall_ms: _ } => {
                self.on_new_session(step, up, connection, timeout_ms);
            }
            Event::ReopenSession { connection, session, password, timeout_ms, wall_ms: _ } => {
                self.on_reopen_session(step, up, connection, session, &password, timeout_ms);
            }
            Event::Request(request) => self.on_request(step, request, up),
            Event::Throttled(request) => self.refuse(&request, ErrorCode::ThrottledOp, step.out),
            Event::ConnectionLost { connection } => self.on_connection_lost(connection),
            Event::Heard { sessions } => {
                for session in sessions {
                    // zk: LearnerSessionTracker.touchSession
                    if !self.local.touch(session, step.now) {
                        self.hear(session);
                    }
                }
            }
            Event::Tick { .. } => self.expire_local(step),
            Event::Deadline { .. }
            | Event::ContainerCheck { .. }
            | Event::Durable { .. }
            | Event::Shutdown => {}
        }
    }

    /// A transaction is committed: applies it, and the session that it ends takes its connection with it.
    // zk: CommitProcessor.run: only the oldest request of a session can be the one that comes back
    pub(super) fn commit(&mut self, record: Arc<TxnRecord>, out: &mut Vec<Effect>) {
        let session = record.header.client_id;
        let ended = matches!(record.txn, Txn::CloseSession(_));
        match ended {
            true => {
                self.local.remove(session);
                self.heard.remove(&session);
                self.lost.remove(&session);
            }
            // zk: LearnerSessionTracker.commitSession
            false if matches!(record.txn, Txn::CreateSession(_)) => {
                self.local.remove(session);
                self.hear(session);
            }
            false => {}
        }
        let (origin, refused) = self.take_answered(&record);
        match (origin, refused) {
            // zk: FinalRequestProcessor.processRequest: a multi tells what became of its parts
            (Some(origin), Some(code)) if !matches!(record.txn, Txn::Multi(_)) => {
                out.push(Effect::Apply { record, origin: None });
                out.push(Effect::Reply { origin, what: LocalReply::Error(code) });
            }
            (origin, _) => out.push(Effect::Apply { record, origin }),
        }
        self.release(session, out);
        if ended && let Some(attached) = self.attached.detach(session) {
            out.push(Effect::Close {
                connection: attached.connection,
                why: end_of_session(origin.is_some()),
            });
        }
    }

    /// An observer's client asked for a sync, which goes up in its turn.
    pub(super) fn expect_sync_of(&mut self, link: LinkId) {
        self.syncs.push_back(SyncOf::Observer(link));
    }

    /// The oldest sync that went up is reached; it may be that of an observer.
    // zk: FollowerZooKeeperServer.sync
    pub(super) fn on_synced(&mut self, out: &mut Vec<Effect>) -> Option<LinkId> {
        match self.syncs.pop_front() {
            Some(SyncOf::Session(session)) => self.session_synced(session, out),
            Some(SyncOf::Observer(link)) => return Some(link),
            None => out.push(note(Level::Warn, Note::SyncUnasked)),
        }
        None
    }

    fn session_synced(&mut self, session: SessionId, out: &mut Vec<Effect>) {
        let waiting = self.waiting.get_mut(&session).into_iter().flatten();
        if let Some((what, path)) = waiting.map(|waiting| &mut waiting.what).find_map(|what| match what {
            What::Sync { path } => {
                let path = core::mem::take(path);
                Some((what, path))
            }
            What::Txn | What::Refused(_) | What::Ready(_) => None,
        }) {
            *what = What::Ready(LocalReply::Sync { path });
        }
        self.release(session, out);
    }

    /// The leader's answer on a session that came back; the last one counts.
    // zk: Learner.revalidate, ZooKeeperServer.finishSessionInit
    // diverges(session-asked-twice): the reference lets the client in with the first answer. When the second question comes to the
    // leader behind a move to another server, what the client asked here before that is carried out behind what it asked there.
    pub(super) fn on_revalidated(&mut self, session: SessionId, is_valid: bool, out: &mut Vec<Effect>) {
        if let Some(answers) = self.asked.remove(&session).filter(|answers| *answers > 1) {
            self.asked.insert(session, answers - 1);
            return;
        }
        let Some(Attached { connection, timeout_ms }) = self.reopening.remove(&session) else {
            return out.push(note(Level::Debug, Note::RevalidationUnasked { session }));
        };
        if is_valid {
            return out.push(Effect::OpenSession { connection, session, timeout_ms });
        }
        self.attached.detach(session);
        out.push(note(Level::Info, Note::SessionRefused { session, wrong_password: false }));
        out.push(Effect::RefuseSession { connection });
    }

    /// Who was heard of since the last time, and their timeouts.
    // zk: LearnerSessionTracker.snapshot
    pub(super) fn take_heard(&mut self) -> Vec<(SessionId, i32)> {
        self.lost.clear();
        core::mem::take(&mut self.heard).into_iter().collect()
    }

    /// Observers heard of these.
    pub(super) fn on_observer_heard(&mut self, sessions: Vec<(SessionId, i32)>) {
        self.heard.extend(sessions);
    }

    fn hear(&mut self, session: SessionId) {
        let here = self.attached.get(session).map(|attached| attached.timeout_ms);
        if let Some(timeout_ms) = here.or_else(|| self.lost.get(&session).copied()) {
            self.heard.insert(session, timeout_ms);
        }
    }

    /// Number of requests that wait.
    pub(super) fn outstanding(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    // zk: ZooKeeperServer.createSession, FollowerRequestProcessor.run
    fn on_new_session(
        &mut self,
        step: &mut Step<'_>,
        up: &mut Up,
        connection: ConnectionId,
        timeout_ms: i32,
    ) {
        let session = self.next_id(&mut step.member.ids, step.state);
        if self.modes.local_sessions {
            return self.begin_local(step, session, connection, timeout_ms);
        }
        self.attached.attach(session, connection, timeout_ms);
        let opens = Some(Opening { timeout_ms, is_handshake: true });
        let origin = Origin { connection, xid: 0, op: OpCode::CreateSession, received: step.now, opens };
        self.wait(session, Waiting::of(origin, What::Txn));
        let mut body = Vec::new();
        CreateSessionTxn { time_out: timeout_ms }.encode(&mut body);
        up.push(packet(session, 0, OpCode::CreateSession, body.into(), Vec::new()));
    }

    fn next_id(&self, ids: &mut SessionIds, state: &State) -> SessionId {
        ids.next(|id| {
            let is_attached = self.attached.get(id).is_some();
            is_attached || self.local.is_tracked(id) || state.session_timeout(id).is_some()
        })
    }

    // zk: ZooKeeperServer.reopenSession, Learner.validateSession
    fn on_reopen_session(
        &mut self,
        step: &mut Step<'_>,
        up: &mut Up,
        connection: ConnectionId,
        session: SessionId,
        password: &[u8],
        timeout_ms: i32,
    ) {
        if let Some(older) = self.attached.detach(session) {
            let why = CloseReason::ClientReconnect;
            step.out.push(Effect::Close { connection: older.connection, why });
        }
        self.reopening.remove(&session);
        if !is_password_of(session, password) {
            step.note(Level::Info, Note::SessionRefused { session, wrong_password: true });
            return step.out.push(Effect::RefuseSession { connection });
        }
        self.attached.attach(session, connection, timeout_ms);
        // zk: LearnerZooKeeperServer.revalidateSession
        if self.local.touch_with(session, timeout_ms, step.now) {
            return step.out.push(Effect::OpenSession { connection, session, timeout_ms });
        }
        self.reopening.insert(session, Attached { connection, timeout_ms });
        *self.asked.entry(session).or_default() += 1;
        up.push(Packet::Revalidate { session, timeout_ms });
    }

    // zk: FollowerRequestProcessor.run
    fn on_request(&mut self, step: &mut Step<'_>, request: ClientRequest, up: &mut Up) {
        let ClientRequest { connection, session, xid, request, body, identities, received, .. } = request;
        let op = request.op_code();
        let mut origin = Origin { connection, xid, op, received, opens: None };
        if request.is_local() {
            let what = What::Ready(LocalReply::Error(ErrorCode::Unimplemented));
            self.wait(session, Waiting::of(origin, what));
            return self.release(session, step.out);
        }
        let is_own = self.local.touch(session, step.now);
        // zk: LearnerSessionTracker.touchSession: nobody else would stop a local session that has ended here
        // diverges(session-ahead-of-learner): the reference drops the requests of each session whose beginning it does not have yet
        if self.modes.local_sessions && !is_own && self.attached.get(session).is_none() {
            step.note(Level::Debug, Note::RequestDropped { session, xid });
            self.wait(session, Waiting::of(origin, What::Ready(LocalReply::Dropped)));
            return self.release(session, step.out);
        }
        if let Some(what) = self.answer_to_local(session, &request) {
            self.wait(session, Waiting::of(origin, What::Ready(what)));
            return self.release(session, step.out);
        }
        let mut what = self.upgrade_for(step, session, &request, up);
        if op == OpCode::CreateSession {
            let attached = self.attached.get(session);
            origin.opens =
                attached.map(|attached| Opening { timeout_ms: attached.timeout_ms, is_handshake: false });
        }
        if let Request::Sync(sync) = request {
            self.syncs.push_back(SyncOf::Session(session));
            what = What::Sync { path: sync.path };
        }
        self.wait(session, Waiting::of(origin, what));
        up.push(packet(session, xid, op, body, identities.to_vec()));
    }

    /// The request does not go up; the client is told why in its turn.
    pub(super) fn refuse(&mut self, request: &ClientRequest, why: ErrorCode, out: &mut Vec<Effect>) {
        let ClientRequest { connection, session, xid, request, received, .. } = request;
        let origin = Origin {
            connection: *connection,
            xid: *xid,
            op: request.op_code(),
            received: *received,
            opens: None,
        };
        let what = What::Ready(LocalReply::Error(why));
        self.wait(*session, Waiting::of(origin, what));
        self.release(*session, out);
    }

    /// What went up comes back all the same, so nobody leaves the queue.
    fn on_connection_lost(&mut self, connection: ConnectionId) {
        let Some((session, attached)) = self.attached.lose(connection) else { return };
        self.lost.insert(session, attached.timeout_ms);
        if self.reopening.get(&session).is_some_and(|waiting| waiting.connection == connection) {
            self.reopening.remove(&session);
        }
    }

    fn wait(&mut self, session: SessionId, waiting: Waiting) {
        self.waiting.entry(session).or_default().push_back(waiting);
    }

    /// Who waits for this transaction here: the oldest request of the session, if it is the one.
    fn take_answered(&mut self, record: &TxnRecord) -> (Option<Origin>, Option<ErrorCode>) {
        let queue = self.waiting.get_mut(&record.header.client_id);
        match queue.and_then(|queue| pop_front_if(queue, |oldest| is_answer(record, oldest))) {
            Some(Waiting { origin, what: What::Refused(code), .. }) => (origin, Some(code)),
            Some(Waiting { origin, .. }) => (origin, None),
            None => (None, None),
        }
    }

    /// Writes the replies that are ready and wait for none before them.
    fn release(&mut self, session: SessionId, out: &mut Vec<Effect>) {
        let Some(queue) = self.waiting.get_mut(&session) else { return };
        while let Some(Waiting { origin, what, .. }) =
            pop_front_if(queue, |oldest| matches!(oldest.what, What::Ready(_)))
        {
            if let (Some(origin), What::Ready(what)) = (origin, what) {
                out.push(Effect::Reply { origin, what });
            }
        }
        if queue.is_empty() {
            self.waiting.remove(&session);
        }
    }
}

/// Whether the transaction is what became of the request. The end of a session that expired has xid 0.
fn is_answer(record: &TxnRecord, waiting: &Waiting) -> bool {
    let Asked { xid, op } = waiting.asked;
    let is_of_type = match &record.txn {
        Txn::CreateSession(_) => op == OpCode::CreateSession,
        Txn::CloseSession(_) => op == OpCode::CloseSession,
        Txn::Error(_)
        | Txn::Create(_)
        | Txn::Create2(_)
        | Txn::CreateContainer(_)
        | Txn::CreateTtl(_)
        | Txn::Delete(_)
        | Txn::DeleteContainer(_)
        | Txn::SetData(_)
        | Txn::Reconfig(_)
        | Txn::SetAcl(_)
        | Txn::Check(_)
        | Txn::Multi(_) => true,
    };
    matches!(waiting.what, What::Txn | What::Refused(_)) && record.header.cxid == xid && is_of_type
}

fn pop_front_if<T>(queue: &mut VecDeque<T>, condition: impl FnOnce(&T) -> bool) -> Option<T> {
    if queue.front().is_some_and(condition) { queue.pop_front() } else { None }
}

fn packet(session: SessionId, cxid: i32, op: OpCode, body: Bytes, identities: Vec<jute::data::Id>) -> Packet {
    Packet::Request(zab::Request { session, cxid, op_code: op.code(), body, identities })
}

fn note(level: Level, what: Note) -> Effect {
    Effect::Note { level, what }
}
