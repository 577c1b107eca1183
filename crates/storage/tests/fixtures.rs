//! Files that Apache ZooKeeper 3.9.5 wrote (`fixtures/Fixtures.java`) are read, and written again to the same bytes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};

use jute::snapshot::SnapshotItem;
use jute::{OpCode, Txn, Zxid};
use storage::inspect::{self, LogEntry};
use storage::log::RecordEnd;
use storage::{
    Compression, Disk, Load, LogReader, LogSettings, LogWriter, RealDisk, SimulatedDisk, SnapshotReader,
    SnapshotWriter, Store, StoreSettings, Trailers,
};

const LAST: Zxid = Zxid(0x2_0000_0001);

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

/// A data directory with the files of a fixture.
fn store(name: &str) -> Store<SimulatedDisk> {
    let disk = SimulatedDisk::new();
    for entry in fs::read_dir(fixture(name)).unwrap() {
        let entry = entry.unwrap();
        disk.put(&Path::new("/data/version-2").join(entry.file_name()), &fs::read(entry.path()).unwrap())
            .unwrap();
    }
    Store::open(disk, StoreSettings::new(Path::new("/data"))).unwrap()
}

fn snapshot(name: &str) -> (Vec<SnapshotItem>, Trailers) {
    let store = store(name);
    let candidates = store.candidates().unwrap();
    assert_eq!((candidates.len(), candidates[0].zxid), (1, LAST));
    let mut reader = store.read_snapshot(&candidates[0]).unwrap();
    let items = reader.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
    (items, reader.trailers())
}

#[test]
fn logs_are_read_and_written_again_byte_by_byte() {
    for name in ["default", "bare"] {
        let disk = SimulatedDisk::new();
        disk.create_dir(Path::new("/log")).unwrap();
        let settings = LogSettings { preallocate_bytes: 8192, ..LogSettings::default() };
        let mut writer = LogWriter::new(disk.clone(), Path::new("/log"), settings, Zxid(0x1_0000_0000));
        let records: Vec<_> = LogReader::after(&RealDisk, &fixture(name), Zxid(0x1_0000_0000))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        // Where the writer of the fixture committed and rolled.
        let commits = [0x1_0000_000b, 0x1_0000_0011, 0x1_0000_0012, LAST.0];
        for record in &records {
            let decoded = record.decode().unwrap();
            assert!(decoded.to_vec() == record.content, "{name} {}", record.zxid);
            assert_eq!(decoded.digest.is_some(), name == "default");
            writer.append(record.zxid, &record.content).unwrap();
            if commits.contains(&record.zxid.0) {
                writer.commit().unwrap();
            }
            if record.zxid.0 == commits[0] {
                writer.roll();
            }
        }
        for log in ["log.100000001", "log.10000000c"] {
            let written = disk.read(&Path::new("/log").join(log)).unwrap();
            assert!(written == fs::read(fixture(name).join(log)).unwrap(), "{name}/{log}");
        }
    }
}

#[test]
fn the_log_holds_every_type_of_transaction() {
    let records = LogReader::after(&RealDisk, &fixture("default"), Zxid(0x1_0000_0000)).unwrap();
    let txns: Vec<_> = records.map(|record| record.unwrap().decode().unwrap().txn).collect();
    let types = [
        OpCode::CreateSession,
        OpCode::CloseSession,
        OpCode::Create,
        OpCode::Create2,
        OpCode::CreateContainer,
        OpCode::CreateTtl,
        OpCode::Delete,
        OpCode::DeleteContainer,
        OpCode::SetData,
        OpCode::Reconfig,
        OpCode::SetAcl,
        OpCode::Multi,
        OpCode::Error,
    ];
    for op_code in types {
        assert!(txns.iter().any(|txn| txn.op_code() == op_code), "{op_code:?}");
    }
    assert!(txns.iter().any(|txn| matches!(txn, Txn::Multi(parts) if matches!(parts[0], Txn::Check(_)))));
}

#[test]
fn trailers_are_told_from_the_file() {
    let digest_at = |trailers: Trailers| trailers.digest.map(|digest| (digest.zxid, digest.version));
    for (name, has_digest, has_last) in [
        ("default", true, true),
        ("digest-only", true, false),
        ("last-zxid-only", false, true),
        ("bare", false, false),
        ("gz", true, true),
        ("snappy", true, true),
    ] {
        let (items, trailers) = snapshot(name);
        assert_eq!(digest_at(trailers), has_digest.then_some((LAST, 2)), "{name}");
        assert_eq!(trailers.last_processed, has_last.then_some(LAST), "{name}");
        assert_eq!(items.last(), Some(&SnapshotItem::End));
        let nodes = items.iter().filter(|item| matches!(item, SnapshotItem::Node { .. })).count();
        assert_eq!(nodes, 11, "{name}");
    }
}

#[test]
fn the_digest_of_the_snapshot_is_that_of_the_last_record() {
    let (_, trailers) = snapshot("default");
    let records = LogReader::after(&RealDisk, &fixture("default"), Zxid(0x1_0000_0000)).unwrap();
    let last = records.last().unwrap().unwrap().decode().unwrap();
    assert_eq!(last.digest.unwrap().tree_digest, trailers.digest.unwrap().digest);
}

#[test]
fn snapshots_are_written_again_byte_by_byte() {
    for name in ["default", "digest-only", "last-zxid-only", "bare"] {
        let disk = SimulatedDisk::new();
        let (items, trailers) = snapshot(name);
        let mut writer = SnapshotWriter::create(&disk, Path::new("/"), LAST, Compression::None).unwrap();
        items.iter().for_each(|item| writer.push(item).unwrap());
        let file = writer.finish(trailers).unwrap();
        let original = fs::read(fixture(name).join("snapshot.200000001")).unwrap();
        assert!(disk.read(&file.path).unwrap() == original, "{name}");
        assert_eq!((file.zxid, file.len), (LAST, original.len() as u64));
    }
}

#[test]
fn compressed_snapshots_have_the_content_of_the_plain_one() {
    for (name, compression) in [("gz", Compression::Gzip), ("snappy", Compression::Snappy)] {
        let (items, trailers) = snapshot(name);
        assert_eq!((&items, trailers), (&snapshot("default").0, snapshot("default").1), "{name}");
        let disk = SimulatedDisk::new();
        let mut writer = SnapshotWriter::create(&disk, Path::new("/"), LAST, compression).unwrap();
        items.iter().for_each(|item| writer.push(item).unwrap());
        let file = writer.finish(trailers).unwrap();
        let again = SnapshotReader::open(&disk, &file.path, compression).unwrap();
        assert_eq!(again.collect::<Result<Vec<_>, _>>().unwrap(), items, "{name}");
    }
}

#[test]
fn no_flipped_bit_of_a_snapshot_is_overlooked() {
    for (name, file) in [
        ("default", "snapshot.200000001"),
        ("digest-only", "snapshot.200000001"),
        ("bare", "snapshot.200000001"),
        ("snappy", "snapshot.200000001.snappy"),
    ] {
        let whole = fs::read(fixture(name).join(file)).unwrap();
        let path = Path::new("/").join(file);
        let items = snapshot(name).0;
        for at in 0..whole.len() {
            let disk = SimulatedDisk::new();
            disk.put(&path, &whole).unwrap();
            disk.flip_bit(&path, at as u64, 3).unwrap();
            let damaged = inspect::snapshot(&disk, &path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            // A compressed stream has bytes that nobody reads, and more than one way to say the same.
            let is_harmless = name == "snappy" && damaged.as_ref().is_ok_and(|found| *found == items);
            assert!(damaged.is_err() || is_harmless, "{name} byte {at}");
        }
        for len in 0..whole.len() {
            let disk = SimulatedDisk::new();
            disk.put(&path, &whole[..len]).unwrap();
            let is_whole = inspect::verify_snapshot(&disk, &path).unwrap().damage.is_none();
            // Without its trailers a snapshot is one of an older server.
            let full = whole.len();
            let ends = [full - 21, full - 33, full - 54];
            assert!(!is_whole || ends.contains(&len), "{name} cut at {len}");
        }
    }
}

#[test]
fn inspection_shows_what_is_there() {
    let entries: Vec<_> = inspect::log(&RealDisk, &fixture("default/log.10000000c"))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let LogEntry::Record { offset: 16, zxid, txn: Ok(txn), .. } = &entries[0] else {
        panic!("{:?}", entries[0])
    };
    assert_eq!((zxid.0, txn.txn.op_code()), (0x1_0000_000c, OpCode::Delete));
    let Some(LogEntry::End { end: RecordEnd::Clean, is_followed: false, .. }) = entries.last() else {
        panic!("{:?}", entries.last())
    };
    let report = inspect::log(&RealDisk, &fixture("default/log.10000000c")).unwrap().verify().unwrap();
    assert_eq!((report.records, report.last, report.damage), (8, Some(LAST), vec![]));
}

#[test]
fn a_directory_of_the_reference_is_loaded() {
    let store = store("default");
    assert_eq!(store.load().unwrap(), Load::Snapshots);
    let mut records = store.records_after(LAST).unwrap();
    assert!(records.next().is_none());
    store.settle(&records.into_tails()).unwrap();
}
