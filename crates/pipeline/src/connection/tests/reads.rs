extern crate std;

use std::{string::String, vec, vec::Vec};

use jute::{
    ErrorCode, OpCode, Reader, Record, Zxid,
    data::{Acl, Id, Stat},
    multi::{MultiOp, MultiRequest},
    perms, proto, write,
};

use super::{
    super::harness::{Harness, open_acl, request_frame},
    ask, harness, outline, path_watch,
};
use crate::settings::PipelineSettings;

fn acl(perms: i32, scheme: &str, id: &str) -> Acl {
    Acl { perms, id: Id { scheme: scheme.into(), id: id.into() } }
}

fn path_only(path: &str) -> impl FnOnce(&mut Vec<u8>) {
    move |out| write::string(out, path)
}

/// A body for an operation that takes a path, whatever else it takes.
fn read_body(op: OpCode, path: &str) -> impl FnOnce(&mut Vec<u8>) {
    let with_flag =
        matches!(op, OpCode::Exists | OpCode::GetData | OpCode::GetChildren | OpCode::GetChildren2);
    move |out| {
        write::string(out, path);
        if with_flag {
            write::boolean(out, false);
        }
    }
}

#[test]
fn replies_are_these_bytes() {
    let mut harness = Harness::established(PipelineSettings::default());
    harness.create("/a", b"hi", open_acl());
    harness.receive(&request_frame(1, OpCode::GetData, path_watch("/a", false)));
    let wall = super::super::harness::WALL_MS.to_be_bytes();
    let expected = [
        &[0, 0, 0, 90][..],
        &[0, 0, 0, 1],
        &[0, 0, 0, 0, 0, 0, 0, 2],
        &[0, 0, 0, 0],
        &[0, 0, 0, 2, b'h', b'i'],
        &[0, 0, 0, 0, 0, 0, 0, 2],
        &[0, 0, 0, 0, 0, 0, 0, 2],
        &wall,
        &wall,
        &[0; 12],
        &[0; 8],
        &[0, 0, 0, 2],
        &[0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 2],
    ]
    .concat();
    assert_eq!(harness.outbox.take_bytes(), expected);
    harness.receive(&request_frame(2, OpCode::GetData, path_watch("/b", false)));
    let error =
        [&[0, 0, 0, 16, 0, 0, 0, 2][..], &[0, 0, 0, 0, 0, 0, 0, 2], &[0xff, 0xff, 0xff, 0x9b]].concat();
    assert_eq!(harness.outbox.take_bytes(), error);
    harness.receive(&request_frame(77, OpCode::Ping, |_| ()));
    let pong = [&[0, 0, 0, 16][..], &[0xff, 0xff, 0xff, 0xfe], &[0, 0, 0, 0, 0, 0, 0, 2], &[0; 4]].concat();
    assert_eq!(harness.outbox.take_bytes(), pong, "whatever xid the request had");
}

#[test]
fn a_missing_znode_comes_before_a_missing_right() {
    use ErrorCode::{NoAuth, NoNode, Ok};
    for (op, on_missing, on_secret) in [
        (OpCode::Exists, NoNode, NoAuth),
        (OpCode::GetData, NoNode, NoAuth),
        (OpCode::GetAcl, NoNode, NoAuth),
        (OpCode::GetChildren, NoNode, NoAuth),
        (OpCode::GetChildren2, NoNode, NoAuth),
        (OpCode::GetAllChildrenNumber, NoNode, NoAuth),
    ] {
        let mut harness = harness();
        harness.create("/secret", b"", vec![acl(perms::ALL, "digest", "u:hash")]);
        for (path, expected) in
            [("/a", Ok), ("/nothing", on_missing), ("/a/", NoNode), ("/secret", on_secret)]
        {
            let (header, body) = ask(&mut harness, 1, op, read_body(op, path));
            assert_eq!(header.err, expected.code(), "{op} {path}");
            assert_eq!(header.zxid, harness.state.last_processed_zxid());
            assert_eq!(body.is_empty(), expected != Ok, "a body only without an error");
        }
    }
}

#[test]
fn a_path_with_nul_is_a_bad_argument_for_exists_only() {
    let mut harness = harness();
    for (op, expected) in [(OpCode::Exists, ErrorCode::BadArguments), (OpCode::GetData, ErrorCode::NoNode)] {
        assert_eq!(ask(&mut harness, 1, op, path_watch("/a\0", false)).0.err, expected.code());
    }
}

#[test]
fn a_null_path_cannot_be_marshalled() {
    for op in [
        OpCode::Exists,
        OpCode::GetData,
        OpCode::GetAcl,
        OpCode::GetChildren,
        OpCode::GetChildren2,
        OpCode::GetAllChildrenNumber,
    ] {
        let mut harness = harness();
        let (header, _) = ask(&mut harness, 1, op, |out| out.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0]));
        assert_eq!(header.err, ErrorCode::MarshallingError.code(), "{op}");
    }
}

#[test]
fn stats_and_children_are_those_of_the_znode() {
    let mut harness = harness();
    let stat = harness.state.node("/a").expect("/a").stat();
    assert_eq!((stat.num_children, stat.data_length), (2, 4));

    let (_, body) = ask(&mut harness, 1, OpCode::Exists, path_watch("/a", false));
    assert_eq!(Stat::from_slice(&body).expect("stat"), stat);
    let (_, body) = ask(&mut harness, 2, OpCode::GetChildren, path_watch("/a", false));
    let mut children = proto::GetChildrenResponse::from_slice(&body).expect("children").children;
    children.sort();
    assert_eq!(children, ["b", "c"]);
    let (_, body) = ask(&mut harness, 3, OpCode::GetChildren2, path_watch("/a", false));
    let response = proto::GetChildren2Response::from_slice(&body).expect("children and stat");
    assert_eq!((response.children.len(), response.stat), (2, stat));
    let (_, body) = ask(&mut harness, 4, OpCode::GetData, path_watch("/a", false));
    let response = proto::GetDataResponse::from_slice(&body).expect("data and stat");
    assert_eq!((response.data.as_deref(), response.stat), (Some(&b"data"[..]), stat));
}

#[test]
fn descendants_are_counted_at_all_depths() {
    let mut harness = harness();
    for (path, expected) in [("/a", 2), ("/a/b", 0), ("/", 6), ("", 7)] {
        let (_, body) = ask(&mut harness, 1, OpCode::GetAllChildrenNumber, path_only(path));
        assert_eq!(Reader::from_slice(&body).int(), Ok(expected), "{path}");
    }
}

#[test]
fn the_hash_of_a_digest_is_for_who_may_change_it() {
    let list = || vec![acl(perms::READ, "world", "anyone"), acl(perms::ALL, "digest", "u:hash")];
    let shown = |harness: &mut Harness| {
        let (header, body) = ask(harness, 1, OpCode::GetAcl, path_only("/n"));
        assert_eq!(header.err, 0);
        let response = proto::GetACLResponse::from_slice(&body).expect("acl and stat");
        response.acl.expect("a list").into_iter().map(|entry| entry.id.id).collect::<Vec<String>>()
    };
    let mut harness = harness();
    harness.create("/n", b"", list());
    assert_eq!(shown(&mut harness), ["anyone", "u:x"]);
    let mut settings = PipelineSettings::default();
    settings.acl.skip_acl = true;
    let mut with_skip = Harness::established(settings);
    with_skip.create("/n", b"", list());
    assert_eq!(shown(&mut with_skip), ["anyone", "u:hash"]);
}

#[test]
fn ephemerals_of_the_session_are_found_by_text() {
    let mut harness = harness();
    for path in ["/a/e1", "/e2"] {
        harness.apply(jute::Txn::Create(jute::txn::CreateTxn {
            path: path.into(),
            data: None,
            acl: Some(open_acl()),
            ephemeral: true,
            parent_cversion: 9,
        }));
    }
    for (prefix, expected) in [
        ("", &["/a/e1", "/e2"][..]),
        ("/", &["/a/e1", "/e2"]),
        (" / ", &["/a/e1", "/e2"]),
        (" \t\n", &["/a/e1", "/e2"]),
        ("/a", &["/a/e1"]),
        ("/e", &["/e2"]),
        (" /e", &[]),
        ("e", &[]),
    ] {
        let (header, body) = ask(&mut harness, 1, OpCode::GetEphemerals, path_only(prefix));
        assert_eq!(header.err, 0);
        let mut paths = proto::GetEphemeralsResponse::from_slice(&body).expect("paths").ephemerals;
        paths.sort();
        assert_eq!(paths, expected, "{prefix:?}");
    }
}

#[test]
fn who_am_i_names_users_without_secrets() {
    let mut harness = harness();
    harness.receive(&request_frame(-4, OpCode::Auth, |out| {
        write::int(out, 0);
        write::string(out, "digest");
        write::buffer(out, Some(b"user:password"));
    }));
    harness.outbox.take_bytes();
    let (_, body) = ask(&mut harness, 1, OpCode::WhoAmI, |_| ());
    let infos = proto::WhoAmIResponse::from_slice(&body).expect("infos").client_info;
    let shown: Vec<_> = infos.iter().map(|info| (info.auth_scheme.as_str(), info.user.as_str())).collect();
    assert_eq!(shown, [("ip", "127.0.0.1"), ("digest", "user")]);
}

#[test]
fn several_reads_fail_one_by_one() {
    let mut harness = harness();
    harness.create("/secret", b"", vec![acl(perms::ALL, "digest", "u:hash")]);
    let data = |path: &str| MultiOp::GetData(proto::GetDataRequest { path: path.into(), watch: true });
    let children =
        |path: &str| MultiOp::GetChildren(proto::GetChildrenRequest { path: path.into(), watch: true });
    let request =
        MultiRequest { ops: vec![data("/a/c"), children("/secret"), data("/none"), children("/a/b")] };
    let (header, body) = ask(&mut harness, 1, OpCode::MultiRead, |out| request.encode(out));
    assert_eq!((header.err, header.zxid), (0, harness.state.last_processed_zxid()));
    let mut expected = Vec::new();
    let header = |op_code, done, err| proto::MultiHeader { op_code, done, err }.to_vec();
    expected.extend(header(4, false, 0));
    expected.extend([0, 0, 0, 1, b'x']);
    expected.extend(harness.state.node("/a/c").expect("/a/c").stat().to_vec());
    for code in [ErrorCode::NoAuth, ErrorCode::NoNode] {
        expected.extend(header(-1, false, code.code()));
        expected.extend(code.code().to_be_bytes());
    }
    expected.extend(header(8, false, 0));
    expected.extend([0; 4]);
    expected.extend(header(-1, true, -1));
    assert_eq!(body, expected);
    assert_eq!(harness.watches.0.borrow().count_of(harness.connection.id()), 0, "no watch flag counts");
}

#[test]
fn several_reads_may_be_none_but_not_writes() {
    let mut harness = harness();
    let (header, body) = ask(&mut harness, 1, OpCode::MultiRead, |out| MultiRequest::default().encode(out));
    assert_eq!(header.err, 0);
    assert_eq!(body, proto::MultiHeader { op_code: -1, done: true, err: -1 }.to_vec());
    let delete = MultiOp::Delete(proto::DeleteRequest { path: "/a".into(), version: -1 });
    let (header, body) =
        ask(&mut harness, 2, OpCode::MultiRead, |out| MultiRequest { ops: vec![delete] }.encode(out));
    assert_eq!(header.err, ErrorCode::MarshallingError.code());
    assert_eq!(body, proto::MultiHeader { op_code: -1, done: true, err: -1 }.to_vec(), "a body all the same");
    let (header, body) = ask(&mut harness, 3, OpCode::MultiRead, |out| out.push(0));
    assert_eq!((header.err, body.len()), (ErrorCode::MarshallingError.code(), 0));
}

#[test]
fn the_root_has_two_names() {
    let mut harness = harness();
    for path in ["/", ""] {
        let (header, body) = ask(&mut harness, 1, OpCode::Exists, path_watch(path, false));
        assert_eq!(header.err, 0, "{path:?}");
        assert_eq!(Stat::from_slice(&body).expect("stat").czxid, Zxid(0));
    }
    assert_eq!(outline(&harness.outbox.take_bytes()), Vec::<String>::new());
}

#[test]
fn where_reads_are_served_only_a_write_is_refused_before_it_is_read() {
    let mut harness = harness();
    for (read_only, op, expected) in [
        (true, OpCode::Create, ErrorCode::NotReadOnly),
        (true, OpCode::Sync, ErrorCode::NotReadOnly),
        (true, OpCode::GetData, ErrorCode::MarshallingError),
        (false, OpCode::Create, ErrorCode::MarshallingError),
    ] {
        harness.read_only = read_only;
        let (header, body) = ask(&mut harness, 1, op, |out| out.push(0));
        assert_eq!((header.err, body.len()), (expected.code(), 0), "{op}");
    }
}
