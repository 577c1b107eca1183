//! What requests cost: the codec alone, reads, writes without a log, watches, and the parts of a write.

use std::hint::black_box;

use bytes::Bytes;
use jute::multi::{MultiOp, MultiRequest};
use jute::txn::{SetDataTxn, TxnHeader};
use jute::{OpCode, Reader, Record, SessionId, Txn, TxnRecord, Zxid, proto};
use pipeline::changes::ChangesInFlight;
use pipeline::prepare::{Asker, Prepare, Stamp};
use pipeline::request::Request;
use pipeline::sessions::{Owner, SessionTracker};
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use tree::Trigger;
use tree::watches::WatchKind;

use crate::Operation;
use crate::world::{self, Client, NODES, WALL_MS, World, data, frame, get, node, set};

/// Requests that come with one read of the socket.
const BURST: usize = 16;
/// Operations of the multi.
const MULTI_OPS: usize = 10;
/// Connections that watch one znode.
const WATCHERS: usize = 100;
/// The longest prefix of a frame is its length.
const PREFIX_LEN: usize = 4;

/// Decodes a getData request, encodes its reply: bytes to bytes, nothing looked up.
pub(crate) fn codec() -> Operation {
    let request = Bytes::from(get(&node(1))).slice(PREFIX_LEN..);
    let body = proto::GetDataResponse { data: Some(data()), stat: jute::data::Stat::default() };
    let mut out = Vec::new();
    Box::new(move || {
        let mut reader = Reader::new(black_box(&request));
        let header = proto::RequestHeader::decode(&mut reader);
        let asked = proto::GetDataRequest::decode(&mut reader);
        let xid = header.map_or(0, |header| header.xid);
        out.clear();
        jute::write::with_length(&mut out, |out| {
            proto::ReplyHeader { xid, zxid: Zxid(1), err: 0 }.encode(out);
            body.encode(out);
        });
        drop(black_box((asked, &out)));
    })
}

/// Answers a burst of getData through the connection, into the outbox.
pub(crate) fn get_burst() -> Operation {
    ask(&(0..BURST).flat_map(|number| get(&node(number * NODES / BURST))).collect::<Vec<_>>())
}

/// The same with exists.
pub(crate) fn exists_burst() -> Operation {
    let exists = |number| proto::ExistsRequest { path: node(number * NODES / BURST), watch: false };
    ask(&(0..BURST).flat_map(|number| frame(OpCode::Exists, &exists(number))).collect::<Vec<_>>())
}

/// A setData from the client's bytes to the reply, all but the log.
pub(crate) fn write_set() -> Operation {
    ask(&set(&node(NODES / 2)))
}

/// A create and its delete, sent together.
pub(crate) fn create_delete() -> Operation {
    let delete = proto::DeleteRequest { path: "/new".to_owned(), version: -1 };
    ask(&[world::create("/new"), frame(OpCode::Delete, &delete)].concat())
}

/// A multi of sets.
pub(crate) fn multi() -> Operation {
    let ops = (0..MULTI_OPS).map(|number| MultiOp::SetData(world::set_request(&node(number))));
    ask(&frame(OpCode::Multi, &MultiRequest { ops: ops.collect() }))
}

/// Watches of many connections are set, and all of them told of one setData.
pub(crate) fn fire() -> Operation {
    let (world, mut clients) = World::new(1 + WATCHERS);
    let mut writer = clients.remove(0);
    let (path, request) = (node(0), set(&node(0)));
    let mut round = move || {
        for client in &clients {
            world.watches().add(&path, client.id(), WatchKind::Data);
        }
        world.ask(&mut writer, &request);
        for client in &mut clients {
            assert!(world.flush(client) > 0, "a watcher is not told");
        }
    };
    round();
    Box::new(round)
}

/// A setData made a transaction, and nothing else of a write.
pub(crate) fn prepare_set() -> Operation {
    let settings = PipelineSettings::default();
    let state = World::new(1).0.into_state();
    let session = state.sessions().map(|(session, _)| session).next().unwrap_or(SessionId::NONE);
    let mut sessions = SessionTracker::new(settings.tick_ms, Millis(0), state.sessions());
    let mut changes = ChangesInFlight::default();
    let mut warnings = Vec::new();
    let asker = Asker { session, xid: 1, owner: Owner::Here, identities: &[] };
    let request = world::set_request(&node(1));
    let mut zxid = state.last_processed_zxid();
    Box::new(move || {
        zxid = Zxid(zxid.0 + 1);
        let mut prepare = Prepare {
            settings: &settings,
            state: &state,
            changes: &mut changes,
            sessions: &mut sessions,
            warnings: &mut warnings,
            ensemble: None,
        };
        let stamp = Stamp { zxid, wall_ms: WALL_MS };
        let prepared = prepare.request(&asker, stamp, Request::SetData(request.clone()));
        assert!(prepared.error.is_none(), "a set fails");
        drop(black_box(prepared));
        changes.retire(zxid);
    })
}

/// A setData transaction applied to the state, and nothing else of a write.
pub(crate) fn apply_set() -> Operation {
    let mut state = World::new(1).0.into_state();
    let mut record = set_record(&node(1), state.last_processed_zxid());
    Box::new(move || {
        record.header.zxid = Zxid(record.header.zxid.0 + 1);
        let mut tell = |trigger: Trigger<'_>| {
            black_box(trigger);
        };
        state.apply(&record, &mut tell).expect("invariant: the znode is there");
    })
}

/// The transaction of a setData.
pub(crate) fn set_record(path: &str, zxid: Zxid) -> TxnRecord {
    let txn = Txn::SetData(SetDataTxn { path: path.to_owned(), data: Some(data()), version: 1 });
    let header =
        TxnHeader { client_id: SessionId(1), cxid: 1, zxid, time: WALL_MS, op_code: txn.op_code().code() };
    TxnRecord { header, txn, digest: None }
}

/// One client that sends the same bytes again and again.
fn ask(bytes: &[u8]) -> Operation {
    let (world, mut clients) = World::new(1);
    let mut client: Client = clients.remove(0);
    let bytes = bytes.to_vec();
    world.ask(&mut client, &bytes);
    Box::new(move || world.serve(&mut client, &bytes))
}
