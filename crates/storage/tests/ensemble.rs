//! What a member of an ensemble does to its history, cut at each operation of the disk and with each operation failing: a
//! leader's state takes its place, it is cut, epochs are written. Afterwards there is one history, never a mix of two.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly"
)]

use std::ops::Range;
use std::path::{Path, PathBuf};

use jute::snapshot::{DataNode, SnapshotItem};
use jute::txn::{SetDataTxn, TxnHeader};
use jute::{SessionId, Txn, TxnRecord, Zxid};
use storage::disk::Fault;
use storage::{
    Disk, Load, LogSettings, LostReason, SimulatedDisk, StorageError, Store, StoreSettings, Trailers, epochs,
};

const FAULTS: [Fault; 3] = [Fault::Cut, Fault::Eio, Fault::NoSpace];
const SEEDS: u64 = 4;

/// A transaction: its zxid, and who made it.
type Entry = (Zxid, u8);
type TestStore = Store<SimulatedDisk>;

/// What lies on a disk before the test: parts of one history.
enum Piece {
    Log(Range<usize>),
    Snapshot(usize),
}

fn in_epoch(epoch: i32, counters: std::ops::RangeInclusive<u32>, maker: u8) -> Vec<Entry> {
    counters.map(|counter| (Zxid::from_parts(epoch, counter), maker)).collect()
}

fn last(history: &[Entry]) -> Zxid {
    history.last().map_or(Zxid::ZERO, |entry| entry.0)
}

fn content((zxid, maker): Entry) -> Vec<u8> {
    let txn = Txn::SetData(SetDataTxn { path: "/a".into(), data: Some(vec![maker; 30].into()), version: 0 });
    let header = TxnHeader { client_id: SessionId(7), cxid: 1, zxid, time: 1, op_code: txn.op_code().code() };
    TxnRecord { header, txn, digest: None }.to_vec()
}

/// The state of a history is its list.
fn items(history: &[Entry]) -> Vec<SnapshotItem> {
    let mut list = Vec::new();
    for (zxid, maker) in history {
        list.extend_from_slice(&zxid.0.to_be_bytes());
        list.push(*maker);
    }
    let node = DataNode { data: Some(list.into()), ..DataNode::default() };
    vec![
        SnapshotItem::Sessions(vec![]),
        SnapshotItem::Acls(vec![]),
        SnapshotItem::Node { path: String::new(), node },
        SnapshotItem::End,
    ]
}

fn history_of(item: SnapshotItem) -> Vec<Entry> {
    let SnapshotItem::Node { node, .. } = item else { return Vec::new() };
    let list = node.data.unwrap();
    list.chunks(9).map(|chunk| (Zxid(i64::from_be_bytes(chunk[..8].try_into().unwrap())), chunk[8])).collect()
}

fn maker_of(content: &[u8]) -> u8 {
    let TxnRecord { txn: Txn::SetData(txn), .. } =
        TxnRecord::decode_from(&mut jute::Reader::from_slice(content)).unwrap()
    else {
        panic!("another transaction");
    };
    txn.data.unwrap()[0]
}

fn open(disk: &SimulatedDisk) -> TestStore {
    let log = LogSettings { preallocate_bytes: 4096, ..LogSettings::default() };
    let log_dir = "/log".into();
    Store::open(disk.clone(), StoreSettings { log, log_dir, ..StoreSettings::new(Path::new("/data")) })
        .unwrap()
}

fn write_snapshot(store: &TestStore, zxid: Zxid, history: &[Entry]) {
    let mut writer = store.snapshot_writer(zxid).unwrap();
    items(history).iter().for_each(|item| writer.push(item).unwrap());
    writer.finish(Trailers::default()).unwrap();
}

fn append(store: &TestStore, behind: Zxid, entries: &[Entry]) {
    let mut log = store.log_writer(behind);
    entries.iter().for_each(|entry| log.append(entry.0, &content(*entry)).unwrap());
    log.commit().unwrap();
}

/// A disk in epoch 2, with the epoch files that belong to it.
fn disk_with(history: &[Entry], pieces: &[Piece]) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let store = open(&disk);
    for piece in pieces {
        match piece {
            Piece::Log(range) => append(&store, Zxid::ZERO, &history[range.clone()]),
            Piece::Snapshot(len) => write_snapshot(&store, last(&history[..*len]), &history[..*len]),
        }
    }
    epochs::write_accepted(&disk, store.snapshot_dir(), 3).unwrap();
    epochs::write_current(&disk, store.snapshot_dir(), 2).unwrap();
    disk
}

/// What a start finds; `None` is a server that must not vote. Everything that was read is durable afterwards.
fn recover(disk: &SimulatedDisk, context: &str) -> Option<Vec<Entry>> {
    let store = open(disk);
    match store.load().unwrap() {
        Load::Snapshots => {}
        Load::Lost => {
            assert_eq!(store.why_lost().unwrap(), LostReason::GivenUp, "{context}");
            return None;
        }
        load @ (Load::LogsOnly | Load::Fresh) => panic!("{context}: {load:?}"),
    }
    let newest = store.candidates().unwrap().remove(0);
    let read = store.read_snapshot(&newest).unwrap();
    let mut history: Vec<Entry> = read.flat_map(|item| history_of(item.unwrap())).collect();
    let mut records = store.records_after(newest.zxid).unwrap();
    for record in records.by_ref() {
        let record = record.unwrap_or_else(|error| panic!("{context}: {error}"));
        history.push((record.zxid, maker_of(&record.content)));
    }
    store.settle_snapshot(&newest).unwrap();
    store.settle(&records.into_tails()).unwrap();
    let epochs = epochs::load(disk, store.snapshot_dir(), last(&history)).unwrap();
    assert_eq!(epochs.accepted, 3, "{context}");
    Some(history)
}

fn replace(store: &TestStore, zxid: Zxid, history: &[Entry]) -> Result<PathBuf, StorageError> {
    let mut replacement = store.begin_replacement(zxid)?;
    items(history).iter().try_for_each(|item| replacement.push(item))?;
    Ok(replacement.finish(Trailers::default())?.path)
}

/// Runs `act` with each of its operations failing in each way, then each crash of it, and last undisturbed.
fn at_every_operation(
    start: &SimulatedDisk,
    act: impl Fn(&TestStore) -> Result<(), StorageError>,
    check: impl Fn(&SimulatedDisk, bool, &str),
) {
    for fault in FAULTS {
        for nth in 0.. {
            let disk = start.fork();
            let store = open(&disk);
            disk.fail_at(disk.operations() + nth, fault);
            let is_done = act(&store).is_ok();
            for seed in 0..SEEDS {
                let crashed = disk.fork();
                crashed.crash(nth * 31 + seed);
                check(&crashed, is_done, &format!("{fault:?} at operation {nth}, seed {seed}"));
            }
            disk.kill();
            check(&disk, is_done, &format!("{fault:?} at operation {nth}, killed"));
            if is_done && nth > 0 {
                break;
            }
        }
    }
}

/// An old history in two epochs, the last of it committed by nobody, and a snapshot of that (L1).
fn old() -> Vec<Entry> {
    [in_epoch(1, 1..=30, b'o'), in_epoch(2, 1..=10, b'o')].concat()
}

fn old_disk() -> SimulatedDisk {
    let pieces = [
        Piece::Snapshot(10),
        Piece::Log(10..20),
        Piece::Snapshot(15),
        Piece::Log(20..33),
        Piece::Log(33..40),
        Piece::Snapshot(38),
    ];
    disk_with(&old(), &pieces)
}

/// Replaces the history by that of a leader, which ends with `zxid`. Of the old one at least `kept` may come back.
fn check_replacement(start: &SimulatedDisk, zxid: Zxid, new: &[Entry], kept: Option<usize>) {
    let old = old();
    let is_old = |found: &[Entry]| kept.is_some_and(|kept| found.len() >= kept) && old.starts_with(found);
    let further = in_epoch(zxid.epoch(), zxid.counter() + 1..=zxid.counter() + 3, b'L');
    at_every_operation(
        start,
        |store| replace(store, zxid, new).map(drop),
        |disk, is_done, context| {
            let found = recover(disk, context);
            let is_new = found.as_deref() == Some(new);
            assert!(is_new || !is_done, "{context}: {found:?}");
            assert!(is_new || found.as_deref().is_none_or(is_old), "{context}: a mix: {found:?}");
            assert_eq!(recover(disk, context), found, "{context}: the same again");
            if !is_new {
                replace(&open(disk), zxid, new).unwrap();
            }
            // The log goes on behind it, and what it holds is never taken for what was there before.
            let store = open(disk);
            if is_done || !is_new {
                assert_eq!(store.candidates().unwrap()[0].zxid, zxid, "{context}");
            }
            append(&store, zxid, &further);
            let whole = [new, &further].concat();
            for peer in [last(&old), last(&old[..25]), last(&old[..38]), last(&further)] {
                let Some(floor) = store.probe(peer, None).unwrap().floor else { continue };
                let position = whole.iter().position(|entry| entry.0 == floor).unwrap();
                let sent = store.records_between(floor, last(&whole)).unwrap();
                let sent: Vec<Entry> = sent
                    .map(|record| record.unwrap())
                    .map(|record| (record.zxid, maker_of(&record.content)))
                    .collect();
                assert_eq!(sent, whole[position + 1..], "{context}: {peer}");
            }
            disk.crash(3);
            assert_eq!(recover(disk, context), Some(whole), "{context}: it goes on");
        },
    );
}

#[test]
fn zk_2872_a_leaders_state_ahead_of_ours_is_there_whole_or_not_at_all() {
    let new = [&old()[..20], &in_epoch(2, 1..=50, b'L'), &in_epoch(3, 1..=5, b'L')].concat();
    check_replacement(&old_disk(), last(&new), &new, Some(40));
}

#[test]
fn l1_a_leaders_state_behind_ours_voids_what_stands_above_it() {
    let new = old()[..34].to_vec();
    check_replacement(&old_disk(), last(&new), &new, Some(34));
}

#[test]
fn a_state_that_an_epoch_begins_with_leaves_no_way_over_the_hole() {
    let new = [&old()[..20], &in_epoch(2, 1..=50, b'L')].concat();
    check_replacement(&old_disk(), Zxid::from_parts(3, 0), &new, Some(40));
}

#[test]
fn what_does_not_lead_to_a_leaders_state_is_no_way_back_when_it_is_damaged() {
    let files = |disk: &SimulatedDisk| {
        let dirs = ["/log/version-2", "/data/version-2"].map(Path::new);
        let names = dirs.iter().flat_map(|dir| disk.list(dir).unwrap());
        names.filter(|name| name.starts_with("log.") || name.starts_with("snapshot.")).collect::<Vec<_>>()
    };
    let disk = old_disk();
    replace(&open(&disk), Zxid::from_parts(3, 0), &old()).unwrap();
    assert_eq!(files(&disk), ["snapshot.300000000"]);
    // What leads there is one.
    let disk = old_disk();
    replace(&open(&disk), last(&old()[..34]), &old()[..34]).unwrap();
    let leading =
        ["log.10000000b", "log.100000015", "log.200000004", "snapshot.10000000a", "snapshot.10000000f"];
    assert_eq!(files(&disk), [&leading[..], &["snapshot.200000004"]].concat());
}

#[test]
fn a_replacement_that_was_cut_off_and_made_again_leaves_no_log_that_does_not_lead_there() {
    let old = old();
    let new = [&old[..20], &in_epoch(2, 1..=50, b'L')].concat();
    at_every_operation(
        &old_disk(),
        |store| replace(store, last(&new), &new).map(drop),
        |disk, _, context| {
            let logs = || {
                let names = disk.list(Path::new("/log/version-2")).unwrap();
                names.into_iter().filter(|name| name.starts_with("log.")).collect::<Vec<_>>()
            };
            let left = logs();
            assert!(
                ["log.10000000b", "log.100000015", "log.200000004"]
                    .starts_with(&left.iter().map(String::as_str).collect::<Vec<_>>()),
                "{context}: a hole: {left:?}"
            );
            recover(disk, context);
            replace(&open(disk), last(&new), &new).unwrap();
            assert!(logs().is_empty(), "{context}: {:?}", logs());
        },
    );
}

/// Two epochs, a log for each, which we wrote or found.
fn disk_with_two_logs(is_found: bool) -> SimulatedDisk {
    let history = old();
    let disk = disk_with(&history, &[Piece::Snapshot(0), Piece::Log(0..30), Piece::Log(30..40)]);
    if is_found {
        disk.remove(Path::new("/log/version-2/durable.mark")).unwrap();
        assert_eq!(recover(&disk, "found").as_deref(), Some(history.as_slice()));
    }
    disk.crash(1);
    disk
}

#[test]
fn rot_at_the_end_of_a_log_behind_which_an_epoch_begins_is_no_torn_end() {
    let log = Path::new("/log/version-2/log.100000001");
    for is_found in [false, true] {
        let whole = disk_with_two_logs(is_found);
        let bytes = whole.read(log).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
        for offset in end - 70..=end {
            let disk = whole.fork();
            disk.flip_bit(log, offset, 3).unwrap();
            let error = open(&disk).records_after(Zxid::ZERO).unwrap().find_map(Result::err);
            assert!(error.is_some_and(|error| error.is_damage()), "found {is_found}, byte {offset}");
        }
    }
}

#[test]
fn a_mark_that_is_torn_leaves_those_before_it() {
    const SECTOR: u64 = 512;
    let (log, marks) = ("/log/version-2/log.100000001", "/log/version-2/durable.mark");
    let (log, marks) = (Path::new(log), Path::new(marks));
    let disk = disk_with(&old(), &[Piece::Snapshot(0)]);
    let mut writer = open(&disk).log_writer(Zxid::ZERO);
    let mut ends = Vec::new();
    for entry in &old()[..12] {
        writer.append(entry.0, &content(*entry)).unwrap();
        writer.commit().unwrap();
        ends.push(writer.file_bytes());
    }
    for sector in 0..8 {
        let disk = disk.fork();
        disk.flip_bit(marks, sector * SECTOR + 20, 1).unwrap();
        // All but the last record are below a mark that is whole.
        disk.flip_bit(log, ends[9] + 30, 1).unwrap();
        let error = open(&disk).records_after(Zxid::ZERO).unwrap().find_map(Result::err);
        assert!(error.is_some_and(|error| error.is_damage()), "sector {sector}");
    }
}

#[test]
fn a_log_that_was_cut_may_grow_again_behind_the_cut() {
    let disk = disk_with_two_logs(false);
    let store = open(&disk);
    let kept = old()[..20].to_vec();
    assert_eq!(store.truncate(last(&kept)).unwrap(), last(&kept));
    let further = in_epoch(3, 1..=2, b'n');
    append(&store, last(&kept), &further);
    for seed in 0..SEEDS {
        let crashed = disk.fork();
        crashed.crash(seed);
        assert_eq!(recover(&crashed, "cut"), Some([kept.clone(), further.clone()].concat()), "seed {seed}");
    }
}

#[test]
fn a_state_below_all_that_we_could_cut_to_leaves_a_server_that_does_not_vote() {
    let new = in_epoch(1, 1..=5, b'L');
    // The old history comes back as long as nothing was given up.
    check_replacement(&old_disk(), last(&new), &new, Some(40));
    let disk = old_disk();
    open(&disk).set_aside().unwrap();
    check_replacement(&disk, last(&new), &new, None);
}

#[test]
fn a_damaged_history_that_cannot_be_cut_is_replaced_all_the_same() {
    let disk = old_disk();
    let log = Path::new("/log/version-2").join(storage::log_name(old()[20].0));
    disk.flip_bit(&log, 200, 3).unwrap();
    disk.remove(Path::new("/data/version-2").join("snapshot.200000008").as_path()).unwrap();
    let new = [&old()[..20], &in_epoch(2, 1..=50, b'L')].concat();
    let store = open(&disk);
    let damage = store.records_after(last(&old()[..15])).unwrap().find_map(Result::err).unwrap();
    assert!(damage.is_damage(), "{damage}");
    replace(&store, last(&new), &new).unwrap();
    assert_eq!(store.load().unwrap(), Load::Snapshots);
    assert_eq!(recover(&disk, "replaced"), Some(new));
}

/// A cut to `len` entries of a history: a crash leaves a part of it, from its beginning on.
fn check_truncation(history: &[Entry], pieces: &[Piece], len: usize) {
    let kept = last(&history[..len]);
    let start = disk_with(history, pieces);
    at_every_operation(
        &start,
        |store| {
            assert!(store.truncate(kept)? <= kept);
            Ok(())
        },
        |disk, is_done, context| {
            let context = &format!("to {kept}, {context}");
            let found = recover(disk, context).unwrap();
            assert!(history.starts_with(&found), "{context}: {found:?}");
            assert!(found.len() >= len && (found.len() == len || !is_done), "{context}: {}", found.len());
            let store = open(disk);
            assert_eq!(store.truncate(kept).unwrap(), kept, "{context}");
            assert_eq!(recover(disk, context).unwrap(), history[..len], "{context}");
            // ZK-1489: what follows stands in a file of its own.
            let further = in_epoch(3, 1..=2, b'n');
            append(&store, kept, &further);
            disk.crash(5);
            assert_eq!(
                recover(disk, context).unwrap(),
                [&history[..len], &further[..]].concat(),
                "{context}: it goes on"
            );
        },
    );
}

#[test]
fn scenario_9_l1_clickhouse_112101_a_cut_over_several_logs_and_snapshots() {
    let pieces = || {
        [
            Piece::Snapshot(10),
            Piece::Log(10..20),
            Piece::Snapshot(15),
            Piece::Log(20..33),
            Piece::Log(33..40),
            Piece::Snapshot(38),
        ]
    };
    // In the newest log, in the middle, at the end of a log, at a snapshot, at the base.
    for len in [39, 36, 33, 25, 20, 15, 10] {
        check_truncation(&old(), &pieces(), len);
    }
}

#[test]
fn l2_a_cut_at_the_zxid_before_the_log_begins() {
    let history = old();
    for len in [20, 22] {
        check_truncation(&history, &[Piece::Snapshot(20), Piece::Log(20..25)], len);
    }
}

#[test]
fn a_log_never_outlives_the_snapshot_that_shows_where_it_has_a_hole() {
    // Between the logs a leader's state came; in the second case no gap within an epoch shows it.
    for hole in [12..33, 12..30] {
        let pieces =
            [Piece::Snapshot(0), Piece::Log(0..12), Piece::Snapshot(hole.end), Piece::Log(hole.end..40)];
        for len in [5, 12] {
            check_truncation(&old(), &pieces, len);
        }
    }
}

#[test]
fn damage_above_the_cut_does_not_keep_it_from_being_cut() {
    let history = old();
    let pieces = [Piece::Snapshot(10), Piece::Log(10..20)];
    for offset in (16..1400).step_by(3) {
        let disk = disk_with(&history, &pieces);
        disk.flip_bit(&Path::new("/log/version-2").join(storage::log_name(history[10].0)), offset, 2)
            .unwrap();
        let store = open(&disk);
        let whole = store.records_after(last(&history[..10])).unwrap().take_while(Result::is_ok).count();
        for len in 10..=20 {
            let disk = disk.fork();
            let outcome = open(&disk).truncate(last(&history[..len]));
            match outcome {
                Ok(_) => assert_eq!(recover(&disk, "damaged above").unwrap(), history[..len]),
                Err(error) => assert!(error.is_damage() && len > 10 + whole, "{offset} {len}: {error}"),
            }
            if len <= 10 + whole {
                assert!(open(&disk).truncate(last(&history[..len])).is_ok(), "{offset} {len}");
            }
        }
    }
}

#[test]
fn a_history_that_cannot_be_cut_there_stays_as_it_is() {
    let disk = old_disk();
    let store = open(&disk);
    let files = |disk: &SimulatedDisk| -> Vec<(PathBuf, Vec<u8>)> {
        let dirs = [store.log_dir(), store.snapshot_dir()];
        let paths =
            dirs.iter().flat_map(|dir| disk.list(dir).unwrap().into_iter().map(|name| dir.join(name)));
        paths.map(|path| (path.clone(), disk.read(&path).unwrap())).collect()
    };
    let (before, operations) = (files(&disk), disk.operations());
    for len in [9, 0] {
        let refused = store.truncate(last(&old()[..len]));
        assert!(matches!(refused, Err(StorageError::CannotTruncate { .. })), "{refused:?}");
    }
    assert_eq!((files(&disk), disk.operations()), (before, operations));
}

#[test]
fn scenario_7_l11_a_crash_between_the_first_transactions_of_an_epoch_and_its_file_heals_itself() {
    let old = old();
    let start = disk_with(&old, &[Piece::Snapshot(30), Piece::Log(30..40)]);
    let new = in_epoch(3, 1..=4, b'n');
    let sync = |store: &TestStore| {
        let mut log = store.log_writer(last(&old));
        new.iter().try_for_each(|entry| log.append(entry.0, &content(*entry)))?;
        log.commit()?;
        epochs::write_current(store.disk(), store.snapshot_dir(), 3)
    };
    at_every_operation(&start, sync, |disk, is_done, context| {
        let dir = Path::new("/data/version-2");
        let store = open(disk);
        let mut records = store.records_after(last(&old[..30])).unwrap();
        let end = records.by_ref().map(|record| record.unwrap().zxid).max().unwrap();
        store.settle(&records.into_tails()).unwrap();
        let found = epochs::load(disk, dir, end).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(found.accepted, 3, "{context}");
        assert!(found.current == 3 || (found.current == 2 && end.epoch() == 2), "{context}: {found:?} {end}");
        assert!(!is_done || (found.current == 3 && !found.is_healed && end == last(&new)), "{context}");
        // What was healed stays so.
        disk.crash(9);
        let again = epochs::load(disk, dir, end).unwrap();
        assert_eq!((again.current, again.is_healed), (found.current, false), "{context}");
    });
}

#[test]
fn scenario_8_zk_335_a_promise_to_a_leader_is_kept_over_a_crash() {
    let old = old();
    let start = disk_with(&old, &[Piece::Snapshot(30), Piece::Log(30..40)]);
    at_every_operation(
        &start,
        |store| epochs::write_accepted(store.disk(), store.snapshot_dir(), 4),
        |disk, is_promised, context| {
            let found = epochs::load(disk, Path::new("/data/version-2"), last(&old)).unwrap();
            assert!(found.accepted == 4 || (found.accepted == 3 && !is_promised), "{context}: {found:?}");
            assert_eq!(found.current, 2, "{context}");
        },
    );
}

#[test]
fn scenario_11_l8_a_torn_record_in_the_middle_is_given_up_and_a_leaders_state_takes_its_place() {
    let old = old();
    let disk = disk_with(&old, &[Piece::Snapshot(10), Piece::Log(10..20), Piece::Log(20..40)]);
    let log = Path::new("/log/version-2").join(storage::log_name(old[10].0));
    let mut bytes = disk.read(&log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes[end - 20..].fill(0);
    disk.put(&log, &bytes).unwrap();
    let store = open(&disk);
    let damage = store.records_after(last(&old[..10])).unwrap().find_map(Result::err).unwrap();
    assert!(damage.is_damage(), "{damage}");
    assert_eq!(store.probe(last(&old[..15]), None).unwrap().floor, None);
    store.set_aside().unwrap();
    assert_eq!(recover(&disk, "given up"), None);
    replace(&open(&disk), last(&old), &old).unwrap();
    assert_eq!(recover(&disk, "replaced"), Some(old));
}

#[test]
fn scenario_15_no_vote_without_the_snapshot_that_the_log_needs() {
    let old = old();
    let disk = disk_with(&old, &[Piece::Snapshot(0), Piece::Snapshot(20), Piece::Log(20..40)]);
    let snapshot = |zxid: Zxid| Path::new("/data/version-2").join(format!("snapshot.{:x}", zxid.0));
    disk.remove(&snapshot(last(&old[..20]))).unwrap();
    let gap = open(&disk).records_after(Zxid::ZERO).unwrap().find_map(Result::err).unwrap();
    assert!(gap.is_damage(), "{gap}");
    disk.remove(&snapshot(Zxid::ZERO)).unwrap();
    let missing = open(&disk).load().unwrap_err();
    assert!(missing.is_damage(), "{missing}");
    open(&disk).set_aside().unwrap();
    assert_eq!(recover(&disk, "given up"), None);
}
