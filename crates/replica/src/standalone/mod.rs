//! The role of a server without an ensemble: what its log holds for good is committed.

use alloc::sync::Arc;
use alloc::vec::Vec;

use jute::{TxnRecord, Zxid};
use pipeline::event::Event;
use pipeline::sessions::{SessionIds, SessionTracker};
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use tree::State;

use crate::primary::{Order, Primary, Turn};
use crate::{Effect, HaltReason, ReplicaSeed, SessionsReport};

/// A server without an ensemble.
#[derive(Debug)]
pub struct Standalone {
    primary: Primary,
    ids: SessionIds,
    order: OwnLog,
    is_stopping: bool,
}

/// Transactions in the order of the own log.
#[derive(Debug)]
struct OwnLog {
    last: Zxid,
}

impl Order for OwnLog {
    // zk: ZooKeeperServer.getNextZxid: a standalone server counts on into the next epoch
    fn next_zxid(&mut self) -> Option<Zxid> {
        self.last = Zxid(self.last.0 + 1);
        Some(self.last)
    }

    fn enter(&mut self, _now: Millis, record: &Arc<TxnRecord>) {
        assert!(record.header.zxid == self.last, "invariant: appended in the order of zxids");
    }
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
        let sessions = SessionTracker::new(settings.tick_ms, now, state.sessions());
        let mut standalone = Self {
            ids: SessionIds::new(settings.server_id, seed.monotonic_ms),
            primary: Primary::new(settings, sessions, now),
            order: OwnLog { last: state.last_processed_zxid() },
            is_stopping: false,
        };
        let order = &mut standalone.order;
        standalone.primary.close_orphans(&mut Turn { now, wall_ms: seed.wall_ms, state, order, out });
        standalone
    }

    /// Handles one event.
    pub fn step(&mut self, now: Millis, event: Event, state: &State, out: &mut Vec<Effect>) {
        self.primary.retire(state.last_processed_zxid());
        let wall_ms = event.wall_ms().unwrap_or_default();
        let (primary, ids) = (&mut self.primary, &mut self.ids);
        let turn = &mut Turn { now, wall_ms, state, order: &mut self.order, out };
        match event {
            Event::NewSession { connection, timeout_ms, wall_ms: _ } => {
                primary.on_new_session(turn, ids, connection, timeout_ms);
            }
            Event::ReopenSession { connection, session, password, timeout_ms, wall_ms: _ } => {
                primary.on_reopen_session(turn, connection, session, &password, timeout_ms);
            }
            Event::Request(request) => primary.on_request(turn, request),
            Event::Throttled(request) => primary.on_throttled(turn, &request),
            Event::ConnectionLost { connection } => primary.on_connection_lost(connection),
            Event::Heard { sessions } => primary.on_heard(now, &sessions),
            Event::Tick { wall_ms: _ } => {
                primary.on_tick(turn);
                primary.delete_due(turn);
            }
            Event::Deadline { wall_ms: _ } => primary.delete_due(turn),
            Event::ContainerCheck { wall_ms: _ } => primary.on_container_check(turn),
            Event::Durable { zxid } => self.on_durable(zxid, out),
            Event::Shutdown => {
                self.is_stopping = true;
                primary.stop();
                self.stop_when_done(out);
            }
        }
    }

    /// When the next container is due.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.primary.next_deadline()
    }

    /// Number of requests that wait for the log.
    pub fn outstanding(&self) -> usize {
        self.primary.outstanding()
    }

    /// When each session expires.
    pub fn sessions_report(&self) -> SessionsReport {
        self.primary.sessions_report()
    }

    fn on_durable(&mut self, durable: Zxid, out: &mut Vec<Effect>) {
        if durable > self.order.last {
            let why = HaltReason::DurableAhead { durable, given: self.order.last };
            return out.push(Effect::Halt { why });
        }
        self.primary.commit(durable, out);
        self.stop_when_done(out);
    }

    fn stop_when_done(&mut self, out: &mut Vec<Effect>) {
        if self.is_stopping && self.primary.outstanding() == 0 {
            out.push(Effect::Stopped);
        }
    }
}
