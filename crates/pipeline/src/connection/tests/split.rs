extern crate std;

use std::{vec, vec::Vec};

use jute::{
    OpCode, Record,
    multi::{MultiOp, MultiRequest},
    proto, write,
};
use proptest::prelude::*;

use super::super::harness::{connect_frame, fuzz_handshake, fuzz_requests, request_frame};
use super::{path_int, path_watch};

/// One good request of each kind.
fn good_requests() -> Vec<Vec<u8>> {
    let path_only = |path: &'static str| move |out: &mut Vec<u8>| write::string(out, path);
    let multi = MultiRequest {
        ops: vec![
            MultiOp::GetData(proto::GetDataRequest { path: "/a".into(), watch: false }),
            MultiOp::GetChildren(proto::GetChildrenRequest { path: "/x".into(), watch: false }),
        ],
    };
    let set_watches = proto::SetWatches2 {
        data_watches: vec!["/a".into(), "/x".into()],
        child_watches: vec!["/a/b".into()],
        persistent_watches: vec!["/p".into()],
        ..proto::SetWatches2::default()
    };
    let create = proto::CreateRequest { path: "/new".into(), data: None, acl: None, flags: 0 };
    vec![
        request_frame(1, OpCode::Exists, path_watch("/a", true)),
        request_frame(2, OpCode::Create, |out| create.encode(out)),
        request_frame(3, OpCode::GetData, path_watch("/a", true)),
        request_frame(4, OpCode::GetAcl, path_only("/a")),
        request_frame(5, OpCode::GetChildren, path_watch("/a", false)),
        request_frame(6, OpCode::GetChildren2, path_watch("/a", true)),
        request_frame(7, OpCode::Sync, path_only("/")),
        request_frame(8, OpCode::MultiRead, |out| multi.encode(out)),
        request_frame(-8, OpCode::SetWatches2, |out| set_watches.encode(out)),
        request_frame(9, OpCode::AddWatch, path_int("/a", 1)),
        request_frame(10, OpCode::CheckWatches, path_int("/a", 3)),
        request_frame(11, OpCode::RemoveWatches, path_int("/a", 3)),
        request_frame(12, OpCode::GetAllChildrenNumber, path_only("/")),
        request_frame(13, OpCode::GetEphemerals, path_only("/")),
        request_frame(14, OpCode::WhoAmI, |_| ()),
        request_frame(-4, OpCode::Auth, |out| {
            write::int(out, 0);
            write::string(out, "digest");
            write::buffer(out, Some(b"u:p"));
        }),
        request_frame(15, OpCode::Sasl, |out| write::buffer(out, Some(b""))),
        request_frame(-2, OpCode::Ping, |_| ()),
        request_frame(16, OpCode::CloseSession, |_| ()),
    ]
}

fn whole() -> std::iter::Empty<usize> {
    std::iter::empty()
}

#[test]
fn one_byte_at_a_time_gives_the_same() {
    let requests = good_requests().concat();
    let (sent, actions) = fuzz_requests(&requests, whole());
    assert!(sent.len() > 500);
    assert_eq!(fuzz_requests(&requests, std::iter::repeat(1)), (sent, actions));
    let handshake = connect_frame(Some(true));
    assert_eq!(fuzz_handshake(&handshake, std::iter::repeat(1)), fuzz_handshake(&handshake, whole()));
}

#[test]
fn no_prefix_and_no_changed_byte_does_harm() {
    for request in good_requests() {
        for end in 0..request.len() {
            fuzz_requests(&request[..end], whole());
        }
        for place in 0..request.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = request.clone();
                changed[place] = value;
                fuzz_requests(&changed, whole());
            }
        }
    }
}

#[test]
fn no_changed_byte_of_a_handshake_does_harm() {
    let handshake = connect_frame(Some(true));
    for place in 0..handshake.len() {
        for value in 0..=255 {
            let mut changed = handshake.clone();
            changed[place] = value;
            fuzz_handshake(&changed, whole());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn chunks_do_not_matter(
        picks in prop::collection::vec(0_usize..19, 0..12),
        garbage in prop::collection::vec(any::<u8>(), 0..40),
        lens in prop::collection::vec(1_usize..60, 1..200),
    ) {
        let good = good_requests();
        let mut bytes: Vec<u8> = picks.iter().flat_map(|&pick| good[pick].clone()).collect();
        bytes.extend(garbage);
        prop_assert_eq!(fuzz_requests(&bytes, lens.iter().copied()), fuzz_requests(&bytes, whole()));
    }

    #[test]
    fn chunks_of_garbage_do_not_matter(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        lens in prop::collection::vec(1_usize..20, 1..80),
    ) {
        prop_assert_eq!(fuzz_handshake(&bytes, lens.iter().copied()), fuzz_handshake(&bytes, whole()));
    }
}
