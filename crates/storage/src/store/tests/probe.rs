//! What the log proves about a peer, and what is sent to it.

use super::*;

fn open_with(history: impl FnOnce(&Store<SimulatedDisk>)) -> (SimulatedDisk, Store<SimulatedDisk>) {
    let disk = SimulatedDisk::new();
    history(&open_plain(&disk));
    // A start: nobody writes yet.
    let store = open_plain(&disk);
    (disk, store)
}

fn probe(store: &Store<SimulatedDisk>, peer: i64) -> (Option<i64>, Option<i64>, i64) {
    let probe = store.probe(Zxid(peer), None).unwrap();
    (probe.floor.map(|zxid| zxid.0), probe.first_above.map(|zxid| zxid.0), probe.last.0)
}

fn between(store: &Store<SimulatedDisk>, after: i64, up_to: i64) -> Result<Vec<i64>, StorageError> {
    let records = store.records_between(Zxid(after), Zxid(up_to))?;
    records.map(|record| record.map(|record| record.zxid.0)).collect()
}

const fn zxid(epoch: i64, counter: i64) -> i64 {
    epoch << 32 | counter
}

#[test]
fn l12_a_run_that_reaches_back_to_the_peer() {
    let (_, store) = open_with(|store| {
        write_snapshot(store, 0);
        write_log(store, 1..=4);
        write_log(store, 5..=9);
        write_snapshot(store, 6);
        write_log(store, zxid(1, 1)..=zxid(1, 3));
    });
    let last = zxid(1, 3);
    for (peer, floor, first_above) in [
        (0, None, None),
        (1, Some(1), Some(2)),
        (4, Some(4), Some(5)),
        (5, Some(5), Some(6)),
        (9, Some(9), Some(zxid(1, 1))),
        // The end of an old epoch that we do not know.
        (12, Some(9), Some(zxid(1, 1))),
        (zxid(1, 0), Some(9), Some(zxid(1, 1))),
        (zxid(1, 3), Some(zxid(1, 3)), None),
        (zxid(2, 0), Some(zxid(1, 3)), None),
    ] {
        let last = if floor.is_some() { last } else { -1 };
        assert_eq!(probe(&store, peer), (floor, first_above, last), "{peer:#x}");
    }
    assert_eq!(between(&store, 4, 6).unwrap(), [5, 6]);
    assert_eq!(between(&store, 8, last).unwrap(), [9, zxid(1, 1), zxid(1, 2), last]);
    assert_eq!(between(&store, 4, 4).unwrap(), []);
}

#[test]
fn l12_zk_2418_4925_a_hole_proves_nothing_to_those_before_it() {
    type Damage = fn(&SimulatedDisk, &Store<SimulatedDisk>);
    let gap: Damage = |disk, _| disk.remove(Path::new("/data/version-2/log.5")).unwrap();
    // What a leader sent, at the end of an epoch or where one begins, leaves no gap in the numbers of an epoch.
    let sent: Damage = |_, store| drop(write_snapshot(store, 14));
    let sent_between: Damage = |_, store| drop(write_snapshot(store, zxid(1, 0)));
    let torn: Damage = |disk, _| {
        let log = Path::new("/data/version-2/log.a");
        let bytes = disk.read(log).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        disk.put(log, &bytes[..end - 3]).unwrap();
        disk.remove(Path::new("/data/version-2/durable.mark")).unwrap();
    };
    let flipped: Damage = |disk, _| disk.flip_bit(Path::new("/data/version-2/log.a"), 40, 1).unwrap();
    for (name, damage, good) in [
        ("a log is gone", gap, 10),
        ("a snapshot behind the end of an epoch", sent, zxid(1, 1)),
        ("a snapshot where an epoch begins", sent_between, zxid(1, 1)),
        ("a torn end before an epoch", torn, zxid(1, 1)),
        ("a flipped bit", flipped, zxid(1, 1)),
    ] {
        let (disk, store) = open_with(|store| {
            write_snapshot(store, 0);
            write_log(store, 1..=4);
            write_log(store, 5..=9);
            write_log(store, 10..=12);
            write_log(store, zxid(1, 1)..=zxid(1, 3));
        });
        assert_eq!(probe(&store, 3).0, Some(3));
        damage(&disk, &store);
        assert_eq!(probe(&store, 3), (None, None, -1), "{name}");
        assert_eq!(probe(&store, good), (Some(good), Some(good + 1), zxid(1, 3)), "{name}");
        let error = between(&store, 3, zxid(1, 2)).unwrap_err();
        assert!(error.is_damage(), "{name}: {error}");
        assert_eq!(between(&store, good, zxid(1, 3)).unwrap().last(), Some(&zxid(1, 3)), "{name}");
    }
}

#[test]
fn a_log_that_does_not_reach_the_state_proves_nothing() {
    let (_, store) = open_with(|store| {
        write_log(store, 1..=4);
        write_snapshot(store, 9);
    });
    assert_eq!(probe(&store, 2), (None, None, -1));
    // As after a start from that snapshot.
    let (_, store) = open_with(|store| write_log(store, 1..=4));
    drop(store.log_writer(Zxid(9)));
    assert_eq!(probe(&store, 2), (None, None, -1));
}

#[test]
fn reading_stops_with_the_limit() {
    let (_, store) = open_with(|store| write_log(store, 1..=9));
    let all = store.probe(Zxid(3), None).unwrap();
    let record = all.bytes_above / 6;
    assert_eq!((all.is_over, all.bytes_above), (false, 6 * (content(1).len() as u64 + 13)));
    for (bytes_max, is_over, last) in [(6 * record, false, 9), (6 * record - 1, true, 9), (0, true, 4)] {
        let probe = store.probe(Zxid(3), Some(bytes_max)).unwrap();
        assert_eq!((probe.is_over, probe.last.0), (is_over, last), "{bytes_max}");
        assert_eq!((probe.floor, probe.first_above), (Some(Zxid(3)), Some(Zxid(4))), "{bytes_max}");
    }
    assert_eq!(store.probe(Zxid(9), Some(0)).unwrap().bytes_above, 0);
}

#[test]
fn beside_the_writer_only_what_is_durable_counts() {
    let disk = SimulatedDisk::new();
    let store = open_plain(&disk);
    let mut log = store.log_writer(Zxid::ZERO);
    assert_eq!(probe(&store, 0), (None, None, -1));
    for zxid in 1..=6 {
        log.append(Zxid(zxid), &content(zxid)).unwrap();
    }
    log.commit().unwrap();
    // Half of the next batch stands in the file; after it, what no writer would leave.
    let path = Path::new("/data/version-2/log.1");
    let bytes = disk.read(path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for behind in [&[9_u8; 30][..], &content(7)] {
        let mut half = bytes.clone();
        half[end..end + behind.len()].copy_from_slice(behind);
        disk.put(path, &half).unwrap();
        assert_eq!(probe(&store.clone(), 4), (Some(4), Some(5), 6));
        assert_eq!(probe(&store, 9), (Some(6), None, 6));
        assert_eq!(between(&store, 2, 6).unwrap(), [3, 4, 5, 6]);
        assert!(between(&store, 2, 7).is_err());
    }
    // Written and not synced: no.
    disk.put(path, &bytes).unwrap();
    let mut log = store.log_writer(Zxid(6));
    log.append(Zxid(7), &content(7)).unwrap();
    disk.fail_at(disk.operations() + 4, crate::disk::Fault::Eio);
    log.commit().unwrap_err();
    assert_eq!(probe(&store, 4), (Some(4), Some(5), 6));
}

#[test]
fn what_a_purge_takes_meanwhile_is_an_error_and_no_hole() {
    let (disk, store) = open_with(|store| {
        write_log(store, 1..=4);
        write_log(store, zxid(1, 1)..=zxid(1, 3));
        write_log(store, zxid(1, 4)..=zxid(1, 5));
    });
    let mut records = store.records_between(Zxid(3), Zxid(zxid(1, 5))).unwrap();
    assert_eq!(records.next().unwrap().unwrap().zxid, Zxid(4));
    disk.remove(Path::new("/data/version-2/log.100000001")).unwrap();
    assert!(records.next().unwrap().is_err());
    assert!(records.next().is_none());
    disk.remove(Path::new("/data/version-2/log.1")).unwrap();
    assert!(store.records_between(Zxid(4), Zxid(zxid(1, 5))).unwrap_err().is_damage());
    assert_eq!(probe(&store, 4), (None, None, -1));
}

#[test]
fn an_equal_zxid_with_an_error_is_no_hole() {
    let (_, store) = open_with(|store| {
        let mut log = store.log_writer(Zxid::ZERO);
        for zxid in [1, 2, 2, 3, 3] {
            log.append(Zxid(zxid), &content(zxid)).unwrap();
        }
        log.commit().unwrap();
    });
    assert_eq!(probe(&store, 1), (Some(1), Some(2), 3));
    assert_eq!(probe(&store, 2), (Some(2), Some(3), 3));
    assert_eq!(between(&store, 1, 3).unwrap(), [2, 2, 3]);
}

#[test]
fn the_length_of_the_newest_snapshot() {
    let (disk, store) = open_with(|store| drop(write_snapshot(store, 3)));
    let len = disk.read(Path::new("/data/version-2/snapshot.3")).unwrap().len() as u64;
    assert_eq!(store.newest_snapshot_bytes().unwrap(), Some(len));
    disk.put(Path::new("/data/version-2/snapshot.9"), b"ZKSN").unwrap();
    assert_eq!(store.newest_snapshot_bytes().unwrap(), Some(len));
    disk.remove(Path::new("/data/version-2/snapshot.3")).unwrap();
    assert_eq!(store.newest_snapshot_bytes().unwrap(), None);
}
