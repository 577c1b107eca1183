use alloc::vec;

use super::*;
use crate::{SessionId, Zxid};

fn header(op_code: OpCode) -> TxnHeader {
    TxnHeader { client_id: SessionId(1), cxid: 2, zxid: Zxid(3), time: 4, op_code: op_code.code() }
}

fn record(txn: Txn, digest: Option<TxnDigest>) -> TxnRecord {
    TxnRecord { header: header(txn.op_code()), txn, digest }
}

fn decode(bytes: &[u8]) -> Result<TxnRecord, DecodeError> {
    TxnRecord::decode(&Bytes::copy_from_slice(bytes))
}

fn samples() -> Vec<Txn> {
    let create = CreateTxn { path: "/a".into(), data: None, acl: None, ephemeral: true, parent_cversion: 9 };
    vec![
        Txn::CreateSession(CreateSessionTxn { time_out: 4000 }),
        Txn::CloseSession(Some(CloseSessionTxn { paths_to_delete: vec!["/a".into()] })),
        Txn::CloseSession(None),
        Txn::Create(create.clone()),
        Txn::Create2(create.clone()),
        Txn::CreateContainer(CreateContainerTxn::default()),
        Txn::CreateTtl(CreateTTLTxn::default()),
        Txn::Delete(DeleteTxn { path: "/a".into() }),
        Txn::DeleteContainer(DeleteTxn { path: "/a".into() }),
        Txn::SetData(SetDataTxn::default()),
        Txn::Reconfig(SetDataTxn::default()),
        Txn::SetAcl(SetACLTxn::default()),
        Txn::Error(ErrorTxn { err: -101 }),
        Txn::Multi(vec![]),
        Txn::Multi(vec![
            Txn::Create(create),
            Txn::Check(CheckVersionTxn { path: "/b".into(), version: 1 }),
            Txn::Error(ErrorTxn { err: 0 }),
        ]),
    ]
}

#[test]
fn transactions_survive_with_and_without_digest() {
    for txn in samples() {
        for digest in [None, Some(TxnDigest { version: 2, tree_digest: -5 })] {
            let record = record(txn.clone(), digest);
            assert_eq!(decode(&record.to_vec()), Ok(record));
        }
    }
}

#[test]
fn a_create_without_the_parents_version_is_an_old_one() {
    let mut bytes = header(OpCode::Create).to_vec();
    CreateTxnV0 { path: "/a".into(), data: None, acl: Some(vec![]), ephemeral: true }.encode(&mut bytes);
    let Txn::Create(create) = decode(&bytes).unwrap().txn else { panic!("not a create") };
    assert_eq!((create.path.as_str(), create.ephemeral), ("/a", true));
    assert_eq!((create.acl, create.parent_cversion), (Some(vec![]), PARENT_CVERSION_UNKNOWN));
}

#[test]
fn an_old_form_is_taken_for_creates_alone() {
    let mut bytes = header(OpCode::Create2).to_vec();
    CreateTxnV0::default().encode(&mut bytes);
    assert_eq!(decode(&bytes), Err(DecodeError::Truncated { needed: 4, remaining: 0 }));
}

#[test]
fn what_is_no_transaction_is_refused() {
    for op_code in [OpCode::Check.code(), OpCode::GetData.code(), OpCode::Notification.code(), 99] {
        let bytes = TxnHeader { op_code, ..header(OpCode::Create) }.to_vec();
        assert_eq!(decode(&bytes), Err(DecodeError::UnknownType { what: "transaction", value: op_code }));
    }
}

#[test]
fn what_is_no_part_of_a_multi_is_refused() {
    for part in [Txn::Multi(vec![]), Txn::SetAcl(SetACLTxn::default()), Txn::CloseSession(None)] {
        let value = part.op_code().code();
        let bytes = record(Txn::Multi(vec![part]), None).to_vec();
        assert_eq!(
            decode(&bytes),
            Err(DecodeError::UnknownType { what: "part of a multi transaction", value })
        );
    }
}

#[test]
fn a_part_without_body_is_refused() {
    let mut bytes = header(OpCode::Multi).to_vec();
    MultiTxn { txns: vec![SubTxn { op_code: OpCode::Delete.code(), data: None }] }.encode(&mut bytes);
    assert_eq!(decode(&bytes), Err(DecodeError::Null { field: "Txn.data" }));
}

#[test]
fn a_torn_list_of_paths_is_no_list_and_no_digest() {
    let mut bytes = header(OpCode::CloseSession).to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 100]);
    bytes.extend_from_slice(&[0; 20]);
    let record = decode(&bytes).unwrap();
    assert_eq!((record.txn, record.digest), (Txn::CloseSession(None), None));
}

#[test]
fn a_torn_digest_is_none() {
    let whole = record(Txn::Delete(DeleteTxn::default()), Some(TxnDigest::default())).to_vec();
    let torn = &whole[..whole.len() - 1];
    assert_eq!(decode(torn).map(|record| record.digest), Ok(None));
}
