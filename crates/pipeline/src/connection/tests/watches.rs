extern crate std;

use std::{format, string::String, vec, vec::Vec};

use jute::{ErrorCode, OpCode, Record, Zxid, proto};

use super::{
    super::harness::{Harness, request_frame},
    ask, frames, harness, path_int, path_watch,
};
use crate::settings::PipelineSettings;

const CHILDREN: i32 = 1;
const DATA: i32 = 2;
const ANY: i32 = 3;
const PERSISTENT: i32 = 4;
const PERSISTENT_RECURSIVE: i32 = 5;

/// Which of the five types of watch are on `path`.
fn registered(harness: &mut Harness, path: &str) -> Vec<i32> {
    (CHILDREN..=PERSISTENT_RECURSIVE)
        .filter(|&kind| ask(harness, 9, OpCode::CheckWatches, path_int(path, kind)).0.err == 0)
        .collect()
}

/// Each event frame as `type path`, with the zxid that all of them must carry.
fn events(sent: &[u8], zxid: Zxid) -> Vec<String> {
    let mut events = Vec::new();
    for frame in frames(sent) {
        let header = proto::ReplyHeader::from_slice(&frame).expect("a header");
        if header.xid == -1 {
            assert_eq!((header.zxid, header.err), (zxid, 0));
            let event = proto::WatcherEvent::from_slice(&frame[16..]).expect("an event");
            assert_eq!(event.state, 3);
            events.push(format!("{} {}", event.event_type, event.path));
        }
    }
    events
}

#[test]
fn reads_register_where_they_look() {
    for (op, path, code, expected) in [
        (OpCode::GetData, "/a", ErrorCode::Ok, &[DATA, ANY][..]),
        (OpCode::Exists, "/a", ErrorCode::Ok, &[DATA, ANY]),
        (OpCode::Exists, "/missing", ErrorCode::NoNode, &[DATA, ANY]),
        (OpCode::GetData, "/missing", ErrorCode::NoNode, &[]),
        (OpCode::GetChildren, "/a", ErrorCode::Ok, &[CHILDREN, ANY]),
        (OpCode::GetChildren2, "/a", ErrorCode::Ok, &[CHILDREN, ANY]),
        (OpCode::GetChildren2, "/missing", ErrorCode::NoNode, &[]),
    ] {
        let mut harness = harness();
        assert_eq!(ask(&mut harness, 1, op, path_watch(path, true)).0.err, code.code());
        assert_eq!(registered(&mut harness, path), expected, "{op} {path}");
    }
}

#[test]
fn who_may_not_read_leaves_no_watch() {
    let mut harness = harness();
    let list = vec![jute::data::Acl {
        perms: 31,
        id: jute::data::Id { scheme: "digest".into(), id: "u:hash".into() },
    }];
    harness.create("/secret", b"", list);
    for op in [OpCode::Exists, OpCode::GetData, OpCode::GetChildren, OpCode::GetChildren2] {
        assert_eq!(ask(&mut harness, 1, op, path_watch("/secret", true)).0.err, ErrorCode::NoAuth.code());
    }
    assert_eq!(registered(&mut harness, "/secret"), []);
}

#[test]
fn added_watches_persist() {
    for (mode, code, expected) in [
        (0, ErrorCode::Ok, &[ANY, PERSISTENT][..]),
        (1, ErrorCode::Ok, &[ANY, PERSISTENT_RECURSIVE]),
        (2, ErrorCode::MarshallingError, &[]),
        (-1, ErrorCode::MarshallingError, &[]),
    ] {
        let mut harness = harness();
        let (header, body) = ask(&mut harness, 1, OpCode::AddWatch, path_int("no path at all", mode));
        assert_eq!(header.err, code.code(), "mode {mode}");
        assert_eq!(&body[..], if header.err == 0 { &[0_u8; 4][..] } else { &[] });
        assert_eq!(registered(&mut harness, "no path at all"), expected);
    }
}

#[test]
fn watches_are_removed_by_type() {
    use ErrorCode::{NoWatcher, Ok};
    let all = |harness: &mut Harness| {
        ask(harness, 1, OpCode::GetData, path_watch("/a", true));
        ask(harness, 2, OpCode::GetChildren, path_watch("/a", true));
        ask(harness, 3, OpCode::AddWatch, path_int("/a", 0));
        ask(harness, 4, OpCode::AddWatch, path_int("/a", 1));
    };
    for (kind, left) in [
        (CHILDREN, &[DATA, ANY, PERSISTENT, PERSISTENT_RECURSIVE][..]),
        (DATA, &[CHILDREN, ANY, PERSISTENT, PERSISTENT_RECURSIVE]),
        (PERSISTENT, &[CHILDREN, DATA, ANY, PERSISTENT_RECURSIVE]),
        (PERSISTENT_RECURSIVE, &[CHILDREN, DATA, ANY, PERSISTENT]),
        (ANY, &[]),
    ] {
        let mut harness = harness();
        all(&mut harness);
        for expected in [Ok, NoWatcher] {
            let (header, body) = ask(&mut harness, 5, OpCode::RemoveWatches, path_int("/a", kind));
            assert_eq!((header.err, body.len()), (expected.code(), 0), "type {kind}");
        }
        assert_eq!(registered(&mut harness, "/a"), left, "type {kind}");
    }
}

#[test]
fn types_of_watches_that_do_not_exist_cannot_be_marshalled() {
    let mut harness = harness();
    for op in [OpCode::CheckWatches, OpCode::RemoveWatches] {
        for kind in [0, 6, -1] {
            let (header, _) = ask(&mut harness, 1, op, path_int("/a", kind));
            assert_eq!(header.err, ErrorCode::MarshallingError.code(), "{op} {kind}");
        }
        assert_eq!(ask(&mut harness, 1, op, path_int("/a", ANY)).0.err, ErrorCode::NoWatcher.code());
    }
}

#[test]
fn a_client_that_comes_back_hears_what_it_missed() {
    let mut harness = harness();
    // zxids: session 1, /a 2, /a/b 3 (changes the children of /a), /a/c 4
    let request = proto::SetWatches {
        relative_zxid: Zxid(3),
        data_watches: vec!["/a".into(), "/a/c".into(), "/gone".into()],
        exist_watches: vec!["/a/b".into(), "/missing".into()],
        child_watches: vec!["/a".into(), "/a/b".into(), "/gone2".into()],
    };
    harness.receive(&request_frame(-8, OpCode::SetWatches, |out| request.encode(out)));
    let sent = harness.outbox.take_bytes();
    assert_eq!(
        events(&sent, Zxid(-1)),
        ["3 /a/c", "2 /gone", "1 /a/b", "4 /a", "2 /gone2"],
        "changed, deleted, created, children changed, deleted"
    );
    let all = frames(&sent);
    let reply = proto::ReplyHeader::from_slice(all.last().expect("a reply")).expect("a header");
    assert_eq!((reply.xid, reply.zxid, reply.err), (-8, harness.state.last_processed_zxid(), 0));
    for (path, expected) in [
        ("/a", &[DATA, ANY][..]),
        ("/a/c", &[]),
        ("/gone", &[]),
        ("/missing", &[DATA, ANY]),
        ("/a/b", &[CHILDREN, ANY]),
    ] {
        assert_eq!(registered(&mut harness, path), expected, "{path}");
    }
}

#[test]
fn the_catch_up_looks_at_no_list() {
    let mut harness = harness();
    let id = jute::data::Id { scheme: "digest".into(), id: "u:hash".into() };
    harness.create("/secret", b"", vec![jute::data::Acl { perms: 31, id }]);
    let request = proto::SetWatches { exist_watches: vec!["/secret".into()], ..proto::SetWatches::default() };
    harness.receive(&request_frame(-8, OpCode::SetWatches, |out| request.encode(out)));
    assert_eq!(events(&harness.outbox.take_bytes(), Zxid(-1)), ["1 /secret"]);
}

#[test]
fn persistent_watches_come_back_without_events() {
    let request = || proto::SetWatches2 {
        data_watches: vec!["/a".into()],
        persistent_watches: vec!["/p".into()],
        persistent_recursive_watches: vec!["/r".into()],
        relative_zxid: Zxid(i64::MAX),
        ..proto::SetWatches2::default()
    };
    let mut harness = harness();
    let (header, _) = ask(&mut harness, -8, OpCode::SetWatches2, |out| request().encode(out));
    assert_eq!(header.err, 0);
    assert_eq!(registered(&mut harness, "/a"), [DATA, ANY]);
    assert_eq!(registered(&mut harness, "/p"), [ANY, PERSISTENT]);
    assert_eq!(registered(&mut harness, "/r"), [ANY, PERSISTENT_RECURSIVE]);
}

#[test]
fn the_optimized_manager_knows_no_persistent_watches() {
    let settings = PipelineSettings { watch_manager_optimized: true, ..PipelineSettings::default() };
    let mut harness = Harness::established(settings);
    let request = proto::SetWatches2 {
        exist_watches: vec!["/x".into()],
        persistent_watches: vec!["/p".into()],
        ..proto::SetWatches2::default()
    };
    let unsupported = ErrorCode::MarshallingError.code();
    assert_eq!(ask(&mut harness, -8, OpCode::SetWatches2, |out| request.encode(out)).0.err, unsupported);
    assert_eq!(ask(&mut harness, 1, OpCode::AddWatch, path_int("/p", 0)).0.err, unsupported);
    for op in [OpCode::CheckWatches, OpCode::RemoveWatches] {
        assert_eq!(ask(&mut harness, 1, op, path_int("/x", PERSISTENT)).0.err, unsupported);
    }
    assert_eq!(ask(&mut harness, 1, OpCode::RemoveWatches, path_int("/x", DATA)).0.err, 0);
}
