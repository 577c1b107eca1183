//! The state against what the reference made of the same transactions (`vectors/README.md`).

use std::collections::BTreeMap;

use jute::{Record, Txn, TxnRecord};
use rookeeper_tree::watches::WatchKind;
use rookeeper_tree::{ConnectionId, State, StateSettings, Trigger, Watches};

const VECTORS: &str = include_str!("vectors/apply.txt");
const WATCHER: ConnectionId = ConnectionId(1);

fn fresh() -> (State, Watches) {
    let settings = StateSettings { extended_types_enabled: true, ..StateSettings::default() };
    let mut watches = Watches::new();
    watches.add("/", WATCHER, WatchKind::PersistentRecursive);
    watches.add("/", WATCHER, WatchKind::Persistent);
    for parent in 0..4 {
        watches.add(&format!("/n{parent}"), WATCHER, WatchKind::Persistent);
        for child in 0..4 {
            watches.add(&format!("/n{parent}/n{child}"), WATCHER, WatchKind::Persistent);
        }
    }
    (State::new(settings), watches)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("x"), |hex, byte| format!("{hex}{byte:02x}"))
}

/// The event as the vectors hold it. The order of the ends of ephemerals that no list names is nobody's business.
fn event(watches: &mut Watches, trigger: &Trigger<'_>) -> Option<String> {
    let mut told = Vec::new();
    watches.fire(trigger, &mut told);
    assert!(told.len() <= 1, "the watcher is told once");
    (!told.is_empty()).then(|| format!("{}{}", trigger.kind.code(), trigger.path))
}

fn summary(state: &State) -> String {
    let (nodes, size) = (state.node_count(), state.approximate_data_size());
    let (sessions, ephemerals) = (state.sessions().len(), state.ephemerals_count());
    format!("{} {nodes} {size} {sessions} {ephemerals}", state.digest())
}

fn node_line(state: &State, path: &str) -> Option<String> {
    let node = state.node(path)?;
    let mut stat = Vec::new();
    node.stat().encode(&mut stat);
    let data = node.data().map_or_else(|| "-".into(), hex);
    let acl = node.acl().iter().map(|acl| format!("{}:{}:{}", acl.perms, acl.id.scheme, acl.id.id));
    Some(format!("node {path} {} {data} {}", hex(&stat), acl.collect::<Vec<_>>().join(",")))
}

#[test]
fn transactions_have_the_references_effects() {
    let (mut state, mut watches) = fresh();
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    let mut listed = 0;
    for (number, line) in (1..).zip(VECTORS.lines()) {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        *lines.entry(command).or_default() += 1;
        match command {
            "new" => {
                (state, watches) = fresh();
                listed = 0;
                assert_eq!(rest, state.digest().to_string());
            }
            "apply" | "replay" => {
                let (record, expected) = rest.split_once(' ').unwrap();
                let (expected, expected_events) = expected.rsplit_once(' ').unwrap();
                let record = TxnRecord::decode(&bytes(record).into()).unwrap();
                let mut found = Vec::new();
                if command == "apply" {
                    state.apply(&record, &mut |trigger| found.extend(event(&mut watches, &trigger))).unwrap();
                } else {
                    state.apply_fuzzy(&record).unwrap();
                }
                assert_eq!(summary(&state), expected, "line {number}: {record:?}");
                let mut expected: Vec<_> = expected_events.split(',').filter(|event| *event != "-").collect();
                if matches!(record.txn, Txn::CloseSession(_)) {
                    found.sort();
                    expected.sort();
                }
                assert_eq!(found, expected, "line {number}: {record:?}");
            }
            "node" => {
                let path = rest.split(' ').next().unwrap();
                assert_eq!(node_line(&state, path).as_deref(), Some(line), "line {number}");
                listed += 1;
            }
            _ => assert_eq!(listed + 1, state.node_count(), "line {number}: {command}"),
        }
    }
    assert!(lines["apply"] > 500 && lines["replay"] > 100, "{lines:?}");
}
