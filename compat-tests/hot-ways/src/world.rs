//! A standalone server without sockets, disk and threads: what clients send goes in, replies come out, by the code that
//! serves, under the locks that the server has.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use jute::data::{Acl, Id};
use jute::{OpCode, Reader, Record, Zxid, perms, proto};
use pipeline::connection::harness::{connect_frame, request_frame};
use pipeline::connection::{Connection, ConnectionAction, StateView, WatchAccess};
use pipeline::event::Event;
use pipeline::outbox::Outbox;
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use replica::{CarryReport, ConnectionId, Effect, Outboxes, Replica, ReplicaSeed, carry_out};
use tree::{State, Watches};

/// Monotonic time of all that happens: no session expires.
const NOW: Millis = Millis(1000);
/// Wall time of all that happens.
pub(crate) const WALL_MS: i64 = 1_700_000_000_000;
/// Length of the data of each znode.
pub(crate) const DATA_LEN: usize = 128;
/// Znodes of a new world, `/node-0` and so on.
pub(crate) const NODES: usize = 200;

/// The server.
pub(crate) struct World {
    state: RwLock<State>,
    watches: Mutex<Watches>,
    outboxes: Vec<Mutex<Outbox>>,
    thread: Mutex<ReplicaThread>,
}

/// What belongs to the replica thread.
struct ReplicaThread {
    replica: Replica,
    effects: Vec<Effect>,
    appended: Zxid,
}

/// What belongs to the task of one connection.
pub(crate) struct Client {
    place: usize,
    connection: Connection,
    actions: Vec<ConnectionAction>,
    /// What the last turn took out of the outbox.
    sent: Vec<u8>,
}

impl World {
    /// A server with the [`NODES`] and so many connected clients.
    pub(crate) fn new(clients: usize) -> (Self, Vec<Client>) {
        let settings = Arc::new(PipelineSettings::default());
        let state = State::new(settings.state());
        let seed = ReplicaSeed { monotonic_ms: NOW.0, wall_ms: WALL_MS };
        let mut effects = Vec::new();
        let replica = Replica::standalone(Arc::clone(&settings), seed, &state, NOW, &mut effects);
        let appended = state.last_processed_zxid();
        let outbox = || Mutex::new(Outbox::new(Arc::clone(&settings), Arc::new([])));
        let world = Self {
            state: RwLock::new(state),
            watches: Mutex::new(Watches::new()),
            outboxes: std::iter::repeat_with(outbox).take(clients).collect(),
            thread: Mutex::new(ReplicaThread { replica, effects, appended }),
        };
        let mut clients: Vec<Client> = (0..clients).map(|place| Client::new(place, &settings)).collect();
        for client in &mut clients {
            world.serve(client, &connect_frame(Some(false)));
        }
        for number in 0..NODES {
            clients.iter_mut().take(1).for_each(|first| world.ask(first, &create(&node(number))));
        }
        (world, clients)
    }

    /// Gives bytes to a connection and goes on until all is answered.
    pub(crate) fn serve(&self, client: &mut Client, bytes: &[u8]) {
        client.connection.spare(bytes.len()).extend_from_slice(bytes);
        loop {
            let has_more = self.turn(client);
            let events = client.take_events();
            if events.is_empty() && !has_more {
                return;
            }
            if !events.is_empty() {
                self.write(events);
            }
        }
    }

    /// The same, and looks whether there was an answer, and no error in it: so that what is measured is what is meant.
    pub(crate) fn ask(&self, client: &mut Client, bytes: &[u8]) {
        self.serve(client, bytes);
        let mut replies = Reader::from_slice(&client.sent);
        while !replies.is_empty() {
            let reply = replies.buffer().ok().flatten().expect("invariant: whole frames are sent");
            let header = proto::ReplyHeader::from_slice(&reply).expect("invariant: a reply has its header");
            assert_eq!(header.err, 0, "the request of a hot way fails");
        }
        assert!(!client.sent.is_empty(), "the request of a hot way is not answered");
    }

    /// One turn of a connection's task.
    fn turn(&self, client: &mut Client) -> bool {
        let state = self.read_state();
        let view = StateView {
            state: &state,
            serving: true,
            read_only: false,
            throttled: false,
            large_request_bytes: 0,
        };
        let mut outbox = lock(self.outbox(client.place));
        let has_more = client.connection.advance(
            NOW,
            WALL_MS,
            &view,
            &Shared(&self.watches),
            &mut outbox,
            &mut client.actions,
        );
        outbox.swap_bytes(&mut client.sent);
        has_more
    }

    /// What replica thread and disk thread do with requests: prepare all, take them for durable, apply, reply.
    fn write(&self, events: Vec<Event>) {
        let mut thread = lock(&self.thread);
        let ReplicaThread { replica, effects, appended } = &mut *thread;
        {
            let state = self.read_state();
            events.into_iter().for_each(|event| replica.step(NOW, event, &state, effects));
        }
        effects.retain(|effect| {
            let Effect::Append { record } = effect else { return true };
            *appended = record.header.zxid;
            false
        });
        replica.step(NOW, Event::Durable { zxid: *appended }, &self.read_state(), effects);
        let mut report = CarryReport::default();
        let mut state = self.write_state();
        let mut outboxes = Boxes(&self.outboxes);
        carry_out(NOW, &mut state, &mut lock(&self.watches), effects, &mut outboxes, &mut report);
        effects.clear();
        assert!(report.halt.is_none(), "invariant: what was prepared can be applied");
    }

    /// Takes out what stands in a client's outbox, as its task does when it is woken.
    pub(crate) fn flush(&self, client: &mut Client) -> usize {
        lock(self.outbox(client.place)).swap_bytes(&mut client.sent);
        client.sent.len()
    }

    /// The watches.
    pub(crate) fn watches(&self) -> MutexGuard<'_, Watches> {
        lock(&self.watches)
    }

    /// The state, held for reading.
    pub(crate) fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state alone.
    pub(crate) fn into_state(self) -> State {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn outbox(&self, place: usize) -> &Mutex<Outbox> {
        self.outboxes.get(place).expect("invariant: each client has its outbox")
    }
}

impl Client {
    fn new(place: usize, settings: &Arc<PipelineSettings>) -> Self {
        let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        let connection = Connection::new(ConnectionId(place as u64), remote, NOW, Arc::clone(settings));
        Self { place, connection, actions: Vec::new(), sent: Vec::new() }
    }

    /// Its connection.
    pub(crate) fn id(&self) -> ConnectionId {
        self.connection.id()
    }

    fn take_events(&mut self) -> Vec<Event> {
        let forwarded = self.actions.drain(..).filter_map(|action| match action {
            ConnectionAction::Forward(event) => Some(event),
            ConnectionAction::FourLetterWord { .. }
            | ConnectionAction::Heard(_)
            | ConnectionAction::Close(_) => None,
        });
        forwarded.collect()
    }
}

struct Shared<'a>(&'a Mutex<Watches>);

impl WatchAccess for Shared<'_> {
    fn with(&self, f: &mut dyn FnMut(&mut Watches)) {
        f(&mut lock(self.0));
    }
}

struct Boxes<'a>(&'a [Mutex<Outbox>]);

impl Outboxes for Boxes<'_> {
    fn with(&mut self, connection: ConnectionId, f: impl FnOnce(&mut Outbox)) -> bool {
        let place = usize::try_from(connection.0).unwrap_or(usize::MAX);
        let outbox = self.0.get(place);
        outbox.map(|outbox| f(&mut lock(outbox))).is_some()
    }
}

/// Path of a znode that a new world has.
pub(crate) fn node(number: usize) -> String {
    format!("/node-{number}")
}

/// The data of all znodes.
pub(crate) fn data() -> Bytes {
    Bytes::from(vec![b'x'; DATA_LEN])
}

/// A frame that asks for a new znode.
pub(crate) fn create(path: &str) -> Vec<u8> {
    let open = Acl { perms: perms::ALL, id: Id { scheme: "world".to_owned(), id: "anyone".to_owned() } };
    let request =
        proto::CreateRequest { path: path.to_owned(), data: Some(data()), acl: Some(vec![open]), flags: 0 };
    frame(OpCode::Create, &request)
}

/// A frame that asks for new data, whatever the version.
pub(crate) fn set(path: &str) -> Vec<u8> {
    frame(OpCode::SetData, &set_request(path))
}

/// The same without its frame.
pub(crate) fn set_request(path: &str) -> proto::SetDataRequest {
    proto::SetDataRequest { path: path.to_owned(), data: Some(data()), version: -1 }
}

/// A frame that asks for the data.
pub(crate) fn get(path: &str) -> Vec<u8> {
    frame(OpCode::GetData, &proto::GetDataRequest { path: path.to_owned(), watch: false })
}

/// A frame with a request.
pub(crate) fn frame(op: OpCode, request: &impl Record) -> Vec<u8> {
    request_frame(1, op, |out| request.encode(out))
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
