use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::*;

const CONFIG: &str = "server.1=zoo1:2888:3888:participant\nversion=0";

/// A message by its parts: the first four fields, and what follows them.
fn bytes(state: i32, zxid: i64, tail: &[&[u8]]) -> Vec<u8> {
    let mut bytes = state.to_be_bytes().to_vec();
    for long in [3, zxid, 7] {
        bytes.extend_from_slice(&i64::to_be_bytes(long));
    }
    bytes.extend(tail.concat());
    bytes
}

fn notification(version: i32, peer_epoch: i64, config: Option<&str>) -> Notification {
    Notification {
        state: PeerState::Leading,
        leader: 3,
        zxid: Zxid(0x5_0000_0002),
        election_epoch: 7,
        peer_epoch,
        config: config.map(ToString::to_string),
        version,
    }
}

#[test]
fn each_format_is_read() {
    let base = |tail: &[&[u8]]| bytes(2, 0x5_0000_0002, tail);
    let epoch: &[u8] = &9_i64.to_be_bytes();
    let int = |value: i32| value.to_be_bytes();
    let rows = [
        ("28 bytes: the epoch is that of the zxid", base(&[]), notification(0, 5, None)),
        ("40 bytes: the last number is no version", base(&[epoch, &int(2)]), notification(0, 9, None)),
        ("version 1", base(&[epoch, &int(1), b"....."]), notification(1, 9, None)),
        ("version -1", base(&[epoch, &int(-1), b"."]), notification(-1, 9, None)),
        ("version 2", base(&[epoch, &int(2), &int(45), CONFIG.as_bytes()]), notification(2, 9, Some(CONFIG))),
        ("version 3", base(&[epoch, &int(3), &int(1), b"a"]), notification(3, 9, Some("a"))),
        ("an empty membership", base(&[epoch, &int(2), &int(0)]), notification(2, 9, Some(""))),
        ("more behind it", base(&[epoch, &int(2), &int(1), b"ab"]), notification(2, 9, Some("a"))),
        (
            "UTF-8 (ZOOKEEPER-4787)",
            base(&[epoch, &int(2), &int(2), "é".as_bytes()]),
            notification(2, 9, Some("é")),
        ),
        ("no UTF-8", base(&[epoch, &int(2), &int(1), b"\xff"]), notification(2, 9, Some("\u{fffd}"))),
    ];
    for (what, bytes, expected) in rows {
        assert_eq!(Notification::decode(&bytes), Ok(expected), "{what}");
    }
}

/// ZOOKEEPER-2186, 3769, 4247: what is malformed is skipped.
#[test]
fn what_is_no_message_says_why() {
    let base = |tail: &[&[u8]]| bytes(2, 0, tail);
    let epoch: &[u8] = &9_i64.to_be_bytes();
    let int = |value: i32| value.to_be_bytes();
    let truncated = |len| Ignored::Truncated { len };
    let rows = [
        (vec![], Ignored::Short { len: 0 }),
        (vec![0; 27], Ignored::Short { len: 27 }),
        (base(&[b"."]), truncated(29)),
        (base(&[epoch]), truncated(36)),
        (base(&[epoch, b"..."]), truncated(39)),
        (base(&[epoch, &int(2), b"..."]), truncated(43)),
        (base(&[epoch, &int(2), &int(-1)]), Ignored::ConfigLength { config_len: -1 }),
        (base(&[epoch, &int(2), &int(i32::MAX)]), Ignored::ConfigLength { config_len: i32::MAX }),
        (base(&[epoch, &int(2), &int(45)]), Ignored::ConfigLength { config_len: 45 }),
        (base(&[epoch, &int(2), &int(44)]), truncated(44)),
        (base(&[epoch, &int(2), &int(2), b"a"]), truncated(45)),
        (bytes(4, 0, &[]), Ignored::State { code: 4 }),
        (bytes(-1, 0, &[epoch, &int(2), &int(0)]), Ignored::State { code: -1 }),
    ];
    for (bytes, why) in rows {
        assert_eq!(Notification::decode(&bytes), Err(why), "{bytes:?}");
        assert!(!why.to_string().is_empty());
    }
}

#[test]
fn a_negative_zxid_has_a_negative_epoch() {
    let read = Notification::decode(&bytes(0, -1, &[])).expect("a message");
    assert_eq!((read.zxid, read.peer_epoch), (Zxid(-1), -1));
}

#[test]
fn what_is_written_is_read_back() {
    for state in [PeerState::Looking, PeerState::Following, PeerState::Leading, PeerState::Observing] {
        let message = Notification { state, ..notification(VERSION, 9, Some(CONFIG)) };
        let bytes = message.encode();
        assert_eq!(bytes.len(), LEN_WITHOUT_CONFIG + CONFIG.len());
        assert_eq!(Notification::decode(&bytes), Ok(message));
        assert_eq!(PeerState::from_code(state.code()), Some(state));
    }
}

#[test]
fn a_message_of_ours_byte_by_byte() {
    let message = Notification { state: PeerState::Looking, ..notification(VERSION, 4, Some("v")) };
    let expected =
        "00000000 0000000000000003 0000000500000002 0000000000000007 0000000000000004 00000002 00000001 76";
    let hex: String = message.encode().iter().map(|byte| alloc::format!("{byte:02x}")).collect();
    assert_eq!(hex, expected.replace(' ', ""));
}

/// The first message of a server of the reference (3.9.5), as it came over the wire.
#[test]
fn a_message_of_the_reference_is_read_and_written() {
    let config = "server.1=127.0.0.1:21101:21201:participant\nserver.2=127.0.0.1:21102:21202:participant\n\
                  server.3=127.0.0.1:21103:21203:participant\nversion=0";
    let head =
        "00000000 0000000000000001 0000000000000000 0000000000000001 0000000000000000 00000002 0000008a";
    let hex: String = head.split(' ').collect();
    let mut bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect();
    bytes.extend_from_slice(config.as_bytes());
    let message = Notification::decode(&bytes).expect("a message");
    let candidate = Candidate { peer_epoch: 0, zxid: Zxid(0), leader: 1 };
    assert_eq!((message.state, message.candidate()), (PeerState::Looking, candidate));
    assert_eq!((message.election_epoch, message.config.as_deref()), (1, Some(config)));
    assert_eq!(message.encode(), bytes);
}

/// No beginning of a message and no flipped byte of it brings the reader down.
#[test]
fn every_prefix_and_every_flip_is_a_message_or_none() {
    let whole = notification(VERSION, 9, Some(CONFIG)).encode();
    for len in 0..whole.len() {
        let read = Notification::decode(&whole[..len]);
        assert_eq!(read.is_ok(), len == 28 || len == 40, "{len}");
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[len] ^= 1 << bit;
            drop(Notification::decode(&flipped));
        }
    }
}
