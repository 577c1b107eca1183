//! The transaction logs of the servers: every acknowledged write is in them, once, under the zxid that its client was told;
//! and the log alone, replayed, gives every reply and every node.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::Result;
use super::Run;
use super::check::Tree;
use super::replay::{self, History};
use super::writer::Writer;
use crate::wire::Reader;

const MAGIC: &[u8] = b"ZKLG";
const HEADER_LENGTH: usize = 16;
const END_OF_RECORD: u8 = b'B';
/// No record of these runs is longer.
const RECORD_MAX: usize = 64 << 20;
/// The lower half of the first zxid of an epoch.
const FIRST_COUNTER: i64 = 1;

/// A transaction and what one server or several have of it.
pub(super) struct Logged {
    pub(super) session: i64,
    pub(super) xid: i32,
    /// All that follows zxid in the record: time, type, body.
    pub(super) rest: Vec<u8>,
    /// How many servers' logs have it.
    pub(super) holders: usize,
}

/// One server's log: zxids in the order of its records, and the zxids of its snapshots.
#[derive(Default)]
struct Own {
    zxids: Vec<i64>,
    snapshots: Vec<i64>,
}

/// `folders` are data directories. With a tree, the logs must reach back to the beginning, and their replay must give it.
pub(super) fn check(
    run: &Run,
    writers: &[Writer<'_>],
    folders: &[PathBuf],
    tree: Option<&Tree>,
) -> Result<String> {
    let (mut by_zxid, mut owns) = (History::new(), Vec::new());
    for folder in folders {
        owns.push(read_folder(run, folder, &mut by_zxid)?);
    }
    let given_up = remove_given_up(&mut by_zxid, &owns);
    let lowest = by_zxid.keys().next().copied().unwrap_or(i64::MAX);
    let in_snapshots = owns.iter().map(|own| own.snapshots.last().copied().unwrap_or(0)).min().unwrap_or(0);
    let (mut found, mut covered, mut before) = (0_u64, 0_u64, 0_u64);
    for ack in writers.iter().flat_map(|writer| &writer.model.acks) {
        match by_zxid.get(&ack.zxid) {
            Some(logged) if (logged.session, logged.xid) == (ack.session, ack.xid) => found += 1,
            Some(logged) => {
                let has = (logged.session, logged.xid);
                run.problem(&format!("{ack:x?} was acknowledged, the log has {has:x?} there"));
            }
            None if ack.zxid < lowest => before += 1,
            // Its effect is looked for in the tree, as that of every write.
            None if ack.zxid <= in_snapshots && tree.is_none() => covered += 1,
            None => run.problem(&format!("{ack:x?} was acknowledged and is in no log")),
        }
    }
    let replayed = match tree {
        Some(tree) => {
            gaps_in(run, &by_zxid);
            replay::check(run, writers, &by_zxid, tree).to_string()
        }
        None => "no".to_owned(),
    };
    Ok(format!(
        "transactions={} acknowledged={found} in-snapshots={covered} before-the-logs={before} given-up={given_up} \
         replayed={replayed}",
        by_zxid.len()
    ))
}

/// Within an epoch every number must be there, from its first one on.
fn gaps_in(run: &Run, history: &History) {
    let mut previous = 0;
    for &zxid in history.keys() {
        if !follows(previous, zxid) {
            run.problem(&format!("the logs have nothing between zxid {previous:#x} and {zxid:#x}"));
        }
        previous = zxid;
    }
}

fn follows(previous: i64, zxid: i64) -> bool {
    zxid == previous + 1 || zxid >> 32 > previous >> 32 && zxid & 0xffff_ffff == FIRST_COUNTER
}

/// What a server logged and the ensemble never committed stays in its files when a snapshot of the leader replaced its history.
/// Such a record is known by another server that went from before it straight on to the first record of a later epoch.
fn remove_given_up(history: &mut History, owns: &[Own]) -> usize {
    let mut given_up = Vec::new();
    for own in owns {
        for pair in own.zxids.windows(2) {
            let &[one, next] = pair else { continue };
            if next == one + 1
                || !follows(one, next)
                || own.snapshots.iter().any(|zxid| (one..next).contains(zxid) && *zxid != one)
            {
                continue;
            }
            let between = history.range(one + 1..next).filter(|(_, logged)| logged.holders == 1);
            given_up.extend(between.map(|(zxid, _)| *zxid));
        }
    }
    given_up.retain(|zxid| history.remove(zxid).is_some());
    given_up.len()
}

/// Files in order: a later record of the same zxid counts.
fn read_folder(run: &Run, folder: &Path, into: &mut History) -> Result<Own> {
    let (mut files, mut own) = (Vec::new(), Own::default());
    for entry in fs::read_dir(folder.join("version-2"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let numbered = |prefix| i64::from_str_radix(name.strip_prefix(prefix)?, 16).ok();
        if let Some(start) = numbered("log.") {
            files.push((start, path));
        } else if let Some(zxid) = numbered("snapshot.") {
            own.snapshots.push(zxid);
        }
    }
    files.sort();
    own.snapshots.sort_unstable();
    let mut seen = HashMap::new();
    for (_, path) in files {
        read_records(&mut BufReader::new(File::open(&path)?), &mut own.zxids, &mut seen);
    }
    for (zxid, mut logged) in seen {
        match into.get_mut(&zxid) {
            Some(other)
                if (other.session, other.xid, &other.rest) == (logged.session, logged.xid, &logged.rest) =>
            {
                other.holders += 1;
            }
            Some(other) => run.problem(&format!(
                "{}: zxid {zxid:#x} is {:#x} {}, another server's is {:#x} {}, or their contents differ",
                folder.display(),
                logged.session,
                logged.xid,
                other.session,
                other.xid
            )),
            None => {
                logged.holders = 1;
                into.insert(zxid, logged);
            }
        }
    }
    Ok(own)
}

/// Up to the end, the space that was made in advance, or the torn tail that a kill leaves.
fn read_records(file: &mut impl Read, zxids: &mut Vec<i64>, into: &mut HashMap<i64, Logged>) {
    let mut header = [0; HEADER_LENGTH];
    if file.read_exact(&mut header).is_err() || !header.starts_with(MAGIC) {
        return;
    }
    while let Some((zxid, logged)) = read_record(file) {
        zxids.push(zxid);
        into.insert(zxid, logged);
    }
}

fn read_record(file: &mut impl Read) -> Option<(i64, Logged)> {
    let (mut checksum, mut length) = ([0; 8], [0; 4]);
    file.read_exact(&mut checksum).ok()?;
    file.read_exact(&mut length).ok()?;
    let length = usize::try_from(i32::from_be_bytes(length))
        .ok()
        .filter(|length| (1..=RECORD_MAX).contains(length))?;
    let mut record = vec![0; length + 1];
    file.read_exact(&mut record).ok()?;
    if record.pop() != Some(END_OF_RECORD) {
        return None;
    }
    let mut header = Reader(&record);
    let (session, xid, zxid) = (header.long().ok()?, header.int().ok()?, header.long().ok()?);
    Some((zxid, Logged { session, xid, rest: header.0.to_vec(), holders: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(zxids: &[i64], snapshots: &[i64]) -> Own {
        Own { zxids: zxids.to_vec(), snapshots: snapshots.to_vec() }
    }

    #[test]
    fn only_what_another_server_went_past_is_given_up() {
        const E1: i64 = 1 << 32;
        const E2: i64 = 2 << 32;
        let alone = own(&[E1 + 1, E1 + 2, E1 + 3], &[]);
        let table: &[(&str, Own, usize, bool)] = &[
            ("the other went on to the next epoch", own(&[E1 + 1, E1 + 2, E2 + 1], &[]), 1, true),
            ("two have it", own(&[E1 + 1, E1 + 2, E2 + 1], &[]), 2, false),
            ("the other ends before it", own(&[E1 + 1, E1 + 2], &[]), 1, false),
            ("the other has a snapshot of it", own(&[E1 + 1, E1 + 2, E2 + 1], &[E1 + 3]), 1, false),
            ("the other missed more", own(&[E1 + 1, E1 + 2, E2 + 2], &[]), 1, false),
        ];
        for (name, other, holders, given_up) in table {
            let entry = |zxid: &i64| {
                let holders = if *zxid == E1 + 3 { *holders } else { 2 };
                (*zxid, Logged { session: 1, xid: 1, rest: Vec::new(), holders })
            };
            let mut history: History = alone.zxids.iter().chain(&other.zxids).map(entry).collect();
            remove_given_up(&mut history, &[own(&alone.zxids, &[]), own(&other.zxids, &other.snapshots)]);
            assert_eq!(!history.contains_key(&(E1 + 3)), *given_up, "{name}");
            assert!(history.contains_key(&(E1 + 2)), "{name}");
        }
    }

    #[test]
    fn zxids_go_on_by_one_or_begin_an_epoch() {
        let table = [
            (0, (1 << 32) + 1, true),
            (5, 6, true),
            (5, 7, false),
            (5, (1 << 32) + 1, true),
            (5, (3 << 32) + 1, true),
            (5, (1 << 32) + 2, false),
        ];
        for (previous, zxid, right) in table {
            assert_eq!(follows(previous, zxid), right, "{previous:#x} {zxid:#x}");
        }
    }
}
