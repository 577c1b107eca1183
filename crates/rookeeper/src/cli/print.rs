//! How answers look.

use std::io::{self, Write};

use client::{Acl, Stat, perms};

/// A node's stat, one field a line.
// zk: StatPrinter.print
pub(super) fn stat(out: &mut dyn Write, stat: &Stat) -> io::Result<()> {
    writeln!(out, "cZxid = 0x{:x}", stat.czxid.0)?;
    writeln!(out, "ctime = {}", date(stat.ctime))?;
    writeln!(out, "mZxid = 0x{:x}", stat.mzxid.0)?;
    writeln!(out, "mtime = {}", date(stat.mtime))?;
    writeln!(out, "pZxid = 0x{:x}", stat.pzxid.0)?;
    writeln!(out, "cversion = {}", stat.cversion)?;
    writeln!(out, "dataVersion = {}", stat.version)?;
    writeln!(out, "aclVersion = {}", stat.aversion)?;
    writeln!(out, "ephemeralOwner = 0x{:x}", stat.ephemeral_owner)?;
    writeln!(out, "dataLength = {}", stat.data_length)?;
    writeln!(out, "numChildren = {}", stat.num_children)
}

/// Names in brackets.
pub(super) fn list(out: &mut dyn Write, names: &[String]) -> io::Result<()> {
    writeln!(out, "[{}]", names.join(", "))
}

/// One access entry, in the two lines that the reference needs for it.
// zk: GetAclCommand.exec: the line end is part of an id's text
pub(super) fn acl(out: &mut dyn Write, entry: &Acl) -> io::Result<()> {
    writeln!(out, "'{},'{}", entry.id.scheme, entry.id.id)?;
    writeln!(out, ": {}", permissions(entry.perms))
}

/// The letters of a permission mask.
pub(super) fn permissions(mask: i32) -> String {
    let letters = [
        (perms::CREATE, 'c'),
        (perms::DELETE, 'd'),
        (perms::READ, 'r'),
        (perms::WRITE, 'w'),
        (perms::ADMIN, 'a'),
    ];
    letters.iter().filter(|(bit, _)| mask & bit != 0).map(|(_, letter)| *letter).collect()
}

/// A point in time as Java prints it, in UTC.
pub(crate) fn date(ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let weekday = usize::try_from(days.rem_euclid(7)).ok().and_then(|index| DAYS.get(index)).unwrap_or(&"");
    let month = usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index)).unwrap_or(&"");
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}")
}

/// Year, month and day of a day since 1970 in the Gregorian calendar, by counting 400-year eras from 1 March 0000.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A table of bytes, sixteen a row, and their characters.
// zk: io.netty.buffer.ByteBufUtil.prettyHexDump
pub(super) fn hex_dump(data: &[u8]) -> String {
    if data.is_empty() {
        return String::new();
    }
    const RULE: &str = "+--------+-------------------------------------------------+----------------+";
    let mut text = format!(
        "         +-------------------------------------------------+\n         \
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n{RULE}"
    );
    for (row, bytes) in data.chunks(16).enumerate() {
        let hex: String = bytes.iter().map(|byte| format!(" {byte:02x}")).collect();
        let letters: String = bytes.iter().map(|byte| shown(*byte)).collect();
        text.push_str(&format!("\n|{:08x}|{hex:<48} |{letters:<16}|", row * 16));
    }
    text + "\n" + RULE
}

fn shown(byte: u8) -> char {
    if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let rows = [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
            (1_767_225_599_999, "Wed Dec 31 23:59:59 UTC 2025"),
            (-1, "Wed Dec 31 23:59:59 UTC 1969"),
        ];
        for (ms, expected) in rows {
            assert_eq!(date(ms), expected);
        }
    }

    #[test]
    fn permissions_have_an_order() {
        assert_eq!(permissions(perms::ALL), "cdrwa");
        assert_eq!(permissions(perms::WRITE | perms::READ), "rw");
        assert_eq!(permissions(0), "");
    }

    #[test]
    fn a_hex_dump() {
        let dump = hex_dump(b"0123456789abcdef\n");
        let rows: Vec<&str> = dump.lines().collect();
        assert_eq!(rows[3], "|00000000| 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 |0123456789abcdef|");
        assert_eq!(rows[4], "|00000010| 0a                                              |.               |");
        assert_eq!(rows.len(), 6);
        assert_eq!(hex_dump(b""), "");
    }
}
