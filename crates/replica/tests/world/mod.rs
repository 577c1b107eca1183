//! A standalone replica with a plain state, a log in memory and outboxes that are read back as frames.

// Each test binary uses another part of this module.
#![allow(dead_code, reason = "shared by test binaries")]
#![allow(unreachable_pub, reason = "a module of test binaries")]

pub mod client;
pub mod golden;
pub mod language;
pub mod show;

use std::collections::BTreeMap;
use std::sync::Arc;

use jute::data::Id;
use jute::{SessionId, TxnRecord, Zxid};
use pipeline::event::Event;
use pipeline::outbox::Outbox;
use pipeline::request::{Identities, Request};
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use rookeeper_replica::{
    CarryReport, ClientRequest, ConnectionId, Effect, Outboxes, Replica, ReplicaSeed, carry_out,
};
use tree::{State, Watches};

/// Wall time at the start.
pub const WALL_MS: i64 = 1_000_000;

/// Everything around one replica.
pub struct World {
    pub replica: Replica,
    pub state: State,
    pub watches: Watches,
    pub boxes: Boxes,
    pub log: Vec<Arc<TxnRecord>>,
    pub now: Millis,
    pub sessions: BTreeMap<ConnectionId, SessionId>,
    effects: Vec<Effect>,
}

/// The outboxes by connection.
#[derive(Default)]
pub struct Boxes(pub BTreeMap<ConnectionId, Outbox>);

impl Outboxes for Boxes {
    fn with(&mut self, connection: ConnectionId, f: impl FnOnce(&mut Outbox)) -> bool {
        self.0.get_mut(&connection).map(f).is_some()
    }
}

impl World {
    pub fn new(settings: PipelineSettings) -> Self {
        let state = State::new(settings.state());
        Self::over(settings, state)
    }

    /// A replica that starts over a state from elsewhere.
    pub fn over(settings: PipelineSettings, state: State) -> Self {
        let settings = Arc::new(settings);
        let mut effects = Vec::new();
        let seed = ReplicaSeed { monotonic_ms: 0, wall_ms: WALL_MS };
        let replica = Replica::standalone(Arc::clone(&settings), seed, &state, Millis(0), &mut effects);
        Self {
            replica,
            state,
            watches: Watches::default(),
            boxes: Boxes::default(),
            log: Vec::new(),
            now: Millis(0),
            sessions: BTreeMap::new(),
            effects,
        }
    }

    /// A new connection with an empty outbox.
    pub fn open(&mut self, connection: ConnectionId, settings: &Arc<PipelineSettings>) {
        let identities = pipeline::auth::identities_of([127, 0, 0, 1].into());
        self.boxes.0.insert(connection, Outbox::new(Arc::clone(settings), identities));
    }

    pub fn wall_ms(&self) -> i64 {
        WALL_MS + i64::try_from(self.now.0).expect("test time is short")
    }

    /// One step; its effects wait.
    pub fn step(&mut self, event: Event) {
        self.replica.step(self.now, event, &self.state, &mut self.effects);
    }

    pub fn request(&self, connection: ConnectionId, xid: i32, request: Request, more: &[Id]) -> Event {
        let identities: Identities = self.boxes.0.get(&connection).map_or_else(
            || Identities::from([]),
            |outbox| outbox.identities().iter().cloned().chain(more.iter().cloned()).collect(),
        );
        Event::Request(ClientRequest {
            connection,
            session: self.sessions.get(&connection).copied().unwrap_or(SessionId::NONE),
            xid,
            body: language::body(&request),
            request,
            identities,
            received: self.now,
            wall_ms: self.wall_ms(),
        })
    }

    /// Takes what waits: records into the log, the rest carried out; yields all of it as it was.
    pub fn carry_out(&mut self) -> Vec<Effect> {
        let mut all = std::mem::take(&mut self.effects);
        let effects = all.clone();
        for effect in &all {
            if let Effect::Append { record } = effect {
                self.log.push(Arc::clone(record));
            }
        }
        let mut report = CarryReport::default();
        carry_out(self.now, &mut self.state, &mut self.watches, &mut all, &mut self.boxes, &mut report);
        assert_eq!(report.digest_mismatches, vec![], "a prepared digest is the digest after applying");
        for (connection, outbox) in &self.boxes.0 {
            if let Some(opened) = outbox.opened() {
                self.sessions.insert(*connection, opened.session);
            }
        }
        effects
    }

    /// Everything appended becomes durable.
    pub fn sync_log(&mut self) {
        let zxid = self.log.last().map_or(Zxid::ZERO, |record| record.header.zxid);
        self.step(Event::Durable { zxid });
    }

    /// Carries out until nothing is left to do.
    pub fn settle(&mut self) -> Vec<Effect> {
        let mut all = self.carry_out();
        self.sync_log();
        all.extend(self.carry_out());
        all
    }
}
