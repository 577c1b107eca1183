use alloc::string::ToString;
use alloc::{vec, vec::Vec};

use jute::data::StatPersisted;
use jute::snapshot::{DataNode, SnapshotItem};
use jute::{SessionId, Zxid};
use proptest::prelude::*;

use super::*;
use crate::test_support::*;
use crate::{State, StateSettings};

/// The whole picture without changes in between.
fn items(state: &mut State) -> Vec<SnapshotItem> {
    let mut view = View::begin(state);
    let mut items = Vec::new();
    while !view.is_finished() {
        items.extend(view.next_slice(state, 7).unwrap());
    }
    items
}

fn build(items: Vec<SnapshotItem>, zxid: Zxid) -> Result<State, BuildError> {
    let mut builder = Builder::new(SETTINGS);
    for item in items {
        builder.push(item)?;
    }
    builder.finish(zxid)
}

/// Applies what can be applied of the wishes.
fn grow(state: &mut State, model: &mut Model, wishes: &[Wish]) {
    for record in wishes.iter().filter_map(|wish| model.grant(wish)) {
        apply(state, &record);
    }
}

proptest! {
    #[test]
    fn a_view_is_the_state_at_its_beginning(
        before in wishes(80),
        between in prop::collection::vec((1_usize..5, wishes(8)), 0..40),
        late in wishes(20),
    ) {
        let (mut state, mut model) = (State::new(SETTINGS), Model::new());
        grow(&mut state, &mut model, &before);
        let (expected, digest) = (model.clone(), state.digest());
        let expected_items = items(&mut state);
        let mut view = View::begin(&mut state);
        let mut second = None;
        let mut found = Vec::new();
        for (step, (slice, wishes)) in between.iter().enumerate() {
            grow(&mut state, &mut model, wishes);
            if step == 3 {
                second = Some((View::begin(&mut state), model.clone()));
            }
            found.extend(view.next_slice(&state, *slice).unwrap());
        }
        while !view.is_finished() {
            found.extend(view.next_slice(&state, 3).unwrap());
        }
        prop_assert!(view.next_slice(&state, 3).unwrap().is_empty());
        prop_assert_eq!((view.zxid(), view.digest()), (Zxid(expected.zxid), digest));
        prop_assert_eq!(&found, &expected_items);
        drop(view);
        grow(&mut state, &mut model, &late);
        if let Some((mut view, expected)) = second {
            let mut found = Vec::new();
            while !view.is_finished() {
                found.extend(view.next_slice(&state, 2).unwrap());
            }
            prop_assert_eq!(Model::of(&build(found, Zxid(expected.zxid)).unwrap()), expected);
        }
        let built = build(found, Zxid(expected.zxid)).unwrap();
        prop_assert_eq!(Model::of(&built), expected);
        prop_assert_eq!(built.digest(), digest);
    }

    #[test]
    fn a_state_from_a_snapshot_goes_on_like_the_original(before in wishes(80), after in wishes(80)) {
        let (mut state, mut model) = (State::new(SETTINGS), Model::new());
        grow(&mut state, &mut model, &before);
        let mut built = build(items(&mut state), state.last_processed_zxid()).unwrap();
        prop_assert_eq!(built.acl_count(), state.acl_count());
        for record in after.iter().filter_map(|wish| model.grant(wish)) {
            let (one, other) = (apply(&mut state, &record), apply(&mut built, &record));
            prop_assert_eq!(one.0.result.error_code(), other.0.result.error_code());
        }
        prop_assert_eq!(Model::of(&state), Model::of(&built));
        prop_assert_eq!(state.digest(), built.digest());
        prop_assert_eq!(state.approximate_data_size(), built.approximate_data_size());
        prop_assert_eq!(state.ephemerals_count(), built.ephemerals_count());
    }
}

#[test]
fn only_changes_before_the_walk_are_kept() {
    let mut state = State::new(SETTINGS);
    for zxid in 1..=100 {
        apply(&mut state, &record(zxid, create(&alloc::format!("/n{zxid}"), b"x", false, -1)));
    }
    let mut view = View::begin(&mut state);
    assert_eq!(view.kept(&state), 0);
    apply(&mut state, &record(101, set_data("/n1", b"y", 1)));
    apply(&mut state, &record(102, set_data("/n1", b"z", 2)));
    apply(&mut state, &record(103, create("/new", b"y", false, -1)));
    apply(&mut state, &record(104, set_data("/new", b"z", 1)));
    assert_eq!(view.kept(&state), 2, "the znode and, for its new child, the root");
    while !view.is_finished() {
        view.next_slice(&state, 1000).unwrap();
    }
    apply(&mut state, &record(105, set_data("/n2", b"y", 1)));
    assert_eq!(view.kept(&state), 2, "what was read is kept no more");
    drop(view);
    apply(&mut state, &record(106, set_data("/n3", b"y", 1)));
    assert!(state.arena().old_values().is_empty());
}

#[test]
fn a_view_of_another_state_is_lost() {
    let mut state = State::new(SETTINGS);
    let mut view = View::begin(&mut state);
    assert_eq!(view.next_slice(&State::new(SETTINGS), 10), Err(ViewLost));
}

fn node(path: &str, acl_key: i64, owner: i64) -> SnapshotItem {
    let stat = StatPersisted { ephemeral_owner: owner, czxid: Zxid(3), ..StatPersisted::default() };
    SnapshotItem::Node {
        path: path.to_string(),
        node: DataNode { data: Some(b"d".to_vec().into()), acl_key, stat },
    }
}

fn snapshot(nodes: Vec<SnapshotItem>) -> Vec<SnapshotItem> {
    let acls = vec![(4, crate::acl::read_only()), (9, digest_acl("unused"))];
    let mut items = vec![SnapshotItem::Sessions(vec![(SessionId(5), 4000)]), SnapshotItem::Acls(acls)];
    items.extend(nodes);
    items.push(SnapshotItem::End);
    items
}

#[test]
fn what_follows_from_the_znodes_is_computed_anew() {
    let nodes = vec![
        node("", -1, 0),
        node("/a", 4, 0),
        node("/a/e", 4, 5),
        node("/a/c", -1, i64::MIN),
        node("/a/t", 12, crate::ephemeral_owner::of_ttl(7).unwrap()),
        node("/zookeeper", -1, 0),
        node("/zookeeper/quota", -1, 0),
        node("/zookeeper/quota/a", -1, 0),
        node("/zookeeper/quota/a/zookeeper_limits", -1, 0),
        node("/zookeeper/quota/a/zookeeper_stats", -1, 0),
    ];
    let state = build(snapshot(nodes), Zxid(8)).unwrap();
    assert_eq!(state.sessions().collect::<Vec<_>>(), [(SessionId(5), 4000)]);
    assert_eq!(state.ephemerals(SessionId(5)).collect::<Vec<_>>(), ["/a/e"]);
    assert_eq!((state.containers().len(), state.ttls().len()), (1, 1));
    assert_eq!(
        state.node("/zookeeper/quota/a/zookeeper_stats").unwrap().data(),
        Some(&b"count=4,bytes=4"[..])
    );
    assert_eq!(state.quota_prefix("/a/e").as_deref(), Some("/a"));
    assert_eq!(state.acl_count(), 2, "the list in use and the one that is not defined");
    assert_eq!((state.node("/a").unwrap().acl_key(), state.node("/a/t").unwrap().acl_key()), (4, 12));
    assert!(!crate::acl::check(Some(state.node("/a/t").unwrap().acl()), 31, &[], &Default::default()));
    assert_eq!(state.digest(), Model::of(&state).digest());
    assert_eq!(state.last_processed_zxid(), Zxid(8));
    assert!(state.node(crate::path::CONFIG).is_none(), "only the ensemble adds it");
}

#[test]
fn the_configuration_is_set_and_added_locally() {
    let mut state = build(snapshot(vec![node("", -1, 0), node("/zookeeper", -1, 0)]), Zxid(8)).unwrap();
    let digest = state.digest();
    for text in ["one", "longer"] {
        state.set_config(text.as_bytes(), Zxid(0x10), 99);
        let config = state.node(crate::path::CONFIG).unwrap();
        let stat = config.stat();
        assert_eq!(config.data(), Some(text.as_bytes()));
        assert_eq!((stat.version, stat.mzxid, stat.mtime, stat.aversion), (-1, Zxid(0x10), 99, -1));
        assert_eq!(config.acl(), crate::acl::read_only());
    }
    assert_eq!(state.digest(), digest);
}

#[test]
fn items_that_make_no_tree_are_refused() {
    let no_parent = |path: &str| BuildError::NoParent { path: path.to_string() };
    let owner = 0xff00_0100_0000_0000_u64 as i64;
    for (nodes, error) in [
        (vec![], BuildError::NoRoot),
        (vec![node("/a", -1, 0)], no_parent("/a")),
        (vec![node("", -1, 0), node("/a/b", -1, 0)], no_parent("/a/b")),
        (vec![node("", -1, 0), node("a", -1, 0)], no_parent("a")),
        (vec![node("", -1, 0), node("/a", -1, 0), node("/a/", -1, 0)], no_parent("/a/")),
        (
            vec![node("", -1, 0), node("/a", -1, owner)],
            BuildError::UnknownOwner { path: "/a".to_string(), owner },
        ),
        (vec![node("", -1, 0), SnapshotItem::End], BuildError::Unfinished),
    ] {
        assert_eq!(build(snapshot(nodes), Zxid(1)).unwrap_err(), error);
    }
    let unfinished = Builder::new(StateSettings::default());
    assert_eq!(unfinished.finish(Zxid(1)).unwrap_err(), BuildError::Unfinished);
}

#[test]
fn the_last_of_two_items_for_one_znode_counts() {
    let nodes = vec![node("", -1, 0), node("/a", 4, 5), node("/a/b", -1, 0), node("/a", -1, i64::MIN)];
    let state = build(snapshot(nodes), Zxid(1)).unwrap();
    assert_eq!((state.ephemerals_count(), state.containers().len(), state.acl_count()), (0, 1, 0));
    assert!(state.node("/a/b").is_some());
    assert_eq!(state.digest(), Model::of(&state).digest());
}

#[test]
fn states_and_views_go_from_thread_to_thread() {
    fn check<T: Send + Sync>() {}
    check::<State>();
    check::<View>();
    check::<crate::Watches>();
}
