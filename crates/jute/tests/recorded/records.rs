use std::collections::BTreeSet;

use bytes::Bytes;
use jute::Record as _;
use jute::any::{RECORDS, reencode, reencode_named};
use jute::proto::{AuthPacket, ConnectRequest, CreateRequest, DeleteContainerRequest, RequestHeader};
use jute::quorum::QuorumPacket;
use jute::{SessionId, Zxid};

use super::{acl, bytes, hex, lines};

const VECTORS: &str = include_str!("../vectors/records.txt");

fn vector(record: &str, variant: &str) -> Vec<u8> {
    let line = lines(VECTORS).find(|line| line.starts_with(&[record, variant]));
    bytes(line.expect(record).get(2).expect(record))
}

#[test]
fn every_record_is_read_and_written_as_the_reference_does() {
    let mut seen = BTreeSet::new();
    for line in lines(VECTORS) {
        let [record, variant, expected] = line.as_slice() else { panic!("not a vector: {line:?}") };
        let again = match *record {
            "DeleteContainerRequest" => reencode::<DeleteContainerRequest>(&bytes(expected)),
            record => reencode_named(record, &bytes(expected)),
        };
        assert_eq!(hex(&again.expect(record)), *expected, "{record} {variant}");
        seen.insert(*record);
    }
    assert!(RECORDS.iter().all(|(name, _)| seen.contains(name)));
}

#[test]
fn fields_are_where_they_belong() {
    let header = RequestHeader { xid: 257, op_code: 514 };
    assert_eq!(RequestHeader::from_slice(&vector("RequestHeader", "empty")), Ok(header));
    let connect = ConnectRequest {
        protocol_version: -1,
        last_zxid_seen: Zxid(-2),
        time_out: -3,
        session_id: SessionId(-4),
        passwd: Some(vec![5, 0xff, 0].into()),
        read_only: Some(false),
    };
    let recorded = vector("ConnectRequest", "full");
    assert_eq!(ConnectRequest::from_slice(&recorded), Ok(connect.clone()));
    let old = recorded.split_last().expect("not empty").1;
    assert_eq!(ConnectRequest::from_slice(old), Ok(ConnectRequest { read_only: None, ..connect }));
    let (scheme, auth) = (String::new(), Some(Bytes::new()));
    let null_scheme = [[0; 4], [0xff; 4], [0; 4]].concat();
    assert_eq!(AuthPacket::from_slice(&null_scheme), Ok(AuthPacket { auth_type: 0, scheme, auth }));
    let packet = QuorumPacket { packet_type: 5, zxid: Zxid(-1), data: None, authinfo: None };
    assert_eq!(QuorumPacket::from_slice(&vector("QuorumPacket", "null")), Ok(packet));
}

#[test]
fn the_example_of_the_format_page() {
    let page = include_str!("../../FORMAT.md");
    let lines = page.lines().skip_while(|line| !line.contains("path \"/a\"") || line.starts_with("**"));
    let is_byte = |word: &&str| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words =
        lines.take_while(|line| *line != "```").flat_map(|line| line.split_whitespace().take_while(is_byte));
    let request = CreateRequest {
        path: "/a".into(),
        data: None,
        acl: Some(acl().into_iter().take(1).collect()),
        flags: 1,
    };
    assert_eq!(words.collect::<String>(), hex(&request.to_vec()));
}
