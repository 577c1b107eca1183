mod probe;

use std::path::Path;

use jute::snapshot::{DataNode, SnapshotItem};
use jute::txn::{ErrorTxn, TxnHeader};
use jute::{SessionId, Txn, TxnRecord};

use super::*;
use crate::{Damage, SimulatedDisk, Trailers};

const DATA: &str = "/data";

fn open(
    disk: &SimulatedDisk,
    change: impl FnOnce(&mut StoreSettings),
) -> Result<Store<SimulatedDisk>, StorageError> {
    let mut settings = StoreSettings::new(Path::new(DATA));
    settings.log.preallocate_bytes = 4096;
    change(&mut settings);
    Store::open(disk.clone(), settings)
}

fn open_plain(disk: &SimulatedDisk) -> Store<SimulatedDisk> {
    open(disk, |_| {}).unwrap()
}

fn content(zxid: i64) -> Vec<u8> {
    let txn = Txn::Error(ErrorTxn { err: -101 });
    let op_code = txn.op_code().code();
    let header = TxnHeader { client_id: SessionId(1), cxid: 0, zxid: Zxid(zxid), time: 0, op_code };
    TxnRecord { header, txn, digest: None }.to_vec()
}

/// One log file with these records.
fn write_log(store: &Store<SimulatedDisk>, zxids: std::ops::RangeInclusive<i64>) {
    let mut log = store.log_writer(Zxid(zxids.start() - 1));
    for zxid in zxids {
        log.append(Zxid(zxid), &content(zxid)).unwrap();
    }
    log.commit().unwrap();
}

fn write_snapshot(store: &Store<SimulatedDisk>, zxid: i64) -> PathBuf {
    let mut writer = store.snapshot_writer(Zxid(zxid)).unwrap();
    writer.push(&SnapshotItem::Sessions(vec![(SessionId(zxid), 1)])).unwrap();
    writer.push(&SnapshotItem::Acls(vec![])).unwrap();
    for path in ["", "/a"] {
        writer.push(&SnapshotItem::Node { path: path.into(), node: DataNode::default() }).unwrap();
    }
    writer.push(&SnapshotItem::End).unwrap();
    writer.finish(Trailers::default()).unwrap().path
}

fn names(disk: &SimulatedDisk) -> Vec<String> {
    let names = disk.list(Path::new("/data/version-2")).unwrap();
    names.into_iter().filter(|name| name != "durable.mark").collect()
}

fn zxids(records: LogReader<SimulatedDisk>) -> Vec<i64> {
    records.map(|record| record.unwrap().zxid.0).collect()
}

#[test]
fn directories_are_created_or_missed() {
    let disk = SimulatedDisk::new();
    let refused = open(&disk, |settings| settings.creates_directories = false);
    assert!(matches!(refused, Err(StorageError::DataDir { .. })));
    open(&disk, |settings| settings.log_dir = "/elsewhere/log".into()).unwrap();
    disk.crash(1);
    open(&disk, |settings| {
        settings.creates_directories = false;
        settings.log_dir = "/elsewhere/log".into();
    })
    .unwrap();
}

#[test]
fn files_in_the_wrong_directory_are_refused() {
    for (file, is_refused) in [
        ("/log/version-2/snapshot.1", true),
        ("/data/version-2/log.1", true),
        ("/data/version-2/snapshot.1", false),
        ("/log/version-2/log.1", false),
    ] {
        let disk = SimulatedDisk::new();
        disk.put(Path::new(file), b"").unwrap();
        let opened = open(&disk, |settings| settings.log_dir = "/log".into());
        assert_eq!(matches!(opened, Err(StorageError::DataDir { .. })), is_refused, "{file}");
    }
}

#[test]
fn what_a_start_finds() {
    let disk = SimulatedDisk::new();
    let store = open_plain(&disk);
    assert_eq!(store.load().unwrap(), Load::Fresh);
    let lost = open(&disk, |settings| settings.creates_database = false).unwrap();
    assert_eq!(lost.load().unwrap(), Load::Lost);
    disk.put(Path::new("/data/initialize"), b"").unwrap();
    assert_eq!(lost.load().unwrap(), Load::Fresh);
    lost.forget_initialize().unwrap();
    assert_eq!(lost.load().unwrap(), Load::Lost);
    write_log(&store, 1..=3);
    assert!(matches!(store.load(), Err(StorageError::LogsWithoutSnapshot { .. })));
    let trusting = open(&disk, |settings| settings.trusts_empty_snapshot = true).unwrap();
    assert_eq!(trusting.load().unwrap(), Load::LogsOnly);
    assert_eq!(zxids(trusting.records_above(Zxid::ZERO).unwrap()), [1, 2, 3]);
    write_snapshot(&store, 2);
    assert_eq!(store.load().unwrap(), Load::Snapshots);
    assert_eq!(zxids(store.records_after(Zxid(2)).unwrap()), [3]);
}

#[test]
fn candidates_are_the_whole_ones_newest_first() {
    let disk = SimulatedDisk::new();
    let store = open_plain(&disk);
    [3, 10, 0].into_iter().for_each(|zxid| drop(write_snapshot(&store, zxid)));
    disk.put(Path::new("/data/version-2/snapshot.b"), b"ZKSN partial").unwrap();
    disk.put(Path::new("/data/version-2/snapshot.c.gz"), &[0x1f, 0x8b]).unwrap();
    disk.put(Path::new("/data/version-2/snapshot.d.snappy"), b"no magic").unwrap();
    let found: Vec<_> = store.candidates().unwrap().into_iter().map(|candidate| candidate.zxid.0).collect();
    assert_eq!(found, [12, 10, 3, 0]);
}

#[test]
fn l9_a_damaged_newest_snapshot_gives_its_place_to_an_older_one_and_nothing_of_itself() {
    let disk = SimulatedDisk::new();
    let store = open_plain(&disk);
    write_snapshot(&store, 1);
    let newest = write_snapshot(&store, 2);
    let len = disk.read(&newest).unwrap().len();
    let good = disk.read(&newest).unwrap();
    for offset in 0..len - 5 {
        disk.put(&newest, &good).unwrap();
        disk.flip_bit(&newest, offset as u64, 5).unwrap();
        let loaded = store.candidates().unwrap().into_iter().find_map(|candidate| {
            let items = store.read_snapshot(&candidate).ok()?.collect::<Result<Vec<_>, _>>().ok()?;
            Some((candidate.zxid, items))
        });
        let (zxid, items) = loaded.unwrap();
        assert_eq!(zxid, Zxid(1), "byte {offset}");
        assert_eq!(items[0], SnapshotItem::Sessions(vec![(SessionId(1), 1)]), "byte {offset}");
    }
}

#[test]
fn an_unfinished_snapshot_is_nobodys_candidate_and_is_swept_away() {
    let disk = SimulatedDisk::new();
    let store = open_plain(&disk);
    let mut unfinished = store.snapshot_writer(Zxid(9)).unwrap();
    unfinished.push(&SnapshotItem::Sessions(vec![])).unwrap();
    drop(unfinished);
    assert_eq!(names(&disk), [".partial-snapshot.9"]);
    assert!(store.candidates().unwrap().is_empty());
    open_plain(&disk);
    assert!(names(&disk).is_empty());
    store.snapshot_writer(Zxid(9)).unwrap().abort().unwrap();
    assert!(names(&disk).is_empty());
}

#[test]
fn a_snapshot_that_fails_on_the_way_leaves_no_file() {
    let disk = SimulatedDisk::new();
    let store = open_plain(&disk);
    let mut writer = store.snapshot_writer(Zxid(9)).unwrap();
    disk.fail_at(disk.operations(), crate::disk::Fault::NoSpace);
    let node = DataNode { data: Some(vec![7; 1 << 20].into()), ..DataNode::default() };
    assert!(matches!(
        writer.push(&SnapshotItem::Node { path: "/a".into(), node }),
        Err(StorageError::Io { .. })
    ));
    drop(writer);
    assert!(names(&disk).is_empty());
}

#[test]
fn truncation_removes_what_is_above_even_when_the_zxid_is_not_in_the_log() {
    let disk = SimulatedDisk::new();
    let store = open_plain(&disk);
    write_snapshot(&store, 5);
    write_log(&store, 6..=9);
    write_log(&store, 10..=12);
    write_snapshot(&store, 11);
    assert_eq!(store.truncate(Zxid(8)).unwrap(), Zxid(8));
    assert_eq!(names(&disk), ["log.6", "snapshot.5"]);
    assert_eq!(zxids(store.records_after(Zxid(5)).unwrap()), [6, 7, 8]);
    assert_eq!(store.truncate(Zxid(5)).unwrap(), Zxid(5));
    assert_eq!(names(&disk), ["snapshot.5"]);
    assert!(matches!(store.truncate(Zxid(4)), Err(StorageError::CannotTruncate { .. })));
    assert_eq!(names(&disk), ["snapshot.5"]);
}

#[test]
fn purge_keeps_three_snapshots_that_hold_and_their_logs() {
    let disk = SimulatedDisk::new();
    let store = open_plain(&disk);
    write_snapshot(&store, 0);
    for first in [1, 11, 21, 31, 41] {
        write_log(&store, first..=first + 9);
        write_snapshot(&store, first + 4);
    }
    disk.flip_bit(Path::new("/data/version-2/snapshot.23"), 40, 1).unwrap();
    let purged = store.purge(1).unwrap();
    assert_eq!(purged.damaged, [Path::new("/data/version-2/snapshot.23")]);
    let removed: Vec<_> =
        purged.removed.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(removed, ["snapshot.0", "log.1", "snapshot.5"]);
    assert_eq!(zxids(store.records_after(Zxid(15)).unwrap()), (16..=50).collect::<Vec<_>>());
    assert_eq!(store.purge(3).unwrap().removed, Vec::<PathBuf>::new());
}

#[test]
fn purge_removes_nothing_when_a_record_is_missing() {
    let disk = SimulatedDisk::new();
    let store = open_plain(&disk);
    for first in [1, 11, 21, 31] {
        write_log(&store, first..=first + 9);
        write_snapshot(&store, first + 4);
    }
    disk.remove(Path::new("/data/version-2/log.15")).unwrap();
    let before = names(&disk);
    let Err(StorageError::Corrupt(corruption)) = store.purge(3) else { panic!("a gap is an error") };
    assert_eq!(corruption.what, Damage::Gap { after: Zxid(20), found: Zxid(31) });
    assert_eq!(names(&disk), before);
}

#[test]
fn settling_cuts_torn_ends_and_removes_files_without_records() {
    let disk = SimulatedDisk::new();
    let store = open_plain(&disk);
    write_log(&store, 1..=2);
    let log = Path::new("/data/version-2/log.1");
    let mut torn = disk.read(log).unwrap();
    let end = torn.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    torn[end..end + 20].fill(0x42);
    disk.put(log, &torn).unwrap();
    disk.put(Path::new("/data/version-2/log.3"), b"ZKLG\0").unwrap();
    let mut records = store.records_after(Zxid::ZERO).unwrap();
    assert_eq!(records.by_ref().count(), 2);
    store.settle(&records.into_tails()).unwrap();
    assert_eq!(names(&disk), ["log.1"]);
    assert_eq!(disk.read(log).unwrap(), torn[..end]);
    assert!(store.log_dir_bytes().unwrap() >= end as u64);
}

#[test]
fn l5_what_a_failed_sync_left_in_the_cache_alone_is_written_once_more() {
    for fails_after in 0..12 {
        let disk = SimulatedDisk::new();
        let store = open_plain(&disk);
        write_snapshot(&store, 0);
        let mut log = store.log_writer(Zxid(0));
        log.append(Zxid(1), &content(1)).unwrap();
        log.commit().unwrap();
        log.append(Zxid(2), &content(2)).unwrap();
        disk.fail_at(disk.operations() + fails_after, crate::disk::Fault::Eio);
        let _may_fail = log.commit();
        // The process ends; the machine, and with it the cache, goes on. The next one counts what it reads.
        disk.kill();
        let store = open_plain(&disk);
        let mut records = store.records_after(Zxid(0)).unwrap();
        let counted = records.by_ref().map(|record| record.unwrap().zxid).last();
        store.settle(&records.into_tails()).unwrap();
        for seed in 0..8 {
            let later = disk.fork();
            later.crash(seed);
            let left = zxids(open_plain(&later).records_after(Zxid(0)).unwrap());
            assert_eq!(left.last().copied(), counted.map(|zxid| zxid.0), "{fails_after} {seed}");
        }
    }
}

#[test]
fn what_was_given_up_is_never_loaded_again() {
    for operation in 0.. {
        let mut is_done = false;
        for seed in 0..8 {
            let disk = SimulatedDisk::new();
            let store = open_plain(&disk);
            write_snapshot(&store, 0);
            write_log(&store, 1..=4);
            write_snapshot(&store, 4);
            write_log(&store, 5..=6);
            disk.fail_at(disk.operations() + operation, crate::disk::Fault::Cut);
            is_done = store.set_aside().is_ok();
            disk.crash(seed);
            let store = open_plain(&disk);
            match store.load().unwrap() {
                Load::Snapshots => {
                    assert!(!is_done && operation < 4, "operation {operation}");
                    assert_eq!(zxids(store.records_after(Zxid::ZERO).unwrap()), [1, 2, 3, 4, 5, 6]);
                }
                load @ (Load::Lost | Load::Fresh | Load::LogsOnly) => {
                    assert_eq!(load, Load::Lost, "operation {operation}");
                }
            }
        }
        if is_done {
            break;
        }
    }
    let disk = SimulatedDisk::new();
    let store = open_plain(&disk);
    for _ in 0..2 {
        write_snapshot(&store, 4);
        store.set_aside().unwrap();
    }
    assert_eq!(names(&disk), ["aside-2-snapshot.4", "aside-snapshot.4", "resync.needed"]);
    write_snapshot(&store, 9);
    store.finish_resync().unwrap();
    assert_eq!(open_plain(&disk).load().unwrap(), Load::Snapshots);
}

#[test]
fn a_snapshot_that_fails_leaves_nothing_behind_and_can_be_tried_again() {
    for fault in [crate::disk::Fault::Eio, crate::disk::Fault::NoSpace] {
        for operation in 0..3 {
            let disk = SimulatedDisk::new();
            let store = open_plain(&disk);
            let mut writer = store.snapshot_writer(Zxid(1)).unwrap();
            writer.push(&SnapshotItem::Sessions(vec![])).unwrap();
            disk.fail_at(disk.operations() + operation, fault);
            assert!(writer.finish(Trailers::default()).is_err());
            assert_eq!(names(&disk), Vec::<String>::new(), "operation {operation}");
            write_snapshot(&store, 1);
            assert_eq!(store.candidates().unwrap().len(), 1);
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(
        content in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        begins_well: bool,
    ) {
        for (name, header) in [
            ("log.1", &b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0"[..]),
            ("snapshot.1", b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x01"),
            ("snapshot.1.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\0"),
            ("snapshot.1.snappy", b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0"),
        ] {
            let disk = SimulatedDisk::new();
            let path = Path::new("/data/version-2").join(name);
            let header = if begins_well { header } else { &[] };
            disk.put(&path, &[header, &content].concat()).unwrap();
            let store = open_plain(&disk);
            if let Ok(records) = store.records_after(Zxid::ZERO) {
                records.for_each(drop);
            }
            let candidate = parse_snapshot_name(name).map(|(zxid, compression)| Candidate { zxid, path, compression });
            if let Some(Ok(reader)) = candidate.map(|candidate| store.read_snapshot(&candidate)) {
                proptest::prop_assert!(reader.verify().is_err());
            }
        }
    }
}
