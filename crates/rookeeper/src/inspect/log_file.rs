//! A transaction log, record by record.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use jute::Zxid;
use serde_json::json;
use storage::inspect::{LogEntry, LogReport};
use storage::log::RecordEnd;
use storage::{Corruption, Damage, RealDisk, parse_log_name};

use super::{Failure, Verdict, log_advice, render, tell};
use crate::arguments::Inspection;

/// Checksum and length in front of a record.
const PREFIX_BYTES: usize = 12;
/// The shortest content of a record, its header.
const CONTENT_MIN: usize = 32;
/// The byte behind a record.
const END_OF_RECORD: u8 = 0x42;

/// Prints what the file holds, unless only the verdict is wanted.
pub(super) fn inspect(what: &Inspection, out: &mut dyn Write) -> Result<Verdict, Failure> {
    let mut inspection = match storage::inspect::log(&RealDisk, &what.file) {
        Err(storage::StorageError::Corrupt(corruption)) => {
            tell(out, what.json, &corruption, log_advice(&corruption.what))?;
            return Ok(Verdict::Damaged);
        }
        outcome => outcome?,
    };
    let mut printer = Printer { what, out, told: 0, torn_at: None };
    while let Some(entry) = inspection.next() {
        printer.entry(&entry?, inspection.report())?;
    }
    printer.conclude(inspection.report())
}

struct Printer<'p> {
    what: &'p Inspection,
    out: &'p mut dyn Write,
    /// How much of the report's damage was told.
    told: usize,
    /// Where an incompletely written end begins.
    torn_at: Option<u64>,
}

impl Printer<'_> {
    fn entry(&mut self, entry: &LogEntry, report: &LogReport) -> Result<(), Failure> {
        match entry {
            LogEntry::Record { offset, txn: Ok(record), .. } => {
                self.tell_new(report)?;
                if self.what.verify {
                } else if self.what.json {
                    writeln!(self.out, "{}", render::record(record, *offset))?;
                } else {
                    writeln!(self.out, "{}", render::record_line(record))?;
                }
            }
            LogEntry::Record { txn: Err(_), .. } => self.tell_new(report)?,
            // Whether this is damage or a torn end shows in what follows.
            LogEntry::Damaged(_) => {}
            LogEntry::End { offset, end, is_followed } => self.end(*offset, *end, *is_followed, report)?,
        }
        Ok(())
    }

    fn end(
        &mut self,
        offset: u64,
        end: RecordEnd,
        is_followed: bool,
        report: &LogReport,
    ) -> Result<(), Failure> {
        let torn_record = report.damage.get(self.told..).and_then(<[Corruption]>::first);
        match (end, torn_record) {
            // The last record's checksum does not hold, and nothing follows it.
            (RecordEnd::Clean, Some(Corruption { offset, what: Damage::Checksum, .. }))
                if !is_followed && report.damage.len() == self.told + 1 =>
            {
                self.torn_at = Some(*offset);
                self.told += 1;
                Ok(())
            }
            (RecordEnd::Clean, _) => self.tell_new(report),
            (RecordEnd::Torn(_), _) => {
                self.tell_new(report)?;
                self.torn_at = Some(offset);
                Ok(())
            }
        }
    }

    /// Tells damage that was found since the last time.
    fn tell_new(&mut self, report: &LogReport) -> Result<(), Failure> {
        for corruption in report.damage.get(self.told..).unwrap_or_default() {
            tell(self.out, self.what.json, corruption, log_advice(&corruption.what))?;
        }
        self.told = report.damage.len();
        Ok(())
    }

    fn conclude(mut self, report: &LogReport) -> Result<Verdict, Failure> {
        let mut damage = report.damage.len();
        if let Some(offset) = self.torn_at {
            let is_only_torn = report.damage.iter().any(|corruption| corruption.offset == offset);
            damage -= usize::from(is_only_torn);
            damage += self.judge_torn_end(offset)?;
        }
        damage += self.judge_next_file(report)?;
        self.summary(report, damage)?;
        Ok(if damage == 0 { Verdict::Sound } else { Verdict::Damaged })
    }

    /// Behind a torn end nothing whole may stand: then the file was not cut by a crash but damaged in its middle.
    fn judge_torn_end(&mut self, offset: u64) -> Result<usize, Failure> {
        let bytes = fs::read(&self.what.file)?;
        let Some(whole) = usize::try_from(offset).ok().and_then(|from| whole_record_behind(&bytes, from))
        else {
            self.out.flush()?;
            eprintln!(
                "{}: the last record, at offset {offset}, was not completely written; a crash leaves this, and the server \
                 cuts it off at its next start",
                self.what.file.display()
            );
            return Ok(0);
        };
        let corruption = Corruption { file: self.what.file.clone(), offset, what: Damage::Framing };
        eprintln!("a whole record stands behind the damage, at offset {whole}");
        tell(self.out, self.what.json, &corruption, log_advice(&corruption.what))?;
        Ok(1)
    }

    /// The next file must go on where this one ends.
    fn judge_next_file(&mut self, report: &LogReport) -> Result<usize, Failure> {
        let (Some(last), Some((next, path))) = (report.last, next_file(&self.what.file)) else {
            return Ok(0);
        };
        let goes_on =
            next.0 == last.0 + 1 || next == last || (next.epoch() > last.epoch() && next.counter() <= 1);
        if goes_on {
            return Ok(0);
        }
        let corruption = Corruption { file: path, offset: 0, what: Damage::Gap { after: last, found: next } };
        tell(self.out, self.what.json, &corruption, log_advice(&corruption.what))?;
        Ok(1)
    }

    fn summary(&mut self, report: &LogReport, damage: usize) -> Result<(), Failure> {
        let zxid = |zxid: Option<Zxid>| zxid.map_or("none".to_owned(), |zxid| render::hex(zxid.0));
        let (first, last) = (zxid(report.first), zxid(report.last));
        if self.what.json {
            let summary = json!({
                "summary": {
                    "file": self.what.file, "records": report.records, "first": first, "last": last, "damage": damage,
                    "tornAt": self.torn_at,
                }
            });
            writeln!(self.out, "{summary}")?;
        } else {
            let verdict = if damage == 0 { "sound" } else { "damaged" };
            writeln!(
                self.out,
                "EOF reached after {} txns: {first} to {last}, checksums verified, {verdict}",
                report.records
            )?;
        }
        Ok(self.out.flush()?)
    }
}

/// The log in the same directory that comes after this one.
fn next_file(file: &Path) -> Option<(Zxid, PathBuf)> {
    let own = parse_log_name(file.file_name()?.to_str()?)?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(directory).ok()?.filter_map(Result::ok);
    let later = entries.filter_map(|entry| {
        let first = parse_log_name(entry.file_name().to_str()?)?;
        (first > own).then(|| (first, entry.path()))
    });
    later.min()
}

/// Where, behind an offset, a record stands whose length, end mark and checksum hold.
fn whole_record_behind(bytes: &[u8], from: usize) -> Option<usize> {
    (from + 1..bytes.len()).find(|offset| is_whole_record(bytes.get(*offset..).unwrap_or_default()))
}

fn is_whole_record(bytes: &[u8]) -> bool {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() else { return false };
    let [_, _, _, _, a, b, c, d, rest_of_prefix @ ..] = *prefix;
    let Some(len) =
        usize::try_from(i32::from_be_bytes(rest_of_prefix)).ok().filter(|len| *len >= CONTENT_MIN)
    else {
        return false;
    };
    let Some((content, [END_OF_RECORD, ..])) = rest.split_at_checked(len) else { return false };
    u32::from_be_bytes([a, b, c, d]) == adler32(content)
}

/// The checksum of records.
fn adler32(bytes: &[u8]) -> u32 {
    const PRIME: u32 = 65_521;
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % PRIME;
        (low, (high + low) % PRIME)
    });
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_record_is_found_wherever_it_stands() {
        let content = [7_u8; 40];
        let mut record = vec![0, 0, 0, 0];
        record.extend(adler32(&content).to_be_bytes());
        record.extend(40_i32.to_be_bytes());
        record.extend(content);
        record.push(END_OF_RECORD);
        let mut bytes = vec![1, 2, 3];
        bytes.extend(&record);
        assert_eq!(whole_record_behind(&bytes, 0), Some(3));
        assert_eq!(whole_record_behind(&bytes, 3), None);
        bytes[20] ^= 1;
        assert_eq!(whole_record_behind(&bytes, 0), None);
    }

    #[test]
    fn adler32_of_a_known_text() {
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }
}
