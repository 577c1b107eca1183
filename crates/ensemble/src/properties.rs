//! Text of `key=value` lines, as `java.util.Properties` reads it.

use alloc::string::String;
use alloc::vec::Vec;

/// All pairs, in the order of their keys' first lines; of two lines with one key the later one counts.
// zk: Properties.load
pub(crate) fn parse(text: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for line in text.split(['\n', '\r']).map(str::trim_start) {
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let (key, value) = pair(line);
        match pairs.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => pairs.push((key, value)),
        }
    }
    pairs
}

/// The key ends at the first `=`, `:` or blank; blanks around one separator go, blanks at the end stay.
fn pair(line: &str) -> (String, String) {
    let is_blank = |c: char| c == ' ' || c == '\t' || c == '\u{c}';
    let mut is_escaped = false;
    let end = line.find(|c: char| {
        let ends = !is_escaped && (c == '=' || c == ':' || is_blank(c));
        is_escaped = c == '\\' && !is_escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (unescape(key), unescape(rest.trim_start_matches(is_blank)))
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_java_reads_them() {
        for (text, wanted) in [
            ("", ""),
            ("a=b", "a|b"),
            ("  a = b \n\n#c\n!d=e\na:x", "a|x"),
            ("server.1=h:1:2;3\r\nserver.2 h", "server.1|h:1:2;3 server.2|h"),
            ("a\\=b=c\\:d", "a=b|c:d"),
            ("a", "a|"),
        ] {
            let found: Vec<String> = parse(text).iter().map(|(k, v)| alloc::format!("{k}|{v}")).collect();
            assert_eq!(found.join(" "), wanted, "{text:?}");
        }
    }
}
