use std::path::Path;

use jute::txn::{ErrorTxn, SetDataTxn, TxnHeader};
use jute::{OpCode, SessionId, Txn, TxnRecord, Zxid};

use super::*;
use crate::disk::{Disk, DiskFile, Fault, SimulatedDisk};
use crate::{Damage, StorageError};

const DIR: &str = "/log";

fn settings() -> LogSettings {
    LogSettings { preallocate_bytes: 8192, ..LogSettings::default() }
}

fn disk() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new(DIR)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn writer(disk: &SimulatedDisk) -> LogWriter<SimulatedDisk> {
    LogWriter::new(disk.clone(), Path::new(DIR), settings(), Zxid::ZERO)
}

fn record(zxid: i64, txn: Txn) -> Vec<u8> {
    let header = TxnHeader {
        client_id: SessionId(1),
        cxid: 2,
        zxid: Zxid(zxid),
        time: 3,
        op_code: txn.op_code().code(),
    };
    TxnRecord { header, txn, digest: None }.to_vec()
}

fn set_data(zxid: i64, len: usize) -> Vec<u8> {
    let data = Some(vec![7; len].into());
    record(zxid, Txn::SetData(SetDataTxn { path: "/a".into(), data, version: 1 }))
}

fn write_all(disk: &SimulatedDisk, zxids: impl IntoIterator<Item = i64>) {
    let mut writer = writer(disk);
    for zxid in zxids {
        writer.append(Zxid(zxid), &set_data(zxid, 100)).unwrap();
        writer.commit().unwrap();
    }
}

fn zxids_after(disk: &SimulatedDisk, after: i64) -> Result<Vec<i64>, StorageError> {
    LogReader::after(disk, Path::new(DIR), Zxid(after))?.map(|record| Ok(record?.zxid.0)).collect()
}

fn damage(outcome: Result<Vec<i64>, StorageError>) -> Damage {
    match outcome {
        Err(StorageError::Corrupt(corruption)) => corruption.what,
        other => panic!("{other:?}"),
    }
}

fn overwrite(disk: &SimulatedDisk, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = Path::new(DIR).join(name);
    let mut content = disk.read(&path).unwrap();
    change(&mut content);
    disk.put(&path, &content).unwrap();
}

/// As a directory that Apache wrote: there is no mark.
fn forget_mark(disk: &SimulatedDisk) {
    disk.remove(&Path::new(DIR).join("durable.mark")).unwrap();
}

fn frame_len() -> usize {
    set_data(1, 100).len() + 13
}

#[test]
fn bytes_of_a_file() {
    let disk = disk();
    let mut writer = writer(&disk);
    let content = set_data(5, 3);
    writer.append(Zxid(5), &content).unwrap();
    let commit = writer.commit().unwrap();
    assert_eq!((commit.zxid, commit.records), (Zxid(5), 1));
    let bytes = disk.read(Path::new("/log/log.5")).unwrap();
    assert_eq!(bytes.len(), 16 + 8192);
    let mut expected = b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0".to_vec();
    expected.extend_from_slice(&checksum(&content).to_be_bytes());
    expected.extend_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
    expected.extend_from_slice(&content);
    expected.push(0x42);
    assert_eq!(bytes[..expected.len()], expected);
    assert!(bytes[expected.len()..].iter().all(|byte| *byte == 0));
}

#[test]
fn records_come_back_over_several_files() {
    let disk = disk();
    let mut writer = writer(&disk);
    for zxid in 1..=30 {
        writer.append(Zxid(zxid), &set_data(zxid, 1000)).unwrap();
        if zxid % 3 == 0 {
            writer.commit().unwrap();
        }
        if zxid % 9 == 0 {
            writer.roll();
        }
    }
    assert_eq!(zxids_after(&disk, 0).unwrap(), (1..=30).collect::<Vec<_>>());
    assert_eq!(zxids_after(&disk, 11).unwrap(), (12..=30).collect::<Vec<_>>());
    assert_eq!(zxids_after(&disk, 30).unwrap(), []);
    assert!(writer.written_bytes() > 30_000);
}

#[test]
fn a_size_limit_begins_a_new_file() {
    let disk = disk();
    let mut writer = LogWriter::new(
        disk.clone(),
        Path::new(DIR),
        LogSettings { size_limit_bytes: Some(300), ..settings() },
        Zxid::ZERO,
    );
    for zxid in 1..=4 {
        writer.append(Zxid(zxid), &set_data(zxid, 100)).unwrap();
        writer.commit().unwrap();
    }
    let names: Vec<_> =
        log_files(&disk, Path::new(DIR)).unwrap().into_iter().map(|(first, _)| first.0).collect();
    assert_eq!(names, [1, 3]);
}

#[test]
fn l3_after_a_failed_sync_nothing_is_written_again() {
    for fault in [Fault::Eio, Fault::NoSpace] {
        for nth in 0.. {
            let disk = disk();
            let mut writer = writer(&disk);
            disk.fail_at(disk.operations() + nth, fault);
            writer.append(Zxid(1), &set_data(1, 2000)).unwrap();
            let Err(error) = writer.commit() else { break };
            assert!(matches!(error, StorageError::Io { .. }), "{error}");
            let operations = disk.operations();
            assert!(matches!(writer.commit(), Err(StorageError::Poisoned)));
            assert!(matches!(writer.append(Zxid(2), &[1]), Err(StorageError::Poisoned)));
            assert_eq!(disk.operations(), operations, "nothing is retried");
        }
    }
}

#[test]
fn l4_the_first_commit_syncs_the_directory() {
    for seed in 0..40 {
        let disk = disk();
        write_all(&disk, 1..=1);
        disk.crash(seed);
        assert_eq!(zxids_after(&disk, 0).unwrap(), [1], "seed {seed}");
    }
}

#[test]
fn l8_a_torn_record_in_a_middle_file_is_no_end_of_file_when_records_are_missing() {
    let disk = disk();
    write_all(&disk, 1..=3);
    write_all(&disk, 4..=6);
    forget_mark(&disk);
    overwrite(&disk, "log.1", |bytes| bytes[16 + 2 * frame_len() + 50] ^= 1);
    assert_eq!(damage(zxids_after(&disk, 0)), Damage::Gap { after: Zxid(2), found: Zxid(4) });
}

#[test]
fn a_torn_end_of_a_middle_file_is_legal_when_the_next_goes_on() {
    let disk = disk();
    write_all(&disk, 1..=3);
    overwrite(&disk, "log.1", |bytes| bytes[16 + 3 * frame_len()..][..40].fill(0x42));
    write_all(&disk, 4..=6);
    assert_eq!(zxids_after(&disk, 0).unwrap(), [1, 2, 3, 4, 5, 6]);
    let epoch = 1 << 32;
    write_all(&disk, [epoch + 1, epoch + 2]);
    assert_eq!(zxids_after(&disk, 5).unwrap(), [6, epoch + 1, epoch + 2]);
}

#[test]
fn l10_short_headers_and_torn_last_records_end_the_log() {
    for len in 0..16 {
        let base = disk();
        write_all(&base, 1..=3);
        base.put(Path::new("/log/log.4"), &b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0"[..len]).unwrap();
        assert_eq!(zxids_after(&base, 0).unwrap(), [1, 2, 3], "header of {len} bytes");
        write_all(&base, 4..=5);
        assert_eq!(zxids_after(&base, 0).unwrap(), [1, 2, 3, 4, 5], "header of {len} bytes");
    }
    let whole = disk();
    write_all(&whole, 1..=3);
    forget_mark(&whole);
    let content = whole.read(Path::new("/log/log.1")).unwrap();
    let start = 16 + 2 * frame_len();
    for at in start..start + frame_len() {
        let mut lost = content.clone();
        lost[at..].fill(0);
        for torn in [content[..at].to_vec(), lost] {
            whole.put(Path::new("/log/log.1"), &torn).unwrap();
            assert_eq!(zxids_after(&whole, 0).unwrap(), [1, 2], "cut at {at}");
        }
        let mut flipped = content.clone();
        flipped[at] ^= 4;
        whole.put(Path::new("/log/log.1"), &flipped).unwrap();
        assert_eq!(zxids_after(&whole, 0).unwrap(), [1, 2], "flipped at {at}");
    }
}

#[test]
fn a_bad_checksum_before_other_records_is_damage() {
    let disk = disk();
    write_all(&disk, 1..=3);
    forget_mark(&disk);
    overwrite(&disk, "log.1", |bytes| bytes[16 + 50] ^= 1);
    assert_eq!(damage(zxids_after(&disk, 0)), Damage::Checksum);
}

#[test]
fn what_was_durable_is_never_taken_for_a_torn_end() {
    let disk = disk();
    write_all(&disk, 1..=3);
    let content = disk.read(Path::new("/log/log.1")).unwrap();
    for at in 0..16 + 3 * frame_len() {
        let mut damaged = content.clone();
        damaged[at] ^= 0x20;
        disk.put(Path::new("/log/log.1"), &damaged).unwrap();
        let outcome = zxids_after(&disk, 0);
        let is_unused = (4..16).contains(&at);
        assert_eq!(outcome.is_ok(), is_unused, "byte {at}: {outcome:?}");
    }
    for end in [16, 16 + frame_len(), 16 + 2 * frame_len()] {
        let mut lost = content.clone();
        lost[end..].fill(0);
        disk.put(Path::new("/log/log.1"), &lost).unwrap();
        assert_eq!(damage(zxids_after(&disk, 0)), Damage::LostTail);
    }
}

#[test]
fn an_error_may_repeat_a_zxid_and_nothing_else_may() {
    let disk = disk();
    write_all(&disk, 1..=2);
    let mut again = writer(&disk);
    again.append(Zxid(2), &record(2, Txn::Error(ErrorTxn { err: -101 }))).unwrap();
    again.append(Zxid(3), &set_data(3, 10)).unwrap();
    again.commit().unwrap();
    assert_eq!(zxids_after(&disk, 0).unwrap(), [1, 2, 2, 3]);
    again.append(Zxid(3), &set_data(3, 10)).unwrap();
    again.commit().unwrap();
    assert_eq!(damage(zxids_after(&disk, 0)), Damage::Gap { after: Zxid(3), found: Zxid(3) });
    assert_eq!(zxids_after(&disk, 3).unwrap(), []);
}

#[test]
fn an_error_that_repeats_the_first_zxid_of_a_file_keeps_that_file() {
    let disk = disk();
    write_all(&disk, 1..=1);
    let mut again = writer(&disk);
    again.append(Zxid(1), &record(1, Txn::Error(ErrorTxn { err: -101 }))).unwrap();
    again.commit().unwrap();
    assert_eq!(zxids_after(&disk, 0).unwrap(), [1, 1]);
}

#[test]
fn orders_of_zxids() {
    let epoch = 1i64 << 32;
    for (previous, zxid, op_code, expected) in [
        (1, 2, OpCode::Create, true),
        (1, 3, OpCode::Create, false),
        (2, 1, OpCode::Error, false),
        (2, 2, OpCode::Create, false),
        (2, 2, OpCode::Error, true),
        (2, epoch + 1, OpCode::Create, true),
        (2, 3 * epoch, OpCode::Create, true),
        (2, epoch + 2, OpCode::Create, false),
        (epoch - 1, epoch, OpCode::Create, true),
    ] {
        assert_eq!(follows(Zxid(previous), Zxid(zxid), op_code.code()), expected, "{previous} {zxid}");
    }
}

#[test]
fn l13_a_record_larger_than_any_request_is_read() {
    let disk = disk();
    let mut writer = writer(&disk);
    let content = set_data(1, 3 * jute::FIELD_MAX_DEFAULT);
    writer.append(Zxid(1), &content).unwrap();
    writer.commit().unwrap();
    let record = LogReader::after(&disk, Path::new(DIR), Zxid::ZERO).unwrap().next().unwrap().unwrap();
    assert_eq!(record.content, content);
    assert_eq!(record.decode().unwrap().to_vec(), content);
}

#[test]
fn without_forced_sync_nothing_is_synced() {
    let disk = disk();
    let settings = LogSettings { force_sync: false, ..settings() };
    let mut writer = LogWriter::new(disk.clone(), Path::new(DIR), settings, Zxid::ZERO);
    let before = disk.operations();
    writer.append(Zxid(1), &set_data(1, 10)).unwrap();
    assert_eq!(writer.commit().unwrap().sync_time, None);
    assert_eq!(disk.operations() - before, 3, "create, extend, write");
    assert_eq!(zxids_after(&disk, 0).unwrap(), [1]);
}

#[test]
fn the_working_handle_can_be_read_back() {
    let disk = disk();
    let mut file = disk.create(Path::new("/log/x")).unwrap();
    file.write_at(3, b"abc").unwrap();
    assert_eq!(file.len().unwrap(), 6);
}

/// The reference began anew in an emptied directory: what its log does not reach was never in it.
#[test]
fn a_mark_says_nothing_about_another_log_of_the_same_name() {
    let disk = disk();
    write_all(&disk, 1..=3);
    overwrite(&disk, "log.1", |bytes| bytes[16 + 2 * frame_len()..].fill(0));
    assert_eq!(damage(zxids_after(&disk, 0)), Damage::LostTail);

    let other = self::disk();
    let mut writer = writer(&other);
    writer.append(Zxid(1), &set_data(1, 50)).unwrap();
    writer.commit().unwrap();
    let others = other.read(Path::new("/log/log.1")).unwrap();
    disk.put(Path::new("/log/log.1"), &others).unwrap();
    assert_eq!(zxids_after(&disk, 0).unwrap(), [1]);
}
