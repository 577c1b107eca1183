//! What Apache ZooKeeper's servers said to each other, read and written again. `vectors/README.md` says how it was recorded.

use std::path::PathBuf;

use jute::{TxnRecord, Zxid};
use rookeeper_zab::Packet;
use rookeeper_zab::stream::{FromLeader, FromLearner, Item, encode_signature, encode_snapshot_item};

const FIELD_MAX: usize = 1 << 20;

fn recorded(end: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("vectors")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.to_string_lossy().ends_with(end))
        .map(|path| (path.display().to_string(), std::fs::read(&path).expect("vector")))
        .collect();
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    files
}

fn from_leader(bytes: &[u8]) -> Vec<Item> {
    let mut stream = FromLeader::new(FIELD_MAX);
    stream.feed(bytes);
    let items = std::iter::from_fn(|| stream.next().expect("a stream")).collect();
    assert_eq!(stream.buffered(), 0);
    items
}

fn from_learner(bytes: &[u8]) -> Vec<Packet> {
    let mut stream = FromLearner::new(FIELD_MAX);
    stream.feed(bytes);
    let packets = std::iter::from_fn(|| stream.next().expect("a stream")).collect();
    assert_eq!(stream.buffered(), 0);
    packets
}

#[test]
fn what_leaders_send_is_read_and_written_the_same() {
    for (file, bytes) in recorded(".leader.bin") {
        let mut again = Vec::new();
        for item in from_leader(&bytes) {
            match item {
                Item::Packet(packet) => packet.encode(&mut again),
                Item::SnapshotItem(part) => encode_snapshot_item(&part, &mut again),
                Item::SnapshotEnd => encode_signature(&mut again),
            }
        }
        assert!(again == bytes, "{file}");
    }
}

#[test]
fn what_learners_send_is_read_and_written_the_same() {
    for (file, bytes) in recorded(".learner.bin") {
        let mut again = Vec::new();
        for packet in from_learner(&bytes) {
            packet.encode(&mut again);
        }
        assert!(again == bytes, "{file}");
    }
}

#[test]
fn every_packet_of_both_directions_is_among_them() {
    let mut names = std::collections::BTreeSet::new();
    for (_, bytes) in recorded(".leader.bin") {
        names.extend(from_leader(&bytes).into_iter().filter_map(|item| match item {
            Item::Packet(packet) => Some(packet.name()),
            Item::SnapshotItem(_) | Item::SnapshotEnd => None,
        }));
    }
    for (_, bytes) in recorded(".learner.bin") {
        names.extend(from_learner(&bytes).iter().map(Packet::name));
    }
    let missing: Vec<_> = [
        "REQUEST",
        "PROPOSAL",
        "ACK",
        "COMMIT",
        "PING",
        "REVALIDATE",
        "SYNC",
        "INFORM",
        "NEWLEADER",
        "FOLLOWERINFO",
        "UPTODATE",
        "DIFF",
        "TRUNC",
        "SNAP",
        "OBSERVERINFO",
        "LEADERINFO",
        "ACKEPOCH",
    ]
    .into_iter()
    .filter(|name| !names.contains(name))
    .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Each kind of packet beside its bytes, for those that need a reconfiguration to be seen.
#[test]
fn packets_of_a_reconfiguration_are_laid_out_as_in_the_reference() {
    let long = [0, 0, 0, 0, 0, 0, 0, 2];
    let commit = Packet::CommitAndActivate { zxid: Zxid(0x1_0000_0003), leader: 2 }.to_vec();
    let null_ids = [0xff; 4];
    let zxid = [0, 0, 0, 1, 0, 0, 0, 3];
    assert_eq!(commit, [&[0, 0, 0, 9][..], &zxid, &[0, 0, 0, 8], &long, &null_ids].concat());

    let proposal = recorded(".leader.bin").into_iter().flat_map(|(_, bytes)| from_leader(&bytes));
    let record = proposal
        .filter_map(
            |item| if let Item::Packet(Packet::Proposal(record)) = item { Some(record) } else { None },
        )
        .next()
        .expect("a proposal");
    let body: Vec<u8> = TxnRecord::to_vec(&record);
    let length = i32::try_from(8 + body.len()).expect("a short record").to_be_bytes();
    let zxid = record.header.zxid.0.to_be_bytes();
    let inform = Packet::InformAndActivate { leader: 2, record }.to_vec();
    assert_eq!(inform, [&[0, 0, 0, 19][..], &zxid, &length, &long, &body, &null_ids].concat());
}
