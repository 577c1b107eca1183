//! Names of logs and snapshots.

use jute::Zxid;

use crate::snapshot::Compression;

pub(crate) const LOG_PREFIX: &str = "log";
pub(crate) const SNAPSHOT_PREFIX: &str = "snapshot";
/// What a snapshot is called until it is complete; neither server takes such a file for a snapshot.
pub(crate) const PARTIAL_SNAPSHOT_PREFIX: &str = ".partial-";

/// The name of the log whose first record has this zxid.
// zk: Util.makeLogName
pub fn log_name(first: Zxid) -> String {
    format!("{LOG_PREFIX}.{:x}", first.0)
}

/// The name of the snapshot of the state at this zxid.
// zk: Util.makeSnapshotName
pub fn snapshot_name(zxid: Zxid, compression: Compression) -> String {
    format!("{SNAPSHOT_PREFIX}.{:x}{}", zxid.0, compression.extension())
}

/// The zxid in the name of a log, if it is one.
// diverges(log-name-suffix): a name with a further part (log.5.fixed, which offline tools write) is not read as a log
pub fn parse_log_name(name: &str) -> Option<Zxid> {
    let digits = name.strip_prefix(LOG_PREFIX)?.strip_prefix('.')?;
    parse_zxid(digits)
}

/// The zxid and the compression in the name of a snapshot, if it is one.
// zk: Util.getZxidFromName, SnapStream.getStreamMode: the second part counts, the last one tells the compression
pub fn parse_snapshot_name(name: &str) -> Option<(Zxid, Compression)> {
    let rest = name.strip_prefix(SNAPSHOT_PREFIX)?.strip_prefix('.')?;
    let mut parts = rest.split('.');
    let zxid = parse_zxid(parts.next()?)?;
    Some((zxid, parts.next_back().map_or(Compression::None, Compression::from_name)))
}

fn parse_zxid(digits: &str) -> Option<Zxid> {
    i64::from_str_radix(digits, 16).ok().filter(|zxid| *zxid >= 0).map(Zxid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_logs() {
        for (name, zxid) in [
            ("log.1", Some(1)),
            ("log.100000000", Some(0x1_0000_0000)),
            ("log.aB", Some(0xab)),
            ("log", None),
            ("log.", None),
            ("log.x", None),
            ("log.-1", None),
            ("log.5.fixed", None),
            ("snapshot.5", None),
        ] {
            assert_eq!(parse_log_name(name), zxid.map(Zxid), "{name}");
        }
        assert_eq!(log_name(Zxid(0x1_0000_000a)), "log.10000000a");
    }

    #[test]
    fn names_of_snapshots() {
        for (name, expected) in [
            ("snapshot.0", Some((0, Compression::None))),
            ("snapshot.1f.gz", Some((0x1f, Compression::Gzip))),
            ("snapshot.1f.snappy", Some((0x1f, Compression::Snappy))),
            ("snapshot.1f.tmp", Some((0x1f, Compression::None))),
            (".partial-snapshot.1f", None),
            ("snapshot", None),
            ("log.1", None),
        ] {
            assert_eq!(parse_snapshot_name(name), expected.map(|(zxid, by)| (Zxid(zxid), by)), "{name}");
        }
        assert_eq!(snapshot_name(Zxid(10), Compression::Gzip), "snapshot.a.gz");
    }
}
