use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::StateSettings;
use crate::ephemeral_owner::{self, OwnerKind};
use crate::test_support::*;
use crate::{NodeView, State};

proptest! {
    #[test]
    fn a_state_is_what_a_naive_model_says(wishes in wishes(120)) {
        let (mut state, mut twin, mut model) = (State::new(SETTINGS), State::new(SETTINGS), Model::new());
        for wish in &wishes {
            let Some(record) = model.grant(wish) else { continue };
            let (result, _) = apply(&mut state, &record);
            prop_assert_eq!(&result, &apply(&mut twin, &record).0);
            prop_assert_eq!(result.result.error_code(), 0);
            prop_assert_eq!(state.digest(), model.digest());
        }
        prop_assert_eq!(&Model::of(&state), &model);
        prop_assert_eq!(state.node_count(), model.nodes.len() + 1);
        for (path, expected) in &model.nodes {
            let (node, twin) = (state.node(path).unwrap(), twin.node(path).unwrap());
            prop_assert_eq!(node.children().collect::<BTreeSet<_>>(), model.children(path));
            prop_assert!(node.children().eq(twin.children()), "equal states list children in the same order");
            prop_assert_eq!(node.child_count(), model.children(path).len());
            prop_assert_eq!(node.stat().cversion, expected.stat.cversion * 2 - node.stat().num_children);
        }
        prop_assert_eq!(state.approximate_data_size(), size(&model));
        for (kind, mut listed) in [
            (OwnerKind::Container, state.containers().map(|node| node.path()).collect::<Vec<_>>()),
            (OwnerKind::Ttl { ttl_ms: 5 }, state.ttls().map(|node| node.path()).collect()),
            (OwnerKind::Session, state.sessions_with_ephemerals().flat_map(|id| state.ephemerals(id)).collect()),
        ] {
            listed.sort();
            let expected = model.nodes.iter().filter(|(_, node)| {
                ephemeral_owner::kind(node.stat.ephemeral_owner, &SETTINGS) == Ok(kind)
            });
            prop_assert_eq!(listed, expected.map(|(path, _)| path.clone()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_replay_over_its_own_outcome_changes_nothing(wishes in wishes(60), start in 0_usize..60) {
        let (mut model, mut state) = (Model::new(), State::new(SETTINGS));
        let records: Vec<_> = wishes.iter().filter_map(|wish| model.grant(wish)).collect();
        for record in &records {
            apply(&mut state, record);
        }
        for record in records.iter().skip(start) {
            state.apply_fuzzy(record).unwrap();
        }
        // Ends and sizes converge; cversion and pzxid never go back, so they are at least what they were.
        let replayed = Model::of(&state);
        prop_assert_eq!(replayed.nodes.keys().collect::<Vec<_>>(), model.nodes.keys().collect::<Vec<_>>());
        prop_assert_eq!(&replayed.sessions, &model.sessions);
        prop_assert_eq!(state.digest(), replayed.digest());
        prop_assert_eq!(state.approximate_data_size(), size(&model));
    }
}

fn size(model: &Model) -> i64 {
    let sizes = model.nodes.iter().map(|(path, node)| path.len() + node.data.as_ref().map_or(0, Vec::len));
    sizes.sum::<usize>() as i64 + 1
}

#[test]
fn a_fresh_state_is_that_of_the_reference() {
    let state = State::new(StateSettings::default());
    assert_eq!(Model::of(&state), Model::new());
    // The values that the reference reports on an empty data directory.
    assert_eq!((state.node_count(), state.approximate_data_size()), (5, 44));
    assert_eq!(state.digest(), 1_371_985_504);
    assert_eq!(state.all_children_number("/"), 3);
    assert_eq!(state.node("/zookeeper/config").map(|node| node.stat().aversion), Some(-1));
    let off = State::new(StateSettings { digest_enabled: false, ..StateSettings::default() });
    assert_eq!((off.digest(), off.node("/").map(|node| NodeView::digest(&node))), (0, Some(0)));
}
