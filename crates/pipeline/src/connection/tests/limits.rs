extern crate std;

use std::{vec, vec::Vec};

use jute::{
    OpCode, Record,
    multi::{MultiOp, MultiRequest},
    proto, write,
};

use super::{
    super::harness::{Harness, open_acl, request_frame},
    closed, harness, outline, path_int, path_watch,
};
use crate::{
    outbox::CloseReason,
    settings::{LargeRequestSettings, PipelineSettings},
};

fn with(change: impl FnOnce(&mut PipelineSettings)) -> Harness {
    let mut settings = PipelineSettings::default();
    change(&mut settings);
    let mut harness = Harness::established(settings);
    harness.create("/a", &[7; 1000], open_acl());
    harness
}

fn get_data(xid: i32) -> Vec<u8> {
    request_frame(xid, OpCode::GetData, path_watch("/a", false))
}

fn sync(xid: i32, len: usize) -> Vec<u8> {
    request_frame(xid, OpCode::Sync, |out| {
        write::string(out, "/");
        out.resize(len.max(out.len()), 0);
    })
}

#[test]
fn a_connection_pauses_while_much_waits_for_its_client() {
    let mut harness = with(|settings| settings.outbox_bytes_max = 4000);
    let requests: Vec<u8> = (1..=10).flat_map(get_data).collect();
    harness.receive(&requests);
    let mut answered = Vec::new();
    while !harness.outbox.is_empty() {
        assert!(!harness.outbox.over_cap());
        answered.extend(outline(&harness.outbox.take_bytes()));
        harness.advance();
    }
    assert_eq!(answered.len(), 10);
    assert_eq!(closed(&harness), None);
}

#[test]
fn several_reads_must_fit_what_may_wait() {
    let mut harness = with(|settings| settings.outbox_bytes_max = 4000);
    let read = || MultiOp::GetData(proto::GetDataRequest { path: "/a".into(), watch: false });
    for (count, expected) in [(3, None), (4, Some(CloseReason::OutboxFull { limit: 4000 }))] {
        let ops = (0..count).map(|_| read()).collect();
        harness.receive(&request_frame(1, OpCode::MultiRead, |out| MultiRequest { ops }.encode(out)));
        assert_eq!(harness.outbox.take_bytes().is_empty(), expected.is_some());
        assert_eq!(closed(&harness), expected);
    }
}

#[test]
fn watches_have_a_limit() {
    let mut harness = with(|settings| settings.watches_per_connection_max = 2);
    for (xid, path) in [(1, "/a"), (2, "/b")] {
        harness.receive(&request_frame(xid, OpCode::Exists, path_watch(path, true)));
    }
    assert_eq!(closed(&harness), None);
    harness.receive(&request_frame(3, OpCode::AddWatch, path_int("/c", 1)));
    assert_eq!(closed(&harness), Some(CloseReason::TooManyWatches { limit: 2 }));
}

#[test]
fn setting_watches_again_obeys_the_limit() {
    let mut harness = with(|settings| settings.watches_per_connection_max = 2);
    let missing = vec!["/x".into(), "/y".into(), "/z".into()];
    let request = proto::SetWatches { exist_watches: missing, ..proto::SetWatches::default() };
    harness.receive(&request_frame(-8, OpCode::SetWatches, |out| request.encode(out)));
    assert_eq!(closed(&harness), Some(CloseReason::TooManyWatches { limit: 2 }));
}

#[test]
fn input_is_bounded_and_goes_on_when_handled() {
    let mut harness = harness();
    harness.receive(&sync(1, 0));
    let mut read = 0;
    while harness.connection.wants_more() {
        let frame = sync(2, 100_000);
        read += frame.len();
        harness.receive(&get_data(3));
        harness.connection.received(&frame[..frame.len() - 1]);
        harness.connection.received(&frame[frame.len() - 1..]);
        harness.advance();
    }
    assert!(read < 1_300_000, "{read}");
    harness.settle();
    assert!(harness.connection.wants_more());
}

#[test]
fn a_throttled_server_reads_no_further_from_who_has_something_under_way() {
    let mut harness = harness();
    harness.throttled = true;
    harness.receive(&[get_data(1), get_data(2)].concat());
    assert_eq!(outline(&harness.outbox.take_bytes()), ["1 OK", "2 OK"]);
    harness.receive(&[sync(3, 0), sync(4, 0)].concat());
    assert_eq!(harness.forwarded.len(), 1);
    harness.throttled = false;
    harness.advance();
    assert_eq!(harness.forwarded.len(), 2);
}

#[test]
fn large_requests_have_a_limit_together() {
    let large = |settings: &mut PipelineSettings| {
        settings.large_request = LargeRequestSettings { threshold: Some(100), max_bytes: 1000 };
    };
    let mut harness = with(large);
    harness.receive(&[sync(1, 400), sync(2, 50), sync(3, 400)].concat());
    assert_eq!(harness.connection.large_request_bytes(), 2 * 388);
    harness.answer_one();
    harness.advance();
    assert_eq!(harness.connection.large_request_bytes(), 388);
    harness.large_request_bytes = 1000 - 388 - 395;
    harness.receive(&sync(4, 400));
    assert_eq!(closed(&harness), Some(CloseReason::LargeRequest { len: 396, limit: 1000 }));

    let mut unlimited = with(|_| ());
    unlimited.large_request_bytes = usize::MAX;
    unlimited.receive(&sync(1, 400));
    assert_eq!(closed(&unlimited), None);
}

#[test]
fn who_stops_serving_closes_at_the_next_frame() {
    let mut harness = harness();
    harness.serving = false;
    harness.advance();
    assert_eq!(closed(&harness), None);
    harness.receive(&get_data(1)[..4]);
    assert_eq!(closed(&harness), Some(CloseReason::NotServing));
}

#[test]
fn one_turn_does_not_hold_the_state_for_long() {
    let mut harness = harness();
    let requests: Vec<u8> = (1..=600).flat_map(get_data).collect();
    harness.connection.received(&requests);
    let mut turns = Vec::new();
    let mut more = true;
    while more {
        more = harness.advance_once();
        turns.push(outline(&harness.outbox.take_bytes()).len());
    }
    assert_eq!(turns, [256, 256, 88]);
}
