use alloc::string::String;

use jute::txn::{CreateTxn, SetDataTxn};
use jute::{Txn, Zxid};

use crate::State;
use crate::quota::{self, Limited};
use crate::test_support::*;

fn with_quota(limits: &str) -> (State, i64) {
    let mut state = State::new(SETTINGS);
    let txns = [
        create("/a", b"12345", false, -1),
        create("/a/b", b"678", false, -1),
        create("/zookeeper/quota/a", b"", false, -1),
        create("/zookeeper/quota/a/zookeeper_limits", limits.as_bytes(), false, -1),
        create("/zookeeper/quota/a/zookeeper_stats", b"count=0,bytes=0", false, -1),
    ];
    let mut zxid = 0;
    for txn in txns {
        zxid += 1;
        apply(&mut state, &record(zxid, txn));
    }
    (state, zxid)
}

fn stats(state: &State) -> String {
    let node = state.node("/zookeeper/quota/a/zookeeper_stats").unwrap();
    String::from_utf8(node.data().unwrap().to_vec()).unwrap()
}

#[test]
fn statistics_follow_every_change_without_a_trace_in_the_stat() {
    let (mut state, mut zxid) = with_quota("count=1,bytes=1");
    assert_eq!(stats(&state), "count=2,bytes=8", "computed when the node is created");
    let null = Txn::SetData(SetDataTxn { path: "/a".into(), data: None, version: 2 });
    let no_data = Txn::Create(CreateTxn { path: "/a/n".into(), parent_cversion: -1, ..CreateTxn::default() });
    for (txn, expected) in [
        (create("/a/c", b"xy", false, -1), "count=3,bytes=10"),
        (set_data("/a/c", b"xyz", 1), "count=3,bytes=11"),
        (set_data("/a", b"", 1), "count=3,bytes=6"),
        (null, "count=3,bytes=6"),
        (no_data, "count=4,bytes=6"),
        (create("/ab", b"zzz", false, -1), "count=4,bytes=6"),
        (delete("/a/c"), "count=3,bytes=3"),
    ] {
        zxid += 1;
        apply(&mut state, &record(zxid, txn));
        assert_eq!(stats(&state), expected);
        assert_eq!(state.digest(), Model::of(&state).digest());
    }
    let stat = state.node("/zookeeper/quota/a/zookeeper_stats").unwrap().stat();
    assert_eq!((stat.version, stat.mzxid), (0, Zxid(5)));
    apply(&mut state, &record(zxid + 1, delete("/zookeeper/quota/a/zookeeper_limits")));
    apply(&mut state, &record(zxid + 2, delete("/a/b")));
    assert_eq!((stats(&state).as_str(), state.quota_prefix("/a/b")), ("count=3,bytes=3", None));
}

#[test]
fn statistics_that_are_no_numbers_stay_as_they_are() {
    let (mut state, zxid) = with_quota("count=1");
    apply(&mut state, &record(zxid + 1, set_data("/zookeeper/quota/a/zookeeper_stats", b"?", 1)));
    apply(&mut state, &record(zxid + 2, delete("/a/b")));
    assert_eq!(stats(&state), "?");
    apply(&mut state, &record(zxid + 3, create("/zookeeper/quota/zookeeper_limits", b"", false, -1)));
    assert_eq!(state.quota_paths().collect::<alloc::vec::Vec<_>>(), ["/a"], "no quota on the root");
}

#[test]
fn a_hard_limit_refuses_and_a_soft_one_warns() {
    let hard_count = Some((Limited::Count, true));
    for (limits, bytes, count, expected) in [
        ("count=-1,bytes=-1", 1000, 1000, [None, None]),
        ("count=3,bytes=8", 0, 1, [None, None]),
        ("count=2,bytes=8", 0, 1, [Some((Limited::Count, false)), None]),
        ("count=2,bytes=8", 1, 1, [Some((Limited::Count, false)), Some((Limited::Bytes, false))]),
        ("count=9,bytes=9=;byteHardLimit=8;countHardLimit=2", 1, 1, [hard_count, None]),
        ("count=1,bytes=9=;byteHardLimit=8;countHardLimit=3", 1, 1, [Some((Limited::Bytes, true)), None]),
        ("count=1,bytes=1=;byteHardLimit=1", 0, 0, [None, None]),
        ("?", 1000, 1000, [None, None]),
    ] {
        let (state, _) = with_quota(limits);
        let exceeded = quota::check(&state, "/a/x", bytes, count);
        let mut found = exceeded.iter().map(|exceeded| (exceeded.what, exceeded.is_hard));
        assert_eq!([found.next(), found.next()], expected, "{limits}");
    }
    let (state, _) = with_quota("count=1");
    assert!(quota::check(&state, "/b", 100, 100).is_empty());
}
