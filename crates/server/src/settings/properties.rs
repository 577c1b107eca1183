//! `java.util.Properties` text, as `zoo.cfg` uses it: escapes, continuations, ISO-8859-1; line numbers are kept.

use std::fmt;

/// One `key=value` of the file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, trimmed.
    pub key: String,
    /// The value, trimmed.
    pub value: String,
    /// Line on which the logical line starts, from 1.
    pub line: usize,
}

/// A `\u` that four hex digits do not follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadEscape {
    /// Line on which the logical line starts, from 1.
    pub line: usize,
}

impl fmt::Display for BadEscape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: `\\u` must be followed by four hex digits", self.line)
    }
}

/// Parses a whole file. Of several lines with one key the last one counts; the order is that of the last lines.
///
/// # Errors
/// [`BadEscape`], the one thing that the format can get wrong.
// zk: QuorumPeerConfig.parseProperties trims keys and values after java.util.Properties has read them
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>, BadEscape> {
    let mut entries: Vec<Entry> = Vec::new();
    for (line, text) in logical_lines(bytes) {
        let (key, value) = split(&text);
        let unescape = |raw: &[u8]| unescape(raw).ok_or(BadEscape { line });
        let entry =
            Entry { key: unescape(key)?.trim().to_owned(), value: unescape(value)?.trim().to_owned(), line };
        entries.retain(|earlier| earlier.key != entry.key);
        entries.push(entry);
    }
    Ok(entries)
}

/// Joins continued lines and drops comments and blank ones. A continued line loses its leading white space.
fn logical_lines(bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut done = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (index, natural) in natural_lines(bytes).into_iter().enumerate() {
        let text = natural.trim_ascii_start_of_properties();
        let (start, mut joined) = match open.take() {
            Some(earlier) => earlier,
            None if text.is_empty() || matches!(text.first(), Some(b'#' | b'!')) => continue,
            None => (index + 1, Vec::new()),
        };
        let backslashes = text.iter().rev().take_while(|byte| **byte == b'\\').count();
        let continued = backslashes % 2 == 1;
        let kept = text.len() - usize::from(continued);
        joined.extend(text.iter().take(kept));
        if continued {
            open = Some((start, joined));
        } else {
            done.push((start, joined));
        }
    }
    done.extend(open);
    done
}

/// Splits at `\n`, `\r` and `\r\n`.
fn natural_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        let (line, tail) = rest.split_at(end);
        lines.push(line);
        rest = tail.strip_prefix(b"\r\n").or_else(|| tail.get(1..)).unwrap_or_default();
    }
    lines.push(rest);
    lines
}

/// Key and value of a logical line: the key ends at the first `=`, `:` or white space that no backslash protects.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let mut escaped = false;
    let end = line.iter().position(|byte| {
        let ends = !escaped && (is_space(*byte) || matches!(byte, b'=' | b':'));
        escaped = !escaped && *byte == b'\\';
        ends
    });
    let (key, tail) = line.split_at(end.unwrap_or(line.len()));
    let tail = tail.trim_ascii_start_of_properties();
    let tail = tail.strip_prefix(b"=").or_else(|| tail.strip_prefix(b":")).unwrap_or(tail);
    (key, tail.trim_ascii_start_of_properties())
}

/// Undoes the escapes; each other byte is a character of ISO-8859-1.
fn unescape(raw: &[u8]) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(raw.len());
    let mut rest = raw.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            units.push(u16::from(byte));
            continue;
        }
        match rest.next() {
            None => {}
            Some(b't') => units.push(9),
            Some(b'n') => units.push(10),
            Some(b'f') => units.push(12),
            Some(b'r') => units.push(13),
            Some(b'u') => {
                let mut unit = 0u16;
                for _ in 0..4 {
                    let digit = char::from(rest.next()?).to_digit(16)?;
                    unit = (unit << 4) | u16::try_from(digit).ok()?;
                }
                units.push(unit);
            }
            Some(other) => units.push(u16::from(other)),
        }
    }
    Some(String::from_utf16_lossy(&units))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0c)
}

trait TrimStart {
    fn trim_ascii_start_of_properties(&self) -> &Self;
}

impl TrimStart for [u8] {
    fn trim_ascii_start_of_properties(&self) -> &Self {
        let start = self.iter().position(|byte| !is_space(*byte)).unwrap_or(self.len());
        self.get(start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Line = (&'static str, &'static str, usize);

    fn pairs(text: &str) -> Vec<(String, String, usize)> {
        parse(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|entry| (entry.key, entry.value, entry.line))
            .collect()
    }

    #[test]
    fn reads_what_java_reads() {
        let rows: [(&str, &[Line]); 16] = [
            ("a=1", &[("a", "1", 1)]),
            ("a = 1 \nb:2\nc 3", &[("a", "1", 1), ("b", "2", 2), ("c", "3", 3)]),
            ("# note\n! note\n\n  \t a=1", &[("a", "1", 4)]),
            ("a=1\r\nb=2\rc=3", &[("a", "1", 1), ("b", "2", 2), ("c", "3", 3)]),
            ("a=one \\\n   two\\\n three\nb=2", &[("a", "one twothree", 1), ("b", "2", 4)]),
            ("a=x\\\\\nb=2", &[("a", "x\\", 1), ("b", "2", 2)]),
            ("a\\=b=c\\:d", &[("a=b", "c:d", 1)]),
            ("a\\ b c", &[("a b", "c", 1)]),
            ("a==b", &[("a", "=b", 1)]),
            ("a", &[("a", "", 1)]),
            ("a=\\u0041\\tz", &[("a", "A\tz", 1)]),
            ("a=\\ud83d\\ude00", &[("a", "\u{1f600}", 1)]),
            ("a=1\nb=2\na=3", &[("b", "2", 2), ("a", "3", 3)]),
            ("a=x#y", &[("a", "x#y", 1)]),
            ("a=1\\\n#2", &[("a", "1#2", 1)]),
            ("a=1\\", &[("a", "1", 1)]),
        ];
        for (text, wanted) in rows {
            let wanted: Vec<_> =
                wanted.iter().map(|(key, value, line)| (key.to_string(), value.to_string(), *line)).collect();
            assert_eq!(pairs(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn takes_bytes_as_latin_1() {
        assert_eq!(parse(b"a=\xe9").unwrap().first().unwrap().value, "\u{e9}");
    }

    #[test]
    fn names_the_line_of_a_bad_escape() {
        assert_eq!(parse(b"a=1\nb=\\u12g4"), Err(BadEscape { line: 2 }));
        assert_eq!(parse(b"a=\\u12"), Err(BadEscape { line: 1 }));
    }
}
