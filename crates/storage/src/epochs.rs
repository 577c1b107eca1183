//! The epochs that a peer promised and joined, and its id: small text files.

use std::path::Path;

use jute::Zxid;

use crate::StorageError;
use crate::disk::{Disk, read_full_at, write_atomically};

pub(crate) const ACCEPTED: &str = "acceptedEpoch";
pub(crate) const CURRENT: &str = "currentEpoch";
const TEMPORARY: &str = ".tmp";
const MYID: &str = "myid";
/// None of these files is longer.
const TEXT_BYTES_MAX: usize = 64;

/// The epochs as they are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    /// The last epoch that was promised to a leader.
    pub accepted: i64,
    /// The epoch of the last leader that was followed.
    pub current: i64,
    /// Whether `current` was behind the log after a crash and was set right.
    pub is_healed: bool,
}

/// Reads the epochs; files that are missing are created from the last zxid.
///
/// A current epoch that is older than the last zxid is what a crash leaves between the sync of the first transactions of
/// an epoch and that of its file: it is set to the log's epoch when that was accepted.
// zk: QuorumPeer.loadDataBase
// diverges(epoch-behind-log): the reference refuses to start there unless currentEpoch.tmp remained
pub fn load<D: Disk>(disk: &D, dir: &Path, last: Zxid) -> Result<Epochs, StorageError> {
    let of_log = if last.0 < 0 { 0 } else { i64::from(last.epoch()) };
    let stored = read_number(disk, &dir.join(CURRENT))?;
    let accepted_stored = read_number(disk, &dir.join(ACCEPTED))?;
    let mut current = match stored {
        Some(epoch) => epoch,
        None => {
            write_current(disk, dir, of_log)?;
            of_log
        }
    };
    let is_healed = current < of_log;
    if is_healed {
        current = healed(disk, dir, of_log, accepted_stored)?;
        write_current(disk, dir, current)?;
    }
    let accepted = match accepted_stored {
        Some(epoch) => epoch,
        None => {
            write_accepted(disk, dir, of_log)?;
            of_log
        }
    };
    if accepted < current {
        let what = format!("the accepted epoch {accepted} is less than the current epoch {current}");
        return Err(StorageError::Epochs { path: dir.join(ACCEPTED), what });
    }
    Ok(Epochs { accepted, current, is_healed })
}

/// Writes `acceptedEpoch`; durable on return.
pub fn write_accepted<D: Disk>(disk: &D, dir: &Path, epoch: i64) -> Result<(), StorageError> {
    write_number(disk, dir, ACCEPTED, epoch)
}

/// Writes `currentEpoch`; durable on return.
pub fn write_current<D: Disk>(disk: &D, dir: &Path, epoch: i64) -> Result<(), StorageError> {
    write_number(disk, dir, CURRENT, epoch)
}

/// The server id in the data directory; `None` without the file.
pub fn read_myid<D: Disk>(disk: &D, data_dir: &Path) -> Result<Option<i64>, StorageError> {
    read_number(disk, &data_dir.join(MYID))
}

/// The epoch that belongs into `currentEpoch` when the log is already in epoch `of_log`.
fn healed<D: Disk>(disk: &D, dir: &Path, of_log: i64, accepted: Option<i64>) -> Result<i64, StorageError> {
    let temporary = dir.join(format!("{CURRENT}{TEMPORARY}"));
    let unfinished = read_number(disk, &temporary).unwrap_or(None);
    // Without a promise on disk, that of the log's epoch is about to be written there.
    let promised = accepted.unwrap_or(of_log);
    if let Some(epoch) = unfinished.filter(|epoch| (of_log..=promised).contains(epoch)) {
        return Ok(epoch);
    }
    if accepted.is_some_and(|accepted| accepted >= of_log) {
        return Ok(of_log);
    }
    let what =
        format!("the current epoch is older than the last zxid of epoch {of_log}, which was never accepted");
    Err(StorageError::Epochs { path: dir.join(CURRENT), what })
}

pub(crate) fn write_number<D: Disk>(
    disk: &D,
    dir: &Path,
    name: &str,
    number: i64,
) -> Result<(), StorageError> {
    let path = dir.join(name);
    let temporary = dir.join(format!("{name}{TEMPORARY}"));
    write_atomically(disk, &temporary, &path, number.to_string().as_bytes())
        .map_err(StorageError::io("write", &path))
}

/// The number in the first line of a file; `None` without the file.
// zk: QuorumPeer.readLongFromFile
pub(crate) fn read_number<D: Disk>(disk: &D, path: &Path) -> Result<Option<i64>, StorageError> {
    if !disk.exists(path).map_err(StorageError::io("look for", path))? {
        return Ok(None);
    }
    let file = disk.open_read(path).map_err(StorageError::io("open", path))?;
    let mut bytes = vec![0; TEXT_BYTES_MAX];
    let count = read_full_at(&file, 0, &mut bytes).map_err(StorageError::io("read", path))?;
    bytes.truncate(count);
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default();
    line.parse().map(Some).map_err(|_| StorageError::Epochs {
        path: path.to_owned(),
        what: format!("{line:?} is not a number"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimulatedDisk;

    fn disk_with(files: &[(&str, &str)]) -> SimulatedDisk {
        let disk = SimulatedDisk::new();
        disk.put(Path::new("/d/keep"), b"").unwrap();
        for (name, text) in files {
            disk.put(&Path::new("/d").join(name), text.as_bytes()).unwrap();
        }
        disk
    }

    fn load_from(files: &[(&str, &str)], last: i64) -> Result<(i64, i64, bool), String> {
        let loaded = load(&disk_with(files), Path::new("/d"), Zxid(last));
        loaded
            .map(|epochs| (epochs.accepted, epochs.current, epochs.is_healed))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn epochs_are_read_or_made() {
        let in_epoch_5 = 5 << 32 | 7;
        assert_eq!(load_from(&[], 0), Ok((0, 0, false)));
        assert_eq!(load_from(&[], -1), Ok((0, 0, false)));
        assert_eq!(load_from(&[], in_epoch_5), Ok((5, 5, false)));
        assert_eq!(load_from(&[(CURRENT, "5"), (ACCEPTED, "6\n")], in_epoch_5), Ok((6, 5, false)));
        assert!(load_from(&[(CURRENT, "5"), (ACCEPTED, "4")], in_epoch_5).is_err());
        assert!(load_from(&[(CURRENT, ""), (ACCEPTED, "4")], 0).is_err());
        assert!(load_from(&[(CURRENT, " 5")], 0).is_err());
    }

    #[test]
    fn l11_a_current_epoch_behind_the_log_heals() {
        let in_epoch_5 = 5 << 32 | 7;
        let unfinished = "currentEpoch.tmp";
        assert_eq!(load_from(&[(CURRENT, "4"), (ACCEPTED, "5")], in_epoch_5), Ok((5, 5, true)));
        assert_eq!(
            load_from(&[(CURRENT, "4"), (ACCEPTED, "5"), (unfinished, "5")], in_epoch_5),
            Ok((5, 5, true))
        );
        assert_eq!(
            load_from(&[(CURRENT, "4"), (ACCEPTED, "5"), (unfinished, "")], in_epoch_5),
            Ok((5, 5, true))
        );
        assert_eq!(load_from(&[(CURRENT, "4"), (unfinished, "5")], in_epoch_5), Ok((5, 5, true)));
        // One that was never promised is none of ours, and must not be made durable.
        assert_eq!(
            load_from(&[(CURRENT, "4"), (ACCEPTED, "5"), (unfinished, "6")], in_epoch_5),
            Ok((5, 5, true))
        );
        assert!(load_from(&[(CURRENT, "4"), (ACCEPTED, "4"), (unfinished, "5")], in_epoch_5).is_err());
        assert!(load_from(&[(CURRENT, "4"), (ACCEPTED, "4")], in_epoch_5).is_err());
        assert!(load_from(&[(CURRENT, "4")], in_epoch_5).is_err());
    }

    #[test]
    fn l4_an_epoch_survives_a_crash_right_after_it_was_written() {
        for seed in 0..40 {
            let disk = disk_with(&[(CURRENT, "1"), (ACCEPTED, "1")]);
            write_accepted(&disk, Path::new("/d"), 2).unwrap();
            disk.crash(seed);
            assert_eq!(load(&disk, Path::new("/d"), Zxid(0)).unwrap().accepted, 2, "seed {seed}");
        }
    }

    #[test]
    fn a_cut_anywhere_leaves_the_old_or_the_new_epoch() {
        for operation in 0..5 {
            for seed in 0..20 {
                let disk = disk_with(&[(CURRENT, "1"), (ACCEPTED, "1")]);
                disk.fail_at(operation, crate::disk::Fault::Cut);
                let outcome = write_accepted(&disk, Path::new("/d"), 2);
                disk.crash(seed);
                let accepted = load(&disk, Path::new("/d"), Zxid(0)).unwrap().accepted;
                assert!(
                    accepted == 2 || (accepted == 1 && outcome.is_err()),
                    "operation {operation} seed {seed}"
                );
            }
        }
    }
}
