use bytes::Bytes;
use jute::data::Stat;
use jute::multi::{MultiOp, MultiRequest, MultiResponse, MultiResult};
use jute::proto::{
    CheckVersionRequest, Create2Response, CreateRequest, CreateResponse, CreateTTLRequest, DeleteRequest,
    GetChildrenRequest, GetChildrenResponse, GetDataRequest, GetDataResponse, SetDataRequest,
    SetDataResponse,
};
use jute::{Record, Zxid};

use super::{acl, hex, named};

const VECTORS: &str = include_str!("../vectors/multi.txt");

fn check<T: Record + PartialEq + std::fmt::Debug>(name: &str, expected: &T) {
    let recorded = named(VECTORS, name);
    assert_eq!(T::from_slice(&recorded).as_ref(), Ok(expected), "{name}");
    assert_eq!(hex(&expected.to_vec()), hex(&recorded), "{name}");
    for len in 0..recorded.len() {
        assert!(T::from_slice(recorded.get(..len).expect("a prefix")).is_err(), "{name} cut at {len}");
    }
}

fn data() -> Option<Bytes> {
    Some(Bytes::from_static(&[1, 2]))
}

fn create(path: &str, data: Option<Bytes>, flags: i32) -> CreateRequest {
    CreateRequest { path: path.into(), data, acl: Some(acl()), flags }
}

#[test]
fn requests() {
    let ttl = CreateTTLRequest { path: "/t".into(), data: data(), acl: Some(acl()), flags: 5, ttl: 5000 };
    let ops = vec![
        MultiOp::Create(create("/a", data(), 3)),
        MultiOp::Create2(create("/b", None, 0)),
        MultiOp::CreateContainer(create("/c", data(), 4)),
        MultiOp::CreateTtl(ttl),
        MultiOp::Delete(DeleteRequest { path: "/a".into(), version: -1 }),
        MultiOp::SetData(SetDataRequest { path: "/b".into(), data: data(), version: 3 }),
        MultiOp::Check(CheckVersionRequest { path: "/b".into(), version: 4 }),
    ];
    check("request", &MultiRequest { ops });
    let ops = vec![
        MultiOp::GetChildren(GetChildrenRequest { path: "/a".into(), watch: false }),
        MultiOp::GetData(GetDataRequest { path: "/b".into(), watch: false }),
    ];
    check("request-read", &MultiRequest { ops });
    check("request-empty", &MultiRequest::default());
}

#[test]
fn responses() {
    let stat = Stat {
        czxid: Zxid(1),
        mzxid: Zxid(2),
        ctime: 3,
        mtime: 4,
        version: 5,
        cversion: 6,
        aversion: 7,
        ephemeral_owner: 8,
        data_length: 9,
        num_children: 10,
        pzxid: Zxid(11),
    };
    let results = vec![
        MultiResult::Create(CreateResponse { path: "/a0000000001".into() }),
        MultiResult::Create2(Create2Response { path: "/b".into(), stat }),
        MultiResult::Delete,
        MultiResult::SetData(SetDataResponse { stat }),
        MultiResult::Check,
        MultiResult::GetChildren(GetChildrenResponse { children: vec!["x".into(), "y".into()] }),
        MultiResult::GetData(GetDataResponse { data: data(), stat }),
        MultiResult::Error(0),
        MultiResult::Error(-101),
        MultiResult::Error(-2),
    ];
    check("response", &MultiResponse { results });
    check("response-empty", &MultiResponse::default());
}
