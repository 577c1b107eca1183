//! How answers look.

use std::io::{self, Write};

use client::{Acl, Stat};

use crate::text::{date, permissions};

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
    fn a_hex_dump() {
        let dump = hex_dump(b"0123456789abcdef\n");
        let rows: Vec<&str> = dump.lines().collect();
        assert_eq!(rows[3], "|00000000| 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 |0123456789abcdef|");
        assert_eq!(rows[4], "|00000010| 0a                                              |.               |");
        assert_eq!(rows.len(), 6);
        assert_eq!(hex_dump(b""), "");
    }
}
