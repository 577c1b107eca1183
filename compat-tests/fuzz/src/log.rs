//! Transaction logs with anything in them.

use std::path::Path;

use jute::Zxid;
use storage::inspect::LogReport;
use storage::{LogReader, LogRecord, SimulatedDisk, StorageError};

use crate::heap::in_proportion_beside;

const DIR: &str = "/log";
const FILE: &str = "/log/log.1";
/// What reading a log needs, however short it is: windows of the file.
const HEAP_FREE: usize = 4 << 20;
const HEADER_BYTES: usize = 16;
const PREFIX_BYTES: usize = 12;

/// The first byte chooses whether the checksums of the frames that follow are made to hold; the rest is the file.
pub fn log(input: &[u8]) {
    let Some((choice, file)) = input.split_first() else { return };
    let mut file = file.to_vec();
    if choice % 2 == 1 {
        make_checksums_hold(&mut file);
    }
    in_proportion_beside(HEAP_FREE, &file, || scan(&file));
}

fn scan(file: &[u8]) {
    let inspected = inspect(file);
    let Ok((records, end)) = read(file) else {
        return;
    };
    let inspected = inspected.expect("the server reads what the tool does not open");
    assert!(inspected.records >= records.len() as u64, "the tool sees less than the server");
    assert!(end <= file.len(), "read past the end");
    for record in &records {
        drop(record.decode());
    }
    let kept = file.get(..end).unwrap_or_default();
    let (again, end_again) = read(kept).expect("what was read is damaged once the rest is cut off");
    assert_eq!(again.len(), records.len(), "cutting the torn end off changes what is read");
    assert!(again.iter().zip(&records).all(|(one, other)| one.content == other.content));
    assert_eq!(end_again, end, "repairing twice is not repairing once");
}

/// The records, and where they end.
fn read(file: &[u8]) -> Result<(Vec<LogRecord>, usize), StorageError> {
    let disk = SimulatedDisk::new();
    disk.put(Path::new(FILE), file).expect("invariant: nothing was told to fail");
    let mut reader = LogReader::unanchored(&disk, Path::new(DIR), Zxid(i64::MIN))?;
    let records = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    let end = reader.into_tails().first().map_or(0, |tail| tail.offset);
    Ok((records, usize::try_from(end).unwrap_or(usize::MAX)))
}

/// What the offline tool says of it.
fn inspect(file: &[u8]) -> Result<LogReport, StorageError> {
    let disk = SimulatedDisk::new();
    disk.put(Path::new(FILE), file).expect("invariant: nothing was told to fail");
    storage::inspect::log(&disk, Path::new(FILE))?.verify()
}

/// Fuzzers do not find checksums by themselves.
fn make_checksums_hold(file: &mut [u8]) {
    let mut rest = file.get_mut(HEADER_BYTES..).unwrap_or_default();
    while let Some((prefix, behind)) = rest.split_first_chunk_mut::<PREFIX_BYTES>() {
        let (checksum, len) = prefix.split_at_mut(8);
        let len = len.first_chunk().map_or(0, |len| i32::from_be_bytes(*len));
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let Some((content, behind)) = behind.split_at_mut_checked(len) else { return };
        checksum.copy_from_slice(&u64::from(simd_adler32::adler32(&&*content)).to_be_bytes());
        rest = behind.get_mut(1..).unwrap_or_default();
    }
}
