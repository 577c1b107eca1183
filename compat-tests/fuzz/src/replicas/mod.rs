//! A replica, and others that follow it by its log and by its snapshots.

mod model;
mod program;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jute::data::Id;
use jute::{SessionId, TxnRecord, Zxid};
use model::Model;
use pipeline::event::Event;
use pipeline::outbox::Outbox;
use pipeline::request::{Identities, Request};
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use program::Happening;
use replica::{CarryReport, ClientRequest, ConnectionId, Effect, Outboxes, Replica, ReplicaSeed, carry_out};
use tree::snapshot::{Builder, View};
use tree::{State, Watches};

const WALL_MS: i64 = 1_000_000;
const TICK_MS: u64 = 3000;
const TIMEOUT_MS: i32 = 6000;
const CLIENTS: u64 = 3;
/// Nodes in one slice of a picture.
const SLICE_ITEMS: usize = 4;

/// The bytes are a program. Whatever it does:
///
/// * nothing panics, and the replica does not find itself wrong;
/// * every digest that was prepared is the digest after the apply;
/// * the state is what a simple model makes of the log;
/// * a follower that reads the log has the same state, and so has one that loads a snapshot;
/// * events that come in batches decide the same as events that come one by one.
pub fn replicas(input: &[u8]) {
    let happenings = program::parse(input);
    let batched = run(&happenings, false);
    let alone = run(&happenings, true);
    assert!(batched.log == alone.log, "a batch decides something else than its events one by one");
    assert_eq!(batched.state.digest(), alone.state.digest());
    follow(&batched);
    restore(batched.state);
}

fn run(happenings: &[Happening], alone: bool) -> World {
    let mut world = World::new();
    for client in 0..CLIENTS {
        world.happen(&Happening::Connect { client, again: false }, 0);
    }
    for (xid, happening) in (1..).zip(happenings) {
        world.happen(happening, xid);
        if alone {
            world.settle();
        }
    }
    world.settle();
    world
}

/// A follower reads the same bytes from the log.
fn follow(leader: &World) {
    let mut state = State::new(settings().state());
    let mut model = Model::default();
    for record in &leader.log {
        let record = TxnRecord::decode(&Bytes::from(record.to_vec())).expect("what we log we do not read");
        let applied = state.apply(&record, &mut |_| ()).expect("what one replica applies, another does not");
        model.apply(&record);
        assert!(applied.digest.mismatch().is_none(), "a follower's digest differs at {}", record.header.zxid);
    }
    assert_equal(&state, &leader.state);
    assert_eq!(state.approximate_data_size(), leader.state.approximate_data_size());
    model.assert_like(&leader.state);
}

/// Another one loads a snapshot. Loading counts quotas anew, so the bytes of their statistics may differ.
fn restore(mut state: State) {
    let mut view = View::begin(&mut state);
    let mut builder = Builder::new(settings().state());
    while !view.is_finished() {
        for item in view.next_slice(&state, SLICE_ITEMS).expect("invariant: nobody took the picture away") {
            builder.push(item).expect("what we write into a snapshot we do not load");
        }
    }
    let restored = builder.finish(state.last_processed_zxid()).expect("what we write we do not load");
    assert_equal(&restored, &state);
}

fn assert_equal(one: &State, other: &State) {
    assert_eq!(one.digest(), other.digest(), "digests differ");
    assert_eq!(one.last_processed_zxid(), other.last_processed_zxid());
    assert_eq!(one.node_count(), other.node_count());
    assert_eq!(one.ephemerals_count(), other.ephemerals_count());
    assert_eq!(one.containers().len(), other.containers().len());
    assert_eq!(one.ttls().len(), other.ttls().len());
    assert!(one.sessions().eq(other.sessions()), "sessions differ");
}

fn settings() -> PipelineSettings {
    PipelineSettings { extended_types: true, enforce_quota: true, ..PipelineSettings::default() }
}

/// Everything around one replica.
struct World {
    settings: Arc<PipelineSettings>,
    replica: Replica,
    state: State,
    watches: Watches,
    boxes: Boxes,
    log: Vec<Arc<TxnRecord>>,
    now: Millis,
    sessions: BTreeMap<u64, SessionId>,
    effects: Vec<Effect>,
}

/// The outboxes by connection.
#[derive(Default)]
struct Boxes(BTreeMap<ConnectionId, Outbox>);

impl Outboxes for Boxes {
    fn with(&mut self, connection: ConnectionId, f: impl FnOnce(&mut Outbox)) -> bool {
        self.0.get_mut(&connection).map(f).is_some()
    }
}

impl World {
    fn new() -> Self {
        let settings = Arc::new(settings());
        let state = State::new(settings.state());
        let mut effects = Vec::new();
        let seed = ReplicaSeed { monotonic_ms: 0, wall_ms: WALL_MS };
        let replica = Replica::standalone(Arc::clone(&settings), seed, &state, Millis(0), &mut effects);
        Self {
            settings,
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

    fn happen(&mut self, happening: &Happening, xid: i32) {
        let wall_ms = self.wall_ms();
        match happening {
            Happening::Ask { client, request } => {
                let event = self.request(*client, xid, request.clone());
                self.step(event);
            }
            Happening::Connect { client, again } => self.connect(*client, *again),
            Happening::Lost { client } => {
                self.step(Event::ConnectionLost { connection: ConnectionId(*client) })
            }
            Happening::Tick { heard } => {
                // Who expires depends on time only, but the sessions that there are must be the same in both runs.
                self.settle();
                let sessions = heard.iter().filter_map(|client| self.sessions.get(client).copied()).collect();
                self.now = self.now.plus(TICK_MS);
                self.step(Event::Heard { sessions });
                let wall_ms = self.wall_ms();
                self.step(Event::Tick { wall_ms });
            }
            Happening::Containers => {
                // Candidates are looked for in the applied state, so both runs must have applied the same.
                self.settle();
                self.step(Event::ContainerCheck { wall_ms });
                self.settle();
            }
            Happening::Settle => self.settle(),
        }
    }

    /// The session of a handshake is known once its reply is there, in both runs alike.
    fn connect(&mut self, client: u64, again: bool) {
        self.settle();
        let (connection, wall_ms, timeout_ms) = (ConnectionId(client), self.wall_ms(), TIMEOUT_MS);
        let identities = pipeline::auth::identities_of([127, 0, 0, 1].into());
        self.boxes.0.insert(connection, Outbox::new(Arc::clone(&self.settings), identities));
        let old = self.sessions.get(&client).copied().filter(|_| again);
        self.step(match old {
            Some(session) => {
                let password = program::password_of(session);
                Event::ReopenSession { connection, session, password, timeout_ms, wall_ms }
            }
            None => Event::NewSession { connection, timeout_ms, wall_ms },
        });
        self.settle();
        if let Some(opened) = self.boxes.0.get(&connection).and_then(Outbox::opened) {
            self.sessions.insert(client, opened.session);
        }
    }

    fn request(&self, client: u64, xid: i32, request: Request) -> Event {
        let connection = ConnectionId(client);
        let more = Id { scheme: "digest".to_owned(), id: format!("{client}:h") };
        let own =
            self.boxes.0.get(&connection).map(|outbox| outbox.identities().to_vec()).unwrap_or_default();
        let identities: Identities = own.into_iter().chain([more]).collect();
        let session = self.sessions.get(&client).copied().unwrap_or(SessionId::NONE);
        let (received, wall_ms) = (self.now, self.wall_ms());
        // A server without an ensemble hands nothing on.
        let body = Bytes::new();
        Event::Request(ClientRequest {
            connection,
            session,
            xid,
            request,
            body,
            identities,
            received,
            wall_ms,
        })
    }

    fn step(&mut self, event: Event) {
        self.replica.step(self.now, event, &self.state, &mut self.effects);
    }

    fn settle(&mut self) {
        self.carry_out();
        if let Some(last) = self.log.last() {
            let zxid: Zxid = last.header.zxid;
            self.step(Event::Durable { zxid });
        }
        self.carry_out();
    }

    fn carry_out(&mut self) {
        let mut report = CarryReport::default();
        for effect in &self.effects {
            assert!(!matches!(effect, Effect::Halt { .. }), "the replica finds itself wrong: {effect:?}");
            if let Effect::Append { record } = effect {
                self.log.push(Arc::clone(record));
            }
        }
        let effects = &mut self.effects;
        carry_out(self.now, &mut self.state, &mut self.watches, effects, &mut self.boxes, &mut report);
        effects.clear();
        assert!(report.halt.is_none(), "what was prepared cannot be applied: {:?}", report.halt);
        assert!(report.digest_mismatches.is_empty(), "a prepared digest is not that after the apply");
    }

    fn wall_ms(&self) -> i64 {
        WALL_MS.saturating_add(i64::try_from(self.now.0).unwrap_or(i64::MAX))
    }
}
