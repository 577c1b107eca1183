use alloc::vec;

use jute::txn::{CloseSessionTxn, CreateTxn};
use jute::{Txn, Zxid};

use crate::State;
use crate::test_support::*;

#[test]
fn a_create_over_an_existing_znode_adjusts_the_parent_and_the_acl() {
    let create2 = |path: &str, parent_cversion| {
        Txn::Create2(CreateTxn {
            path: path.into(),
            acl: Some(digest_acl("u")),
            parent_cversion,
            ..CreateTxn::default()
        })
    };
    for (txn, cversion, pzxid) in [
        (create("/a/b", b"new", false, 9), 9, Zxid(5)),
        (create("/a/b", b"new", false, -1), 2, Zxid(5)),
        (create("/a/b", b"new", false, 1), 1, Zxid(2)),
        (create2("/a/b", 9), 1, Zxid(2)),
        (Txn::Multi(vec![create("/a/b", b"new", false, 9)]), 9, Zxid(5)),
    ] {
        let mut state = State::new(SETTINGS);
        apply(&mut state, &record(1, create("/a", b"", false, 1)));
        apply(&mut state, &record(2, create("/a/b", b"old", false, 1)));
        apply(&mut state, &record(3, set_acl("/a/b", crate::acl::read_only(), 1)));
        state.apply_fuzzy(&record(5, txn.clone())).unwrap();
        let (parent, child) = (state.node("/a").unwrap(), state.node("/a/b").unwrap());
        assert_eq!((parent.stat_persisted().cversion, parent.stat().pzxid), (cversion, pzxid), "{txn:?}");
        assert_eq!(child.data(), Some(&b"old"[..]));
        assert_eq!(child.stat_persisted().aversion, 1);
        assert_ne!(child.acl(), crate::acl::read_only());
        assert_eq!(state.last_processed_zxid(), Zxid(5));
        assert_eq!(state.digest(), Model::of(&state).digest());
    }
}

#[test]
fn what_is_not_there_is_passed_over() {
    for txn in [
        create("/x/y", b"", false, 1),
        delete("/x"),
        delete("/x/y"),
        set_data("/x", b"", 1),
        set_acl("/x", vec![], 1),
        Txn::Multi(vec![delete("/x"), create("/ok", b"", false, 1)]),
        Txn::CloseSession(Some(CloseSessionTxn { paths_to_delete: vec!["/x".into()] })),
    ] {
        let mut state = State::new(SETTINGS);
        state.apply_fuzzy(&record(3, txn.clone())).unwrap();
        assert_eq!(state.last_processed_zxid(), Zxid(3));
        assert_eq!(state.node("/ok").is_some(), matches!(txn, Txn::Multi(_)));
    }
}

#[test]
fn a_deletion_takes_along_what_was_created_below_later() {
    for deletion in
        [delete("/a"), Txn::CloseSession(Some(CloseSessionTxn { paths_to_delete: vec!["/a".into()] }))]
    {
        let mut state = State::new(SETTINGS);
        let fresh = Model::of(&state);
        for (zxid, path) in [(1, "/a"), (2, "/a/b"), (3, "/a/b/c"), (4, "/a/d")] {
            apply(&mut state, &record(zxid, create(path, b"x", false, -1)));
        }
        state.apply_fuzzy(&record(1, deletion)).unwrap();
        assert!(Model::of(&state).nodes.keys().eq(fresh.nodes.keys()));
        assert_eq!(state.approximate_data_size(), 44);
        assert_eq!(state.digest(), Model::of(&state).digest());
    }
}
