use alloc::vec;

use super::*;
use crate::Zxid;
use crate::data::Id;

fn items() -> Vec<SnapshotItem> {
    let acl = Acl { perms: 31, id: Id { scheme: "world".into(), id: "anyone".into() } };
    let stat = StatPersisted { czxid: Zxid(7), version: 3, ..StatPersisted::default() };
    let node =
        |data: Option<&'static [u8]>| DataNode { data: data.map(Bytes::from_static), acl_key: -1, stat };
    vec![
        SnapshotItem::Sessions(vec![(SessionId(5), 4000), (SessionId(-6), 5000)]),
        SnapshotItem::Acls(vec![(1, vec![acl]), (2, vec![])]),
        SnapshotItem::Node { path: "".into(), node: node(None) },
        SnapshotItem::Node { path: "/a".into(), node: node(Some(b"")) },
        SnapshotItem::Node { path: "/a/b".into(), node: node(Some(b"data")) },
        SnapshotItem::End,
    ]
}

fn encoded() -> Vec<u8> {
    let mut out = Vec::new();
    items().iter().for_each(|item| item.encode(&mut out));
    out
}

/// Decodes input that arrives in pieces of `piece` bytes.
fn decode_in_pieces(input: &[u8], piece: usize) -> Vec<SnapshotItem> {
    let mut decoder = SnapshotDecoder::new();
    let mut decoded = Vec::new();
    let mut kept = Vec::new();
    for bytes in input.chunks(piece) {
        kept.extend_from_slice(bytes);
        let shared = Bytes::from(kept);
        let mut reader = Reader::new(&shared);
        while let Some(item) = decoder.next(&mut reader).unwrap() {
            decoded.push(item);
        }
        kept = reader.rest().to_vec();
    }
    assert!(decoder.is_finished());
    assert!(kept.is_empty());
    decoded
}

#[test]
fn any_cut_of_the_input_gives_the_same_items() {
    let input = encoded();
    for piece in 1..=input.len() {
        assert_eq!(decode_in_pieces(&input, piece), items(), "pieces of {piece}");
    }
}

#[test]
fn bytes_behind_the_end_stay_in_the_reader() {
    let input = [encoded(), vec![1, 2, 3]].concat();
    let mut reader = Reader::from_slice(&input);
    let mut decoder = SnapshotDecoder::new();
    while decoder.next(&mut reader).unwrap().is_some() {}
    assert_eq!(reader.rest(), [1, 2, 3][..]);
}

#[test]
fn null_paths_and_lists_are_errors() {
    let null = [0xff; 4];
    let no_sessions_no_acls = [0; 8];
    let path = [&no_sessions_no_acls[..], &null].concat();
    let list = [&[0; 4][..], &[0, 0, 0, 1], &[0; 8], &null].concat();
    for (input, field) in [(path, "snapshot path"), (list, "snapshot ACL")] {
        let mut reader = Reader::from_slice(&input);
        let mut decoder = SnapshotDecoder::new();
        let error = loop {
            match decoder.next(&mut reader) {
                Ok(Some(_)) => {}
                Ok(None) => panic!("more input wanted"),
                Err(error) => break error,
            }
        };
        assert_eq!(error, DecodeError::Null { field });
    }
}

#[test]
fn negative_counts_are_none() {
    let input = [&[0xff; 8][..], &[0, 0, 0, 1, b'/']].concat();
    let mut reader = Reader::from_slice(&input);
    let mut decoder = SnapshotDecoder::new();
    let mut decoded = Vec::new();
    while let Some(item) = decoder.next(&mut reader).unwrap() {
        decoded.push(item);
    }
    assert_eq!(decoded, [SnapshotItem::Sessions(vec![]), SnapshotItem::Acls(vec![]), SnapshotItem::End]);
}
