//! What a server does that turns requests into transactions by itself: one without an ensemble, and a leader.
//!
//! * The two differ in the [`Order`] that their transactions enter, which also says when they are committed.
//! * The queue holds transactions in the order of their zxids, and between them what waits behind them.
//! * What stands in the queue is not committed yet, or waits behind such a transaction.
//! * All ways to a transaction go through one preparation, in the order in which things happen.

mod learners;
mod local;
mod sessions;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use jute::{ErrorCode, SessionId, Txn, TxnRecord, Zxid};
use pipeline::changes::ChangesInFlight;
use pipeline::event::{ClientRequest, ConnectionId};
use pipeline::outbox::CloseReason;
use pipeline::prepare::{Asker, Ensemble, Prepare, Prepared, QuotaWarning, Stamp};
use pipeline::request::Request;
use pipeline::sessions::{Owner, SessionIds, SessionTracker};
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use tree::State;

use crate::attachments::Attachments;
use crate::containers::Containers;
use crate::{Effect, Level, LocalReply, Note, Origin, SessionModes, SessionsReport};

/// Where transactions get their place: the own log alone, or that of an ensemble.
pub(crate) trait Order {
    /// The zxid for one more transaction; `None` when this server can order no more.
    fn next_zxid(&mut self) -> Option<Zxid>;
    /// The transaction with that zxid, which the caller appends to the own log.
    fn enter(&mut self, now: Millis, record: &Arc<TxnRecord>);
    /// The ensemble that the transactions are for, if any.
    fn ensemble(&self) -> Option<&dyn Ensemble> {
        None
    }
}

/// What one event is handled with.
pub(crate) struct Turn<'a, O> {
    /// Monotonic time.
    pub(crate) now: Millis,
    /// Wall time.
    pub(crate) wall_ms: i64,
    /// The applied state.
    pub(crate) state: &'a State,
    /// Where transactions go.
    pub(crate) order: &'a mut O,
    /// What the world is to do.
    pub(crate) out: &'a mut Vec<Effect>,
}

impl<O> Turn<'_, O> {
    fn note(&mut self, level: Level, what: Note) {
        self.out.push(Effect::Note { level, what });
    }
}

/// Sessions, changes under way, and who waits for them.
#[derive(Debug)]
pub(crate) struct Primary {
    settings: Arc<PipelineSettings>,
    changes: ChangesInFlight,
    sessions: SessionTracker,
    queue: VecDeque<Waiting>,
    attached: Attachments,
    containers: Containers,
    quota_quiet_until: Millis,
    is_stopping: bool,
    modes: SessionModes,
}

/// One line on quotas in so much time; a client that is over its quota would fill the log otherwise.
// zk: ZooKeeperServer.checkQuota, RateLogger
const QUOTA_NOTE_INTERVAL_MS: u64 = 1000;

/// What waits for a commit.
#[derive(Debug)]
enum Waiting {
    /// A transaction.
    Txn { record: Arc<TxnRecord>, origin: Option<Origin> },
    /// What is to be done once all transactions before are committed.
    Behind(Effect),
}

impl Primary {
    /// Begins over a state with these sessions, which have their full timeout from now on.
    pub(crate) fn new(settings: Arc<PipelineSettings>, sessions: SessionTracker, now: Millis) -> Self {
        Self {
            changes: ChangesInFlight::default(),
            sessions,
            queue: VecDeque::new(),
            attached: Attachments::default(),
            containers: Containers::default(),
            quota_quiet_until: now,
            is_stopping: false,
            modes: SessionModes::default(),
            settings,
        }
    }

    /// The same with local sessions, where they are wanted.
    #[must_use]
    pub(crate) fn with_modes(self, modes: SessionModes) -> Self {
        Self { modes, ..self }
    }

    /// The state has reached this zxid; called at the beginning of each event.
    pub(crate) fn retire(&mut self, applied: Zxid) {
        self.changes.retire(applied);
    }

    /// When the next container is due.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.containers.deadline()
    }

    /// Number of requests that wait.
    pub(crate) fn outstanding(&self) -> usize {
        self.queue.len()
    }

    /// When each session expires.
    pub(crate) fn sessions_report(&self) -> SessionsReport {
        let local = self.modes.local_sessions.then(|| self.sessions.local_report());
        SessionsReport { local, global: Some(self.sessions.report()) }
    }

    /// Number of sessions that are this server's own.
    pub(crate) fn local_sessions(&self) -> usize {
        self.sessions.local_count()
    }

    /// A client's request.
    // zk: ZooKeeperServer.submitRequestNow, PrepRequestProcessor.pRequestHelper
    pub(crate) fn on_request<O: Order>(&mut self, turn: &mut Turn<'_, O>, request: ClientRequest) {
        let ClientRequest { connection, session, xid, request, identities, received, .. } = request;
        let mut origin = Origin { connection, xid, op: request.op_code(), received, opens: None };
        if self.is_stopping || !self.sessions.touch(session, turn.now) {
            turn.note(Level::Debug, Note::RequestDropped { session, xid });
            return self.reply(origin, LocalReply::Dropped, turn.out);
        }
        let asker = Asker { session, xid, owner: Owner::Here, identities: &identities };
        if let Request::Sync(sync) = request {
            return match self.sessions.check(session, Owner::Here) {
                Ok(()) => self.reply(origin, LocalReply::Sync { path: sync.path }, turn.out),
                Err(code) => self.reply(origin, LocalReply::Error(code), turn.out),
            };
        }
        if request.is_local() {
            return self.reply(origin, LocalReply::Error(ErrorCode::Unimplemented), turn.out);
        }
        if let Some(what) = self.answer_to_local_session(session, &request) {
            return self.reply(origin, what, turn.out);
        }
        self.upgrade_for(turn, session, &request);
        if let Request::CreateSession(renewed) = &request {
            origin.opens = self.renewal(session);
            self.sessions.track(session, renewed.time_out, turn.now);
        }
        self.order(turn, Some(origin), |prepare, stamp| prepare.request(&asker, stamp, request));
    }

    /// A client's request that waited too long.
    // zk: RequestThrottler.shouldThrottleOp, FinalRequestProcessor.processRequest: no transaction, but the session is alive
    pub(crate) fn on_throttled<O>(&mut self, turn: &mut Turn<'_, O>, request: &ClientRequest) {
        let ClientRequest { connection, session, xid, request, received, .. } = request;
        let origin = Origin {
            connection: *connection,
            xid: *xid,
            op: request.op_code(),
            received: *received,
            opens: None,
        };
        let what = match !self.is_stopping && self.sessions.touch(*session, turn.now) {
            true => LocalReply::Error(ErrorCode::ThrottledOp),
            false => LocalReply::Dropped,
        };
        self.reply(origin, what, turn.out);
    }

    /// Everything up to here is committed.
    pub(crate) fn commit(&mut self, committed: Zxid, out: &mut Vec<Effect>) {
        while self.queue.front().is_some_and(|waiting| waiting.is_ready(committed)) {
            match self.queue.pop_front() {
                Some(Waiting::Txn { record, origin }) => self.apply(record, origin, out),
                Some(Waiting::Behind(effect)) => out.push(effect),
                None => {}
            }
        }
    }

    // zk: FinalRequestProcessor.applyRequest: a session that ends takes its connection with it
    fn apply(&mut self, record: Arc<TxnRecord>, origin: Option<Origin>, out: &mut Vec<Effect>) {
        let ended = matches!(record.txn, Txn::CloseSession(_)).then_some(record.header.client_id);
        out.push(Effect::Apply { record, origin });
        let Some(session) = ended else { return };
        self.sessions.remove(session);
        if let Some(attached) = self.attached.detach(session) {
            out.push(Effect::Close {
                connection: attached.connection,
                why: end_of_session(origin.is_some()),
            });
        }
    }

    /// Time to look for znodes that the server deletes by itself.
    pub(crate) fn on_container_check<O: Order>(&mut self, turn: &mut Turn<'_, O>) {
        if self.is_stopping {
            return;
        }
        self.containers.check(turn.now, turn.wall_ms, turn.state, &self.settings.containers);
        self.delete_due(turn);
    }

    /// Deletes the znodes whose moment has come.
    // zk: ContainerManager.checkContainers
    pub(crate) fn delete_due<O: Order>(&mut self, turn: &mut Turn<'_, O>) {
        while let Some(path) = self.containers.next(turn.now, &self.settings.containers) {
            turn.note(Level::Info, Note::NodeExpired { path: path.clone() });
            self.order(turn, None, |prepare, stamp| prepare.expire_node(&path, stamp));
        }
    }

    /// Takes no new requests from now on.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
        self.containers.stop();
    }

    /// Ends: what was appended and is not committed, oldest first.
    #[must_use]
    pub(crate) fn into_pending(self) -> VecDeque<Arc<TxnRecord>> {
        let records = self.queue.into_iter().filter_map(|waiting| match waiting {
            Waiting::Txn { record, .. } => Some(record),
            Waiting::Behind(_) => None,
        });
        records.collect()
    }

    /// Prepares one transaction and gives it its place.
    fn order<O: Order>(
        &mut self,
        turn: &mut Turn<'_, O>,
        origin: Option<Origin>,
        run: impl FnOnce(&mut Prepare<'_>, Stamp) -> Prepared,
    ) {
        // A server that can order no more ends its role, and all that wait with it.
        let Some(zxid) = turn.order.next_zxid() else { return };
        let stamp = Stamp { zxid, wall_ms: turn.wall_ms };
        let mut warnings = Vec::new();
        let mut prepare = Prepare {
            settings: &self.settings,
            state: turn.state,
            changes: &mut self.changes,
            sessions: &mut self.sessions,
            warnings: &mut warnings,
            ensemble: turn.order.ensemble(),
        };
        let record = Arc::new(run(&mut prepare, stamp).record);
        assert!(record.header.zxid == zxid, "invariant: one zxid, one transaction");
        self.note_quotas(warnings, turn);
        turn.out.push(Effect::Append { record: Arc::clone(&record) });
        turn.order.enter(turn.now, &record);
        self.queue.push_back(Waiting::Txn { record, origin });
    }

    /// The last warning is the one that refused the request, if any did. What is refused is always told, for the
    /// metric that counts it, but loudly only once in a while.
    fn note_quotas<O>(&mut self, warnings: Vec<QuotaWarning>, turn: &mut Turn<'_, O>) {
        for warning in warnings.into_iter().rev() {
            if turn.now >= self.quota_quiet_until {
                self.quota_quiet_until = turn.now.plus(QUOTA_NOTE_INTERVAL_MS);
                turn.note(Level::Warn, Note::Quota(warning));
            } else if warning.0.is_hard {
                turn.note(Level::Debug, Note::Quota(warning));
            }
        }
    }

    fn reply(&mut self, origin: Origin, what: LocalReply, out: &mut Vec<Effect>) {
        self.behind(Effect::Reply { origin, what }, out);
    }

    /// Does something once all transactions so far are committed: at once when they are.
    fn behind(&mut self, effect: Effect, out: &mut Vec<Effect>) {
        match self.queue.is_empty() {
            true => out.push(effect),
            false => self.queue.push_back(Waiting::Behind(effect)),
        }
    }
}

impl Waiting {
    fn is_ready(&self, committed: Zxid) -> bool {
        match self {
            Self::Txn { record, .. } => record.header.zxid <= committed,
            Self::Behind(_) => true,
        }
    }
}

/// Why a connection ends whose session did.
pub(crate) fn end_of_session(was_asked_for: bool) -> CloseReason {
    match was_asked_for {
        true => CloseReason::SessionClosed,
        false => CloseReason::SessionExpired,
    }
}
