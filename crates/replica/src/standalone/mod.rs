//! The role of a server without an ensemble.
//!
//! * The queue holds transactions in the order of their zxids, and replies between them where their requests stood.
//! * What stands in the queue is appended and not yet known to be durable, or waits behind such a transaction.
//! * A session is attached to at most one connection.

mod sessions;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use jute::{ErrorCode, SessionId, Txn, TxnRecord, Zxid};
use pipeline::changes::ChangesInFlight;
use pipeline::event::{ClientRequest, ConnectionId, Event};
use pipeline::outbox::CloseReason;
use pipeline::prepare::{Asker, Prepare, Prepared, QuotaWarning, Stamp};
use pipeline::request::Request;
use pipeline::sessions::{Owner, SessionIds, SessionReport, SessionTracker};
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use tree::State;

use crate::containers::Containers;
use crate::{Effect, HaltReason, Level, LocalReply, Note, Origin, ReplicaSeed};

/// A server without an ensemble.
#[derive(Debug)]
pub struct Standalone {
    settings: Arc<PipelineSettings>,
    changes: ChangesInFlight,
    sessions: SessionTracker,
    ids: SessionIds,
    last_zxid: Zxid,
    queue: VecDeque<Waiting>,
    attached: BTreeMap<SessionId, Attached>,
    connections: BTreeMap<ConnectionId, SessionId>,
    containers: Containers,
    now: Millis,
    quota_quiet_until: Millis,
    is_stopping: bool,
}

/// One line on quotas in so much time; a client that is over its quota would fill the log otherwise.
// zk: ZooKeeperServer.checkQuota, RateLogger
const QUOTA_NOTE_INTERVAL_MS: u64 = 1000;

/// Where a session is attached.
#[derive(Debug, Clone, Copy)]
struct Attached {
    connection: ConnectionId,
    timeout_ms: i32,
}

/// What waits for the log.
#[derive(Debug)]
enum Waiting {
    Txn { record: Arc<TxnRecord>, origin: Option<Origin> },
    Reply { origin: Origin, what: LocalReply },
}

impl Standalone {
    /// Starts over a recovered state; sessions in it have their full timeout from now on.
    pub fn new(
        settings: Arc<PipelineSettings>,
        seed: ReplicaSeed,
        state: &State,
        now: Millis,
        out: &mut Vec<Effect>,
    ) -> Self {
        let mut standalone = Self {
            changes: ChangesInFlight::default(),
            sessions: SessionTracker::new(settings.tick_ms, now, state.sessions()),
            ids: SessionIds::new(settings.server_id, seed.monotonic_ms),
            last_zxid: state.last_processed_zxid(),
            queue: VecDeque::new(),
            attached: BTreeMap::new(),
            connections: BTreeMap::new(),
            containers: Containers::default(),
            now,
            quota_quiet_until: now,
            is_stopping: false,
            settings,
        };
        standalone.close_orphans(seed.wall_ms, state, out);
        standalone
    }

    /// Handles one event.
    pub fn step(&mut self, now: Millis, event: Event, state: &State, out: &mut Vec<Effect>) {
        self.now = now;
        self.changes.retire(state.last_processed_zxid());
        match event {
            Event::NewSession { connection, timeout_ms, wall_ms } => {
                self.on_new_session(now, connection, timeout_ms, wall_ms, state, out);
            }
            Event::ReopenSession { connection, session, password, timeout_ms, wall_ms: _ } => {
                self.on_reopen_session(now, connection, session, &password, timeout_ms, out);
            }
            Event::Request(request) => self.on_request(now, request, state, out),
            Event::Throttled(request) => self.on_throttled(now, &request, out),
            Event::ConnectionLost { connection } => self.detach(connection),
            Event::Heard { sessions } => self.on_heard(now, &sessions),
            Event::Tick { wall_ms } => {
                self.on_tick(now, wall_ms, state, out);
                self.delete_due(now, wall_ms, state, out);
            }
            Event::Deadline { wall_ms } => self.delete_due(now, wall_ms, state, out),
            Event::ContainerCheck { wall_ms } => self.on_container_check(now, wall_ms, state, out),
            Event::Durable { zxid } => self.on_durable(zxid, out),
            Event::Shutdown => self.on_shutdown(out),
        }
    }

    /// When the next container is due.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.containers.deadline()
    }

    /// Number of requests that wait for the log.
    pub fn outstanding(&self) -> usize {
        self.queue.len()
    }

    /// When each session expires.
    pub fn sessions_report(&self) -> Vec<SessionReport> {
        self.sessions.report()
    }

    // zk: ZooKeeperServer.submitRequestNow, PrepRequestProcessor.pRequestHelper
    fn on_request(&mut self, now: Millis, request: ClientRequest, state: &State, out: &mut Vec<Effect>) {
        let ClientRequest { connection, session, xid, request, identities, received, wall_ms } = request;
        let mut origin = Origin { connection, xid, op: request.op_code(), received, opens: None };
        if self.is_stopping || !self.sessions.touch(session, now) {
            out.push(note(Level::Debug, Note::RequestDropped { session, xid }));
            return self.reply(origin, LocalReply::Dropped, out);
        }
        let asker = Asker { session, xid, owner: Owner::Here, identities: &identities };
        if let Request::Sync(sync) = request {
            return match self.sessions.check(session, Owner::Here) {
                Ok(()) => self.reply(origin, LocalReply::Sync { path: sync.path }, out),
                Err(code) => self.reply(origin, LocalReply::Error(code), out),
            };
        }
        if request.is_local() {
            return self.reply(origin, LocalReply::Error(ErrorCode::Unimplemented), out);
        }
        if let Request::CreateSession(renewed) = &request {
            origin.opens = self.renewal(session);
            self.sessions.track(session, renewed.time_out, now);
        }
        let stamp = self.next_stamp(wall_ms);
        let prepared = self.prepare(state, out, |prepare| prepare.request(&asker, stamp, request));
        self.append(prepared, Some(origin), out);
    }

    // zk: RequestThrottler.shouldThrottleOp, FinalRequestProcessor.processRequest: no transaction, but the session is alive
    fn on_throttled(&mut self, now: Millis, request: &ClientRequest, out: &mut Vec<Effect>) {
        let ClientRequest { connection, session, xid, request, received, .. } = request;
        let origin = Origin {
            connection: *connection,
            xid: *xid,
            op: request.op_code(),
            received: *received,
            opens: None,
        };
        let what = match !self.is_stopping && self.sessions.touch(*session, now) {
            true => LocalReply::Error(ErrorCode::ThrottledOp),
            false => LocalReply::Dropped,
        };
        self.reply(origin, what, out);
    }

    /// What the log holds for good is committed.
    fn on_durable(&mut self, durable: Zxid, out: &mut Vec<Effect>) {
        if durable > self.last_zxid {
            let why = HaltReason::DurableAhead { durable, given: self.last_zxid };
            return out.push(Effect::Halt { why });
        }
        while self.queue.front().is_some_and(|waiting| waiting.is_ready(durable)) {
            match self.queue.pop_front() {
                Some(Waiting::Txn { record, origin }) => self.commit(record, origin, out),
                Some(Waiting::Reply { origin, what }) => out.push(Effect::Reply { origin, what }),
                None => {}
            }
        }
        self.stop_when_done(out);
    }

    // zk: FinalRequestProcessor.applyRequest: a session that ends takes its connection with it
    fn commit(&mut self, record: Arc<TxnRecord>, origin: Option<Origin>, out: &mut Vec<Effect>) {
        let ended = matches!(record.txn, Txn::CloseSession(_)).then_some(record.header.client_id);
        out.push(Effect::Apply { record, origin });
        let Some(session) = ended else { return };
        self.sessions.remove(session);
        let Some(attached) = self.attached.remove(&session) else { return };
        self.connections.remove(&attached.connection);
        let why = match origin {
            Some(_) => CloseReason::SessionClosed,
            None => CloseReason::SessionExpired,
        };
        out.push(Effect::Close { connection: attached.connection, why });
    }

    fn on_container_check(&mut self, now: Millis, wall_ms: i64, state: &State, out: &mut Vec<Effect>) {
        if self.is_stopping {
            return;
        }
        self.containers.check(now, wall_ms, state, &self.settings.containers);
        self.delete_due(now, wall_ms, state, out);
    }

    // zk: ContainerManager.checkContainers
    fn delete_due(&mut self, now: Millis, wall_ms: i64, state: &State, out: &mut Vec<Effect>) {
        while let Some(path) = self.containers.next(now, &self.settings.containers) {
            let stamp = self.next_stamp(wall_ms);
            let prepared = self.prepare(state, out, |prepare| prepare.expire_node(&path, stamp));
            out.push(note(Level::Info, Note::NodeExpired { path }));
            self.append(prepared, None, out);
        }
    }

    fn on_shutdown(&mut self, out: &mut Vec<Effect>) {
        self.is_stopping = true;
        self.containers.stop();
        self.stop_when_done(out);
    }

    fn stop_when_done(&mut self, out: &mut Vec<Effect>) {
        if self.is_stopping && self.queue.is_empty() {
            out.push(Effect::Stopped);
        }
    }

    /// Runs one preparation and notes what it has to say.
    fn prepare(
        &mut self,
        state: &State,
        out: &mut Vec<Effect>,
        run: impl FnOnce(&mut Prepare<'_>) -> Prepared,
    ) -> Prepared {
        let mut warnings = Vec::new();
        let prepared = run(&mut Prepare {
            settings: &self.settings,
            state,
            changes: &mut self.changes,
            sessions: &mut self.sessions,
            warnings: &mut warnings,
        });
        self.note_quotas(warnings, out);
        prepared
    }

    /// The last warning is the one that refused the request, if any did. What is refused is always told, for the
    /// metric that counts it, but loudly only once in a while.
    fn note_quotas(&mut self, warnings: Vec<QuotaWarning>, out: &mut Vec<Effect>) {
        for warning in warnings.into_iter().rev() {
            if self.now >= self.quota_quiet_until {
                self.quota_quiet_until = self.now.plus(QUOTA_NOTE_INTERVAL_MS);
                out.push(note(Level::Warn, Note::Quota(warning)));
            } else if warning.0.is_hard {
                out.push(note(Level::Debug, Note::Quota(warning)));
            }
        }
    }

    /// A zxid for one more transaction.
    // zk: ZooKeeperServer.getNextZxid: a standalone server counts on into the next epoch
    fn next_stamp(&mut self, wall_ms: i64) -> Stamp {
        self.last_zxid = Zxid(self.last_zxid.0 + 1);
        Stamp { zxid: self.last_zxid, wall_ms }
    }

    fn append(&mut self, prepared: Prepared, origin: Option<Origin>, out: &mut Vec<Effect>) {
        let record = Arc::new(prepared.record);
        assert!(record.header.zxid == self.last_zxid, "invariant: one zxid, one transaction");
        self.queue.push_back(Waiting::Txn { record: Arc::clone(&record), origin });
        out.push(Effect::Append { record });
    }

    fn reply(&mut self, origin: Origin, what: LocalReply, out: &mut Vec<Effect>) {
        match self.queue.is_empty() {
            true => out.push(Effect::Reply { origin, what }),
            false => self.queue.push_back(Waiting::Reply { origin, what }),
        }
    }
}

impl Waiting {
    fn is_ready(&self, durable: Zxid) -> bool {
        match self {
            Self::Txn { record, .. } => record.header.zxid <= durable,
            Self::Reply { .. } => true,
        }
    }
}

fn note(level: Level, what: Note) -> Effect {
    Effect::Note { level, what }
}
