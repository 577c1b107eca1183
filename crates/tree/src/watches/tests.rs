use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::vec;

use jute::Zxid;
use proptest::prelude::*;

use super::*;
use crate::State;
use crate::test_support::{SETTINGS, apply, create, record, set_data};

const A: ConnectionId = ConnectionId(1);
const B: ConnectionId = ConnectionId(2);

fn fire_of(watches: &mut Watches, kind: EventKind, path: &str, told: &mut Vec<ConnectionId>) -> Fired {
    watches.fire(&Trigger { kind, path, zxid: Zxid(1), acl: &crate::acl::open().into() }, told)
}

fn fire(watches: &mut Watches, kind: EventKind, path: &str) -> Vec<ConnectionId> {
    let mut told = Vec::new();
    fire_of(watches, kind, path, &mut told);
    told.sort();
    told
}

#[test]
fn each_kind_hears_of_what_it_is_for() {
    use EventKind::{ChildrenChanged, Created, DataChanged, Deleted};
    use WatchKind::{Children, Data, Persistent, PersistentRecursive};
    for (kind, heard_on_path, heard_below, stays) in [
        (Data, &[Created, Deleted, DataChanged][..], &[][..], false),
        (Children, &[Deleted, ChildrenChanged], &[], false),
        (Persistent, &[Created, Deleted, DataChanged, ChildrenChanged], &[], true),
        (PersistentRecursive, &[Created, Deleted, DataChanged], &[Created, Deleted, DataChanged], true),
    ] {
        for event in [Created, Deleted, DataChanged, ChildrenChanged] {
            for (path, heard) in [("/a", heard_on_path), ("/a/b/c", heard_below), ("/", &[]), ("/ab", &[])] {
                let mut watches = Watches::new();
                watches.add("/a", A, kind);
                let expected: &[ConnectionId] = if heard.contains(&event) { &[A] } else { &[] };
                assert_eq!(fire(&mut watches, event, path), expected, "{kind:?} {event:?} {path}");
                let left = stays || expected.is_empty();
                assert_eq!(watches.contains("/a", A, WatcherType::Any), left, "{kind:?} {event:?} {path}");
            }
        }
    }
}

#[test]
fn a_connection_is_told_once_of_each_trigger() {
    let mut watches = Watches::new();
    for kind in [WatchKind::Data, WatchKind::Children, WatchKind::Persistent, WatchKind::PersistentRecursive]
    {
        assert!(watches.add("/a", A, kind));
        assert!(!watches.add("/a", A, kind));
    }
    watches.add("/", A, WatchKind::PersistentRecursive);
    watches.add("/a", B, WatchKind::Children);
    let mut told = Vec::new();
    let fired = fire_of(&mut watches, EventKind::Deleted, "/a", &mut told);
    assert_eq!((told, fired), (vec![A, B], Fired { data: 1, children: 2 }));
    assert!(
        !watches.contains("/a", A, WatcherType::Data) && !watches.contains("/a", A, WatcherType::Children)
    );
    assert!(watches.contains("/a", A, WatcherType::Persistent));
    assert_eq!(fire(&mut watches, EventKind::Deleted, "/a"), [A]);
}

#[test]
fn removal_is_by_kind() {
    use WatcherType::{Any, Children, Data, Persistent, PersistentRecursive};
    for (removed, left) in [
        (Children, &[Data, Persistent, PersistentRecursive][..]),
        (Data, &[Children, Persistent, PersistentRecursive]),
        (Persistent, &[Children, Data, PersistentRecursive]),
        (PersistentRecursive, &[Children, Data, Persistent]),
        (Any, &[]),
    ] {
        let mut watches = Watches::new();
        for kind in
            [WatchKind::Data, WatchKind::Children, WatchKind::Persistent, WatchKind::PersistentRecursive]
        {
            watches.add("/a", A, kind);
        }
        assert!(!watches.remove("/a", B, removed) && !watches.remove("/b", A, removed));
        assert!(watches.remove("/a", A, removed));
        assert!(!watches.remove("/a", A, removed));
        for watcher_type in [Children, Data, Persistent, PersistentRecursive] {
            assert_eq!(watches.contains("/a", A, watcher_type), left.contains(&watcher_type));
        }
    }
    assert_eq!(
        [0, 1, 3, 5, 6].map(WatcherType::from_code),
        [None, Some(Children), Some(Any), Some(PersistentRecursive), None]
    );
}

#[test]
fn reports_are_about_data_watches() {
    let mut watches = Watches::new();
    watches.add("/a", A, WatchKind::Data);
    watches.add("/b", A, WatchKind::Persistent);
    watches.add("/b", B, WatchKind::PersistentRecursive);
    watches.add("/c", B, WatchKind::Children);
    assert_eq!((watches.count(), watches.count_of(A), watches.count_of(B)), (5, 2, 2));
    assert_eq!(watches.summary(), WatchSummary { connections: 2, paths: 2, total: 3 });
    assert_eq!(watches.by_path(), [("/a", vec![A]), ("/b", vec![B, A])]);
    assert_eq!(watches.by_connection(), [(A, vec!["/b", "/a"]), (B, vec!["/b"])]);
    // The last data watch of A fires or is removed: only then does the summary forget the connection.
    fire(&mut watches, EventKind::DataChanged, "/a");
    watches.remove("/b", B, WatcherType::Any);
    watches.remove("/b", A, WatcherType::Persistent);
    assert_eq!(watches.summary(), WatchSummary { connections: 0, paths: 0, total: 0 });
    watches.add("/a", A, WatchKind::Data);
    fire(&mut watches, EventKind::DataChanged, "/a");
    assert_eq!(watches.summary(), WatchSummary { connections: 1, paths: 0, total: 0 });
    watches.remove_connection(A);
    watches.remove_connection(B);
    watches.remove_connection(B);
    assert_eq!((watches.count(), watches.summary().connections), (0, 0));
}

#[test]
fn many_watchers_and_many_watches_cost_no_more_each() {
    const MANY: u32 = 10_000;
    let mut watches = Watches::new();
    for round in 0..3 {
        for id in 0..MANY {
            assert!(watches.add("/a", ConnectionId(id.into()), WatchKind::Data));
            watches.add(&alloc::format!("/p{id}"), A, WatchKind::Children);
        }
        assert_eq!(fire(&mut watches, EventKind::DataChanged, "/a").len(), MANY as usize, "round {round}");
    }
    watches.remove_connection(A);
    assert_eq!((watches.count(), watches.count_of(A)), (0, 0));
}

#[test]
fn a_client_that_comes_back_is_told_what_it_missed() {
    let mut state = State::new(SETTINGS);
    apply(&mut state, &record(5, create("/a", b"", false, -1)));
    apply(&mut state, &record(6, create("/a/b", b"", false, -1)));
    apply(&mut state, &record(7, set_data("/a/b", b"", 1)));
    let all = ["/a", "/a/b", "/x"].map(ToString::to_string);
    let watches = SetWatches {
        relative_zxid: Zxid(6),
        data: &all,
        exist: &all,
        child: &all,
        persistent: &all[..1],
        persistent_recursive: &all[1..2],
    };
    let outcome = catch_up(&state, &watches);
    let events = [
        (EventKind::DataChanged, "/a/b"),
        (EventKind::Deleted, "/x"),
        (EventKind::Created, "/a"),
        (EventKind::Created, "/a/b"),
        (EventKind::Deleted, "/x"),
    ];
    assert_eq!(outcome.events, events);
    let registrations = [
        (WatchKind::Data, "/a"),
        (WatchKind::Data, "/x"),
        (WatchKind::Children, "/a"),
        (WatchKind::Children, "/a/b"),
        (WatchKind::Persistent, "/a"),
        (WatchKind::PersistentRecursive, "/a/b"),
    ];
    assert_eq!(outcome.registrations, registrations);
    let since_5 = SetWatches { relative_zxid: Zxid(5), child: &all, ..SetWatches::default() };
    let events = [
        (EventKind::ChildrenChanged, "/a"),
        (EventKind::ChildrenChanged, "/a/b"),
        (EventKind::Deleted, "/x"),
    ];
    assert_eq!(catch_up(&state, &since_5).events, events);
}

/// The reference's two tables, in the simplest form.
#[derive(Debug, Default)]
struct Tables {
    data: BTreeSet<(&'static str, u64, u8)>,
    child: BTreeSet<(&'static str, u64, u8)>,
}

const PATHS: [&str; 5] = ["/", "/a", "/a/b", "/a/b/c", "/x"];
const KINDS: [WatchKind; 4] =
    [WatchKind::Data, WatchKind::Children, WatchKind::Persistent, WatchKind::PersistentRecursive];
const EVENTS: [EventKind; 4] =
    [EventKind::Created, EventKind::Deleted, EventKind::DataChanged, EventKind::ChildrenChanged];

impl Tables {
    fn add(&mut self, path: &'static str, connection: u64, kind: WatchKind) {
        let tables: &mut [_] = match kind {
            WatchKind::Data => &mut [(&mut self.data, 0)],
            WatchKind::Children => &mut [(&mut self.child, 0)],
            WatchKind::Persistent => &mut [(&mut self.data, 1), (&mut self.child, 1)],
            WatchKind::PersistentRecursive => &mut [(&mut self.data, 2)],
        };
        for (table, mode) in tables {
            table.insert((path, connection, *mode));
        }
    }

    fn fire(&mut self, kind: EventKind, path: &str) -> Vec<ConnectionId> {
        let below = |ancestor: &str| ancestor == "/" || path.starts_with(&alloc::format!("{ancestor}/"));
        let mut told = BTreeSet::new();
        if kind != EventKind::ChildrenChanged {
            let meant = |(at, _, mode): &(&str, u64, u8)| *at == path || (*mode == 2 && below(at));
            told.extend(self.data.iter().filter(|watch| meant(watch)).map(|watch| watch.1));
            self.data.retain(|(at, _, mode)| *at != path || *mode != 0);
        }
        if matches!(kind, EventKind::Deleted | EventKind::ChildrenChanged) {
            told.extend(self.child.iter().filter(|watch| watch.0 == path).map(|watch| watch.1));
            self.child.retain(|(at, _, mode)| *at != path || *mode != 0);
        }
        told.into_iter().map(ConnectionId).collect()
    }

    fn count(&self) -> usize {
        let pairs = |table: &BTreeSet<(&'static str, u64, u8)>| {
            table.iter().map(|(path, connection, _)| (*path, *connection)).collect::<BTreeSet<_>>().len()
        };
        pairs(&self.data) + pairs(&self.child)
    }
}

proptest! {
    #[test]
    fn watches_are_what_two_naive_tables_say(steps in prop::collection::vec((0_u8..8, 0_usize..5, 0_u64..4, 0_usize..4), 0..200)) {
        let (mut watches, mut tables) = (Watches::new(), Tables::default());
        for (step, path, connection, choice) in steps {
            let (path, id) = (PATHS[path], ConnectionId(connection));
            match step {
                0 => {
                    watches.remove_connection(id);
                    tables.data.retain(|watch| watch.1 != connection);
                    tables.child.retain(|watch| watch.1 != connection);
                }
                1 => {
                    watches.remove(path, id, WatcherType::Any);
                    tables.data.retain(|watch| (watch.0, watch.1) != (path, connection));
                    tables.child.retain(|watch| (watch.0, watch.1) != (path, connection));
                }
                2 => {
                    watches.remove(path, id, WatcherType::PersistentRecursive);
                    tables.data.remove(&(path, connection, 2));
                }
                3 | 4 => prop_assert_eq!(fire(&mut watches, EVENTS[choice], path), tables.fire(EVENTS[choice], path)),
                _ => {
                    watches.add(path, id, KINDS[choice]);
                    tables.add(path, connection, KINDS[choice]);
                }
            }
            prop_assert_eq!(watches.count(), tables.count());
            prop_assert_eq!(watches.summary().total, watches.by_path().iter().map(|(_, ids)| ids.len()).sum::<usize>());
            prop_assert_eq!(watches.summary().paths, watches.by_path().len());
        }
    }
}
