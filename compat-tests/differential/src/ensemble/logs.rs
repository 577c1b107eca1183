//! The transaction logs of the servers: every acknowledged write is in them, once, under the zxid that its client was told.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Result;
use super::Run;
use super::writer::Writer;
use crate::wire::Reader;

const MAGIC: &[u8] = b"ZKLG";
const HEADER_LENGTH: usize = 16;
const END_OF_RECORD: u8 = b'B';

/// `folders` are data directories. Says how many transactions there are.
pub(super) fn check(run: &Run, writers: &[Writer<'_>], folders: &[PathBuf]) -> Result<String> {
    let mut by_zxid: HashMap<i64, (i64, i32)> = HashMap::new();
    for folder in folders {
        let mut one = HashMap::new();
        read_folder(folder, &mut one)?;
        for (zxid, who) in one {
            if *by_zxid.entry(zxid).or_insert(who) != who {
                run.problem(&format!(
                    "{}: zxid {zxid:#x} is another server's write of {who:x?}",
                    folder.display()
                ));
            }
        }
    }
    let lowest = by_zxid.keys().min().copied().unwrap_or(i64::MAX);
    let in_snapshots = folders.iter().map(|folder| newest_snapshot(folder)).min().unwrap_or(0);
    let (mut found, mut covered) = (0_u64, 0_u64);
    for ack in writers.iter().flat_map(|writer| &writer.model.acks).filter(|ack| ack.zxid >= lowest) {
        match by_zxid.get(&ack.zxid) {
            Some(who) if *who == (ack.session, ack.xid) => found += 1,
            Some(who) => run.problem(&format!("{ack:x?} was acknowledged, the log has {who:x?} there")),
            // Its effect is looked for in the tree, as that of every write.
            None if ack.zxid <= in_snapshots => covered += 1,
            None => run.problem(&format!("{ack:x?} was acknowledged and is in no log")),
        }
    }
    Ok(format!("transactions={} acknowledged={found} in-snapshots={covered}", by_zxid.len()))
}

/// The zxid of the newest snapshot: a server may have got what came before in one piece, and has no log of it then.
fn newest_snapshot(folder: &Path) -> i64 {
    let entries = fs::read_dir(folder.join("version-2")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let zxid = |name: String| i64::from_str_radix(name.strip_prefix("snapshot.")?, 16).ok();
    names.filter_map(zxid).max().unwrap_or(0)
}

/// Files in order: a later record of the same zxid counts.
fn read_folder(folder: &Path, into: &mut HashMap<i64, (i64, i32)>) -> Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder.join("version-2"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(start) = name.strip_prefix("log.").and_then(|hex| i64::from_str_radix(hex, 16).ok()) {
            files.push((start, path));
        }
    }
    files.sort();
    for (_, path) in files {
        let bytes = fs::read(&path)?;
        if let Some(records) = bytes.strip_prefix(MAGIC).and_then(|_| bytes.get(HEADER_LENGTH..)) {
            read_records(records, into);
        }
    }
    Ok(())
}

/// Up to the end, or the torn tail that a kill leaves.
fn read_records(records: &[u8], into: &mut HashMap<i64, (i64, i32)>) {
    let mut reader = Reader(records);
    loop {
        let (Ok(_checksum), Ok(Some(record))) = (reader.long(), reader.buffer()) else { return };
        let Some((&END_OF_RECORD, rest)) = reader.0.split_first() else { return };
        reader.0 = rest;
        let mut header = Reader(record);
        let (Ok(session), Ok(xid), Ok(zxid)) = (header.long(), header.int(), header.long()) else { return };
        into.insert(zxid, (session, xid));
    }
}
