use alloc::vec::Vec;

use jute::{Txn, Zxid};

use crate::State;
use crate::test_support::Told;
use crate::test_support::*;
use crate::watches::EventKind::{ChildrenChanged, Created, DataChanged, Deleted};

fn told(triggers: &[Told]) -> Vec<(crate::EventKind, &str)> {
    triggers.iter().map(|trigger| (trigger.kind, trigger.path.as_str())).collect()
}

#[test]
fn each_change_fires_in_the_references_order() {
    let mut state = State::new(SETTINGS);
    for (zxid, txn, expected) in [
        (1, create("/a", b"", false, 1), &[(Created, "/a"), (ChildrenChanged, "/")][..]),
        (2, create("/a/b", b"", false, 1), &[(Created, "/a/b"), (ChildrenChanged, "/a")]),
        (3, set_data("/a/b", b"", 1), &[(DataChanged, "/a/b")]),
        (4, set_data("/", b"", 1), &[(DataChanged, "/")]),
        (5, set_acl("/a/b", digest_acl("u"), 1), &[]),
        (6, delete("/a/b"), &[(Deleted, "/a/b"), (ChildrenChanged, "/a")]),
        (7, create("/e", b"", true, 2), &[(Created, "/e"), (ChildrenChanged, "/")]),
        (8, Txn::CloseSession(None), &[(Deleted, "/e"), (ChildrenChanged, "/")]),
        (
            9,
            Txn::Multi([set_data("/a", b"", 1), delete("/a")].into()),
            &[(DataChanged, "/a"), (Deleted, "/a"), (ChildrenChanged, "/")],
        ),
    ] {
        let (_, triggers) = apply(&mut state, &record(zxid, txn));
        assert_eq!(told(&triggers), expected);
        assert!(triggers.iter().all(|trigger| trigger.zxid == Zxid(zxid)));
    }
}

#[test]
fn a_trigger_carries_the_acl_of_the_znode_it_names() {
    let mut state = State::new(SETTINGS);
    apply(&mut state, &record(1, create("/a", b"", false, 1)));
    apply(&mut state, &record(2, create("/a/b", b"", false, 1)));
    apply(&mut state, &record(3, set_acl("/a", digest_acl("parent"), 1)));
    apply(&mut state, &record(4, set_acl("/a/b", digest_acl("child"), 1)));
    let (_, triggers) = apply(&mut state, &record(5, set_data("/a/b", b"", 1)));
    assert_eq!(triggers[0].acl, digest_acl("child"));
    let (_, triggers) = apply(&mut state, &record(6, delete("/a/b")));
    assert_eq!((&triggers[0].acl, &triggers[1].acl), (&digest_acl("child"), &digest_acl("parent")));
}
