extern crate std;

use std::{vec, vec::Vec};

use jute::{OpCode, Record, proto, write};

use super::{
    super::{
        ConnectionAction,
        harness::{Harness, request_frame},
    },
    closed, frames, harness, outline, path_watch,
};
use crate::{
    outbox::CloseReason,
    request::Request,
    settings::{AuthSettings, PipelineSettings},
};

fn create(xid: i32) -> Vec<u8> {
    request_frame(xid, OpCode::Create, |out| {
        let request = proto::CreateRequest { path: "/new".into(), data: None, acl: Some(vec![]), flags: 0 };
        request.encode(out);
    })
}

fn exists(xid: i32) -> Vec<u8> {
    request_frame(xid, OpCode::Exists, path_watch("/a", false))
}

fn auth(scheme: &str, auth: &[u8]) -> Vec<u8> {
    request_frame(-4, OpCode::Auth, |out| {
        write::int(out, 0);
        write::string(out, scheme);
        write::buffer(out, Some(auth));
    })
}

fn ping() -> Vec<u8> {
    request_frame(-2, OpCode::Ping, |_| ())
}

fn close_session(xid: i32) -> Vec<u8> {
    request_frame(xid, OpCode::CloseSession, |_| ())
}

fn forwarded(harness: &Harness) -> Vec<i32> {
    harness.forwarded.iter().map(|request| request.xid).collect()
}

#[test]
fn a_read_waits_for_writes_and_holds_back_what_follows() {
    let mut harness = harness();
    harness.receive(&[create(1), create(2), exists(3), create(4), ping()].concat());
    assert_eq!(forwarded(&harness), [1, 2]);
    assert_eq!(harness.connection.in_flight(), 2);
    harness.answer_one();
    harness.advance();
    assert_eq!(outline(&harness.outbox.take_bytes()), ["1 OK"]);
    harness.answer_one();
    harness.advance();
    assert_eq!(outline(&harness.outbox.take_bytes()), ["2 OK", "3 OK"]);
    assert_eq!(forwarded(&harness), [4]);
    harness.answer_one();
    harness.advance();
    assert_eq!(outline(&harness.outbox.take_bytes()), ["4 OK", "-2 OK"]);
}

/// What stands behind a request without an answer gets none: its answer would be taken for the missing one.
#[test]
fn behind_a_dropped_request_the_connection_ends_once_those_before_it_are_answered() {
    let mut harness = harness();
    harness.receive(&[create(1), create(2), exists(3), ping()].concat());
    harness.outbox.drop_one();
    harness.advance();
    assert_eq!((outline(&harness.outbox.take_bytes()), closed(&harness)), (vec![], None));
    harness.answer_one();
    harness.advance();
    assert_eq!(outline(&harness.outbox.take_bytes()), ["1 OK"]);
    assert_eq!(closed(&harness), Some(CloseReason::RequestDropped));
}

#[test]
fn a_dropped_end_of_a_session_ends_the_connection() {
    let mut harness = harness();
    harness.receive(&close_session(1));
    harness.outbox.drop_one();
    harness.advance();
    assert_eq!(closed(&harness), Some(CloseReason::RequestDropped));
}

#[test]
fn credentials_overtake_and_count_for_what_comes_later() {
    let mut harness = harness();
    let who = request_frame(2, OpCode::WhoAmI, |_| ());
    let who_later = request_frame(3, OpCode::WhoAmI, |_| ());
    harness.receive(&[create(1), who, auth("digest", b"u:p"), create(9), who_later].concat());
    assert_eq!(outline(&harness.outbox.take_bytes()), ["-4 OK"]);
    harness.answer_one();
    harness.advance();
    let sent = harness.settle();
    assert_eq!(outline(&sent), ["1 OK", "2 OK", "9 OK", "3 OK"]);
    let replies = frames(&sent);
    let users =
        |frame: &[u8]| proto::WhoAmIResponse::from_slice(&frame[16..]).expect("who").client_info.len();
    assert_eq!((users(&replies[1]), users(&replies[3])), (1, 2));
}

#[test]
fn refused_credentials_end_the_connection_at_once() {
    for (scheme, token) in [("nobody", &b""[..]), ("", b"")] {
        let mut harness = harness();
        harness.receive(&[create(1), auth(scheme, token), create(2)].concat());
        let sent = harness.outbox.take_bytes();
        assert_eq!(outline(&sent), ["-4 AUTHFAILED"]);
        assert_eq!(&sent[8..16], &[0; 8], "zxid zero");
        assert_eq!(closed(&harness), Some(CloseReason::AuthFailed));
        assert_eq!(forwarded(&harness), [1]);
    }
}

#[test]
fn a_token_gets_a_null_token() {
    let mut harness = harness();
    harness.receive(
        &[create(1), request_frame(2, OpCode::Sasl, |out| write::buffer(out, Some(b"token")))].concat(),
    );
    let sent = harness.outbox.take_bytes();
    let expected = [&[0, 0, 0, 20, 0, 0, 0, 2][..], &[0; 12], &[0xff; 4]].concat();
    assert_eq!(sent, expected);
    assert_eq!(closed(&harness), None);
    harness.receive(&request_frame(3, OpCode::Sasl, |out| write::buffer(out, None)));
    assert_eq!(closed(&harness), Some(CloseReason::MalformedFrame { what: "SASL token" }));
}

#[test]
fn whoever_must_authenticate_gets_nothing_else() {
    let settings = PipelineSettings {
        auth: AuthSettings { enforce: Some(vec!["digest".into()]), ..AuthSettings::default() },
        ..PipelineSettings::default()
    };
    let mut refused = Harness::established(settings.clone());
    refused.receive(&[ping(), create(1)].concat());
    assert_eq!(outline(&refused.settle()), ["-2 SESSIONCLOSEDREQUIRESASLAUTH"]);
    assert_eq!(closed(&refused), Some(CloseReason::AuthRequired));
    assert_eq!(forwarded(&refused), []);

    let mut accepted = Harness::established(settings);
    accepted.receive(&[auth("digest", b"u:p"), ping()].concat());
    assert_eq!(outline(&accepted.settle()), ["-4 OK", "-2 OK"]);
}

#[test]
fn an_unknown_operation_ends_the_connection_in_its_turn() {
    for op_code in [0, 13, -1, 10, 23, 99, 108, i32::MIN] {
        let mut harness = harness();
        let unknown =
            super::super::harness::frame(|out| proto::RequestHeader { xid: 2, op_code }.encode(out));
        harness.receive(&[create(1), unknown, create(3)].concat());
        assert_eq!(closed(&harness), None);
        let sent = harness.settle();
        assert_eq!(outline(&sent), ["1 OK", "2 UNIMPLEMENTED"]);
        assert_eq!(&sent[28..36], &[0xff; 8], "zxid -1");
        assert_eq!(closed(&harness), Some(CloseReason::UnknownOp { op_code }));
        assert_eq!(forwarded(&harness), []);
    }
}

#[test]
fn a_body_that_cannot_be_decoded_is_answered_in_its_turn() {
    for op in [
        OpCode::Create,
        OpCode::GetData,
        OpCode::Multi,
        OpCode::SetWatches,
        OpCode::Sync,
        OpCode::CreateSession,
    ] {
        let mut harness = harness();
        harness.receive(&[create(1), request_frame(2, op, |_| ()), exists(3)].concat());
        let sent = harness.settle();
        assert_eq!(outline(&sent), ["1 OK", "2 MARSHALLINGERROR", "3 OK"], "{op}");
        let last = harness.state.last_processed_zxid().0.to_be_bytes();
        assert_eq!(frames(&sent)[1].get(4..12), Some(&last[..]), "{op}");
    }
}

#[test]
fn a_frame_without_a_header_ends_the_connection() {
    for bytes in [&[0, 0, 0, 0][..], &[0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0]] {
        let mut harness = harness();
        harness.receive(bytes);
        assert_eq!(closed(&harness), Some(CloseReason::MalformedFrame { what: "RequestHeader" }));
        assert!(harness.outbox.is_empty());
    }
}

#[test]
fn nothing_is_handled_behind_a_close_of_the_session() {
    let mut harness = harness();
    harness.receive(&[create(1), close_session(2), create(3), ping()].concat());
    assert_eq!(forwarded(&harness), [1, 2]);
    harness.answer_one();
    harness.answer_one();
    harness.outbox.close(CloseReason::SessionClosed);
    harness.advance();
    assert_eq!(outline(&harness.settle()), ["1 OK", "2 OK"]);
    assert_eq!(closed(&harness), Some(CloseReason::SessionClosed));
}

#[test]
fn server_operations_from_a_client_go_to_the_replica() {
    let mut harness = harness();
    harness.receive(&request_frame(1, OpCode::CreateSession, |out| write::int(out, 9000)));
    harness.receive(&request_frame(2, OpCode::DeleteContainer, |out| write::buffer(out, Some(b"/a"))));
    assert_eq!(forwarded(&harness), [1, 2]);
    assert!(matches!(harness.forwarded[0].request, Request::CreateSession(_)));
    assert!(matches!(harness.forwarded[1].request, Request::DeleteContainer(_)));
}

#[test]
fn who_has_no_session_any_more_hears_nothing() {
    let mut harness = harness();
    harness.apply(jute::Txn::CloseSession(None));
    harness.receive(&[exists(1), ping(), request_frame(2, OpCode::Check, |_| ())].concat());
    assert_eq!(harness.settle(), []);
    assert_eq!(closed(&harness), None);
}

#[test]
fn a_session_that_is_not_here_yet_is_not_gone() {
    let mut harness = Harness::established_early(PipelineSettings::default());
    harness.receive(&ping());
    assert_eq!(outline(&harness.settle()), ["-2 OK"]);
    harness.apply(jute::Txn::CreateSession(jute::txn::CreateSessionTxn { time_out: 10_000 }));
    harness.receive(&ping());
    assert_eq!(outline(&harness.settle()), ["-2 OK"]);
    harness.apply(jute::Txn::CloseSession(None));
    harness.receive(&ping());
    assert_eq!(harness.settle(), []);
}

#[test]
fn every_burst_of_requests_is_heard_once() {
    let mut harness = harness();
    harness.receive(&[exists(1), exists(2)].concat());
    let heard = |harness: &Harness| {
        harness.actions.iter().filter(|action| matches!(action, ConnectionAction::Heard(_))).count()
    };
    assert_eq!(heard(&harness), 1);
    harness.advance();
    assert_eq!(heard(&harness), 1);
    harness.receive(&create(3));
    assert_eq!(heard(&harness), 2);
    harness.receive(&auth("digest", b"u:p"));
    assert_eq!(heard(&harness), 2, "credentials alone do not count");
}

#[test]
fn reports_show_the_last_reply() {
    let mut harness = harness();
    harness.receive(&exists(5));
    harness.receive(&create(6));
    harness.now.0 += 7;
    assert_eq!(harness.outbox.stats().outstanding, 1);
    harness.settle();
    harness.receive(&ping());
    let stats = *harness.outbox.stats();
    assert_eq!((stats.received, stats.sent, stats.outstanding), (4, 4, 0), "the handshake counts");
    assert_eq!((stats.last_op, stats.last_cxid), ("PING", 6));
    assert_eq!((stats.min_latency_ms(), stats.max_latency_ms), (0, 7));
    harness.outbox.reset_stats();
    let stats = *harness.outbox.stats();
    assert_eq!((stats.received, stats.sent, stats.last_op, stats.last_cxid), (0, 0, "NA", -1));
    assert_eq!(harness.outbox.share().received, 4, "the server's numbers stay");
}
