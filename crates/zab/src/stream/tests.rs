extern crate std;

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;

use bytes::Bytes;
use jute::data::{Acl, Id, StatPersisted};
use jute::snapshot::DataNode;
use jute::txn::{CreateTxn, SetDataTxn, TxnDigest, TxnHeader};
use jute::{SessionId, Txn, TxnRecord, Zxid};
use proptest::prelude::*;

use super::*;
use crate::Request;

const FIELD_MAX: usize = 4096;

fn record(zxid: i64) -> Arc<TxnRecord> {
    let header = TxnHeader { client_id: SessionId(7), cxid: 3, zxid: Zxid(zxid), time: 9, op_code: 1 };
    let open = Acl { perms: 31, id: Id { scheme: "world".to_string(), id: "anyone".to_string() } };
    let create = CreateTxn {
        path: "/a".to_string(),
        data: Some(Bytes::from_static(b"data")),
        acl: Some(vec![open]),
        ephemeral: false,
        parent_cversion: 1,
    };
    Arc::new(TxnRecord {
        header,
        txn: Txn::Create(create),
        digest: Some(TxnDigest { version: 2, tree_digest: 77 }),
    })
}

fn reconfig(zxid: i64) -> Arc<TxnRecord> {
    let header = TxnHeader { client_id: SessionId(7), cxid: 3, zxid: Zxid(zxid), time: 9, op_code: 16 };
    let text = SetDataTxn { path: "/zookeeper/config".to_string(), data: Some(Bytes::new()), version: -1 };
    Arc::new(TxnRecord { header, txn: Txn::Reconfig(text), digest: None })
}

fn node(path: &str, data: &'static [u8]) -> SnapshotItem {
    let data = Some(Bytes::from_static(data));
    SnapshotItem::Node {
        path: path.to_string(),
        node: DataNode { data, acl_key: -1, stat: StatPersisted::default() },
    }
}

fn leader_items() -> Vec<Item> {
    let acl = Acl { perms: 1, id: Id { scheme: "ip".to_string(), id: "127.0.0.1".to_string() } };
    let mut items: Vec<_> = [
        Packet::LeaderInfo { zxid: Zxid(0x5_0000_0000), protocol_version: 0x1_0000 },
        Packet::Diff(Zxid(0x4_0000_0003)),
        Packet::Snap(Zxid(0x4_0000_0009)),
    ]
    .map(Item::Packet)
    .into();
    items.extend(
        [
            SnapshotItem::Sessions(vec![(SessionId(1), 4000), (SessionId(2), 6000)]),
            SnapshotItem::Acls(vec![(1, vec![acl])]),
            node("", b""),
            node("/zookeeper", b"0123456789"),
            SnapshotItem::End,
        ]
        .map(Item::SnapshotItem),
    );
    items.push(Item::SnapshotEnd);
    items.extend(
        [
            Packet::Proposal(record(0x5_0000_0001)),
            Packet::Commit(Zxid(0x5_0000_0001)),
            Packet::NewLeader { zxid: Zxid(0x5_0000_0000), config: Some("version=0".to_string()) },
            Packet::UpToDate,
            Packet::Ping { zxid: Zxid(9), heard: None },
            Packet::Revalidated { session: SessionId(3), is_valid: true },
            Packet::Sync,
            Packet::Inform(record(0x5_0000_0002)),
            Packet::CommitAndActivate { zxid: Zxid(4), leader: 2 },
            Packet::InformAndActivate { leader: 2, record: reconfig(0x5_0000_0003) },
            Packet::Trunc(Zxid(1)),
            Packet::Unknown(99),
        ]
        .map(Item::Packet),
    );
    items
}

fn encode(items: &[Item]) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items {
        match item {
            Item::Packet(packet) => packet.encode(&mut out),
            Item::SnapshotItem(part) => encode_snapshot_item(part, &mut out),
            Item::SnapshotEnd => encode_signature(&mut out),
        }
    }
    out
}

fn drain(stream: &mut FromLeader, items: &mut Vec<Item>) -> Result<(), StreamError> {
    while let Some(item) = stream.next()? {
        items.push(item);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_items(cuts in proptest::collection::vec(1usize..200, 1..400)) {
        let expected = leader_items();
        let bytes = encode(&expected);
        let (mut stream, mut items, mut rest) = (FromLeader::new(FIELD_MAX), Vec::new(), bytes.as_slice());
        for cut in cuts.into_iter().chain([bytes.len()]) {
            let (piece, behind) = rest.split_at(cut.min(rest.len()));
            stream.feed(piece);
            drain(&mut stream, &mut items).unwrap();
            rest = behind;
        }
        prop_assert_eq!(items, expected);
        prop_assert_eq!(stream.buffered(), 0);
    }

    #[test]
    fn no_bytes_make_a_stream_panic(
        at in 0usize..2000, byte in any::<u8>(), pieces in 1usize..64, garbage in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut bytes = encode(&leader_items());
        let at = at % bytes.len();
        bytes[at] = byte;
        for input in [bytes.as_slice(), garbage.as_slice()] {
            let (mut leader, mut learner) = (FromLeader::new(FIELD_MAX), FromLearner::new(FIELD_MAX));
            for piece in input.chunks(pieces) {
                leader.feed(piece);
                learner.feed(piece);
                let _ = drain(&mut leader, &mut Vec::new());
                while let Ok(Some(_)) = learner.next() {}
            }
        }
    }
}

#[test]
fn each_item_is_here_with_its_last_byte_and_not_before() {
    let (mut stream, mut items) = (FromLeader::new(FIELD_MAX), Vec::new());
    for (count, item) in leader_items().into_iter().enumerate() {
        let bytes = encode(&[item]);
        for (index, byte) in bytes.iter().enumerate() {
            stream.feed(&[*byte]);
            drain(&mut stream, &mut items).unwrap();
            assert_eq!(
                items.len(),
                count + usize::from(index + 1 == bytes.len()),
                "byte {index} of item {count}"
            );
        }
    }
    assert!(!stream.is_in_snapshot());
}

fn envelope(data: i32, identities: &[i32]) -> Vec<u8> {
    let mut bytes = vec![0; 12];
    for number in [&[data], identities].concat() {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes
}

#[test]
fn lengths_are_checked_before_what_they_announce_is_waited_for() {
    let unreasonable = |length| {
        let what = DecodeError::UnreasonableLength { length, max: FIELD_MAX };
        Err(StreamError::Packet(PacketError { packet_type: Some(0), what }))
    };
    for (bytes, expected) in [
        (envelope(i32::MAX, &[]), unreasonable(i32::MAX)),
        (envelope(4097, &[]), unreasonable(4097)),
        (envelope(-2, &[]), unreasonable(-2)),
        (envelope(4096, &[]), Ok(None)),
        (envelope(-1, &[]), Ok(None)),
        (envelope(-1, &[i32::MAX]), Err(StreamError::TooManyIdentities(2_147_483_647))),
        (envelope(-1, &[1, i32::MAX]), unreasonable(i32::MAX)),
        (envelope(-1, &[1, 0, -2]), unreasonable(-2)),
        (envelope(-1, &[1024]), Ok(None)),
        (envelope(-1, &[-7]), Ok(Some(Packet::Unknown(0)))),
    ] {
        let mut stream = FromLearner::new(FIELD_MAX);
        stream.feed(&bytes);
        assert_eq!(stream.next(), expected, "{bytes:?}");
    }
}

#[test]
fn many_identities_cannot_make_a_packet_of_any_length() {
    let mut bytes = envelope(-1, &[1000]);
    for _ in 0..4 {
        bytes.extend_from_slice(&4096_i32.to_be_bytes());
        bytes.extend_from_slice(&[0; 4096]);
    }
    let mut stream = FromLearner::new(FIELD_MAX);
    stream.feed(&bytes);
    assert!(matches!(stream.next(), Err(StreamError::TooLong { .. })));
}

#[test]
fn a_packet_whose_data_end_too_early_is_not_waited_for() {
    let mut stream = FromLearner::new(FIELD_MAX);
    let mut bytes = vec![0, 0, 0, 1];
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[0, 0, 0, 3, 1, 2, 3, 0xff, 0xff, 0xff, 0xff]);
    stream.feed(&bytes);
    let what = DecodeError::Truncated { needed: 8, remaining: 3 };
    let error = StreamError::Packet(PacketError { packet_type: Some(1), what });
    assert_eq!(stream.next(), Err(error.clone()));
    stream.feed(&Packet::Ack(Zxid(1)).to_vec());
    assert_eq!(stream.next(), Err(error), "a stream stays broken");
    assert_eq!(stream.buffered(), 0);
}

#[test]
fn a_wrong_signature_is_told() {
    for (signature, expected) in [
        ("BenWasHerf", StreamError::Signature("BenWasHerf".to_string())),
        ("", StreamError::Signature(String::new())),
        ("BenWasHere!", StreamError::Snapshot(DecodeError::UnreasonableLength { length: 11, max: 10 })),
    ] {
        let mut bytes = Packet::Snap(Zxid(1)).to_vec();
        bytes.extend_from_slice(&[0; 8]);
        SnapshotItem::End.encode(&mut bytes);
        write::string(&mut bytes, signature);
        let mut stream = FromLeader::new(FIELD_MAX);
        stream.feed(&bytes);
        assert_eq!(drain(&mut stream, &mut Vec::new()), Err(expected));
    }
}

#[test]
fn a_field_of_a_snapshot_is_bounded() {
    let mut bytes = Packet::Snap(Zxid(1)).to_vec();
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&4097_i32.to_be_bytes());
    let mut stream = FromLeader::new(FIELD_MAX);
    stream.feed(&bytes);
    let what = DecodeError::UnreasonableLength { length: 4097, max: FIELD_MAX };
    assert_eq!(drain(&mut stream, &mut Vec::new()), Err(StreamError::Snapshot(what)));
}

#[test]
fn what_a_learner_sends_is_read_as_such() {
    let identities = vec![Id { scheme: "ip".to_string(), id: "10.0.0.1".to_string() }];
    let body = Bytes::from_static(&[1, 2, 3]);
    for packet in [
        Packet::Request(Request { session: SessionId(5), cxid: 2, op_code: 1, body, identities }),
        Packet::Revalidate { session: SessionId(5), timeout_ms: 4000 },
        Packet::Ping { zxid: Zxid(3), heard: Some(vec![(SessionId(1), 2), (SessionId(3), 4)]) },
        Packet::Ping { zxid: Zxid(3), heard: Some(Vec::new()) },
        Packet::Ack(Zxid(8)),
        Packet::AckEpoch { last: Zxid(8), current_epoch: Some(4) },
        Packet::AckEpoch { last: Zxid(8), current_epoch: None },
    ] {
        let mut stream = FromLearner::new(FIELD_MAX);
        stream.feed(&packet.to_vec());
        assert_eq!(stream.next(), Ok(Some(packet)));
        assert_eq!(stream.next(), Ok(None));
    }
}
