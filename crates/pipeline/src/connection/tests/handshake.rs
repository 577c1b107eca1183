extern crate std;

use std::{vec, vec::Vec};

use jute::{OpCode, SessionId, Zxid, write};

use super::{
    super::{
        ConnectionAction, FOUR_LETTER_WORDS,
        harness::{Harness, PASSWORD, WALL_MS, connect_frame, frame, open_acl, request_frame},
    },
    closed,
};
use crate::{
    event::Event,
    outbox::{CloseReason, Opened},
    settings::PipelineSettings,
    time::Millis,
};

fn fresh() -> Harness {
    Harness::new(PipelineSettings::default())
}

/// A handshake with these fields, `behind` after the password.
fn connect(last_zxid: i64, timeout_ms: i32, session: i64, password: Option<&[u8]>, behind: &[u8]) -> Vec<u8> {
    frame(|out| {
        write::int(out, 0);
        write::long(out, last_zxid);
        write::int(out, timeout_ms);
        write::long(out, session);
        write::buffer(out, password);
        out.extend_from_slice(behind);
    })
}

fn events(harness: &Harness) -> Vec<&Event> {
    harness
        .actions
        .iter()
        .filter_map(|action| match action {
            ConnectionAction::Forward(event) => Some(event),
            ConnectionAction::FourLetterWord { .. }
            | ConnectionAction::Heard(_)
            | ConnectionAction::Close(_) => None,
        })
        .collect()
}

#[test]
fn the_reply_mirrors_the_layout_of_the_request() {
    let opened = Opened { session: SessionId(0x0102_0304_0506_0708), timeout_ms: 10_000 };
    for (behind, read_only, tail) in [
        (&[][..], false, &[][..]),
        (&[0], false, &[0]),
        (&[1], false, &[0]),
        (&[1], true, &[1]),
        (&[0xff, 9, 9], true, &[1]),
    ] {
        let mut harness = fresh();
        harness.read_only = read_only;
        harness.receive(&connect(0, 10_000, 0, Some(&[0; 16]), behind));
        harness.outbox.connected(opened, &PASSWORD);
        let expected = frame(|out| {
            write::int(out, 0);
            write::int(out, 10_000);
            write::long(out, 0x0102_0304_0506_0708);
            write::buffer(out, Some(&PASSWORD));
            out.extend_from_slice(tail);
        });
        assert_eq!(harness.outbox.take_bytes(), expected, "{behind:?}");
        harness.advance();
        assert_eq!(harness.connection.session(), Some(opened.session));
        assert_eq!(closed(&harness), None);
    }
}

#[test]
fn a_session_is_asked_for_with_the_negotiated_timeout() {
    for (asked, got) in [(0, 6000), (-1, 6000), (10_000, 10_000), (i32::MAX, 60_000)] {
        let mut harness = fresh();
        harness.receive(&connect(0, asked, 0, None, &[0]));
        let connection = harness.connection.id();
        assert_eq!(events(&harness), [&Event::NewSession { connection, timeout_ms: got, wall_ms: WALL_MS }]);
    }
    let mut harness = fresh();
    harness.receive(&connect(0, 7000, 5, Some(b"secret"), &[0]));
    let connection = harness.connection.id();
    assert_eq!(
        events(&harness),
        [&Event::ReopenSession {
            connection,
            session: SessionId(5),
            password: b"secret".to_vec(),
            timeout_ms: 7000,
            wall_ms: WALL_MS
        }]
    );
}

#[test]
fn a_refused_session_gets_zeros_and_the_end() {
    for (behind, tail) in [(&[][..], &[][..]), (&[0], &[0])] {
        let mut harness = fresh();
        harness.receive(&connect(0, 7000, 5, Some(&[]), behind));
        harness.outbox.refuse();
        harness.advance();
        let expected = frame(|out| {
            write::int(out, 0);
            write::int(out, 0);
            write::long(out, 0);
            write::buffer(out, Some(&[0; 16]));
            out.extend_from_slice(tail);
        });
        assert_eq!(harness.outbox.take_bytes(), expected);
        assert_eq!(closed(&harness), Some(CloseReason::UnknownSession));
    }
}

#[test]
fn what_is_no_handshake_ends_the_connection_without_a_word() {
    let malformed = CloseReason::MalformedFrame { what: "ConnectRequest" };
    let long_password = connect(0, 1, 0, Some(&[]), &[]).split_off(4);
    let mut unreasonable = frame(|out| out.extend_from_slice(&long_password));
    let end = unreasonable.len();
    unreasonable[end - 4..].copy_from_slice(&0x7f00_0000_i32.to_be_bytes());
    for (bytes, expected) in [
        (vec![0, 0, 0, 0], malformed),
        (frame(|out| out.extend_from_slice(&[0; 27])), malformed),
        (unreasonable, malformed),
        (vec![0xff, 0xff, 0xff, 0xff], CloseReason::NegativeFrame { length: -1 }),
        (vec![0, 0x10, 0, 0], CloseReason::FrameTooLong { len: 0x10_0000, limit: 0xf_ffff }),
        (connect(1, 1, 0, None, &[0]), CloseReason::ZxidAhead { seen: Zxid(1), last: Zxid(0) }),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), CloseReason::FrameTooLong { len: 0x4745_5420, limit: 0xf_ffff }),
    ] {
        let mut harness = fresh();
        harness.receive(&bytes);
        assert_eq!(closed(&harness), Some(expected), "{bytes:?}");
        assert!(harness.outbox.is_empty());
        assert!(!harness.connection.wants_more());
        harness.receive(&bytes);
        assert_eq!(closed(&harness), Some(expected), "nothing is handled afterwards");
    }
}

#[test]
fn a_read_only_server_refuses_whom_it_does_not_suit() {
    for (behind, expected) in [
        (&[][..], Some(CloseReason::NotReadOnlyClient)),
        (&[0], Some(CloseReason::NotReadOnlyClient)),
        (&[1], None),
    ] {
        let mut harness = fresh();
        harness.read_only = true;
        harness.receive(&connect(0, 7000, 0, None, behind));
        assert_eq!(closed(&harness), expected);
    }
}

#[test]
fn nothing_is_handled_before_the_handshake_is_answered() {
    let mut harness = fresh();
    harness.create("/a", b"", open_acl());
    harness.receive(&connect_frame(Some(false)));
    harness.receive(&request_frame(1, OpCode::Ping, |_| ()));
    assert!(harness.outbox.is_empty());
    assert_eq!(harness.connection.deadline(), None);
}

#[test]
fn a_second_handshake_is_a_request_of_no_type() {
    let mut harness = Harness::established(PipelineSettings::default());
    harness.receive(&connect_frame(Some(false)));
    assert_eq!(super::outline(&harness.outbox.take_bytes()), ["0 UNIMPLEMENTED"]);
    assert_eq!(closed(&harness), Some(CloseReason::UnknownOp { op_code: 0 }));
}

#[test]
fn four_letter_words_come_first_or_never() {
    for word in FOUR_LETTER_WORDS {
        let settings = PipelineSettings { trace_mask_allowed: true, ..PipelineSettings::default() };
        let mut harness = Harness::new(settings);
        harness.serving = false;
        harness.receive(&word[..3]);
        assert!(harness.actions.is_empty());
        harness.receive(&word[3..]);
        harness.receive(&[0, 0, 0, 0, 0, 0, 1, 0x32, 7]);
        let mask = if word == *b"stmk" { vec![0, 0, 0, 0, 0, 0, 1, 0x32] } else { vec![] };
        match &harness.actions[..] {
            [ConnectionAction::FourLetterWord { word: told, rest }] => {
                assert_eq!((*told, rest), (word, &mask))
            }
            other => panic!("{other:?}"),
        }
        assert!(harness.connection.is_closed());
        assert_eq!(harness.outbox.stats().received, 1);

        let mut harness = Harness::established(PipelineSettings::default());
        harness.receive(&word);
        assert!(closed(&harness).is_some(), "a length by now");
    }
}

#[test]
fn a_trace_mask_is_not_waited_for_when_nobody_may_set_it() {
    let mut harness = fresh();
    harness.receive(b"stmk");
    assert!(
        matches!(&harness.actions[..], [ConnectionAction::FourLetterWord { rest, .. }] if rest.is_empty()),
        "told at once that the word is not in the whitelist"
    );
}

#[test]
fn who_does_not_serve_takes_no_handshake() {
    let mut harness = fresh();
    harness.serving = false;
    harness.receive(&connect_frame(None)[..4]);
    assert_eq!(closed(&harness), Some(CloseReason::NotServing));
}

#[test]
fn a_handshake_has_its_time() {
    let limit_ms = PipelineSettings::default().handshake_timeout_ms;
    let timeout = CloseReason::HandshakeTimeout { limit_ms };
    for bytes in [&[][..], &[0, 0], &[0, 0, 0, 44, 1]] {
        let mut harness = fresh();
        harness.receive(bytes);
        let deadline = harness.connection.deadline().expect("a deadline");
        assert_eq!(deadline, Millis(1000 + limit_ms));
        harness.now = Millis(deadline.0 - 1);
        harness.advance();
        assert_eq!(closed(&harness), None);
        harness.now = deadline;
        harness.advance();
        assert_eq!(closed(&harness), Some(timeout), "{bytes:?}");
    }
}
