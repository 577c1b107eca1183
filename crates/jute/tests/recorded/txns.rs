use bytes::Bytes;
use jute::txn::{
    CheckVersionTxn, CloseSessionTxn, CreateContainerTxn, CreateSessionTxn, CreateTTLTxn, CreateTxn,
    DeleteTxn, ErrorTxn, SetACLTxn, SetDataTxn, TxnDigest, TxnHeader,
};
use jute::{PARENT_CVERSION_UNKNOWN, SessionId, Txn, TxnRecord, Zxid};

use super::{acl, bytes, hex, lines};

const VECTORS: &str = include_str!("../vectors/txns.txt");

fn data() -> Option<Bytes> {
    Some(Bytes::from_static(&[1, 2]))
}

fn create(path: &str, data: Option<Bytes>, ephemeral: bool, parent_cversion: i32) -> CreateTxn {
    CreateTxn { path: path.into(), data, acl: Some(acl()), ephemeral, parent_cversion }
}

fn container(path: &str, data: Option<Bytes>, parent_cversion: i32) -> Txn {
    Txn::CreateContainer(CreateContainerTxn { path: path.into(), data, acl: Some(acl()), parent_cversion })
}

fn with_ttl(path: &str, parent_cversion: i32) -> Txn {
    let path = path.into();
    Txn::CreateTtl(CreateTTLTxn { path, data: data(), acl: Some(acl()), parent_cversion, ttl: 5000 })
}

fn set_data(path: &str, version: i32) -> SetDataTxn {
    SetDataTxn { path: path.into(), data: data(), version }
}

/// What the vector of this name says, and whether it ends with a digest.
fn expected(name: &str) -> (Txn, bool) {
    let delete = DeleteTxn { path: "/a".into() };
    match name {
        "create-session" => (Txn::CreateSession(CreateSessionTxn { time_out: 30_000 }), false),
        "create-session-digest" => (Txn::CreateSession(CreateSessionTxn { time_out: 30_000 }), true),
        "close-session" => {
            let paths_to_delete = vec!["/e1".into(), "/e2".into()];
            (Txn::CloseSession(Some(CloseSessionTxn { paths_to_delete })), true)
        }
        "close-session-empty" => (Txn::CloseSession(Some(CloseSessionTxn::default())), false),
        "close-session-none" => (Txn::CloseSession(None), false),
        "close-session-none-digest" => (Txn::CloseSession(None), true),
        "create" => (Txn::Create(create("/a", data(), true, 4)), false),
        "create-digest" => (Txn::Create(create("/a", None, false, 4)), true),
        "create-old" => (Txn::Create(create("/a", data(), true, PARENT_CVERSION_UNKNOWN)), false),
        "create2" => (Txn::Create2(create("/a", Some(Bytes::new()), true, 4)), true),
        "create-container" => (container("/a", data(), 4), true),
        "create-ttl" => (with_ttl("/a", 4), true),
        "delete" => (Txn::Delete(delete), true),
        "delete-container" => (Txn::DeleteContainer(delete), false),
        "set-data" => (Txn::SetData(set_data("/a", 6)), true),
        "reconfig" => (Txn::Reconfig(set_data("/zookeeper/config", 6)), true),
        "set-acl" => (Txn::SetAcl(SetACLTxn { path: "/a".into(), acl: Some(acl()), version: 6 }), true),
        "error" => (Txn::Error(ErrorTxn { err: -101 }), true),
        "multi" => {
            let parts = vec![
                Txn::Create(create("/a", data(), true, 4)),
                Txn::Create2(create("/b", data(), false, 5)),
                container("/c", None, 6),
                with_ttl("/t", 7),
                Txn::Delete(delete),
                Txn::SetData(set_data("/b", 8)),
                Txn::Check(CheckVersionTxn { path: "/b".into(), version: 8 }),
                Txn::Error(ErrorTxn { err: -2 }),
            ];
            (Txn::Multi(parts), true)
        }
        "multi-empty" => (Txn::Multi(vec![]), false),
        other => panic!("no expectation for {other}"),
    }
}

#[test]
fn every_transaction_is_read_and_written_as_the_reference_does() {
    for line in lines(VECTORS) {
        let [name, recorded] = line.as_slice() else { panic!("not a vector: {line:?}") };
        let (txn, digest) = expected(name);
        let header = TxnHeader {
            client_id: SessionId(0x100_0000_0000_0001),
            cxid: 7,
            zxid: Zxid::from_parts(2, 3),
            time: 1_600_000_000_000,
            op_code: txn.op_code().code(),
        };
        let digest = digest.then_some(TxnDigest { version: 2, tree_digest: -5 });
        let record = TxnRecord { header, txn, digest };
        assert_eq!(TxnRecord::decode(&bytes(recorded).into()).as_ref(), Ok(&record), "{name}");
        if *name != "create-old" {
            assert_eq!(hex(&record.to_vec()), *recorded, "{name}");
        }
    }
}

#[test]
fn nothing_cut_off_or_flipped_makes_the_decoder_panic() {
    for line in lines(VECTORS) {
        let [_, recorded] = line.as_slice() else { panic!("not a vector: {line:?}") };
        let mut whole = bytes(recorded);
        for len in 0..whole.len() {
            let _ = TxnRecord::decode(&Bytes::copy_from_slice(whole.get(..len).expect("a prefix")));
        }
        for at in 0..whole.len() {
            for mask in [0x01, 0x7f, 0x80, 0xff] {
                *whole.get_mut(at).expect("within") ^= mask;
                let _ = TxnRecord::decode(&Bytes::copy_from_slice(&whole));
                *whole.get_mut(at).expect("within") ^= mask;
            }
        }
    }
}
