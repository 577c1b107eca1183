//! Bytes from a client through its connection, the replica and back: order, read-your-writes, events before replies.

mod world;

use std::cell::RefCell;
use std::sync::Arc;

use jute::{OpCode, Reader, Record, SessionId, proto, xid};
use pipeline::connection::harness::{connect_frame, request_frame};
use pipeline::connection::{Connection, ConnectionAction, StateView, WatchAccess};
use pipeline::outbox::CloseReason;
use pipeline::settings::PipelineSettings;
use rookeeper_replica::ConnectionId;
use tree::Watches;
use world::World;

const CONNECTION: ConnectionId = ConnectionId(1);

struct Whole {
    world: World,
    connection: Connection,
    closed: Option<CloseReason>,
}

struct Access<'a>(RefCell<&'a mut Watches>);

impl WatchAccess for Access<'_> {
    fn with(&self, f: &mut dyn FnMut(&mut Watches)) {
        f(&mut self.0.borrow_mut());
    }
}

impl Whole {
    fn new() -> Self {
        let settings = Arc::new(PipelineSettings::default());
        let mut world = World::new(PipelineSettings::default());
        world.open(CONNECTION, &settings);
        let remote = ([127, 0, 0, 1], 1234).into();
        let connection = Connection::new(CONNECTION, remote, world.now, settings);
        Self { world, connection, closed: None }
    }

    /// Lets the connection and the replica work until nothing moves; yields the frames that the client gets.
    fn receive(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.connection.received(bytes);
        loop {
            let actions = self.advance();
            let is_done = actions.iter().all(|action| !matches!(action, ConnectionAction::Forward(_)));
            for action in actions {
                match action {
                    ConnectionAction::Forward(event) => self.world.step(event),
                    ConnectionAction::Close(why) => self.closed = Some(why),
                    ConnectionAction::Heard(_) | ConnectionAction::FourLetterWord { .. } => {}
                }
            }
            self.world.settle();
            if is_done {
                break;
            }
        }
        let outbox = self.world.boxes.0.get_mut(&CONNECTION).expect("open");
        let bytes = outbox.take_bytes();
        let mut reader = Reader::from_slice(&bytes);
        let mut frames = Vec::new();
        while let Ok(Some(frame)) = reader.buffer() {
            frames.push(frame.to_vec());
        }
        frames
    }

    fn advance(&mut self) -> Vec<ConnectionAction> {
        let World { state, watches, boxes, now, .. } = &mut self.world;
        let view =
            StateView { state, serving: true, read_only: false, throttled: false, large_request_bytes: 0 };
        let mut actions = Vec::new();
        let outbox = boxes.0.get_mut(&CONNECTION).expect("open");
        let access = Access(RefCell::new(watches));
        while self.connection.advance(*now, world::WALL_MS, &view, &access, outbox, &mut actions) {}
        actions
    }
}

fn create(xid: i32, path: &str) -> Vec<u8> {
    let (path, acl) = (path.into(), Some(tree::acl::open()));
    let request = proto::CreateRequest { path, data: Some((&b"x"[..]).into()), acl, flags: 0 };
    request_frame(xid, OpCode::Create, |out| request.encode(out))
}

fn get_data(xid: i32, path: &str) -> Vec<u8> {
    let request = proto::GetDataRequest { path: path.into(), watch: true };
    request_frame(xid, OpCode::GetData, |out| request.encode(out))
}

fn set_data(xid: i32, path: &str, data: &'static [u8]) -> Vec<u8> {
    let request = proto::SetDataRequest { path: path.into(), data: Some(data.into()), version: -1 };
    request_frame(xid, OpCode::SetData, |out| request.encode(out))
}

/// The header of each frame: xid, zxid, error.
fn headers(frames: &[Vec<u8>]) -> Vec<(i32, i64, i32)> {
    let header = |frame: &Vec<u8>| proto::ReplyHeader::from_slice(frame).expect("a header");
    frames.iter().map(header).map(|header| (header.xid, header.zxid.0, header.err)).collect()
}

#[test]
fn a_session_from_handshake_to_close() {
    let mut whole = Whole::new();
    let frames = whole.receive(&connect_frame(Some(false)));
    let reply = proto::ConnectResponse::from_slice(&frames[0]).expect("a handshake");
    assert_eq!((frames.len(), reply.session_id, reply.time_out), (1, SessionId(1 << 56), 10_000));

    // Written in one burst: each read sees the write before it, and its watch fires before the next write's reply.
    let burst = [
        create(1, "/a"),
        get_data(2, "/a"),
        set_data(3, "/a", b"longer"),
        get_data(4, "/a"),
        create(5, "/a"),
        request_frame(xid::PING, OpCode::Ping, |_| ()),
        request_frame(6, OpCode::CloseSession, |_| ()),
        create(7, "/behind"),
    ]
    .concat();
    let frames = whole.receive(&burst);
    let expected = vec![
        (1, 2, 0),
        (2, 2, 0),
        (xid::NOTIFICATION, 3, 0),
        (3, 3, 0),
        (4, 3, 0),
        (5, 4, -110),
        (xid::PING, 4, 0),
        (6, 5, 0),
    ];
    assert_eq!(headers(&frames), expected);
    let read = proto::GetDataResponse::from_slice(&frames[4][16..]).expect("data");
    assert_eq!((read.data.as_deref(), read.stat.version), (Some(&b"longer"[..]), 1));
    assert_eq!(whole.closed, Some(CloseReason::SessionClosed));
    assert!(whole.world.state.node("/behind").is_none());
    assert_eq!(whole.world.state.sessions().count(), 0);
}

#[test]
fn chunks_of_the_input_change_nothing() {
    let burst = [connect_frame(None), create(1, "/a"), get_data(2, "/a"), set_data(3, "/a", b"y")].concat();
    let at_once = Whole::new().receive(&burst);
    for len in 1..40 {
        let mut whole = Whole::new();
        let in_chunks: Vec<_> = burst.chunks(len).flat_map(|chunk| whole.receive(chunk)).collect();
        assert_eq!(in_chunks, at_once, "chunks of {len}");
    }
}
