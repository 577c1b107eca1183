extern crate std;

use std::{sync::Arc, vec, vec::Vec};

use jute::{ErrorCode, SessionId, Zxid, data::Id, proto::ReplyHeader, write};

use super::*;
use crate::{settings::PipelineSettings, time::Millis};

fn outbox(outbox_bytes_max: usize) -> Outbox {
    let settings = PipelineSettings { outbox_bytes_max, ..PipelineSettings::default() };
    Outbox::new(Arc::new(settings), Arc::new([Id { scheme: "ip".into(), id: "127.0.0.1".into() }]))
}

fn reply(outbox: &mut Outbox, xid: i32, err: ErrorCode) {
    outbox.reply(ReplyHeader { xid, zxid: Zxid(5), err: err.code() }, |out| write::int(out, 9));
}

#[test]
fn a_reply_has_a_body_only_without_an_error() {
    let mut outbox = outbox(1000);
    reply(&mut outbox, 1, ErrorCode::Ok);
    reply(&mut outbox, 2, ErrorCode::NoNode);
    let zxid = [0, 0, 0, 0, 0, 0, 0, 5];
    let expected = [
        &[0, 0, 0, 20, 0, 0, 0, 1][..],
        &zxid,
        &[0, 0, 0, 0, 0, 0, 0, 9],
        &[0, 0, 0, 16, 0, 0, 0, 2],
        &zxid,
        &[0xff, 0xff, 0xff, 0x9b],
    ]
    .concat();
    assert_eq!(outbox.len(), expected.len());
    assert_eq!(outbox.take_bytes(), expected);
    assert!(outbox.is_empty());
    assert_eq!((outbox.stats().sent, outbox.share().last_sent), (2, 16));
}

#[test]
fn one_frame_may_pass_the_cap_and_no_second() {
    let mut outbox = outbox(10);
    reply(&mut outbox, 1, ErrorCode::Ok);
    assert!(outbox.over_cap());
    assert_eq!(outbox.closed(), None);
    reply(&mut outbox, 2, ErrorCode::Ok);
    assert_eq!(outbox.closed(), Some(CloseReason::OutboxFull { limit: 10 }));
    assert_eq!(outbox.take_bytes().len(), 24, "the first still goes out");
}

#[test]
fn nothing_follows_the_end() {
    let mut outbox = outbox(1000);
    reply(&mut outbox, 1, ErrorCode::Ok);
    outbox.close(CloseReason::SessionClosed);
    outbox.close(CloseReason::Shutdown);
    reply(&mut outbox, 2, ErrorCode::Ok);
    outbox.connected(Opened { session: SessionId(1), timeout_ms: 1 }, &[0; PASSWORD_LEN]);
    assert_eq!(outbox.closed(), Some(CloseReason::SessionClosed), "the first reason stays");
    assert_eq!(outbox.take_bytes().len(), 24);
}

#[test]
fn two_buffers_serve_for_good() {
    let mut outbox = outbox(1000);
    let mut spare = vec![1, 2, 3];
    reply(&mut outbox, 1, ErrorCode::Ok);
    outbox.swap_bytes(&mut spare);
    assert_eq!((spare.len(), outbox.len()), (24, 0));
    reply(&mut outbox, 2, ErrorCode::Ok);
    assert_eq!(outbox.len(), 24);
}

#[test]
fn latencies_are_kept_twice() {
    let mut outbox = outbox(1000);
    let answered = |outbox: &mut Outbox, xid, from, to| {
        outbox.answered(Answered { xid, zxid: Zxid(3), op: "GETD", received: Millis(from), now: Millis(to) });
    };
    answered(&mut outbox, 7, 10, 30);
    answered(&mut outbox, -2, 10, 15);
    let shown = |outbox: &Outbox| {
        let stats = outbox.stats();
        (
            stats.last_cxid,
            stats.min_latency_ms(),
            stats.avg_latency_ms(),
            stats.max_latency_ms,
            stats.last_latency_ms,
        )
    };
    assert_eq!(shown(&outbox), (7, 0, 12, 20, 5), "the least is zero until the first reset");
    outbox.reset_stats();
    assert_eq!(shown(&outbox), (-1, 0, 0, 0, 0));
    answered(&mut outbox, 8, 10, 13);
    assert_eq!(shown(&outbox), (8, 3, 3, 3, 3));
    let latency = outbox.share().latency;
    assert_eq!((latency.count, latency.min_ms, latency.max_ms, latency.total_ms), (3, Some(3), 20, 28));
    outbox.reset_share();
    assert_eq!(outbox.share().latency.min_ms, None);
}

#[test]
fn shares_add_up() {
    let mut sum = Share::default();
    let mut first = outbox(1000);
    reply(&mut first, 1, ErrorCode::Ok);
    let mut second = outbox(1000);
    reply(&mut second, 1, ErrorCode::NoNode);
    for outbox in [&first, &second, &outbox(1000)] {
        sum.merge(outbox.share());
    }
    assert_eq!((sum.sent, sum.least_sent, sum.largest_sent, sum.last_sent), (2, Some(16), 20, 16));
}

#[test]
fn each_reason_has_its_own_name() {
    let reasons: Vec<CloseReason> = vec![
        CloseReason::SessionClosed,
        CloseReason::SessionExpired,
        CloseReason::SessionMoved,
        CloseReason::ClientReconnect,
        CloseReason::UnknownSession,
        CloseReason::ZxidAhead { seen: Zxid(2), last: Zxid(1) },
        CloseReason::NotReadOnlyClient,
        CloseReason::GlobalSessionReadOnly,
        CloseReason::UnknownOp { op_code: 10 },
        CloseReason::AuthFailed,
        CloseReason::AuthRequired,
        CloseReason::MalformedFrame { what: "RequestHeader" },
        CloseReason::NegativeFrame { length: -1 },
        CloseReason::FrameTooLong { len: 2, limit: 1 },
        CloseReason::LargeRequest { len: 2, limit: 1 },
        CloseReason::OutboxFull { limit: 1 },
        CloseReason::HandshakeTimeout { limit_ms: 1 },
        CloseReason::TooManyWatches { limit: 1 },
        CloseReason::Throttled,
        CloseReason::NotServing,
        CloseReason::Shutdown,
        CloseReason::RoleChanged,
        CloseReason::RequestDropped,
        CloseReason::Requested,
        CloseReason::PeerClosed,
        CloseReason::Peer { what: "reset" },
    ];
    let names: Vec<&str> = reasons.iter().map(CloseReason::name).collect();
    assert_eq!(names, CloseReason::NAMES);
    let mut texts: Vec<_> = reasons.iter().map(std::string::ToString::to_string).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), reasons.len());
}

fn acl(scheme: &str, id: &str) -> Vec<Acl> {
    vec![Acl { perms: jute::perms::READ, id: Id { scheme: scheme.into(), id: id.into() } }]
}

#[test]
fn an_event_is_these_bytes() {
    let mut outbox = outbox(1000);
    outbox.event(EventKind::DataChanged, "/a", Zxid(7), Some(&acl("world", "anyone")));
    let expected = [
        &[0, 0, 0, 30][..],
        &[0xff; 4],
        &[0, 0, 0, 0, 0, 0, 0, 7],
        &[0, 0, 0, 0],
        &[0, 0, 0, 3],
        &[0, 0, 0, 3],
        &[0, 0, 0, 2, b'/', b'a'],
    ]
    .concat();
    assert_eq!(outbox.take_bytes(), expected);
    outbox.unfiltered_event(EventKind::ChildrenChanged, "", Zxid::NONE);
    let caught_up =
        [&[0, 0, 0, 28][..], &[0xff; 12], &[0, 0, 0, 0], &[0, 0, 0, 4], &[0, 0, 0, 3], &[0, 0, 0, 0]]
            .concat();
    assert_eq!(outbox.take_bytes(), caught_up);
    assert_eq!(outbox.stats().outstanding, 0, "an event answers nothing");
}

#[test]
fn who_may_not_read_hears_of_nothing() {
    let user = Id { scheme: "digest".into(), id: "u:hash".into() };
    let told = |list: Option<&[Acl]>, identities: &[Id]| {
        let mut outbox = outbox(1000);
        outbox.set_identities(identities.into());
        outbox.event(EventKind::Deleted, "/a", Zxid(7), list);
        !outbox.is_empty()
    };
    let list = acl("digest", "u:hash");
    let write_only = [Acl { perms: jute::perms::WRITE, ..acl("world", "anyone").remove(0) }];
    assert!(!told(Some(&list), &[]));
    assert!(told(Some(&list), &[user]), "the identities of this moment count");
    assert!(told(Some(&list), &[Id { scheme: "super".into(), id: "".into() }]));
    assert!(!told(Some(&write_only), &[]));
    assert!(told(None, &[]), "without a list everybody may read");
}
