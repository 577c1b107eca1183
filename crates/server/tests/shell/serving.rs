//! Requests, order, limits of connections.

use std::io::Write;

use crate::common::{Client, Dir, PATIENCE, metric, start, until, word};
use jute::{ErrorCode, OpCode, Record, proto::AddWatchRequest, xid};

#[test]
fn a_client_creates_and_reads() {
    let dir = Dir::new();
    let server = start(&dir, "");
    let mut client = Client::connect(&server);
    assert_eq!(client.create("/a", b"one", 0), 0);
    assert_eq!(client.get("/a", false), (0, b"one".to_vec()));
    assert_eq!(client.create("/a", b"two", 0), ErrorCode::NodeExists.code());
    assert_eq!(client.get("/b", false).0, ErrorCode::NoNode.code());
    assert_eq!(server.shutdown(), None);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let dir = Dir::new();
    let server = start(&dir, "");
    let mut client = Client::connect(&server);
    assert_eq!(client.create("/a", b"", 0), 0);
    let mut sent = Vec::new();
    for round in 0..200u8 {
        sent.push((client.send_set("/a", &[round]), round));
        let read = client.request(OpCode::GetData, |out| {
            jute::write::string(out, "/a");
            jute::write::boolean(out, false);
        });
        sent.push((read, round));
    }
    let mut last = 0;
    for (index, (expected, round)) in sent.into_iter().enumerate() {
        let answer = client.answer().unwrap();
        assert_eq!((answer.header.xid, answer.header.err), (expected, 0));
        assert!(answer.header.zxid.0 >= last, "the zxid went back");
        last = answer.header.zxid.0;
        if index % 2 == 1 {
            assert_eq!(answer.body[..5], [0, 0, 0, 1, round], "a read does not see the write before it");
        }
    }
    assert_eq!(server.shutdown(), None);
}

#[test]
fn an_event_comes_before_the_reply_that_shows_its_change() {
    let dir = Dir::new();
    let server = start(&dir, "");
    let mut client = Client::connect(&server);
    assert_eq!(client.create("/a", b"", 0), 0);
    assert_eq!(client.get("/a", true).0, 0);
    let set = client.send_set("/a", b"new");
    let (event, reply) = (client.answer().unwrap(), client.answer().unwrap());
    assert_eq!((event.header.xid, reply.header.xid), (xid::NOTIFICATION, set));
    assert_eq!(event.header.zxid, reply.header.zxid);
    assert_eq!(server.shutdown(), None);
}

#[test]
fn a_session_expires_with_its_ephemerals() {
    let dir = Dir::new();
    let server = start(&dir, "minSessionTimeout=1000\nmaxSessionTimeout=1000");
    let mut goes = Client::connect(&server);
    assert_eq!(goes.create("/e", b"", 1), 0);
    let mut stays = Client::connect(&server);
    drop(goes);
    until("the ephemeral goes", || stays.get("/e", false).0 == ErrorCode::NoNode.code());
    assert_eq!(metric(&server, "ephemerals_count"), 0);
    assert_eq!(metric(&server, "stale_sessions_expired"), 1);
    assert_eq!(server.shutdown(), None);
}

#[test]
fn a_slow_reader_is_dropped_and_named() {
    let dir = Dir::new();
    let server = start(&dir, "outbox.maxBytes=65536\nforceSync=no\nglobalOutstandingLimit=100000");
    let mut writer = Client::connect(&server);
    let path = format!("/{}", "n".repeat(8000));
    assert_eq!(writer.create(&path, b"", 0), 0);
    let mut slow = Client::connect(&server);
    let watch = AddWatchRequest { path: path.clone(), mode: 0 };
    slow.request(OpCode::AddWatch, |out| watch.encode(out));
    assert_eq!(slow.answer().unwrap().header.err, 0);
    until("the slow reader is dropped", || {
        for _ in 0..100 {
            writer.send_set(&path, b"");
        }
        for _ in 0..100 {
            assert_eq!(writer.answer().unwrap().header.err, 0);
        }
        metric(&server, "connection_drop_outbox_full") == 1
    });
    assert_eq!(server.shutdown(), None);
}

#[test]
fn connections_of_one_address_are_limited() {
    let dir = Dir::new();
    let server = start(&dir, "maxClientCnxns=2");
    let (first, _second) = (Client::connect(&server), Client::connect(&server));
    assert!(Client::raw(server.address().unwrap()).is_closed());
    drop(first);
    until("there is room again", || word(&server, b"srvr").contains("Mode: standalone"));
    assert_eq!(server.shutdown(), None);
}

#[test]
fn a_handshake_has_its_time() {
    let dir = Dir::new();
    let server = start(&dir, "nio.sessionlessCnxnTimeout=50");
    let mut silent = Client::raw(server.address().unwrap());
    silent.stream.write_all(&[0, 0]).unwrap();
    assert!(silent.is_closed());
    until("it is counted", || metric(&server, "sessionless_connections_expired") == 1);
    assert_eq!(server.shutdown(), None);
}

#[test]
fn bad_frames_close_their_connection_only() {
    let dir = Dir::new();
    let server = start(&dir, "");
    let mut good = Client::connect(&server);
    for (bytes, name) in [
        (&[0x7f, 0xff, 0xff, 0xff][..], "frame_too_long"),
        (&[0x80, 0, 0, 0], "negative_frame"),
        (&[0, 0, 0, 1, 7], "malformed_frame"),
    ] {
        let mut bad = Client::raw(server.address().unwrap());
        bad.stream.write_all(bytes).unwrap();
        assert!(bad.is_closed(), "{name}");
        until(name, || metric(&server, &format!("connection_drop_{name}")) == 1);
    }
    assert_eq!(good.create("/still", b"", 0), 0);
    assert_eq!(server.shutdown(), None);
}

#[test]
fn new_sessions_are_throttled() {
    let dir = Dir::new();
    let server = start(&dir, "connection_throttle_tokens=1\nconnection_throttle_fill_time=1000000");
    let _first = Client::connect(&server);
    let mut second = Client::raw(server.address().unwrap());
    second.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut handshake = vec![0, 0, 0, 44];
    handshake.extend([0; 44]);
    handshake[19] = 1;
    second.stream.write_all(&handshake).unwrap();
    assert!(second.is_closed());
    until("it is counted", || metric(&server, "connection_drop_throttled") == 1);
    assert_eq!(server.shutdown(), None);
}
