use alloc::string::{String, ToString};
use alloc::{vec, vec::Vec};

use jute::txn::{CheckVersionTxn, CloseSessionTxn, CreateTTLTxn, CreateTxn, ErrorTxn, TxnDigest};
use jute::{ErrorCode, OpCode, SessionId, Txn, Zxid};

use crate::apply::{ApplyErrorKind, ClosedEphemeral, OpResult};
use crate::test_support::*;
use crate::{DigestCheck, DigestMismatch, State, StateSettings, ZxidDigest};

fn state_with(txns: &[Txn]) -> State {
    let mut state = State::new(SETTINGS);
    for (zxid, txn) in (1..).zip(txns) {
        apply(&mut state, &record(zxid, txn.clone()));
    }
    state
}

#[test]
fn a_creation_raises_the_parents_version_only() {
    for (given, expected) in [(-1, 1), (0, 0), (1, 1), (5, 5), (i32::MIN, 0)] {
        let state = state_with(&[create("/a", b"", false, 1), create("/a/b", b"x", false, given)]);
        let parent = state.node("/a").unwrap();
        assert_eq!(parent.stat_persisted().cversion, expected, "{given}");
        assert_eq!(parent.stat().pzxid, Zxid(if expected > 0 { 2 } else { 1 }));
        assert_eq!(parent.stat().mzxid, Zxid(1));
    }
    // An unknown version after the greatest one wraps, and then does not count as higher.
    let mut state = state_with(&[create("/a", b"", false, 1), create("/a/b", b"", false, i32::MAX)]);
    apply(&mut state, &record(3, create("/a/c", b"", false, -1)));
    assert_eq!(state.node("/a").unwrap().stat_persisted().cversion, i32::MAX);
}

#[test]
fn a_deletion_moves_the_parents_pzxid_and_leaves_its_version() {
    let state = state_with(&[create("/a", b"", false, 1), create("/a/b", b"", false, 1), delete("/a/b")]);
    let stat = state.node("/a").unwrap().stat();
    assert_eq!((stat.pzxid, stat.cversion, stat.num_children, stat.version), (Zxid(3), 2, 0, 0));
}

#[test]
fn stats_in_the_result_are_those_right_after_each_part() {
    let mut state = state_with(&[]);
    let parts = vec![
        create("/a", b"", false, 1),
        create("/a/b", b"xyz", false, 1),
        set_data("/a", b"12", 1),
        Txn::Check(CheckVersionTxn { path: "/a".into(), version: 1 }),
        delete("/a/b"),
        set_data("/a", b"1", 2),
    ];
    let record = record(9, Txn::Multi(parts));
    let (result, _) = apply(&mut state, &record);
    let OpResult::Multi(parts) = result.result else { panic!("a multi") };
    let seen: Vec<_> = parts
        .iter()
        .map(|part| match part {
            OpResult::Created { op, path, stat } => {
                assert_eq!(*op, OpCode::Create);
                (*path, stat.num_children, stat.data_length, stat.version)
            }
            OpResult::DataSet { path, stat } => (*path, stat.num_children, stat.data_length, stat.version),
            OpResult::Checked { path } => (*path, -1, -1, -1),
            OpResult::Deleted { path } => (*path, -2, -2, -2),
            OpResult::SessionCreated { .. }
            | OpResult::SessionClosed(_)
            | OpResult::AclSet { .. }
            | OpResult::Error { .. }
            | OpResult::Multi(_) => panic!("{part:?}"),
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("/a", 0, 0, 0),
            ("/a/b", 0, 3, 0),
            ("/a", 1, 2, 1),
            ("/a", -1, -1, -1),
            ("/a/b", -2, -2, -2),
            ("/a", 0, 1, 2)
        ]
    );
    assert_eq!(state.last_processed_zxid(), Zxid(9));
}

#[test]
fn a_failed_multi_changes_nothing_but_the_zxid() {
    let mut state = state_with(&[]);
    let before = state.digest();
    let no_node = ErrorCode::NoNode.code();
    let parts = vec![
        create("/a", b"", false, 1),
        Txn::Error(ErrorTxn { err: no_node }),
        Txn::Error(ErrorTxn { err: ErrorCode::RuntimeInconsistency.code() }),
        delete("/b"),
    ];
    let record = record(3, Txn::Multi(parts));
    let (result, triggers) = apply(&mut state, &record);
    let error = |code| OpResult::Error { code };
    assert_eq!(result.result, OpResult::Multi(vec![error(0), error(no_node), error(-2), error(-2)]));
    assert_eq!(result.result.error_code(), no_node);
    assert!(triggers.is_empty() && state.node("/a").is_none());
    assert_eq!((state.digest(), state.last_processed_zxid()), (before, Zxid(3)));
}

#[test]
fn a_session_takes_its_znodes_along() {
    let txns = [create("/e1", b"", true, 1), create("/e2", b"", true, 2), create("/p", b"", false, 3)];
    let closed = |path: &str, was_deleted| ClosedEphemeral { path: path.to_string(), was_deleted };
    let listed = |paths: &[&str]| {
        let paths_to_delete = paths.iter().map(|path| (*path).to_string()).collect();
        Some(CloseSessionTxn { paths_to_delete })
    };
    for (txn, expected) in [
        (None, vec![closed("/e1", true), closed("/e2", true)]),
        (listed(&[]), vec![closed("/e1", true), closed("/e2", true)]),
        (
            listed(&["/e2", "/gone/x", "/gone"]),
            vec![closed("/e2", true), closed("/gone/x", false), closed("/gone", false), closed("/e1", true)],
        ),
        (listed(&["/p"]), vec![closed("/p", true), closed("/e1", true), closed("/e2", true)]),
    ] {
        let mut state = state_with(&txns);
        assert_eq!(state.orphaned_sessions().collect::<Vec<_>>(), [SESSION]);
        let record = record(9, Txn::CloseSession(txn));
        let (result, _) = apply(&mut state, &record);
        assert_eq!(result.result, OpResult::SessionClosed(expected));
        assert_eq!((state.ephemerals_count(), state.sessions_with_ephemerals().len()), (0, 0));
        assert_eq!(state.node("/").unwrap().stat().pzxid, Zxid(9));
    }
}

#[test]
fn ephemerals_are_listed_by_plain_prefix() {
    let state = state_with(&[create("/ea", b"", true, 1), create("/eb", b"", true, 2)]);
    for (prefix, count) in [("", 2), (" / ", 2), ("/", 2), ("/e", 2), ("/ea", 1), ("ea", 0), ("/ea/", 0)] {
        assert_eq!(state.ephemerals_with_prefix(SESSION, prefix).count(), count, "{prefix:?}");
    }
    assert_eq!(state.ephemerals(SessionId(1)).count(), 0);
}

#[test]
fn only_the_acl_and_its_version_change_with_an_acl() {
    let mut state = state_with(&[create("/a", b"x", false, 1)]);
    let before = *state.node("/a").unwrap().stat_persisted();
    apply(&mut state, &record(5, set_acl("/a", digest_acl("u"), 1)));
    let node = state.node("/a").unwrap();
    assert_eq!(*node.stat_persisted(), jute::data::StatPersisted { aversion: 1, ..before });
    assert_eq!(node.acl(), digest_acl("u"));
    assert_eq!(state.acl_count(), 2, "that of the configuration node and this one");
    let no_acl = Txn::Create(CreateTxn {
        path: "/open".into(),
        acl: None,
        parent_cversion: 2,
        ..CreateTxn::default()
    });
    apply(&mut state, &record(6, no_acl));
    let node = state.node("/open").unwrap();
    assert_eq!((node.acl(), node.acl_key()), (&*crate::acl::open(), -1));
    assert_eq!(node.data(), None);
}

#[test]
fn what_cannot_be_applied_is_an_error() {
    let ttl = Txn::CreateTtl(CreateTTLTxn {
        path: "/t".into(),
        ttl: -1,
        parent_cversion: 9,
        ..CreateTTLTxn::default()
    });
    for (txn, kind) in [
        (create("/x/y", b"", false, 1), ApplyErrorKind::NoNode),
        (create("/a", b"", false, 1), ApplyErrorKind::NodeExists),
        (create("/a/", b"", false, 1), ApplyErrorKind::InvalidPath),
        (create("a", b"", false, 1), ApplyErrorKind::InvalidPath),
        (delete("/a"), ApplyErrorKind::NotEmpty),
        (delete("/x"), ApplyErrorKind::NoNode),
        (set_data("/x", b"", 1), ApplyErrorKind::NoNode),
        (set_acl("/x", vec![], 1), ApplyErrorKind::NoNode),
        (ttl, ApplyErrorKind::InvalidTtl(-1)),
        (Txn::Multi(vec![Txn::Multi(vec![])]), ApplyErrorKind::InvalidPart),
    ] {
        let mut state = state_with(&[create("/a", b"", false, 1), create("/a/b", b"", false, 1)]);
        let error = state.apply(&record(9, txn.clone()), &mut |_| ()).unwrap_err();
        assert_eq!((error.kind, error.zxid), (kind, Zxid(9)), "{txn:?}");
        assert_eq!(state.last_processed_zxid(), Zxid(2), "the zxid does not move");
    }
}

#[test]
fn a_digest_of_the_same_version_is_compared() {
    let mut expected = state_with(&[create("/a", b"", false, 1)]);
    let differs =
        DigestCheck::Differs(DigestMismatch { expected: expected.digest() + 1, actual: expected.digest() });
    let off = StateSettings { digest_enabled: false, ..SETTINGS };
    for (settings, version, offset, outcome) in [
        (SETTINGS, 2, 0, DigestCheck::Equal),
        (SETTINGS, 2, 1, differs),
        (SETTINGS, 3, 1, DigestCheck::NotCompared),
        (off, 2, 1, DigestCheck::NotCompared),
    ] {
        let mut state = State::new(settings);
        let mut txn = record(1, create("/a", b"", false, 1));
        txn.digest = Some(TxnDigest { version, tree_digest: expected.digest() + offset });
        let (result, _) = apply(&mut state, &txn);
        assert_eq!(result.digest, outcome);
        let digest = if settings.digest_enabled { expected.digest() } else { 0 };
        assert_eq!(state.last_digest(), Some(ZxidDigest { zxid: Zxid(1), digest }));
    }
    let error = || Txn::Error(ErrorTxn { err: -1 });
    for zxid in 2..=256 {
        apply(&mut expected, &record(zxid, error()));
    }
    assert_eq!(expected.digest_history().map(|entry| entry.zxid.0).collect::<Vec<_>>(), [128, 256]);
}

#[test]
fn descendants_are_counted_as_the_reference_does() {
    let state = state_with(&[
        create("/a", b"", false, 1),
        create("/a/b", b"", false, 1),
        create("/a/b/c", b"", false, 1),
        create("/ab", b"", false, 2),
    ]);
    for (path, count) in [("/a", 2), ("/a/b", 1), ("/a/b/c", 0), ("/ab", 0), ("/", 7), ("", 8), ("/a/", 0)] {
        assert_eq!(state.all_children_number(path), count, "{path}");
    }
    let found: Vec<Option<String>> =
        ["a", "/a/", "//a", "/a/b", ""].map(|path| state.node(path).map(|node| node.path())).into();
    assert_eq!(found, [None, None, None, Some("/a/b".to_string()), Some(String::new())]);
}
