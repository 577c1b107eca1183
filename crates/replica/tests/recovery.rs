//! Recovery over snapshots and logs in memory, sound and damaged.

mod world;

use std::collections::VecDeque;
use std::sync::Arc;

use jute::data::Id;
use jute::snapshot::SnapshotItem;
use jute::{SessionId, Txn, TxnRecord, Zxid, proto, txn};
use pipeline::event::Event;
use pipeline::request::Request;
use pipeline::settings::PipelineSettings;
use rookeeper_replica::{
    ConnectionId, RecoverError, RecoverSettings, Recovered, Skipped, SnapshotReader, Trailer, recover,
};
use tree::snapshot::View;
use tree::{State, StateSettings};
use world::World;

const SETTINGS: RecoverSettings = RecoverSettings {
    state: StateSettings { digest_enabled: true, extended_types_enabled: false, emulate_353_ttl: false },
    trust_empty: false,
};

/// A snapshot in memory.
#[derive(Clone)]
struct Snapshot {
    zxid: Zxid,
    items: VecDeque<SnapshotItem>,
    trailer: Option<Trailer>,
    seal_holds: bool,
}

impl SnapshotReader for Snapshot {
    type Error = &'static str;

    fn zxid(&self) -> Zxid {
        self.zxid
    }

    fn next_item(&mut self) -> Result<Option<SnapshotItem>, Self::Error> {
        Ok(self.items.pop_front())
    }

    fn finish(self) -> Result<Option<Trailer>, Self::Error> {
        if self.seal_holds { Ok(self.trailer) } else { Err("the seal is broken") }
    }
}

/// A log of some creates with two snapshots on the way.
struct History {
    log: Vec<Arc<TxnRecord>>,
    older: Snapshot,
    newer: Snapshot,
    digest: i64,
}

fn history() -> History {
    let settings = Arc::new(PipelineSettings::default());
    let mut world = World::new(PipelineSettings::default());
    let connection = ConnectionId(1);
    world.open(connection, &settings);
    world.step(Event::NewSession { connection, timeout_ms: 6000, wall_ms: world::WALL_MS });
    world.settle();
    create(&mut world, "/a", 0);
    create(&mut world, "/a/e", 1);
    let older = snapshot(&mut world.state);
    create(&mut world, "/b", 0);
    create(&mut world, "/b/n-", 2);
    let newer = snapshot(&mut world.state);
    create(&mut world, "/b/n-", 2);
    create(&mut world, "/c", 0);
    History { log: world.log, older, newer, digest: world.state.digest() }
}

fn create(world: &mut World, path: &str, flags: i32) {
    let (path, data, acl) = (path.into(), None, Some(tree::acl::open()));
    let request = Request::Create(proto::CreateRequest { path, data, acl, flags });
    let event = world.request(ConnectionId(1), 1, request, &[] as &[Id]);
    world.step(event);
    world.settle();
}

fn snapshot(state: &mut State) -> Snapshot {
    let zxid = state.last_processed_zxid();
    let trailer = Some(Trailer { zxid, version: tree::digest::VERSION, digest: state.digest() });
    let mut view = View::begin(state);
    let mut items = VecDeque::new();
    while !matches!(items.back(), Some(SnapshotItem::End)) {
        items.extend(view.next_slice(state, 100).expect("nothing changes meanwhile"));
    }
    Snapshot { zxid, items, trailer, seal_holds: true }
}

fn run(
    snapshots: Vec<Result<Snapshot, Skipped>>,
    log: &[Arc<TxnRecord>],
    settings: &RecoverSettings,
) -> Result<Recovered, RecoverError> {
    let records = |above: Zxid| -> Result<_, &'static str> {
        let behind = log.iter().filter(move |record| record.header.zxid > above);
        Ok(behind.map(|record| Ok(TxnRecord::clone(record))))
    };
    recover(snapshots, records, settings)
}

#[test]
fn the_newest_snapshot_and_the_log_behind_it() {
    let History { log, older, newer, digest } = history();
    let from = newer.zxid;
    let recovered = run(vec![Ok(newer), Ok(older)], &log, &SETTINGS).expect("sound");
    assert_eq!(recovered.snapshot, Some(from));
    assert_eq!(recovered.replayed, 2);
    assert_eq!(recovered.state.digest(), digest);
    assert_eq!(recovered.state.last_processed_zxid(), Zxid(7));
    assert_eq!((recovered.digest_mismatches, recovered.uncovered), (0, None));
    assert_eq!(recovered.skipped, vec![]);
}

#[test]
fn a_snapshot_that_fails_leaves_nothing_behind_in_the_next() {
    let History { log, older, newer, digest } = history();
    let mut torn = newer.clone();
    torn.items.truncate(3);
    let mut unsealed = newer.clone();
    unsealed.seal_holds = false;
    // A session and an ephemeral that no log knows of.
    unsealed.items.push_front(SnapshotItem::Sessions(vec![(SessionId(0x99), 6000)]));
    let mut wrong = newer.clone();
    for item in &mut wrong.items {
        if let SnapshotItem::Node { path, node } = item
            && path == "/b"
        {
            node.stat.mtime += 1;
        }
    }
    let unreadable = Skipped { zxid: Zxid(6), why: "no such file".into() };
    let candidates = vec![Err(unreadable), Ok(torn), Ok(unsealed), Ok(wrong), Ok(older.clone())];
    let recovered = run(candidates, &log, &SETTINGS).expect("the older one is sound");
    assert_eq!(recovered.snapshot, Some(older.zxid));
    let reasons: Vec<&str> = recovered.skipped.iter().map(|skipped| skipped.why.as_str()).collect();
    assert_eq!(reasons[..3], ["no such file", "the end is missing or not at the end", "the seal is broken"]);
    assert!(reasons[3].starts_with("the tree at 0x5 has digest"), "{reasons:?}");
    assert_eq!(recovered.state.digest(), digest);
    assert_eq!(recovered.state.session_timeout(SessionId(0x99)), None);
}

#[test]
fn no_snapshot_that_holds_is_an_error_with_all_reasons() {
    let History { log, mut newer, .. } = history();
    newer.seal_holds = false;
    let Err(RecoverError::NoValidSnapshot { skipped }) = run(vec![Ok(newer)], &log, &SETTINGS) else {
        unreachable!("the only snapshot is broken")
    };
    assert_eq!(skipped.len(), 1);
}

#[test]
fn a_log_without_a_snapshot_counts_only_when_it_is_trusted() {
    let History { log, digest, .. } = history();
    let refused = run(vec![], &log, &SETTINGS).expect_err("not trusted");
    assert_eq!(refused, RecoverError::NoSnapshot { first: Zxid(1) });
    let trusted = RecoverSettings { trust_empty: true, ..SETTINGS };
    let recovered = run(vec![], &log, &trusted).expect("trusted");
    assert_eq!((recovered.snapshot, recovered.state.digest()), (None, digest));
    let empty = run(vec![], &[], &SETTINGS).expect("an empty server");
    assert_eq!((empty.replayed, empty.state.last_processed_zxid()), (0, Zxid::ZERO));
}

/// What a server writes that goes on while it takes a snapshot: the name says less than the content.
#[test]
fn a_fuzzy_snapshot_converges_and_its_trailer_ends_the_tolerance() {
    let History { log, older, newer, digest } = history();
    let fuzzy = Snapshot { zxid: older.zxid, ..newer };
    let recovered = run(vec![Ok(fuzzy.clone())], &log, &SETTINGS).expect("converges");
    assert_eq!((recovered.replayed, recovered.state.digest()), (4, digest));

    let untold = Snapshot { trailer: None, ..fuzzy.clone() };
    let recovered = run(vec![Ok(untold)], &log, &SETTINGS).expect("tolerant to the end");
    assert_eq!(recovered.state.digest(), digest);

    let stale = fuzzy.trailer.map(|trailer| Trailer { zxid: Zxid::ZERO, ..trailer });
    let stale = Snapshot { trailer: stale, ..fuzzy.clone() };
    let recovered = run(vec![Ok(stale)], &log, &SETTINGS).expect("an empty trailer says nothing");
    assert_eq!(recovered.state.digest(), digest);

    let recovered = run(vec![Ok(fuzzy)], &log[..4], &SETTINGS).expect("the log ends early");
    assert_eq!(recovered.uncovered, Some(Zxid(5)));
}

#[test]
fn behind_the_trailer_a_record_that_cannot_be_applied_stops() {
    let History { mut log, newer, .. } = history();
    let broken = Arc::make_mut(log.last_mut().expect("records"));
    broken.txn = Txn::Delete(txn::DeleteTxn { path: "/nothing".into() });
    let error = run(vec![Ok(newer)], &log, &SETTINGS).expect_err("strict");
    assert!(error.to_string().contains("0x7 cannot be applied to \"/nothing\""), "{error}");
}

#[test]
fn a_digest_in_a_replayed_record_is_counted_and_stops_nothing() {
    let History { mut log, newer, digest, .. } = history();
    let last = Arc::make_mut(log.last_mut().expect("records"));
    last.digest.as_mut().expect("a digest").tree_digest += 1;
    let recovered = run(vec![Ok(newer)], &log, &SETTINGS).expect("no reason to stop");
    assert_eq!((recovered.digest_mismatches, recovered.state.digest()), (1, digest));
}

#[test]
fn an_error_of_the_log_is_passed_on() {
    let History { log, newer, .. } = history();
    let records = |above: Zxid| -> Result<_, &'static str> {
        let behind = log.iter().filter(move |record| record.header.zxid > above).take(1);
        Ok(behind.map(|record| Ok(TxnRecord::clone(record))).chain([Err("a gap at 0x7")]))
    };
    let error = recover(vec![Ok(newer)], records, &SETTINGS).expect_err("a gap");
    assert!(error.to_string().contains("a gap at 0x7"), "{error}");
}

/// L9 and DESIGN 6.12: what has no session goes by a transaction.
#[test]
fn ephemerals_without_a_session_are_closed_by_the_first_transaction() {
    let History { older, .. } = history();
    let mut orphaned = older;
    orphaned.items.retain(|item| !matches!(item, SnapshotItem::Sessions(_)));
    let recovered = run(vec![Ok(orphaned)], &[], &SETTINGS).expect("sound");
    let mut world = World::over(PipelineSettings::default(), recovered.state);
    let effects = world.settle();
    let shown: Vec<String> = effects.iter().filter_map(world::show::effect).collect();
    assert_eq!(
        shown,
        [
            "note Warn: 1 ephemerals of session 0x100000000000000, which does not exist; closing it",
            "append 0x4 session=0x100000000000000 closeSession [\"/a/e\"]",
            "apply 0x4",
        ]
    );
    assert!(world.state.node("/a/e").is_none() && world.state.node("/a").is_some());
}

/// What a leader sent as a snapshot is in no log: without that snapshot an older one and the log do not make up for it.
#[test]
fn an_older_snapshot_does_only_when_the_log_goes_through_the_newer_one() {
    let History { log, older, newer, digest } = history();
    let broken = Snapshot { seal_holds: false, ..newer };
    let snapshots = || vec![Ok(broken.clone()), Ok(older.clone())];
    let recovered = run(snapshots(), &log, &SETTINGS).expect("the log holds all");
    assert_eq!((recovered.snapshot, recovered.state.digest()), (Some(older.zxid), digest));

    let at_newer = log.iter().position(|record| record.header.zxid == broken.zxid).expect("logged");
    for (what, log) in [
        ("goes on with", [&log[..at_newer], &log[at_newer + 1..]].concat()),
        ("ends with", log[..at_newer].to_vec()),
    ] {
        let error = run(snapshots(), &log, &SETTINGS).expect_err(what).to_string();
        assert!(error.contains(what) && error.contains("though there was a snapshot at 0x5"), "{error}");
    }
}

/// A leader sends a snapshot at the beginning of its epoch to whoever missed all of the epoch before.
#[test]
fn no_log_makes_up_for_a_snapshot_at_the_beginning_of_an_epoch() {
    let History { log, older, newer, .. } = history();
    let broken = Snapshot { seal_holds: false, zxid: Zxid::from_parts(2, 0), ..newer };
    let first = broken.zxid.0 + 1;
    let later = (first..).zip(&log[log.len() - 2..]).map(|(zxid, record)| {
        let mut record = TxnRecord::clone(record);
        record.header.zxid = Zxid(zxid);
        Arc::new(record)
    });
    let before = log[..log.len() - 2].to_vec();
    for (what, log) in
        [("goes on with", before.iter().cloned().chain(later).collect()), ("ends with", before.clone())]
    {
        let error =
            run(vec![Ok(broken.clone()), Ok(older.clone())], &log, &SETTINGS).expect_err(what).to_string();
        assert!(
            error.contains(what) && error.contains("though there was a snapshot at 0x200000000"),
            "{error}"
        );
    }
}

/// The reference notes the digest of a transaction a little after it has changed the tree.
#[test]
fn a_snapshot_may_hold_the_transaction_behind_its_trailer_when_that_one_proves_it() {
    let History { mut log, newer, digest, .. } = history();
    let at = log.iter().position(|record| record.header.zxid == newer.zxid).expect("logged");
    let before = &log[at - 1];
    let trailer = Trailer {
        zxid: before.header.zxid,
        version: tree::digest::VERSION,
        digest: before.digest.expect("a digest").tree_digest,
    };
    let early = Snapshot { zxid: before.header.zxid, trailer: Some(trailer), ..newer };
    let recovered = run(vec![Ok(early.clone())], &log, &SETTINGS).expect("the next digest holds");
    assert_eq!((recovered.state.digest(), recovered.digest_mismatches), (digest, 0));

    run(vec![Ok(early.clone())], &log[..at], &SETTINGS).expect_err("there is no next record");
    Arc::make_mut(&mut log[at]).digest = None;
    run(vec![Ok(early)], &log, &SETTINGS).expect_err("the next record proves nothing");
}

#[test]
fn the_snapshot_of_an_empty_server_is_not_fuzzy_and_others_are_held_against_the_last_digest() {
    let History { mut log, newer, digest, .. } = history();
    let none = Some(Trailer { zxid: Zxid::ZERO, version: tree::digest::VERSION, digest: 0 });
    let fresh = Snapshot { trailer: none, ..snapshot(&mut State::new(SETTINGS.state)) };
    let recovered = run(vec![Ok(fresh.clone())], &log, &SETTINGS).expect("all of the log");
    assert_eq!((recovered.state.digest(), recovered.digest_mismatches), (digest, 0));
    run(vec![Ok(fresh)], &log[2..], &SETTINGS).expect_err("not the log behind it");

    let untold = Snapshot { trailer: none, ..newer };
    let recovered = run(vec![Ok(untold.clone())], &log, &SETTINGS).expect("tolerant");
    assert_eq!(recovered.digest_mismatches, 0);
    Arc::make_mut(log.last_mut().expect("records")).digest.as_mut().expect("a digest").tree_digest += 1;
    assert_eq!(run(vec![Ok(untold)], &log, &SETTINGS).expect("tolerant").digest_mismatches, 1);
}
