//! One connection with a state, watches and an obliging replica around it: for fuzz targets and tests.

use alloc::{collections::VecDeque, string::String, sync::Arc, vec::Vec};
use core::{
    cell::RefCell,
    iter,
    net::{Ipv4Addr, SocketAddr},
};

use jute::{
    OpCode, Record, SessionId, Txn, TxnRecord, Zxid,
    data::{Acl, Id},
    perms, proto,
    txn::{CreateSessionTxn, CreateTxn, TxnHeader},
    write,
};
use tree::{ConnectionId, State, StateSettings, Watches};

use super::{Connection, ConnectionAction, StateView, WatchAccess};
use crate::{
    auth,
    event::{ClientRequest, Event},
    outbox::{Answered, Opened, Outbox, last_op_name},
    settings::PipelineSettings,
    time::Millis,
};

/// Wall time of all turns.
pub const WALL_MS: i64 = 1_700_000_000_000;

/// Session of [`Harness::established`].
pub const SESSION: SessionId = SessionId(0x0100_0000_0000_0007);

/// Password in all its handshake replies.
pub const PASSWORD: [u8; 16] = *b"0123456789abcdef";

/// Watches that one thread uses.
#[derive(Debug, Default)]
pub struct SharedWatches(pub RefCell<Watches>);

impl WatchAccess for SharedWatches {
    fn with(&self, f: &mut dyn FnMut(&mut Watches)) {
        f(&mut self.0.borrow_mut());
    }
}

/// One connection and its world.
#[derive(Debug)]
pub struct Harness {
    /// The state that reads see.
    pub state: State,
    /// The watches.
    pub watches: SharedWatches,
    /// The connection.
    pub connection: Connection,
    /// Its outbox.
    pub outbox: Outbox,
    /// Forwarded requests that have no reply yet.
    pub forwarded: VecDeque<ClientRequest>,
    /// All other actions so far.
    pub actions: Vec<ConnectionAction>,
    /// Time of the next turn.
    pub now: Millis,
    /// Whether the server serves.
    pub serving: bool,
    /// Whether the whole server has too many requests under way.
    pub throttled: bool,
    /// Whether the server is read-only.
    pub read_only: bool,
    /// Bytes of large requests of other connections.
    pub large_request_bytes: usize,
}

impl Harness {
    /// A connection that was just accepted by a server with a fresh state.
    pub fn new(settings: PipelineSettings) -> Self {
        let settings = Arc::new(settings);
        let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        Self {
            state: State::new(StateSettings::default()),
            watches: SharedWatches::default(),
            connection: Connection::new(ConnectionId(1), remote, Millis(1000), settings.clone()),
            outbox: Outbox::new(settings, auth::identities_of(remote.ip())),
            forwarded: VecDeque::new(),
            actions: Vec::new(),
            now: Millis(1000),
            serving: true,
            throttled: false,
            read_only: false,
            large_request_bytes: 0,
        }
    }

    /// A connection with a session, its handshake over.
    pub fn established(settings: PipelineSettings) -> Self {
        let mut harness = Self::new(settings);
        harness.receive(&connect_frame(Some(false)));
        harness.apply(Txn::CreateSession(CreateSessionTxn { time_out: 10_000 }));
        harness.outbox.connected(Opened { session: SESSION, timeout_ms: 10_000 }, &PASSWORD);
        harness.advance();
        harness.outbox.take_bytes();
        harness.actions.clear();
        harness
    }

    /// The same at a learner that has not applied the beginning of the session yet.
    pub fn established_early(settings: PipelineSettings) -> Self {
        let mut harness = Self::new(settings);
        harness.receive(&connect_frame(Some(false)));
        harness.outbox.connected(Opened { session: SESSION, timeout_ms: 10_000 }, &PASSWORD);
        harness.advance();
        harness.outbox.take_bytes();
        harness
    }

    /// Applies a transaction of [`SESSION`] under the next zxid.
    pub fn apply(&mut self, txn: Txn) {
        let zxid = Zxid(self.state.last_processed_zxid().0 + 1);
        let header =
            TxnHeader { client_id: SESSION, cxid: 0, zxid, time: WALL_MS, op_code: txn.op_code().code() };
        let record = TxnRecord { header, txn, digest: None };
        self.state.apply(&record, &mut |_| ()).expect("invariant: the harness builds what can be applied");
    }

    /// Creates a znode with an ACL.
    pub fn create(&mut self, path: &str, data: &[u8], acl: Vec<Acl>) {
        let parent =
            path.rsplit_once('/').map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent });
        let cversion = self.state.node(parent).map_or(0, |node| node.stat_persisted().cversion);
        self.apply(Txn::Create(CreateTxn {
            path: path.into(),
            data: Some(bytes::Bytes::copy_from_slice(data)),
            acl: Some(acl),
            ephemeral: false,
            parent_cversion: cversion + 1,
        }));
    }

    /// Turns of the connection until nothing more can be handled.
    pub fn advance(&mut self) {
        while self.advance_once() {}
    }

    /// One turn of the connection; true when there is more.
    pub fn advance_once(&mut self) -> bool {
        let view = StateView {
            state: &self.state,
            serving: self.serving,
            read_only: self.read_only,
            throttled: self.throttled,
            large_request_bytes: self.large_request_bytes + self.connection.large_request_bytes(),
        };
        let mut actions = Vec::new();
        let more =
            self.connection.advance(self.now, WALL_MS, &view, &self.watches, &mut self.outbox, &mut actions);
        for action in actions {
            match action {
                ConnectionAction::Forward(Event::Request(request)) => self.forwarded.push_back(request),
                ConnectionAction::FourLetterWord { .. }
                | ConnectionAction::Forward(_)
                | ConnectionAction::Heard(_)
                | ConnectionAction::Close(_) => self.actions.push(action),
            }
        }
        more
    }

    /// Bytes arrive and are handled.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.connection.received(bytes);
        self.advance();
    }

    /// Answers the oldest forwarded request, without error and without a body; true when there was one.
    pub fn answer_one(&mut self) -> bool {
        let Some(request) = self.forwarded.pop_front() else { return false };
        let zxid = self.state.last_processed_zxid();
        let op = last_op_name(request.request.op_code());
        self.outbox.answered(Answered {
            xid: request.xid,
            zxid,
            op,
            received: request.received,
            now: self.now,
        });
        self.outbox.reply(proto::ReplyHeader { xid: request.xid, zxid, err: 0 }, |_| ());
        self.outbox.complete_one();
        true
    }

    /// Lets connection and replica go on until neither has anything to do; tells the bytes sent.
    pub fn settle(&mut self) -> Vec<u8> {
        self.advance();
        let mut sent = self.outbox.take_bytes();
        while self.answer_one() {
            self.advance();
            sent.append(&mut self.outbox.take_bytes());
        }
        sent
    }
}

/// The ACL that lets everybody do all.
pub fn open_acl() -> Vec<Acl> {
    alloc::vec![Acl { perms: perms::ALL, id: Id { scheme: "world".into(), id: "anyone".into() } }]
}

/// A frame around what `content` appends.
pub fn frame(content: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write::with_length(&mut out, content);
    out
}

/// A request frame.
pub fn request_frame(xid: i32, op: OpCode, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    frame(|out| {
        proto::RequestHeader { xid, op_code: op.code() }.encode(out);
        body(out);
    })
}

/// A handshake for a new session of ten seconds, with or without the last byte.
pub fn connect_frame(read_only: Option<bool>) -> Vec<u8> {
    frame(|out| {
        write::int(out, 0);
        write::long(out, 0);
        write::int(out, 10_000);
        write::long(out, 0);
        write::buffer(out, Some(&[0; 16]));
        if let Some(read_only) = read_only {
            write::boolean(out, read_only);
        }
    })
}

/// What a fresh connection makes of `bytes` that come in chunks: the bytes it sends and its actions, as text.
///
/// Neither may depend on the chunks.
pub fn fuzz_handshake(bytes: &[u8], chunk_lens: impl Iterator<Item = usize>) -> (Vec<u8>, Vec<String>) {
    outcome(Harness::new(PipelineSettings::default()), bytes, chunk_lens)
}

/// The same for a connection with a session and a few znodes.
pub fn fuzz_requests(bytes: &[u8], chunk_lens: impl Iterator<Item = usize>) -> (Vec<u8>, Vec<String>) {
    let mut harness = Harness::established(PipelineSettings::default());
    harness.create("/a", b"data", open_acl());
    harness.create("/a/b", b"", open_acl());
    outcome(harness, bytes, chunk_lens)
}

/// For fuzzers: the first byte says how long the chunks are, the rest comes to a fresh connection and to one with a session.
///
/// Panics when the chunks change what comes out.
pub fn fuzz_entry(bytes: &[u8]) {
    let Some((&chunk_len, bytes)) = bytes.split_first() else { return };
    let chunks = || iter::repeat(usize::from(chunk_len).max(1));
    assert_eq!(fuzz_handshake(bytes, chunks()), fuzz_handshake(bytes, iter::empty()));
    assert_eq!(fuzz_requests(bytes, chunks()), fuzz_requests(bytes, iter::empty()));
}

fn outcome(
    mut harness: Harness,
    bytes: &[u8],
    chunk_lens: impl Iterator<Item = usize>,
) -> (Vec<u8>, Vec<String>) {
    let mut rest = bytes;
    for len in chunk_lens.take(bytes.len()).chain(iter::once(usize::MAX)) {
        let (chunk, behind) = rest.split_at(len.min(rest.len()));
        harness.receive(chunk);
        rest = behind;
    }
    let sent = harness.settle();
    let heard = |action: &&ConnectionAction| !matches!(action, ConnectionAction::Heard(_));
    (sent, harness.actions.iter().filter(heard).map(|action| alloc::format!("{action:?}")).collect())
}
